"""The command line: ``holdfast VERB business.toml``.

Exit codes: 0 done · 1 our bug · 2 yours to fix · 3 a quality bar or promotion gate refused.
What a person reads goes to standard output as a table, or as one JSON document with ``--json``;
progress and errors go to standard error.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from features.errors import HoldfastError

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "BENTOML_DO_NOT_TRACK": "True",
    "OTEL_SDK_DISABLED": "true",
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""Set before anything heavy is imported: no telemetry, and threads that wait give their core to others
(spinning ones made a fit on a busy machine thirty times slower)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    os.environ.update({name: value for name, value in ENVIRONMENT.items() if name not in os.environ})
    arguments = parser().parse_args(argv)
    from serving import hindsight, inspection, verbs

    try:
        said_in = next(each for each in (inspection, hindsight, verbs) if hasattr(each, arguments.verb))
        answer = getattr(said_in, arguments.verb)(arguments)
        _say(answer, as_json=arguments.json)
    except HoldfastError as error:
        return _failed(error, as_json=arguments.json)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return int(answer.exit_code)


def _failed(error: HoldfastError, *, as_json: bool) -> int:
    """Say what went wrong, for a person or a machine."""
    if as_json:
        print(json.dumps({"error": {"code": type(error).__name__, "message": str(error)}}))
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    return error.exit_code


def _say(answer: Any, *, as_json: bool) -> None:
    """Print an answer."""
    if as_json:
        print(json.dumps(answer.data, indent=1, allow_nan=False))
    else:
        print(answer.text, flush=True)
    if answer.complaint:
        print(answer.complaint, file=sys.stderr)


def parser() -> argparse.ArgumentParser:
    """Describe every verb, each with an example that a test runs."""
    top = argparse.ArgumentParser(
        prog="holdfast",
        description="Which customers leave, why, what they are worth, and what to do about it.",
        epilog="Exit codes: 0 done, 1 our bug, 2 yours to fix, 3 a quality bar or promotion gate refused.",
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    _data_verbs(verbs)
    _inspection_verbs(verbs)
    _model_verbs(verbs)
    _answer_verbs(verbs)
    _other_verbs(verbs)
    return top


def _verb(
    verbs: Any, name: str, says: str, example: str, *, business: bool = True
) -> argparse.ArgumentParser:
    found: argparse.ArgumentParser = verbs.add_parser(
        name, help=says, description=says[0].upper() + says[1:] + ".", epilog=f"Example: holdfast {example}"
    )
    if business:
        found.add_argument("business", type=Path, help="the business.toml")
    found.add_argument("--json", action="store_true", help="answer with one JSON document")
    return found


def _data_verbs(verbs: Any) -> None:
    _verb(verbs, "build", "read the sources into the store", "build business.toml")
    simulate = _verb(
        verbs,
        "simulate",
        "write a made-up business whose truth is known",
        "simulate demo --customers 2000 --seed 1",
        business=False,
    )
    simulate.add_argument("folder", type=Path, metavar="DIR", help="a new or empty folder")
    simulate.add_argument("--customers", type=_positive, default=2000, help="how many (default 2000)")
    simulate.add_argument("--seed", type=int, default=0, help="same seed, same files (default 0)")
    dataset = _verb(
        verbs,
        "dataset",
        "write a public data set as tables and a business.toml",
        "dataset cdnow --from downloads --to cdnow",
        business=False,
    )
    dataset.add_argument(
        "name", metavar="NAME", help="cdnow, complete_journey, insurance, ravenstack or telco"
    )
    dataset.add_argument("--from", dest="source", type=Path, required=True, help="the file or its folder")
    dataset.add_argument("--to", dest="target", type=Path, required=True, help="a new or empty folder")


def _inspection_verbs(verbs: Any) -> None:
    init = _verb(
        verbs,
        "init",
        "look at files or database tables and write a commented business.toml",
        "init purchases.parquet customers.parquet --to proposed.toml",
        business=False,
    )
    init.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="files, folders, globs or a postgresql:// URL"
    )
    init.add_argument("--to", type=Path, default=Path("business.toml"), help="default: business.toml")
    init.add_argument("--name", help="what the business is called (default: as the file or folder)")
    init.add_argument("--currency", help="as in EUR (default: what the data show, or else USD)")
    init.add_argument("--table", action="append", help="of the database: only this one; may be repeated")
    init.add_argument("--force", action="store_true", help="replace the file if it is there")
    _verb(verbs, "check", "grade the data A to F, with what to do; writes nothing", "check business.toml")
    advise = _verb(
        verbs,
        "advise",
        "recommend the churn horizon, with its regret",
        "advise business.toml --out advice.html",
    )
    advise.add_argument("--until", type=_instant, help="as if today were then: nothing later is used")
    advise.add_argument("--out", type=Path, help="also write a page with the curve")


def _model_verbs(verbs: Any) -> None:
    train = _verb(verbs, "train", "train, judge, register and promote models", "train business.toml")
    train.add_argument(
        "--model", default=None, help="which, with commas between (default: all that the tables allow)"
    )
    train.add_argument("--until", type=_instant, help="as if today were then: nothing later is used")
    train.add_argument(
        "--trials", type=_natural, default=0, help="hyperparameter sets to try after the defaults (default 0)"
    )
    train.add_argument("--search-seconds", type=_positive, help="try no set for longer than this")
    train.add_argument("--seed", type=int, default=0, help="same seed, same model bytes (default 0)")
    train.add_argument(
        "--from-run", metavar="RUN", help="repeat a run of MLflow: same facts, seed and parameters"
    )
    train.add_argument(
        "--promote",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="make it champion if the gate passes it (default, unless a run is repeated)",
    )
    _verb(verbs, "models", "list the registered models", "models business.toml")
    promote = _verb(verbs, "promote", "make the challengers champions", "promote business.toml")
    rollback = _verb(
        verbs, "rollback", "make the champions before these champions again", "rollback business.toml"
    )
    for command in (promote, rollback):
        command.add_argument("--model", default=None, help="which, with commas between (default: all)")


def _answer_verbs(verbs: Any) -> None:
    score = _verb(
        verbs, "score", "score every customer", "score business.toml --cutoff 2025-04-01 --out scores"
    )
    score.add_argument("--cutoff", type=_instant, help="first instant of the future (default: newest)")
    score.add_argument(
        "--out", help="a folder for Parquet, or the URL of the score table: sqlite:///… or postgresql://…"
    )
    score.add_argument("--engine", choices=["local"], default="local", help="what computes (default local)")
    evaluate = _verb(
        verbs,
        "evaluate",
        "compare the scores of a cutoff with what then happened",
        "evaluate business.toml --cutoff 2025-04-01",
    )
    evaluate.add_argument(
        "--cutoff", type=_instant, help="the cutoff that was scored; what --backtest may not look beyond"
    )
    evaluate.add_argument("--backtest", action="store_true", help="replay history cutoff by cutoff instead")
    evaluate.add_argument("--origins", type=_positive, default=3, help="cutoffs to replay (default 3)")
    evaluate.add_argument("--seed", type=int, default=0, help="of models and intervals (default 0)")
    serve = _verb(verbs, "serve", "answer over HTTP until stopped", "serve business.toml --port 3456")
    serve.add_argument("--host", default=None, help="address to listen on (default 127.0.0.1)")
    serve.add_argument("--port", type=_positive, default=None, help="port to listen on (default 3000)")


def _other_verbs(verbs: Any) -> None:
    keys = _verb(
        verbs,
        "keys",
        "make, list and revoke the keys of the service",
        "keys create shop --scopes score,lookup --business business.toml",
        business=False,
    )
    keys.add_argument(
        "words", nargs="*", metavar="create NAME | list | revoke NAME", help="what to do, and whose key it is"
    )
    keys.add_argument("--scopes", default="score,lookup", help="of score, lookup, admin (default: first two)")
    keys.add_argument("--expires", type=_instant, help="when it ends (default: never)")
    keys.add_argument(
        "--business",
        type=Path,
        default=Path("business.toml"),
        help="default: the business.toml here",
    )
    doctor = _verb(
        verbs,
        "doctor",
        "check versions, names, reachability and that nothing phones home",
        "doctor business.toml",
        business=False,
    )
    doctor.add_argument("business", type=Path, nargs="?", help="also check this business")


def _positive(text: str) -> int:
    return _whole(text, 1)


def _natural(text: str) -> int:
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of {least} or more")
    return int(text)


def _instant(text: str) -> int:
    from features.errors import UserError
    from features.windows import parse_instant

    try:
        return parse_instant(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
