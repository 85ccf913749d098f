"""How far predictions were from what then happened, one small pure function per measure.

``y`` is what happened and ``p`` (a probability) or ``predicted`` (a value) what was said, all of shape
``(n_customers,)``. Every metric is ``metric(y, p) -> float``.

A measure that the data leave undefined is NaN: rank measures where everybody has the same outcome, relative
measures where nothing was bought. NaN fails every comparison, so a gate that asks for "at least" stays shut.
Impossible input (an empty array, a probability above 1, NaN) is a ``ValueError``.
Where predictions are tied and a measure has to cut between them (bins, deciles, the top tenth), each tied
customer counts with the mean outcome of the tie: what a random order would give on average.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Metric = Callable[[ArrayLike, ArrayLike], float]

BINS = 10
_SMALLEST_CHANCE = 1e-15


def log_losses(y: ArrayLike, p: ArrayLike) -> Floats:
    """Minus the logarithm of the chance that was given to what happened, one per customer.

    Chances are kept 1e-15 away from 0 and 1, so a certain and wrong answer costs 34.5, not infinity.

    Examples
    --------
    >>> log_losses([1, 0], [0.8, 0.8]).round(4)
    array([0.2231, 1.6094])
    """
    y, p = _outcomes(y, p)
    p = np.clip(p, _SMALLEST_CHANCE, 1.0 - _SMALLEST_CHANCE)
    return np.asarray(-np.where(y == 1.0, np.log(p), np.log1p(-p)))


def logit_losses(y: Floats, logits: Floats) -> Floats:
    """Logarithmic loss of each row from the logit of its chance, exact where the chance rounds to 0 or 1."""
    return np.asarray(np.logaddexp(0.0, logits) - y * logits)


def log_loss(y: ArrayLike, p: ArrayLike) -> float:
    """Mean of -ln of the chance given to what happened; 0 is perfect. Good 1952, J. R. Stat. Soc. B 14.

    Defined for one class too.

    Examples
    --------
    >>> round(log_loss([1, 0], [0.8, 0.8]), 4)
    0.9163
    """
    return float(log_losses(y, p).mean())


def brier(y: ArrayLike, p: ArrayLike) -> float:
    """Mean of (y - p) squared; 0 is perfect, 0.25 is what p = 0.5 earns. Brier 1950.

    Examples
    --------
    >>> round(brier([1, 0], [0.8, 0.4]), 4)
    0.1
    """
    y, p = _outcomes(y, p)
    return float(((y - p) ** 2).mean())


def roc_auc(y: ArrayLike, p: ArrayLike) -> float:
    """Chance that a random churner is ranked above a random stayer; a tie counts half.

    From the sum of ranks (Mann and Whitney 1947). NaN where everybody has the same outcome.

    Examples
    --------
    >>> roc_auc([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1])
    0.875
    >>> roc_auc([1, 1], [0.9, 0.4])
    nan
    """
    y, p = _outcomes(y, p)
    positives, negatives = y.sum(), (1.0 - y).sum()
    if positives == 0 or negatives == 0:
        return float("nan")
    _, tie, size = np.unique(p, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(size) - (size - 1) / 2.0
    above = (mean_rank[tie] * y).sum() - positives * (positives + 1) / 2.0
    return float(above / (positives * negatives))


def average_precision(y: ArrayLike, p: ArrayLike) -> float:
    """Precision at every threshold, weighted with the recall gained there; not interpolated.

    Customers with the same ``p`` share a threshold. NaN where everybody has the same outcome.

    Examples
    --------
    >>> round(average_precision([1, 0, 1], [0.9, 0.5, 0.4]), 4)
    0.8333
    """
    y, p = _outcomes(y, p)
    if y.min() == y.max():
        return float("nan")
    _, tie, size = np.unique(-p, return_inverse=True, return_counts=True)
    found = np.bincount(tie, weights=y)
    precision = np.cumsum(found) / np.cumsum(size)
    return float((precision * found).sum() / found.sum())


def expected_calibration_error(y: ArrayLike, p: ArrayLike) -> float:
    """Mean distance between what was said and what happened, over ten groups of like predictions.

    Groups are of equal size in order of ``p``: the sum of n_b / n |mean(y) - mean(p)|. Fewer than ten
    customers are one group each. A perfectly calibrated model does not reach 0: the noise floor is about
    0.02 with 1 400 customers.

    Examples
    --------
    >>> round(expected_calibration_error([1, 0, 1, 0], [0.5, 0.5, 0.5, 0.5]), 4)
    0.0
    """
    return float(np.abs(_group_sums(*_outcomes(y, p))).sum() / np.size(p))


@dataclass(frozen=True)
class LiftAt:
    """How many times more churners are in the top share of the ranking than in a random share.

    The share is of customers, rounded up; 1 is no better than chance. NaN where nobody churned.
    """

    fraction: float

    def __post_init__(self) -> None:
        """Refuse a share that is none."""
        if not 0.0 < self.fraction <= 1.0:
            raise ValueError("fraction is a share of the customers: expected above 0, at most 1.")

    @property
    def __name__(self) -> str:
        """The name under which it is recorded, with the share in percent."""
        return f"lift_at_{self.fraction:.4%}".rstrip("%").rstrip("0").rstrip(".")

    def __call__(self, y: ArrayLike, p: ArrayLike) -> float:
        """Return the rate among the top share over the rate among all."""
        y, p = _outcomes(y, p)
        if y.sum() == 0:
            return float("nan")
        top = int(np.ceil(round(self.fraction * len(y), 9)))
        order = np.argsort(-p, kind="stable")
        return float(_tie_means(y, p)[order][:top].mean() / y.mean())


def lift_at(fraction: float) -> LiftAt:
    """Return the metric "lift among the top share of the ranking".

    Examples
    --------
    >>> lift_at(0.1)([1, 0, 0, 0, 0, 0, 0, 0, 0, 1], [0.9, 0, 0, 0, 0, 0, 0, 0, 0, 0.8])
    5.0
    >>> lift_at(0.1).__name__
    'lift_at_10'
    """
    return LiftAt(fraction)


def normalised_gini(y: ArrayLike, predicted: ArrayLike, *, seed: int = 0) -> float:
    """How well the ranking finds the value: 1 is the perfect order, 0 a random one.

    G(y, predicted) / G(y, y), where G is the mean over ranks of the share of value found so far, in falling
    order of prediction, minus (n + 1) / 2n. Ties are shuffled by ``seed``. NaN where the total is not above 0
    or everybody is worth the same.

    Examples
    --------
    >>> normalised_gini([5.0, 1.0, 0.0], [9.0, 2.0, 1.0])
    1.0
    >>> round(normalised_gini([5.0, 1.0, 0.0], [0.0, 2.0, 9.0]), 4)
    -1.0
    """
    y, predicted = _values(y, predicted)
    if y.sum() <= 0 or y.min() == y.max():
        return float("nan")
    shuffled = np.random.default_rng(seed).permutation(len(y))
    y, predicted = y[shuffled], predicted[shuffled]
    by_prediction, perfect = (y[np.argsort(-rank, kind="stable")] for rank in (predicted, y))
    random = (len(y) + 1) / (2 * len(y)) * y.sum()
    return float((np.cumsum(by_prediction).mean() - random) / (np.cumsum(perfect).mean() - random))


def rmse(y: ArrayLike, predicted: ArrayLike) -> float:
    """Root of the mean squared error, in the unit of ``y``; judges a mean.

    Examples
    --------
    >>> rmse([3.0, 0.0], [0.0, 4.0]) == 12.5**0.5
    True
    """
    y, predicted = _values(y, predicted)
    return float(np.sqrt(((y - predicted) ** 2).mean()))


def mae(y: ArrayLike, predicted: ArrayLike) -> float:
    """Mean absolute error, in the unit of ``y``; judges a median, and rewards a mean for being too low.

    Examples
    --------
    >>> mae([3.0, 0.0], [0.0, 4.0])
    3.5
    """
    y, predicted = _values(y, predicted)
    return float(np.abs(y - predicted).mean())


def bias(y: ArrayLike, predicted: ArrayLike) -> float:
    """Total predicted over total realised, minus 1; NaN where the realised total is not above 0.

    Examples
    --------
    >>> bias([3.0, 1.0], [2.0, 3.0])
    0.25
    """
    y, predicted = _values(y, predicted)
    return float(predicted.sum() / y.sum() - 1.0) if y.sum() > 0 else float("nan")


def decile_wape(y: ArrayLike, predicted: ArrayLike) -> float:
    """Error of the totals of ten groups of like predictions, as a share of the realised total.

    Groups are of equal size in order of prediction: the sum of |total predicted - total realised| over the
    total realised. (A mean of relative errors explodes in groups that bought next to nothing.)
    NaN where the realised total is not above 0.

    Examples
    --------
    >>> decile_wape([3.0, 1.0], [2.0, 3.0])
    0.75
    """
    y, predicted = _values(y, predicted)
    return float(np.abs(_group_sums(y, predicted)).sum() / y.sum()) if y.sum() > 0 else float("nan")


def tweedie_deviances(y: ArrayLike, predicted: ArrayLike, *, power: float = 1.5) -> Floats:
    """Unit deviance of a sum of randomly many payments, one per customer; 0 where y equals the prediction.

    2 (y**(2-k) / ((1-k)(2-k)) - y m**(1-k) / (1-k) + m**(2-k) / (2-k)) with m the prediction and k the power,
    between 1 and 2. Jorgensen 1987, J. R. Stat. Soc. B 49.

    Parameters
    ----------
    y : array_like of shape (n_customers,)
        At least 0: count a net return as 0.
    predicted : array_like of shape (n_customers,)
        Above 0.
    power : float
        Between 1 (Poisson) and 2 (gamma), both excluded.

    Examples
    --------
    >>> tweedie_deviances([0.0, 4.0, 9.0], [4.0, 4.0, 4.0]).round(4)
    array([8., 0., 2.])
    """
    y, predicted = _values(y, predicted)
    if not 1.0 < power < 2.0:  # noqa: PLR2004  (Poisson and gamma)
        raise ValueError("power must lie between 1 and 2, both excluded.")
    if (y < 0).any() or (predicted <= 0).any():
        raise ValueError("The Tweedie deviance needs realised values of at least 0 and predictions above 0.")
    one, two = 1.0 - power, 2.0 - power
    deviance = y**two / (one * two) - y * predicted**one / one + predicted**two / two
    return np.asarray(np.maximum(2.0 * deviance, 0.0))


def tweedie_deviance(y: ArrayLike, predicted: ArrayLike, *, power: float = 1.5) -> float:
    """Mean of :func:`tweedie_deviances`; the loss of a mean of many zeros and few large values.

    Examples
    --------
    >>> tweedie_deviance([0.0, 4.0], [4.0, 4.0])
    4.0
    """
    return float(tweedie_deviances(y, predicted, power=power).mean())


def interval_coverage(y: ArrayLike, low: ArrayLike, high: ArrayLike) -> float:
    """Share of customers whose realised value lies in ``[low, high]``, ends included.

    With many zeros it exceeds the nominal level by construction: judge the share above ``high`` too.

    Examples
    --------
    >>> interval_coverage([0.0, 5.0], [0.0, 1.0], [2.0, 4.0])
    0.5
    """
    realised, low = _values(y, low)
    _, high = _values(y, high)
    if (low > high).any():
        raise ValueError("low must not exceed high.")
    return float(((low <= realised) & (realised <= high)).mean())


def _values(y: ArrayLike, predicted: ArrayLike) -> tuple[Floats, Floats]:
    realised, said = np.asarray(y, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if realised.ndim != 1 or realised.shape != said.shape or not realised.size:
        raise ValueError("Expected two one-dimensional arrays of one length, with at least one customer.")
    if not (np.isfinite(realised).all() and np.isfinite(said).all()):
        raise ValueError("Outcomes and predictions must be finite.")
    return realised, said


def _outcomes(y: ArrayLike, p: ArrayLike) -> tuple[Floats, Floats]:
    happened, said = _values(y, p)
    if not np.isin(happened, (0.0, 1.0)).all():
        raise ValueError("Outcomes must be 0 or 1.")
    if (said < 0).any() or (said > 1).any():
        raise ValueError("Probabilities must lie between 0 and 1.")
    return happened, said


def _tie_means(y: Floats, predicted: Floats) -> Floats:
    _, tie, size = np.unique(predicted, return_inverse=True, return_counts=True)
    return np.asarray((np.bincount(tie, weights=y) / size)[tie])


def _group_sums(y: Floats, predicted: Floats) -> Floats:
    """Total of y - predicted in each of ten equal groups, in order of prediction."""
    order = np.argsort(predicted, kind="stable")
    surplus = (_tie_means(y, predicted) - predicted)[order]
    return np.array([group.sum() for group in np.array_split(surplus, BINS)])
