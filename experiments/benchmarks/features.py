"""38 point-in-time features of a purchase log: Holdfast beside its peers and beside the limit, in one run.

``python -m experiments.benchmarks.features --customers 1000000 --peers PYTHON --out features.md``

``PYTHON`` is the Python of another environment, which has what does not go together with our own packages::

    python3.11 -m venv .peers
    .peers/bin/python -m pip install --requirement experiments/benchmarks/peers.txt

Without it the rows of polars, lifetimes and featuretools say so.  Whoever computes the features computes
them from the same file, and every cell is compared with ours; a single one that differs fails the run.
A million customers take about half an hour and 6 GB on the disk, a hundred thousand about ten minutes.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from experiments.benchmarks import feature_laps, feature_rivals
from experiments.benchmarks.feature_answers import Agreement, answer_of, compare
from experiments.benchmarks.feature_log import PURCHASES_OF_A_CUSTOMER, tiny_of, write_log
from experiments.benchmarks.feature_page import Measured, to_page
from experiments.benchmarks.feature_set import MONEY
from experiments.benchmarks.stopwatch import Runs, runs_alone

MOST_FOR_FEATURETOOLS = 100_000
"""featuretools takes a minute for so many customers; more would only take longer."""

_TENTH = 10
_TINY = 1_000
_ROOT = Path(__file__).resolve().parents[2]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--customers", type=int, default=1_000_000, help="20 purchases each, on average")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything takes its turn")
    parser.add_argument("--peers", type=Path, help="the Python that has polars, lifetimes and featuretools")
    parser.add_argument("--folder", type=Path, help="keep the logs here, and use them if they are there")
    parser.add_argument("--out", type=Path, help="the Markdown file to write")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        folder = (arguments.folder or Path(scratch)).absolute() / str(arguments.customers) / "large"
        page = to_page(measure(folder, arguments.customers, arguments.rounds, arguments.peers))
    print(page)
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(page, encoding="utf-8")
    return 0


def measure(folder: Path, customers: int, rounds: int, peers: Path | None) -> Measured:
    """Write the logs, measure everybody in turn, and compare what they computed.

    Raises
    ------
    Disagreement
        Somebody computed something else than we did.
    """
    few, few_customers = folder.parent / "few", max(customers // _TENTH, 1)
    buckets = prepare({folder: customers, few: few_customers, tiny_of(folder): _TINY})
    installed = _installed(peers)
    runs: dict[str, Runs] = {}
    for turn in range(rounds):
        for name, found in _round(folder, few, customers, peers, installed):
            _say(f"round {turn + 1} of {rounds}: {name} {found.cpu_seconds[-1]:.2f} CPU s")
            runs[name] = runs[name] + found if name in runs else found
    _say("first call")
    first_call = feature_laps.first_call(few)
    return Measured(
        customers=customers,
        purchases=customers * PURCHASES_OF_A_CUSTOMER,
        few_customers=few_customers,
        buckets=buckets,
        figures={name: found.middle() for name, found in runs.items()},
        agreements={**agreements(folder), **agreements(few)},
        installed=installed,
        customers_of_featuretools=min(customers, few_customers) if _is_large(customers) else customers,
        first_call=first_call,
    )


def prepare(customers: Mapping[Path, int]) -> tuple[int, int]:
    """Write the logs and build the stores: of all, of a tenth in buckets of the same size, and a tiny one.

    Returns how many buckets the store of all has, and the one with many.
    """
    for place, number in customers.items():
        _say(f"writing the log of {number:,} customers")
        write_log(place, number)
        shutil.rmtree(place / "answers", ignore_errors=True)
    _say("building the stores")
    large, few, tiny = customers
    n_buckets, n_many = feature_laps.prepare(large)
    feature_laps.prepare_few(few, n_many / _TENTH)
    feature_laps.prepare_few(tiny, 1)
    return n_buckets, n_many


def agreements(folder: Path) -> dict[str, Agreement]:
    """Compare every answer in a folder with ours."""
    ours = answer_of(folder, "features")
    others = sorted(path for path in ours.parent.glob("*.parquet") if path != ours)
    return {path.stem: compare(ours, path, MONEY) for path in others}


def _round(
    folder: Path, few: Path, customers: int, peers: Path | None, installed: Mapping[str, str]
) -> Iterator[tuple[str, Runs]]:
    """Measure everybody once."""
    for name, lap in feature_laps.LAPS.items():
        yield name, runs_alone(lap, folder)
    for name, lap in feature_laps.LAPS_OF_FEW.items():
        yield name, runs_alone(lap, few)
    for name, package in feature_rivals.PACKAGES.items():
        if peers is not None and package in installed:
            small = package == "featuretools" and _is_large(customers)
            yield name, _abroad(peers, name, few if small else folder)


def _is_large(customers: int) -> bool:
    """Whether there are more customers than featuretools should be given."""
    return customers > MOST_FOR_FEATURETOOLS


def _installed(peers: Path | None) -> dict[str, str]:
    """Return the versions of the packages of the other environment."""
    if peers is None:
        return {}
    found: dict[str, str] = json.loads(_rival(peers, "installed"))
    return found


def _abroad(peers: Path, name: str, folder: Path) -> Runs:
    """Measure one rival in the other environment."""
    found: dict[str, list[float]] = json.loads(_rival(peers, name, str(folder)).splitlines()[-1])
    return Runs(**{figure: tuple(values) for figure, values in found.items()})


def _rival(peers: Path, *words: str) -> str:
    # The path as it is: a link to another Python, resolved, would lose its environment.
    command = [str(peers.absolute()), "-m", "experiments.benchmarks.feature_rivals", *words]
    answer = subprocess.run(  # noqa: S603  (our own command)
        command, check=True, stdout=subprocess.PIPE, text=True, cwd=_ROOT
    )
    return answer.stdout


def _say(what: str) -> None:
    """Report progress."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
