"""What every model must beat: the rule that marketing already has.

The other baselines, BG/NBD and Gamma-Gamma alone, are the priors themselves: see `training.inputs`.
"""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.isotonic import IsotonicRegression
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

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
