"""The product's own path on CDNOW: load, build, train, score, evaluate; and how long `train` takes."""

import resource
import subprocess
import sys
import time
from pathlib import Path

from experiments.benchmarks.purchase_logs import thinned
from experiments.datasets import load as load_dataset
from features import business as businesses
from features.build import build
from features.business import Business
from features.windows import parse_instant
from serving import batch
from serving.keys import instant_now
from training import jobs
from training.card import to_table
from training.evaluation import Evaluation, evaluate

CUTOFF = "1998-01-01"


def measure(source: Path, folder: Path) -> Evaluation:
    """Build, train as if today were the cutoff, score and compare with the 26 weeks that followed.

    Parameters
    ----------
    source : Path
        The folder of CDNOW's file.
    folder : Path
        To write to.
    """
    business = _built(source, folder)
    cutoff = parse_instant(CUTOFF)
    trained = jobs.train(business, jobs.Settings(until=cutoff), _quiet)
    jobs.refuse(trained)
    url = f"sqlite:///{business.workspace / 'scores.db'}"
    run = batch.score(business, cutoff, instant_now(), batch.Target(folder / "scores", url), _quiet)
    facts = {"business": "cdnow", "cutoff": CUTOFF, "models": list(run.models), "questions": run.questions}
    return evaluate(business, cutoff, batch.read_scores(run), facts, _quiet)


def training_seconds(source: Path, folder: Path) -> tuple[float, float]:
    """Run ``holdfast train`` with all defaults on what was never trained; return wall and CPU seconds.

    Raises
    ------
    subprocess.CalledProcessError
        It failed.
    """
    _built(source, folder)
    command = [sys.executable, "-m", "serving.cli", "train", str(folder / "business.toml")]
    cpu, clock = _of_children(), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603  (our own command)
    return time.perf_counter() - clock, _of_children() - cpu


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _built(source: Path, folder: Path) -> Business:
    load_dataset("cdnow", source, folder)
    business = businesses.load(folder / "business.toml")
    build(business)
    return business


def source_of(data: Path, scratch: Path, one_of: int) -> Path:
    """Return the folder of CDNOW's file, or of one with one of so many customers."""
    return data / "cdnow" if one_of == 1 else thinned(data / "cdnow", scratch / "published", one_of)


def _quiet(_what: str, _done: int, _total: int) -> None:
    """Say nothing: the page is the output."""


def details(found: Evaluation) -> str:
    """Write what was predicted beside what happened, then every figure of both cards.

    Parameters
    ----------
    found : Evaluation
        With a model of value.
    """
    if found.value_predicted is None or found.value_realised is None:
        raise ValueError("there is no model of value")
    off = found.value_predicted / found.value_realised - 1
    value = f"{found.value_realised:,.0f} USD realised, {found.value_predicted:,.0f} predicted ({off:+.1%})"
    interval = found.cards["lifetime-value"]["interval"]
    shares = ", ".join(f"{interval[place]:.1%} {place}" for place in ("above", "below"))
    lines = [
        f"Trained as if today were {CUTOFF}, on facts before it only.",
        "Judged on the 182 days after it (the file ends one day earlier).",
        "The simple models are fitted to the same customers on the same facts.",
        f"Intervals resample customers. {found.customers:,} customers, all of them scored.",
        "The clock also counts what else the machine did while `train` ran; CPU seconds do not.",
        "",
        f"- Left: {found.churn_realised:.2%} realised, {found.churn_predicted:.2%} predicted.",
        f"- Value: {value}.",
        f"- 80 % interval of a lifetime value: {interval['coverage']:.1%} inside, {shares}.",
    ]
    for kind, card in found.cards.items():
        lines += ["", f"### {kind}", "", to_table(card)]
    return "\n".join(lines)
