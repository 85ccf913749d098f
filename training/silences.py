"""How long customers stay silent: what the advisor of the churn horizon counts, and the share still silent.

Only `training.labels` looks beyond the cutoffs; here its answers are counted, one bucket at a time.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from features import kernel
from features.events import Bucket, Instants, Numbers
from features.language import Feature, FeatureSet, days_since_first, gap_mean
from features.panel import each_bucket
from features.store import Store
from features.transactions import PURCHASES
from features.windows import MICROSECONDS_PER_DAY, Duration
from training import labels

Progress = Callable[[str, int, int], None]
Counts = npt.NDArray[np.int64]

N_GROUPS = 200
"""Customers are counted in so many groups, which an interval draws from: memory does not grow with them."""
_LONGEST_GAP = 3_650
_PAST = FeatureSet(days_since_first(PURCHASES), gap_mean(PURCHASES))


@dataclass(frozen=True)
class Past:
    """When purchases began, and how often repeat buyers buy.

    Attributes
    ----------
    first : int or None
        Instant of the first purchase known before ``until``; None where there is none.
    gaps : int64 array (days,)
        Repeat buyers by their mean days between purchase days, rounded.
    """

    first: int | None
    gaps: Counts

    @classmethod
    def of(cls, store: Store, until: int, progress: Progress) -> "Past":
        """Read the past of every customer, one bucket at a time."""

        def work(bucket: Bucket) -> Numbers:
            return kernel.compute(_PAST, bucket, np.array([until], np.int64))

        tenure, gaps = 0.0, np.zeros(_LONGEST_GAP + 1, np.int64)
        for done, part in enumerate(each_bucket(store, _PAST.columns, work), start=1):
            tenure = np.nanmax(part[:, 0], initial=tenure)
            repeat = part[~np.isnan(part[:, 1]), 1]
            rounded = np.minimum(np.rint(repeat), _LONGEST_GAP).astype(np.int64)
            gaps += np.bincount(rounded, minlength=len(gaps))
            progress("gaps", done, store.n_buckets)
        first = until - round(tenure * MICROSECONDS_PER_DAY) if tenure > 0 else None
        return cls(first, gaps)

    def gap_days(self, share: float) -> int | None:
        """Days between purchase days that a share of the repeat buyers do not exceed; None without any."""
        total = int(self.gaps.sum())
        return int(np.searchsorted(self.gaps.cumsum(), share * total)) if total else None


@dataclass(frozen=True)
class Silences:
    """How long the eligible stayed silent after the cutoffs, by group of customers.

    Attributes
    ----------
    ended : int64 array (n_groups, n_days)
        Customers and cutoffs whose silence ended with a purchase on that day.
    unended : int64 array (n_groups, n_days + 1)
        Those still silent when they had been followed for so many whole days.
    customers : int
        Customers who were eligible at one cutoff or more.
    """

    ended: Counts
    unended: Counts
    customers: int

    def __add__(self, other: "Silences") -> "Silences":
        """Return the silences of both; they are of different customers."""
        customers = self.customers + other.customers
        return Silences(self.ended + other.ended, self.unended + other.unended, customers)

    @property
    def rows(self) -> int:
        """How often somebody was eligible, over all cutoffs."""
        return int(self.ended.sum() + self.unended.sum())

    def silent(self, weights: Numbers) -> Numbers:
        """Share still silent after 0, 1, … n_days days: the product-limit estimate (Kaplan and Meier 1958).

        Parameters
        ----------
        weights : float64 array (n_draws, n_groups)
            How often each group counts.

        Returns
        -------
        float64 array (n_draws, n_days + 1)
            1 at first, never rising.  A day that nobody is followed through changes nothing.
        """
        ended, unended = weights @ self.ended, weights @ self.unended
        still = _from_here_on(ended) + _from_here_on(unended)[:, 1:]
        ending = np.divide(ended, still, out=np.zeros_like(ended), where=still > 0)
        return np.concatenate([np.ones((len(weights), 1)), np.cumprod(1 - ending, axis=1)], axis=1)

    def draws(self, resamples: int, seed: int) -> Numbers:
        """Weights (1 + resamples, n_groups): the groups as they are, then drawn with replacement."""
        n = len(self.ended)
        drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), resamples)
        return np.concatenate([np.ones((1, n)), drawn])

    def filled(self) -> "Silences":
        """Leave out the groups that nobody is in."""
        some = self.ended.sum(axis=1) + self.unended.sum(axis=1) > 0
        return replace(self, ended=self.ended[some], unended=self.unended[some])


def follow(
    store: Store, eligible: Feature, cutoffs: Sequence[int], gap: Duration, until: int, progress: Progress
) -> Silences:
    """Follow whoever is eligible at each cutoff from ``cutoff + gap`` on, one bucket at a time.

    Parameters
    ----------
    store : Store
    eligible : Feature
        Above zero at a cutoff for those who are followed from it.
    cutoffs : sequence of int
        The oldest first.
    gap : Duration
        What happens between a cutoff and so long after it counts neither way.
    until : int
        Nothing that happened or became known later is used.
    progress : callable
        Told (what, done, total).
    """
    instants = np.array(cutoffs, np.int64)
    followed = (until - gap.microseconds - instants) // MICROSECONDS_PER_DAY
    features = FeatureSet(eligible)

    def work(bucket: Bucket) -> Silences:
        asked = kernel.compute(features, bucket, instants)[:, 0] > 0
        days = labels.silences(bucket, instants + gap.microseconds, until)
        return _counted(bucket, asked, days, followed)

    shape = (N_GROUPS, int(followed[0]))
    found = Silences(np.zeros(shape, np.int64), np.zeros((shape[0], shape[1] + 1), np.int64), 0)
    for done, part in enumerate(each_bucket(store, features.columns, work), start=1):
        found += part
        progress("returns", done, store.n_buckets)
    return found


def _counted(bucket: Bucket, asked: npt.NDArray[np.bool_], days: Numbers, followed: Instants) -> Silences:
    """Count the rows (cutoffs outermost) of a bucket by group and day."""
    group = np.array([zlib.crc32(customer.encode()) % N_GROUPS for customer in bucket.customer_ids], np.int64)
    groups, ends = np.tile(group, len(followed)), np.repeat(followed, len(bucket))
    ended = asked & (days < ends)
    unended = asked & ~ended
    n_days = int(followed[0])
    return Silences(
        _tally(groups[ended], days[ended].astype(np.int64), n_days),
        _tally(groups[unended], ends[unended], n_days + 1),
        int(asked.reshape(len(followed), -1).any(axis=0).sum()),
    )


def _tally(groups: Instants, day: Instants, n_days: int) -> Counts:
    counts = np.bincount(groups * n_days + day, minlength=N_GROUPS * n_days)
    return counts.reshape(N_GROUPS, n_days).astype(np.int64)


def _from_here_on(counts: Numbers) -> Numbers:
    """Sum of each day and all later ones, along the last axis."""
    return np.asarray(counts[:, ::-1].cumsum(axis=1)[:, ::-1])
