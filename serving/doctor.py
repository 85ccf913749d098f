"""What could be wrong with an installation, looked at one by one."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions, version
from pathlib import Path

from features.errors import HoldfastError
from training.tracking import QUIET, Tracking

PACKAGES = ("features", "training", "serving", "experiments")
FLOORS = {
    "bentoml": (1, 4, 39),
    "mlflow": (3, 17, 2),
    "pyarrow": (14, 0, 1),
    "starlette": (0, 49, 1),
}
"""Oldest releases without a known hole that matters here."""
_TELEMETRY = {**QUIET, "BENTOML_DO_NOT_TRACK": "True"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    good: bool
    says: str


def examine(business: Path | None) -> list[Finding]:
    """Look at the installation, and at a business where one is named."""
    findings = [_python(), *_versions(), _one_xgboost(), *_names(), *_telemetry()]
    return findings + (list(_business(business)) if business is not None else [])


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
    for name, wanted in _TELEMETRY.items():
        found = os.environ.get(name, wanted)
        yield Finding(name, found.lower() == wanted.lower(), f"{found}, wanted {wanted}")


def _business(path: Path) -> Iterator[Finding]:
    from features import business as businesses
    from features.store import Store

    try:
        business = businesses.load(path)
    except HoldfastError as error:
        yield Finding("business.toml", good=False, says=str(error))
        return
    yield Finding("business.toml", good=True, says=business.business.name)
    try:
        store = Store.open(business.workspace)
        yield Finding("store", good=True, says=f"{store.manifest.n_customers:,} customers")
    except HoldfastError as error:
        yield Finding("store", good=False, says=str(error))
    tracking = Tracking(business)
    try:
        champions = [tracking.champion(kind) for kind in ("attrition", "lifetime-value")]
    except HoldfastError as error:
        yield Finding("registry", good=False, says=str(error))
        return
    names = [version.text for version in champions if version is not None]
    yield Finding("registry", good=True, says=f"champions: {', '.join(names) or 'none yet'}")
