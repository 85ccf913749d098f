"""Histories for Hypothesis whose events lie where mistakes are made.

Random times never fall on an edge.  These fall on the cutoffs, on both ends of every window that the
catalogue knows, on both ends of an outcome window and on midnights, and one microsecond to either side;
several share one instant; some become known late, just before or just after a cutoff.
Words and numbers are few, so that they tie; those that a feature tests are among them, with their neighbours.
"""

from collections import defaultdict
from collections.abc import Iterator

from builders import COLUMNS, Customer, Row, World, kinds_of
from hypothesis import strategies as st

from features.catalogue import features_for
from features.language import (
    AnyFeature,
    Derived,
    EventSource,
    Feature,
    FeatureSet,
    active_days,
    age,
    change,
    change_since,
    changes,
    concentration,
    count,
    days_since_first,
    days_since_last,
    days_to_renewal,
    difference,
    distinct,
    entropy,
    falls,
    favourite,
    gap_mean,
    gap_std,
    latest,
    maximum,
    mean,
    minimum,
    quiet,
    ratio,
    rises,
    seasonal_trend,
    share,
    std,
    total,
    trend,
)
from features.plan import YEAR
from features.selection import contract_of
from features.tables import SHARED, Kind
from features.transactions import LINES, PURCHASES
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
SURVEYS = EventSource("surveys", at="answered_at")
BAD = SURVEYS.where(SURVEYS["delivery"] < SURVEYS["expectation"]).named("bad")
CAMPAIGNS = EventSource("campaigns", at="sent_at")
EXITS = EventSource("exits", at="left_at")
PROFILE = EventSource("customers", at="valid_from")

RUNNING = SUBSCRIPTIONS.where(SUBSCRIPTIONS["ended_at"].is_ahead()).named("running")
DOWNGRADED = SUBSCRIPTIONS.where(
    SUBSCRIPTIONS["price"].is_known(), SUBSCRIPTIONS["plan"].is_changed(), SUBSCRIPTIONS["price"].is_lower()
).named("downgraded")
SAME_QUESTION = SURVEYS.where(SURVEYS["score"].is_known(), SURVEYS["question"].is_newest()).named("same")

ENDED = EventSource("subscriptions", at="ended_at").named("ended")
CHEAP_ENDED = ENDED.where(ENDED["price"] <= 1250).named("cheap_ended")
RESPONSES = EventSource("campaigns", at="responded_at").named("answers")
JOINED = EventSource("customers", at="joined_at").named("joined")

HOME = PROFILE.of("household")
HOME_LINES = LINES.of("household").named("home_lines")
HOME_CONTACTS = CONTACTS.of("household").named("home_contacts")
HOME_EXITS = EXITS.of("household").named("home_exits")
HOME_ENDED = CHEAP_ENDED.of("household").named("home_ended")

MARKET = EventSource("market", at="observed_at")
DEAR = MARKET.where(MARKET["price_index"] > 100).named("dear")
PLAN_PRICES = EventSource("plan_prices", at="observed_at")

