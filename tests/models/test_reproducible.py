"""The same data and seed give the same model, byte for byte, whatever the number of threads."""

import json

import numpy as np
import pytest
from scipy.special import expit

from training import boosting
from training.attrition import AttritionModel
from training.contract_attrition import ContractAttritionModel
from training.lifetime_value import LifetimeValueModel
from training.search import Task, search

ESTIMATORS = {AttritionModel: 12_000, ContractAttritionModel: 2500, LifetimeValueModel: 12_000}
"""With how many rows each is tried: threads share the work, and many folds take their time."""


def draw(kind, n, seed=1):
    """Rows with skewed, missing and whole-numbered inputs."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 8))
    X[:, 2:4] = np.exp(X[:, 2:4])
    X[:, 4] = rng.integers(0, 5, n)
    X[:, 5][rng.uniform(size=n) < 0.2] = np.nan
    slope = X[:, 0] + np.where(X[:, 1] > 0.3, 0.8, -0.4) * X[:, 4] / 2
    if kind is LifetimeValueModel:
        X[:, 0] = np.exp(X[:, 0])
        return X, np.where(rng.uniform(size=n) < 0.6, rng.gamma(2.0, np.exp(slope)), 0.0)
    return X, (rng.uniform(size=n) < expit(slope)).astype(float)


def make(kind, **how):
    own = {} if kind is ContractAttritionModel else {"prior_column": 0}
    return kind(**{**own, "random_state": 7, "rounds": 30, **how})


def written(model):
    """Everything that is kept of a model, but for the threads it was fitted with."""
    state, boosters = model.to_state()
    parameters = {name: value for name, value in state["parameters"].items() if name != "n_jobs"}
    plain = json.dumps({**state, "parameters": parameters}, sort_keys=True)
    return plain, {name: boosting.to_bytes(booster) for name, booster in boosters.items()}


def fitted(kind, X, y, **how):
    model = make(kind, **how).fit(X, y, np.arange(len(y)) % 2)
    return model.calibrate(X, y) if kind is LifetimeValueModel else model


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_the_same_data_and_seed_give_the_same_bytes_for_one_and_two_threads(kind):
    X, y = draw(kind, ESTIMATORS[kind])
    once = written(fitted(kind, X, y))
    assert written(fitted(kind, X, y, n_jobs=2)) == once
    assert written(fitted(kind, X, y)) == once


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_another_seed_or_one_changed_label_gives_another_model(kind):
    """Bytes that never change would show nothing."""
    X, y = draw(kind, 1500)
    other = y.copy()
    other[np.argmax(y)] = 0.0
    models = [fitted(kind, X, y), fitted(kind, X, y, random_state=8), fitted(kind, X, other)]
    assert len({str(written(model)) for model in models}) == 3


@pytest.mark.parametrize("kind", [kind for kind in ESTIMATORS if hasattr(kind, "search_space")])
def test_a_search_ends_in_the_same_model_for_one_and_two_threads(kind):
    X, y = draw(kind, 3000)
    rows = np.arange(len(y))

    def run(threads):
        told = []

        def threaded(**parameters):
            return make(kind, n_jobs=threads, **parameters)

        best = search(Task(threaded, "any", X, y, rows % 2, rows // 2), 3, 1, told.append, show=False)
        return told, best, written(fitted(kind, X, y, n_jobs=threads, **best))

    assert run(1) == run(2)
