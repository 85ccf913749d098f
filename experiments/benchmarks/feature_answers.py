"""What each implementation computed, kept in files and compared cell by cell.

A foreign Python keeps its answers with this module too, so nothing of Holdfast is imported.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

TOLERANCE = 1e-9
"""How far two values may differ, by the larger of 1 and the value."""

_MINOR = 100


class Disagreement(Exception):  # noqa: N818  (an outcome, not a failure of the program)
    """An implementation computed something else than Holdfast."""


@dataclass(frozen=True)
class Agreement:
    """How many cells were compared, and the largest difference: by the larger of 1 and the value."""

    cells: int
    largest: float


def answer_of(folder: Path, name: str) -> Path:
    """Path of the answer of one implementation."""
    return folder / "answers" / f"{name}.parquet"


def keep(answer: object, folder: Path, name: str) -> None:
    """Keep an answer of Arrow, pandas or polars that has one row for each customer, once."""
    path = answer_of(folder, name)
    if path.exists():
        return
    path.parent.mkdir(exist_ok=True)
    pq.write_table(_to_arrow(answer), path, compression="none", use_dictionary=False)


def _to_arrow(answer: Any) -> pa.Table:
    """Turn the answer of any library into a table with the column customer_id."""
    if isinstance(answer, pd.DataFrame):
        return pa.Table.from_pandas(answer.rename_axis("customer_id").reset_index(), preserve_index=False)
    return answer.to_arrow() if hasattr(answer, "to_arrow") else answer


def compare(ours: Path, theirs: Path, money: Collection[str]) -> Agreement:
    """Compare every value of another implementation with ours.

    Parameters
    ----------
    ours, theirs : Path
        Two answers; theirs may have fewer features.
    money : collection of str
        The features that are in minor units in ours and in currency units in theirs.

    Raises
    ------
    Disagreement
        Other customers, another column, a value missing in one of both, or two that differ.
    """
    rows, other_rows = _order(ours), _order(theirs)
    if not np.array_equal(_column(ours, "customer_id")[rows], _column(theirs, "customer_id")[other_rows]):
        raise Disagreement(f"{theirs.stem} has other customers")
    names = [name for name in pq.read_schema(theirs).names if name != "customer_id"]
    largest = 0.0
    for name in names:
        one = _ours(ours, name, rows) / (_MINOR if name in money else 1)
        largest = max(largest, _difference(one, _column(theirs, name)[other_rows], f"{theirs.stem}: {name}"))
    return Agreement(len(names) * len(rows), largest)


def _difference(one: "np.typing.NDArray[Any]", other: "np.typing.NDArray[Any]", what: str) -> float:
    """Return the largest difference of two columns."""
    one, other = one.astype(np.float64), other.astype(np.float64)
    missing = np.isnan(one) != np.isnan(other)
    if missing.any():
        raise Disagreement(f"{what} is missing in one of both for {missing.sum():,} customers")
    apart = np.abs(one - other) / np.maximum(np.abs(one), 1)
    apart[np.isnan(one)] = 0
    if (apart > TOLERANCE).any():
        raise Disagreement(f"{what} differs for {(apart > TOLERANCE).sum():,} customers")
    return float(apart.max(initial=0))


def _ours(path: Path, name: str, rows: "np.typing.NDArray[np.int64]") -> "np.typing.NDArray[Any]":
    """One of our columns; a name that begins with ``whole_`` asks for days begun."""
    values = _column(path, name.removeprefix("whole_"))[rows]
    return np.ceil(values) if name.startswith("whole_") else values


def _order(path: Path) -> "np.typing.NDArray[np.int64]":
    """Return the order of the customers by id."""
    return np.argsort(_column(path, "customer_id"), kind="stable")


def _column(path: Path, name: str) -> "np.typing.NDArray[Any]":
    """One column of an answer; null is NaN."""
    names = pq.read_schema(path).names
    if name not in names:
        raise Disagreement(f"{path.stem} has no column {name}; it has {', '.join(names)}")
    values = pq.read_table(path, columns=[name]).column(0)
    if pa.types.is_decimal(values.type):
        values = values.cast(pa.float64())
    return np.asarray(values.to_numpy())
