"""Profile features: who the customer is, as known at the cutoff.

A row of ``customers`` holds from its ``valid_from`` on; a row without one has always held.
What a row leaves empty stays as it was: another source may know it, so a blank takes nothing back.
"""

from collections.abc import Collection, Mapping

from features.language import EventSource, Feature, FeatureSet, age, latest
from features.tables import CUSTOMERS

PROFILE = EventSource("customers", at="valid_from")

_NOT_ATTRIBUTES = {"customer_id", "household_id", "joined_at", "valid_from", "known_at"}


def profile_features(columns: Mapping[str, Collection[str]]) -> FeatureSet:
    """Profile features of a business.

    Parameters
    ----------
    columns : mapping of str to collection of str
        The columns that each table of the business has.

    Returns
    -------
    FeatureSet
        The age of ``joined_at``, then ``region``, ``acquisition_channel`` and every declared attribute.
    """
    given = set(columns.get("customers", ()))
    own = [column.name for column in CUSTOMERS.columns]
    attributes = [name for name in own if name in given - _NOT_ATTRIBUTES] + sorted(given - set(own))
    joined: list[Feature] = [age(PROFILE["joined_at"])] if "joined_at" in given else []
    return FeatureSet(*joined, *(latest(PROFILE[name]) for name in attributes))
