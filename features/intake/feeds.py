"""Feeds: the sources of one table on their way into the store, as rows that were checked and divided."""

from dataclasses import dataclass, field
from pathlib import Path

from features.business import Business
from features.intake.checks import typed_rows
from features.intake.origins import Raw
from features.intake.readings import Reading
from features.naming import name
from features.tables import Kind, Table

USED_TWICE = "event_id is used for different rows"
"""Why rows with one event id and different content are refused."""

NULL_OF = {
    Kind.ID: "NULL::VARCHAR",
    Kind.TIME: "NULL::BIGINT",
    Kind.MONEY: "NULL::BIGINT",
    Kind.NUMBER: "NULL::DOUBLE",
    Kind.FLAG: "NULL::DOUBLE",
    Kind.CATEGORY: "NULL::VARCHAR",
    Kind.TEXT: "NULL::VARCHAR",
}
"""SQL of a typed value that a source does not have."""


@dataclass
class Feed:
    """One source of a table: its raw rows, how each column is read, and what was found.

    ``number`` is its position among the sources of the table, from 0; ``reasons`` counts refused rows.
    """

    number: int
    raw: Raw
    readings: list[Reading]
    rows_in: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def has(self, column: str) -> bool:
        """Whether the source has a column."""
        return any(reading.name == column for reading in self.readings)


@dataclass
class Staged:
    """One table on its way into the store.

    Attributes
    ----------
    table : Table
    feeds : list of Feed
        Its sources.
    folder : Path
        Where the checked rows lie.
    kinds : dict of str to Kind
        Every column that any source has.
    values : dict of str to Kind
        The value columns in the order of the store.
    now : int
        The instant of the build.
    may_combine : bool
        Whether rows that state facts of one time may be put together: they come from several sources, or
        identities made one customer of several.
    whole : frozenset of str
        Ids and categories that are whole numbers in every source; they become texts with their levels.
    duplicates : int
        Rows that said again what another said.
    reasons : dict of str to int
        How many rows are refused, by reason.
    notes : dict of str to int
        How many values of kept rows were read otherwise than they are written, by what was done.
    has_repeats : bool
        Whether any rows speak of one thing.
    """

    table: Table
    feeds: list[Feed]
    folder: Path
    kinds: dict[str, Kind]
    values: dict[str, Kind]
    now: int
    may_combine: bool = False
    whole: frozenset[str] = frozenset()
    duplicates: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    has_repeats: bool = False

    @property
    def name(self) -> str:
        """Name of the table."""
        return self.table.name

    @property
    def texts(self) -> list[str]:
        """The free texts."""
        return [column for column, kind in self.kinds.items() if kind is Kind.TEXT]

    @property
    def columns(self) -> list[str]:
        """Ids, values and free texts, as they are staged."""
        ids = [column for column, kind in self.kinds.items() if kind is Kind.ID]
        return [*ids, *self.values, *self.texts]

    @property
    def rows_in(self) -> int:
        """How many rows all sources have."""
        return sum(feed.rows_in for feed in self.feeds)

    @property
    def rejected(self) -> int:
        """How many rows are refused."""
        return sum(self.reasons.values())

    @property
    def has_events(self) -> bool:
        """Whether rows carry an event id."""
        return "event_id" in self.kinds

    @property
    def has_customers(self) -> bool:
        """Whether rows are somebody's own; those of the market are nobody's."""
        return "customer_id" in self.kinds

    @property
    def fact_keys(self) -> tuple[str, ...]:
        """Whom, and from when on, a row states facts about; empty for tables of events.

        What became known at another time is another version: it corrects the one before from then on.
        """
        keys = {"customers": "customer_id", "market": "region"}
        if self.name not in keys:
            return ()
        known = ["_known_at"] if "known_at" in self.kinds else []
        return tuple([key for key in (keys[self.name],) if key in self.kinds] + ["_at"] + known)

    @property
    def staged_columns(self) -> str:
        """SQL of the columns of the rows that are kept.

        Where no source says when it knew, a row was known at once, and its time is staged once only.
        """
        known = "_known_at" if "known_at" in self.kinds else "_at AS _known_at"
        return ", ".join([*map(name, self.columns), "_at", known])

    def key_of(self, event_id: str) -> str:
        """SQL of the number that stands for an event id, null where there is none."""
        if "event_id" in self.whole:
            return event_id
        return f"CASE WHEN {event_id} IS NOT NULL THEN CAST(hash({event_id}) >> 1 AS BIGINT) END"

    def rows(self) -> str:
        """SQL of the staged rows of all sources, without the refused ones."""
        return " UNION ALL ".join(
            f"SELECT {self.staged_columns} FROM {name(self.relation(feed))} WHERE _reason IS NULL"
            for feed in self.feeds
        )

    def rows_of(self, feed: Feed) -> str:
        """SQL of all staged rows of one source, the refused ones too."""
        return f"SELECT * FROM {name(self.relation(feed))}"

    def relation(self, feed: Feed) -> str:
        """Name that the staged rows of one source have in DuckDB."""
        return f"staged {self.folder.name} {feed.number}"

    def typed(self, business: Business, feed: Feed) -> str:
        """SQL of the rows of one source with their typed values and the reasons to refuse some."""
        return typed_rows(business, self.table, feed.raw, feed.readings, self.now)

    def kept(self, rows: str | None = None) -> str:
        """SQL of the rows that go into the store: of repeated events one, of contradictory ones none.

        ``rows`` is SQL of the staged rows to look at, by default of all.
        """
        rows = self.rows() if rows is None else rows
        if not self.has_repeats:
            return rows
        if self.fact_keys:
            return self._combined(rows)
        repeated, used_twice = name(f"repeated {self.name}"), name(f"used twice {self.name}")
        return (
            f"WITH staged AS ({rows}) "
            f"SELECT * FROM staged ANTI JOIN {repeated} USING (event_id) UNION ALL "
            f"SELECT * FROM staged SEMI JOIN {repeated} USING (event_id) "
            f"ANTI JOIN {used_twice} USING (event_id) "
            "QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY _known_at) = 1"
        )

    def _combined(self, rows: str) -> str:
        """SQL of facts, those of one time put together."""
        keys = [name(key) for key in self.fact_keys]
        facts = [column for column in [*self.values, *self.texts] if column not in self.fact_keys]
        columns = [*keys, *(f"max({name(fact)}) AS {name(fact)}" for fact in facts)]
        known = [] if "_known_at" in self.fact_keys else ["_at AS _known_at"]
        return f"SELECT {', '.join([*columns, *known])} FROM ({rows}) GROUP BY {', '.join(keys)}"
