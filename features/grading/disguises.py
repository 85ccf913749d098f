"""Disguises of missing values: numbers, words and dates that people write where they know nothing.

A number is one only if it lies apart from all the others, so that a real zero is left alone.
"""

import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from features.windows import MICROSECONDS_PER_DAY, parse_instant

Values = npt.NDArray[np.float64]

LEAST_SHARE, LEAST_ROWS = 0.005, 5
"""A disguise occurs again and again: this share of the filled rows at least, and so many of them."""

_NEGATIVE = (-1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0)
_POSITIVE = (99.0, 999.0, 9999.0, 99999.0, 999999.0, 9999999.0, 99999999.0)
_WORDS = """unknown, unk, n/a, #n/a, na, n.a., null, nil, nan, missing, not available, not specified,
    unspecified, undefined, not known, blank, (blank), tbd, xxx, unbekannt, k.a., keine angabe, inconnu,
    non renseigné, desconocido, sconosciuto, onbekend"""
_KNOWN_WORDS = frozenset(word.strip() for word in _WORDS.split(","))
_DATES = (
    "1900-01-01",
    "1901-01-01",
    "1970-01-01",
    "1980-01-01",
    "1990-01-01",
    "2000-01-01",
    "2079-06-06",
    "2099-12-31",
    "2199-12-31",
)
_DAYS = tuple(parse_instant(text) // MICROSECONDS_PER_DAY for text in _DATES)
_FEWEST_OTHERS, _FEWEST_DISTINCT = 20, 20
_FAR = 3.0
_APART, _STEPS = 0.25, 5
_A_YEAR = 365


def numbers(values: Values, *, money: bool) -> list[tuple[float, float]]:
    """Find numbers that stand for nothing.

    * A negative one such as -1 or -999: nothing else is below zero.
    * One of nines such as 999: the largest, and further above all others than three times their
      interquartile range.
    * Zero (never of money, never among fewer than 20 different values): the smallest, and at least a quarter
      of an interquartile range and five usual steps below all others, as an age of 0 among 18 to 90.

    Parameters
    ----------
    values : float64 array (n_rows,)
        NaN where not known; money in currency units.
    money : bool

    Returns
    -------
    list of (float, float)
        The number, and its share of the filled rows.

    Examples
    --------
    >>> ages = np.repeat([20.0, 30, 40, 50, 60, 999], [40, 40, 40, 40, 40, 4])
    >>> [(number, round(share, 3)) for number, share in numbers(ages, money=False)]
    []
    >>> ages = np.append(ages, [999.0, 999])
    >>> [(number, round(share, 3)) for number, share in numbers(ages, money=False)]
    [(999.0, 0.029)]
    """
    known = values[~np.isnan(values)]
    distinct, counts = np.unique(known, return_counts=True)
    frequent = counts >= max(LEAST_ROWS, LEAST_SHARE * len(known))
    suspects = {0.0, *_NEGATIVE, *_POSITIVE}
    found = []
    for number, count in zip(distinct[frequent].tolist(), counts[frequent].tolist(), strict=True):
        if number in suspects and _stands_apart(number, distinct, known, money=money):
            found.append((number, count / len(known)))
    return found


def _stands_apart(number: float, distinct: Values, known: Values, *, money: bool) -> bool:
    """Whether a number lies where none of the others do."""
    others, kinds = known[known != number], distinct[distinct != number]
    if len(others) < _FEWEST_OTHERS:
        return False
    distance = float(np.abs(kinds - number).min())
    quarter, three_quarters = np.quantile(others, [0.25, 0.75])
    spread = float(three_quarters - quarter)
    if number < 0:
        return bool(kinds.min() >= 0)
    if number > 0:
        return bool(kinds.max() < number) and distance > _FAR * spread
    if money or len(kinds) < _FEWEST_DISTINCT:
        return False
    step = float(np.median(np.diff(kinds)))
    return bool(kinds.min() > 0) and distance >= max(_APART * spread, _STEPS * step)


def is_word_for_nothing(word: str) -> bool:
    """Whether a word says that nothing is known.

    Examples
    --------
    >>> [is_word_for_nothing(word) for word in ("Unknown ", "N/A", "--", "?", "none", "North")]
    [True, True, True, True, False, False]
    """
    plain = unicodedata.normalize("NFC", word).strip().lower()
    return plain in _KNOWN_WORDS or (len(plain) > 0 and set(plain) <= set("-–?._*"))


def dates(instants: Values) -> list[tuple[str, float]]:
    """Find dates such as 1900-01-01 that many rows share and that lie a year from every other date.

    Parameters
    ----------
    instants : float64 array (n_rows,)
        Microseconds; NaN where not known.

    Returns
    -------
    list of (str, float)
        The date, and its share of the filled rows.
    """
    days = np.floor(instants[~np.isnan(instants)] / MICROSECONDS_PER_DAY)
    found = []
    for text, day in zip(_DATES, _DAYS, strict=True):
        # The midnight of another timezone may be a day before or after.
        near = np.abs(days - day) <= 1
        count = int(near.sum())
        if count < LEAST_ROWS or count < LEAST_SHARE * len(days) / 5:
            continue
        others = days[~near]
        if len(others) == 0 or float(np.abs(others - day).min()) >= _A_YEAR:
            found.append((text, count / len(days)))
    return found


def frequent_codes(codes: Values) -> list[tuple[int, float]]:
    """Codes that are frequent enough to be looked up, with their share of the filled rows."""
    known = codes[~np.isnan(codes)].astype(np.int64)
    if len(known) == 0:
        return []
    counts = np.bincount(known)
    frequent: Sequence[int] = np.flatnonzero(counts >= max(LEAST_ROWS, LEAST_SHARE * len(known))).tolist()
    return [(code, float(counts[code] / len(known))) for code in frequent]
