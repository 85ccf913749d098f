"""What could be wrong with an installation, looked at one by one."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions, version
from pathlib import Path

from features.business import Business
from features.errors import HoldfastError
from serving.cli import ENVIRONMENT
from training import KINDS
from training.tracking import QUIET, Tracking

PACKAGES = ("features", "training", "serving", "experiments")
FLOORS = {
    "bentoml": (1, 4, 39),
    "mlflow": (3, 17, 2),
    "pyarrow": (14, 0, 1),
    "starlette": (0, 49, 1),
}
"""Oldest releases without a known hole that matters here."""
_REPORTING = {name: wanted for name, wanted in ENVIRONMENT.items() if name != "OMP_WAIT_POLICY"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    good: bool
    says: str


def examine(business: Path | None) -> list[Finding]:
    """Look at the installation, and at a business where one is named."""
    findings = [_python(), *_versions(), _one_xgboost(), *_names()]
    if business is not None:
        findings += _business(business)
    # Last: by now everything that sets the environment has done so.
    return [*findings, *_telemetry()]


def _python() -> Finding:
    found = sys.version_info
    return Finding("python", found[:2] == (3, 11), f"{found.major}.{found.minor}.{found.micro}, needs 3.11")


def _versions() -> Iterator[Finding]:
    for name, floor in FLOORS.items():
        found = version(name)
        parts = tuple(int(part) for part in found.split(".")[:3] if part.isdigit())
        yield Finding(name, parts >= floor, f"{found}, needs {'.'.join(map(str, floor))} or newer")


def _one_xgboost() -> Finding:
    """Two distributions own the module ``xgboost``; installed together they overwrite each other."""
    found = [name for name in ("xgboost", "xgboost-cpu") if _installed(name)]
    return Finding("xgboost", len(found) == 1, f"installed: {', '.join(found) or 'none'}; needs exactly one")


def _installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _names() -> Iterator[Finding]:
    """Our packages have plain names: nobody else may own them, and they must be ours."""
    owners = packages_distributions()
    home = Path(__file__).resolve().parent.parent
    for name in PACKAGES:
        others = set(owners.get(name, ())) - {"holdfast"}
        module = __import__(name)
        place = Path(str(module.__file__)).resolve().parent.parent
        good = not others and place == home
        yield Finding(
            f"name {name}", good, f"also owned by {', '.join(sorted(others))}" if others else "ours alone"
        )


def _telemetry() -> Iterator[Finding]:
    """Say what really is in the environment; that of MLflow is set when MLflow is first needed."""
    wanted_now = _REPORTING | (QUIET if "mlflow" in sys.modules else {})
    for name, wanted in wanted_now.items():
        found = os.environ.get(name)
        good = found is not None and found.lower() == wanted.lower()
        yield Finding(name, good, f"{found or 'not set'}, wanted {wanted}")


def _business(path: Path) -> Iterator[Finding]:
    from features import business as businesses
    from features.store import Store

    try:
        business = businesses.load(path)
    except HoldfastError as error:
        yield Finding("business.toml", good=False, says=str(error))
        return
    yield Finding("business.toml", good=True, says=business.business.name)
    yield from _sources(business)
    yield _scores(business)
    try:
        store = Store.of(business)
        yield Finding("store", good=True, says=f"{store.manifest.n_customers:,} customers")
    except HoldfastError as error:
        yield Finding("store", good=False, says=str(error))
    tracking = Tracking(business)
    try:
        champions = [tracking.champion(kind) for kind in KINDS]
    except HoldfastError as error:
        yield Finding("registry", good=False, says=str(error))
        return
    names = [version.text for version in champions if version is not None]
    yield Finding("registry", good=True, says=f"champions: {', '.join(names) or 'none yet'}")


def _sources(business: Business) -> Iterator[Finding]:
    """Whether there are files, or a database that answers, for every table; no row is read."""
    from features.intake import postgres
    from features.intake.sources import find

    for table in business.tables:
        try:
            places = find(business, table)
            for place in places:
                if place.kind == "database":
                    postgres.look(table, place.source)
        except HoldfastError as error:
            yield Finding(f"tables.{table}", good=False, says=str(error))
            continue
        says = ", ".join(
            "the database answers" if place.kind == "database" else f"{len(place.files)} {place.kind} file(s)"
            for place in places
        )
        yield Finding(f"tables.{table}", good=True, says=says)


def _scores(business: Business) -> Finding:
    """Whether the next batch of scores could be published."""
    from serving import scores
    from serving.settings import Secret, score_url

    configured = os.environ.get("HOLDFAST_SCORES")
    url = score_url(Secret(configured) if configured else None, business)
    try:
        scores.reachable(url)
    except HoldfastError as error:
        return Finding("scores", good=False, says=str(error))
    return Finding("scores", good=True, says=f"{url.split(':', 1)[0]}, can be written")
