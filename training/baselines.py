"""What every model must beat: the rules that marketing already has.

``SilenceRule`` is the rule in most use ("silent for more than half a year: lost"), ``RecencyRule`` what can
be made of the days since the last purchase at best, ``RfmChance`` and ``RfmValue`` the scores of recency,
frequency and amount.  The other baselines, BG/NBD and Gamma-Gamma alone, are the priors themselves.
"""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
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
        self.classes_, churned = _two_classes(labels)
        days = _column(table, self.column)
        self._rates = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(days, churned)
        self.threshold_ = _best_threshold(days, churned)
        return self

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Chance of each class, shape ``(n_customers, n_classes)``."""
        check_is_fitted(self)
        chance = self._rates.predict(
            _column(validate_data(self, X, dtype=np.float64, reset=False), self.column)
        )
        return _both(chance, self.classes_)

    def predict(self, X: ArrayLike) -> NDArray[np.generic]:
        """Return the likelier class, shape ``(n_customers,)``; the hard rule is `silent_too_long`."""
        likelier = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[likelier])

    def silent_too_long(self, X: ArrayLike) -> NDArray[np.bool_]:
        """Whether the silence is longer than ``threshold_``: the rule as marketing says it."""
        check_is_fitted(self)
        days = _column(validate_data(self, X, dtype=np.float64, reset=False), self.column)
        return np.asarray(days > self.threshold_)

    def __sklearn_tags__(self) -> Tags:
        """One column and two classes: no rival for general data."""
        return _two_class_tags(super().__sklearn_tags__())


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


_YEAR, _HALVINGS = 365.0, 7


class SilenceRule(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Who has been silent for longer than w is lost, w being the best of a year and its halvings.

    The windows halve from 365 days to about three.  The best is the one with the lowest log-loss on the rows
    that it is fitted to, where both sides are given their own churn rate, drawn to the common one by one row.

    Parameters
    ----------
    column : int
        Position of days since the last purchase.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    window_ : float
        Days of silence after which a customer is called lost.
    rates_ : float64 array (2,)
        Churn rate of those silent for at most ``window_`` days, and for more.

    Examples
    --------
    >>> rule = SilenceRule().fit([[5], [10], [300], [100], [200]], [0, 0, 1, 1, 1])
    >>> rule.window_, rule.predict_proba([[91], [92]])[:, 1].round(2)
    (91.25, array([0.2, 0.9]))
    """

    def __init__(self, column: int = 0) -> None:
        self.column = column

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Choose the window from rows of shape ``(n_customers, n_features)``."""
        table, labels = validate_data(self, X, y, dtype=np.float64)
        self.classes_, churned = _two_classes(labels)
        days = _column(table, self.column)
        windows = _YEAR / 2.0 ** np.arange(_HALVINGS)
        fits = [self._rates(days > window, churned) for window in windows]
        best = int(np.argmin([loss for loss, _ in fits]))
        self.window_, self.rates_ = float(windows[best]), fits[best][1]
        return self

    @staticmethod
    def _rates(late: NDArray[np.bool_], churned: Floats) -> tuple[float, Floats]:
        """Log-loss of a window, and the churn rates on its two sides."""
        mean = churned.mean()
        rows = np.bincount(late, minlength=2)
        lost = np.bincount(late, weights=churned, minlength=2)
        rates = (lost + mean) / (rows + 1.0)
        inside = np.clip(rates, 1e-12, 1 - 1e-12)
        return float(-(lost * np.log(inside) + (rows - lost) * np.log1p(-inside)).sum()), rates

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Chance of each class, shape ``(n_customers, n_classes)``."""
        check_is_fitted(self)
        days = _column(validate_data(self, X, dtype=np.float64, reset=False), self.column)
        return _both(self.rates_[(days > self.window_).astype(np.int64)], self.classes_)

    def predict(self, X: ArrayLike) -> NDArray[np.generic]:
        """Return the likelier class, shape ``(n_customers,)``."""
        check_is_fitted(self)
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def __sklearn_tags__(self) -> Tags:
        """One column and two classes: no rival for general data."""
        return _two_class_tags(super().__sklearn_tags__())


