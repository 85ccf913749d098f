"""Buy till you die: how often a customer buys, when they stop, and what an order is worth.

Models of a purchase log without contracts, fitted by maximum likelihood on the different histories only:

- :class:`BgNbd`: purchases arrive at a customer's own rate; after each repeat purchase they may leave.
- :class:`MbgNbd`: the same, but the first purchase may have been the last.
- :class:`MbgCnbdK`: the same, with purchases more regular than chance would have them.
- :class:`ParetoNbd`: customers may leave at any time.
- :class:`GammaGamma`: what an order of a customer is worth on average, shrunk towards everybody's.

And of contracts: :class:`ShiftedBetaGeometric`, who leaves at which renewal.

Symbols of the papers, used here only: ``x`` repeat purchases (the first one is not counted), ``t_x`` days
from the first to the last purchase, ``T`` days from the first purchase to the cutoff.
Purchases of one day are one purchase by convention.

The answers for a customer are elementwise: they do not depend on who else is asked about, to the last bit
(draws of ``simulate`` excepted).
"""

from training.btyd.beta_geometric import BgNbd, MbgNbd
from training.btyd.futures import value_quantiles
from training.btyd.gamma_gamma import GammaGamma
from training.btyd.histories import FEWEST_CUSTOMERS
from training.btyd.mbg_cnbd_k import MbgCnbdK
from training.btyd.pareto_nbd import ParetoNbd
from training.btyd.rhythms import (
    RHYTHMS,
    Rhythm,
    bayesian_information,
    best_rhythm,
    rhythm_from_dict,
    rhythm_to_dict,
)
from training.btyd.shifted_beta_geometric import ShiftedBetaGeometric

__all__ = [
    "FEWEST_CUSTOMERS",
    "RHYTHMS",
    "BgNbd",
    "GammaGamma",
    "MbgCnbdK",
    "MbgNbd",
    "ParetoNbd",
    "Rhythm",
    "ShiftedBetaGeometric",
    "bayesian_information",
    "best_rhythm",
    "rhythm_from_dict",
    "rhythm_to_dict",
    "value_quantiles",
]
