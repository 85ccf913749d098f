"""Repeats: rows of a table that speak of one thing.

An event that comes twice counts once, and event ids are compared within a table, whichever of its sources
they come from.  Facts of customers and of the market that hold from one time on are put together.
"""

from collections.abc import Sequence

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.errors import DataError
from features.intake.feeds import USED_TWICE, Staged
from features.intake.slices import Keys, keys_of
from features.naming import name
from features.turns import in_turn

KEYS_AT_ONCE, PARTS_AT_ONCE = 1 << 22, 2
"""About how many keys of events a part has, and how many parts are looked at together."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def find_repeats(connection: duckdb.DuckDBPyConnection, staged: Staged) -> None:
    """Find rows that speak of one thing, and count them.

    Raises
    ------
    DataError
        Two rows say different things of one customer, or one region, and one time.
    """
    if staged.fact_keys:
        _find_repeated_facts(connection, staged)
    if not staged.has_events:
        return
    suspects = found_twice(keys_of(staged.folder))
    if not len(suspects):
        return
    repeated, used_twice = name(f"repeated {staged.name}"), name(f"used twice {staged.name}")
    rows = staged.rows()
    connection.complete()
    connection.register("suspects", pa.table({"key": suspects}))
    connection.execute(
        f"CREATE TEMP TABLE {repeated} AS SELECT event_id FROM ({rows}) "
        f"SEMI JOIN suspects ON key = {staged.key_of('event_id')} GROUP BY event_id HAVING count(*) > 1"
    )
    connection.unregister("suspects")
    # An event that is delivered again is known again, later: that is no contradiction.
    content = ", ".join(name(column) for column in ["customer_id", "_at", *staged.values, *staged.texts])
    connection.execute(
        f"CREATE TEMP TABLE {used_twice} AS SELECT event_id, count(*) AS n FROM ({rows}) "
        f"SEMI JOIN {repeated} USING (event_id) GROUP BY event_id "
        f"HAVING count(DISTINCT struct_pack({content})) > 1"
    )
    row = connection.execute(
        f"SELECT (SELECT count(*) FROM {repeated}), "
        f"(SELECT count(*) FROM ({rows}) SEMI JOIN {repeated} USING (event_id)), "
        f"(SELECT count(*) FROM {used_twice}), (SELECT coalesce(sum(n), 0) FROM {used_twice})"
    ).fetchone()
    ids, in_all, ids_used_twice, refused = row or (0, 0, 0, 0)
    staged.has_repeats = ids > 0
    staged.duplicates = (in_all - refused) - (ids - ids_used_twice)
    if refused:
        staged.reasons[USED_TWICE] = int(refused)


def found_twice(files: Sequence[Keys]) -> Keys:
    """Return the keys that occur more than once, looking at a part of all keys at a time.

    Examples
    --------
    >>> found_twice([np.array([7, 3, 9]), np.array([9, 4, 3, 9])]).tolist()
    [3, 9]
    """
    if not files:
        return np.empty(0, np.int64)
    bits = max(0, (sum(map(len, files)) - 1) // KEYS_AT_ONCE).bit_length()

    def twice(part: int) -> Keys:
        keys = np.concatenate([file[_part(file, bits) == part] for file in files])
        # Ids that were counted up stand in order already, which the stable sort sees.
        keys.sort(kind="stable")
        return np.unique(keys[1:][keys[1:] == keys[:-1]])

    return np.concatenate([*in_turn(twice, range(1 << bits), PARTS_AT_ONCE)])


def _part(keys: Keys, bits: int) -> npt.NDArray[np.uint64]:
    """Divide keys evenly, also those that were counted up in large steps (Knuth's multiplicative hashing)."""
    if not bits:
        return np.zeros(len(keys), np.uint64)
    return (keys.view(np.uint64) * _GOLDEN) >> np.uint64(64 - bits)


def _find_repeated_facts(connection: duckdb.DuckDBPyConnection, staged: Staged) -> None:
    """Find facts of one time: those that agree are put together, others stop the build."""
    keys = ", ".join(name(key) for key in staged.fact_keys)
    row = connection.execute(
        f"SELECT count(*), coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM ({staged.rows()}) "
        f"GROUP BY {keys} HAVING count(*) > 1)"
    ).fetchone()
    repeated, in_all = row or (0, 0)
    what = "customers" if staged.name == "customers" else "times"
    same, advice = f"the same {staged.table.at}", f"map {staged.table.at}"
    if "known_at" in staged.kinds:
        same += " that were known by then, or at one time after it"
        advice = "keep the newest of them with a query"
    if repeated and not staged.may_combine:
        raise DataError(
            f"{staged.name}: {repeated} {what} have more than one row for {same}. Expected one for each "
            f"customer_id, or for each customer_id and {staged.table.at}. Remove others, or {advice}."
        )
    contradictory = _contradictory(connection, staged, keys) if repeated else 0
    if contradictory:
        raise DataError(
            f"{staged.name}: {contradictory} {what} have rows for {same} that say different things. "
            f"Leave all but one out with a query, or map {staged.table.at}."
        )
    staged.has_repeats = repeated > 0
    staged.duplicates = int(in_all) - repeated


def _contradictory(connection: duckdb.DuckDBPyConnection, staged: Staged, keys: str) -> int:
    """Count what rows of one time contradict each other about; a value and none do not."""
    facts = [name(column) for column in [*staged.values, *staged.texts] if column not in staged.fact_keys]
    differ = " OR ".join(f"min({fact}) <> max({fact})" for fact in facts) or "false"
    row = connection.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM ({staged.rows()}) GROUP BY {keys} HAVING {differ})"
    ).fetchone()
    return int(row[0]) if row else 0