class RfmChance(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """P(churn) from scores of 1 to 5 for recency, frequency and amount: a logistic regression on the fifths.

    Each column is cut at the fifths of the rows that it is fitted to; every fifth has its own coefficient,
    so a
    score need not rise evenly.  For days since the last purchase, purchase days and amount, in any order.

    Examples
    --------
    >>> rfm = RfmChance().fit(np.arange(40.0)[:, None], np.repeat([0, 1], 20))
    >>> rfm.predict_proba([[1.0], [39.0]])[:, 1].round(1)
    array([0.4, 0.8])
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn fifths and coefficients from rows of shape ``(n_customers, n_features)``."""
        table, labels = validate_data(self, X, y, dtype=np.float64)
        self.classes_, churned = _two_classes(labels)
        self.cuts_ = fifths(table)
        if len(self.classes_) > 1:
            model = LogisticRegression(C=1.0, max_iter=500)
            self.model_ = model.fit(_indicators(scores(table, self.cuts_)), churned)
        return self

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Chance of each class, shape ``(n_customers, n_classes)``."""
        check_is_fitted(self)
        table = validate_data(self, X, dtype=np.float64, reset=False)
        if len(self.classes_) == 1:
            return np.ones((len(table), 1))
        return np.asarray(self.model_.predict_proba(_indicators(scores(table, self.cuts_))))

    def predict(self, X: ArrayLike) -> NDArray[np.generic]:
        """Return the likelier class, shape ``(n_customers,)``."""
        check_is_fitted(self)
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def __sklearn_tags__(self) -> Tags:
        """Two classes: no rival for general data."""
        return _two_class_tags(super().__sklearn_tags__())


class RfmValue(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Expected value from scores of 1 to 5 for recency, frequency and amount: the mean of each cell.

    A cell of few customers is drawn to the mean of all by ten rows.  The mean is never below a millionth
    of that
    of all, so that a deviance can be computed; negative values count as they are.

    Parameters
    ----------
    prior_rows : float
        How many rows of the mean of all every cell is given.

    Examples
    --------
    >>> rfm = RfmValue().fit(np.arange(100.0)[:, None], np.repeat([0.0, 10.0], 50))
    >>> rfm.predict([[1.0], [99.0]]).round(2)
    array([1.67, 8.33])
    """

    def __init__(self, prior_rows: float = 10.0) -> None:
        self.prior_rows = prior_rows

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn fifths and means from rows of shape ``(n_customers, n_features)``."""
        table, value = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        self.cuts_ = fifths(table)
        cells = _cells(scores(table, self.cuts_))
        self.cells_, which, rows = np.unique(cells, return_inverse=True, return_counts=True)
        self.mean_ = float(np.mean(value))
        totals = np.bincount(which, weights=value) + self.prior_rows * self.mean_
        least = max(self.mean_ * 1e-6, 1e-9) if self.mean_ > 0 else -np.inf
        self.means_ = np.maximum(totals / (rows + self.prior_rows), least)
        return self

    def predict(self, X: ArrayLike) -> Floats:
        """Mean value of each customer's cell, of all where the cell is new; shape ``(n_customers,)``."""
        check_is_fitted(self)
        cells = _cells(scores(validate_data(self, X, dtype=np.float64, reset=False), self.cuts_))
        at = np.minimum(np.searchsorted(self.cells_, cells), len(self.cells_) - 1)
        return np.where(self.cells_[at] == cells, self.means_[at], self.mean_)

    def __sklearn_tags__(self) -> Tags:
        """Means of cells: no rival for general data."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags


def fifths(table: Floats) -> Floats:
    """Cuts between fifths of the rows, shape ``(4, n_columns)``."""
    return np.quantile(table, [0.2, 0.4, 0.6, 0.8], axis=0)


def scores(table: Floats, cuts: Floats) -> NDArray[np.int64]:
    """Score of each value, 0 to 4: above how many cuts it lies.

    Examples
    --------
    >>> scores(np.array([[1.0], [5.0], [9.0]]), np.array([[2.0], [4.0], [6.0], [8.0]]))
    array([[0],
           [2],
           [4]])
    """
    return np.asarray((table[None, :, :] > cuts[:, None, :]).sum(axis=0))


def _indicators(scored: NDArray[np.int64]) -> Floats:
    """One column for each score above the lowest."""
    return np.concatenate([(scored == score).astype(np.float64) for score in range(1, 5)], axis=1)


def _cells(scored: NDArray[np.int64]) -> NDArray[np.int64]:
    """One number for each combination of the first scores; more columns than a cell can hold are left out."""
    kept = scored[:, :_COLUMNS_OF_A_CELL]
    return np.asarray(kept @ 5 ** np.arange(kept.shape[1]))


_COLUMNS_OF_A_CELL = 8


def _column(table: Floats, position: int) -> Floats:
    if not -table.shape[1] <= position < table.shape[1]:
        raise ValueError(f"column {position} is not among the {table.shape[1]} columns of X.")
    return table[:, position]


def _two_classes(labels: NDArray[np.generic]) -> tuple[NDArray[np.generic], Floats]:
    """At most two classes, and 1 for every row of the last."""
    check_classification_targets(labels)
    classes, churn = np.unique(labels, return_inverse=True)
    if len(classes) > 2:  # noqa: PLR2004  (churned or not)
        kind = type_of_target(labels, input_name="y")
        raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
    return classes, churn.astype(np.float64)


def _both(chance: Floats, classes: NDArray[np.generic]) -> Floats:
    if len(classes) == 1:
        return np.ones((len(chance), 1))
    return np.column_stack([1.0 - chance, chance])


def _two_class_tags(tags: Tags) -> Tags:
    tags.classifier_tags.multi_class = False
    tags.classifier_tags.poor_score = True
    return tags
