"""A model as data: a folder with one manifest and XGBoost's own JSON, never code, never a pickle.

``manifest.json`` holds the features (declarations and contract hash), the inputs, the prior, the fitted
numbers, what the model was trained on, the SHA-256 of every other file, and golden rows with the answers
that the model gave when it was written.  Nothing is read by XGBoost before its SHA-256 has been checked,
and a model that does not repeat its golden answers is refused.
"""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import xgboost as xgb

from features.errors import ContractMismatch
from features.events import Numbers
from features.language import AnyFeature, FeatureSet, feature_from_dict
from features.panel import Panel
from training import boosting, golden
from training.attrition import AttritionModel
from training.contract_attrition import ContractAttritionModel
from training.contract_value import ContractValueModel
from training.horizons import Longer, extended
from training.inputs import Inputs
from training.lifetime_value import LifetimeValueModel
from training.reasons import Reason, effects
from training.repeat_buying import RepeatBuying

FORMAT = 2
MANIFEST = "manifest.json"
_ESTIMATORS: dict[str, Any] = {
    "silence": AttritionModel,
    "contract": ContractAttritionModel,
    "purchase-value": LifetimeValueModel,
    "contract-value": ContractValueModel,
}
"""Every estimator, by the name that stands in a manifest."""
_TOLD_AT_ONCE = 20_000
"""Rows whose contributions are in memory together."""
_PACKAGES = ("numpy", "scipy", "scikit-learn", "pandas")


class Estimator(Protocol):
    """What every fitted estimator can say of itself."""

    def to_state(self) -> tuple[dict[str, Any], dict[str, xgb.Booster]]:
        """Plain JSON values and boosters."""
        ...


