"""The ladder: which model is used with how many customers, and why."""

from dataclasses import dataclass

FEWEST_FOR_TREES = 500
"""Customers at a cutoff from which trees are grown.  With fewer, every tree that a sound shrinkage allows
has a handful of leaves, and the prior or a regularised logit is as good and easier to explain."""

HALF_TRUST = 1000
"""Customers at a cutoff at which trees and prior are trusted alike; with fewer the prior leads.
Measured on simulated shops of 300 to 1000 customers: without it, BG/NBD alone was better than the trees."""

_LOGIT = (
    "a logit in its place says as much with few customers, and its strength is measured on customers kept out"
)


@dataclass(frozen=True)
class Rung:
    """What is used, and why.

    Attributes
    ----------
    name : str
        ``prior`` (buy till you die alone), ``regularised logit`` or ``whole recipe``.
    why : str
        One sentence for the card.
    """

    name: str
    why: str


def rung(n_customers: int, *, has_prior: bool = True) -> Rung:
    """Return the rung for so many customers at a cutoff.

    Parameters
    ----------
    n_customers : int
        The most at one cutoff.
    has_prior : bool
        Whether customers buy, so that a buy-till-you-die model can stand alone; False under contract.

    Examples
    --------
    >>> rung(200).name, rung(200, has_prior=False).name, rung(20_000).name
    ('prior', 'regularised logit', 'whole recipe')
    """
    few = f"{n_customers:,} customers at a cutoff are fewer than {FEWEST_FOR_TREES}"
    if n_customers >= FEWEST_FOR_TREES:
        share = f", which count {trust_in_trees(n_customers):.0%} beside the prior" if has_prior else ""
        return Rung("whole recipe", f"{n_customers:,} customers at a cutoff carry trees{share}.")
    if has_prior:
        return Rung("prior", f"{few}: the buy-till-you-die model alone answers, at the level seen so far.")
    return Rung("regularised logit", f"{few}: {_LOGIT}.")


def trust_in_trees(n_customers: int) -> float:
    """Weight of the trees against the prior, 0 to 1: it grows with the customers they have seen.

    Examples
    --------
    >>> trust_in_trees(100), trust_in_trees(1000), trust_in_trees(9000)
    (0.0, 0.5, 0.9)
    """
    return n_customers / (n_customers + HALF_TRUST) if n_customers >= FEWEST_FOR_TREES else 0.0
