"""A made-up shop large enough to learn from, and models that have learnt from it."""

from functools import cache

import numpy as np
from builders import Customer, bucket_of

from features.catalogue import features_for
from features.language import count
from features.panel import Panel, panel_of
from features.transactions import PURCHASES
from features.windows import MICROSECONDS_PER_DAY, days, parse_instant, to_text
from training import labels
from training.artifact import FittedModel
from training.examples import Examples
from training.questions import ChurnQuestion, ValueQuestion
from training.recipe import Recipe
from training.repeat_buying import RepeatBuying
from training.workshop import recipe_of

OPENED = parse_instant("2022-01-01")
UNTIL = parse_instant("2023-07-01")
FEATURES = features_for({"purchases": {"amount", "channel"}, "customers": {"region", "joined_at"}})
_ELIGIBLE = count(PURCHASES).over(days(365))[0]
CHURN = ChurnQuestion("attrition", "Will they buy nothing in 90d?", _ELIGIBLE, days(90), days(0))
VALUE = ValueQuestion(
    "lifetime-value",
    "What margin will they bring in 90d?",
    _ELIGIBLE,
    days(90),
    days(0),
    margin=0.4,
    discount_rate=0.1,
    has_cost=False,
    minor_units=100,
)
QUESTIONS = {question.name: question for question in (CHURN, VALUE)}
CUTOFFS = tuple(UNTIL - days(90 + 30 * k).microseconds for k in (2, 1, 0))


def live(rng: np.random.Generator, name: str) -> Customer:
    """A customer who buys at a rate of their own until they leave for good, after any purchase."""
    every, leaves, spends = rng.gamma(4.0, 7.0), rng.beta(1.0, 12.0), rng.gamma(5.0, 8.0)
    at = OPENED + int(rng.uniform(0, 400) * MICROSECONDS_PER_DAY)
    joined = at - int(rng.uniform(0, 20) * MICROSECONDS_PER_DAY)
    one = Customer(name).described(region=str(rng.choice(["north", "south"])), joined_at=joined)
    while at < UNTIL:
        one = one.bought(at, rng.gamma(3.0, spends / 3.0) + 0.01, channel=str(rng.choice(["web", "shop"])))
        if rng.random() < leaves:
            break
        at += int(rng.exponential(every) * MICROSECONDS_PER_DAY)
    return one


@cache
def customers(n: int = 600, seed: int = 1) -> tuple[Customer, ...]:
    rng = np.random.default_rng(seed)
    return tuple(live(rng, f"c{k}") for k in range(n))


@cache
def panel(cutoffs: tuple[int, ...] = CUTOFFS, n: int = 600) -> Panel:
    """Those who had bought before each cutoff."""
    found = panel_of(FEATURES, bucket_of(customers(n)), np.array(cutoffs))
    return found.rows(~np.isnan(found.column("purchases_days_since_last")))


@cache
def priors() -> dict[int, RepeatBuying]:
    return {cutoff: RepeatBuying.fit(panel((cutoff,))) for cutoff in (*CUTOFFS, UNTIL)}


def recipe(kind: str) -> Recipe:
    return recipe_of(QUESTIONS[kind], 0.4 / 100, priors(), seed=3)


def examples(kind: str) -> Examples:
    bucket = bucket_of(customers())
    found = panel_of(FEATURES, bucket, np.array(CUTOFFS))
    rows = Examples(found, {kind: labels.outcomes(QUESTIONS[kind], bucket, np.array(CUTOFFS), UNTIL)})
    return rows.rows(~np.isnan(found.column("purchases_days_since_last")))


@cache
def model(kind: str) -> FittedModel:
    """A model of one kind, as training would register it."""
    made, rows = recipe(kind), examples(kind)
    fit = made.fit(rows, {"rounds": 30})
    if kind == "lifetime-value":
        known = made.eligible(rows)
        fit.estimator.calibrate(made.encode(fit.inputs, known.panel), known.answers[kind])
    facts = {"business": "made-up shop", "trained_until": to_text(UNTIL)}
    whole = FittedModel(kind, fit.estimator, fit.inputs, priors()[UNTIL], made.question.eligible, facts)
    return whole.with_golden(made.eligible(rows).panel)
