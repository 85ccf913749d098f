"""The pinned features: name, unit and meaning of each that the catalogue can give.

``make golden`` writes the file again; read the difference before you commit it, since a changed name or
meaning is a changed contract with every model that was trained on it.
"""

from pathlib import Path

from features.catalogue import features_for
from features.language import Aggregate, Feature
from features.tables import TABLES

FILE = Path(__file__).with_name("features.txt")
_UNITS = {
    Aggregate.COUNT: "count",
    Aggregate.ACTIVE_DAYS: "count",
    Aggregate.DISTINCT: "count",
    Aggregate.SHARE: "share",
    Aggregate.TREND: "share",
    Aggregate.DAYS_SINCE_LAST: "days",
    Aggregate.DAYS_SINCE_FIRST: "days",
    Aggregate.GAP_MEAN: "days",
    Aggregate.GAP_STD: "days",
    Aggregate.AGE: "days",
}


def unit_of(feature: Feature) -> str:
    """What one of a feature is: a count, days, a share, or the kind of its column."""
    if feature.aggregate in _UNITS:
        return _UNITS[feature.aggregate]
    kind = TABLES[feature.source.table].column(str(feature.column)).kind.value
    return "minor units" if kind == "money" else kind


def text() -> str:
    """One line for each feature, in the order of the catalogue."""
    everything = {name: {column.name for column in table.columns} for name, table in TABLES.items()}
    lines = (f"{f.name} | {unit_of(f)} | {f.meaning}" for f in features_for(everything))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
