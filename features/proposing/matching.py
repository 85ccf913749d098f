"""Matching: which table a source is, and which of its columns mean what."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from features.proposing.inventory import Found
from features.proposing.profiling import ColumnProfile, Look
from features.proposing.vocabulary import EXACT, WITHIN, fit, roles, topics
from features.tables import TABLES, Kind

MOST_WORDS_OF_A_CATEGORY = 5000
"""Different values above which a column is no category."""

_TOPIC, _ROLE = 60, 10
# A build refuses a table of which more than a fifth of the rows lack what they need.
_MOSTLY, _BELIEVED = 0.8, 8e10
_EVENTS = ("exits", "subscriptions", "surveys", "campaigns", "contacts", "purchases")


@dataclass(frozen=True)
class Match:
    """A source as a table.

    Attributes
    ----------
    table : str
    mapping : dict of str to str
        Our names and the columns of the source.
    guesses : mapping of str to tuple of str
        Columns chosen by content rather than by name, and what else could be meant.
    score : int
    """

    table: str
    mapping: dict[str, str]
    guesses: Mapping[str, tuple[str, ...]]
    score: int


def match(found: Found, customer: str | None, *, is_unique: bool) -> Match | None:
    """Choose the table that fits a source best.

    Parameters
    ----------
    found : Found
    customer : str or None
        The column that tells whose row it is.
    is_unique : bool
        Whether every customer has one row.

    Returns
    -------
    Match or None
        None where no table fits.
    """
    if customer is None:
        return _market(found)
    own = {"customer_id": customer}
    matches = [one for table in _EVENTS if (one := _event(found, table, own)) is not None]
    described = _customers(found, own)
    if is_unique or ("valid_from" in described.mapping and topics()["customers"] & set(found.words)):
        matches.append(described)
    return max(matches, key=lambda one: one.score, default=None)


def assign(
    found: Found, table: str, own: Mapping[str, str], taken: Collection[str] = ()
) -> tuple[dict[str, str], dict[str, int]]:
    """Give columns of a source to the columns of a table by their names, the best fit first.

    Returns
    -------
    (dict, dict)
        The mapping, and how well each name fits.
    """
    kinds = {column.name: column.kind for column in TABLES[table].columns}
    required = TABLES[table].required
    pairs = [
        (-fit(column.name, phrases), number, ours, column.name)
        for ours, phrases in roles(table).items()
        for number, column in enumerate(found.columns.values())
        if column.name not in {*own.values(), *taken}
        and could_be(kinds[ours], ours, column)
        and (ours not in required or column.filled >= _MOSTLY * column.rows)
    ]
    mapping, fits = dict(own), dict.fromkeys(own, EXACT)
    for score, _, ours, theirs in sorted(pairs):
        if score and ours not in mapping and theirs not in mapping.values():
            mapping[ours], fits[ours] = theirs, -score
    return mapping, fits


def could_be(kind: Kind, ours: str, column: ColumnProfile) -> bool:
    """Whether the values of a column can be read as one of ours."""
    rules: dict[Kind, Callable[[ColumnProfile], bool]] = {
        Kind.ID: lambda c: c.is_key and c.distinct >= c.sampled * 0.98,
        Kind.TIME: lambda c: c.look is Look.TIME,
        Kind.MONEY: lambda c: (
            c.look is Look.NUMBER
            and not (c.is_unique and c.is_whole)
            and max(-c.lowest, c.highest) < _BELIEVED
        ),
        Kind.NUMBER: lambda c: c.look is Look.NUMBER and c.form is None and c.is_believable,
        Kind.FLAG: lambda c: c.look is Look.FLAG,
        Kind.TEXT: lambda c: c.is_text and c.look in {Look.TEXT, Look.CATEGORY, Look.ID},
    }
    if kind is Kind.CATEGORY:
        return _is_category(ours, column)
    return rules[kind](column)


def _is_category(ours: str, column: ColumnProfile) -> bool:
    """Whether a column can be read as a category; orders and products may have any number of values."""
    if ours in {"order_id", "product_id", "household_id"}:
        return column.is_key
    is_word = column.look in {Look.CATEGORY, Look.FLAG} or (column.is_key and column.is_whole)
    return is_word and not column.is_unique and column.distinct <= MOST_WORDS_OF_A_CATEGORY


def _event(found: Found, table: str, own: Mapping[str, str]) -> Match | None:
    """A source as a table of events, None where it cannot be."""
    at = TABLES[table].at
    mapping, fits = assign(found, table, own)
    guesses: dict[str, tuple[str, ...]] = {}
    full = [c for c in found.columns.values() if c.filled >= _MOSTLY * c.rows]
    times = [c.name for c in full if c.look is Look.TIME and c.name not in mapping.values()]
    if at not in mapping and times:
        mapping[at], guesses[at] = times[0], tuple(times[1:])
    if table == "purchases" and "amount" not in mapping:
        could = [c for c in full if c.looks_like_money and could_be(Kind.MONEY, "amount", c)]
        money = [c.name for c in could if c.name not in mapping.values()]
        if money:
            mapping["amount"], guesses["amount"] = money[0], tuple(money[1:])
    is_about = bool(topics()[table] & set(found.words))
    named = set(fits) - set(own) - {"known_at", "event_id"}
    if at not in mapping or not _has_marks(table, named, mapping, fits.get(at, 0), is_about=is_about):
        return None
    start = {"purchases": 40, "subscriptions": 30}.get(table, 10)
    if table == "purchases" and fits.get("amount", 0) > WITHIN:
        start += 30
    score = start + _TOPIC * is_about + _ROLE * len(named - {at})
    return Match(table, mapping, guesses, score)


def _has_marks(
    table: str, named: Collection[str], mapping: Mapping[str, str], time_fit: int, *, is_about: bool
) -> bool:
    """Whether a source has what makes it this table and no other; anything dated may be a contact."""
    # The first phrases of a time are its own, the later ones fit any event.
    is_own_time = time_fit > EXACT - 8
    marks = {
        "purchases": "amount" in mapping,
        "subscriptions": "started_at" in named
        and bool({"plan", "ended_at", "billing_period", "auto_renews"} & set(named)),
        "surveys": bool({"score", "delivery"} & set(named)) and (is_about or "question" in named),
        "campaigns": "arm" in named and ("campaign" in named or is_about),
        "exits": is_about or (is_own_time and "left_at" in named and "reason" in named),
    }
    return marks.get(table, True)


def _customers(found: Found, own: Mapping[str, str]) -> Match:
    """A source with one row for each customer."""
    mapping, _ = assign(found, "customers", own)
    is_about = bool(topics()["customers"] & set(found.words))
    return Match("customers", mapping, {}, 35 + _TOPIC * is_about + _ROLE * (len(mapping) - 1))


def _market(found: Found) -> Match | None:
    """A source of nobody's rows as the market: dated numbers."""
    mapping, _ = assign(found, "market", {})
    full = [c for c in found.columns.values() if c.filled >= _MOSTLY * c.rows]
    times = [column.name for column in full if column.look is Look.TIME]
    numbers = [c for c in found.columns.values() if could_be(Kind.NUMBER, c.name, c)]
    is_about = bool(topics()["market"] & set(found.words))
    is_series = bool(times) and found.columns[times[0]].is_unique
    if not times or not numbers or not (is_about or is_series):
        return None
    mapping.setdefault("observed_at", times[0])
    return Match("market", mapping, {}, _TOPIC)