OTHER_FEATURES = FeatureSet(
    count(CONTACTS).over(days(1), days(30)),
    count(REMOTE).over(Duration(3_600_000_000)),
    count(HANDLED).over(days(90)),
    share(COMPLAINTS, CONTACTS).over(days(90)),
    share(COMPLAINTS, CONTACTS),
    trend(COMPLAINTS).over(days(30)),
    seasonal_trend(CONTACTS).over(days(90)),
    seasonal_trend(LINES["amount"]).over(days(30)),
    mean(CONTACTS["waiting_seconds"]).over(days(30)),
    std(CONTACTS["duration_seconds"]),
    maximum(REMOTE["waiting_seconds"]),
    minimum(CONTACTS["waiting_seconds"]).over(days(90)),
    total(CONTACTS["resolved"]).over(days(90)),
    total(CONTACTS["waiting_seconds"]).over(days(1), days(30), days(90), days(365)),
    distinct(CONTACTS["handled_by"]).over(days(30)),
    concentration(CONTACTS["handled_by"]).over(days(30), days(365)),
    entropy(CONTACTS["handled_by"]).over(days(30), days(365)),
    favourite(CONTACTS["handled_by"]).over(days(30), days(365)),
    changes(CONTACTS["channel"]).over(days(30), days(365)),
    rises(CONTACTS["waiting_seconds"]).over(days(30), days(90)),
    falls(CONTACTS["waiting_seconds"]).over(days(30), days(90)),
    change(SURVEYS["score"]).over(days(90), days(365)),
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
    change_since(SUBSCRIPTIONS["price"], CONTACTS),
    days_to_renewal(SUBSCRIPTIONS["billing_period"]),
    days_to_renewal(RUNNING["billing_period"]),
    latest(RUNNING["price"]),
    count(DOWNGRADED).over(days(90)),
    count(DOWNGRADED.of("household").named("home_downgraded")),
    change(SAME_QUESTION["score"]).over(days(90), days(365)),
    latest(SAME_QUESTION.of("household").named("home_same")["score"]),
    ratio("answers_per_campaign", count(RESPONSES).ever, count(CAMPAIGNS).ever),
    difference("longest_less_shortest", maximum(CONTACTS["waiting_seconds"]).ever, latest(BAD["score"])),
    quiet("days_silent_since_bad", days_since_last(BAD), days_since_last(CONTACTS)),
    count(CHEAP_ENDED).over(days(90)),
    days_since_last(ENDED),
    latest(ENDED["plan"]),
    changes(ENDED["plan"]),
    favourite(RESPONSES["offer"]),
    total(RESPONSES["cost"]).over(days(90)),
    days_since_first(JOINED),
    latest(JOINED["region"]),
    distinct(HOME["member"]),
    latest(HOME["tier"]),
    age(HOME["joined_at"]),
    concentration(HOME_LINES["member"]).over(days(365)),
    entropy(HOME_LINES["category"]).over(days(365)),
    std(HOME_LINES["cost"]),
    total(HOME_LINES["quantity"]).over(days(90), days(365)),
    changes(HOME_LINES["member"]),
    share(LINES, HOME_LINES.named("ours")),
    gap_mean(HOME_CONTACTS),
    favourite(HOME_CONTACTS["handled_by"]),
    latest(HOME_CONTACTS["handled_by"]),
    distinct(HOME_EXITS["member"]).over(days(365)),
    latest(HOME_EXITS["reason"]),
    count(HOME_ENDED).over(days(365)),
    latest(HOME_ENDED["billing_period"]),
    ratio("lines_of_ours", count(LINES).ever, count(HOME_LINES).ever),
    latest(MARKET["unemployment"]),
    mean(MARKET["price_index"]).over(days(90)),
    change(MARKET["price_index"]).over(days(365)),
    change_since(MARKET["price_index"], JOINED),
    change_since(MARKET["unemployment"], HOME_LINES.named("ours")),
    rises(DEAR["unemployment"]),
    count(DEAR).over(days(30)),
    difference("price_above_plan", latest(SUBSCRIPTIONS["price"]), latest(PLAN_PRICES["price"])),
    count(PLAN_PRICES),
    count(MARKET.where(MARKET["price_index"].is_lower()).named("cheaper")).over(days(90)),
)
"""Features beside the catalogue's, at least one of every aggregate, operator, and kind of source."""

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


def parts_of(feature: AnyFeature) -> Iterator[Feature]:
    """What a feature is made of, down to those that look at events."""
    if isinstance(feature, Derived):
        yield from parts_of(feature.left)
        yield from parts_of(feature.right)
    else:
        yield feature


PARTS = tuple(dict.fromkeys(part for feature in EVERY_FEATURE for part in parts_of(feature)))
_TESTED: dict[tuple[str, str], set] = defaultdict(set)
"""By table and column, what conditions ask for: words, and numbers with their neighbours."""

for _source in {source for part in PARTS for source in part.sources()}:
    for _test in _source.conditions:
        if isinstance(_test.value, tuple):
            _TESTED[_source.table, _test.column] |= set(_test.value)
        elif isinstance(_test.value, int | float):
            _TESTED[_source.table, _test.column] |= {_test.value + step for step in (-1, 0, 1)}

