"""Training from the store to the registry: plan, assemble, fit, judge, refit, register, promote."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from features.business import Business
from features.errors import ContractMismatch, QualityRefused, QuestionError, did_you_mean
from features.store import Store
from features.windows import parse_instant
from training import KINDS, artifact, leakage
from training.artifact import FittedModel
from training.judging import judge
from training.questions import kinds_of
from training.registration import Trained, register
from training.tracking import Tracking
from training.workshop import Progress, Settings, Workshop, set_up

_LOG = logging.getLogger(__name__)

__all__ = ["Progress", "Settings", "Trained", "again", "differing", "refuse", "train"]


def train(business: Business, settings: Settings, progress: Progress) -> list[Trained]:
    """Train, judge and register models.

    Parameters
    ----------
    business : Business
        Its store has been built.
    settings : Settings
        ``until`` defaults to ``observed_until``; nothing later is used.
    progress : callable
        Told (what, done, total).

    Returns
    -------
    list of Trained
        One for each kind; those that the gate refused are registered as challengers only.

    Raises
    ------
    QuestionError
        The history does not hold the question, or too few customers do.  Nothing is registered.
    """
    for kind in settings.kinds:
        if kind not in KINDS:
            raise QuestionError(f"There is no model {kind!r}. {did_you_mean(kind, KINDS)}")
    shop = set_up(business, settings, progress)
    judged = [judge(shop, made, _champion(shop, made.kind), progress) for made in shop.recipes()]
    with shop.tracking.run("train"):
        trained = [register(shop, one, progress) for one in judged]
    return _promoted(shop, trained) if settings.promote else trained


def _promoted(shop: Workshop, trained: Sequence[Trained]) -> list[Trained]:
    """Promote what the gate passed, unless champions of different features would have to answer together."""
    passed = [one.kind for one in trained if not one.refusals]
    contract = shop.examples.panel.features.contract
    others = [
        kind
        for kind in kinds_of(shop.business)
        if kind not in passed and (stays := _champion(shop, kind)) and stays.features.contract != contract
    ]
    reason = f"the champion of {' and '.join(others)} stays and rests on other features: train all kinds"
    found = []
    for one in trained:
        refusals = (reason,) if others and not one.refusals else one.refusals
        if refusals:
            shop.tracking.note_gate(one.version, refusals)
        else:
            shop.tracking.promote(one.kind, one.version.number)
        found.append(replace(one, refusals=refusals, promoted=not refusals))
    return found


def _champion(shop: Workshop, kind: str) -> FittedModel | None:
    """Load the champion; one that is damaged or of an older version is replaced, not compared."""
    version = shop.tracking.champion(kind)
    if version is None:
        return None
    try:
        return artifact.load(shop.tracking.folder(version))
    except ContractMismatch as error:
        _LOG.warning("%s is not compared: %s", version.text, error)
        return None


def again(business: Business, run_id: str, settings: Settings) -> Settings:
    """Return the settings that repeat a run: same facts, same seed, same parameters, same model bytes.

    Parameters
    ----------
    business : Business
    run_id : str
        Of MLflow.
    settings : Settings
        Says whether to promote and to show progress; all else is taken from the run.

    Raises
    ------
    UserError
        There is no such run.
    ContractMismatch
        The store holds another snapshot than the run was trained on.
    """
    facts = {kind: artifact.load(folder).facts for kind, folder in _folders(business, run_id).items()}
    one = next(iter(facts.values()))
    then, now = one["fingerprint"], Store.of(business).manifest.fingerprint
    if then != now:
        raise ContractMismatch(
            f"The run was trained on the snapshot {then[:12]}, the store holds {now[:12]}: the same "
            "model cannot come of it. Build from the sources of that time, or train anew."
        )
    return replace(
        settings,
        kinds=tuple(kind for kind in KINDS if kind in facts),
        until=parse_instant(one["trained_until"]),
        seed=one["seed"],
        parameters={kind: found["parameters"] for kind, found in facts.items()},
    )


def differing(business: Business, run_id: str, trained: Sequence[Trained]) -> list[str]:
    """Return the kinds whose model differs by any byte from that of the run which was repeated."""
    tracking, before = Tracking(business), _folders(business, run_id)
    pairs = {one.kind: (tracking.folder(one.version), before[one.kind]) for one in trained}
    # The manifest names the SHA-256 of every other file.
    return [
        kind for kind, pair in pairs.items() if len({(f / artifact.MANIFEST).read_bytes() for f in pair}) > 1
    ]


def _folders(business: Business, run_id: str) -> dict[str, Path]:
    """Where the models are that a run registered, by kind."""
    tracking = Tracking(business)
    return {kind: tracking.folder(version) for kind, version in tracking.of_run(run_id).items()}


def refuse(trained: Sequence[Trained]) -> None:
    """Raise `QualityRefused` where the gate refused any model, naming every reason."""
    reasons = [f"{one.kind}: {reason}" for one in trained for reason in one.refusals]
    if reasons:
        leaks = any(reason.startswith(leakage.KNOWS) for one in trained for reason in one.refusals)
        advice = f" {leakage.REMEDY}." if leaks else ""
        raise QualityRefused("The gate refused to promote. " + "; ".join(reasons) + "." + advice)
