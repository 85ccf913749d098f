"""Readings: what the raw value of one column becomes, and the reasons to refuse it, as SQL.

Nothing is coerced silently: a value is read as the contract says, or its row is refused with a reason, or,
where the whole column is of the wrong type, the build stops with a `DataError` that says what to declare.

Local times that a change of the clocks skips are read as if the clocks had not changed yet;
those that happen twice are read as the second one.
"""

from dataclasses import dataclass

from features.business import Business
from features.currencies import MINOR_DIGITS
from features.errors import DataError
from features.mapping import EPOCH_UNITS
from features.naming import name, text
from features.tables import Kind
from features.windows import parse_instant

LONGEST_ID = 256
"""Characters that an id may have."""

LARGEST_MINOR = 2**43
"""The largest amount, in minor units, that is believed; a million of them still fit an int64."""

LARGEST_NUMBER = 2**53
"""The largest number that is believed, as in a request; up to here every whole number is itself."""

_FIRST, _END = parse_instant("1900-01-01"), parse_instant("2201-01-01")
ENDS = frozenset({"ended_at", "responded_at"})
"""Times at which something ends; many systems write the year 9999 for what has not ended yet."""

_NEVER = parse_instant("9998-12-31")  # by every clock it is before the year 9999
_WHOLE = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"}
_WHOLE |= {"U" + kind for kind in _WHOLE}
SMALL = _WHOLE - {"HUGEINT", "UHUGEINT", "UBIGINT"}
"""Types of whole numbers that a BIGINT can hold."""

