"""Histories for Hypothesis whose events lie where mistakes are made.

Random times never fall on an edge.  These fall on the cutoffs, on both ends of every window that the
catalogue knows, on both ends of an outcome window and on midnights, and one microsecond to either side;
several share one instant; some become known late, just before or just after a cutoff.
"""

from builders import COLUMNS, Customer, Row, kinds_of
from hypothesis import strategies as st

from features.catalogue import features_for
from features.language import (
    EventSource,
    FeatureSet,
    active_days,
    age,
    count,
    days_since_first,
    days_since_last,
    distinct,
    gap_mean,
    gap_std,
    latest,
    maximum,
    mean,
    share,
    std,
    total,
    trend,
)
from features.transactions import PURCHASES
from features.windows import MICROSECONDS_PER_DAY, Duration, days, parse_instant
from training.questions import ChurnQuestion, ValueQuestion

CONTACTS = EventSource("contacts", at="contacted_at")
COMPLAINTS = CONTACTS.where(kind="complaint").named("complaints")
REMOTE = CONTACTS.where(CONTACTS["waiting_seconds"] > 10, channel=("phone", "chat")).named("remote")
HANDLED = CONTACTS.where(CONTACTS["handled_by"].is_known(), CONTACTS["waiting_seconds"].is_known()).named(
    "handled"
)
SUBSCRIPTIONS = EventSource("subscriptions", at="started_at")
CHEAP = SUBSCRIPTIONS.where(SUBSCRIPTIONS["price"] <= 1250).named("cheap")

OTHER_FEATURES = FeatureSet(
    count(CONTACTS).over(days(1), days(30)),
    count(REMOTE).over(Duration(3_600_000_000)),
    count(HANDLED).over(days(90)),
    share(COMPLAINTS, CONTACTS).over(days(90)),
    share(COMPLAINTS, CONTACTS),
    trend(COMPLAINTS).over(days(30)),
    mean(CONTACTS["waiting_seconds"]).over(days(30)),
    std(CONTACTS["waiting_seconds"]),
    maximum(REMOTE["waiting_seconds"]),
    total(CONTACTS["resolved"]).over(days(90)),
    total(CONTACTS["waiting_seconds"]).over(days(1), days(30), days(90), days(365)),
    distinct(CONTACTS["handled_by"]).over(days(30)),
    active_days(COMPLAINTS).over(days(30)),
    gap_mean(CONTACTS).over(days(90)),
    gap_std(CONTACTS).over(days(365)),
    days_since_last(COMPLAINTS),
    days_since_first(REMOTE),
    latest(CONTACTS["channel"]),
    latest(SUBSCRIPTIONS["plan"]),
    latest(SUBSCRIPTIONS["price"]),
    latest(CHEAP["auto_renews"]),
    age(SUBSCRIPTIONS["ended_at"]),
    total(CHEAP["price"]).over(days(180)),
)
"""Features of other tables, at least one of every aggregate: the language takes them as they are."""

CATALOGUE = features_for(COLUMNS)
EVERY_FEATURE = CATALOGUE + FeatureSet(*(f for f in OTHER_FEATURES if f.name not in CATALOGUE.names))

CUTOFFS = tuple(parse_instant(text) for text in ("2024-03-01", "2024-07-01T12:30:00Z", "2024-09-30"))
"""Two midnights, and a moment in the middle of a day."""

CHURN = ChurnQuestion(
    "attrition", "Will they buy nothing?", count(PURCHASES).over(days(365))[0], horizon=days(90), gap=days(7)
)
VALUE = ValueQuestion(
    "lifetime-value",
    "What margin will they bring?",
    count(PURCHASES).over(days(365))[0],
    horizon=days(90),
    gap=days(7),
    margin=0.4,
    discount_rate=0.1,
    has_cost=True,
    minor_units=100,
)
QUESTIONS = (CHURN, VALUE)
UNTIL = max(CUTOFFS) + CHURN.span

