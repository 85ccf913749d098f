"""The calendar of a simulated business: when in the year, the week and the day people buy.

The process runs in *day time*: days since the business opened, as a float.
Weights are constant within a day, so what is true of whole days can be computed exactly;
the hours of the day come last, by a monotone map of each day onto itself that changes the order of nothing.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.windows import MICROSECONDS_PER_DAY

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_DAYS_PER_YEAR = 365.2425
_WEEK = np.array([1.00, 1.20, 1.35, 0.70, 0.85, 0.90, 1.00])
"""Weight of each day of the week from Thursday on: 1970-01-01 was one."""
_HOURS = np.array([1, 0.5, 0.3, 0.2, 0.3, 0.6, 2, 4, 6, 8, 9, 10, 11, 9, 8, 8, 9, 11, 12, 12, 11, 8, 5, 2.5])
_SECONDS_PER_DAY = 86_400
_MICROSECONDS_PER_SECOND = 1_000_000


@dataclass(frozen=True)
class Season:
    """How busy each day is, on the average of a year 1.

    Attributes
    ----------
    first_day : int
        The day the business opened: days since 1970-01-01.
    weights : float array (n_days,)
        How busy each day is, from the first day on.
    """

    first_day: int
    weights: Floats

    @classmethod
    def of(cls, first_day: int, n_days: int) -> "Season":
        """Return the season of the days ``[first_day, first_day + n_days)``.

        A quiet August, a peak that ends at Christmas, a busy Friday and Saturday.
        """
        day = first_day + np.arange(n_days)
        of_year = np.mod(day, _DAYS_PER_YEAR)
        summer = -0.15 * np.exp(-(((of_year - 222) / 25) ** 2))
        christmas = 0.8 * np.exp(-(((of_year - 346) / 11) ** 2))
        after = -0.2 * np.exp(-(((of_year - 20) / 20) ** 2))
        return cls(first_day, (1 + summer + christmas + after) * _WEEK[day % 7] / _WEEK.mean())

    def elapsed(self, time: Floats) -> Floats:
        """Return how much business was done up to each day time, in average days."""
        return np.interp(time, np.arange(len(self.weights) + 1), self._knots())

    def when(self, elapsed: Floats) -> Floats:
        """Return the day time at which so much business was done; undoes `elapsed`."""
        return np.interp(elapsed, self._knots(), np.arange(len(self.weights) + 1))

    def instants(self, time: Floats) -> Integers:
        """Return day times as instants: whole seconds of the hours at which people are awake."""
        day = np.floor(time)
        quantiles = np.concatenate([[0.0], np.cumsum(_HOURS) / _HOURS.sum()])
        seconds = np.interp(time - day, quantiles, np.linspace(0, _SECONDS_PER_DAY, len(quantiles)))
        whole = np.minimum(seconds.astype(np.int64), _SECONDS_PER_DAY - 1)
        midnight = (self.first_day + day.astype(np.int64)) * MICROSECONDS_PER_DAY
        return np.asarray(midnight + whole * _MICROSECONDS_PER_SECOND)

    def _knots(self) -> Floats:
        """Return the business done up to each midnight."""
        return np.concatenate([[0.0], np.cumsum(self.weights)])
