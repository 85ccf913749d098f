"""Who leaves, and who may be asked about it: the laws of churn by exit, and what plain SQL says of it."""

import tempfile
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from builders import Customer, became_known, bucket_of, customer, happened
from hypothesis import strategies as st
from laws import law
from strategies import AT_CUTOFFS, AT_OUTCOMES, CHURN, CUTOFFS, NAMES, UNTIL, cutoffs, instants, known

from features import kernel
from features.business import load
from features.errors import QuestionError
from features.language import FeatureSet
from features.windows import MICROSECONDS_PER_DAY, days
from training import labels, questions, workshop

SQL = {file.stem: file.read_text() for file in (Path(__file__).parent.parent / "oracles").glob("*.sql")}
TOML = """
[business]
name = "line"
currency = "EUR"
timezone = "UTC"
[tables.subscriptions]
source = "subscriptions.csv"
columns = {{ customer_id = "c", started_at = "s", plan = "p"{ends} }}
{exits}
[churn]
kind = "exit"
horizon = "90d"
gap = "7d"
"""
EXITS = '[tables.exits]\nsource = "exits.csv"\ncolumns = { customer_id = "c", left_at = "l" }\n'


KINDS = ((True, True), (True, False), (False, True))
"""Whether the business keeps exits, and when contracts ended."""


def business_of(folder, *, has_exits, has_ends):
    text = TOML.format(ends=', ended_at = "e"' if has_ends else "", exits=EXITS if has_exits else "")
    (folder / "business.toml").write_text(text)
    return load(folder / "business.toml")


with tempfile.TemporaryDirectory() as made:
    BUSINESSES = {
        (exits, ends): business_of(Path(made), has_exits=exits, has_ends=ends) for exits, ends in KINDS
    }


def ask(kind=(True, True)):
    """The question, made when it is asked, so that a planted bug is met."""
    return questions.churn_question(BUSINESSES[kind])


LENGTHS = st.one_of(
    st.sampled_from([0, 1, days(90).microseconds, CHURN.span, days(83).microseconds]),
    st.integers(0, 400 * MICROSECONDS_PER_DAY),
)


@st.composite
def contracts(draw):
    """Contracts that end at the edges that matter, and never before they start."""
    start = draw(instants)
    ends = [start + draw(LENGTHS), *(at for at in (*AT_CUTOFFS, *AT_OUTCOMES) if at >= start)]
    end = draw(st.none() | st.sampled_from(ends))
    return {"at": start, "known_at": draw(known), "plan": "basic", "ended_at": end}


leaving = st.fixed_dictionaries({"at": instants, "known_at": known})


@st.composite
def histories(draw):
    return [
        Customer(
            name,
            {
                "subscriptions": draw(st.lists(contracts(), max_size=3)),
                "exits": draw(st.lists(leaving, max_size=2)),
            },
        )
        for name in NAMES[:3]
    ]


CONNECTION = duckdb.connect()


def load_tables(customers, asked):
    kept = {"subscriptions": ("ended_at",), "exits": ()}
    for table, columns in kept.items():
        schema = dict.fromkeys(("at", "known_at", *columns), pa.int64()) | {"customer_id": pa.string()}
        rows = [
            {name: row.get(name) for name in columns}
            | {"customer_id": one.name, "at": happened(row), "known_at": became_known(row)}
            for one in customers
            for row in one.rows.get(table, [])
        ]
        CONNECTION.register(table, pa.Table.from_pylist(rows, pa.schema(schema)))
    pairs = [{"customer_id": one.name, "cutoff": cutoff} for cutoff in asked for one in customers]
    CONNECTION.register("asked", pa.Table.from_pylist(pairs))


def oracle(name, question, until=UNTIL):
    """Answers of a query by (customer, cutoff)."""
    query = SQL[name].format(
        gap=question.gap.microseconds,
        horizon=question.horizon.microseconds,
        until=until,
        has_exits=str(question.has_exits),
        has_ends=str(question.has_ends),
    )
    rows = CONNECTION.execute(f"SELECT customer_id, cutoff, answer FROM ({query})").fetchall()
    return {(who, cutoff): bool(answer) for who, cutoff, answer in rows}