@dataclass(frozen=True)
class FittedModel:
    """Everything that turns a panel into predictions.

    Attributes
    ----------
    kind : str
        ``attrition`` or ``lifetime-value``.
    estimator : Estimator
    inputs : Inputs
        How features become the estimator's columns.
    prior : RepeatBuying or None
        Fitted to everything known at ``facts["trained_until"]``; None where the inputs look at none.
    eligible : Feature or Derived
        Rows where this feature is not above zero are not predicted.
    facts : mapping
        Plain JSON values: business, currency, cutoffs, horizon, seed, metrics, …
    golden : mapping
        Features of a few made-up customers, and the answers to them.
    longer : Longer or None
        Horizons to which a lifetime value is extended.
    """

    kind: str
    estimator: Any
    inputs: Inputs
    prior: RepeatBuying | None
    eligible: AnyFeature
    facts: Mapping[str, Any]
    golden: Mapping[str, Any] = field(default_factory=dict)
    longer: Longer | None = None

    @property
    def features(self) -> FeatureSet:
        """The features that a panel must have."""
        return self.inputs.features

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of all columns that it can predict, those of longer horizons last."""
        return output_names(self.kind) + (self.longer.names if self.longer else ())

    def predict(self, panel: Panel, *, longer: bool = False) -> dict[str, Numbers]:
        """Predict every row of a panel.

        Parameters
        ----------
        panel : Panel
            With the model's features in the model's order.
        longer : bool
            Whether to extend a lifetime value to the longer horizons.

        Returns
        -------
        dict of str to float64 array (n_rows,)
            ``churn_probability``, or ``lifetime_value`` with ``_low`` and ``_high``, then for example
            ``lifetime_value_365d``; NaN where a row is not eligible.

        Raises
        ------
        ContractMismatch
            The panel has other features.
        """
        eligible = self._eligible(panel)
        names = self.output_names if longer else output_names(self.kind)
        answers = {name: np.full(len(panel), np.nan) for name in names}
        if eligible.any():
            rows = panel.rows(eligible)
            X = self.inputs.encode(rows, self.prior)
            said = self._answers(X)
            further = extended(self.longer, self.estimator, self.prior, rows, X, said[0]) if longer else []
            for name, values in zip(names, said + further, strict=True):
                answers[name][eligible] = values
        return answers

    def reasons(self, panel: Panel, most: int = 3) -> list[list[Reason]]:
        """Tell for every row of a panel what moves its churn probability most, see `training.reasons`.

        Parameters
        ----------
        panel : Panel
            With the model's features in the model's order.
        most : int
            So many reasons a row, or fewer where fewer features contribute.

        Returns
        -------
        list of list of Reason (n_rows,)
            The strongest first; none where a row is not eligible.

        Raises
        ------
        ContractMismatch
            The panel has other features.
        ValueError
            The model is not one of attrition.
        """
        if self.kind != "attrition":
            raise ValueError(f"reasons are told for a churn probability; this is a model of {self.kind}")
        found: list[list[Reason]] = [[] for _ in range(len(panel))]
        rows = np.flatnonzero(self._eligible(panel))
        for start in range(0, len(rows), _TOLD_AT_ONCE):
            some = rows[start : start + _TOLD_AT_ONCE]
            told = effects(self.inputs, self.estimator, panel.rows(some), self.prior)
            for row, reasons in zip(some, told.strongest(most), strict=True):
                found[row] = reasons
        return found

    def _eligible(self, panel: Panel) -> npt.NDArray[np.bool_]:
        """Which rows of a panel may be asked about, once its features have been checked."""
        if panel.features.contract != self.features.contract:
            raise ContractMismatch(_difference(self.features, panel.features))
        _check_kinds(panel, self.inputs)
        return np.asarray(panel.column(self.eligible.name) > 0)

    def _answers(self, X: Numbers) -> list[Numbers]:
        if self.kind == "attrition":
            return [self.estimator.predict_proba(X)[:, 1]]
        return list(self.estimator.predict_with_interval(X))

    def with_golden(self, panel: Panel) -> "FittedModel":
        """Add golden rows: made-up customers at the quantiles of a panel, nobody in particular."""
        rows, names = golden.rows_like(panel), list(self.features.names)
        asked, said = rows.to_pandas()[names], self.predict(rows, longer=True)
        return replace(self, golden={"rows": golden.plain(asked), "answers": golden.rounded(said)})


def output_names(kind: str) -> tuple[str, ...]:
    """Names of the columns that a kind of model predicts."""
    if kind == "attrition":
        return ("churn_probability",)
    return ("lifetime_value", "lifetime_value_low", "lifetime_value_high")


def save(model: FittedModel, folder: Path) -> None:
    """Write a model into a new folder."""
    folder.mkdir(parents=True)
    state, boosters = model.estimator.to_state()
    names = {estimator: name for name, estimator in _ESTIMATORS.items()}
    files = {f"{name}.json": boosting.to_bytes(booster) for name, booster in boosters.items()}
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    manifest = {
        "format": FORMAT,
        "kind": model.kind,
        "estimator": names[type(model.estimator)],
        "features": model.features.to_list(),
        "contract": model.features.contract,
        "eligible": model.eligible.to_dict(),
        "inputs": model.inputs.to_dict(),
        "prior": model.prior.to_dict() if model.prior else None,
        "longer": model.longer.to_dict() if model.longer else None,
        "state": state,
        "facts": dict(model.facts),
        "golden": dict(model.golden),
        "sha256": {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()},
        "versions": {name: version(name) for name in _PACKAGES}
        | {"xgboost": xgb.__version__, "python": platform.python_version()},
    }
    (folder / MANIFEST).write_text(manifest_text(manifest), encoding="utf-8")


def manifest_text(manifest: Mapping[str, Any]) -> str:
    """Write a manifest with the SHA-256 of its own content."""
    whole = {**manifest, "digest": _digest(manifest)}
    return json.dumps(whole, indent=1, sort_keys=True, allow_nan=False)


def _digest(manifest: Mapping[str, Any]) -> str:
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def load(folder: Path) -> FittedModel:
    """Read a model, checking it before and after.

    Raises
    ------
    ContractMismatch
        A file is missing or altered, the format is another version's, or the golden answers differ.
    """
    manifest = _manifest(folder)
    boosters = {
        name.removesuffix(".json"): boosting.from_bytes(_checked(folder, name, digest))
        for name, digest in manifest["sha256"].items()
    }
    features = FeatureSet.from_list(manifest["features"])
    prior = manifest["prior"]
    model = FittedModel(
        manifest["kind"],
        _ESTIMATORS[manifest["estimator"]].from_state(manifest["state"], boosters),
        Inputs.from_dict(features, manifest["inputs"]),
        RepeatBuying.from_dict(prior) if prior else None,
        feature_from_dict(manifest["eligible"]),
        manifest["facts"],
        manifest["golden"],
        Longer.from_dict(manifest["longer"]) if manifest.get("longer") else None,
    )
    _check_golden(model)
    return model


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: Any = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        manifest = None
    if not isinstance(manifest, dict) or "format" not in manifest:
        raise ContractMismatch("The model has no readable manifest.json. Train it again.")
    if manifest["format"] != FORMAT:
        raise ContractMismatch(
            f"The model is of format {manifest.get('format')}, this version reads format {FORMAT}. "
            "Train it again or use the version that wrote it."
        )
    if manifest.pop("digest", None) != _digest(manifest):
        raise ContractMismatch(f"The model's file {MANIFEST} is not what was written. Train it again.")
    return manifest


def _checked(folder: Path, name: str, digest: str) -> bytes:
    """Return the bytes of a file of the folder whose SHA-256 is as the manifest says."""
    file = folder / name
    if name != file.name or not file.is_file():
        raise ContractMismatch(f"The model lacks its file {file.name}. Train it again.")
    raw = file.read_bytes()
    if hashlib.sha256(raw).hexdigest() != digest:
        raise ContractMismatch(f"The model's file {name} is not what was written. Train it again.")
    return raw


def _check_golden(model: FittedModel) -> None:
    """Refuse a model that no longer answers as it did when it was written."""
    if not model.golden:
        return
    frame = pd.DataFrame(model.golden["rows"], columns=list(model.features.names))
    answers = golden.rounded(model.predict(panel_from(model, frame), longer=True))
    if answers != model.golden["answers"]:
        raise ContractMismatch(
            "The model does not repeat its golden answers here. Its packages may differ from those it was "
            "trained with: install from the lock, or train it again."
        )


def panel_from(model: FittedModel, frame: pd.DataFrame) -> Panel:
    """Read a frame of feature columns, such as ``Panel.to_pandas`` gives.

    Raises
    ------
    ContractMismatch
        A feature is missing; further columns are ignored.
    """
    missing = [name for name in model.features.names if name not in frame.columns]
    if missing:
        raise ContractMismatch(
            f"The model needs {len(model.features)} features; missing: {', '.join(missing[:5])}"
            f"{' …' if len(missing) > 5 else ''}. Build the frame with features.panel."  # noqa: PLR2004  (a line's worth)
        )
    numbers = np.empty((len(frame), len(model.features)))
    levels: dict[str, list[str]] = {}
    for position, name in enumerate(model.features.names):
        if name in model.inputs.levels:
            codes, found = pd.factorize(frame[name].astype(object), sort=True)
            numbers[:, position] = np.where(codes < 0, np.nan, codes)
            levels[name] = [str(level) for level in found]
        else:
            numbers[:, position] = frame[name].to_numpy(np.float64, na_value=np.nan)
    n = len(frame)
    return Panel(model.features, [""] * n, np.arange(n), np.zeros(n, np.int64), numbers, levels)


def _check_kinds(panel: Panel, inputs: Inputs) -> None:
    """Refuse codes where the model knows numbers, and numbers where it knows levels."""
    for name in panel.features.names:
        changed = name in panel.levels and name not in inputs.levels
        if name in inputs.levels and name not in panel.levels:
            changed = not np.isnan(panel.column(name)).all()
        if changed:
            raise ContractMismatch(
                f"{name} was {'a category' if name in inputs.levels else 'a number'} when the model was "
                "trained and is something else now. Declare its kind in business.toml and build again."
            )


def _difference(wanted: FeatureSet, given: FeatureSet) -> str:
    missing, extra = set(wanted.names) - set(given.names), set(given.names) - set(wanted.names)
    lists = (", ".join(sorted(names)) or "none" for names in (missing, extra))
    what = "missing: {}; not known to it: {}".format(*lists)
    return (
        f"The model was trained on other features ({what}). Train again, or use the build it was trained on."
    )


class PyfuncModel:
    """What ``mlflow.pyfunc.load_model`` gives to a data scientist."""

    def __init__(self, model: FittedModel) -> None:
        self.model = model

    def predict(self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Predict every row of a frame of features; NaN where a row is not eligible."""
        del params
        said = self.model.predict(panel_from(self.model, model_input), longer=True)
        return pd.DataFrame(said, index=model_input.index)


def _load_pyfunc(path: str) -> PyfuncModel:
    """MLflow's entry to the folder."""
    return PyfuncModel(load(Path(path)))
