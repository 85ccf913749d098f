"""What every model must beat: the rule marketing already has, and the purchase models alone.

- :class:`RecencyRule`: the longer the silence, the likelier it lasts. One column, no model.
- :class:`BtydChurn`, :class:`BtydValue`: BG/NBD and Gamma-Gamma with nothing on top.

They read columns by position, days and currency units, one row per customer.
"""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.isotonic import IsotonicRegression
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from training.btyd import BgNbd, GammaGamma

Floats = NDArray[np.float64]


class RecencyRule(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """P(churn) as a rising function of days since the last purchase.

    Churn rates of the training rows are pooled until they rise (isotonic regression, Barlow et al. 1972):
    calibrated on those rows, and free of any choice of bins. Between two silences seen the rate is
    interpolated; shorter or longer ones than all seen get the first or last rate.

    Parameters
    ----------
    column : int
        Position of days since the last purchase.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        At most two; the last one is churn. With one class only, it is certain.
    threshold_ : float
        Days of silence after which the hard rule calls a customer lost: where the share of churners caught
        minus the share of false alarms is largest (Youden 1950), halfway between two silences seen.

    Examples
    --------
    >>> rule = RecencyRule().fit([[5], [10], [40], [80], [90]], [0, 0, 1, 0, 1])
    >>> rule.predict_proba([[7], [60], [400]])[:, 1]
    array([0. , 0.5, 1. ])
    >>> rule.threshold_, rule.silent_too_long([[30], [20]])
    (25.0, array([ True, False]))
    """

    def __init__(self, column: int = 0) -> None:
        self.column = column

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn the rates and the threshold from rows of shape ``(n_customers, n_features)``."""
        table, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_, churn = np.unique(labels, return_inverse=True)
        if len(self.classes_) > 2:  # noqa: PLR2004  (churned or not)
            kind = type_of_target(labels, input_name="y")
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        days, churned = self._days(table), churn.astype(np.float64)
        self._rates = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(days, churned)
        self.threshold_ = _best_threshold(days, churned)
        return self

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Chance of each class, shape ``(n_customers, n_classes)``."""
        check_is_fitted(self)
        chance = self._rates.predict(self._days(validate_data(self, X, dtype=np.float64, reset=False)))
        if len(self.classes_) == 1:
            return np.ones((len(chance), 1))
        return np.column_stack([1.0 - chance, chance])

    def predict(self, X: ArrayLike) -> NDArray[np.generic]:
        """Return the likelier class, shape ``(n_customers,)``; the hard rule is `silent_too_long`."""
        likelier = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[likelier])

    def silent_too_long(self, X: ArrayLike) -> NDArray[np.bool_]:
        """Whether the silence is longer than ``threshold_``: the rule as marketing says it."""
        check_is_fitted(self)
        days = self._days(validate_data(self, X, dtype=np.float64, reset=False))
        return np.asarray(days > self.threshold_)

    def _days(self, X: Floats) -> Floats:
        if not -X.shape[1] <= self.column < X.shape[1]:
            raise ValueError(f"column {self.column} is not among the {X.shape[1]} columns of X.")
        return X[:, self.column]

    def __sklearn_tags__(self) -> Tags:
        """One column and two classes: no rival for general data."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True
        return tags


def _best_threshold(days: Floats, churned: Floats) -> float:
    """Youden's cut: halfway between neighbouring silences, or above all of them if no cut is any good."""
    silences, which, size = np.unique(days, return_inverse=True, return_counts=True)
    lost = np.bincount(which, weights=churned)
    kept = size - lost
    if not lost.sum() or not kept.sum():
        return float(silences[-1]) if not lost.sum() else float(np.nextafter(silences[0], -np.inf))
    gain = np.cumsum(kept) / kept.sum() - np.cumsum(lost) / lost.sum()
    best = int(gain.argmax())
    if best == len(silences) - 1:
        return float(silences[-1])
    return float((silences[best] + silences[best + 1]) / 2.0)


