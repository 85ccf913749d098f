"""Public data sets as a business: tables and a ``business.toml`` that the command line takes.

Holdfast ships none of them and downloads nothing; the user brings the files.
A further set is one module with its ``business.toml`` beside it, and its line in `DATASETS`.
"""

from experiments.datasets.registry import DATASETS, load
from experiments.datasets.tables import Loaded

__all__ = ["DATASETS", "Loaded", "load"]
