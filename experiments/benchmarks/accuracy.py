"""How well the models predict on public data, beside their baselines, through the product's own path.

``python -m experiments.benchmarks.accuracy --from downloads --out experiments/results/cdnow.md``
"""

import argparse
import sys
import tempfile
from pathlib import Path

from experiments.datasets import load as load_dataset
from features import business as businesses
from features.build import build
from features.windows import parse_instant
from serving import batch
from serving.keys import instant_now
from training import jobs
from training.card import to_table
from training.evaluation import Evaluation, evaluate

CUTOFF = "1998-01-01"


def main() -> int:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="source", type=Path, required=True, help="folder of the CDNOW file")
    parser.add_argument("--out", type=Path, default=None, help="the Markdown file to write")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        page = _page(measure(arguments.source, Path(scratch) / "cdnow"))
    print(page)
    if arguments.out is not None:
        arguments.out.write_text(page, encoding="utf-8")
    return 0


def measure(source: Path, folder: Path) -> Evaluation:
    """Build, train as if today were the cutoff, score and compare with the 26 weeks that followed."""
    load_dataset("cdnow", source, folder)
    business = businesses.load(folder / "business.toml")
    build(business)
    cutoff = parse_instant(CUTOFF)
    trained = jobs.train(business, jobs.Settings(until=cutoff), _quiet)
    jobs.refuse(trained)
    url = f"sqlite:///{business.workspace / 'scores.db'}"
    run = batch.score(business, cutoff, instant_now(), batch.Target(folder / "scores", url), _quiet)
    facts = {"business": "cdnow", "cutoff": CUTOFF, "models": list(run.models), "questions": run.questions}
    return evaluate(business, cutoff, batch.read_scores(run), facts, _quiet)


def _quiet(_what: str, _done: int, _total: int) -> None:
    """Say nothing: the page is the output."""


def _page(found: Evaluation) -> str:
    off = found.value_predicted / found.value_realised - 1
    value = f"{found.value_realised:,.0f} USD realised, {found.value_predicted:,.0f} predicted ({off:+.1%})"
    interval = found.cards["lifetime-value"]["interval"]
    shares = ", ".join(f"{interval[place]:.1%} {place}" for place in ("above", "below"))
    lines = [
        "# CDNOW: what was predicted, and what happened",
        "",
        f"Trained as if today were {CUTOFF}, on facts before it only.",
        "Judged on the 182 days after it (the file ends one day earlier).",
        "BG/NBD and Gamma-Gamma are fitted to the same customers on the same facts.",
        f"Intervals resample customers. {found.customers:,} customers, all of them scored.",
        "Made by `make bench-accuracy`.",
        "",
        f"- Left: {found.churn_realised:.2%} realised, {found.churn_predicted:.2%} predicted.",
        f"- Value: {value}.",
        f"- 80 % interval of a lifetime value: {interval['coverage']:.1%} inside, {shares}.",
        "",
    ]
    for kind, card in found.cards.items():
        lines += [f"## {kind}", "", to_table(card), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