_LENGTHS = {f.window.microseconds for f in EVERY_FEATURE if f.window}
_LENGTHS |= {length // 2 for length in _LENGTHS}
_DAY = MICROSECONDS_PER_DAY


def _around(*instants: int) -> tuple[int, ...]:
    return tuple(sorted({instant + tick for instant in instants for tick in (-1, 0, 1)}))


AT_CUTOFFS = _around(*CUTOFFS)
AT_WINDOWS = _around(*(cutoff - length for cutoff in CUTOFFS for length in _LENGTHS))
AT_OUTCOMES = _around(UNTIL, *(c + part for c in CUTOFFS for part in (CHURN.gap.microseconds, CHURN.span)))
AT_MIDNIGHTS = _around(*(cutoff // _DAY * _DAY + k * _DAY for cutoff in CUTOFFS for k in (-2, -1, 0, 1)))

instants = st.one_of(
    st.sampled_from(AT_CUTOFFS),
    st.sampled_from(AT_WINDOWS),
    st.sampled_from(AT_OUTCOMES),
    st.sampled_from(AT_MIDNIGHTS),
    st.integers(min(CUTOFFS) - 500 * _DAY, UNTIL + _DAY),
)
ANNOUNCED = min(CUTOFFS) - 600 * _DAY
"""Known long before it happens, as a booking is."""

known = st.one_of(
    st.none(), st.none(), st.sampled_from((ANNOUNCED, *AT_CUTOFFS, *AT_OUTCOMES)), st.just(ANNOUNCED)
)
words = st.sampled_from([None, "a", "b", "é", "Z"])
_NUMBERS = {
    "amount": st.sampled_from([0, 1, 1250, 1250, 99_999, 2**40, -1, -1250]),
    "cost": st.sampled_from([None, 0, 1, 700]),
    "discount": st.sampled_from([None, 0, 50]),
    "price": st.sampled_from([None, 0, 1250, 1251]),
    "quantity": st.sampled_from([None, 0.1, 0.2, 0.3, 1.0, 3.0, 1e16]),
    "waiting_seconds": st.sampled_from([None, 0.0, 0.1, 0.2, 0.3, 10.0, 10.1, 1e16]),
    "duration_seconds": st.sampled_from([None, 61.0]),
    "children": st.sampled_from([None, 0.0, 2.0]),
}
_WORDS = {
    "kind": st.sampled_from(["complaint", "question"]),
    "channel": st.sampled_from([None, "phone", "chat", "web"]),
    "plan": st.sampled_from(["basic", "plus"]),
}


def _column(name: str, kind: str) -> st.SearchStrategy:
    by_kind = {
        "category": words,
        "flag": st.sampled_from([None, 0.0, 1.0]),
        "time": st.none() | instants,
    }
    by_name = _NUMBERS | _WORDS
    return by_name[name] if name in by_name else by_kind.get(kind, st.none())


def rows_of(table: str, times: st.SearchStrategy[int] = instants) -> st.SearchStrategy[Row]:
    """One row of a table."""
    at = st.none() | times if table == "customers" else times
    values = {name: _column(name, kind) for name, kind in sorted(kinds_of(table).items())}
    return st.fixed_dictionaries({"at": at, "known_at": known, **values})


_MOST_ROWS = {"purchases": 8, "contacts": 6, "subscriptions": 2, "customers": 2}
NAMES = ("ada", "bob", "cem", "dua")


@st.composite
def histories(draw: st.DrawFn, *names: str) -> list[Customer]:
    """What these customers did, much of it at a few instants that they share; some did nothing."""
    shared = draw(st.lists(instants, min_size=2, max_size=4))
    times = st.sampled_from(shared) | instants
    rows = st.fixed_dictionaries({t: st.lists(rows_of(t, times), max_size=n) for t, n in _MOST_ROWS.items()})
    return [Customer(name, draw(rows)) for name in names]


cutoffs = st.lists(st.sampled_from(CUTOFFS), min_size=1, max_size=3, unique=True).map(sorted)
