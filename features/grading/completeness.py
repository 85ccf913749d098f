"""Completeness: what is missing, openly or in disguise; days without facts; ids that lead nowhere.

The rules are written down in `features.quality`.
"""

from collections.abc import Iterator

from features.grading import disguises, rhythm
from features.grading.census import Census, TableCensus, words
from features.grading.grades import Dimension, Finding, Grade, by_share
from features.selection import contract_of
from features.tables import TABLES, Kind
from features.windows import BEGINNING, MICROSECONDS_PER_DAY, parse_instant, to_text

NULL_BY_NATURE = frozenset(
    {
        ("purchases", "discount"),
        ("contacts", "resolved"),
        ("subscriptions", "ended_at"),
        ("campaigns", "offer"),
        ("campaigns", "bond"),
        ("campaigns", "responded_at"),
    }
)
"""Columns that are empty where there is nothing to say: a contract that runs has no end."""

_MISSING = ((0.05, Grade.B), (0.30, Grade.C), (1.0, Grade.D))
_DISGUISED = ((0.0, Grade.B), (0.30, Grade.C), (1.0, Grade.D))
_REJECTED = ((1e-9, Grade.B), (0.01, Grade.C), (0.05, Grade.D))
_UNLINKED = ((0.02, Grade.B), (0.20, Grade.C), (0.95, Grade.D))
_SILENT = ((0.30, Grade.B), (0.60, Grade.C), (0.95, Grade.D))
_DUPLICATES = ((0.05, Grade.B),)
_BACKWARDS = ((1e-9, Grade.C), (0.05, Grade.D))
_LONG_GAP_DAYS = 14
_SHARE_OF_GAPS = 0.10


def completeness(census: Census) -> list[Finding]:
    """Grade a store on completeness.

    Parameters
    ----------
    census : Census

    Returns
    -------
    list of Finding
    """
    found = list(_links(census))
    for table in census.tables.values():
        found += [*_rows(table), *_columns(census, table), *_backwards(table), *_gaps(table)]
    return found


def _finding(
    table: str, column: str | None, severity: Grade | None, figure: float, what: str, do: str
) -> Iterator[Finding]:
    """Give a finding where there is a severity."""
    if severity is not None:
        yield Finding(Dimension.COMPLETENESS, table, column, severity, figure, what, do)


def _rows(table: TableCensus) -> Iterator[Finding]:
    """Rows that were refused or came twice."""
    record = table.record
    refused = record.rejected / max(record.rows_in, 1)
    reasons = ", ".join(sorted(record.reasons, key=lambda reason: (-record.reasons[reason], reason))[:3])
    yield from _finding(
        table.name,
        None,
        by_share(refused, *_REJECTED),
        refused,
        f"{record.rejected:,} of {record.rows_in:,} rows ({refused:.1%}) break the contract: {reasons}",
        "Build, look at store/snapshots/*/rejected, and correct the source.",
    )
    twice = record.duplicates / max(record.rows_in, 1)
    yield from _finding(
        table.name,
        None,
        by_share(twice, *_DUPLICATES),
        twice,
        f"{record.duplicates:,} of {record.rows_in:,} rows ({twice:.1%}) came more than once",
        "They count once; find out why the source delivers them again.",
    )


def _columns(census: Census, table: TableCensus) -> Iterator[Finding]:
    """Columns with missing values, openly or in disguise."""
    required = set(TABLES[table.name].required)
    for column, kind in table.kinds.items():
        if table.rows and column not in required and (table.name, column) not in NULL_BY_NATURE:
            missing = 1 - table.known[column] / table.rows
            yield from _finding(
                table.name,
                column,
                by_share(missing, *_MISSING),
                missing,
                "never filled" if missing == 1 else f"{missing:.0%} missing",
                "Map the right column or leave it out."
                if missing == 1
                else "Fill it at the source, or leave it out where nobody keeps it.",
            )
        yield from _disguised(census, table, column, kind)
    at = TABLES[table.name].at
    for date, share in disguises.dates(_moments(table)):
        yield from _finding(
            table.name,
            at,
            max(by_share(share, *_DISGUISED) or Grade.C, Grade.C),
            share,
            f"{share:.1%} of the rows happened on {date}: a date that stands for none",
            "Leave such rows out or give them their time; they stretch every tenure.",
        )


def _backwards(table: TableCensus) -> Iterator[Finding]:
    """Contracts that end before they start."""
    if "ended_at" in table.kinds:
        share = float((table.sample("ended_at") < table.sample("at")).mean())
        yield from _finding(
            table.name,
            "ended_at",
            by_share(share, *_BACKWARDS),
            share,
            f"{share:.1%} of the contracts end before they start",
            "Correct the times; such a contract never runs.",
        )


