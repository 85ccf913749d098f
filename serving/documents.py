"""Strict JSON: a request body becomes values, or a refusal that names places and never repeats what was sent.

Python's own reader takes more than JSON is: repeated keys, NaN, lone surrogates.
Here these come out as values that no reader of `serving.values` accepts, so the refusal can name their place.
"""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from features.errors import UserError

MOST_PROBLEMS = 20
"""How many problems a refusal lists."""

NOT_FINITE = Decimal("NaN")
"""What NaN, Infinity and numbers of absurd length are read as."""


class RequestRejected(UserError):  # noqa: N818  (the reply says "rejected")
    """A request that cannot be answered as it is.

    Attributes
    ----------
    status : int
        The HTTP status.
    code : str
        The word that programs look at.
    fields : sequence of mapping
        ``{"path": "customers[0].purchases[2].amount", "problem": "…"}`` each.
    headers : mapping
        Further headers of the reply, such as ``Allow``.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str = "invalid_request",
        fields: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.fields = fields
        self.headers = headers or {}


class Repeated(dict[str, object]):
    """An object of the body that names a field twice."""


class Problems:
    """Collects what is wrong with a request, up to `MOST_PROBLEMS` places."""

    def __init__(self) -> None:
        self._fields: list[dict[str, str]] = []

    def add(self, path: str, problem: str) -> None:
        """Note one problem; the last one that is listed ends the reading."""
        self._fields.append({"path": path, "problem": problem})
        if len(self._fields) >= MOST_PROBLEMS:
            self.settle()

    def settle(self) -> None:
        """Refuse the request if anything was wrong.

        Raises
        ------
        RequestRejected
            There was a problem; ``fields`` lists them.
        """
        if self._fields:
            count = len(self._fields)
            said = "One field is" if count == 1 else f"{count} fields are"
            raise RequestRejected(f"{said} not as expected; see fields.", fields=self._fields)


def parse(body: bytes) -> object:
    """Read a JSON document.

    Returns
    -------
    object
        dict, list, str, int, bool, None, and `decimal.Decimal` for every number with a point or exponent.

    Raises
    ------
    RequestRejected
        The body is not UTF-8, not JSON, or nested too deeply.

    Examples
    --------
    >>> parse(b'{"amount": 12.10}')
    {'amount': Decimal('12.10')}
    """
    if not body:
        raise RequestRejected("The body is empty. Send a JSON object.", code="invalid_json")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise RequestRejected(
            f"The body is not UTF-8 text: byte {error.start} cannot be read. Send JSON in UTF-8.",
            code="invalid_json",
        ) from None
    try:
        return _decoded(text)
    except json.JSONDecodeError as error:
        raise RequestRejected(
            f"The body is not JSON: it breaks at line {error.lineno}, column {error.colno}.",
            code="invalid_json",
        ) from None
    except RecursionError:
        raise RequestRejected(
            "The body is nested too deeply. A request needs five levels.", code="invalid_json"
        ) from None


def _decoded(text: str) -> object:
    """Decode, at full speed first; numbers too long for that are read again with care."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_not_finite, object_pairs_hook=_object)
    except json.JSONDecodeError:
        raise
    except (ValueError, InvalidOperation):
        return json.loads(
            text,
            parse_int=_short_int,
            parse_float=_short_float,
            parse_constant=_not_finite,
            object_pairs_hook=_object,
        )


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Build an object, marked if it names a field twice."""
    built = dict(pairs)
    return built if len(built) == len(pairs) else Repeated(built)


def _not_finite(_text: str) -> Decimal:
    """Read NaN, Infinity and -Infinity, which are not JSON."""
    return NOT_FINITE


def _short_int(text: str) -> int | Decimal:
    """Read a whole number, unless it has more digits than Python reads."""
    return int(text) if len(text) <= 4000 else NOT_FINITE  # noqa: PLR2004  (Python stops at 4300)


def _short_float(text: str) -> Decimal:
    """Read a number with a point or exponent, unless its exponent is beyond everything."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return NOT_FINITE
