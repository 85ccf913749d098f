"""What was predicted for a cutoff against what then happened, beside BG/NBD on the same customers."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.business import Business
from features.errors import ContractMismatch, QuestionError
from features.store import Store
from features.windows import parse_duration, to_text
from training import card
from training.artifact import output_names
from training.card import Evidence
from training.examples import Examples, assemble
from training.questions import Question, kinds_of, with_horizon
from training.recipe import Recipe
from training.segments import segments
from training.workshop import needed_features, priors_of, questions_of, recipes_of


@dataclass(frozen=True)
class Evaluation:
    """The cards of the models for one cutoff, and how their totals compare.

    The totals of value are None where the business has no model of it.
    """

    cards: dict[str, dict[str, Any]]
    customers: int
    value_predicted: float | None
    value_realised: float | None
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
        Over the customers who were scored, beside BG/NBD and Gamma-Gamma, fitted to everybody who had bought
        before the cutoff on what was known then; churn by exit, beside the attrition rate of those asked.

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
    scored = [kind for kind in kinds_of(business) if kind in facts["questions"]]
    questions = questions_of(business, store, scored)
    _check_asked(questions, facts["questions"])
    longest = max(question.span for question in questions)
    if cutoff + longest > store.observed_until:
        raise QuestionError(
            f"What happens after {to_text(cutoff)} is known only from {to_text(cutoff + longest)} on; the "
            f"facts reach {to_text(store.observed_until)}. Choose an earlier --cutoff or build newer facts."
        )
    features = needed_features(store, questions)
    examples = assemble(store, features, questions, [cutoff], store.observed_until, progress)
    made = recipes_of(questions, priors_of(questions, examples.panel), examples.panel, seed=0)
    found = {one.kind: _evidence(one, examples, scores) for one in made}
    cards = {
        question.name: card.write(found[question.name], {**facts, "asks": question.asks}, seed=0)
        for question in questions
    }
    churn, value = found["attrition"], found.get("lifetime-value")
    return Evaluation(
        cards,
        len(churn.realised),
        float(value.predicted.sum()) if value else None,
        float(value.realised.sum()) if value else None,
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


def _positions(
    examples: Examples, answered: npt.NDArray[np.bool_], scores: pa.Table
) -> npt.NDArray[np.int64]:
    """Row of the scores for each labelled row, -1 where there is none or it has no answer."""
    scored = {
        customer: row
        for row, (customer, said) in enumerate(zip(scores["customer_id"].to_pylist(), answered, strict=True))
        if said
    }
    ids = examples.panel.customer_ids
    return np.array([scored.get(ids[customer], -1) for customer in examples.panel.customers], np.int64)


def _evidence(made: Recipe, examples: Examples, scores: pa.Table) -> Evidence:
    """Put the scores beside what happened to the same customers, and what simple models would have said."""
    columns = [scores[name].to_numpy() for name in output_names(made.kind)]
    order = _positions(examples, ~np.isnan(columns[0].astype(np.float64)), scores)
    said = [column[order[order >= 0]] for column in columns]
    kept = examples.rows(order >= 0)
    low, high = said[1:] or (None, None)
    return Evidence(
        made.kind,
        made.realised(kept),
        kept.panel.customers,
        said[0],
        made.untrained(kept),
        low,
        high,
        segments(kept.panel),
    )
