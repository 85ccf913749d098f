"""Dated sources: one with a time in every row as a draft of its table."""

from collections.abc import Mapping

import duckdb

from features.naming import text
from features.proposing.attributes import describe, indicators
from features.proposing.drafts import Choice, Draft, Ledger, Line, counted, facts, in_sql, selecting
from features.proposing.inventory import Found
from features.proposing.matching import Match
from features.proposing.profiling import ColumnProfile, Look
from features.proposing.snapshots import condition
from features.proposing.vocabulary import fit, roles, words
from features.tables import TABLES, Kind

_SECONDS = {"second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3600, "day": 86400}
_WAITING = {"wait", "waiting", "queue", "hold", "response"}
_DURATION = {"duration", "talk", "handling", "length"}
_SUPPORT = {"support", "supports", "ticket", "tickets", "helpdesk", "case", "cases"}
_CONTACT_KINDS = ("visit", "enquiry", "complaint", "outage", "service")
_WHY = {
    "purchases": "whose, when and how much",
    "contacts": "whose and when",
    "surveys": "whose, when and an answer",
    "subscriptions": "whose, since when and which plan",
    "campaigns": "whose, when and which arm",
    "exits": "who left when",
    "customers": "one row for each customer",
    "market": "numbers of nobody, by time",
}


def drafts_of(connection: duckdb.DuckDBPyConnection, found: Found, match: Match) -> list[Draft]:
    """Propose tables for a source with a time in every row, or of dated customers.

    Parameters
    ----------
    connection : DuckDBPyConnection
    found : Found
    match : Match
        What was recognised.

    Returns
    -------
    list of Draft
        The table, and a survey where contacts carry answers.
    """
    ledger = Ledger(set(match.mapping.values()))
    constants, parts = _made_up(found, match)
    lengths, more = _lengths(found, match, ledger)
    survey = _answers(found, match, ledger) if match.table == "contacts" else None
    attributes, renamed = _further(connection, found, match, ledger)
    lines = [_line(found, match, ours, theirs) for ours, theirs in match.mapping.items()]
    lines += constants + lengths + _currency(found, match, ledger)
    order = [*(column.name for column in TABLES[match.table].columns), "currency"]
    lines.sort(key=lambda line: order.index(line.key))
    ledger.left_out.update(dict.fromkeys(ledger.rest(found.columns), ""))
    draft = Draft(
        match.table,
        found,
        f"{found.rows:,} rows: {_WHY[match.table]}",
        (*lines, *renamed),
        attributes,
        _formats(match.table, found.columns, match.mapping),
        selecting([*parts, *more]) if parts or more else None,
        left_out=tuple(ledger.left_out.items()),
    )
    return [draft, survey] if survey else [draft]


def _further(
    connection: duckdb.DuckDBPyConnection, found: Found, match: Match, ledger: Ledger
) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """Attributes of customers, and indicators of the market; other tables have none."""
    if match.table == "customers":
        left = condition(found)
        return describe(connection, found, ledger, left[1] if left else None)
    return indicators(found, ledger) if match.table == "market" else ((), ())


def _line(found: Found, match: Match, ours: str, theirs: str) -> Line:
    """The line of one mapped column; a guess is a choice where more could be meant."""
    others = match.guesses.get(ours)
    note = facts(found.columns[theirs])
    if not others:
        return Line(
            ours,
            theirs,
            note if others is None else ", ".join(filter(None, [note, "the only one of its kind"])),
        )
    place = f"tables.{match.table}.columns.{ours}"
    return Line(ours, theirs, note, Choice(place, theirs, "more than one column could be meant", others))


def _currency(found: Found, match: Match, ledger: Ledger) -> list[Line]:
    """The line of a column that says the currency of every row, where the rows hold money."""
    if not {c.name for c in TABLES[match.table].columns if c.kind is Kind.MONEY} & match.mapping.keys():
        return []
    codes = [c for c in found.columns.values() if c.is_currency and c.name not in ledger.used]
    codes.sort(key=lambda column: words(column.name) != ("currency",))
    ledger.used.update(column.name for column in codes[:1])
    note = "" if all(c.distinct == 1 for c in codes[:1]) else "rows in another one are rejected"
    return [Line("currency", column.name, note) for column in codes[:1]]


def _formats(
    table: str, columns: Mapping[str, ColumnProfile], mapping: Mapping[str, str]
) -> tuple[Line, ...]:
    """Formats to declare: of times and of money that are not written as we expect them."""
    kinds = {column.name: column.kind for column in TABLES[table].columns}
    lines = []
    for ours, theirs in mapping.items():
        column = columns[theirs]
        if kinds[ours] is Kind.TIME and column.form:
            others = column.other_forms
            choice = Choice(
                f"tables.{table}.formats.{ours}", column.form, "more than one format reads it", others
            )
            lines.append(Line(ours, column.form, "", choice if others else None))
        elif kinds[ours] is Kind.MONEY and column.form:
            lines.append(Line(ours, column.form))
        elif kinds[ours] is Kind.MONEY and column.decimals[1]:
            lines.append(Line(ours, "rounded", f"{column.decimals[1]:.1%} have more than two decimals"))
    return tuple(lines)


def _made_up(found: Found, match: Match) -> tuple[list[Line], list[str]]:
    """Required words that the source does not have: the same in every row."""
    about = found.stem
    is_support = bool(_SUPPORT & set(found.words))
    defaults: dict[str, tuple[str, tuple[str, ...]]] = {
        "channel": ("support" if is_support else about, ("web", "call", "e-mail", "dealer")),
        "kind": ("service" if is_support else about, _CONTACT_KINDS),
        "question": (about, ()),
        "plan": ("standard", ()),
        "campaign": (about, ()),
    }
    lines, parts = [], []
    for ours in TABLES[match.table].required:
        if ours in match.mapping or ours not in defaults:
            continue
        value, others = defaults[ours]
        made = found.fresh(ours)
        parts.append(f"{text(value)} as {made}")
        place = f"tables.{match.table}.columns.{ours}"
        others = tuple(other for other in others if other != value)
        choice = Choice(place, value, "one word for all, in the query", others) if others else None
        lines.append(Line(ours, made, "" if choice else "no column says it: one word for all", choice))
    return lines, parts


def _lengths(found: Found, match: Match, ledger: Ledger) -> tuple[list[Line], list[str]]:
    """Waiting and duration of contacts in seconds, from other units."""
    if match.table != "contacts":
        return [], []
    lines, parts = [], []
    for ours, about in (("waiting_seconds", _WAITING), ("duration_seconds", _DURATION)):
        for column in found.columns.values():
            own = [word.rstrip("s") for word in words(column.name)]
            unit = next((word for word in own if word in _SECONDS), None)
            is_it = column.look is Look.NUMBER and unit is not None and bool(about & set(words(column.name)))
            if is_it and unit and ours not in match.mapping and column.name not in ledger.used:
                given = in_sql(column.name)
                if column.is_text:
                    given = counted(found, column, "double precision")
                parts.append(f"{given} * {_SECONDS[unit]} as {found.fresh(ours)}")
                lines.append(Line(ours, found.fresh(ours), f"from {column.name}"))
                ledger.used.add(column.name)
                break
    return lines, parts


def _answers(found: Found, match: Match, ledger: Ledger) -> Draft | None:
    """Scores that were given after a contact, as a survey."""
    phrases = roles("surveys")["score"]
    rest = [c for c in found.columns.values() if c.name not in ledger.used and c.look is Look.NUMBER]
    score = max(rest, key=lambda column: fit(column.name, phrases), default=None)
    if score is None or not fit(score.name, phrases):
        return None
    at = match.mapping["contacted_at"]
    later = [c.name for c in found.columns.values() if c.look is Look.TIME and c.name not in ledger.used]
    mapping = {"customer_id": match.mapping["customer_id"], "answered_at": later[0] if later else at}
    mapping["score"] = score.name
    ledger.left_out[score.name] = "it is the score in surveys"
    ledger.left_out |= dict.fromkeys(later, "known only once the contact is over")
    notes = {ours: facts(found.columns[theirs]) for ours, theirs in mapping.items()}
    notes["answered_at"] = "an answer comes when the contact is over" if later else notes["answered_at"]
    lines = [Line(ours, theirs, notes[ours]) for ours, theirs in mapping.items()]
    lines.insert(2, Line("question", found.fresh("question"), "no column says it: one word for all"))
    query = selecting(
        [f"{text(found.stem)} as {found.fresh('question')}"], f"where {in_sql(score.name)} is not null"
    )
    formats = _formats("surveys", found.columns, mapping)
    why = f"{score.filled:,} of the contacts were answered with a score"
    return Draft("surveys", found, why, tuple(lines), (), formats, query)
