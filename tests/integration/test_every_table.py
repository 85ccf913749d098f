"""A company with every table: each feature says something, and a request says what the batch says."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from companies import OBSERVED_UNTIL, company

from features.build import build
from features.catalogue import features_for
from features.panel import concatenate, each_bucket, panel_of
from features.store import Store
from serving.contract import Contract
from serving.scorer import Scorer
from training import jobs
from training.tracking import Tracking

CUTOFFS = np.array([OBSERVED_UNTIL - 100 * 86_400_000_000, OBSERVED_UNTIL])


@pytest.fixture(scope="module")
def business(tmp_path_factory):
    made = company(tmp_path_factory.mktemp("company"))
    build(made, n_buckets=4)
    return made


@pytest.fixture(scope="module")
def champions(business):
    for one in jobs.train(business, jobs.Settings(promote=False), lambda *_: None):
        Tracking(business).promote(one.kind, one.version.number)
    return Scorer.load(business)


def features_of(store):
    return features_for({name: set(record.columns) for name, record in store.manifest.tables.items()})


def panel_at(store, declared):
    return concatenate(
        list(each_bucket(store, declared.columns, lambda bucket: panel_of(declared, bucket, CUTOFFS)))
    )


def test_every_feature_tells_some_customers_from_others(business):
    store = Store.open(business.workspace)
    declared = features_of(store)
    assert len(declared) >= 170
    found = panel_at(store, declared)
    for place, name in enumerate(declared.names):
        values = found.numbers[:, place]
        filled = values[~np.isnan(values)]
        assert len(filled) > 20, f"{name} has hardly any value"
        assert len(np.unique(filled)) > 1, f"{name} is the same for everybody"


def test_how_many_buckets_there_are_changes_no_byte(business, tmp_path):
    other = company(tmp_path)
    build(other, n_buckets=1)
    said = []
    for store in (Store.open(business.workspace), Store.open(other.workspace)):
        found = panel_at(store, features_of(store))
        order = np.lexsort([found.cutoffs, np.array(found.customer_ids)[found.customers]])
        said.append(found.numbers[order].tobytes())
    assert said[0] == said[1]


def test_every_row_is_accounted_for(business):
    for record in Store.open(business.workspace).manifest.tables.values():
        assert record.rows_in == record.stored + record.duplicates + record.rejected


def rows_by_customer(folder: Path, table: str) -> dict[str, list[dict]]:
    """The rows of a source as a request carries them."""
    found: dict[str, list[dict]] = {}
    for row in pq.read_table(folder / f"{table}.parquet").to_pylist():
        said = {name: _said(value) for name, value in row.items() if value is not None}
        found.setdefault(said.pop("customer_id"), []).append(said)
    return found


def last_known(rows: list[dict]) -> dict:
    """What the descriptions of a customer say together: a blank takes nothing back."""
    said: dict = {}
    for row in sorted(rows, key=lambda row: row.get("valid_from", "")):
        said |= row
    return said


def _said(value):
    return value.isoformat() if hasattr(value, "isoformat") else value


def test_a_request_with_whole_households_says_what_the_batch_says(business, champions):
    """The same bytes whatever the order of the customers; the market and the prices come from the store.

    A request describes a customer once, a store as often as they changed: by the cutoff all have moved.
    """
    tables = {t: rows_by_customer(business.folder, t) for t in business.tables if t != "market"}
    profiles = tables.pop("customers")
    bucket = Store.open(business.workspace).read(0, champions.columns())
    asked = [
        {
            **last_known(profiles[name]),
            "customer_id": name,
            **{table: rows.get(name, []) for table, rows in tables.items()},
        }
        for name in reversed(bucket.customer_ids)
    ]
    body = json.dumps({"customers": asked, "cutoff": "2024-06-01T00:00:00Z"}).encode()
    request = Contract(business, champions.kinds).score_request(body, OBSERVED_UNTIL)
    answers = champions.score(request.bucket, request.cutoff, 0).to_pylist()
    assert list(reversed(answers)) == champions.score(bucket, request.cutoff, 0).to_pylist()