def left(question, customers, asked, until=UNTIL):
    found = labels.outcomes(question, bucket_of(customers), np.array(asked, np.int64), until)
    pairs = [(one.name, cutoff) for cutoff in asked for one in customers]
    return dict(zip(pairs, (found > 0).tolist(), strict=True))


def eligible(question, customers, asked):
    found = kernel.compute(FeatureSet(question.eligible), bucket_of(customers), np.array(asked, np.int64))
    pairs = [(one.name, cutoff) for cutoff in asked for one in customers]
    return dict(zip(pairs, (found[:, 0] > 0).tolist(), strict=True))


kinds = st.sampled_from(KINDS)


@law(
    80,
    customers=histories(),
    asked=cutoffs,
    kind=kinds,
    earlier=st.sampled_from([0, 1, MICROSECONDS_PER_DAY]),
)
def test_who_left_is_what_plain_sql_says(customers, asked, kind, earlier):
    question = ask(kind)
    until = max(asked) + question.span + earlier
    load_tables(customers, asked)
    assert left(question, customers, asked, until) == oracle("exit", question, until)


@law(80, customers=histories(), asked=cutoffs, kind=kinds)
def test_who_is_under_contract_is_what_plain_sql_says(customers, asked, kind):
    load_tables(customers, asked)
    question = ask(kind)
    assert eligible(question, customers, asked) == oracle("under_contract", question)


@law(60, customers=histories(), others=histories(), cutoff=st.sampled_from(CUTOFFS))
def test_what_ends_at_the_cutoff_or_later_does_not_matter_to_who_may_be_asked(customers, others, cutoff):
    """An end that lies ahead, known or not, is as no end; so are rows that happen or become known later."""

    def past(one):
        rows = [
            row | {"ended_at": row.get("ended_at") if (row.get("ended_at") or cutoff) < cutoff else None}
            for row in one.rows["subscriptions"]
        ]
        return Customer(one.name, {**one.rows, "subscriptions": rows}).only(seen)

    def seen(row):
        return happened(row) < cutoff and became_known(row) < cutoff

    def future(one):
        return one.only(lambda row: not seen(row))

    usual = eligible(ask(), customers, [cutoff])
    assert usual == eligible(ask(), [past(one) for one in customers], [cutoff])
    another = [past(one) + future(other) for one, other in zip(customers, others, strict=True)]
    assert usual == eligible(ask(), another, [cutoff])


@law(
    60,
    customers=histories(),
    others=histories(),
    cutoff=st.sampled_from(CUTOFFS),
    tick=st.sampled_from([0, 0, 1]),
)
def test_nothing_from_the_end_of_the_window_on_matters_to_who_left(customers, others, cutoff, tick):
    """Not what happens, ends or becomes known then: `until` is the end of the window."""
    until = cutoff + ask().span

    def in_time(one):
        rows = [
            row | {"ended_at": row.get("ended_at") if (row.get("ended_at") or until) < until else None}
            for row in one.rows["subscriptions"]
        ]
        return Customer(one.name, {**one.rows, "subscriptions": rows}).only(seen)

    def seen(row):
        return happened(row) < until and became_known(row) < until

    late = customer(NAMES[0]).did("exits", cutoff + ask().gap.microseconds, known=until + tick)
    another = [
        in_time(one) + other.only(lambda row: not seen(row)) + late
        for one, other in zip(customers, others, strict=True)
    ]
    assert left(ask(), customers, [cutoff], until) == left(ask(), another, [cutoff], until)


CUTOFF = CUTOFFS[0]
START, END = CUTOFF + days(7).microseconds, CUTOFF + days(97).microseconds
BEFORE = CUTOFF - days(100).microseconds
ADA = customer("ada").subscribed(BEFORE, "basic")


def one_left(one, question=None):
    return left(question or ask(), [one], [CUTOFF], END)["ada", CUTOFF]


@pytest.mark.parametrize(
    ("at", "gone"), [(START - 1, False), (START, True), (END - 1, True), (END, False), (CUTOFF, False)]
)
def test_the_outcome_window_of_leaving_is_half_open(at, gone):
    assert one_left(ADA.did("exits", at)) is gone
    assert one_left(customer("ada").subscribed(BEFORE, "basic", ended_at=at)) is gone


