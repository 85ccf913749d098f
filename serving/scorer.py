"""Scores of customers: the champions' answers to a bucket, put together as one record each.

A batch, a request and Spark hand in the same kind of bucket and get the same bytes for the same events.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.business import Business
from features.contract import EXITS
from features.errors import ContractMismatch, ModelUnavailable
from features.events import Bucket, Numbers, Shared
from features.language import Feature, count
from features.panel import Panel, panel_of
from features.selection import kind_of
from features.store import Store
from features.tables import SHARED, Kind
from features.transactions import REPEAT_FEATURES
from features.windows import parse_duration
from training import KINDS
from training.artifact import FittedModel, load, output_names
from training.questions import TENURE, kinds_of
from training.repeat_buying import has_bought
from training.tracking import Tracking, Version

ATTRITION, LIFETIME_VALUE = KINDS

COST_SHARE = 0.055
"""Cost of acting as a share of the mean value: contact 1 and incentive 10 on a value of 200, as in EMPC
(Verbraken, Verbeke and Baesens 2013); used until a business declares its own actions."""
ACCEPTANCE = 0.3
"""Share of leavers whom an offer keeps: the mean of EMPC's Beta(6, 14)."""

_NEVER, _TOO_LONG_AGO, _NO_CONTRACT = "never bought", "not bought within {}", "not under contract"
_DAYS, _TENURE, _SINCE, _ = REPEAT_FEATURES.names
_YEAR_DAYS, _QUARTER_DAYS = 365, 90
_SLIPPING_GAPS = 2

