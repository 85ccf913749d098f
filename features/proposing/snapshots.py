"""Snapshots: sources with one row for each customer and no dates, as dated tables.

Such a source says how things were on one day and what happened next: who left, or who answered a mailing.
The day is not in the data, so it is made up once, for everybody, and marked.  Everything is known from
that day on and not before, so it is the only cutoff at which anybody can be asked about.
"""

from dataclasses import dataclass, field, replace

import duckdb

from features.naming import text
from features.proposing.attributes import describe
from features.proposing.drafts import Choice, Draft, Ledger, Line, counted, facts, in_sql, selecting
from features.proposing.inventory import Found
from features.proposing.matching import assign
from features.proposing.profiling import ColumnProfile, Look, control_word, leaving_word
from features.proposing.vocabulary import fit, meaning, words

DAY, MIDDLE, END = "2023-12-31", "2024-01-15", "2024-01-31"
"""The made-up day of a snapshot, a day in the outcome window after it, and the end of that window."""

HORIZON = "30d"
"""From the midnight after `DAY` to `END`."""

_ROW = "customer_row"
_INDENT = "\n       "
_MOST_YEARS, _MOST_MONTHS = 30, 400
_UNITS = ("year", "month", "week", "day")
_PLACE = "tables.{}.query"


@dataclass
class Snapshot:
    """A source without dates, and what its columns turned out to be.

    Attributes
    ----------
    found : Found
    customer : str or None
        The column of the customers, None where every row is taken as one.
    ledger : Ledger
    """

    found: Found
    customer: str | None
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def columns(self) -> dict[str, ColumnProfile]:
        """The columns of the source."""
        return dict(self.found.columns)

    @property
    def who(self) -> Line:
        """The line that says who the customer is."""
        if self.customer is not None:
            return Line("customer_id", self.customer, facts(self.found.columns[self.customer]))
        return Line(
            "customer_id", self.found.fresh(_ROW), "no column tells customers apart: every row is one"
        )

    @property
    def row(self) -> list[str]:
        """SQL that numbers the rows, where that is all that tells customers apart."""
        return [] if self.customer is not None else [f"row_number() over () as {self.found.fresh(_ROW)}"]

    def best(self, what: str, *looks: Look) -> ColumnProfile | None:
        """Return the unused column whose name fits a meaning best."""
        unused = (c for c in self.columns.values() if c.name not in self.ledger.used)
        fits = [
            (fit(c.name, meaning(what)), c.name)
            for c in unused
            if c.look in looks and c.name != self.customer
        ]
        score, column = max(fits, default=(0, ""), key=lambda pair: pair[0])
        return self.columns[column] if score else None


def drafts_of(connection: duckdb.DuckDBPyConnection, found: Found, customer: str | None) -> list[Draft]:
    """Propose tables for a source with one row for each customer.

    Parameters
    ----------
    connection : DuckDBPyConnection
    found : Found
    customer : str or None
        The column of the customers, None where there is none.

    Returns
    -------
    list of Draft
        Empty where the source says neither who left nor what anybody bought.
    """
    snapshot = Snapshot(found, customer)
    if customer is not None:
        snapshot.ledger.used.add(customer)
    left = condition(found)
    drafts = []
    if left is not None:
        snapshot.ledger.left_out[left[0]] = "the outcome itself: it makes the rows of exits"
        drafts = [_subscriptions(snapshot), _exits(snapshot, *left)]
    else:
        drafts = _bought(snapshot)
    if not drafts:
        return []
    campaign = _campaign(snapshot)
    drafts += [campaign] if campaign else []
    attributes, renamed = describe(connection, found, snapshot.ledger, left[1] if left else None)
    customers = Draft(
        "customers",
        found,
        f"{found.rows:,} rows, one for each customer",
        (snapshot.who, *renamed),
        attributes,
        query=selecting(snapshot.row) if snapshot.row else None,
        left_out=tuple(snapshot.ledger.left_out.items()),
    )
    return [customers, *drafts]


def condition(found: Found) -> tuple[str, str] | None:
    """Return the column that says who has left, and SQL of it; None where there is none."""
    fits = [
        (fit(c.name, meaning("churn_flag")), -n, c)
        for n, c in enumerate(found.columns.values())
        if _is_flag(c)
    ]
    score, _, column = max(fits, default=(0, 0, None), key=lambda one: one[:2])
    if not score or column is None:
        return None
    given = in_sql(column.name)
    word = leaving_word(column)
    if word is not None:
        return column.name, f"{given} = {text(word)}"
    return column.name, given if column.type == "BOOLEAN" else f"{given} = 1"


