"""Registry: which public data sets there are, by name."""

from collections.abc import Callable
from pathlib import Path

from experiments.datasets.cdnow import load_cdnow
from experiments.datasets.complete_journey import load_complete_journey
from experiments.datasets.insurance import load_insurance
from experiments.datasets.ravenstack import load_ravenstack
from experiments.datasets.tables import Loaded
from experiments.datasets.telco import load_telco
from experiments.folders import refuse_foreign
from features.errors import UserError, did_you_mean

DATASETS: dict[str, Callable[[Path, Path], Loaded]] = {
    "cdnow": load_cdnow,
    "complete_journey": load_complete_journey,
    "insurance": load_insurance,
    "ravenstack": load_ravenstack,
    "telco": load_telco,
}
"""The public data sets that can be loaded, by name."""


def load(name: str, source: Path, target: Path) -> Loaded:
    """Turn the files of a public data set into tables and a ``business.toml``.

    Parameters
    ----------
    name : str
        One of `DATASETS`.
    source : Path
        The folder with the published files, or the file itself.
    target : Path
        The folder to write to, made if need be; files of an earlier call are replaced.

    Returns
    -------
    Loaded

    Raises
    ------
    UserError
        The name is not known, the folder holds what this data set did not write, or the source.
    DataError
        The files are not there, or not of the published shape.
    """
    if name not in DATASETS:
        raise UserError(f"{name!r} is not a data set that Holdfast can load. {did_you_mean(name, DATASETS)}")
    refuse_foreign(target, f"dataset {name}")
    return DATASETS[name](source, target)
