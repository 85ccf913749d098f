"""The panel: one row for each (customer, cutoff), one column for each feature.

>>> from features.language import EventSource, FeatureSet, count
>>> from features.events import Bucket
>>> import numpy as np
>>> visits = FeatureSet(count(EventSource("contacts", at="contacted_at")))
>>> panel_of(visits, Bucket(["a", "b"], {}), np.array([0])).to_pandas()
  customer_id                    cutoff  contacts_count_ever
0           a 1970-01-01 00:00:00+00:00                  0.0
1           b 1970-01-01 00:00:00+00:00                  0.0
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from features import kernel
from features.events import Bucket, Instants, Numbers
from features.language import Derived, FeatureSet
from features.turns import Result, in_turn

N_WORKERS = 2
"""Buckets at work at once: each holds one bucket in memory, and the kernel releases the GIL."""


class BucketReader(Protocol):
    """Where buckets come from: the store, or anything that looks like it."""

    @property
    def n_buckets(self) -> int:
        """Number of buckets."""
        ...

    def read(self, index: int, columns: Mapping[str, Collection[str]]) -> Bucket:
        """Read some columns of one bucket."""
        ...


@dataclass(frozen=True)
class Panel:
    """Feature values of (customer, cutoff) rows.

    Attributes
    ----------
    features : FeatureSet
        The columns.
    customer_ids : sequence of str (n_customers,)
        The customers, each once.
    customers : int64 array (n_rows,)
        The position of each row's customer in ``customer_ids``.
    cutoffs : int64 array (n_rows,)
        The cutoff of each row.
    numbers : float64 array (n_rows, n_features)
        NaN where a feature has no value; the code of its level for a category.
    levels : mapping of str to sequence of str
        What the codes of each category feature stand for.
    """

    features: FeatureSet
    customer_ids: Sequence[str]
    customers: npt.NDArray[np.int64]
    cutoffs: Instants
    numbers: Numbers
    levels: Mapping[str, Sequence[str]]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.customers)

    def column(self, name: str) -> Numbers:
        """Return the values of one feature; ``ValueError`` where the panel does not have it."""
        return self.numbers[:, self.features.names.index(name)]

    def rows(self, keep: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Panel":
        """Keep some rows, by mask or by position."""
        return replace(
            self,
            customers=self.customers[keep],
            cutoffs=self.cutoffs[keep],
            numbers=self.numbers[keep],
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return the panel as a frame: customer_id, cutoff (UTC), then the features."""
        ids = np.asarray(self.customer_ids, dtype=object)[self.customers]
        times = pd.to_datetime(self.cutoffs, unit="us", utc=True)
        values = {name: self._values(position) for position, name in enumerate(self.features.names)}
        return pd.DataFrame({"customer_id": pd.array(ids, dtype="str"), "cutoff": times, **values})

    def _values(self, position: int) -> "Numbers | pd.api.extensions.ExtensionArray":
        """One column: numbers as they are, a category as its text."""
        name, values = self.features.names[position], self.numbers[:, position]
        if name not in self.levels:
            return values
        texts = np.array([*self.levels[name], None], dtype=object)
        codes = np.where(np.isnan(values), -1, values).astype(np.int64)
        return pd.array(texts[codes], dtype="str")


def panel_of(features: FeatureSet, bucket: Bucket, cutoffs: Instants) -> Panel:
    """Compute the panel of one bucket: every customer at every cutoff, cutoffs outermost."""
    levels = {
        name: found
        for name, table, column in _categories(features)
        if (found := _levels(table, column, bucket)) is not None
    }
    return Panel(
        features,
        bucket.customer_ids,
        np.tile(np.arange(len(bucket)), len(cutoffs)),
        np.repeat(cutoffs, len(bucket)),
        kernel.compute(features, bucket, cutoffs),
        levels,
    )


@lru_cache(maxsize=32)
def _categories(features: FeatureSet) -> list[tuple[str, str, str]]:
    """Name, table and column of the features whose values may be codes of levels."""
    return [
        (feature.name, feature.source.table, str(feature.column))
        for feature in features
        if not isinstance(feature, Derived) and feature.takes_levels
    ]


def _levels(table: str, column: str, bucket: Bucket) -> Sequence[str] | None:
    """Return the values that the codes of a column stand for; None where it is one of numbers."""
    events = bucket.shared[table].events if table in bucket.shared else bucket.events(table)
    return events.levels.get(column)


def each_bucket(
    reader: BucketReader, columns: Mapping[str, Collection[str]], work: Callable[[Bucket], Result]
) -> Iterator[Result]:
    """Do some work on every bucket, a few at once, and give the results back in order.

    Never more than `N_WORKERS` buckets and as many finished results are in memory.
    """
    return in_turn(lambda index: work(reader.read(index, columns)), range(reader.n_buckets), N_WORKERS)


def concatenate(panels: Sequence[Panel]) -> Panel:
    """Join the panels of different customers; they share features and levels."""
    first = panels[0]
    starts = np.cumsum([0, *(len(panel.customer_ids) for panel in panels[:-1])])
    return Panel(
        first.features,
        [customer for panel in panels for customer in panel.customer_ids],
        np.concatenate([p.customers + start for p, start in zip(panels, starts, strict=True)]),
        np.concatenate([panel.cutoffs for panel in panels]),
        np.concatenate([panel.numbers for panel in panels]),
        first.levels,
    )
