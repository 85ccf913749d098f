"""What a customer does while active, in the models in which a customer may leave after a purchase."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from training.btyd.climbing import Floats

# Where its parts come this near to 0, the closed form of expected purchases has lost half its digits.
_FEWEST_DIGITS = 1e-7
_SMALLEST = 1e-250
_LAST_DIGIT = 1e-15


@dataclass(frozen=True)
class Activity:
    """A customer who was active after ``x`` repeat purchases in ``T`` days.

    The rate is ~ Gamma(r + x, alpha + T), the chance of leaving after a purchase ~ Beta(a, b + x), and the
    two are independent. That is the BG/NBD; with ``b + 1`` for ``b`` it is the MBG/NBD, whose customers
    have stayed once more.
    """

    r: float
    alpha: float
    a: float
    b: float

    def odds_of_having_left(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        """Log odds of having left by the cutoff, after the last purchase."""
        return np.asarray(
            np.log(self.a / (self.b + x - 1.0)) + (self.r + x) * np.log1p((T - t_x) / (self.alpha + t_x))
        )

    def silence(self, horizon: float, gap: float, x: Floats, T: Floats) -> Floats:
        """Chance that an active customer buys nothing in ``[gap, gap + horizon)``.

        Leaving needs a purchase, so a silent active customer stays active and waits:
        ``((alpha + T) / (alpha + T + h)) ** (r + x)``. In a gap the customer may buy and leave: then
        ``E[exp(-lambda p g)]`` over the chances p of leaving, a hypergeometric function, is the chance to be
        still active after it, and the waiting behind it is integrated likewise.
        """
        seen = self.alpha + T
        silent = np.exp(-(self.r + x) * np.log1p(horizon / seen))
        if gap > 0:
            left = 1.0 - self.still_active(x, gap / (seen + gap))
            silent = left + silent * self.still_active(x, gap / (seen + horizon + gap))
        return np.asarray(silent)

    def purchases(self, horizon: float, x: Floats, T: Floats) -> Floats:
        """Purchases expected of an active customer.

        Equation 10 of Fader, Hardie and Lee 2005 after two transformations of its hypergeometric function
        (Pfaff, Euler): its first two arguments no longer grow with ``x``, so heavy buyers neither overflow
        nor lose digits. Where that form is ill-conditioned (``a`` near 1, extreme parameters) a sum of
        positive terms is used.
        """
        return self.purchases_up_to(x, horizon / (self.alpha + T + horizon))

    def purchases_up_to(self, x: Floats, z: Floats) -> Floats:
        """Purchases expected in a share ``z`` of the days of history and horizon together."""
        c = self.a + self.b + x - 1.0
        with np.errstate(all="ignore"):  # what does not come out finite is done again below
            shrinkage = (1.0 - z) ** (self.a - 1.0)
            ended = 1.0 - shrinkage * special.hyp2f1(self.a + self.b - 1.0 - self.r, self.a - 1.0, c, z)
        safe = np.isfinite(ended) & (shrinkage > _SMALLEST)
        safe &= (np.abs(ended) > _FEWEST_DIGITS) & (np.abs(c) > _FEWEST_DIGITS)
        expected = np.empty_like(x)
        expected[safe] = c[safe] / (self.a - 1.0) * ended[safe]
        expected[~safe] = self.sum_of_terms(x[~safe], z[~safe])
        return expected

    def still_active(self, x: Floats, z: Floats) -> Floats:
        """Chance to be active still at the end of a share ``z`` of the days of history and gap together."""
        with np.errstate(all="ignore"):  # what does not come out finite is done again below
            shrinkage = (1.0 - z) ** self.a
            active = shrinkage * special.hyp2f1(self.a + self.b - self.r, self.a, self.a + self.b + x, z)
        doubtful = ~np.isfinite(active) | (shrinkage < _SMALLEST)
        active[doubtful] = 1.0 - self.sum_of_terms(x[doubtful], z[doubtful], leaving=True)
        return np.asarray(active)

    def sum_of_terms(self, x: Floats, z: Floats, *, leaving: bool = False) -> Floats:
        """Sum P(the rate alone would give more than k purchases) times P(stayed after each of k) over k.

        These are the purchases of an active customer; with ``leaving``, those after which the customer left.
        """
        total, stayed = np.zeros_like(x), np.ones_like(x)
        rows, k = np.arange(len(x)), 0
        while len(rows):
            leave = self.a / (self.a + self.b + x[rows] + k)
            term = special.betainc(k + 1.0, self.r + x[rows], z[rows]) * stayed[rows]
            total[rows] += term * leave if leaving else term
            stayed[rows] *= 1.0 - leave
            rows = rows[term > _LAST_DIGIT * total[rows]]
            k += 1
        return total

    def draw(
        self, window: tuple[float, float], x: Floats, T: Floats, draws: int, rng: np.random.Generator
    ) -> Floats:
        """Draw the purchases of active customers in a window after the cutoff, (n_customers, draws)."""
        rate = rng.standard_gamma((self.r + x)[:, None], (len(x), draws)) / (self.alpha + T)[:, None]
        before, within = (rng.poisson(rate * days) for days in (window[0], window[1] - window[0]))
        last = purchases_before_leaving(self.a, self.b + x, draws, rng)
        return np.asarray(np.minimum(before + within, last) - np.minimum(before, last))


def purchases_before_leaving(a: float, b: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """Draw after how many purchases customers leave; their chances to are ~ Beta(a, b)."""
    # Both gammas may underflow to 0 when their shapes are tiny: whoever cannot be told leaves at once.
    leaving, staying = (
        np.maximum(rng.standard_gamma(np.broadcast_to(shape, len(b))[:, None], (len(b), draws)), 1e-300)
        for shape in (a, b)
    )
    exponential = rng.standard_exponential((len(b), draws))
    return np.asarray(1.0 + np.floor(exponential / np.log1p(leaving / staying)))
