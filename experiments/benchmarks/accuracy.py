"""How well the models predict public data, beside goals and peers, in one page.

``python -m experiments.benchmarks.accuracy --from DATA --peers PYTHON --out experiments/results/accuracy.md``

``DATA`` holds a folder for each public data set.  ``PYTHON`` is the Python of another environment, which has
lifetimes (`experiments/benchmarks/peers.txt`); without it that part says so.  All of it takes twenty CPU
minutes; ``--keep FOLDER`` keeps every part that is done, so that a run can be continued.

``python -m experiments.benchmarks.accuracy --business FOLDER/business.toml`` replays the history of any
business that has been built, as ``holdfast evaluate --backtest`` does.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from experiments.benchmarks.accuracy_page import Line, Part, to_page
from experiments.benchmarks.accuracy_parts import PARTS, Order

_REDUCED = "**A reduced run: fewer rows, customers, resamples and trials. Its figures mean nothing.**"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and write the page; or replay a business."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--from", dest="source", type=Path, help="folder of the public data sets")
    what.add_argument("--business", type=Path, help="a business.toml: replay its history instead")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--peers", type=Path, help="the Python that has lifetimes")
    parser.add_argument("--reduced", action="store_true", help="see in minutes whether all of it works")
    parser.add_argument("--cost-rows", nargs="+", type=int, default=[100_000], help="of the ensembles' costs")
    parser.add_argument("--keep", type=Path, help="keep the parts here, and use those that are there")
    parser.add_argument("--out", type=Path, help="the Markdown file to write")
    arguments = parser.parse_args(argv)
    if arguments.business is not None:
        return _replay(arguments.business)
    order = Order(arguments.source, arguments.peers, arguments.reduced, tuple(arguments.cost_rows))
    page = measure(order, arguments.parts, arguments.keep)
    print(page)
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(page, encoding="utf-8")
    return 0


def _replay(business: Path) -> int:
    from serving.cli import main as holdfast

    return holdfast(["evaluate", str(business), "--backtest"])


def measure(order: Order, names: Sequence[str], folder: Path | None = None) -> str:
    """Measure some parts, in the order of the page, and write it.

    Parameters
    ----------
    order : Order
    names : sequence of str
        Of `PARTS`.
    folder : Path or None
        Where parts are kept.
    """
    found = {}
    for name in (name for name in PARTS if name in names):
        file = None if folder is None else folder / f"{name}.json"
        if file is not None and file.exists():
            found[name] = _read(file)
            continue
        started, clock = time.process_time(), time.perf_counter()
        found[name] = PARTS[name][1](order)
        _say(f"{name}: {time.process_time() - started:.0f} CPU s, {time.perf_counter() - clock:.0f} s")
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(asdict(found[name])), encoding="utf-8")
    titles = {name: title for name, (title, _) in PARTS.items()}
    return to_page(found, titles, [_REDUCED] if order.is_reduced else [])


def _read(file: Path) -> Part:
    kept = json.loads(file.read_text(encoding="utf-8"))
    for line in kept["lines"]:
        line["difference"] = line["difference"] and tuple(line["difference"])
    return Part([Line(**line) for line in kept["lines"]], kept["details"])


def _say(what: str) -> None:
    """Report progress."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