_LENGTHS = {part.window.microseconds for part in PARTS if part.window}
_LENGTHS |= {length // 2 for length in _LENGTHS}
_SEASONS = {part.window.microseconds for part in PARTS if part.aggregate == "seasonal_trend"}
_LENGTHS |= {YEAR.microseconds + length for length in _SEASONS}
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
words = (None, "a", "b", "é", "Z")
_VALUES = {
    "amount": (0, 1, 1250, 1250, 99_999, 2**40, -1, -1250),
    "cost": (None, 0, 1, 700),
    "discount": (None, 0, 50),
    "price": (None, 0, 1250, 1251),
    "quantity": (None, 0.1, 0.2, 0.3, 1.0, 3.0, 2.0**53),
    "waiting_seconds": (None, 0.0, 0.1, 0.2, 0.3, 10.0, 10.1, 9e15),
    "duration_seconds": (None, 61.0, 3600.0),
    "children": (None, 0.0, 2.0),
    "expectation": (None, 3.0, 4.0),
    "delivery": (None, 3.0, 4.0),
    "score": (None, 0.0, 0.5, 7.0, 10.0),
    "price_index": (None, 99.5, 100.0, 100.1),
    "unemployment": (None, 5.0, 5.1, 7.3),
    "kind": ("complaint", "question"),
    "channel": (None, "phone", "chat", "web"),
    "plan": ("basic", "plus"),
    "billing_period": (None, "30d", "month", "Monthly", "annual", "2 weeks", "0 days", "now and then"),
    "household_id": (None, "h1", "h1", "h2"),
    "region": (None, "north", "south", "west"),
    "campaign": ("spring", "autumn"),
    "arm": ("offer", "control"),
    "question": ("satisfied?", "recommend?"),
}
_SHARED_VALUES = {"region": (None, "north", "south", "east"), "plan": ("basic", "gold"), "price": (0, 1250)}


def _column(table: str, name: str, kind: Kind) -> st.SearchStrategy:
    if kind is Kind.TIME:
        return st.none() | instants
    own = _SHARED_VALUES if table in SHARED else {}
    if kind is Kind.FLAG:
        return st.sampled_from((None, 0.0, 1.0))
    values = own.get(name) or _VALUES.get(name, words)
    if name in contract_of(table).required:
        values = tuple(value for value in values if value is not None)
    return st.sampled_from(sorted({*values, *_TESTED[table, name]}, key=_place) + list(values))


def _place(value: object) -> tuple[str, object]:
    """Some order of values of several types, always the same."""
    return type(value).__name__, value or 0


def rows_of(table: str, times: st.SearchStrategy[int] = instants) -> st.SearchStrategy[Row]:
    """One row of a table."""
    at = st.none() | times if table == "customers" else times
    late = st.none() if table in SHARED else known
    values = {name: _column(table, name, kind) for name, kind in sorted(kinds_of(table).items())}
    return st.fixed_dictionaries({"at": at, "known_at": late, **values})


_MOST_ROWS = {
    "purchases": 8,
    "contacts": 6,
    "surveys": 3,
    "subscriptions": 3,
    "campaigns": 2,
    "exits": 1,
    "customers": 3,
}
_MOST_SHARED = {"market": 6, "plan_prices": 3}
NAMES = ("ada", "bob", "cem", "dua")


def _tables(most: dict[str, int], times: st.SearchStrategy[int]) -> st.SearchStrategy[dict[str, list[Row]]]:
    return st.fixed_dictionaries({t: st.lists(rows_of(t, times), max_size=n) for t, n in most.items()})


def _moments(draw: st.DrawFn) -> st.SearchStrategy[int]:
    """Instants of which a few come again and again."""
    return st.sampled_from(draw(st.lists(instants, min_size=2, max_size=4))) | instants


@st.composite
def histories(draw: st.DrawFn, *names: str) -> list[Customer]:
    """What these customers bought, much of it at a few instants that they share; some bought nothing."""
    rows = _tables({"purchases": _MOST_ROWS["purchases"]}, _moments(draw))
    return [Customer(name, draw(rows)) for name in names]


@st.composite
def worlds(draw: st.DrawFn, *names: str) -> World:
    """What these customers did, and how the market and the prices stood, at instants that they share."""
    times = _moments(draw)
    rows = _tables(_MOST_ROWS, times)
    return World([Customer(name, draw(rows)) for name in names], draw(_tables(_MOST_SHARED, times)))


one_row_of_each_table = st.fixed_dictionaries({table: rows_of(table) for table in COLUMNS})
cutoffs = st.lists(st.sampled_from(CUTOFFS), min_size=1, max_size=3, unique=True).map(sorted)
