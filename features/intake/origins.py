"""Origins: where the rows of a table come from, as business.toml says it and as it was found."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from features.errors import did_you_mean
from features.tables import Kind

_DATABASES = ("postgresql://", "postgres://")


def timezones() -> frozenset[str]:
    """Names of all timezones that times can be read in: those of DuckDB, which reads them."""
    import duckdb

    rows = duckdb.connect().execute("SELECT name FROM pg_timezone_names()").fetchall()
    return frozenset(row[0] for row in rows)


def _zone(value: str | None) -> str | None:
    """Refuse a timezone that nobody knows."""
    if value in {None, "UTC"}:
        return value
    known = timezones()
    if value not in known:
        near = did_you_mean(str(value), known).split(" Known:")[0]
        hint = near if near.startswith("Did") else "Write an IANA name such as 'Europe/Berlin'."
        raise ValueError(f"{value!r} is not a known timezone. {hint}")
    return value


Timezone = Annotated[str | None, AfterValidator(_zone)]
"""The name of a timezone, or none."""


class Section(BaseModel):
    """A section of the file: frozen, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Rows(Section):
    """Where rows come from, and which of their columns mean what.

    ``columns`` maps our names to the names in the source; ``query`` is asked of a database, or of the rows of
    the files under the name ``source``.
    """

    source: Annotated[str, Field(min_length=1)]
    table: str | None = None
    query: Annotated[str, Field(min_length=1)] | None = None
    columns: dict[str, str] = Field(default_factory=dict)

    @property
    def is_database(self) -> bool:
        """Whether the rows come from a database rather than from files."""
        return self.source.startswith(_DATABASES)

    @property
    def mapping(self) -> dict[str, str]:
        """Our column names and their names in the source."""
        return self.columns


class Source(Rows):
    """``[tables.X]``, or one of several ``[[tables.X]]``: one source of a table.

    ``attributes`` are further columns, by name or with their kind; ``formats`` says how times and money are
    written where not in ISO 8601 and plain decimals; ``timezone`` is that of times that carry no zone, by
    default the business's; ``name`` tells the sources of a table apart; ``rows`` is how many there must be.
    """

    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    attributes: list[str] | dict[str, Literal["category", "number", "flag"]] = Field(default_factory=list)
    formats: dict[str, str] = Field(default_factory=dict)
    timezone: Timezone = None
    rows: Annotated[int, Field(gt=0)] | None = None

    @property
    def has_currencies(self) -> bool:
        """Whether a column says the currency of every row; rows in that of the business are kept."""
        return "currency" in self.columns and "currency" not in self.attributes

    @property
    def attribute_kinds(self) -> dict[str, Kind | None]:
        """Kind of every declared attribute; None where the source's own type decides."""
        if isinstance(self.attributes, dict):
            return {name: Kind(kind) for name, kind in self.attributes.items()}
        return dict.fromkeys(self.attributes)

    @property
    def mapping(self) -> dict[str, str]:
        """Our column names and their names in the source, attributes included."""
        return {**{name: name for name in self.attributes}, **self.columns}


class Identities(Rows):
    """``[identities]``: which ids of the sources are one customer.

    ``columns`` maps ``source_id`` and ``customer_id``; where it maps ``source`` too, an id is that of the
    sources of that name only.  Ids that are not there stay as they are.
    """


@dataclass(frozen=True)
class Place:
    """Where rows come from: the files of a source, all of one kind, or a database.

    Attributes
    ----------
    table : str
        The table that the rows belong to, or ``"identities"``.
    source : Rows
        What business.toml says.
    files : tuple of Path
        None of a database.
    kind : str
        ``"parquet"``, ``"csv"``, ``"json"`` or ``"database"``.
    label : str
        What tells it apart from the other sources of its table: its name, or its position, counted from 1.
    is_one_of_several : bool
        Whether the table has other sources.
    """

    table: str
    source: Rows
    files: tuple[Path, ...]
    kind: str
    label: str = "1"
    is_one_of_several: bool = False


@dataclass(frozen=True)
class Raw:
    """The raw rows of one source.

    Attributes
    ----------
    place : Place
        Where they come from.
    relation : str
        SQL of the rows, one column for each mapped column under our name.
    types : mapping of str to str
        DuckDB's type of each of them.
    is_text : bool
        Whether the file says nothing about types.
    rows_at_most : int
        An upper bound of how many rows there are.
    """

    place: Place
    relation: str
    types: Mapping[str, str]
    is_text: bool
    rows_at_most: int

    @property
    def origin(self) -> Mapping[str, str]:
        """What each column is called in the source."""
        return self.place.source.mapping