def _moments(table: TableCensus) -> disguises.Values:
    """When the sampled rows happened, those that say so."""
    at = table.sample("at")
    return at[at > BEGINNING]


def _disguised(census: Census, table: TableCensus, column: str, kind: Kind) -> Iterator[Finding]:
    """Values of one column that stand for none."""
    is_required = column in contract_of(table.name).required
    remedy = (
        "Find out what it is; the column may not be empty."
        if is_required
        else 'Write nothing in its place at the source, or with query = "select … nullif(…)".'
    )
    for said, share in _stand_ins(census, table, column, kind):
        yield from _finding(
            table.name,
            column,
            by_share(share, *_DISGUISED),
            share,
            f"{said} on {share:.1%} of the filled rows: it looks like a missing value",
            remedy,
        )


def _stand_ins(census: Census, table: TableCensus, column: str, kind: Kind) -> list[tuple[str, float]]:
    """What stands for nothing in one column, in words, and its share of the filled rows."""
    if column == "defector_type":
        return []
    values = table.sample(column)
    if kind is Kind.TIME:
        return disguises.dates(values)
    if kind is Kind.CATEGORY:
        frequent = disguises.frequent_codes(values)
        texts = words(census, table.name, column, [code for code, _ in frequent]) if frequent else []
        return [
            (f'the word "{text.strip()}"', share)
            for text, (_, share) in zip(texts, frequent, strict=True)
            if disguises.is_word_for_nothing(text)
        ]
    scale = 10**census.store.manifest.minor_digits if kind is Kind.MONEY else 1
    found = disguises.numbers(values / scale, money=kind is Kind.MONEY)
    return [(f"the number {number:g}", share) for number, share in found]


def _gaps(table: TableCensus) -> Iterator[Finding]:
    """Days without facts where there should be some."""
    if table.name == "customers" or not table.days:
        return
    stand_ins = [parse_instant(date) // MICROSECONDS_PER_DAY for date, _ in disguises.dates(_moments(table))]
    days = {day: n for day, n in table.days.items() if all(abs(day - one) > 1 for one in stand_ins)}
    gaps = rhythm.silences(days)
    span = max(days, default=0) - min(days, default=0) + 1
    missing = sum(gap.length for gap in gaps)
    long = missing > _SHARE_OF_GAPS * span
    tells_who_left = table.name in {"purchases", "subscriptions"}
    for gap in gaps:
        grave = long or (tells_who_left and gap.length >= _LONG_GAP_DAYS)
        first, last = (to_text(day * MICROSECONDS_PER_DAY) for day in (gap.first, gap.end - 1))
        yield from _finding(
            table.name,
            None,
            Grade.D if grave else Grade.C,
            float(gap.length),
            f"{gap.length} days without facts, {first} to {last}; about {gap.expected:,.0f} rows expected",
            "Ask where the facts of those days are and build again; customers look silent there.",
        )


def _links(census: Census) -> Iterator[Finding]:
    """Ids that lead nowhere."""
    links, tables = census.links, census.tables
    if "customers" in tables:
        share = links.active_not_described / max(links.active, 1)
        yield from _finding(
            "customers",
            "customer_id",
            by_share(share, *_UNLINKED),
            share,
            f"{share:.0%} of the customers with facts have no row in customers",
            "Deliver all customers, or add [identities] if they go by other ids elsewhere.",
        )
        share = links.described_not_active / max(links.described, 1)
        yield from _finding(
            "customers",
            "customer_id",
            by_share(share, *_SILENT),
            share,
            f"{share:.0%} of the customers have no fact in any table",
            "Check that the ids agree with those of the other tables; else leave them out.",
        )
    yield from _strangers(census)
    if links.purchases_without_household:
        share = links.purchases_without_household / max(tables["purchases"].rows, 1)
        yield from _finding(
            "purchases",
            "customer_id",
            by_share(share, *_UNLINKED[:2]),
            share,
            f"{share:.0%} of the purchases are by customers of no known household",
            "Fill household_id in customers, or leave it out where it is rarely known.",
        )
    share = links.regions_without_market / max(links.with_region, 1)
    yield from _finding(
        "market",
        "region",
        by_share(share, *_UNLINKED),
        share,
        f"{share:.0%} of the customers with a region live in one that market does not have",
        "Write regions alike in customers and market.",
    )


def _strangers(census: Census) -> Iterator[Finding]:
    """Events of customers who appear nowhere else."""
    for name, count in census.links.strangers.items():
        share = count / max(census.links.appearing[name], 1)
        yield from _finding(
            name,
            "customer_id",
            by_share(share, *_UNLINKED),
            share,
            f"{share:.0%} of its customers never bought, subscribed or appear in customers",
            "Map their ids with [identities], or leave the rows out.",
        )
