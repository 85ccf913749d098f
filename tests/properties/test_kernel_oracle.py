"""The kernel says what plain, slow, obvious SQL says, for every feature and for both outcomes."""

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from builders import STRUCTURAL, TABLES_WITH_CUSTOMERS, World, became_known, bucket_of, happened, kinds_of
from hypothesis import strategies as st
from laws import law
from strategies import (
    CHURN,
    CUTOFFS,
    EVERY_FEATURE,
    NAMES,
    OTHER_FEATURES,
    PARTS,
    PROFILE,
    SUBSCRIPTIONS,
    UNTIL,
    VALUE,
    cutoffs,
    histories,
    worlds,
)

from features import panel
from features.language import Aggregate, Derived, Operator, latest
from features.plan import YEAR
from features.selection import HOUSEHOLD, contract_of
from features.tables import SHARED, TABLES, Kind
from features.windows import days
from training import labels

ORACLES = Path(__file__).parent.parent / "oracles"
TYPES = {Kind.MONEY: pa.int64(), Kind.TIME: pa.int64(), Kind.CATEGORY: pa.string()}
SQL = {file.stem: file.read_text() for file in ORACLES.glob("*.sql")}
GROUPS = {
    "households": latest(PROFILE["household_id"]),
    "market_groups": latest(PROFILE["region"]),
    "plan_prices_groups": latest(SUBSCRIPTIONS["plan"]),
}
"""What is known of every customer at every cutoff before it is known whose events they look at."""


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


def load(connection, world, cutoffs, tables=(*TABLES_WITH_CUSTOMERS, *SHARED)):
    """The same rows as tables, and the table ``asked`` of every (customer, cutoff)."""
    for table in tables:
        kinds = kinds_of(table)
        names = {} if table in SHARED else {"customer_id": pa.string()}
        schema = names | {"at": pa.int64(), "known_at": pa.int64()}
        schema |= {name: TYPES.get(kind, pa.float64()) for name, kind in kinds.items()}
        rows = [
            {**row, **who, "at": happened(row), "known_at": became_known(row)}
            for who, rows in _rows(world, table)
            for row in rows
        ]
        keep(connection, table, pa.Table.from_pylist(rows, pa.schema(schema)))
    asked = [{"customer_id": one.name, "cutoff": cutoff} for cutoff in cutoffs for one in world.customers]
    keep(connection, "asked", pa.Table.from_pylist(asked))


def keep(connection, name, rows):
    connection.register("rows", rows)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM rows")


def _rows(world, table):
    if table in SHARED:
        return [({}, world.shared.get(table, []))]
    return [({"customer_id": one.name}, one.rows.get(table, [])) for one in world.customers]


def sql_of(feature):
    """The oracle's query for a feature that looks at events."""
    window = feature.window.microseconds if feature.window else "NULL"
    parts = {
        "visible": _visible(feature.source, window),
        "ever": _visible(feature.source, "NULL"),
        "other": _visible(feature.other or feature.source, window),
    }
    query = SQL[feature.aggregate.value].format(
        column=feature.column,
        window=window,
        year=YEAR.microseconds,
        amount=f"coalesce(visible.{feature.column}, 0)" if feature.column else "1",
        newest_first=_newest_first(feature.source),
    )
    used = ", ".join(f"{name} AS ({sql})" for name, sql in parts.items() if f" {name}" in query)
    return f"WITH {used} SELECT * FROM ({query})"


def _visible(source, window):
    """Whose events, which of them, and when."""
    table = SQL["retimed"].format(table=source.table, at=source.at) if source.is_retimed else source.table
    whose = "shared" if source.table in SHARED else source.whose or "own"
    key = SHARED[source.table].key if source.table in SHARED else ""
    candidates = SQL[whose].format(events=table, groups=f"{source.table}_groups", key=key)
    always = [_condition(test) for test in source.conditions if not test.is_relative]
    relative = [_relative(test, source) for test in source.conditions if test.is_relative]
    visible = SQL["visible"].format(
        candidates=candidates,
        window="NULL" if relative else window,
        conditions=" AND ".join(always) or "true",
    )
    if not relative:
        return visible
    return SQL["relative"].format(visible=visible, window=window, conditions=" AND ".join(relative))


def _relative(condition, source):
    """A condition that depends on the cutoff or on the other visible events."""
    column = condition.column
    events = f"OVER (PARTITION BY customer_id, cutoff ORDER BY {_newest_first(source)})"
    return {
        "ahead": f"coalesce({column} >= cutoff, true)",
        "newest": f"{column} = first_value({column}) {events}",
        "changed": f"{column} <> lead({column}) {events}",
        "lower": f"{column} < lead({column}) {events}",
    }[condition.operator]


def _condition(condition):
    if condition.operator == "in":
        return f"{condition.column} IN ({', '.join(repr(word) for word in condition.value)})"
    if condition.operator == "known":
        return f"{condition.column} IS NOT NULL"
    return f"{condition.column} {condition.operator} {condition.value}"


