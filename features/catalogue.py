"""The catalogue: every feature that a business's tables allow; ``CATALOGUE.md`` beside lists them all."""

from collections.abc import Collection, Mapping

from features.behaviour import BEHAVIOUR_FEATURES
from features.contract import CONTRACT_FEATURES
from features.household import HOUSEHOLD_FEATURES
from features.language import AnyFeature, FeatureSet
from features.market import market_features
from features.preferences import PREFERENCE_FEATURES
from features.profile import profile_features
from features.satisfaction import SATISFACTION_FEATURES
from features.transactions import TRANSACTION_FEATURES


def families(columns: Mapping[str, Collection[str]]) -> dict[str, FeatureSet]:
    """Every feature by family, whether the tables allow it or not; those of attributes depend on them."""
    return {
        "transactions": TRANSACTION_FEATURES,
        "behaviour": BEHAVIOUR_FEATURES,
        "satisfaction": SATISFACTION_FEATURES,
        "contract": CONTRACT_FEATURES,
        "profile": profile_features(columns),
        "household": HOUSEHOLD_FEATURES,
        "preferences": PREFERENCE_FEATURES,
        "market": market_features(columns),
    }


def features_for(columns: Mapping[str, Collection[str]]) -> FeatureSet:
    """Choose the features whose every column is there.

    Parameters
    ----------
    columns : mapping of str to collection of str
        The columns that each table of the business has; a table that is absent has no features.

    Returns
    -------
    FeatureSet
        In the order of the catalogue, so equal tables give equal contracts.

    Examples
    --------
    >>> tables = {"purchases": {"amount"}, "customers": {"region"}}
    >>> names = features_for(tables).names
    >>> names[0], names[-1], "purchases_channel_distinct_count_365d" in names
    ('purchases_active_days_count_ever', 'purchases_amount_variation_365d', False)
    """
    declared = [feature for family in families(columns).values() for feature in family]
    return FeatureSet(*(feature for feature in declared if _is_allowed(feature, columns)))


def fingerprint() -> str:
    """Return what changes where the catalogue does, whatever tables a business has."""
    return FeatureSet(*(feature for family in families({}).values() for feature in family)).contract


def _is_allowed(feature: AnyFeature, columns: Mapping[str, Collection[str]]) -> bool:
    """Whether every table and column that a feature reads is there."""
    return all(source.table in columns for source in feature.sources()) and all(
        table in columns and column in columns[table] for table, column in feature.columns()
    )
