"""The kernel says what plain, slow, obvious SQL says, for every feature and for both outcomes."""

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from builders import STRUCTURAL, TABLES_WITH_CUSTOMERS, became_known, bucket_of, happened, kinds_of
from hypothesis import strategies as st
from laws import law
from strategies import CHURN, CUTOFFS, EVERY_FEATURE, NAMES, OTHER_FEATURES, UNTIL, VALUE, cutoffs, histories

from features import kernel
from features.language import Aggregate
from features.tables import TABLES, Kind
from features.windows import days
from training import labels

ORACLES = Path(__file__).parent.parent / "oracles"
TYPES = {Kind.MONEY: pa.int64(), Kind.TIME: pa.int64(), Kind.CATEGORY: pa.string()}
SQL = {file.stem: file.read_text() for file in ORACLES.glob("*.sql")}


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as connection:
        yield connection


def load(connection, customers, cutoffs):
    """The same rows as tables, and the table ``asked`` of every (customer, cutoff)."""
    for table in TABLES_WITH_CUSTOMERS:
        kinds = kinds_of(table)
        schema = {"customer_id": pa.string(), "at": pa.int64(), "known_at": pa.int64()}
        schema |= {name: TYPES.get(kind, pa.float64()) for name, kind in kinds.items()}
        rows = [
            {**row, "customer_id": one.name, "at": happened(row), "known_at": became_known(row)}
            for one in customers
            for row in one.rows.get(table, [])
        ]
        connection.register(table, pa.Table.from_pylist(rows, pa.schema(schema)))
    asked = [{"customer_id": one.name, "cutoff": cutoff} for cutoff in cutoffs for one in customers]
    connection.register("asked", pa.Table.from_pylist(asked))


def sql_of(feature):
    """The oracle's query for a feature."""
    window = feature.window.microseconds if feature.window else "NULL"

    def visible(source):
        conditions = [_condition(source.table, condition) for condition in source.conditions]
        where = " AND ".join(conditions) or "true"
        return SQL["visible"].format(table=source.table, window=window, conditions=where)

    parts = [f"visible AS ({visible(feature.source)})"]
    if feature.whole:
        parts.append(f"whole AS ({visible(feature.whole)})")
    query = SQL[feature.aggregate.value].format(
        column=feature.column,
        window=window,
        amount=f"coalesce({feature.column}, 0)" if feature.column else "1",
        newest_first=_newest_first(feature.source.table),
    )
    return f"WITH {', '.join(parts)} SELECT * FROM ({query})"


def _condition(table, condition):
    if condition.operator == "in":
        return f"{condition.column} IN ({', '.join(repr(word) for word in condition.value)})"
    if condition.operator == "known":
        return f"{condition.column} IS NOT NULL"
    if condition.operator == "known":
        return f"{condition.column} IS NOT NULL"
    return f"{condition.column} {condition.operator} {condition.value}"


def _newest_first(table):
    """The reverse of the order in which a bucket keeps the rows of a customer."""
    own = [column.name for column in TABLES[table].columns if column.name not in STRUCTURAL]
    kinds = kinds_of(table)
    names = [name for name in own if name in kinds] + sorted(set(kinds) - set(own))
    nulls = {name: "NULLS LAST" if kinds[name] is Kind.CATEGORY else "NULLS FIRST" for name in names}
    return ", ".join(
        [
            "visible.at DESC",
            "visible.known_at DESC",
            *(f"visible.{name} DESC {nulls[name]}" for name in names),
        ]
    )


def ask(connection, query):
    """Answers of a query by (customer, cutoff); null is NaN."""
    rows = connection.execute(f"SELECT customer_id, cutoff, answer FROM ({query})").fetchall()
    return {(who, cutoff): np.nan if answer is None else answer for who, cutoff, answer in rows}


def agree(ours, theirs, what):
    if isinstance(ours, str) or isinstance(theirs, str):
        assert ours == theirs, what
    else:
        assert ours == pytest.approx(float(theirs), rel=1e-9, abs=1e-9, nan_ok=True), what


@law(15, customers=histories(*NAMES[:3]), asked=cutoffs)
def test_every_feature_is_what_plain_sql_says(connection, customers, asked):
    load(connection, customers, asked)
    bucket = bucket_of(customers)
    numbers = kernel.compute(EVERY_FEATURE, bucket, np.array(asked))
    pairs = [(one.name, cutoff) for cutoff in asked for one in customers]
    for place, feature in enumerate(EVERY_FEATURE):
        levels = (
            bucket.events(feature.source.table).levels.get(feature.column) if feature.is_attribute else None
        )
        said = ask(connection, sql_of(feature))
        for pair, number in zip(pairs, numbers[:, place], strict=True):
            ours = levels[int(number)] if levels and not np.isnan(number) else number
            agree(ours, said[pair], feature.name)


@law(
    60, customers=histories(*NAMES[:3]), asked=cutoffs, earlier=st.sampled_from([0, 1, days(1).microseconds])
)
def test_every_outcome_is_what_plain_sql_says(connection, customers, asked, earlier):
    load(connection, customers, asked)
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
    assert {aggregate.value for aggregate in Aggregate} <= set(SQL)
    assert {feature.aggregate for feature in OTHER_FEATURES} == set(Aggregate)
    assert {feature.source.table for feature in OTHER_FEATURES} == {"contacts", "subscriptions"}
    assert len(CUTOFFS) == 3
