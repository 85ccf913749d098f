"""``business.toml``: which sources hold the tables, and what churn and value mean here.

>>> from pathlib import Path
>>> import tempfile
>>> text = '''
... [business]
... name = "corner shop"
... currency = "EUR"
... [tables.purchases]
... source = "purchases.csv"
... columns = { customer_id = "id", purchased_at = "date", amount = "amount" }
... '''
>>> with tempfile.TemporaryDirectory() as folder:
...     _ = (Path(folder) / "business.toml").write_text(text)
...     business = load(Path(folder) / "business.toml")
>>> business.minor_digits, str(business.churn.eligible), business.workspace.name
(2, '365d', '.holdfast')
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    InstanceOf,
    ValidationError,
    field_validator,
    model_validator,
)

from features.currencies import MINOR_DIGITS
from features.errors import BusinessError, UserError, did_you_mean
from features.intake.origins import Identities, Section, Source, Timezone, timezones
from features.mapping import identities_problem, problem_of, sources_problem
from features.tables import Kind
from features.windows import Duration, parse_duration, parse_instant

WORKSPACE = ".holdfast"
"""Where Holdfast writes unless told otherwise: a folder beside business.toml."""

# What pydantic adds to the place of a complaint for each alternative of a union.
_ALTERNATIVES = ("literal[", "is-instance[", "function-", "dict[", "list[")
# Letters and digits of every script; what \w has beyond them is the low line.
_NAME = re.compile(r"[^\W_]([\w .-]*[^\W_])?")


def _duration(value: object) -> Duration:
    """Read a duration; pydantic wants a ValueError."""
    if isinstance(value, Duration):
        return value
    try:
        return parse_duration(value if isinstance(value, str) else repr(value))
    except UserError as error:
        raise ValueError(str(error)) from None


def _positive(value: Duration) -> Duration:
    """Refuse a length of zero."""
    if value.microseconds == 0:
        raise ValueError("The length must be more than zero, as in '90d'.")
    return value


_Length = Annotated[InstanceOf[Duration], BeforeValidator(_duration)]
_PositiveLength = Annotated[InstanceOf[Duration], BeforeValidator(_duration), AfterValidator(_positive)]


class Identity(Section):
    """``[business]``: who this is, and how its times and money are written.

    ``observed_until`` is an instant: facts are complete before it.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)]
    currency: str
    timezone: Timezone = None
    observed_until: int | None = None

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        # Models and experiments are registered under it, where quotes, slashes and colons mean something.
        if not _NAME.fullmatch(value):
            raise ValueError(
                "the name may have letters, digits, spaces, '.', '_' and '-' only, and begins and ends with "
                "a letter or digit, as in 'corner shop'."
            )
        return value

    @field_validator("currency")
    @classmethod
    def _known_currency(cls, value: str) -> str:
        if value not in MINOR_DIGITS:
            raise ValueError(
                f"{value!r} is not an ISO 4217 currency code such as 'USD' or 'EUR' (three capital letters)."
            )
        return value

    @model_validator(mode="before")
    @classmethod
    def _observed_until(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "observed_until" not in data:
            return data
        zone = data.get("timezone")
        return {**data, "observed_until": _instant(data["observed_until"], zone)}


class Churn(Section):
    """``[churn]``: what leaving means here."""

    kind: Literal["silence", "exit"] = "silence"
    horizon: Literal["auto"] | _PositiveLength = "auto"
    gap: _Length = Duration(0)
    eligible: _PositiveLength = parse_duration("365d")


class Value(Section):
    """``[value]``: over which horizons customers are valued, and at which margin.

    Without a margin the value of a customer is revenue.
    """

    horizons: Annotated[tuple[_PositiveLength, ...], Field(min_length=1)] = (
        parse_duration("90d"),
        parse_duration("365d"),
    )
    margin: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    discount_rate: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.10

    @model_validator(mode="after")
    def _horizons_rise(self) -> Self:
        lengths = [horizon.microseconds for horizon in self.horizons]
        if any(later <= earlier for earlier, later in pairwise(lengths)):
            raise ValueError(
                "horizons must rise: the first is learnt, and longer ones are reached from it. Write them "
                'as in ["90d", "365d"]'
            )
        return self


class Quality(Section):
    """``[quality]``: the worst grade that `check` accepts, and the columns that are no leak.

    ``trusted`` names columns that the user vouches for, as in ``"customers.region"``.
    """

    minimum: Literal["A", "B", "C", "D", "E", "F"] = "C"
    trusted: tuple[str, ...] = ()


def _listed(value: object) -> object:
    """Read one section as a list of one."""
    if not isinstance(value, dict | list):
        raise ValueError("expected a section, as in [tables.purchases].")  # noqa: TRY004  (pydantic)
    return [value] if isinstance(value, dict) else value


class Business(Section):
    """One business: the typed content of ``business.toml``.

    ``tables`` holds the sources of every table, one or several; ``path`` is the file itself and ``workspace``
    the folder that all output goes to.
    """

    path: Path
    business: Identity
    tables: dict[str, Annotated[tuple[Source, ...], BeforeValidator(_listed), Field(min_length=1)]]
    identities: Identities | None = None
    churn: Churn = Churn()
    value: Value = Value()
    quality: Quality = Quality()
    workspace: Path

    def columns_of(self, table: str) -> frozenset[str]:
        """Our names of the columns that any source of a table has, attributes included."""
        return frozenset(name for source in self.tables.get(table, ()) for name in source.mapping)

    def attribute_kinds(self, table: str) -> dict[str, Kind | None]:
        """Kind of every attribute that any source of a table declares; None where its type decides."""
        kinds: dict[str, Kind | None] = {}
        for source in self.tables.get(table, ()):
            for name, kind in source.attribute_kinds.items():
                kinds[name] = kinds.get(name) or kind
        return kinds

    @property
    def folder(self) -> Path:
        """The folder of the file, which relative paths are relative to."""
        return self.path.parent

    @cached_property
    def minor_digits(self) -> int:
        """Digits after the point of the currency: 2 for USD, 0 for JPY."""
        return MINOR_DIGITS[self.business.currency]


def load(path: Path) -> Business:
    """Read ``business.toml``.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Business

    Raises
    ------
    BusinessError
        There is no such file, it is not TOML, or it says something that cannot be.
    """
    path = Path(path).absolute()
    data = _parse(path)
    given = data.pop("workspace", {})
    if not isinstance(given, dict) or not isinstance(given.get("path", WORKSPACE), str):
        raise _complaint(path, "workspace", 'expected a section with path = ".holdfast".')
    for key in given.keys() - {"path"}:
        raise _complaint(path, f"workspace.{key}", f"unknown key. {did_you_mean(key, ['path'])}")
    if "path" in data:
        raise _complaint(path, "path", f"unknown key. {_keys_of(('path',))}")
    workspace = path.parent / given.get("path", WORKSPACE)
    try:
        business = Business.model_validate({**data, "path": path, "workspace": workspace})
    except ValidationError as error:
        raise _explained(path, error, data) from None
    for where, problem in _problems(business):
        raise _complaint(path, where, problem)
    return business


def _problems(business: Business) -> Iterator[tuple[str, str]]:
    """Find what the sections say that cannot be, and the place of each."""
    for table, sources in business.tables.items():
        for number, source in enumerate(sources, 1):
            problem = problem_of(table, source)
            if problem:
                yield f"tables.{table}" + (f"[{number}]" if len(sources) > 1 else ""), problem
        problem = sources_problem(sources)
        if problem:
            yield f"tables.{table}", problem
    if not business.tables.keys() & {"purchases", "subscriptions"}:
        yield "tables", "needs [tables.purchases] or [tables.subscriptions]; it has neither."
    if business.identities is not None:
        names = {source.name for sources in business.tables.values() for source in sources if source.name}
        problem = identities_problem(business.identities, names)
        if problem:
            yield "identities", problem
    known = [f"{table}.{column}" for table in business.tables for column in business.columns_of(table)]
    for column in business.quality.trusted:
        if column not in known:
            yield "quality.trusted", f"{column!r} is not a mapped column. {did_you_mean(column, known)}"


def _parse(path: Path) -> dict[str, Any]:
    """Read the TOML, or say where it breaks."""
    try:
        return tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError:
        raise BusinessError(
            f"There is no file {path}. Let `holdfast init` write one from your files, "
            "or `holdfast simulate` or `holdfast dataset` one with its tables."
        ) from None
    except IsADirectoryError:
        inside = path / "business.toml"
        raise BusinessError(f"{path} is a folder. Name the file in it, as in {inside}.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise BusinessError(f"{path} cannot be read: {reason}.") from None
    except tomllib.TOMLDecodeError as error:
        raise BusinessError(f"{path} is not valid TOML: {error}. Correct the file at that place.") from None


def _instant(value: object, zone: object) -> object:
    """Turn what the file gives for a time into an instant; a naive time is in the business's timezone."""
    if isinstance(value, datetime | date):
        value = value.isoformat()
    if not isinstance(value, str):
        raise ValueError('observed_until: expected a date or time, as in "1998-07-01".')  # noqa: TRY004  (pydantic)
    try:
        instant = parse_instant(value)
        aware = datetime.fromisoformat(value).tzinfo is not None
    except UserError as error:
        raise ValueError(f"observed_until: {error}") from None
    if aware or zone in {None, "UTC"} or zone not in timezones():
        return instant
    return _local_to_instant(instant, str(zone))


def _local_to_instant(instant: int, zone: str) -> int:
    """Read the clock time of an instant as that of a zone."""
    import duckdb

    sql = "SELECT epoch_us(timezone(?, make_timestamp(?)))"
    row = duckdb.connect().execute(sql, [zone, instant]).fetchone()
    return int(row[0]) if row else instant


def _complaint(path: Path, where: str, problem: str) -> BusinessError:
    """One error about one place of the file."""
    return BusinessError(f"{path}: {where}: {problem}")


def _explained(path: Path, error: ValidationError, data: Mapping[str, Any]) -> BusinessError:
    """Turn the most telling complaint of pydantic into one that says what to do."""
    found = error.errors(include_url=False, include_context=False)
    # Of the alternatives of a union ("auto" or a duration) our own message says most.
    telling = ("extra_forbidden", "missing", "value_error", "literal_error")
    first = min(
        found, key=lambda item: telling.index(item["type"]) if item["type"] in telling else len(telling)
    )
    place = tuple(part for part in map(str, first["loc"]) if not part.startswith(_ALTERNATIVES))
    where = _where(place, data)
    if first["type"] == "extra_forbidden":
        return _complaint(path, where, f"unknown key. {_keys_of(place)}")
    if first["type"] == "missing":
        return _complaint(path, where, "missing. Add it.")
    return _complaint(path, where, f"{first['msg'].removeprefix('Value error, ').rstrip('.')}.")


def _where(place: tuple[str, ...], data: Mapping[str, Any]) -> str:
    """Write a place of the file; the sources of a table are counted from 1 where there are several."""
    match place:
        case ("tables", table, number, *rest):
            is_one_of_several = isinstance(data["tables"][table], list)
            place = ("tables", f"{table}[{int(number) + 1}]" if is_one_of_several else table, *rest)
    return ".".join(place) or "the file"


def _keys_of(place: tuple[str, ...]) -> str:
    """Name the keys that would have been understood at a place, the nearest first."""
    sections: dict[str, type[BaseModel]] = {
        "business": Identity,
        "tables": Source,
        "identities": Identities,
        "churn": Churn,
        "value": Value,
        "quality": Quality,
    }
    if len(place) == 1:
        return did_you_mean(place[0], [*sections, "workspace"])
    section = sections.get(place[0], Business)
    return did_you_mean(place[-1], section.model_fields)
