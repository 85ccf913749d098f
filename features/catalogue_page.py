"""The catalogue as a page for people: ``make catalogue`` writes it to ``features/CATALOGUE.md``."""

import sys
from collections.abc import Iterator

from features.catalogue import families
from features.language import AnyFeature, Condition, EventSource
from features.selection import HOUSEHOLD
from features.tables import SHARED, TABLES

_INTRODUCTION = """# Catalogue of features

{count} features where every table is there; a business has those whose columns it maps.
`attribute` stands for every declared column of customers, `indicator` for every column of market.

Windows end at the cutoff and leave it out: `90d` is `[cutoff - 90 days, cutoff)`, `ever` all before.
A fact counts if it happened before the cutoff and was known before it.
Money is in minor units of the business's currency.
A price is that of one billing period, as billed: one by the year is not brought to months.
"""


_SAYS = {
    "known": "have {column}",
    "ahead": "have no {column} before the cutoff",
    "newest": "have the {column} of the newest",
    "changed": "have another {column} than the one before",
    "lower": "have a lower {column} than the one before",
}


def everything() -> dict[str, set[str]]:
    """Every column that a table can have, and one attribute and one indicator for the declared ones."""
    contracts = TABLES | {name: shared.table for name, shared in SHARED.items()}
    columns = {name: {column.name for column in table.columns} for name, table in contracts.items()}
    columns["customers"].add("attribute")
    columns["market"].add("indicator")
    return columns


def page() -> str:
    """Write the catalogue in Markdown: every feature with its unit, what it is read from, and its meaning."""
    found = families(everything())
    lines = [_INTRODUCTION.format(count=sum(len(family) for family in found.values()))]
    for name, family in found.items():
        lines += [
            f"## {name.capitalize()}",
            "",
            "| feature | unit | read from | meaning |",
            "|---|---|---|---|",
        ]
        lines += [_row(feature) for feature in family] + [""]
    sources = [source for family in found.values() for feature in family for source in feature.sources()]
    lines += ["## Events", "", "| events | rows of | that |", "|---|---|---|"]
    lines += [_events(source) for source in {source.label: source for source in sources}.values()]
    return "\n".join(lines) + "\n"


def _row(feature: AnyFeature) -> str:
    """One feature."""
    read_from = ", ".join(_places(feature))
    return f"| `{feature.name}` | {feature.unit} | {read_from} | {feature.meaning} |"


def _places(feature: AnyFeature) -> Iterator[str]:
    """Where the values of a feature come from: tables and columns."""
    columns: dict[str, list[str]] = {source.table: [] for source in feature.sources()}
    for table, column in feature.columns():
        if table in columns and column not in columns[table]:
            columns[table].append(column)
    for table, names in columns.items():
        yield f"{table} ({', '.join(names)})" if names else table


def _events(source: EventSource) -> str:
    """What the word for some events means."""
    tests = [_test(condition) for condition in source.conditions]
    if source.is_retimed:
        tests.insert(0, f"have {source.at}, which is when they happen")
    if source.whose == HOUSEHOLD:
        tests.insert(0, "are of anybody in the household")
    return f"| {source.label} | {source.table} | {' and '.join(tests) or 'are there'} |"


def _test(condition: Condition) -> str:
    """One condition in words."""
    if condition.operator == "in" and isinstance(condition.value, tuple):
        return f"have {condition.column} {' or '.join(condition.value)}"
    if condition.operator in _SAYS:
        return _SAYS[condition.operator].format(column=condition.column)
    return f"have {condition.column} {condition.operator} {condition.value}"


if __name__ == "__main__":
    sys.stdout.write(page())
