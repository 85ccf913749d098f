"""Market features: how the world outside stands at the cutoff, where the customer lives.

A row without a region concerns everybody; a customer of no known region sees those rows only.
"""

from collections.abc import Collection, Mapping

from features.contract import SUBSCRIPTIONS
from features.language import AnyFeature, EventSource, FeatureSet, change, change_since, latest
from features.selection import kind_of
from features.transactions import PURCHASES
from features.windows import days

MARKET = EventSource("market", at="observed_at")
JOINED = EventSource("customers", at="joined_at").named("joining")


def market_features(columns: Mapping[str, Collection[str]]) -> FeatureSet:
    """Market features of a business.

    Parameters
    ----------
    columns : mapping of str to collection of str
        The columns that each table of the business has.

    Returns
    -------
    FeatureSet
        For every indicator how it stands, how it has changed within a year, and since the customer joined:
        since ``joined_at`` where it is given, else since the first purchase or contract.
    """
    indicators = sorted(name for name in columns.get("market", ()) if kind_of("market", name) is None)
    joined = _joining(columns)
    declared: list[AnyFeature] = []
    for name in indicators:
        declared += [latest(MARKET[name]), *change(MARKET[name]).over(days(365))]
        declared += [change_since(MARKET[name], joined)]
    return FeatureSet(*declared)


def _joining(columns: Mapping[str, Collection[str]]) -> EventSource:
    """The events whose first says since when somebody is a customer."""
    if "joined_at" in columns.get("customers", ()):
        return JOINED
    return PURCHASES if "purchases" in columns else SUBSCRIPTIONS