def _is_flag(column: ColumnProfile) -> bool:
    """Whether a column says yes or no, both at times."""
    if column.distinct != 2:  # noqa: PLR2004  (two values)
        return False
    return (column.look is Look.FLAG and (leaving_word(column) is not None or not column.words)) or (
        column.look is Look.CATEGORY and leaving_word(column) is not None
    )


def _subscriptions(snapshot: Snapshot) -> Draft:
    """One contract for each customer, since as long as the tenure says."""
    found, ledger = snapshot.found, snapshot.ledger
    mapping, _ = assign(found, "subscriptions", {}, {*ledger.used, *ledger.left_out})
    mapping.pop("known_at", None)
    notes: list[Choice | str] = [_day("subscriptions")]
    lines = [snapshot.who]
    parts = [*snapshot.row]
    if "started_at" not in mapping:
        started, note, choice = _since(snapshot)
        parts.append(f"{started} as {found.fresh('started_at')}")
        lines.append(Line("started_at", found.fresh("started_at"), note, choice))
    if "plan" not in mapping:
        parts.append(f"'standard' as {found.fresh('plan')}")
        lines.append(Line("plan", found.fresh("plan"), "no column of plans: one for everybody"))
    parts.append(f"date '{DAY}' as {found.fresh('known_at')}")
    for ours, theirs in mapping.items():
        lines.append(Line(ours, theirs, facts(found.columns[theirs])))
        ledger.used.add(theirs)
    lines.append(Line("known_at", found.fresh("known_at"), "so nobody is asked about before that day"))
    order = [
        "customer_id",
        "started_at",
        "plan",
        "price",
        "billing_period",
        "auto_renews",
        "ended_at",
        "known_at",
    ]
    lines.sort(key=lambda line: order.index(line.key))
    formats = tuple(Line(o, str(found.columns[t].form)) for o, t in mapping.items() if found.columns[t].form)
    formats += tuple(
        Line(ours, "rounded")
        for ours, theirs in mapping.items()
        if ours == "price" and found.columns[theirs].decimals[1]
    )
    why = "who has left is known, so everybody has had a contract"
    return Draft("subscriptions", found, why, tuple(lines), (), formats, selecting(parts), tuple(notes))


def _since(snapshot: Snapshot) -> tuple[str, str, Choice | None]:
    """SQL of the start of a contract, where it comes from, and what is not known about it."""
    tenure = snapshot.best("tenure", Look.NUMBER)
    if tenure is None:
        choice = Choice(
            "tables.subscriptions.columns.started_at",
            "a year before",
            "the data do not say since when; all are taken as a year old",
        )
        return f"date '{DAY}' - interval '1 year'", "", choice
    snapshot.ledger.used.add(tenure.name)
    unit, is_said = unit_of(tenure)
    started = f"date '{DAY}' - {counted(snapshot.found, tenure, 'integer')} * interval '1 {unit}'"
    if is_said:
        return started, f"{tenure.name} before that day", None
    choice = Choice(
        "tables.subscriptions.columns.started_at",
        f"{unit}s",
        f"{tenure.name} is taken as {unit}s",
        tuple(f"{other}s" for other in _UNITS if other != unit),
    )
    return started, "", choice


def unit_of(column: ColumnProfile) -> tuple[str, bool]:
    """Unit of a length of time, and whether its name says so; otherwise its size does."""
    own = {word.rstrip("s") for word in words(column.name)}
    for unit in _UNITS:
        if unit in own:
            return unit, True
    if column.highest <= _MOST_YEARS:
        return "year", False
    return ("month" if column.highest <= _MOST_MONTHS else "day"), False


def _day(table: str) -> Choice:
    """The choice that every snapshot leaves: its day."""
    return Choice(
        _PLACE.format(table),
        DAY,
        f"the data name neither their day nor the time in which the outcome was counted: {DAY} and {HORIZON} "
        "stand for them, in every query, in observed_until and in horizon",
    )


def _exits(snapshot: Snapshot, flag: str, left: str) -> Draft:
    """Those who have left, in the middle of the outcome window."""
    found, ledger = snapshot.found, snapshot.ledger
    taken = {*ledger.used, flag}
    mapping, _ = assign(found, "exits", {}, taken)
    lines = [snapshot.who, Line("left_at", found.fresh("left_at"), f"where {left}")]
    for ours in ("reason", "text"):
        if ours in mapping and found.columns[mapping[ours]].filled < found.rows:
            lines.append(Line(ours, mapping[ours], facts(found.columns[mapping[ours]])))
            ledger.left_out[mapping[ours]] = f"known only of those who have left: it is {ours} in exits"
    parts = [*snapshot.row, f"date '{MIDDLE}' as {found.fresh('left_at')}"]
    where = f"{'qualify' if snapshot.row else 'where'} {left}"
    note = f"when they left is not in the data: {MIDDLE} is the middle of the {HORIZON} after that day"
    return Draft(
        "exits",
        found,
        f"{flag} says who has left",
        tuple(lines),
        query=selecting(parts, where),
        query_notes=(note,),
    )


