"""Integrals over the day on which a customer of the Pareto/NBD left, and its log-likelihood.

The textbook form is a difference of two hypergeometric functions, which loses its digits where both are
nearly equal or overflow, and has no derivatives of its own. The integral that it stands for has one positive
integrand without a peak inside, falls like a power, and is smooth in the logarithm of the days: a fixed
Gauss-Legendre rule there is good to nine digits or more for all parameters, and may be derived under the
integral.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from training.btyd.climbing import Climb, Floats
from training.btyd.histories import Histories

_NODES, _WEIGHTS = ((part / 2.0) for part in np.polynomial.legendre.leggauss(32))
_NODES = _NODES + 0.5
# exp of minus this is beyond the last digit
_BEYOND = 40.0
_ROWS_AT_ONCE = 1024


def days_left(
    span: Floats, falls: tuple[Floats, Floats, float | Floats, Floats]
) -> Iterator[tuple[Floats, Floats]]:
    """Days after the start of a span, and the days that each of them stands for in an integral.

    Parameters
    ----------
    span : ndarray of shape (n_rows,)
        Days to integrate over.
    falls : tuple
        ``n, u, s, w``: the integrand falls as ``(1 + d/u)**-n (1 + d/w)**-s`` with the days ``d``.
    """
    n, u, s, w = falls
    with np.errstate(over="ignore"):  # infinitely many days are cut at the end of the span
        enough = np.minimum(u * np.expm1(_BEYOND / n), w * np.expm1(_BEYOND / s))
    unit = np.minimum(u, w)
    reach = np.log1p(np.minimum(span, enough) / unit)
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        days = unit * np.expm1(reach * node)
        yield days, weight * reach * (days + unit)


@dataclass(frozen=True)
class LeavingAtAnyTime:
    """Log-likelihood of purchase histories in which customers leave at any time, as in the Pareto/NBD.

    Γ(r+x)/Γ(r) times the sum of two: still active, ``alpha**r beta**s (alpha+T)**-(r+x) (beta+T)**-s``, and
    left at a day between the last purchase and the cutoff, the integral of
    ``s alpha**r beta**s (alpha+t)**-(r+x) (beta+t)**-(s+1)`` over that day ``t``.
    Schmittlein, Morrison and Colombo 1987; equation 1 of Fader and Hardie 2005, A note on deriving the
    Pareto/NBD model.
    """

    rows: Histories
    more_than: Floats

    @classmethod
    def of(cls, rows: Histories) -> Self:
        """Count what is needed of some histories."""
        return cls(rows, rows.more_than())

    def thinned(self) -> Self:
        """Every k-th row, some thousands of them, to look for the neighbourhood of the maximum."""
        return self.of(self.rows.thinned())

    @property
    def n_customers(self) -> float:
        """How many customers the rows stand for."""
        return self.rows.n_customers

    def __call__(self, theta: Floats) -> Climb:
        """Log-likelihood at the logarithms of r, alpha, s, beta."""
        rate = np.exp(theta[0]) + np.arange(len(self.more_than), dtype=np.float64)
        share = np.exp(theta[0]) / rate
        value = (self.more_than * np.log(rate)).sum()
        gradient, hessian = np.zeros(4), np.zeros((4, 4))
        gradient[0] = (self.more_than * share).sum()
        hessian[0, 0] = (self.more_than * share * (1.0 - share)).sum()
        starts = range(0, len(self.rows.x), _ROWS_AT_ONCE)
        parts = [_of_some(self.rows, slice(one, one + _ROWS_AT_ONCE), np.exp(theta)) for one in starts]
        value += math.fsum(part[0] for part in parts)
        gradient += np.sum([part[1] for part in parts], axis=0)
        hessian += np.sum([part[2] for part in parts], axis=0)
        return float(value), gradient, hessian


def _of_some(rows: Histories, some: slice, parameters: Floats) -> Climb:
    """Sum ln(active + left) over some rows, with derivatives by the logarithms."""
    r, alpha, s, beta = parameters
    w, x, t_x, T = (column[some] for column in (rows.weights, rows.x, rows.t_x, rows.T))
    left, at = _terms(r, alpha, s, beta, x, t_x, T)
    total = left.sum(axis=0)
    share = w * left / total
    own, other = alpha / (alpha + at), beta / (beta + at)
    waited, lived = np.log1p(at / alpha), np.log1p(at / beta)
    gone = np.ones((len(at), 1))
    gone[0] = 0.0  # the first term is that of the active, the others have left
    slopes = (
        -r * waited,
        r - (r + x) * own,
        gone - s * lived,
        s - (s + gone) * other,
    )
    means = [(share * slope).sum(axis=0) / w for slope in slopes]
    gradient = np.array([(w * mean).sum() for mean in means])
    hessian = np.empty((4, 4))
    for i, slope in enumerate(slopes):
        weighted = share * slope
        for j in range(i, 4):
            together = (weighted * slopes[j]).sum() - (w * means[i] * means[j]).sum()
            hessian[i, j] = hessian[j, i] = together
    hessian[0, 0] -= r * (share * waited).sum()
    hessian[1, 1] -= ((r + x) * share * own * (1.0 - own)).sum()
    hessian[2, 2] -= s * (share * lived).sum()
    hessian[3, 3] -= ((s + gone) * share * other * (1.0 - other)).sum()
    mixed = r * (share * (1.0 - own)).sum(), s * (share * (1.0 - other)).sum()
    hessian[0, 1], hessian[2, 3] = hessian[0, 1] + mixed[0], hessian[2, 3] + mixed[1]
    hessian[1, 0], hessian[3, 2] = hessian[0, 1], hessian[2, 3]
    start = x * np.log(alpha + t_x) + r * np.log1p(t_x / alpha) + s * np.log1p(t_x / beta)
    return float((w * (np.log(total) - start)).sum()), gradient, hessian


def _terms(
    r: float, alpha: float, s: float, beta: float, x: Floats, t_x: Floats, T: Floats
) -> tuple[Floats, Floats]:
    """Chance of still being active at ``T``, and of having left around each of some days before, in order.

    Relative to that of being active at ``t_x``. Returns the chances and the days since the first purchase,
    both of shape (1 + n_nodes, n_rows).
    """
    n, u, w = r + x, alpha + t_x, beta + t_x
    days = [T - t_x]
    stands_for = [np.ones_like(T)]
    for since, part in days_left(T - t_x, (n, u, s, w)):
        days.append(since)
        stands_for.append(part * s / (w + since))
    since = np.array(days)
    falls = np.exp(-n * np.log1p(since / u) - s * np.log1p(since / w))
    return falls * np.array(stands_for), since + t_x
