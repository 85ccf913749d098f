"""Profiling: what the columns of a source look like, before anybody has said what they mean.

Rows and filled cells are counted exactly, everything else on a sample: every k-th row, so that it is the same
for the same file.  No value leaves this module but the words of short categories.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import duckdb

from features.currencies import MINOR_DIGITS
from features.intake.readings import LARGEST_NUMBER
from features.naming import name, text
from features.proposing.vocabulary import value_words, words

SAMPLE_ROWS = 100_000
"""About how many rows of a source are looked at."""

MOST_WORDS = 40
"""Different values up to which a category is short, so that its words are read."""

_MOST, _FEW = 0.98, 5
_TIMES = {"DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}
_AWARE = "TIMESTAMP WITH TIME ZONE"
_NUMBERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "DOUBLE",
    "FLOAT",
    "DECIMAL",
    "REAL",
    "HUGEINT",
    "UINT",
)
_NUMBER = "[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,3})?"
_GROUPED = "[+-]?([0-9]{1,3}([%s][0-9]{3})+|[0-9]+)([%s][0-9]{1,2})?"
_SHAPES = {
    "iso": "[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+ ?(Z|[+-][0-9:]{2,6})?)?",
    "zoned": ".*[T ][0-9:.]+ ?(Z|[+-][0-9:]{2,6})",
    "number": _NUMBER,
    "coded": "[+-]?0[0-9]+",
    "comma_groups": _GROUPED % (",", "."),
    "point_groups": _GROUPED % (".", ","),
    "flag": "(?i)true|false|t|f|yes|no|y|n|0|1",
    "date": "[0-9A-Za-z]{1,4}[-/. ][0-9A-Za-z]{1,9},?[-/. ][0-9]{2,4}( [0-9:]+)?",
}
_DATES = ("%d-%m-%Y", "%m-%d-%Y", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%Y.%m.%d", "%d/%m/%y",
          "%m/%d/%y", "%d.%m.%y", "%d %b %Y", "%b %d, %Y", "%d-%b-%Y", "%d-%b-%y")  # fmt: skip
_CLOCKS = ("", " %H:%M", " %H:%M:%S")
_EPOCHS = {"epoch_seconds": 1, "epoch_milliseconds": 10**3, "epoch_microseconds": 10**6}
_CURRENCY = {"currency", "curr", "ccy", "iso", "wahrung", "waehrung", "devise", "moneda", "valuta", "divisa"}
_OFTEN = {"USD", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "CNY", "INR", "SEK", "NOK", "DKK", "PLN", "BRL"}
_EPOCH_WORDS = {"time", "timestamp", "ts", "at", "date", "epoch", "on", "when", "zeit", "datum", "created"}


class Look(StrEnum):
    """What the values of a column look like."""

    EMPTY = "empty"
    TIME = "time"
    FLAG = "flag"
    ID = "id"
    NUMBER = "number"
    CATEGORY = "category"
    TEXT = "text"


@dataclass(frozen=True)
class ColumnProfile:
    """What one column looks like.

    Attributes
    ----------
    name, type : str
        Its name in the source, and DuckDB's type.
    rows, filled : int
        All rows, and those where it is neither null nor blank.
    distinct, sampled : int
        Different values among the filled rows of the sample, and how many those are.
    look : Look
    form : str or None
        The format to declare: of times, or of money with groups.
    other_forms : tuple of str
        Formats that fit all the same.
    is_naive : bool
        Whether it holds times without a zone.
    is_mixed : bool
        Whether some of its times carry a zone and some do not.
    is_whole : bool
        Whether it holds whole numbers.
    decimals : tuple of float
        Shares of numbers with any, and with more than two, decimals.
    lowest, highest : float
        Of numbers; NaN elsewhere.
    words : tuple of str
        The values of a short category, the most frequent first.
    """

    name: str
    type: str
    rows: int
    filled: int
    distinct: int
    sampled: int
    look: Look
    form: str | None = None
    other_forms: tuple[str, ...] = ()
    is_naive: bool = False
    is_mixed: bool = False
    is_whole: bool = False
    decimals: tuple[float, float] = (0.0, 0.0)
    lowest: float = float("nan")
    highest: float = float("nan")
    words: tuple[str, ...] = ()

    @property
    def is_unique(self) -> bool:
        """Whether every row has its own value, as far as the sample shows."""
        return self.filled == self.rows and self.distinct == self.sampled > 0

    @property
    def is_key(self) -> bool:
        """Whether its values could tell things apart: text or whole numbers."""
        is_text = self.type in {"VARCHAR", "UUID"}
        fits = self.look in {Look.ID, Look.CATEGORY, Look.NUMBER, Look.FLAG}
        return fits and (is_text or (self.is_whole and not self.type.startswith(("DOUBLE", "FLOAT"))))

    @property
    def is_text(self) -> bool:
        """Whether the source has it as text."""
        return self.type == "VARCHAR" or self.type.startswith("ENUM")

    @property
    def is_number(self) -> bool:
        """Whether it can be counted with."""
        return self.look is Look.NUMBER or (self.look is Look.FLAG and not math.isnan(self.lowest))

    @property
    def is_believable(self) -> bool:
        """Whether no number is larger than a build believes."""
        return max(-self.lowest, self.highest) <= LARGEST_NUMBER

    @property
    def is_currency(self) -> bool:
        """Whether it holds codes of currencies, in most rows; not ALL and TOP, which are codes too."""
        are_codes = bool(self.words) and set(self.words) <= MINOR_DIGITS.keys()
        says_so = bool(_CURRENCY & set(words(self.name))) or bool(_OFTEN & set(self.words))
        return self.look is Look.CATEGORY and are_codes and says_so and self.filled >= 0.8 * self.rows

    @property
    def looks_like_money(self) -> bool:
        """Whether it holds numbers, mostly with cents."""
        return self.look is Look.NUMBER and (self.form is not None or self.decimals[0] >= 0.2)  # noqa: PLR2004


def profile(
    connection: duckdb.DuckDBPyConnection, rows: str, sample: str, total: int | None = None
) -> dict[str, ColumnProfile]:
    """Look at every column of a source.

    Parameters
    ----------
    connection : DuckDBPyConnection
    rows : str
        SQL of all its rows.
    sample : str
        Name of the table to keep the sample in.
    total : int, optional
        How many rows there are, where ``rows`` are only a part of them.

    Returns
    -------
    dict of str to ColumnProfile
        By name, in the order of the source.
    """
    types = {row[0]: row[1] for row in connection.execute(f"DESCRIBE {rows}").fetchall()}
    filled = ", ".join(f"count({_given(column, kind)})" for column, kind in types.items())
    counts = connection.execute(f"SELECT count(*), {filled} FROM ({rows})").fetchone() or (0,)
    step = max(1, -(-counts[0] // SAMPLE_ROWS))
    numbered = f"SELECT *, row_number() OVER () AS _n FROM ({rows})"
    chosen = f"SELECT * EXCLUDE (_n) FROM ({numbered}) WHERE _n % {step} = 0" if step > 1 else rows
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name(sample)} AS {chosen}")
    scale = (total or counts[0]) / (counts[0] or 1)
    profiles = {}
    for (column, kind), count in zip(types.items(), counts[1:], strict=True):
        found = ColumnProfile(column, kind, total or counts[0], round(count * scale), 0, 0, Look.EMPTY)
        profiles[column] = _look_at(connection, sample, found) if count else found
    return profiles


def _given(column: str, kind: str) -> str:
    """SQL of a value, null where blank."""
    return f"nullif(trim({name(column)}), '')" if kind == "VARCHAR" else name(column)


def _look_at(connection: duckdb.DuckDBPyConnection, sample: str, found: ColumnProfile) -> ColumnProfile:
    """Say what a column looks like in the sample."""
    given = _given(found.name, found.type)
    row = connection.execute(f"SELECT count({given}), count(DISTINCT {given}) FROM {name(sample)}").fetchone()
    sampled, distinct = row or (0, 0)
    found = replace(found, sampled=sampled, distinct=distinct)
    if not sampled:
        return found
    if found.type == "BOOLEAN":
        return replace(found, look=Look.FLAG)
    if found.type in _TIMES or found.type == _AWARE:
        return replace(found, look=Look.TIME, is_naive=found.type != _AWARE)
    if found.type.startswith(_NUMBERS) and not found.type.endswith("]"):
        return _numbers(connection, sample, found, name(found.name))
    if not found.is_text and found.type != "UUID":
        return replace(found, look=Look.TEXT)
    return _texts(connection, sample, found)


def _texts(connection: duckdb.DuckDBPyConnection, sample: str, found: ColumnProfile) -> ColumnProfile:
    """Say what a column of text looks like."""
    given = f"nullif(trim(CAST({name(found.name)} AS VARCHAR)), '')"
    shapes = ", ".join(f"avg(regexp_full_match({given}, {text(p)})::INT)" for p in _SHAPES.values())
    row = connection.execute(
        f"SELECT {shapes}, avg(length({given})), avg(len(string_split({given}, ' '))) FROM {name(sample)}"
    )
    *shares, length, n_words = row.fetchone() or (0.0, 0.0)
    share = dict(zip(_SHAPES, shares, strict=True))
    if share["iso"] >= _MOST:
        is_naive = share["zoned"] < share["iso"]
        return replace(found, look=Look.TIME, is_naive=is_naive, is_mixed=is_naive and share["zoned"] > 0)
    if share["date"] >= _MOST and (forms := _forms(connection, sample, given)):
        return replace(found, look=Look.TIME, form=forms[0], other_forms=tuple(forms[1:]), is_naive=True)
    if share["flag"] >= _MOST and found.distinct <= 2:  # noqa: PLR2004  (two values)
        return replace(found, look=Look.FLAG, words=_words(connection, sample, given))
    if share["number"] >= _MOST and not share["coded"]:
        return _numbers(connection, sample, found, f"try_cast({given} AS DOUBLE)")
    for shape, form, swap in (("comma_groups", "1,234.56", ",."), ("point_groups", "1.234,56", ".,")):
        if share[shape] >= _MOST:
            bare = f"replace(replace({given}, '{swap[0]}', ''), '{swap[1]}', '.')"
            return replace(_numbers(connection, sample, found, f"try_cast({bare} AS DOUBLE)"), form=form)
    return _wordy(connection, sample, found, given, length, n_words)


def _wordy(
    connection: duckdb.DuckDBPyConnection,
    sample: str,
    found: ColumnProfile,
    given: str,
    length: float,
    n_words: float,
) -> ColumnProfile:
    """Tell categories, free texts and ids apart."""
    says_little = found.distinct <= max(found.sampled / 2, _FEW)
    if found.distinct <= MOST_WORDS and says_little:
        return replace(found, look=Look.CATEGORY, words=_words(connection, sample, given))
    if n_words >= 4 and length >= 20:  # noqa: PLR2004  (a sentence)
        return replace(found, look=Look.TEXT)
    return replace(found, look=Look.CATEGORY if says_little else Look.ID)


def _numbers(
    connection: duckdb.DuckDBPyConnection, sample: str, found: ColumnProfile, value: str
) -> ColumnProfile:
    """Say what a column of numbers looks like."""
    cents = f"({value} * 100)"
    row = connection.execute(
        f"SELECT min(v), max(v), avg((v = trunc(v))::INT), avg((abs(c - round(c)) > 0.000001)::INT) "
        f"FROM (SELECT {value} AS v, {cents} AS c FROM {name(sample)}) WHERE NOT isnan(v)"
    ).fetchone()
    lowest, highest, whole, fractions = row or (None, None, 0, 0)
    if lowest is None or highest is None:
        return replace(found, look=Look.EMPTY)
    found = replace(
        found,
        look=Look.NUMBER,
        is_whole=whole == 1,
        decimals=(1 - whole, fractions),
        lowest=float(lowest),
        highest=float(highest),
    )
    if found.is_whole and {lowest, highest} <= {0, 1}:
        return replace(found, look=Look.FLAG)
    if found.is_whole and (form := _counted_time(connection, sample, found)):
        return replace(found, look=Look.TIME, form=form, is_naive=form == "%Y%m%d")
    is_word = found.is_whole and found.is_text and found.distinct <= MOST_WORDS
    return replace(found, words=_words(connection, sample, name(found.name))) if is_word else found


def _counted_time(connection: duckdb.DuckDBPyConnection, sample: str, found: ColumnProfile) -> str | None:
    """Format of whole numbers that are times: 19970101, or counted since 1970 where the name says so."""
    if found.lowest >= 19000101 and found.highest <= 21001231:  # noqa: PLR2004  (days written as numbers)
        days = f"try_strptime(CAST(try_cast({name(found.name)} AS BIGINT) AS VARCHAR), '%Y%m%d')"
        row = connection.execute(f"SELECT avg(({days} IS NOT NULL)::INT) FROM {name(sample)}").fetchone()
        if row and row[0] and row[0] >= _MOST:
            return "%Y%m%d"
    if not _EPOCH_WORDS & set(words(found.name)):
        return None
    for form, unit in _EPOCHS.items():
        if 315_532_800 * unit <= found.lowest and found.highest < 4_102_444_800 * unit:  # 1980 to 2100
            return form
    return None


def _forms(connection: duckdb.DuckDBPyConnection, sample: str, given: str) -> list[str]:
    """Formats that read every date of a column, the day first before the month first."""
    forms = [date + clock for date in _DATES for clock in _CLOCKS]
    # %Y reads two digits as a year of the first century.
    read = (f"try_strptime({given}, {text(form)})" for form in forms)
    shares = ", ".join(f"avg((year({one}) BETWEEN 1900 AND 2200)::INT), count({one})" for one in read)
    row = connection.execute(f"SELECT count({given}), {shares} FROM {name(sample)}").fetchone() or (0,)
    pairs = zip(forms, row[1::2], row[2::2], strict=True)
    return [form for form, share, count in pairs if count >= row[0] * 0.999 and share == 1]


def _words(connection: duckdb.DuckDBPyConnection, sample: str, given: str) -> tuple[str, ...]:
    """Read the values of a short category, the most frequent first."""
    rows = connection.execute(
        f"SELECT CAST({given} AS VARCHAR) AS word FROM {name(sample)} WHERE {given} IS NOT NULL "
        f"GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {MOST_WORDS}"
    ).fetchall()
    return tuple(row[0] for row in rows)


def leaving_word(column: ColumnProfile) -> str | None:
    """Return the value of a flag or a category of two words that says that somebody left, if there is one.

    Examples
    --------
    >>> two = ColumnProfile("Churn", "VARCHAR", 9, 9, 2, 9, Look.FLAG, words=("No", "Yes"))
    >>> leaving_word(two)
    'Yes'
    """
    yes = value_words("yes")
    if column.look is Look.FLAG and column.words:
        return next((word for word in column.words if word.lower() in yes), None)
    if column.look is Look.CATEGORY and column.distinct == 2:  # noqa: PLR2004  (two values)
        return next((word for word in column.words if value_words("leaving") & set(words(word))), None)
    return None


def control_word(column: ColumnProfile) -> str | None:
    """Return the value of a category that names those who were left untreated, if there is one."""
    return next((word for word in column.words if value_words("control") & set(words(word))), None)


Profiles = Mapping[str, ColumnProfile]
"""The columns of a source by name."""
