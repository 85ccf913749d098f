"""Drafts: what `init` proposes for business.toml, before it is written down."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import duckdb

from features.naming import name
from features.proposing.inventory import Found
from features.proposing.profiling import ColumnProfile

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


@dataclass(frozen=True)
class Choice:
    """Something that the data do not say: what was written, and what else could be right.

    Attributes
    ----------
    where : str
        The place in the file, as in ``"business.currency"``.
    chosen : str
    why : str
        What is not known.
    alternatives : tuple of str
    """

    where: str
    chosen: str
    why: str
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """One line of a section: our name, what stands behind it, and the reason."""

    key: str
    value: str
    note: str = ""
    choice: Choice | None = None


@dataclass(frozen=True)
class Draft:
    """One source of a table.

    Attributes
    ----------
    table : str
    found : Found
    why : str
        Why the source is this table.
    columns : tuple of Line
        Our name and that in the source.
    attributes : tuple of Line
        The attribute and its kind.
    formats : tuple of Line
    query : str or None
    query_notes : tuple of Choice or str
        What the query makes up, and why.
    left_out : tuple of (str, str)
        Columns that are not used, and why.
    """

    table: str
    found: Found
    why: str
    columns: tuple[Line, ...]
    attributes: tuple[Line, ...] = ()
    formats: tuple[Line, ...] = ()
    query: str | None = None
    query_notes: tuple[Choice | str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def mapping(self) -> dict[str, str]:
        """Our names and those in the source."""
        return {line.key: line.value for line in self.columns}

    @property
    def times(self) -> Iterator[ColumnProfile]:
        """Mapped columns of the source that hold times."""
        found = (self.found.columns.get(theirs) for theirs in self.mapping.values())
        return (column for column in found if column is not None and column.look.value == "time")


@dataclass(frozen=True)
class Proposal:
    """Everything that goes into business.toml.

    Attributes
    ----------
    business, churn, value : tuple of Line
        The lines of these sections; values are written as they are, in TOML.
    drafts : tuple of Draft
    unused : tuple of (str, str)
        Sources that are not used, and why.
    """

    business: tuple[Line, ...]
    drafts: tuple[Draft, ...]
    churn: tuple[Line, ...]
    value: tuple[Line, ...]
    unused: tuple[tuple[str, str], ...]

    @property
    def choices(self) -> list[Choice]:
        """Everything that is left to the user, in the order of the file."""
        lines = [*self.business]
        found = [line.choice for line in lines if line.choice]
        for draft in self.drafts:
            found += [note for note in draft.query_notes if isinstance(note, Choice)]
            parts = (*draft.formats, *draft.columns, *draft.attributes)
            found += [line.choice for line in parts if line.choice]
        return found + [line.choice for line in (*self.churn, *self.value) if line.choice]


def facts(column: ColumnProfile) -> str:
    """What is worth saying of a column in a comment: how many values, how many are filled.

    Examples
    --------
    >>> from features.proposing.profiling import Look
    >>> facts(ColumnProfile("city", "VARCHAR", 200, 150, 12, 150, Look.CATEGORY))
    '12 different, filled in 75 %'
    """
    said = []
    is_part = column.sampled < column.filled and column.distinct > column.sampled / 100
    if column.is_unique and not is_part:
        said.append("one for each row")
    elif column.look.value in {"id", "category"} or (column.is_whole and column.is_text):
        said.append(f"{'at least ' if is_part else ''}{column.distinct:,} different")
    empty = column.rows - column.filled
    if empty:
        is_small = empty < column.rows / 200
        share = f"{column.filled / column.rows:.0%}".replace("%", " %")
        said.append(f"{empty:,} empty" if is_small else f"filled in {share}")
    return ", ".join(said)


@dataclass
class Ledger:
    """What became of every column of a source: used by a table, or left out for a reason."""

    used: set[str] = field(default_factory=set)
    left_out: dict[str, str] = field(default_factory=dict)

    def rest(self, columns: Mapping[str, ColumnProfile]) -> list[str]:
        """Columns of which nothing has been said yet."""
        return [name for name in columns if name not in self.used and name not in self.left_out]


def in_sql(column: str) -> str:
    """Write the name of a column in a query that people read: in quotes only where it needs them.

    Examples
    --------
    >>> in_sql("tenure"), in_sql("group"), in_sql("Total Charges")
    ('tenure', '"group"', '"Total Charges"')
    """
    is_plain = column.isascii() and column.isidentifier() and column.lower() not in _reserved()
    return column if is_plain else name(column)


def counted(found: Found, column: ColumnProfile, kind: str) -> str:
    """SQL of a number; text of files is cast, where it is one, and a database knows its own types.

    Parameters
    ----------
    found : Found
    column : ColumnProfile
    kind : str
        The type, as in ``"integer"``.
    """
    cast = "try_cast" if column.is_text and found.table is None else "cast"
    return in_sql(column.name) if column.type == kind.upper() else f"{cast}({in_sql(column.name)} as {kind})"


def selecting(parts: Sequence[str], where: str = "") -> str:
    """Write a query that adds columns to a source.

    Examples
    --------
    >>> print(selecting(["'web' as channel"], "where amount > 0"))
    select *,
           'web' as channel
    from source
    where amount > 0
    """
    added = ",\n       ".join(["select *", *parts])
    return "\n".join([added, "from source", *([where] if where else [])])


@cache
def _reserved() -> frozenset[str]:
    """Words that mean something to DuckDB."""
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"
        ).fetchall()
    return frozenset(row[0] for row in rows)


def quoted(value: str) -> str:
    r"""Write a text in TOML.

    Examples
    --------
    >>> print(quoted('say "hi"'), quoted("two\nlines"))
    'say "hi"' "two\u000alines"
    """
    if '"' in value and "'" not in value and value.isprintable():
        return f"'{value}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + _CONTROL.sub(lambda found: f"\\u{ord(found.group()):04x}", escaped) + '"'


def in_comment(said: str) -> str:
    """Write something on one line, whatever is in it."""
    return _CONTROL.sub("?", said)
