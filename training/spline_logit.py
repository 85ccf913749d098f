"""A logit that is a sum of one smooth function per input: exact reasons, few parameters, calibrated.

Every numeric input becomes a cubic spline on quantile knots, every indicator a step; a missing number takes
the median and a step of its own.  The weights are shrunk (ridge), the intercept is not.  Generalised additive
models: Hastie and Tibshirani 1990; splines with a ridge: Eilers and Marx 1996, Statistical Science 11.
Nothing about the shape of the functions is learnt from the labels, only their heights.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.interpolate import BSpline
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

from features.events import Numbers

FEW_VALUES = 8
"""An input with at most so many values is a straight line (an indicator: a step)."""
KNOTS, _DEGREE = 6, 3
MOST_PAIRED = 8
"""Ratios and products are formed between at most so many amounts; with more, logarithms alone."""
_LOOKED_AT = 100_000
_STEPS, _TOLERANCE = 60, 1e-11


@dataclass(frozen=True)
class Term:
    """One summand: of an input, of its logarithm, or of the log-product or log-ratio of two inputs.

    Attributes
    ----------
    first : int
        Column of X.
    second : int
        The other column of a pair; -1: none.
    sign : float
        +1 for the product, -1 for the ratio of a pair; 1 for a logarithm; 0 for the input as it is.
    first_offset, second_offset : float
        Added before the logarithm, so that zero has one.
    knots : sequence of float
        Ends of the spline's pieces; empty for a straight line.
    scale, middle : float
        The divisor of a straight line; the median, which a missing number takes.
    missing : bool
        Whether missing numbers were seen, and have a step of their own.
    """

    first: int
    second: int = -1
    sign: float = 0.0
    first_offset: float = 0.0
    second_offset: float = 0.0
    knots: tuple[float, ...] = ()
    scale: float = 1.0
    middle: float = 0.0
    missing: bool = False

    def values(self, X: Numbers) -> Numbers:
        """What the function is a function of, shape (n_rows,); NaN where an input is missing."""
        if not self.sign:
            return X[:, self.first]
        found = _log(X[:, self.first], self.first_offset)
        if self.second >= 0:
            found = found + self.sign * _log(X[:, self.second], self.second_offset)
        return found

    def shaped(self, values: Numbers) -> Self:
        """The same term with knots, scale and median taken from the values of the training rows."""
        seen = values[~np.isnan(values)]
        distinct = np.unique(seen[:_LOOKED_AT])
        settings: dict[str, Any] = asdict(self) | {
            "middle": float(np.median(seen)),
            "missing": len(seen) < len(values),
        }
        if len(distinct) > FEW_VALUES:
            knots = np.unique(np.quantile(seen, np.linspace(0, 1, KNOTS)))
            settings["knots"] = tuple(float(knot) for knot in knots) if len(knots) > 1 else ()
        if not settings["knots"]:
            is_step = np.isin(distinct, (0.0, 1.0)).all() or len(distinct) < 2  # noqa: PLR2004  (constant)
            settings["scale"] = 1.0 if is_step else float(seen.std())
        return type(self)(**settings)

    @property
    def n_weights(self) -> int:
        """How many columns of the design belong to the term."""
        return (len(self.knots) + _DEGREE - 1 if self.knots else 1) + self.missing

    def design(self, X: Numbers) -> Numbers:
        """Its columns of the design, shape (n_rows, n_weights)."""
        filled, absent = self._filled(X)
        if self.knots:
            columns = BSpline.design_matrix(filled, _padded(self.knots), _DEGREE).toarray()
        else:
            columns = (filled / self.scale)[:, None]
        return np.column_stack([columns, absent]) if self.missing else np.asarray(columns)

    def function(self, X: Numbers, weights: Numbers) -> Numbers:
        """Its summand in every row, shape (n_rows,); no row depends on another."""
        filled, absent = self._filled(X)
        own = weights[:-1] if self.missing else weights
        if self.knots:
            summand = BSpline(_padded(self.knots), own, _DEGREE)(filled)
        else:
            summand = filled / self.scale * own[0]
        return np.asarray(summand + absent * weights[-1] if self.missing else summand)

    def _filled(self, X: Numbers) -> tuple[Numbers, Numbers]:
        """Values without gaps and inside the knots, and 1 where there was a gap."""
        values = self.values(X)
        absent = np.isnan(values)
        filled = np.where(absent, self.middle, values)
        if self.knots:
            filled = np.clip(filled, self.knots[0], self.knots[-1])
        return filled, absent.astype(np.float64)


def terms_of(X: Numbers, *, with_logs: bool) -> tuple[Term, ...]:
    """Choose the terms from the inputs alone, never from the labels.

    Parameters
    ----------
    X : float64 array (n_rows, n_inputs)
        NaN is missing.
    with_logs : bool
        Add logarithms of the amounts (numbers that are never negative), and their products and ratios
        where there are few of them: a price against the last price, a total against a monthly charge.

    Returns
    -------
    tuple of Term
        Constant inputs and inputs that are missing everywhere have none.
    """
    chosen = [Term(column) for column in range(X.shape[1]) if _tells(X[:, column])]
    terms = [term.shaped(term.values(X)) for term in chosen]
    if with_logs:
        amounts = [t.first for t in terms if t.knots and np.nanmin(X[:, t.first]) >= 0]
        terms += [term.shaped(term.values(X)) for term in _logs(X, amounts)]
    return tuple(terms)


def _tells(column: Numbers) -> bool:
    """Whether a column has two answers; missing is one."""
    seen = column[~np.isnan(column)]
    return len(seen) > 0 and (len(seen) < len(column) or bool((seen != seen[0]).any()))


def _logs(X: Numbers, amounts: list[int]) -> list[Term]:
    offset = {column: _offset(X[:, column]) for column in amounts}
    found = [Term(one, sign=1.0, first_offset=offset[one]) for one in amounts]
    if len(amounts) <= MOST_PAIRED:
        found += [
            Term(one, two, sign, offset[one], offset[two])
            for place, one in enumerate(amounts)
            for two in amounts[:place]
            for sign in (-1.0, 1.0)
        ]
    return [term for term in found if _tells(term.values(X))]


def _offset(column: Numbers) -> float:
    """What zero counts as in a logarithm: a small amount that was seen."""
    positive = column[column > 0]
    return 0.0 if np.nanmin(column) > 0 else float(np.quantile(positive, 0.05))


def _log(column: Numbers, offset: float) -> Numbers:
    """Logarithm of an amount; what is below everything seen counts as the least."""
    return np.asarray(np.log(np.maximum(column + offset, np.finfo(np.float64).tiny)))


def _padded(knots: tuple[float, ...]) -> Numbers:
    """Knots of a clamped spline: the ends repeated."""
    return np.concatenate([[knots[0]] * _DEGREE, knots, [knots[-1]] * _DEGREE])


def design_of(terms: tuple[Term, ...], X: Numbers) -> Numbers:
    """All columns of the design, shape (n_rows, n_weights); one of zeros where there is no term."""
    return np.column_stack([term.design(X) for term in terms]) if terms else np.zeros((len(X), 1))


def solve(
    design: Numbers, y: Numbers, strength: float, start: Numbers | None = None, offset: Numbers | float = 0.0
) -> Numbers:
    """Weights and, last, the intercept: the maximum of the ridge likelihood, by Newton's method.

    Minimises ``|w|² / (2 strength) + Σ log-loss``; the intercept is free.  It is strictly convex where both
    outcomes are there, so there is one answer, whatever the start.

    Parameters
    ----------
    design : float64 array (n_rows, n_weights)
    y : float64 array (n_rows,)
        0 or 1, both present.
    strength : float
        The C of the usual libraries: small is shrunk more.
    start : float64 array (n_weights + 1,) or None
        Where to begin.
    offset : float64 array (n_rows,) or float
        The logit of each row before anything is added.

    Returns
    -------
    float64 array (n_weights + 1,)
    """
    if start is None:
        level = np.log(y.mean() / (1 - y.mean())) - np.mean(offset)
        start = np.append(np.zeros(design.shape[1]), level)
    w = start
    ridge = np.append(np.full(design.shape[1], 1 / strength), 0.0)
    full = np.column_stack([design, np.ones(len(y))])
    loss = _loss(full, y, w, ridge, offset)
    for _ in range(_STEPS):
        p = expit(offset + full @ w)
        slope = full.T @ (p - y) + ridge * w
        curvature = (full * np.maximum(p * (1 - p), 1e-12)[:, None]).T @ full + np.diag(ridge)
        step = cho_solve(cho_factor(curvature), slope)
        size = 1.0
        while (reached := _loss(full, y, w - size * step, ridge, offset)) > loss and size > 1e-6:  # noqa: PLR2004  (a hair)
            size /= 2
        w, gain, loss = w - size * step, loss - reached, reached
        if gain <= _TOLERANCE * max(loss, 1.0):
            break
    return np.asarray(w)


def _loss(design: Numbers, y: Numbers, w: Numbers, ridge: Numbers, offset: Numbers | float) -> float:
    logits = offset + design @ w
    return float((np.logaddexp(0.0, logits) - y * logits).sum() + 0.5 * (ridge * w * w).sum())


@dataclass(frozen=True)
class SplineLogit:
    """A fitted sum of functions.

    Attributes
    ----------
    terms : tuple of Term
    weights : tuple of sequence of float
        For each term its weights.
    means : sequence of float
        For each term its mean over the training rows: a contribution is what differs from it.
    intercept : float
    n_inputs : int
    """

    terms: tuple[Term, ...]
    weights: tuple[tuple[float, ...], ...]
    means: tuple[float, ...]
    intercept: float
    n_inputs: int

    @classmethod
    def assemble(cls, terms: tuple[Term, ...], X: Numbers, solution: Numbers) -> Self:
        """Make it from the solution of `solve` on the design of the same terms."""
        ends = np.cumsum([term.n_weights for term in terms])
        parts = np.split(solution[:-1], ends)[: len(terms)]
        means = [float(t.function(X, part).mean()) for t, part in zip(terms, parts, strict=True)]
        own = tuple(tuple(float(w) for w in part) for part in parts)
        return cls(terms, own, tuple(means), float(solution[-1]), X.shape[1])

    def decision_function(self, X: Numbers) -> Numbers:
        """Logit of every row, shape (n_rows,)."""
        total = np.full(len(X), self.intercept)
        for term, weights in zip(self.terms, self.weights, strict=True):
            total += term.function(X, np.array(weights))
        return total

    def contributions(self, X: Numbers) -> Numbers:
        """What each input adds to the mean customer's logit, shape (n_rows, n_inputs + 1), the mean last.

        A pair's summand is shared in halves.
        """
        found = np.zeros((len(X), self.n_inputs + 1))
        found[:, -1] = self.intercept + sum(self.means)
        for term, weights, mean in zip(self.terms, self.weights, self.means, strict=True):
            owners = [term.first] if term.second < 0 else [term.first, term.second]
            for owner in owners:
                found[:, owner] += (term.function(X, np.array(weights)) - mean) / len(owners)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "terms": [asdict(term) | {"knots": list(term.knots)} for term in self.terms],
            "weights": [list(weights) for weights in self.weights],
            "means": list(self.means),
            "intercept": self.intercept,
            "n_inputs": self.n_inputs,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make the logit that `to_dict` wrote."""
        return cls(
            tuple(Term(**term | {"knots": tuple(term["knots"])}) for term in data["terms"]),
            tuple(tuple(weights) for weights in data["weights"]),
            tuple(data["means"]),
            data["intercept"],
            data["n_inputs"],
        )


def logits_of(solution: Numbers, design: Numbers) -> npt.NDArray[np.float64]:
    """Logits of rows whose design is at hand, shape (n_rows,)."""
    return np.asarray(design @ solution[:-1] + solution[-1])