def _newest_first(source):
    """The reverse of the order in which a bucket keeps the rows that a customer looks at."""
    kinds = kinds_of(source.table)
    keys = {SHARED[source.table].key} if source.table in SHARED else set()
    own = [
        column.name for column in contract_of(source.table).columns if column.name not in STRUCTURAL | keys
    ]
    names = [name for name in own if name in kinds] + sorted(set(kinds) - set(own) - keys)
    names.sort(key=lambda name: kinds[name] is Kind.TIME)
    nulls = {name: "NULLS LAST" if kinds[name] is Kind.CATEGORY else "NULLS FIRST" for name in names}
    first = ["at", "known_at", *(["member"] if source.whose == HOUSEHOLD else [])]
    first += ["own_at"] if source.is_retimed else []
    return ", ".join(
        [
            *(f"visible.{name} DESC" for name in first),
            *(f"visible.{name} DESC {nulls[name]}" for name in names if name != source.at),
        ]
    )


def ask(connection, query):
    """Answers of a query by (customer, cutoff); null is NaN."""
    rows = connection.execute(f"SELECT customer_id, cutoff, answer FROM ({query})").fetchall()
    return {(who, cutoff): np.nan if answer is None else answer for who, cutoff, answer in rows}


def derived(feature, left, right):
    """The answer of a feature that is made from two others."""
    if np.isnan(left):
        return np.nan
    match feature.operator:
        case Operator.RATIO:
            return left / right if right != 0 else np.nan
        case Operator.DIFFERENCE:
            return left - right
        case Operator.QUIET:
            return 0 if right < left else left


class Oracle:
    """What plain SQL says of any feature; each is asked once."""

    def __init__(self, connection):
        self.connection, self.said = connection, {}
        for name, feature in GROUPS.items():
            connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql_of(feature)}")

    def __call__(self, feature):
        if feature not in self.said:
            self.said[feature] = (
                self._derived(feature) if isinstance(feature, Derived) else self._ask(feature)
            )
        return self.said[feature]

    def _ask(self, feature):
        return ask(self.connection, sql_of(feature))

    def _derived(self, feature):
        left, right = self(feature.left), self(feature.right)
        return {pair: derived(feature, left[pair], right[pair]) for pair in left}


def agree(ours, theirs, what):
    if isinstance(ours, str) or isinstance(theirs, str):
        assert ours == theirs, what
    else:
        assert ours == pytest.approx(float(theirs), rel=1e-9, abs=1e-9, nan_ok=True), what


@law(5, shrinks=False, world=worlds(*NAMES, "eva", "fay", "gus", "hal"), asked=cutoffs)
def test_every_feature_is_what_plain_sql_says(connection, world, asked):
    load(connection, world, asked)
    found = panel.panel_of(EVERY_FEATURE, world.bucket(), np.array(asked))
    pairs = [(one.name, cutoff) for cutoff in asked for one in world.customers]
    oracle = Oracle(connection)
    # From the end: first the features that are here to differ.
    for place, feature in reversed(list(enumerate(EVERY_FEATURE))):
        levels, said = found.levels.get(feature.name), oracle(feature)
        for pair, number in zip(pairs, found.numbers[:, place], strict=True):
            ours = levels[int(number)] if levels and not np.isnan(number) else number
            agree(ours, said[pair], (feature.name, pair))


@law(
    60, customers=histories(*NAMES[:3]), asked=cutoffs, earlier=st.sampled_from([0, 1, days(1).microseconds])
)
def test_every_outcome_is_what_plain_sql_says(connection, customers, asked, earlier):
    load(connection, World(customers), asked, ["purchases"])
    until = max(asked) + CHURN.span + earlier
    assert until - earlier <= UNTIL
    for question, query in ((CHURN, SQL["churn"]), (VALUE, SQL["value"])):
        ours = labels.outcomes(question, bucket_of(customers), np.array(asked), until)
        said = ask(
            connection,
            query.format(
                gap=question.gap.microseconds,
                horizon=question.horizon.microseconds,
                until=until,
                margin=VALUE.margin,
                discount_rate=VALUE.discount_rate,
            ),
        )
        pairs = [(one.name, cutoff) for cutoff in asked for one in customers]
        for pair, number in zip(pairs, ours, strict=True):
            agree(number, said[pair], question.name)


def test_the_oracle_knows_every_aggregate_of_the_language():
    others = list(OTHER_FEATURES)
    assert {aggregate.value for aggregate in Aggregate} <= set(SQL)
    assert {part.aggregate for part in PARTS} == set(Aggregate)
    assert {one.operator for one in others if isinstance(one, Derived)} == set(Operator)
    plain = [one for one in others if not isinstance(one, Derived)]
    assert {one.aggregate for one in plain} == set(Aggregate)
    assert {one.source.table for one in plain} >= {*SHARED, *TABLES} - {"campaigns"}
    assert {one.source.whose for one in plain} == {"", "household"}
    assert {one.source.at for one in plain if one.source.is_retimed} == {
        "joined_at",
        "ended_at",
        "responded_at",
    }
    assert len(CUTOFFS) == 3
