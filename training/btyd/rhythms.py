"""The models of how often customers buy, under one interface, and which of them a history speaks for."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from features.errors import QuestionError
from training.btyd.beta_geometric import BgNbd, MbgNbd
from training.btyd.mbg_cnbd_k import MbgCnbdK
from training.btyd.pareto_nbd import ParetoNbd

Rhythm = BgNbd | MbgNbd | ParetoNbd | MbgCnbdK

RHYTHMS: Mapping[str, type[Rhythm]] = {model.kind: model for model in (BgNbd, MbgNbd, ParetoNbd, MbgCnbdK)}
"""The models by their ``kind``."""


def best_rhythm(x: ArrayLike, t_x: ArrayLike, T: ArrayLike, weights: ArrayLike | None = None) -> Rhythm:
    """Fit all models and return the one with the lowest BIC.

    Their likelihoods are densities of the same purchases, so they can be compared. All have four parameters;
    the ``k`` of the MBG/CNBD-k counts as a fifth, and it is returned only with a ``k`` above 1.

    Parameters
    ----------
    x, t_x, T : array_like of shape (n_customers,)
        Repeat purchases, days from first to last purchase, days from first purchase to cutoff.
    weights : array_like of shape (n_customers,), optional
        How many customers each row stands for; 1 by default.

    Raises
    ------
    QuestionError
        Fewer than 10 customers, no repeat purchase at all, or none of the models found a maximum.
    ValueError
        A history that cannot be, such as ``T`` of 0 or ``t_x`` after ``T``.
    """
    fits: tuple[Callable[..., Rhythm], ...] = tuple(model.fit for model in RHYTHMS.values())
    found, refusals = [], []
    for fit in fits:
        try:
            found.append(fit(x, t_x, T, weights))
        except QuestionError as refusal:
            refusals.append(refusal)
    if not found:
        raise refusals[0]
    return min(found, key=bayesian_information)


def bayesian_information(model: Rhythm) -> float:
    """BIC of a fitted model: parameters times ln(customers) minus twice the log-likelihood; low is good."""
    parameters = 4 + (isinstance(model, MbgCnbdK) and model.k > 1)
    return float(parameters * np.log(model.n_customers) - 2.0 * model.log_likelihood)


def rhythm_to_dict(model: Rhythm) -> dict[str, Any]:
    """Plain JSON values from which `rhythm_from_dict` makes the same model."""
    return {"kind": model.kind, **asdict(model)}


def rhythm_from_dict(data: Mapping[str, Any]) -> Rhythm:
    """Make the model that `rhythm_to_dict` wrote; a BG/NBD where no kind is said."""
    fields = dict(data)
    return RHYTHMS[fields.pop("kind", BgNbd.kind)](**fields)
