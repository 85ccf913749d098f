"""Shortfall: what the nearest source lacks to be purchases, and how to map it by hand."""

from collections.abc import Mapping
from dataclasses import dataclass

from features.proposing.drafts import quoted
from features.proposing.inventory import Found, Inventory
from features.proposing.matching import could_be
from features.proposing.profiling import Look
from features.tables import Kind

_ROLES = {"customer_id": "whose", "purchased_at": "when", "amount": "how much"}


@dataclass(frozen=True)
class _Near:
    """A source, and which of its columns could be what purchases need."""

    found: Found
    mapping: Mapping[str, str]


def shortfall(inventory: Inventory, customers: Mapping[str, str]) -> str:
    """Say which roles of purchases the nearest source has and lacks, with the lines to map it by hand.

    Parameters
    ----------
    inventory : Inventory
    customers : mapping of str to str
        By the sample of a source, the column that tells whose row it is.

    Returns
    -------
    str
    """
    sources = [_Near(found, _mapping(found, customers)) for found in inventory.found]
    near = max(sources, key=lambda one: len(one.mapping))
    has = [f"{said} is {near.mapping[ours]}" for ours, said in _ROLES.items() if ours in near.mapping]
    lacks = [said for ours, said in _ROLES.items() if ours not in near.mapping]
    columns = ", ".join(f"{ours} = {quoted(near.mapping.get(ours, '?'))}" for ours in _ROLES)
    missing = f"missing: {', '.join(lacks)}" if lacks else "but too many rows lack one of them"
    given = near.found.source if near.found.files else near.found.label
    return (
        f"{near.found.label} is nearest to purchases: {'; '.join(filter(None, [', '.join(has), missing]))}. "
        "If a column holds it all the same, map it by hand in business.toml:\n\n"
        f"[tables.purchases]\nsource = {quoted(given.rsplit('/', 1)[-1])}\ncolumns = {{ {columns} }}\n"
    )


def _mapping(found: Found, customers: Mapping[str, str]) -> dict[str, str]:
    """Columns of a source that could be whose, when and how much."""
    mapping = {}
    if found.sample in customers:
        mapping["customer_id"] = customers[found.sample]
    rest = [column for column in found.columns.values() if column.name not in mapping.values()]
    times = [column.name for column in rest if column.look is Look.TIME]
    money = [column.name for column in rest if could_be(Kind.MONEY, "amount", column)]
    return (
        mapping
        | dict(zip(("purchased_at",), times, strict=False))
        | dict(zip(("amount",), money, strict=False))
    )
