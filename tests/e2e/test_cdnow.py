"""The whole path on real data: what the README promises, measured."""

import asyncio
import json
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from business import holdfast

pytestmark = pytest.mark.data
CUTOFF = "1998-01-01"


@pytest.fixture(scope="module")
def cdnow(data_dir, tmp_path_factory):
    """CDNOW built, trained as if today were the cutoff, and scored."""
    folder = tmp_path_factory.mktemp("cdnow") / "business"
    holdfast("dataset", "cdnow", "--from", data_dir / "cdnow", "--to", folder)
    path = folder / "business.toml"
    built = holdfast("build", path)["answer"]
    assert built["tables"]["purchases"]["stored"] == 69_659
    trained = holdfast("train", path, "--until", CUTOFF)["answer"]
    assert [one["promoted"] for one in trained] == [True, True]
    run = holdfast("score", path, "--cutoff", CUTOFF)["answer"]
    assert (run["customers"], run["scored"]) == (23_570, 23_570)
    return path


@pytest.fixture(scope="module")
def evaluation(cdnow):
    return holdfast("evaluate", cdnow, "--cutoff", CUTOFF)["answer"]


def test_churn_is_predicted_at_least_as_well_as_by_bg_nbd_beyond_chance(evaluation):
    card = evaluation["cards"]["attrition"]
    assert card["metrics"]["model"]["roc_auc"]["value"] >= 0.80
    assert card["against"]["btyd"]["roc_auc"]["low"] > 0
    assert card["against"]["btyd"]["log_loss"]["high"] < 0


def test_total_value_is_within_15_percent_of_realised(evaluation):
    assert abs(evaluation["value_predicted"] / evaluation["value_realised"] - 1) <= 0.15


def test_the_interval_covers_what_it_promises(evaluation):
    found = evaluation["cards"]["lifetime-value"]["interval"]
    assert found["coverage"] >= 0.8
    assert found["above"] <= 0.12


def _columns(table, names):
    return {row["customer_id"]: [row[name] for name in names] for row in table}


def test_batch_request_and_pyfunc_give_identical_scores(cdnow):
    from features import business as businesses
    from features.panel import panel_of
    from features.store import Store
    from features.windows import parse_instant
    from serving import batch
    from serving.scorer import Scorer
    from training.tracking import Tracking

    business = businesses.load(cdnow)
    cutoff = parse_instant(CUTOFF)
    scores = batch.read_scores(batch.read_run(business, cutoff)).to_pylist()
    names = ("churn_probability", "churn_percentile", "lifecycle", "lifetime_value", "lifetime_value_low",
             "lifetime_value_high", "value_at_risk", "risk_band")  # fmt: skip
    by_batch = _columns(scores, names)

    chosen = sorted(by_batch)[::97]
    by_request = _columns(asyncio.run(_requested(business, chosen)), names)
    assert {customer: by_batch[customer] for customer in chosen} == by_request

    scorer = Scorer.load(business)
    store = Store.open(business.workspace)
    bucket = store.read(0, scorer.columns())
    frame = panel_of(scorer.attrition.features, bucket, np.array([cutoff])).to_pandas()
    tracking = Tracking(business)
    assert tracking.client is not None
    import mlflow

    for kind, column in (("attrition", "churn_probability"), ("lifetime-value", "lifetime_value")):
        model = mlflow.pyfunc.load_model(f"models:/cdnow-{kind}@champion")
        predicted = model.predict(frame[[feature.name for feature in scorer.attrition.features]])
        place = names.index(column)
        expected = [by_batch[customer][place] for customer in bucket.customer_ids]
        assert predicted[column].tolist() == expected


async def _requested(business, chosen):
    """Score some customers over the application, from their purchases in the body."""
    import pyarrow.parquet as pq

    from serving import service, settings

    rows = pq.read_table(business.folder / "purchases.parquet").to_pylist()
    events = {customer: [] for customer in chosen}
    for row in reversed(rows):
        if row["customer_id"] in events:
            events[row["customer_id"]].append(
                {
                    "purchased_at": row["date"].isoformat(),
                    "amount": float(row["amount"]),
                    "quantity": row["quantity"],
                }
            )
    body = {
        "cutoff": CUTOFF,
        "customers": [{"customer_id": name, "purchases": events[name]} for name in chosen],
    }
    app = service.build(settings.read({"HOLDFAST_BUSINESS": str(business.path)}), business)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client,
    ):
        for _ in range(100):
            if (await client.get("/readyz")).status_code == 200:
                break
            await asyncio.sleep(0.1)
        answer = await client.post("/v1/score", content=json.dumps(body))
    assert answer.status_code == 200, answer.text
    return answer.json()["scores"]