class BtydChurn(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """P(no purchase in the outcome window) of a BG/NBD model fitted on these customers' own histories.

    It needs no labels: what happened before the cutoff is all it uses. P(alive) is not used, because it is 1
    for every customer who bought once.

    Parameters
    ----------
    horizon_days : float
        Length of the outcome window.
    gap_days : float
        Days from the cutoff to the outcome window.
    columns : tuple of int
        Positions of repeat purchases, days from first to last purchase, days from first purchase to cutoff.

    Attributes
    ----------
    model_ : BgNbd
    classes_ : ndarray
        0 (buys again) and 1 (churns).
    """

    def __init__(
        self, horizon_days: float = 90.0, gap_days: float = 0.0, columns: tuple[int, int, int] = (0, 1, 2)
    ) -> None:
        self.horizon_days = horizon_days
        self.gap_days = gap_days
        self.columns = columns

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:  # noqa: ARG002  (the sklearn interface)
        """Fit the purchase model to rows of shape ``(n_customers, n_features)``; ``y`` is not looked at.

        Raises
        ------
        QuestionError
            Too few customers or no repeat purchase, see `training.btyd.BgNbd.fit`.
        """
        self.model_ = BgNbd.fit(*_columns(validate_data(self, X, dtype=np.float64), self.columns))
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Chance of buying again and of churn, shape ``(n_customers, 2)``."""
        check_is_fitted(self)
        x, t_x, T = _columns(validate_data(self, X, dtype=np.float64, reset=False), self.columns)
        churn = self.model_.probability_no_purchase(self.horizon_days, x, t_x, T, gap_days=self.gap_days)
        return np.column_stack([1.0 - churn, churn])

    def predict(self, X: ArrayLike) -> NDArray[np.generic]:
        """Return the likelier class, shape ``(n_customers,)``."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])


class BtydValue(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Expected margin in the outcome window: BG/NBD purchases times Gamma-Gamma mean value times margin.

    Like `BtydChurn` it needs no labels. The mean value is that of all purchases before the cutoff, the first
    one included, so it rests on ``x + 1`` of them.

    Parameters
    ----------
    horizon_days, gap_days : float
        Length of the outcome window, and days from the cutoff to it.
    margin : float
        Share of a purchase that is earned; a discount factor may be multiplied in.
    columns : tuple of int
        Positions of repeat purchases, days from first to last purchase, days from first purchase to cutoff,
        mean value of a purchase.

    Attributes
    ----------
    model_ : BgNbd
    spend_ : GammaGamma
    """

    def __init__(
        self,
        horizon_days: float = 90.0,
        gap_days: float = 0.0,
        margin: float = 1.0,
        columns: tuple[int, int, int, int] = (0, 1, 2, 3),
    ) -> None:
        self.horizon_days = horizon_days
        self.gap_days = gap_days
        self.margin = margin
        self.columns = columns

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:  # noqa: ARG002  (the sklearn interface)
        """Fit both models to rows of shape ``(n_customers, n_features)``; ``y`` is not looked at.

        Raises
        ------
        QuestionError
            Too few customers, no repeat purchase, or no positive mean value.
        """
        x, t_x, T, mean_value = _columns(validate_data(self, X, dtype=np.float64), self.columns)
        self.model_ = BgNbd.fit(x, t_x, T)
        self.spend_ = GammaGamma.fit(x + 1.0, mean_value)
        return self

    def predict(self, X: ArrayLike) -> Floats:
        """Return the expected margin, in currency units, shape ``(n_customers,)``."""
        check_is_fitted(self)
        table = validate_data(self, X, dtype=np.float64, reset=False)
        x, t_x, T, mean_value = _columns(table, self.columns)
        purchases = self.model_.expected_purchases(self.gap_days + self.horizon_days, x, t_x, T)
        if self.gap_days:
            purchases -= self.model_.expected_purchases(self.gap_days, x, t_x, T)
        return np.asarray(purchases * self.spend_.expected_mean(x + 1.0, mean_value) * self.margin)


def _columns(X: Floats, positions: tuple[int, ...]) -> list[Floats]:
    if max(positions) >= X.shape[1]:
        raise ValueError(f"columns {positions} are not among the {X.shape[1]} columns of X.")
    return [X[:, position] for position in positions]
