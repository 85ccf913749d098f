"""The log-likelihood of the models in which a customer may leave after a purchase, with exact derivatives.

BG/NBD, MBG/NBD and MBG/CNBD-k differ in two numbers: whether the first purchase may be the last one, and how
many stages a customer passes between two purchases (1 of them: purchases at random; more: regular ones).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import special

from training.btyd.climbing import Climb, Floats, Summit, best_of, in_logs
from training.btyd.histories import Histories

NAMES = ("r", "alpha", "a", "b")

# r, a, b; alpha follows from the mean rate. Heterogeneous shops, the paper's shop, loyal shops.
_STARTS = ((0.3, 1.0, 3.0), (1.0, 0.3, 1.0), (3.0, 0.05, 1.0))
# Beyond these a population cannot be told from one of equal customers, and the formulas lose digits.
_LOWER = np.log([1e-4, 1e-6, 1e-6, 1e-6])
_UPPER = np.log([1e3, 1e9, 1e3, 1e6])


def fit(likelihood: "LeavingAfterPurchases", *more_starts: Floats) -> Summit:
    """Climb to the most likely r, alpha, a, b."""
    rate = likelihood.rows.mean_rate * likelihood.stages
    starts = [*more_starts, *(np.log([r, r / rate, a, b]) for r, a, b in _STARTS)]
    return best_of(likelihood, starts, (_LOWER, _UPPER))


@dataclass(frozen=True)
class LeavingAfterPurchases:
    """Log-likelihood of purchase histories in which customers leave after purchases.

    Equation 6 of Fader, Hardie and Lee 2005 for the BG/NBD, a product of four factors that are handled one by
    one; those that depend on the count alone are summed once per count. With ``at_once`` and ``stages`` it is
    the likelihood of Batislam, Denizel and Filiztekin 2007 (MBG/NBD) and of Reutterer, Platzer and Schroeder
    2021 (MBG/CNBD-k).

    With more than one stage the days of all purchases would be needed for the constant that tells one ``k``
    from another. Instead the likelihood is that of the last purchase day alone, relative to what it would be
    if the purchases before it were spread at random, so that likelihoods of all models can be compared.
    """

    rows: Histories
    stages: int
    at_once: bool
    """Whether a customer may leave after the first purchase."""
    passed: Floats
    """Customers who passed more than j stages up to their last purchase, for j = 0, 1, 2 and so on."""
    stayed: Floats
    """Customers who stayed after more than j purchases, not counting the chance to leave after the last."""
    constant: float

    @classmethod
    def of(cls, rows: Histories, *, stages: int = 1, at_once: bool = False) -> Self:
        """Count what is needed of some histories."""
        more_than = rows.more_than()
        stayed = np.concatenate(([rows.n_customers], more_than)) if at_once else more_than
        constant = _of_days_between(rows, stages) if stages > 1 else 0.0
        return cls(rows, stages, at_once, np.repeat(more_than, stages), stayed, constant)

    def thinned(self) -> Self:
        """Every k-th row, some thousands of them, to look for the neighbourhood of the maximum."""
        return self.of(self.rows.thinned(), stages=self.stages, at_once=self.at_once)

    @property
    def n_customers(self) -> float:
        """How many customers the rows stand for."""
        return self.rows.n_customers

    def __call__(self, theta: Floats) -> Climb:
        """Log-likelihood at the logarithms of r, alpha, a, b."""
        r, alpha, a, b = np.exp(theta)
        parts = (
            _of_counts(self.passed, self.stayed, r, a, b),
            _of_silence(self.rows, self.stages, r, alpha),
            self._of_the_end(r, alpha, a, b),
        )
        value, gradient, hessian = in_logs(parts, np.exp(theta))
        return value + self.constant, gradient, hessian

    def _of_the_end(self, r: float, alpha: float, a: float, b: float) -> Climb:
        """ln(waiting + chance of having left), for those who may have left; rows are in order of ``x``."""
        rows = self.rows
        some = slice(0 if self.at_once else int(np.searchsorted(rows.x, 0.5)), None)
        w, x, t_x, T = rows.weights[some], rows.x[some], rows.t_x[some], rows.T[some]
        n, stay = r + self.stages * x, b + x - (not self.at_once)
        seen, span = alpha + t_x, alpha + T
        silence, slope = np.log1p((T - t_x) / seen), -(T - t_x) / (seen * span)
        odds = np.log(a / stay) + n * silence
        slopes = [silence, n * slope, np.full_like(x, 1.0 / a), -1.0 / stay]
        waiting = None
        if self.stages > 1:
            waiting = _waiting_in_stages(self.stages, n, (T - t_x) / span, span)
            odds -= waiting[0]
            slopes[0], slopes[1] = slopes[0] - waiting[1], slopes[1] - waiting[2]
        left = special.expit(odds)
        once = w * left
        gradient = np.array([(once * by).sum() for by in slopes])
        hessian = _products(w * left * (1.0 - left), slopes)
        hessian[:2, :2] += _symmetric(
            0.0, (once * slope).sum(), -(once * n * slope * (1.0 / seen + 1.0 / span)).sum()
        )
        hessian[2, 2] -= once.sum() / a**2
        hessian[3, 3] += (once / stay**2).sum()
        value = (w * np.logaddexp(0.0, odds)).sum()
        if waiting:
            value += (w * waiting[0]).sum()
            gradient[:2] += [(w * by).sum() for by in waiting[1:3]]
            hessian[:2, :2] += _symmetric(*(((w - once) * by).sum() for by in waiting[3:]))
        return value, gradient, hessian


def _products(weights: Floats, slopes: list[Floats]) -> Floats:
    """Sum the products of all pairs of slopes."""
    sums = np.empty((len(slopes), len(slopes)))
    for i, slope in enumerate(slopes):
        weighted = weights * slope
        for j in range(i, len(slopes)):
            sums[i, j] = sums[j, i] = (weighted * slopes[j]).sum()
    return sums


def _symmetric(first: float, mixed: float, second: float) -> Floats:
    return np.array([[first, mixed], [mixed, second]])


def _of_days_between(rows: Histories, stages: int) -> float:
    """Density of the last purchase day with ``stages`` stages, relative to purchases at random."""
    again = rows.x > 0
    w, x, t_x = rows.weights[again], rows.x[again], rows.t_x[again]
    with np.errstate(divide="ignore"):  # two purchases at one instant rule out regularity
        logs = (stages - 1) * x * np.log(t_x)
    return float((w * (logs + special.gammaln(x) - special.gammaln(stages * x))).sum())


def _of_counts(passed: Floats, stayed: Floats, r: float, a: float, b: float) -> Climb:
    """Γ(r+kx)/Γ(r) · B(a, b+x)/B(a, b) as sums over j < x, where a difference of log gammas loses digits."""
    rate = r + np.arange(len(passed), dtype=np.float64)
    j = np.arange(len(stayed), dtype=np.float64)
    stay, end = b + j, a + b + j
    value = (passed * np.log(rate)).sum() - (stayed * np.log1p(a / stay)).sum()
    gradient, hessian = np.zeros(4), np.zeros((4, 4))
    gradient[0] = (passed / rate).sum()
    gradient[2] = -(stayed / end).sum()
    gradient[3] = (stayed * a / (stay * end)).sum()
    hessian[0, 0] = -(passed / rate**2).sum()
    hessian[2:, 2:] = (stayed / end**2).sum()
    hessian[3, 3] -= (stayed / stay**2).sum()
    return value, gradient, hessian


def _of_silence(rows: Histories, stages: int, r: float, alpha: float) -> Climb:
    """alpha**r / (alpha+T)**(r+kx): the purchases and the waiting of a customer who is still active."""
    w, x, T = rows.weights, stages * rows.x, rows.T
    span, waiting = alpha + T, np.log1p(T / alpha)
    per_day = w / span
    value = -(w * (r * waiting + x * np.log(span))).sum()
    mixed = (per_day * T).sum() / alpha
    gradient = np.array([-(w * waiting).sum(), r * mixed - (per_day * x).sum(), 0.0, 0.0])
    hessian = np.zeros((4, 4))
    hessian[0, 1] = hessian[1, 0] = mixed
    hessian[1, 1] = ((r + x) * per_day / span).sum() - r * w.sum() / alpha**2
    return value, gradient, hessian


def _waiting_in_stages(stages: int, n: Floats, share: Floats, span: Floats) -> tuple[Floats, ...]:
    """Log of the sum over j < k of (n)_j / j! share**j: less than k stages passed in silence.

    Returns
    -------
    tuple of ndarray
        The logarithm, and its derivatives by r, alpha, r twice, r and alpha, alpha twice.
    """
    term, total = np.ones_like(n), np.ones_like(n)
    inverses, squares = np.zeros_like(n), np.zeros_like(n)
    sums: list[Floats] = [np.zeros_like(n) for _ in range(5)]
    for j in range(1, stages):
        inverses, squares = inverses + 1.0 / (n + j - 1), squares + 1.0 / (n + j - 1) ** 2
        term = term * ((n + j - 1) / j * share)
        total = total + term
        curved = inverses**2 - squares
        parts = (term * inverses, term * j, term * curved, term * j * inverses, term * (j * j + j))
        sums = [one + part for one, part in zip(sums, parts, strict=True)]
    by_r, far, by_r_twice, mixed, by_far_twice = (one / total for one in sums)
    return (
        np.log(total),
        by_r,
        -far / span,
        by_r_twice - by_r**2,
        -(mixed - by_r * far) / span,
        (by_far_twice - far**2) / span**2,
    )
