"""Sharing: rows that are nobody's own, as the groups of customers see them."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from features.events import NULL_CODE, Codes, Events, Instants, Numbers, Shared
from features.storing.ordering import numbers, ordered


def share(
    groups: Sequence[str],
    group: Codes | None,
    at: Instants,
    columns: Mapping[str, Numbers | Codes],
    levels: Mapping[str, Sequence[str]],
    wanted: Collection[str],
) -> Shared:
    """Give every group its rows, and those of no group to every group and to one more at the end.

    Parameters
    ----------
    groups : sequence of str (n_groups,)
        Their names, sorted.
    group : int32 array (n_rows,) or None
        The group of each row, -1 for none; None where rows name none.
    at : int64 array (n_rows,)
        When each row was observed.
    columns : mapping of str to array (n_rows,)
        All values: they decide the order of rows that were observed at one time.
    levels : mapping of str to sequence of str
        The levels of those that are categories.
    wanted : collection of str
        The columns to give.

    Returns
    -------
    Shared
        As `features.events.arrange_shared` gives it.
    """
    group = np.full(len(at), NULL_CODE, np.int32) if group is None else group
    of_nobody, named = np.flatnonzero(group == NULL_CODE), np.flatnonzero(group != NULL_CODE)
    n = len(groups) + 1
    rows = np.concatenate([named, np.tile(of_nobody, n)])
    owner = np.concatenate([group[named].astype(np.int64), np.repeat(np.arange(n), len(of_nobody))])
    keys = [numbers(column[rows]) for column in (at, *columns.values())]
    rows = rows[ordered(owner, keys)]
    offsets = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(owner, minlength=n), out=offsets[1:])
    taken = at[rows]
    return Shared(
        groups, Events(offsets, taken, taken, {name: columns[name][rows] for name in wanted}, levels)
    )
