"""Proposal: what business.toml could say about the sources that the user names.

Sources are recognised by their columns: names first, then content, then how sources refer to each other.
Every decision carries its reason, and what the data do not say is left to the user as a choice.
"""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory

from features.currencies import MINOR_DIGITS
from features.errors import DataError, UserError
from features.naming import name as in_quotes
from features.proposing import dated, inventory, snapshots
from features.proposing.drafts import Choice, Draft, Line, Proposal, quoted
from features.proposing.inventory import Found, Inventory, Progress
from features.proposing.matching import Match, match
from features.proposing.profiling import Look
from features.proposing.references import customer_columns, is_exactly_unique, own_number, pointed_at
from features.proposing.shortfall import shortfall
from features.proposing.vocabulary import topics, words
from features.tables import TABLES

_SYMBOLS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR"}
_WORDS = {"dollar": "USD", "dollars": "USD", "euro": "EUR", "euros": "EUR", "pounds": "GBP"}
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_ .-]+")
_MOST_COLUMNS = 20


def propose(
    sources: Sequence[str],
    *,
    name: str | None = None,
    currency: str | None = None,
    progress: Progress | None = None,
) -> Proposal:
    """Look at sources and propose what business.toml says about them.

    Parameters
    ----------
    sources : sequence of str
        Files, folders, globs and database URLs.
    name, currency : str, optional
        What the user knows already.
    progress : callable, optional
        Called with (what, done, total).

    Returns
    -------
    Proposal

    Raises
    ------
    UserError
        There is nothing at a source.
    DataError
        No source tells customers apart, or none holds purchases or subscriptions.
    """
    if currency is not None:
        _refuse_unknown(currency)
    with TemporaryDirectory(prefix="holdfast-init-") as staging:
        found = inventory.take(sources, Path(staging), progress or _silent)
        with found.connection:
            drafts, unused = _drafts(found)
            business = _business(found, drafts, name, currency)
    rest = (_churn(drafts), _value(drafts))
    return Proposal(business, tuple(drafts), *rest, (*unused, *found.unreadable))


def _refuse_unknown(currency: str) -> None:
    """Refuse a currency that nobody knows."""
    if currency not in MINOR_DIGITS:
        known = {**_WORDS, **_SYMBOLS}.get(currency.lower())
        near = [known] if known else get_close_matches(currency.upper(), MINOR_DIGITS, n=1)
        advice = f"Did you mean {near[0]}?" if near else "Write its three letters, as in USD or EUR."
        raise UserError(f"{currency!r} is not an ISO 4217 currency code. {advice}")


def sources_of(sources: Sequence[str], tables: Sequence[str] | None) -> list[str]:
    """Join database URLs with the tables that are wanted of them.

    Raises
    ------
    UserError
        Tables are wanted, but no source is a database.

    Examples
    --------
    >>> sources_of(["postgresql://db/shop", "surveys.csv"], ["public.orders"])
    ['postgresql://db/shop#public.orders', 'surveys.csv']
    """
    if not tables:
        return list(sources)
    databases = [source for source in sources if inventory.is_database(source)]
    if not databases:
        raise UserError(
            "--table goes with a postgresql:// source; there is none. Leave it away, or add the URL."
        )
    joined = [[f"{s}#{t}" for t in tables] if s in databases else [s] for s in sources]
    return [source for one in joined for source in one]


