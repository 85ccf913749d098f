"""The advised horizon on shops whose truth is known: does it tell those who left from those who did not?"""

import numpy as np
import pyarrow.parquet as pq
import pytest

from experiments.simulator import simulate
from features import business as businesses
from features.build import build
from features.events import Bucket
from features.store import Store
from features.windows import MICROSECONDS_PER_DAY, days
from training import advice, labels
from training.questions import churn_question, with_horizon


def quiet(_what, _done, _total):
    pass


@pytest.fixture(scope="module", params=[1, 2])
def shop(request, tmp_path_factory):
    made = simulate(tmp_path_factory.mktemp("advice"), customers=1500, seed=request.param)
    business = businesses.load(made.business)
    build(business, n_buckets=1)
    true = pq.read_table(made.truth, columns=["customer_id", "left_at"]).to_pylist()
    left = {row["customer_id"] for row in true if row["left_at"] is not None}
    return business, Store.of(business), left


def agreement(business, store: Store, left: set, horizon_days: int) -> float:
    """Share of the eligible whom a horizon that ends now calls churned if and only if they have left."""
    question = churn_question(with_horizon(business, days(horizon_days)))
    cutoff = np.array([store.observed_until - question.span])
    bucket: Bucket = store.read(0, {"purchases": ["amount"]})
    silent = labels.silences(bucket, cutoff, store.observed_until)
    before = labels.silences(bucket, cutoff - 365 * MICROSECONDS_PER_DAY, int(cutoff[0]))
    eligible = ~np.isnan(before)
    gone = np.array([customer in left for customer in bucket.customer_ids])
    return float((np.isnan(silent) == gone)[eligible].mean())


def test_no_other_candidate_tells_clearly_better_who_has_left(shop):
    business, store, left = shop
    found = advice.advise(business, store, store.observed_until, quiet)
    shares = {h: agreement(business, store, left, h) for h in advice.CANDIDATES}
    chosen = shares[round(found.horizon.days)]
    assert chosen > max(shares.values()) - 0.02
    assert chosen > 0.8
    assert chosen > shares[14] + 0.2
    assert chosen > shares[365] + 0.02


def test_regret_measured_early_is_what_then_happens(shop):
    """From half a year less of facts, the share that came back is foretold as later facts show it."""
    business, store, _ = shop
    early = advice.advise(business, store, store.observed_until - days(180).microseconds, quiet)
    late = advice.advise(business, store, store.observed_until, quiet)
    for one, other in zip(early.candidates, late.candidates, strict=False):
        if one.followed_days == other.followed_days == advice.A_YEAR:
            assert one.regret.value == pytest.approx(other.regret.value, abs=0.08)