_LOCAL = {"DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}
_AWARE = "TIMESTAMP WITH TIME ZONE"
_DIGITS = "([0-9]+([.][0-9]*)?|[.][0-9]+)"
_NUMBER = f"[+-]?{_DIGITS}([eE][+-]?[0-9]{{1,3}})?"
_ISO = (
    "[0-9]{4}-[0-9]{2}-[0-9]{2}"
    "([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?( ?(Z|[+-][0-9]{2}(:?[0-9]{2})?))?)?"
)
_GROUPED = {"1,234.56": (",", "."), "1.234,56": (".", ",")}


@dataclass(frozen=True)
class Reading:
    """How one column is read: SQL that is evaluated in four steps, each seeing the names of those before.

    Attributes
    ----------
    name : str
        Our name of the column; the raw value has it too.
    kind : Kind
        What it becomes.
    value : str
        The typed value, null where there is none; from then on named ``"v name"``.
    fine : str
        A cheap condition that most good values meet; then no reason is looked at.
    reasons : tuple of (str, str)
        Conditions that refuse the row, and what is then said.
    trimmed : str or None
        The text without blanks around it, null where nothing is left; from then on ``"t name"``.
    parsed : str or None
        What was recognised in it; from then on ``"p name"``.
    naive : str or None
        For times as text: whether the value carries no zone; from then on ``"naive name"``.
    endless : str or None
        For the end of something: whether the value says that there is none yet; then ``"endless name"``.
    """

    name: str
    kind: Kind
    value: str
    fine: str
    reasons: tuple[tuple[str, str], ...] = ()
    trimmed: str | None = None
    parsed: str | None = None
    naive: str | None = None
    endless: str | None = None

    @property
    def marks(self) -> dict[str, str]:
        """SQL of what is noted of every value beside it, by the name of the note."""
        marks = {"naive": self.naive, "endless": self.endless}
        return {f"{mark} {self.name}": sql for mark, sql in marks.items() if sql is not None}


@dataclass(frozen=True)
class Place:
    """What the reading of a column depends on; ``timezone`` is that of times that carry no zone."""

    business: Business
    table: str
    column: str
    type: str
    required: bool
    origin: str
    form: str | None = None
    timezone: str | None = None

    @property
    def raw(self) -> str:
        """SQL of the raw value."""
        return name(self.column)

    @property
    def typed(self) -> str:
        """SQL of the typed value."""
        return name(f"v {self.column}")

    @property
    def parsed(self) -> str:
        """SQL of what was recognised in the raw value."""
        return name(f"p {self.column}")

    @property
    def is_text(self) -> bool:
        """Whether the source has this column as text."""
        return self.type == "VARCHAR" or self.type.startswith("ENUM")

    @property
    def is_number(self) -> bool:
        """Whether the source has this column as numbers."""
        return self.type in {"DOUBLE", "FLOAT", *_WHOLE} or self.type.startswith("DECIMAL")

    @property
    def is_whole(self) -> bool:
        """Whether the source has this column as whole numbers."""
        return self.type in _WHOLE or (self.type.startswith("DECIMAL(") and self.type.endswith(",0)"))

    @property
    def filled(self) -> str:
        """SQL of whether the raw value is there and not blank."""
        if not self.is_text:
            return f"{self.raw} IS NOT NULL"
        # Nearly every text begins after the blank in the alphabet; that is cheaper to see than a pattern.
        is_blank = f"regexp_full_match({self.raw}, '\\s*')"
        return f"CASE WHEN {self.raw} >= '!' THEN true ELSE coalesce(NOT {is_blank}, false) END"

    @property
    def trimmed(self) -> str:
        """SQL of the raw value as text without blanks around it, null where nothing is left."""
        raw = f"CAST({self.raw} AS VARCHAR)"
        return f"nullif(trim({raw}), '')"

    @property
    def number(self) -> str:
        """SQL of the raw number as a double, null in place of NaN.

        NaN is looked for by name: the least and the largest value that Parquet files state leave it out, and
        DuckDB takes for granted that comparisons keep to these.
        """
        value = f"CAST({self.raw} AS DOUBLE)"
        return f"CASE WHEN NOT isnan({value}) THEN {value} END" if self.type in {"DOUBLE", "FLOAT"} else value

    @property
    def given(self) -> str:
        """SQL of the trimmed text, once it is there."""
        return name(f"t {self.column}")

    def empty(self, present: str) -> list[tuple[str, str]]:
        """Return the reason to refuse a row that lacks a required value."""
        return [(f"NOT ({present})", f"{self.column} is empty")] if self.required else []

    def refuse(self, expected: str) -> DataError:
        """Return the error of a column whose type cannot be read."""
        return DataError(
            f"{self.table}: column {self.origin!r} (for {self.column}) has the type {self.type}; "
            f"expected {expected}"
        )


def read_id(place: Place) -> Reading:
    """Ids keep their text."""
    if not place.is_text and not place.is_whole and place.type != "UUID":
        raise place.refuse(
            "text or whole numbers. Numbers with a point have lost leading zeros and digits beyond 2^53: "
            "write the ids as text where they come from."
        )
    column, typed = place.column, place.typed
    value = f"CASE WHEN {place.filled} THEN CAST({place.raw} AS VARCHAR) END"
    if not place.required:
        return Reading(column, Kind.ID, value, "true")
    if not place.is_text:
        return Reading(column, Kind.ID, value, place.filled, tuple(place.empty(place.filled)))
    fine = f"strlen({typed}) <= {LONGEST_ID} AND regexp_full_match({typed}, '[ -~]+')"
    reasons = (
        (f"{typed} IS NULL OR regexp_full_match({typed}, '[\\s\\p{{Z}}]*')", f"{column} is empty"),
        (f"regexp_matches({typed}, '\\p{{Cc}}')", f"{column} has control characters"),
        (f"length({typed}) > {LONGEST_ID}", f"{column} is longer than {LONGEST_ID} characters"),
    )
    return Reading(column, Kind.ID, value, fine, reasons)


def read_time(place: Place) -> Reading:
    """Times become microseconds UTC."""
    trimmed = parsed = naive = None
    present = f"{place.raw} IS NOT NULL"
    if place.form is not None:
        trimmed, present = place.trimmed, f"{place.given} IS NOT NULL"
        value = _epoch(place) if place.form in EPOCH_UNITS else _formatted(place)
    elif place.is_text:
        trimmed, present = place.trimmed, f"{place.given} IS NOT NULL"
        parsed, naive, value = _iso(place)
    elif place.type == _AWARE:
        value = f"CASE WHEN isfinite({place.raw}) THEN epoch_us({place.raw}) END"
    elif place.type in _LOCAL:
        value = _local(place, f"CAST({place.raw} AS TIMESTAMP)")
    else:
        raise place.refuse(
            "times. Numbers are only read with a declared unit: add formats = "
            f'{{ {place.column} = "epoch_seconds" }} (or "epoch_milliseconds", "epoch_microseconds", or '
            f'"%Y%m%d" for days such as 19970101) to [tables.{place.table}].'
        )
    within = f"{place.typed} >= {_FIRST} AND {place.typed} < {_END}"
    endless = None
    if place.column in ENDS:
        endless = f"coalesce({value} >= {_NEVER}, false)"
        value, present = f"CASE WHEN NOT {endless} THEN {value} END", f"{present} AND NOT {endless}"
        naive = naive and f"CASE WHEN NOT {endless} THEN {naive} END"
    reasons = (
        *place.empty(present),
        (f"{place.typed} IS NULL AND {present}", f"{place.column} is not a time"),
        (f"NOT ({within})", f"{place.column} is before 1900 or after 2200"),
    )
    return Reading(place.column, Kind.TIME, value, within, reasons, trimmed, parsed, naive, endless)


def _epoch(place: Place) -> str:
    """SQL of a time counted since 1970."""
    if place.type in _LOCAL | {_AWARE}:
        raise place.refuse(
            f"numbers, as its format says. Remove formats.{place.column}: it has a type already."
        )
    unit = EPOCH_UNITS[str(place.form)]
    count = f"try_cast({place.given} AS DOUBLE)"
    # A whole double such as 1.0 does not cast to BIGINT from its text, so both ways are tried.
    whole = f"coalesce(try_cast({place.given} AS BIGINT), CAST({count} AS BIGINT))"
    return f"CASE WHEN abs({count}) < {2**62 // unit} AND {count} = trunc({count}) THEN {whole} * {unit} END"


def _formatted(place: Place) -> str:
    """SQL of a time in a declared format."""
    if not place.is_text and not place.is_whole:
        raise place.refuse(f"text, as its format says. Remove formats.{place.column}: it has a type already.")
    form = str(place.form)
    moment = f"try_strptime({place.given}, {text(form)})"
    if "%z" in form or "%Z" in form:
        return f"epoch_us({moment})"
    return _local(place, moment)


def _iso(place: Place) -> tuple[str, str, str]:
    """SQL of a time in ISO 8601: the text that is one, whether it carries no zone, and the time."""
    parsed = f"CASE WHEN regexp_full_match({place.given}, '{_ISO}') THEN {place.given} END"
    clock = f"substr({place.parsed}, 11)"
    naive = f"NOT (contains({clock}, 'Z') OR contains({clock}, '+') OR contains({clock}, '-'))"
    local = _local(place, f"try_cast({place.parsed} AS TIMESTAMP)", declared=False)
    value = f"CASE WHEN {naive} THEN {local} ELSE epoch_us(try_cast({place.parsed} AS TIMESTAMPTZ)) END"
    return parsed, naive, value


def _local(place: Place, moment: str, *, declared: bool = True) -> str:
    """SQL of a clock time of the business as an instant."""
    zone = place.timezone
    if zone is None and declared:
        raise no_timezone(place.table, place.column)
    if zone not in {None, "UTC"}:
        return f"epoch_us(timezone({text(str(zone))}, {moment}))"
    return f"epoch_us({moment})"


def no_timezone(table: str, column: str) -> DataError:
    """Return the error of times that carry no zone where the business declares none."""
    return DataError(
        f"{table}: the times in {column} carry no zone. Say whose clock they are: add "
        'timezone = "UTC" (or "Europe/Berlin", …) to [business].'
    )


def read_money(place: Place) -> Reading:
    """Money becomes whole minor units."""
    column, form, amount = place.column, place.form, place.parsed
    if not place.is_text and not place.is_number:
        raise place.refuse("numbers.")
    trimmed, present, parsed = None, f"{place.raw} IS NOT NULL", place.number
    # A FLOAT is read by its shortest text: 12.99 is not 12.989999771.
    if place.is_text or place.type == "FLOAT" or form in _GROUPED:
        trimmed, present = place.trimmed, f"{place.given} IS NOT NULL"
        parsed = _plain(place)
    scale = 1 if form == "minor" else 10**place.business.minor_digits
    minor = f"({amount} * {scale})"
    fits = f"abs({minor}) <= {LARGEST_MINOR}"
    whole = f"round({minor})"
    if form == "rounded":
        whole = f"round_even(round({minor}, 6), 0)"
    else:
        # A double that is the nearest to whole minor units is whole; sums of such are off by a little.
        fits += f" AND ({whole} / {scale} = {amount} OR abs({minor} - {whole}) <= 0.000001)"
    value = f"CASE WHEN {fits} THEN CAST({whole} AS BIGINT) END"
    currency = place.business.business.currency
    refused = f"{place.typed} IS NULL AND {present}"
    decimals = "a fraction of a minor unit" if form == "minor" else f"more decimals than {currency}"
    reasons = (
        *place.empty(present),
        (f"{refused} AND ({amount} IS NULL OR NOT isfinite({amount}))", f"{column} is not a plain number"),
        (f"{refused} AND abs({minor}) > {LARGEST_MINOR}", f"{column} is too large to be believed"),
        (refused, f"{column} has {decimals}"),
    )
    return Reading(column, Kind.MONEY, value, f"{place.typed} IS NOT NULL", reasons, trimmed, parsed)


def _plain(place: Place) -> str:
    """SQL of a number with a point and no groups, null where the text is anything else."""
    shape, bare = f"[+-]?{_DIGITS}", place.given
    if place.form in _GROUPED:
        group, point = _GROUPED[place.form]
        shape = f"[+-]?([0-9]{{1,3}}([{group}][0-9]{{3}})+|[0-9]+)([{point}][0-9]*)?"
        bare = f"replace(replace({place.given}, '{group}', ''), '{point}', '.')"
    return f"CASE WHEN regexp_full_match({place.given}, '{shape}') THEN try_cast({bare} AS DOUBLE) END"


def read_number(place: Place) -> Reading:
    """Numbers become float64; NaN is no number, and minus zero is zero."""
    trimmed, given = None, place.raw
    if place.is_text:
        trimmed, given = place.trimmed, place.given
        parsed = f"CASE WHEN regexp_full_match({given}, '{_NUMBER}') THEN try_cast({given} AS DOUBLE) END"
        present = f"{given} IS NOT NULL"
    elif place.is_number:
        parsed = place.number
        present = f"{place.parsed} IS NOT NULL"
    else:
        raise place.refuse("numbers.")
    value = f"CASE WHEN abs({place.parsed}) <= {LARGEST_NUMBER} THEN {place.parsed} + 0.0 END"
    refused = f"{place.typed} IS NULL AND {present}"
    is_finite = f"coalesce(isfinite({place.parsed}), false)"
    reasons = (
        (f"{refused} AND NOT {is_finite}", f"{place.column} is not a finite number"),
        (refused, f"{place.column} is too large to be believed"),
    )
    fine = f"{place.typed} IS NOT NULL"
    return Reading(place.column, Kind.NUMBER, value, fine, reasons, trimmed, parsed)


def read_flag(place: Place) -> Reading:
    """Flags become 0 or 1."""
    if place.type == "BOOLEAN":
        return Reading(place.column, Kind.FLAG, f"CAST({place.raw} AS DOUBLE)", "true")
    if not place.is_text and not place.is_number:
        raise place.refuse("true or false, 1 or 0.")
    value = (
        f"CASE WHEN lower({place.given}) IN ('true', 't', 'yes', 'y', '1', '1.0') THEN 1::DOUBLE "
        f"WHEN lower({place.given}) IN ('false', 'f', 'no', 'n', '0', '0.0') THEN 0::DOUBLE END"
    )
    reasons = (
        (f"{place.typed} IS NULL AND {place.given} IS NOT NULL", f"{place.column} is not true or false"),
    )
    fine = f"{place.typed} IS NOT NULL"
    return Reading(place.column, Kind.FLAG, value, fine, reasons, place.trimmed)


def read_currency(place: Place) -> Reading:
    """Currencies are only looked at: amounts in another one cannot be added to the business's own."""
    code = place.business.business.currency
    known = ", ".join(text(each) for each in MINOR_DIGITS)
    reasons = (
        (f"{place.typed} IS NULL", f"{place.column} is empty"),
        (f"{place.typed} NOT IN ({known})", f"{place.column} is no code of a currency"),
        (f"{place.typed} <> {text(code)}", f"{place.column} is not {code}"),
    )
    fine = f"{place.typed} = {text(code)}"
    return Reading(place.column, Kind.TEXT, place.given, fine, reasons, place.trimmed)


def read_category(place: Place) -> Reading:
    """Categories are kept as they are; blank ones are null."""
    return _read_words(place, Kind.CATEGORY)


def read_text(place: Place) -> Reading:
    """Free texts are kept as they are; blank ones are null."""
    return _read_words(place, Kind.TEXT)


def _read_words(place: Place, kind: Kind) -> Reading:
    """Keep words as they are."""
    if place.type.endswith("]") or place.type.startswith(("STRUCT", "MAP", "UNION", "BLOB")):
        raise place.refuse("text, numbers or true and false.")
    value = f"CASE WHEN {place.filled} THEN CAST({place.raw} AS VARCHAR) END"
    reasons = ((f"{place.typed} IS NULL", f"{place.column} is empty"),) if place.required else ()
    fine = f"{place.typed} IS NOT NULL" if place.required else "true"
    return Reading(place.column, kind, value, fine, reasons)
