"""Rhythm: on which days facts come, and the days on which they should have come and did not."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Days = npt.NDArray[np.int64]

_EXPECTED_ROWS = 20
_LONGER_THAN_USUAL = 1.75
_FEWEST_DAYS, _FEWEST_ROWS = 3, 10
_AROUND = 28
_A_YEAR, _LEEWAY = 365, 7


@dataclass(frozen=True)
class Silence:
    """Days on which facts should have come: ``[first, end)`` in days since 1970, and how many should."""

    first: int
    end: int
    expected: float

    @property
    def length(self) -> int:
        """How many days it lasted."""
        return self.end - self.first


def usual_spacing(days: Mapping[int, int]) -> float:
    """Days from one day with facts to the next that nine of ten keep within; 1 for fewer than five days.

    Examples
    --------
    >>> usual_spacing({day: 1 for day in range(0, 100, 7)})
    7.0
    """
    active = np.array(sorted(days), np.int64)
    return float(np.quantile(np.diff(active), 0.9)) if len(active) >= 5 else 1.0  # noqa: PLR2004  (see above)


def silences(days: Mapping[int, int]) -> list[Silence]:
    """Find stretches without facts where the rhythm says that there should be some.

    Such a stretch is longer than three days and than 1.75 times the usual spacing (so Sundays, holidays
    and monthly bills are no gaps), at least 20 facts should have come in it by the pace of the 28 days before
    and after it, the slower of the two; there are ten on either side (else a date is mistyped); and the same
    days a year earlier or later had facts (else it is a season).

    Parameters
    ----------
    days : mapping of int to int
        How many facts there are on each day, in days since 1970; days without any may be absent.

    Returns
    -------
    list of Silence
        The oldest first.

    Examples
    --------
    >>> shop = {day: 5 for day in range(400) if not 100 <= day < 130}
    >>> [(gap.first, gap.length, gap.expected) for gap in silences(shop)]
    [(100, 30, 150.0)]
    """
    active = np.array(sorted(day for day, count in days.items() if count), np.int64)
    if len(active) < 2:  # noqa: PLR2004  (one day has no rhythm)
        return []
    counts = np.array([days[day] for day in active.tolist()], np.float64)
    total = np.concatenate([[0.0], np.cumsum(counts)])
    longest = max(_FEWEST_DAYS, _LONGER_THAN_USUAL * usual_spacing(days))
    steps = np.diff(active)
    found = []
    for place in np.flatnonzero(steps > longest).tolist():
        first, end = int(active[place]) + 1, int(active[place + 1])
        before = _pace(active, total, first - _AROUND, first)
        after = _pace(active, total, end, end + _AROUND)
        expected = min(before, after) * (end - first)
        if expected >= _EXPECTED_ROWS and not _is_season(active, first, end):
            found.append(Silence(first, end, expected))
    return found


def _pace(active: Days, total: npt.NDArray[np.float64], first: int, end: int) -> float:
    """Facts a day in ``[first, end)``, as far as the history goes; 0 where there are hardly any."""
    first, end = max(first, int(active[0])), min(end, int(active[-1]) + 1)
    rows = total[np.searchsorted(active, end)] - total[np.searchsorted(active, first)]
    return float(rows / max(end - first, 1)) if rows >= _FEWEST_ROWS else 0.0


def _is_season(active: Days, first: int, end: int) -> bool:
    """Whether the same days a year earlier or later had no facts either."""
    inner_first, inner_end = first + min(_LEEWAY, (end - first) // 4), end - min(_LEEWAY, (end - first) // 4)
    for shift in (-_A_YEAR, _A_YEAR):
        begin, stop = inner_first + shift, inner_end + shift
        if begin < active[0] or stop > active[-1]:
            continue
        if np.searchsorted(active, stop) == np.searchsorted(active, begin):
            return True
    return False
