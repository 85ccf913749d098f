"""The log-likelihoods of the purchase models, their exact derivatives, and how to climb them.

Parameters are positive, so they are climbed as logarithms: every step is allowed, and where the data cannot
tell a parameter from 0 or infinity (equal customers, nobody leaves) the slope fades and the climb ends.
Sums are plain numpy sums: no linear algebra library, whose thread pool costs more than these sums take.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

from features.errors import QuestionError

Floats = NDArray[np.float64]
Climb = tuple[float, Floats, Floats]
"""Value, gradient and matrix of second derivatives of a log-likelihood."""

# A first climb over about this many rows finds the neighbourhood; the full table then needs 2 or 3 steps.
_WARM_ROWS = 4096
_LONGEST_STEP = 3.0
_MOST_STEPS = 200
# Newton's own estimate of what is left to gain, in units of log-likelihood.
_NOTHING_TO_GAIN = 1e-9
_LITTLE_TO_GAIN = 1e-5
_NEAR = 0.05


def best_of(
    likelihood: "Histories | Spends", starts: Sequence[Floats], bounds: tuple[Floats, Floats]
) -> tuple[Floats, float]:
    """Logarithms of the parameters at the highest maximum reached, and the log-likelihood there.

    All starts are tried on a thinned table, the best of them is then climbed to the end on the whole one.

    Raises
    ------
    QuestionError
        The climb did not end at a maximum.
    """
    few = likelihood.thinned()
    tried = [climb(few, start, bounds) for start in starts]
    theta, value, arrived = climb(likelihood, max(tried, key=lambda one: one[1])[0], bounds)
    if not arrived:
        raise QuestionError(
            "The purchase model found no stable parameters for this history of "
            f"{round(likelihood.weights.sum())} customers; expected a clear maximum of the likelihood. "
            "Use a longer history or more customers, and check that the lines of one order are not counted "
            "as separate purchases."
        )
    return theta, value


def climb(
    function: Callable[[Floats], Climb], start: Floats, bounds: tuple[Floats, Floats]
) -> tuple[Floats, float, bool]:
    """Newton's method with halved steps inside a box.

    Directions in which the function curves upwards are followed uphill as if they curved downwards.
    A parameter near a bound stays there while the slope points outwards: bounds mean "as good as infinite",
    and creeping up to them along a ridge would take for ever.

    Returns
    -------
    theta, value, arrived
        ``arrived`` is true when nothing is left to gain.
    """
    theta = np.clip(start, *bounds)
    value, gradient, hessian = function(theta)
    for _ in range(_MOST_STEPS):
        held = ((theta < bounds[0] + _NEAR) & (gradient < 0)) | ((theta > bounds[1] - _NEAR) & (gradient > 0))
        step = _newton_step(gradient, hessian, ~held)
        gain = float((step * gradient).sum())
        if gain <= _NOTHING_TO_GAIN:
            return theta, value, True
        step *= min(1.0, _LONGEST_STEP / np.abs(step).max())
        for _ in range(40):
            ahead = np.clip(theta + step, *bounds)
            result = function(ahead)
            if result[0] > value:
                break
            step /= 2.0
        else:
            return theta, value, gain <= _LITTLE_TO_GAIN
        theta, (value, gradient, hessian) = ahead, result
    return theta, value, False


def _newton_step(gradient: Floats, hessian: Floats, free: NDArray[np.bool_]) -> Floats:
    step = np.zeros_like(gradient)
    if not free.any():
        return step
    curves, directions = np.linalg.eigh(-hessian[np.ix_(free, free)])
    curves = np.maximum(np.abs(curves), max(1e-10 * np.abs(curves).max(), 1e-12))
    step[free] = directions @ ((directions.T @ gradient[free]) / curves)
    return step


def _in_logs(parts: Sequence[Climb], parameters: Floats) -> Climb:
    """Sum the parts, and turn derivatives by parameters into derivatives by their logarithms."""
    value = float(sum(part[0] for part in parts))
    gradient = sum(part[1] for part in parts) * parameters
    hessian = sum(part[2] for part in parts) * np.outer(parameters, parameters)
    hessian[np.diag_indices_from(hessian)] += gradient
    return value, gradient, hessian


@dataclass(frozen=True)
class Histories:
    """The BG/NBD log-likelihood of purchase histories; equal customers are one weighted row.

    Equation 6 of Fader, Hardie and Lee 2005, a product of four factors that are handled one by one.
    Those that depend on the count alone are summed once per count; the rows are in order of ``x``.
    """

    x: Floats
    t_x: Floats
    T: Floats
    weights: Floats
    more_than: Floats
    """Customers with more than j repeat purchases, for j = 0, 1, 2 and so on."""

    @classmethod
    def of(cls, x: Floats, t_x: Floats, T: Floats, weights: Floats) -> Self:
        """Put equal histories together; arrays of shape ``(n_customers,)``."""
        x, t_x, T, weights = _equal_rows_together(x, t_x, T, weights)
        per_count = np.bincount(x.astype(np.int64), weights=weights).astype(np.float64)
        return cls(x, t_x, T, weights, np.cumsum(per_count[::-1])[::-1][1:])

    def thinned(self) -> Self:
        """Every k-th row, some thousands of them, to look for the neighbourhood of the maximum."""
        few = slice(None, None, max(1, len(self.x) // _WARM_ROWS))
        return type(self).of(self.x[few], self.t_x[few], self.T[few], self.weights[few])

    def __call__(self, theta: Floats) -> Climb:
        """Log-likelihood at the logarithms of r, alpha, a, b."""
        r, alpha, a, b = np.exp(theta)
        parts = (
            _of_counts(self.more_than, r, a, b),
            _of_silence(self, r, alpha),
            _of_leaving(self, r, alpha, a, b),
        )
        return _in_logs(parts, np.exp(theta))


def _of_counts(more_than: Floats, r: float, a: float, b: float) -> Climb:
    """Γ(r+x)/Γ(r) · B(a, b+x)/B(a, b) as sums over j < x, where a difference of log gammas loses digits."""
    j = np.arange(len(more_than), dtype=np.float64)
    rate, stay, end = r + j, b + j, a + b + j
    value = (more_than * (np.log(rate) - np.log1p(a / stay))).sum()
    gradient, hessian = np.zeros(4), np.zeros((4, 4))
    gradient[0] = (more_than / rate).sum()
    gradient[2] = -(more_than / end).sum()
    gradient[3] = (more_than * a / (stay * end)).sum()
    hessian[0, 0] = -(more_than / rate**2).sum()
    hessian[2:, 2:] = (more_than / end**2).sum()
    hessian[3, 3] -= (more_than / stay**2).sum()
    return value, gradient, hessian


def _of_silence(rows: Histories, r: float, alpha: float) -> Climb:
    """alpha**r / (alpha+T)**(r+x): the purchases and the waiting of a customer who is still active."""
    w, x, T = rows.weights, rows.x, rows.T
    span, waiting = alpha + T, np.log1p(T / alpha)
    per_day = w / span
    value = -(w * (r * waiting + x * np.log(span))).sum()
    mixed = (per_day * T).sum() / alpha
    gradient = np.array([-(w * waiting).sum(), r * mixed - (per_day * x).sum(), 0.0, 0.0])
    hessian = np.zeros((4, 4))
    hessian[0, 1] = hessian[1, 0] = mixed
    hessian[1, 1] = ((r + x) * per_day / span).sum() - r * w.sum() / alpha**2
    return value, gradient, hessian


def _of_leaving(rows: Histories, r: float, alpha: float, a: float, b: float) -> Climb:
    """ln(1 + odds of having left), for those who bought again; rows are in order of ``x``."""
    again = slice(int(np.searchsorted(rows.x, 0.5)), None)
    w, x, t_x, T = rows.weights[again], rows.x[again], rows.t_x[again], rows.T[again]
    seen, span, stay = alpha + t_x, alpha + T, b + x - 1.0
    silence = np.log1p((T - t_x) / seen)
    odds = np.log(a / stay) + (r + x) * silence
    left = special.expit(odds)
    once, twice = w * left, w * left * (1.0 - left)
    slope = -(T - t_x) / (seen * span)
    by_alpha, by_b = (r + x) * slope, -1.0 / stay
    gradient = np.array(
        [(once * silence).sum(), (once * by_alpha).sum(), once.sum() / a, (once * by_b).sum()]
    )
    hessian = np.empty((4, 4))
    slopes = (silence, by_alpha, np.full_like(x, 1.0 / a), by_b)
    for i, left_slope in enumerate(slopes):
        weighted = twice * left_slope
        for j in range(i, 4):
            hessian[i, j] = hessian[j, i] = (weighted * slopes[j]).sum()
    mixed = (once * slope).sum()
    hessian[0, 1] += mixed
    hessian[1, 0] += mixed
    hessian[1, 1] -= (once * by_alpha * (1.0 / seen + 1.0 / span)).sum()
    hessian[2, 2] -= once.sum() / a**2
    hessian[3, 3] += (once * by_b**2).sum()
    return (w * np.logaddexp(0.0, odds)).sum(), gradient, hessian


@dataclass(frozen=True)
class Spends:
    """The gamma-gamma log-likelihood of what customers spent; equation 1a of Fader and Hardie 2013.

    Spending is counted in units of the population's mean order, ``scale``.
    """

    n: Floats
    spent: Floats
    weights: Floats
    scale: float
    counts: Floats
    """The different values of ``n``, and in ``per_count`` the weight of each."""
    per_count: Floats

    @classmethod
    def of(cls, n: Floats, mean_value: Floats, weights: Floats) -> Self:
        """Scale the means and count the counts; arrays of shape ``(n_customers,)``, all positive."""
        order = np.lexsort((mean_value, n))  # sums must not depend on the order of the rows
        n, mean_value, weights = n[order], mean_value[order], weights[order]
        scale = float((weights * mean_value).sum() / weights.sum())
        return cls(n, n * (mean_value / scale), weights, scale, *_per_count(n, weights))

    def thinned(self) -> Self:
        """Every k-th row, some thousands of them, to look for the neighbourhood of the maximum."""
        few = slice(None, None, max(1, len(self.n) // _WARM_ROWS))
        n, weights = self.n[few], self.weights[few]
        return type(self)(n, self.spent[few], weights, self.scale, *_per_count(n, weights))

    def __call__(self, theta: Floats) -> Climb:
        """Log-likelihood at the logarithms of p, q - 1, v (in units of ``scale``), up to a constant."""
        p, beyond_one, v = np.exp(theta)
        q = 1.0 + beyond_one
        parts = (_of_order_counts(self.counts, self.per_count, p, q), _of_spend(self, p, q, v))
        return _in_logs(parts, np.exp(theta))


def _per_count(n: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """The different counts of a sorted column, and the weight of each."""
    first = np.flatnonzero(np.concatenate(([True], n[1:] != n[:-1])))
    return n[first], np.add.reduceat(weights, first)


def _of_order_counts(n: Floats, weights: Floats, p: float, q: float) -> Climb:
    """Γ(pn+q) / (Γ(pn) Γ(q)): no special function is needed per customer."""
    shape, both = p * n, p * n + q
    value = (weights * (special.gammaln(both) - special.gammaln(shape) - special.gammaln(q))).sum()
    digamma = special.digamma(both)
    curve = special.polygamma(1, both)
    gradient = np.zeros(3)
    gradient[0] = (weights * n * (digamma - special.digamma(shape))).sum()
    gradient[1] = (weights * (digamma - special.digamma(q))).sum()
    hessian = np.zeros((3, 3))
    hessian[0, 0] = (weights * n**2 * (curve - special.polygamma(1, shape))).sum()
    hessian[0, 1] = hessian[1, 0] = (weights * n * curve).sum()
    hessian[1, 1] = (weights * (curve - special.polygamma(1, q))).sum()
    return value, gradient, hessian


def _of_spend(rows: Spends, p: float, q: float, v: float) -> Climb:
    """1 / ((1+s/v)**q (1+v/s)**(p n)), s the customer's total; factors free of parameters are dropped."""
    w, n, s = rows.weights, rows.n, rows.spent
    share, total = s / v, v + s
    above, below = w * np.log1p(share), w * n * np.log1p(v / s)
    inverse = w / total
    gained, lost = (inverse * share).sum(), (inverse * n).sum()
    value = -q * above.sum() - p * below.sum()
    gradient = np.array([-below.sum(), -above.sum(), q * gained - p * lost])
    hessian = np.zeros((3, 3))
    hessian[0, 2] = hessian[2, 0] = -lost
    hessian[1, 2] = hessian[2, 1] = gained
    hessian[2, 2] = (inverse / total * (p * n - q * share * (2.0 + share))).sum()
    return value, gradient, hessian


def _equal_rows_together(
    x: Floats, t_x: Floats, T: Floats, weights: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """One row per different history where times are whole days (else one per customer), in order of ``x``."""
    days = float(T.max()) + 1.0
    whole = (t_x == np.floor(t_x)).all() and (np.floor(T) == T).all()
    if not whole or (x.max() + 1.0) * days**2 > 2.0**62:
        order = np.lexsort((t_x, T, x))
        return x[order], t_x[order], T[order], weights[order]
    key = ((x * days + T) * days + t_x).astype(np.int64)
    base = int(days)
    if (weights == 1.0).all():
        unique, counts = np.unique(key, return_counts=True)
    else:
        unique, inverse = np.unique(key, return_inverse=True)
        counts = np.bincount(inverse, weights=weights)
    rest, last = np.divmod(unique, base)
    count, span = np.divmod(rest, base)
    return (
        count.astype(np.float64),
        last.astype(np.float64),
        span.astype(np.float64),
        counts.astype(np.float64),
    )
