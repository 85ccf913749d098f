"""What was predicted for a cutoff against what then happened, beside BG/NBD on the same customers."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from features.business import Business
from features.errors import ContractMismatch, QuestionError
from features.events import Numbers
from features.store import Store
from features.windows import parse_duration, to_text
from training import KINDS, card
from training.artifact import output_names
from training.card import Evidence
from training.examples import Examples, assemble
from training.inputs import RepeatBuying
from training.jobs import needed_features, questions_of
from training.questions import Question, ValueQuestion, with_horizon


@dataclass(frozen=True)
class Evaluation:
    """The cards of both models for one cutoff, and how their totals compare."""

    cards: dict[str, dict[str, Any]]
    customers: int
    value_predicted: float
    value_realised: float
    churn_predicted: float
    churn_realised: float


def evaluate(
    business: Business,
    cutoff: int,
    scores: pa.Table,
    facts: dict[str, Any],
    progress: Callable[[str, int, int], None],
) -> Evaluation:
    """Compare the scores of a cutoff with what then happened.

    Parameters
    ----------
    business : Business
    cutoff : int
        Its whole outcome window must lie before ``observed_until``.
    scores : pyarrow.Table
        A batch for that cutoff: customer_id, eligible and the predictions.
    facts : dict
        About the models that made the scores, for the card; ``questions`` says what they were asked.
    progress : callable
        Told (what, done, total).

    Returns
    -------
    Evaluation
        Over the customers who were scored; BG/NBD and Gamma-Gamma are fitted to everybody who had bought
        before the cutoff, on what was known then.

    Raises
    ------
    QuestionError
        The outcome window is not over.
    ContractMismatch
        The scores answer other questions than those of business.toml.
    """
    store = Store.of(business)
    if business.churn.horizon == "auto":
        # What was asked then; the advisor may say otherwise by now.
        asked = facts["questions"]["attrition"]["horizon"]
        business = with_horizon(business, parse_duration(asked))
    questions = questions_of(business, store, KINDS)
    _check_asked(questions, facts["questions"])
    longest = max(question.span for question in questions)
    if cutoff + longest > store.observed_until:
        raise QuestionError(
            f"What happens after {to_text(cutoff)} is known only from {to_text(cutoff + longest)} on; the "
            f"facts reach {to_text(store.observed_until)}. Choose an earlier --cutoff or build newer facts."
        )
    features = needed_features(store, questions)
    examples = assemble(store, features, questions, [cutoff], store.observed_until, progress)
    prior = RepeatBuying.fit(examples.panel)
    order = _positions(examples, scores)
    found = {question.name: _evidence(question, examples, prior, scores, order) for question in questions}
    churn, value = found["attrition"], found["lifetime-value"]
    return Evaluation(
        {
            kind: card.write(one, {**facts, "asks": _asks(questions, kind)}, seed=0)
            for kind, one in found.items()
        },
        len(churn.realised),
        float(value.predicted.sum()),
        float(value.realised.sum()),
        float(churn.predicted.mean()),
        float(churn.realised.mean()),
    )


def _check_asked(questions: tuple[Question, ...], asked: Mapping[str, Any]) -> None:
    """Refuse scores that answer other questions than the ones that business.toml asks now."""
    for question in questions:
        now, then = json.loads(json.dumps(question.to_dict())), asked[question.name]
        changed = [f"{key} {then.get(key)} then, {now[key]} now" for key in now if now[key] != then.get(key)]
        if changed:
            raise ContractMismatch(
                f"The scores answer another question than business.toml asks ({question.name}: "
                f"{'; '.join(changed)}). Train and score again, or put business.toml back."
            )


def _asks(questions: tuple[Question, ...], kind: str) -> str:
    return next(question.asks for question in questions if question.name == kind)


def _positions(examples: Examples, scores: pa.Table) -> Numbers:
    """Row of the scores for each labelled row, -1 where there is none or it was not scored."""
    scored = {
        customer: row
        for row, (customer, eligible) in enumerate(
            zip(scores["customer_id"].to_pylist(), scores["eligible"].to_pylist(), strict=True)
        )
        if eligible
    }
    ids = examples.panel.customer_ids
    return np.array([scored.get(ids[customer], -1) for customer in examples.panel.customers], np.int64)


def _evidence(
    question: Question, examples: Examples, prior: RepeatBuying, scores: pa.Table, order: Numbers
) -> Evidence:
    kept = examples.rows(order >= 0)
    columns = [scores[name].to_numpy()[order[order >= 0]] for name in output_names(question.name)]
    gap, horizon = question.gap.days, question.horizon.days
    realised, customers = kept.answers[question.name], kept.panel.customers
    if isinstance(question, ValueQuestion):
        amount = prior.amount(kept.panel, gap, horizon)
        rival = {"bg_nbd_gamma_gamma": amount * question.scale(question.margin_on(kept.panel))}
        return Evidence(question.name, realised, customers, columns[0], rival, columns[1], columns[2])
    rival = {"bg_nbd": prior.silence(kept.panel, gap, horizon)}
    return Evidence(question.name, realised, customers, columns[0], rival)
