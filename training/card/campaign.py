"""What contacting customers would earn: the best campaign of each ranking, and one with a value for each."""

from typing import Any

import numpy as np

from features.events import Numbers
from training.card.curves import rounded
from training.card.evidence import Evidence
from training.card.profit import best_campaign, contact_profit
from training.card.spread import ratios
from training.card.tallies import Ranking

_SHARES = np.linspace(0.0, 1.0, 101)
_SHOWN = (0.05, 0.10, 0.20, 0.30, 0.50, 1.0)


def campaign(evidence: Evidence) -> dict[str, Any]:
    """Say whom to contact and what that earns, as expected before and as it came.

    Returns
    -------
    dict
        ``costs``; ``best``: expected maximum profit per customer and the share contacted for it, by ranking;
        ``curve``: total profit of contacting the top 0, 1, … 100 % by expected profit, as expected, as
        realised, and realised in order of the chance alone; ``shares``: the same at a few shares;
        ``advised``: everybody whose contact is expected to pay.
    """
    values = evidence.values
    if values is None:
        values = np.full(len(evidence.realised), evidence.costs.value)
    expected = contact_profit(evidence.predicted, values, evidence.costs)
    realised = contact_profit(evidence.realised, values, evidence.costs)
    order = np.argsort(-expected, kind="stable")
    by_chance = np.argsort(-evidence.predicted, kind="stable")
    advised = int((expected > 0).sum())
    tops = sorted({*(int(np.ceil(share * len(order))) for share in _SHOWN)})
    return {
        "costs": evidence.costs.to_dict(),
        "individual_values": evidence.values is not None,
        "best": _best(evidence),
        "curve": {
            "expected": _along(expected[order]),
            "realised": _along(realised[order]),
            "by_chance_alone": _along(realised[by_chance]),
        },
        "shares": [_top(evidence, expected, realised, order[:top]) for top in tops],
        "advised": _top(evidence, expected, realised, order[:advised]),
        "everybody": rounded(float(realised.sum())),
    }


def _best(evidence: Evidence) -> dict[str, dict[str, float | None]]:
    found = {}
    for name, predicted in evidence.predictions.items():
        ranking = Ranking(predicted)
        left = np.diff(ranking.running(evidence.realised[ranking.order]))
        rows = np.diff(ranking.running(np.ones(len(predicted))))
        best = best_campaign(left, rows, evidence.costs)
        found[name] = {"profit": rounded(best.profit), "share": rounded(best.share)}
    return found


def _along(profits: Numbers) -> list[float | None]:
    """Total profit of the first so many, at each share."""
    totals = np.concatenate([[0.0], np.cumsum(profits)])
    return [rounded(one) for one in np.interp(_SHARES * len(profits), np.arange(len(totals)), totals)]


def _top(evidence: Evidence, expected: Numbers, realised: Numbers, rows: Any) -> dict[str, Any]:
    """Who is contacted and what that earns; the interval of the realised profit counts customers."""
    n = len(evidence.realised)
    inside = np.zeros(n)
    inside[rows] = 1.0
    # A total over everybody drawn: profit of the contacted by a mean over all customers.
    mean = ratios(realised * inside, np.ones(n), np.zeros(n, np.int64), evidence.customers, 1)
    low, high = (float(end[0]) * n for end in mean.ends())
    return {
        "share": rounded(len(rows) / n),
        "contacted": len(rows),
        "least_chance": rounded(float(evidence.predicted[rows].min())) if len(rows) else None,
        "left": int(evidence.realised[rows].sum()),
        "expected": rounded(float(expected[rows].sum())),
        "realised": rounded(float(realised[rows].sum())),
        "low": rounded(low),
        "high": rounded(high),
    }