def _silent(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def _drafts(found: Inventory) -> tuple[list[Draft], list[tuple[str, str]]]:
    """Every source as tables, and those that are none."""
    customers = customer_columns(found)
    for source in found.found:
        is_theirs = bool(topics()["customers"] & set(source.words)) or len(found.found) == 1
        number = own_number(source)
        if source.sample not in customers and is_theirs and number is not None:
            customers[source.sample] = number
    matches = {source.sample: _match(found, source, customers) for source in found.found}
    main = _main_customers(found, matches)
    drafts: list[Draft] = []
    for source in found.found:
        matched = matches[source.sample]
        if matched is not None and (matched.table != "customers" or source is main):
            drafts += dated.drafts_of(found.connection, source, matched)
    if not {draft.table for draft in drafts} & {"purchases", "subscriptions"}:
        drafts = _with_snapshot(found, drafts, main, customers)
    used = {draft.found.sample for draft in drafts}
    rest = [source for source in found.found if source.sample not in used]
    drafts.sort(key=lambda draft: list(TABLES).index(draft.table))
    return drafts, [(source.label, _why_unused(found, source, matches, customers)) for source in rest]


def _match(found: Inventory, source: Found, customers: Mapping[str, str]) -> Match | None:
    """Which table a source is."""
    customer = customers.get(source.sample)
    is_unique = customer is not None and is_exactly_unique(found.connection, source, customer)
    return match(source, customer, is_unique=is_unique)


def _main_customers(found: Inventory, matches: Mapping[str, Match | None]) -> Found | None:
    """Return the source that describes customers best: by its name, then by its columns."""
    described = [source for source in found.found if (m := matches[source.sample]) and m.table == "customers"]
    ranks = {s.sample: (bool(topics()["customers"] & set(s.words)), len(s.columns)) for s in described}
    return max(described, key=lambda source: ranks[source.sample], default=None)


def _with_snapshot(
    found: Inventory, drafts: list[Draft], main: Found | None, customers: Mapping[str, str]
) -> list[Draft]:
    """Take a source without dates for purchases or subscriptions, where there are no others."""
    candidates = (
        [main]
        if main
        else [
            # The rows of a database have no order, so they cannot be numbered alike in two queries.
            source
            for source in found.found
            if source.sample not in customers and source.table is None
        ]
    )
    for source in candidates:
        made = snapshots.drafts_of(found.connection, source, customers.get(source.sample))
        if made:
            return [*(draft for draft in drafts if draft.table not in {d.table for d in made}), *made]
    if not customers:
        raise DataError(
            f"No column identifies customers in {_listed(found)}. Expected a column such as customer_id, "
            "whose values come back in the rows of one customer, or one row for each customer with a column "
            "that says who left. Columns: " + "; ".join(_columns(source) for source in found.found) + "."
        )
    raise DataError(
        f"There are customers in {_listed(found)}, but neither purchases (whose, when, how much) nor "
        "subscriptions (whose, since when), nor a column that says who left. Name a source that has them. "
        "Columns: "
        + "; ".join(_columns(source) for source in found.found)
        + ". "
        + shortfall(found, customers)
    )


def _listed(found: Inventory) -> str:
    return ", ".join(source.label for source in found.found)


def _columns(source: Found) -> str:
    names = list(source.columns)
    more = f" and {len(names) - _MOST_COLUMNS} more" if len(names) > _MOST_COLUMNS else ""
    return f"{source.label} has {', '.join(names[:_MOST_COLUMNS])}{more}"


def _why_unused(
    found: Inventory, source: Found, matches: Mapping[str, Match | None], customers: Mapping[str, str]
) -> str:
    """Why a source is not used, and what would make it usable."""
    pointing = pointed_at(found, source)
    hint = f"; its {pointing[0]} is that of {pointing[1].label}: join them first" if pointing else ""
    if (matched := matches[source.sample]) is not None and matched.table == "customers":
        return "describes customers too; one source of customers is enough"
    if source.sample in customers:
        return f"its rows have no time{hint}"
    by = [(o, p[0]) for o in found.found if (p := pointed_at(found, o)) and p[1] is source]
    if by:
        others = ", ".join(other.label for other, _ in by)
        return f"nobody's rows: a list that {others} points at by {by[0][1]}; join what you need of it first"
    return f"has no column that says whose a row is{hint}"


def _business(
    found: Inventory, drafts: Sequence[Draft], name: str | None, currency: str | None
) -> tuple[Line, ...]:
    """The lines of [business]."""
    lines = [
        Line("name", quoted(_name(found) if name is None else name)),
        _currency(found, drafts, currency),
    ]
    naive = [c for draft in drafts for c in draft.times if c.is_naive]
    if naive:
        others = ("Europe/Berlin", "America/New_York")
        # A build refuses a column of both kinds, so that one is told first.
        first = max(naive, key=lambda column: column.is_mixed)
        lacks = f"some of {first.name} carry no zone: write all of them with one, or none;"
        lacks = lacks if first.is_mixed else f"{first.name} carries no zone;"
        choice = Choice("business.timezone", "UTC", f"{lacks} whose clock is it?", others)
        lines.append(Line("timezone", quoted("UTC"), "", choice))
    else:
        lines.append(Line("timezone", quoted("UTC"), "no time of the data needs another"))
    if _is_made_up(drafts):
        end = f"{snapshots.HORIZON} after the made-up day of the data"
        lines.append(Line("observed_until", quoted(snapshots.END), end))
    return tuple(lines)


def _name(found: Inventory) -> str:
    """A name for the business: that of the only file or of the folder."""
    source = found.found[0]
    says_nothing = any(set(source.words) & topic for topic in topics().values())
    is_folder = source.files and (len(found.found) > 1 or says_nothing)
    folders = [file.parent for one in found.found for file in one.files]
    given = Path(os.path.commonpath(folders)).name if is_folder else source.stem
    return _NOT_A_NAME.sub(" ", given).strip(" _.-") or "business"


def _currency(found: Inventory, drafts: Sequence[Draft], given: str | None) -> Line:
    """The currency, as far as columns or words show it."""
    if given is not None:
        return Line("currency", quoted(given), "as you said")
    if codes := _codes(found, drafts):
        choice = Choice(
            "business.currency", codes[0], "rows in another currency are rejected", tuple(codes[1:])
        )
        is_only = len(codes) == 1
        said = "the only one in the rows" if is_only else ""
        return Line("currency", quoted(codes[0]), said, None if is_only else choice)
    for source in (draft.found for draft in drafts):
        for column in source.columns.values():
            if (
                column.look is Look.CATEGORY
                and set(column.words) <= MINOR_DIGITS.keys()
                and column.distinct == 1
            ):
                return Line("currency", quoted(column.words[0]), f"the only one in {column.name}")
            named = [w for w in words(column.name) if w.upper() in MINOR_DIGITS or w in _WORDS]
            if named and column.look is Look.NUMBER:
                code = _WORDS.get(named[0], named[0].upper())
                return Line("currency", quoted(code), f"as the name of {column.name} says")
            marks = [mark for mark in _SYMBOLS if any(mark in word for word in column.words)]
            if marks:
                return Line("currency", quoted(_SYMBOLS[marks[0]]), f"{column.name} shows {marks[0]}")
    choice = Choice("business.currency", "USD", "the data do not name it", ("EUR", "GBP"))
    return Line("currency", quoted("USD"), "", choice)


def _codes(found: Inventory, drafts: Sequence[Draft]) -> list[str]:
    """Currencies of all rows that carry one, the most frequent first."""
    counts: Counter[str] = Counter()
    for draft in drafts:
        if (column := draft.mapping.get("currency")) is not None:
            code = f"trim(CAST({in_quotes(column)} AS VARCHAR))"
            query = f"SELECT {code}, count(*) FROM ({draft.found.relation}) GROUP BY 1"
            counts.update(dict(found.connection.execute(query).fetchall()))
    known = [code for code in counts if code in MINOR_DIGITS]
    return sorted(known, key=lambda code: (-counts[code], code))


def _is_made_up(drafts: Sequence[Draft]) -> bool:
    """Whether the data have no dates, so that one had to be made up."""
    return any(draft.query and snapshots.DAY in draft.query for draft in drafts)


def _churn(drafts: Sequence[Draft]) -> tuple[Line, ...]:
    """The lines of [churn]."""
    tables = {draft.table for draft in drafts}
    made_up = Line("horizon", quoted(snapshots.HORIZON), "made up, as the day of the data is")
    gap = Line("gap", '"0d"', "nothing is counted there: time to act")
    if tables & {"subscriptions", "exits"}:
        why = "there are exits" if "exits" in tables else "there are contracts"
        return (
            Line("kind", '"exit"', f"{why}: to leave is to end the contract"),
            made_up
            if _is_made_up(drafts)
            else Line("horizon", '"90d"', "a quarter; longer for yearly contracts"),
            gap,
            Line("eligible", '"365d"', "asked about: whoever was under contract in the last year"),
        )
    advised = Line("horizon", '"auto"', "from the time between purchases; `holdfast advise` shows it")
    return (
        Line("kind", '"silence"', "nobody says goodbye: who buys nothing for the horizon is gone"),
        made_up if _is_made_up(drafts) else advised,
        gap,
        Line("eligible", '"365d"', "asked about: whoever bought in the last year"),
    )


def _value(drafts: Sequence[Draft]) -> tuple[Line, ...]:
    """The lines of [value]."""
    lines = [Line("horizons", '["90d", "365d"]')]
    if any(draft.table == "purchases" and "cost" in draft.mapping for draft in drafts):
        lines.append(Line("margin", "1.0", "where a purchase carries no cost"))
    else:
        choice = Choice(
            "value.margin", "1.0", "the data have no costs: which share of revenue is margin?", ("0.30",)
        )
        lines.append(Line("margin", "1.0", "", choice))
    return (*lines, Line("discount_rate", "0.10", "a year"))
