"""Where a model is worst: groups of customers that do otherwise than it says.

Many groups are looked at, and some look bad by chance alone.  What is called beyond chance is so after
Holm's correction for all groups that were looked at; the others are shown, and said to be possibly chance.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from features.events import Numbers
from training.card.curves import rounded
from training.card.evidence import Evidence
from training.card.spread import Ratios, beyond_chance, chances_of_zero, ratios

FEWEST_ROWS, FEWEST_SHARE = 50, 0.02
"""A group is looked at from so many rows, and so large a share of the rows, on."""
UNKNOWN = "not known"


def groups(
    segments: Mapping[str, npt.ArrayLike] | None, n_rows: int, fewest: float
) -> list[tuple[str, str, npt.NDArray[np.bool_]]]:
    """Every group that is large enough: what it is a value of, the value, and which rows are in it.

    Examples
    --------
    >>> [(name, label, rows.sum()) for name, label, rows in groups({"region": ["n", "s", "s", None]}, 4, 2)]
    [('region', 's', np.int64(2))]
    """
    found = []
    for name, labels in (segments or {}).items():
        codes, words = _coded(labels)
        if codes.shape != (n_rows,):
            raise ValueError(f"segment {name!r} has {len(codes)} labels for {n_rows} rows.")
        sizes = np.bincount(codes, minlength=len(words))
        found += [(name, words[code], codes == code) for code in np.flatnonzero(sizes >= fewest)]
    return found


def _coded(labels: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Number the labels in the order of their words; what is missing or empty is one label."""
    import pandas as pd

    codes, values = pd.factorize(np.asarray(labels, dtype=object))
    words = [str(value) or UNKNOWN for value in values] + [UNKNOWN]
    known, merged = np.unique(words, return_inverse=True)
    return merged[codes].astype(np.int64), [str(word) for word in known]


def worst(evidence: Evidence, rival: str | None) -> dict[str, Any]:
    """Compare realised with expected, and the loss with that of a rival, in every group.

    Returns
    -------
    dict
        ``looked_at``, ``fewest_rows``, ``rival`` and ``table``: the groups, those that are off beyond chance
        first, then by how far realised is from expected in all.
    """
    n = len(evidence.realised)
    fewest = max(FEWEST_ROWS, FEWEST_SHARE * n)
    found = groups(evidence.segments, n, fewest)
    if not found:
        return {"looked_at": 0, "fewest_rows": int(np.ceil(fewest)), "rival": rival, "table": []}
    off = _calibration(evidence, found)
    harder = _losses(evidence, rival, found)
    table = [
        {"name": name, "label": label, **a, **b}
        for (name, label, _), a, b in zip(found, off, harder, strict=True)
    ]
    table.sort(key=lambda one: (not one["beyond_chance"], not one["worse_beyond_chance"], one["chance"]))
    return {"looked_at": len(found), "fewest_rows": int(np.ceil(fewest)), "rival": rival, "table": table}


def _calibration(
    evidence: Evidence, found: list[tuple[str, str, npt.NDArray[np.bool_]]]
) -> list[dict[str, Any]]:
    y, p = evidence.realised, evidence.predicted
    parts = [_one(y, p, evidence.customers, rows) for _, _, rows in found]
    chances = np.array([chance for _, chance in parts])
    sure = beyond_chance(chances)
    lines = []
    for (ratio, chance), (_, _, rows), is_sure in zip(parts, found, sure, strict=True):
        low, high = (float(end[0]) for end in ratio.ends())
        lines.append(
            {
                "rows": int(rows.sum()),
                "expected": rounded(float(p[rows].sum())),
                "realised": rounded(float(y[rows].sum())),
                "ratio": rounded(float(ratio.value[0])),
                "low": rounded(max(low, 0.0)),
                "high": rounded(high),
                "chance": float(chance),
                "beyond_chance": bool(is_sure),
            }
        )
    return lines


def _one(
    y: Numbers, p: Numbers, customers: npt.NDArray[np.int64], rows: npt.NDArray[np.bool_]
) -> tuple[Ratios, float]:
    """Realised over expected in one group, and how likely so much is by chance."""
    y, p, customers = y[rows], p[rows], customers[rows]
    here = np.zeros(len(y), np.int64)
    return ratios(y, p, here, customers, 1), float(chances_of_zero(y - p, here, customers, 1)[0])


def _losses(
    evidence: Evidence, rival: str | None, found: list[tuple[str, str, npt.NDArray[np.bool_]]]
) -> list[dict[str, Any]]:
    """Mean loss, and how much less the rival's is, in every group."""
    own = evidence.losses(evidence.predicted)
    other = own if rival is None else evidence.losses(evidence.rivals[rival])
    lines, chances = [], []
    for _, _, rows in found:
        more, customers = (own - other)[rows], evidence.customers[rows]
        here = np.zeros(len(more), np.int64)
        excess = ratios(more, np.ones(len(more)), here, customers, 1)
        low, high = (float(end[0]) for end in excess.ends())
        both = float(chances_of_zero(more, here, customers, 1)[0])
        chances.append(both / 2 if excess.value[0] > 0 else 1 - both / 2)
        lines.append(
            {
                "loss": rounded(float(own[rows].mean())),
                "excess": rounded(float(excess.value[0])),
                "excess_low": rounded(low),
                "excess_high": rounded(high),
            }
        )
    sure = beyond_chance(np.array(chances))
    return [{**line, "worse_beyond_chance": bool(is_sure)} for line, is_sure in zip(lines, sure, strict=True)]
