"""Whose events a customer looks at, where they are not their own: a household's, a region's, a plan's.

A group at a cutoff is the one that was known before it, so it may be another at every cutoff.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from features import walks
from features.events import NULL_CODE, Bucket, Codes, Events, Instants, Numbers
from features.selection import MEMBER
from features.tables import SHARED

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Grouped:
    """Events by owner, and the owner that each customer looks at.

    ``owners`` has shape (1, n_customers), or (n_cutoffs, n_customers) where they change.
    """

    events: Events
    owners: Places


def own(events: Events) -> Grouped:
    """Let every customer look at their own events."""
    return Grouped(events, np.arange(len(events.offsets) - 1)[None, :])


def shared(bucket: Bucket, table: str, cutoffs: Instants) -> Grouped:
    """Let every customer look at the shared events of their group, as it is known at each cutoff."""
    if table not in bucket.shared:
        return Grouped(Events.none(1), np.zeros((1, len(bucket)), np.int64))
    found, contract = bucket.shared[table], SHARED[table]
    members = bucket.events(contract.of_table)
    codes = _known_codes(members, contract.of_column, cutoffs)
    place = {group: position for position, group in enumerate(found.groups)}
    levels = members.levels.get(contract.of_column, ())
    # The last group is that of customers whose own is not known, or has no rows of its own.
    positions = np.array([*(place.get(level, len(place)) for level in levels), len(place)], np.int64)
    owners: Places = positions[codes]
    return Grouped(found.events, owners)


@dataclass(frozen=True)
class Households:
    """Who lives with whom at each cutoff.

    Attributes
    ----------
    rank : int64 array (n_customers,)
        The position of each customer in the order of their ids.
    variants : list of tuple of arrays
        Each customer's household, the customers by household and rank, and where each household begins; once
        for each different division of the customers.
    variant_of : list of int
        Which of them holds at each cutoff.
    """

    rank: Places
    variants: list[tuple[Places, Places, Places]]
    variant_of: list[int]

    @classmethod
    def known(cls, bucket: Bucket, cutoffs: Instants) -> "Households":
        """Find the households that are known at each cutoff."""
        rank = np.empty(len(bucket), np.int64)
        rank[sorted(range(len(bucket)), key=bucket.customer_ids.__getitem__)] = np.arange(len(bucket))
        again = _again(bucket.customer_ids)
        different: dict[bytes, int] = {}
        variants: list[tuple[Places, Places, Places]] = []
        variant_of = []
        for codes in _known_codes(bucket.events("customers"), "household_id", cutoffs):
            variant = different.setdefault(codes.tobytes(), len(variants))
            if variant == len(variants):
                variants.append(_groups(codes, rank, again))
            variant_of.append(variant)
        return cls(rank, variants, variant_of)

    def together(self, events: Events) -> Grouped:
        """Let every customer look at the events of all members of their household.

        Rows of one instant stand in the order of their members' ids, so no other order of the customers
        changes a byte.
        """
        if not self.variants:  # no cutoffs
            return own(events)
        parts, owners, n_owners = [], [], 0
        offsets = [np.zeros(1, np.int64)]
        for group, members, first in self.variants:
            rows, ends = walks.merge(members, first, events.offsets, events.at, events.known_at)
            offsets.append(ends + offsets[-1][-1])
            parts.append(rows)
            owners.append(group + n_owners)
            n_owners += len(ends)
        every = np.concatenate(parts)
        taken = events.take(every, np.concatenate(offsets))
        marked = _WithMember(taken.columns, self.rank.astype(np.int32)[events.owners[every]])
        by_cutoff = [owners[variant] for variant in self.variant_of]
        return Grouped(replace(taken, columns=marked), np.array(by_cutoff if len(owners) > 1 else owners))


def retimed(events: Events, at: str) -> Events:
    """Let every row happen at another of its times; a row without it does not happen."""
    times = events.columns.get(at)
    if times is None:
        return Events.none(len(events.offsets) - 1)
    passed = ~np.isnan(times)
    kept = events.keep(passed)
    instants = np.asarray(kept.columns[at], np.float64).astype(np.int64)
    order = np.lexsort([kept.known_at, instants, kept.owners])
    taken = kept.take(order, kept.offsets)
    return replace(taken, at=instants[order])


class _WithMember(Mapping[str, "Numbers | Codes"]):
    """Columns with one more; the others are still read when they are asked for."""

    def __init__(self, columns: Mapping[str, Numbers | Codes], member: Codes) -> None:
        self._columns, self._member = columns, member

    def __getitem__(self, column: str) -> Numbers | Codes:
        return self._member if column == MEMBER else self._columns[column]

    def __iter__(self) -> Iterator[str]:
        yield from self._columns
        yield MEMBER

    def __len__(self) -> int:
        return len(self._columns) + 1


def _known_codes(events: Events, column: str, cutoffs: Instants) -> npt.NDArray[np.int64]:
    """Return the newest visible code of a category, -1 where none is known: (n_cutoffs, n_customers)."""
    n = len(events.offsets) - 1
    codes = events.columns.get(column)
    if codes is None:
        return np.full((len(cutoffs), n), NULL_CODE, np.int64)
    starts, ends = np.empty((2, len(cutoffs), n), np.int64)
    everybody = np.arange(n)[None, :]
    walks.locate(events.offsets, everybody, 0, events.at, cutoffs, starts, ends)
    out = np.empty((1, len(cutoffs), n))
    filled = np.where(codes == NULL_CODE, np.nan, codes.astype(np.float64))
    walks.latest(starts, ends, events.known_at, filled, False, cutoffs, out)
    found: Places = np.nan_to_num(out[0], nan=NULL_CODE).astype(np.int64)
    return found


def _again(ids: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Whether an earlier customer has the same id, as in a request that asks twice: they live there once."""
    first = {customer: position for position, customer in reversed(list(enumerate(ids)))}
    return np.array([first[customer] != position for position, customer in enumerate(ids)], np.bool_)


def _groups(
    codes: npt.NDArray[np.int64], rank: Places, again: npt.NDArray[np.bool_]
) -> tuple[Places, Places, Places]:
    """Return each customer's group, the customers by group and rank, and where each group begins."""
    n = len(codes)
    alone = codes == NULL_CODE
    keys = np.where(alone, codes.max(initial=0) + 1 + np.arange(n), codes)
    _, group = np.unique(keys, return_inverse=True)
    lives_there = np.flatnonzero(alone | ~again)
    members = lives_there[np.lexsort([rank[lives_there], group[lives_there]])]
    sizes = np.bincount(group[members], minlength=group.max(initial=-1) + 1)
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return group.astype(np.int64), members.astype(np.int64), first
