"""How the highest point of a log-likelihood is found, and how sharp it is.

Parameters are positive, so they are climbed as logarithms: every step is allowed, and where the data cannot
tell a parameter from 0 or infinity (equal customers, nobody leaves) the slope fades and the climb ends.
Sums are plain numpy sums: no linear algebra library, whose thread pool costs more than these sums take.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from features.errors import QuestionError

Floats = NDArray[np.float64]
Climb = tuple[float, Floats, Floats]
"""Value, gradient and matrix of second derivatives of a log-likelihood."""

_LONGEST_STEP = 3.0
_MOST_STEPS = 200
# Newton's own estimate of what is left to gain, in units of log-likelihood.
_NOTHING_TO_GAIN = 1e-9
# Where little is left to gain, differences below this share of the value are rounding.
_LAST_DIGITS = 1e-14
_LITTLE_TO_GAIN = 1e-5
_NEAR = 0.05
# Parameters that may change by a factor of e**1000 without a sign in the data have no standard error.
_FLAT = 1e-6
_CONCERNED = 1e-3


class Likelihood(Protocol):
    """The log-likelihood of some customers at the logarithms of the parameters."""

    def __call__(self, theta: Floats) -> Climb:
        """Value, gradient and second derivatives by the logarithms."""
        ...

    def thinned(self) -> Self:
        """Every k-th row, some thousands of them, to look for the neighbourhood of the maximum."""
        ...

    @property
    def n_customers(self) -> float:
        """How many customers the rows stand for."""
        ...


@dataclass(frozen=True)
class Summit:
    """Where a climb ended: logarithms of the parameters, the value and the second derivatives there.

    ``held`` marks parameters at a bound, ``arrived`` that nothing is left to gain.
    """

    theta: Floats
    value: float
    hessian: Floats
    held: NDArray[np.bool_]
    arrived: bool

    @property
    def parameters(self) -> tuple[float, ...]:
        """The parameters themselves."""
        return tuple(float(parameter) for parameter in np.exp(self.theta))

    def standard_errors(self, names: Sequence[str], sizes: Sequence[float]) -> dict[str, float | None]:
        """How far each parameter may be off, from the curvature at the summit.

        The inverse of the negative second derivatives is the covariance of the logarithms; times ``sizes``,
        the change of each parameter by its logarithm (the delta method), it is that of the parameters.
        None where the data cannot tell: at a bound ("as good as 0", "as good as infinite"), or along a ridge
        on which parameters change together for ever. The others are then given that one.
        """
        free = ~self.held
        spread = np.full(len(names), np.nan)
        if free.any():
            curves, directions = np.linalg.eigh(-self.hessian[np.ix_(free, free)])
            sharp = curves > _FLAT
            weights = directions**2
            variance = (weights[:, sharp] / curves[sharp]).sum(axis=1)
            ridge = weights[:, ~sharp].sum(axis=1)
            spread[free] = np.where(ridge > _CONCERNED**2, np.nan, np.sqrt(variance))
        errors = spread * np.asarray(sizes)
        return {
            name: float(error) if np.isfinite(error) else None
            for name, error in zip(names, errors, strict=True)
        }


def best_of(likelihood: Likelihood, starts: Sequence[Floats], bounds: tuple[Floats, Floats]) -> Summit:
    """Return the highest summit that is reached from the starts.

    All starts are tried on a thinned table, the best of them is then climbed to the end on the whole one.

    Raises
    ------
    QuestionError
        The climb did not end at a maximum.
    """
    few = likelihood.thinned()
    tried = [climb(few, start, bounds) for start in starts]
    summit = climb(likelihood, max(tried, key=lambda one: one.value).theta, bounds)
    if not summit.arrived:
        raise QuestionError(
            "The purchase model found no stable parameters for this history of "
            f"{round(likelihood.n_customers)} customers; expected a clear maximum of the likelihood. "
            "Use a longer history or more customers, and check that the lines of one order are not counted "
            "as separate purchases."
        )
    return summit


def climb(function: Callable[[Floats], Climb], start: Floats, bounds: tuple[Floats, Floats]) -> Summit:
    """Newton's method with halved steps inside a box.

    Directions in which the function curves upwards are followed uphill as if they curved downwards.
    A parameter near a bound stays there while the slope points outwards: bounds mean "as good as infinite",
    and creeping up to them along a ridge would take for ever.
    """
    theta = np.clip(start, *bounds)
    value, gradient, hessian = function(theta)
    arrived = False
    for _ in range(_MOST_STEPS):
        held = _held(theta, gradient, bounds)
        step = _newton_step(gradient, hessian, ~held)
        gain = float((step * gradient).sum())
        if gain <= _NOTHING_TO_GAIN:
            arrived = True
            break
        step *= min(1.0, _LONGEST_STEP / np.abs(step).max())
        little = gain <= _LITTLE_TO_GAIN
        higher = _higher(function, theta, step, bounds, (value, _LAST_DIGITS * abs(value) if little else 0.0))
        if higher is None:
            arrived = little
            break
        theta, (value, gradient, hessian) = higher
    return Summit(theta, value, hessian, _held(theta, gradient, bounds), arrived)


def _higher(
    function: Callable[[Floats], Climb],
    theta: Floats,
    step: Floats,
    bounds: tuple[Floats, Floats],
    level: tuple[float, float],
) -> tuple[Floats, Climb] | None:
    """Go a step, or half of it, and so on, until the value is higher; None where it is level or lower."""
    value, rounding = level
    for _ in range(40):
        ahead = np.clip(theta + step, *bounds)
        result = function(ahead)
        if result[0] > value:
            return ahead, result
        if value - result[0] < rounding:
            return None
        step = step / 2.0
    return None


def _held(theta: Floats, gradient: Floats, bounds: tuple[Floats, Floats]) -> NDArray[np.bool_]:
    low = (theta < bounds[0] + _NEAR) & (gradient < 0)
    high = (theta > bounds[1] - _NEAR) & (gradient > 0)
    return np.asarray(low | high)


def _newton_step(gradient: Floats, hessian: Floats, free: NDArray[np.bool_]) -> Floats:
    step = np.zeros_like(gradient)
    if not free.any():
        return step
    curves, directions = np.linalg.eigh(-hessian[np.ix_(free, free)])
    curves = np.maximum(np.abs(curves), max(1e-10 * np.abs(curves).max(), 1e-12))
    step[free] = directions @ ((directions.T @ gradient[free]) / curves)
    return step


def in_logs(parts: Sequence[Climb], parameters: Floats) -> Climb:
    """Sum the parts, and turn derivatives by parameters into derivatives by their logarithms."""
    value = float(sum(part[0] for part in parts))
    gradient = sum((part[1] for part in parts), np.zeros(len(parameters))) * parameters
    hessian = sum(part[2] for part in parts) * np.outer(parameters, parameters)
    hessian[np.diag_indices_from(hessian)] += gradient
    return value, gradient, hessian