def _bought(snapshot: Snapshot) -> list[Draft]:
    """Past spending as one purchase at the time of the last, and what was spent later as another."""
    recency, spent = snapshot.best("recency", Look.NUMBER), snapshot.best("spent", Look.NUMBER)
    if recency is None or spent is None:
        return []
    unit, is_said = unit_of(replace(recency, highest=max(recency.highest, _MOST_YEARS + 1)))
    who = in_sql(snapshot.who.value)
    at = f"date '{DAY}' - {counted(snapshot.found, recency, 'integer')} * interval '1 {unit}'"
    numbered = f"(select *, {snapshot.row[0]} from source)" if snapshot.row else "source"
    parts = (who, f"{at} as purchased_at", f"{in_sql(spent.name)} as amount", f"date '{DAY}' as known_at")
    query = f"select {f',{_INDENT}'.join(parts)}\nfrom {numbered}"
    notes: list[Choice | str] = [
        _day("purchases"),
        f"{spent.name} was spent over some time; it stands as one purchase, {recency.name} before that day",
    ]
    snapshot.ledger.used |= {recency.name, spent.name}
    later = snapshot.best("later_spend", Look.NUMBER)
    if later is not None:
        query += (
            f"\nunion all\nselect {who}, date '{MIDDLE}', {in_sql(later.name)}, date '{MIDDLE}'\n"
            f"from {numbered}\nwhere {counted(snapshot.found, later, 'double precision')} > 0"
        )
        notes.append(f"{later.name} came after that day; it stands as a purchase on {MIDDLE}")
        snapshot.ledger.left_out[later.name] = "spent after the day of the data: it is a purchase"
    choice = None if is_said else Choice(
        "tables.purchases.columns.purchased_at", f"{unit}s", f"{recency.name} is taken as {unit}s",
        tuple(f"{other}s" for other in _UNITS if other != unit))  # fmt: skip
    formats = (Line("amount", "rounded"),) if spent.decimals[1] or (later and later.decimals[1]) else ()
    lines = (
        snapshot.who,
        Line("purchased_at", "purchased_at", "", choice),
        Line("amount", "amount"),
        Line("known_at", "known_at", "so nobody is asked about before that day"),
    )
    why = f"{recency.name} and {spent.name} say when and for how much"
    return [Draft("purchases", snapshot.found, why, lines, (), formats, query, tuple(notes))]


def _campaign(snapshot: Snapshot) -> Draft | None:
    """A campaign with a control group, sent on the day after the snapshot."""
    arm = snapshot.best("arm", Look.CATEGORY, Look.FLAG)
    response = snapshot.best("response", Look.FLAG)
    if arm is None or response is None or (arm.look is Look.CATEGORY and control_word(arm) is None):
        return None
    found, ledger = snapshot.found, snapshot.ledger
    ledger.used.add(arm.name)
    word = leaving_word(response)
    said = f"{in_sql(response.name)} = {text(word) if word else 1}"
    parts = [
        *snapshot.row,
        f"date '{DAY}' + 1 as {found.fresh('sent_at')}",
        f"{text(found.stem)} as {found.fresh('campaign')}",
        f"case when {said} then date '{MIDDLE}' end as {found.fresh('responded_at')}",
    ]
    for column in snapshot.columns.values():
        if column.look is Look.FLAG and fit(column.name, meaning("response")):
            ledger.left_out[column.name] = "an answer to the campaign: known only after it"
    untreated = control_word(arm)
    lines = (
        snapshot.who,
        Line("sent_at", found.fresh("sent_at"), "the day after the day of the data"),
        Line("campaign", found.fresh("campaign"), "named after the source"),
        Line(
            "arm", arm.name, f"{facts(arm)}; the control group is {untreated!r}" if untreated else facts(arm)
        ),
        Line("responded_at", found.fresh("responded_at"), f"where {said}; the day is made up"),
    )
    why = f"{arm.name} says who was treated, {response.name} who answered"
    return Draft("campaigns", found, why, lines, query=selecting(parts))
