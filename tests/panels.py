"""Panels of attributes, made from columns."""

import numpy as np

from features.language import FeatureSet, latest
from features.panel import Panel
from features.profile import PROFILE
from features.windows import parse_instant

CUTOFF = parse_instant("2023-11-14T22:13:20Z")


def panel_of(columns, levels=None) -> Panel:
    """A panel of attributes of customers at one cutoff; columns with levels hold codes."""
    features = FeatureSet(*(latest(PROFILE[name]) for name in columns))
    ids = [str(n) for n in range(len(next(iter(columns.values()))))]
    numbers = np.column_stack(list(columns.values())).astype(float)
    named = {f"customers_{name}": words for name, words in (levels or {}).items()}
    return Panel(features, ids, np.arange(len(ids)), np.full(len(ids), CUTOFF), numbers, named)