@pytest.mark.parametrize(("known_at", "gone"), [(END - 1, True), (END, False), (END + 1, False)])
def test_an_exit_that_is_known_too_late_is_not_an_outcome(known_at, gone):
    assert one_left(ADA.did("exits", START, known=known_at)) is gone


def test_who_ends_a_contract_and_has_another_has_not_left():
    ended = customer("ada").subscribed(BEFORE, "basic", ended_at=START)
    assert one_left(ended)
    assert not one_left(ended.subscribed(BEFORE, "plus"))
    assert not one_left(ended.subscribed(END - 1, "plus"))
    assert one_left(ended.subscribed(END, "plus")), "it starts after the window"
    assert one_left(ended.subscribed(START, "plus", ended_at=END - 1)), "it has ended as well"


def one_asked(one, question=None):
    return eligible(question or ask(), [one], [CUTOFF])["ada", CUTOFF]


def test_who_has_left_is_asked_again_only_after_a_new_start():
    gone = ADA.did("exits", CUTOFF - 2)
    assert one_asked(ADA)
    assert not one_asked(gone)
    assert one_asked(gone.subscribed(CUTOFF - 1, "plus"))
    assert one_asked(ADA.did("exits", CUTOFF)), "nobody knows yet"
    assert one_asked(ADA.did("exits", CUTOFF - 2, known=CUTOFF)), "nobody knows yet"


@pytest.mark.parametrize(
    ("ended_at", "asked"), [(CUTOFF - 1, False), (CUTOFF, True), (END, True), (None, True)]
)
def test_an_end_counts_once_it_has_passed(ended_at, asked):
    assert one_asked(customer("ada").subscribed(BEFORE, "basic", ended_at=ended_at)) is asked


def test_who_never_had_a_contract_is_not_asked():
    assert not one_asked(customer("ada"))
    assert not one_asked(customer("ada").subscribed(CUTOFF, "basic"))


def test_without_contracts_a_purchase_within_eligible_stands_for_one(tmp_path):
    text = TOML.format(ends="", exits=EXITS).replace("subscriptions", "purchases")
    text = text.replace('started_at = "s", plan = "p"', 'purchased_at = "s", amount = "p"')
    (tmp_path / "business.toml").write_text(text + 'eligible = "60d"\n')
    question = questions.churn_question(load(tmp_path / "business.toml"))
    assert (question.has_exits, question.has_ends) == (True, False)
    bought = customer("ada").bought(CUTOFF - days(60).microseconds, 1)
    assert one_asked(bought, question)
    assert not one_asked(customer("ada").bought(CUTOFF - days(60).microseconds - 1, 1), question)
    assert not one_asked(bought.did("exits", CUTOFF - 1), question)
    assert one_asked(bought.did("exits", CUTOFF - 2).bought(CUTOFF - 1, 1), question)
    assert one_left(bought.did("exits", START), question)


def test_an_outcome_window_of_leaving_that_is_not_over_is_refused():
    with pytest.raises(ValueError, match="not realised yet"):
        left(ask(), [ADA], [CUTOFF], END - 1)


def test_two_questions_about_leaving_differ_where_they_rest_on_other_tables():
    assert ask().to_dict() != replace(ask(), has_exits=False).to_dict()


def written(folder, text):
    (folder / "business.toml").write_text(text)
    return load(folder / "business.toml")


def test_leaving_without_exits_and_ends_is_no_question(tmp_path):
    with pytest.raises(QuestionError, match=r"needs to know who left. Declare \[tables.exits\]"):
        questions.churn_question(written(tmp_path, TOML.format(ends="", exits="")))


def test_silence_without_purchases_is_no_question(tmp_path):
    text = TOML.format(ends="", exits=EXITS).replace('kind = "exit"', 'kind = "silence"')
    with pytest.raises(QuestionError, match=r"Churn by silence needs purchases"):
        questions.churn_question(written(tmp_path, text))


def test_what_a_customer_will_spend_is_not_asked_where_nothing_is_bought():
    nothing_built = None
    with pytest.raises(QuestionError, match="lifetime-value needs purchases"):
        workshop.questions_of(BUSINESSES[True, True], nothing_built, ["lifetime-value"])