SCORE_SCHEMA = pa.schema(
    [
        pa.field("customer_id", pa.string(), nullable=False),
        pa.field("cutoff", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("scored_at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("eligible", pa.bool_(), nullable=False),
        ("not_scored_because", pa.string()),
        ("churn_probability", pa.float64()),
        ("churn_percentile", pa.float64()),
        ("lifecycle", pa.string()),
        ("value_horizon_days", pa.int32()),
        ("lifetime_value", pa.float64()),
        ("lifetime_value_low", pa.float64()),
        ("lifetime_value_high", pa.float64()),
        ("value_at_risk", pa.float64()),
        ("risk_band", pa.string()),
        ("model_attrition", pa.string()),
        ("model_lifetime_value", pa.string()),
    ]
)
"""The columns of a score; the percentile is filled in where the whole base is known."""


@dataclass(frozen=True)
class Scorer:
    """The champions of a business, ready to answer.

    Attributes
    ----------
    attrition : FittedModel
    lifetime_value : FittedModel or None
        None where the business has no model of it: values are null then.
    versions : mapping of str to Version
        By kind of model.
    kinds : mapping of str to mapping of str to Kind
        The columns that the models read, by table, and how each is read.
    shared : mapping of str to Shared
        The shared tables of the store, for requests, which bring the customers' own events only.
    """

    attrition: FittedModel
    lifetime_value: FittedModel | None
    versions: Mapping[str, Version]
    kinds: Mapping[str, Mapping[str, Kind]]
    shared: Mapping[str, Shared] = field(default_factory=dict)

    @classmethod
    def champion(cls, business: Business) -> str:
        """Name the champions and the snapshot that would be loaded, without loading them.

        A new snapshot may bring a new market and new prices of plans, which requests are scored with.

        Raises
        ------
        ModelUnavailable
            A kind of model has no champion.
        """
        champions = " ".join(version.text for version in _champions(business, Tracking(business)).values())
        return f"{champions} {Store.of(business).manifest.fingerprint[:12]}"

    @classmethod
    def load(cls, business: Business) -> "Scorer":
        """Load and check the champions.

        Raises
        ------
        ModelUnavailable
            A kind of model has no champion.
        ContractMismatch
            A model is damaged, or the two were trained on different features.
        """
        tracking = Tracking(business)
        versions = _champions(business, tracking)
        models = {kind: load(tracking.folder(version)) for kind, version in versions.items()}
        attrition, value = models[ATTRITION], models.get(LIFETIME_VALUE)
        if value and attrition.features.contract != value.features.contract:
            raise ContractMismatch(
                "The two champions were trained on different features. Train both again, or roll one back."
            )
        if value and value.facts["currency"] != business.business.currency:
            raise ContractMismatch(
                f"The champion values customers in {value.facts['currency']}, business.toml says "
                f"{business.business.currency}. Build and train again."
            )
        return cls(attrition, value, versions, _kinds(business, attrition), _shared(business, attrition))

    def columns(self) -> dict[str, frozenset[str]]:
        """Return the columns that the models read, by table."""
        return dict(self.attrition.features.columns)

    def score(self, bucket: Bucket, cutoff: int, scored_at: int) -> pa.Table:
        """Score every customer of a bucket.

        Parameters
        ----------
        bucket : Bucket
            With the tables and columns of `columns`.
        cutoff, scored_at : int
            Instants.

        Returns
        -------
        pyarrow.Table
            One row per customer in the bucket's order, with the columns of `SCORE_SCHEMA`; the percentile
            is null.
        """
        if not bucket.shared:
            bucket = replace(bucket, shared=self.shared)
        panel = panel_of(self.attrition.features, bucket, np.array([cutoff], np.int64))
        eligible = panel.column(self.attrition.eligible.name) > 0
        n = len(bucket)
        answers = {**self.attrition.predict(panel), **self._values(panel, eligible)}
        at_risk = answers["churn_probability"] * answers["lifetime_value"]
        values: dict[str, Any] = {
            **{name: _nullable(column) for name, column in answers.items()},
            "customer_id": pa.array(bucket.customer_ids, pa.string()),
            "cutoff": pa.repeat(pa.scalar(cutoff, pa.timestamp("us", "UTC")), n),
            "scored_at": pa.repeat(pa.scalar(scored_at, pa.timestamp("us", "UTC")), n),
            "eligible": eligible,
            "not_scored_because": self._reasons(panel, eligible),
            "churn_percentile": pa.nulls(n, pa.float64()),
            "lifecycle": lifecycle(panel, eligible),
            "value_horizon_days": pa.array([self.value_horizon_days] * n, pa.int32()),
            "value_at_risk": _nullable(at_risk),
            "risk_band": self._bands(at_risk),
            "model_attrition": [self.versions[ATTRITION].text] * n,
            "model_lifetime_value": [self._named(LIFETIME_VALUE)] * n,
        }
        return pa.table([values[name] for name in SCORE_SCHEMA.names], schema=SCORE_SCHEMA)

    def _values(self, panel: Panel, eligible: npt.NDArray[np.bool_]) -> dict[str, Numbers]:
        """Lifetime values of those who are eligible, NaN where there is no model or nothing was bought."""
        if self.lifetime_value is None:
            return {name: np.full(len(panel), np.nan) for name in output_names(LIFETIME_VALUE)}
        found = self.lifetime_value.predict(panel)
        return {name: np.where(eligible, values, np.nan) for name, values in found.items()}

    def _named(self, kind: str) -> str | None:
        return self.versions[kind].text if kind in self.versions else None

    @property
    def _fitted(self) -> dict[str, FittedModel]:
        """The champions by kind."""
        both = {ATTRITION: self.attrition, LIFETIME_VALUE: self.lifetime_value}
        return {kind: model for kind, model in both.items() if model is not None}

    @property
    def trained_until(self) -> str:
        """The latest instant that any champion was trained with, as text."""
        return str(max(model.facts["trained_until"] for model in self._fitted.values()))

    def questions(self) -> dict[str, Any]:
        """Return what the champions were asked, by kind, as plain JSON values."""
        return {kind: model.facts["question"] for kind, model in self._fitted.items()}

    @property
    def value_horizon_days(self) -> int | None:
        """Days that a lifetime value looks ahead, None where there is none."""
        if self.lifetime_value is None:
            return None
        return round(parse_duration(self.lifetime_value.facts["horizon"]).days)

    def models(self) -> list[dict[str, Any]]:
        """Describe the champions in plain JSON values."""
        return [
            {
                "name": self.versions[kind].name,
                "kind": kind,
                "version": self.versions[kind].number,
                "alias": "champion",
                "trained_until": model.facts["trained_until"],
                "horizon": model.facts["horizon"],
                "features": len(model.features),
                "metrics": {name: figure["value"] for name, figure in model.facts["metrics"].items()},
            }
            for kind, model in self._fitted.items()
        ]

    def _reasons(self, panel: Panel, eligible: npt.NDArray[np.bool_]) -> list[str | None]:
        asked = self.attrition.eligible
        not_now = _TOO_LONG_AGO.format(asked.window) if isinstance(asked, Feature) else _NO_CONTRACT
        by_silence = isinstance(asked, Feature)
        never = ~has_bought(panel) if by_silence else np.zeros(len(panel), np.bool_)
        chosen = np.select([eligible, never], [0, 1], 2)
        words = [None, _NEVER, not_now]
        return [words[choice] for choice in chosen]

    def _bands(self, at_risk: Numbers) -> list[str | None]:
        """High where acting pays at the usual acceptance, medium where it pays if it surely works."""
        mean_value = self.lifetime_value.facts["mean_outcome"] if self.lifetime_value else np.nan
        cost = COST_SHARE * mean_value
        chosen = np.select([np.isnan(at_risk), at_risk < cost, at_risk * ACCEPTANCE < cost], [0, 1, 2], 3)
        words = [None, "low", "medium", "high"]
        return [words[choice] for choice in chosen]


def lifecycle(panel: Panel, eligible: npt.NDArray[np.bool_]) -> list[str | None]:
    """Where a customer stands, shape (n_rows,); None for one who has never bought.

    ========= ==================================================================================
    lapsed    not eligible any more
    new       first bought within 90 days
    returned  bought within 90 days, but not in the rest of the year before the cutoff
    slipping  silent for more than twice their own mean gap; for more than 90 days after one purchase day
    active    everybody else
    ========= ==================================================================================

    Where nothing is bought, the contract tells: new within 90 days of the first one, returned after an
    exit, nobody slipping.
    """
    if _SINCE not in panel.features.names:
        return _lifecycle_under_contract(panel, eligible)
    days, tenure, since = (panel.column(name) for name in (_DAYS, _TENURE, _SINCE))
    quarter = panel.column("purchases_active_days_count_90d")
    year = panel.column("purchases_active_days_count_365d")
    own_gap = np.where(days > 1, (tenure - since) / np.maximum(days - 1, 1), _QUARTER_DAYS / _SLIPPING_GAPS)
    tests = {
        None: np.isnan(since),
        "lapsed": ~eligible,
        "new": tenure <= _QUARTER_DAYS,
        "returned": (quarter > 0) & (quarter == year) & (tenure > _YEAR_DAYS),
        "slipping": since > _SLIPPING_GAPS * own_gap,
    }
    return _first_true(tests)


def _lifecycle_under_contract(panel: Panel, eligible: npt.NDArray[np.bool_]) -> list[str | None]:
    tenure, exits = (_column_or(panel, name, np.nan) for name in (TENURE, count(EXITS).feature.name))
    tests = {
        None: np.isnan(tenure),
        "lapsed": ~eligible,
        "new": tenure <= _QUARTER_DAYS,
        "returned": exits > 0,
    }
    return _first_true(tests)


def _column_or(panel: Panel, name: str, otherwise: float) -> Numbers:
    """Return a column of a panel, one value throughout where the panel has no such column."""
    return panel.column(name) if name in panel.features.names else np.full(len(panel), otherwise)


def _first_true(tests: Mapping[str | None, npt.NDArray[np.bool_]]) -> list[str | None]:
    """Return for each row the word of the first test that it passes, ``active`` where it passes none."""
    words = [*tests, "active"]
    chosen = np.select(list(tests.values()), range(len(tests)), len(tests))
    return [words[choice] for choice in chosen]


def _nullable(values: Numbers) -> pa.Array:
    return pa.array(values, pa.float64(), mask=np.isnan(values))


def _champions(business: Business, tracking: Tracking) -> dict[str, Version]:
    found = {kind: tracking.champion(kind) for kind in kinds_of(business)}
    missing = [kind for kind, version in found.items() if version is None]
    if missing:
        raise ModelUnavailable(f"There is no champion for {' and '.join(missing)}. Run `holdfast train`.")
    return {kind: version for kind, version in found.items() if version is not None}


def _kinds(business: Business, model: FittedModel) -> dict[str, dict[str, Kind]]:
    """Say how every column that a model reads is kept: by the contract, or as the store found it."""
    stored = Store.of(business).manifest.tables
    missing = [table for table in model.features.columns if table not in stored]
    if missing:
        raise ContractMismatch(
            f"The champions need the table {missing[0]}, which the store does not have. "
            "Declare it and build, or train again without it."
        )
    return {
        table: {column: _kind(stored[table].columns, table, column) for column in columns}
        for table, columns in model.features.columns.items()
    }


def _kind(stored: Mapping[str, str], table: str, column: str) -> Kind:
    return kind_of(table, column) or Kind(stored[column])


def _shared(business: Business, model: FittedModel) -> dict[str, Shared]:
    """Read the shared tables that a model needs."""
    wanted = {table: columns for table, columns in model.features.columns.items() if table in SHARED}
    return Store.of(business).shared(wanted) if wanted else {}
