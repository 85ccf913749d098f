"""The catalogue: every feature that a business's tables allow."""

from collections.abc import Collection, Mapping

from features.language import FeatureSet
from features.profile import profile_features
from features.transactions import TRANSACTION_FEATURES


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
    ('purchases_active_days_count_ever', 'customers_region', False)
    """
    declared = TRANSACTION_FEATURES + profile_features(columns)
    return FeatureSet(
        *(
            feature
            for feature in declared
            if feature.source.table in columns
            and all(column in columns[table] for table, column in feature.columns())
        )
    )
