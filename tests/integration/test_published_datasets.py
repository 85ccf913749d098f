"""The public data sets, loaded and built, agree with what their files say when they are counted otherwise."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from experiments.datasets import load
from features import business as businesses
from features.build import build
from features.store import Store

pytestmark = pytest.mark.data

TELCO_LEAKS = {
    *("satisfaction_score", "churn_score", "customer_status", "churn_label", "churn_value", "cltv"),
    *("churn_category", "churn_reason", "churn_reason_first_release"),
}


@pytest.fixture(scope="module")
def loaded(data_dir, tmp_path_factory):
    """Load each data set once: the folder of its published files, and that of its tables."""
    made = {}

    def load_once(name):
        if name not in made:
            source = data_dir / ("telco" if name == "classic" else name)
            source = source / "Telco-Customer-Churn.csv" if name == "classic" else source
            target = tmp_path_factory.mktemp(name)
            made[name] = load("telco" if name == "classic" else name, source, target)
        return made[name]

    return load_once


def published(data_dir, name, table):
    return pd.read_parquet(data_dir / name / f"{table}.parquet")


def tables(loaded):
    folder = loaded.business.parent
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in loaded.tables}


def rank_auc(values, outcome):
    """Chance that a leaver's value is above a stayer's, or below: categories by their own rate of leaving."""
    known = pd.Series(values)
    if not pd.api.types.is_numeric_dtype(known):
        known = pd.Series(outcome).groupby(known.fillna("").to_numpy()).transform("mean")
    ranks = known.rank().to_numpy()
    n, ones = len(ranks), outcome.sum()
    auc = (ranks[outcome].sum() - ones * (ones + 1) / 2) / (ones * (n - ones))
    return max(auc, 1 - auc)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("cdnow", {"purchases": 69_659}),
        ("complete_journey", {"purchases": 100_000, "customers": 2_406, "campaigns": 6_589}),
        ("telco", {"subscriptions": 7_043, "customers": 7_043, "exits": 1_869}),
        ("classic", {"subscriptions": 7_043, "customers": 7_043, "exits": 1_869}),
        ("insurance", {"subscriptions": 23_060, "customers": 23_060, "exits": 2_954}),
        (
            "ravenstack",
            {"customers": 500, "subscriptions": 5_000, "contacts": 27_000, "surveys": 1_175, "exits": 600},
        ),
    ],
)
def test_every_row_of_every_set_goes_into_the_store(loaded, name, counts):
    made = loaded(name)
    assert made.tables == counts
    manifest = build(businesses.load(made.business)).manifest
    assert manifest.n_customers == made.customers
    stored = {
        table: (t.rows_in, t.stored, t.rejected) for table, t in manifest.tables.items() if table in counts
    }
    assert stored == {table: (rows, rows, 0) for table, rows in counts.items()}


def test_complete_journey_keeps_its_money_baskets_departments_and_days(loaded, data_dir):
    raw = {n: published(data_dir, "complete_journey", n) for n in ("transactions", "products", "campaigns")}
    bought, made = raw["transactions"], tables(loaded("complete_journey"))
    assert loaded("complete_journey").published_rows == 1_469_307
    assert float(made["purchases"].sales_value.sum()) == pytest.approx(bought.sales_value.sum(), abs=0.005)
    assert float(made["purchases"].sales_value.sum()) == 312_753.23
    given = bought.retail_disc.sum() + bought.coupon_match_disc.sum()
    assert float(made["purchases"].discount.sum()) == pytest.approx(given, abs=0.005)
    assert made["purchases"].household_id.nunique() == bought.household_id.nunique() == 2_405
    assert made["purchases"].basket_id.nunique() == bought.basket_id.nunique()
    department = bought.product_id.map(raw["products"].set_index("product_id").department)
    assert made["purchases"].department.value_counts().to_dict() == department.value_counts().to_dict()
    assert made["purchases"].department.isna().sum() == department.isna().sum() == 316
    # The published weeks turn over at midnight of the zone that the business declares.
    local = made["purchases"].purchased_at.dt.tz_convert("America/New_York")
    first = pd.Timestamp("2017-01-02")
    weeks = (local.dt.tz_localize(None) - first) // pd.Timedelta(days=7) + 2
    assert weeks.value_counts().to_dict() == bought.week.value_counts().to_dict()
    assert local.max() < pd.Timestamp("2018-01-01", tz="America/New_York")


def test_complete_journey_says_who_was_sent_what_and_who_answered(loaded, data_dir):
    answers = published(data_dir, "complete_journey", "coupon_redemptions")
    described = published(data_dir, "complete_journey", "campaign_descriptions").set_index("campaign_id")
    campaigns = tables(loaded("complete_journey"))["campaigns"]
    answered = campaigns.dropna(subset=["responded_at"]).set_index(["household_id", "campaign_id"])
    first = answers.groupby(["household_id", "campaign_id"]).redemption_date.min()
    assert answered.responded_at.sort_index().to_dict() == first.to_dict()
    assert len(first) == 792
    assert campaigns.sent_at.tolist() == campaigns.campaign_id.map(described.start_date).tolist()
    assert all(answer >= sent for answer, sent in zip(answered.responded_at, answered.sent_at, strict=True))


@pytest.mark.parametrize(("name", "months", "leavers"), [("telco", 3, 1_272), ("classic", 1, 1_489)])
def test_telco_asks_at_its_one_cutoff_about_those_who_were_there_before(loaded, name, months, leavers):
    made = tables(loaded(name))
    business = businesses.load(loaded(name).business)
    cutoff = pd.Timestamp(business.business.observed_until, unit="us") - pd.Timedelta(
        microseconds=business.churn.horizon.microseconds
    )
    assert cutoff == pd.Timestamp("2019-10-01") - pd.DateOffset(months=months)
    contracts = made["subscriptions"].set_index("customer_id")
    was_there = pd.to_datetime(contracts.started_at) < cutoff
    left = contracts.index.isin(made["exits"].customer_id)
    assert (was_there.sum(), (was_there & left).sum()) == (
        {"telco": 5_992, "classic": 6_419}[name],
        leavers,
    )
    assert (pd.to_datetime(made["exits"].left_at) >= cutoff).all()
    assert (contracts.ended_at.notna() == left).all()


def test_telco_keeps_charges_tenure_and_reasons_and_none_of_the_leaks(loaded, data_dir):
    raw = published(data_dir, "telco", "customers").set_index("customer_id").sort_index()
    made = tables(loaded("telco"))
    contracts = made["subscriptions"].set_index("customer_id").sort_index()
    assert float(contracts.price.sum()) == pytest.approx(raw.monthly_charge.sum(), abs=0.005)
    started = pd.to_datetime(contracts.started_at)
    assert ((2019 - started.dt.year) * 12 + 10 - started.dt.month == raw.tenure_in_months).all()
    reasons = made["exits"].set_index("customer_id").churn_reason.sort_index()
    assert reasons.to_dict() == raw.churn_reason.dropna().to_dict()
    assert made["exits"].defector_type.notna().all()
    described = made["customers"].merge(made["subscriptions"].drop(columns="ended_at"), on="customer_id")
    assert not TELCO_LEAKS & set(described.columns)
    described["price"] = described.price.astype(float)
    left = described.customer_id.isin(made["exits"].customer_id).to_numpy()
    alone = {c: rank_auc(described[c], left) for c in described if c not in {"customer_id", "city"}}
    assert max(alone.values()) < 0.80
    assert rank_auc(raw.satisfaction_score.to_numpy(), (raw.churn_value == 1).to_numpy()) > 0.94


def test_insurance_keeps_every_premium_and_the_years_of_a_policy(loaded, data_dir):
    raw = published(data_dir, "insurance", "eudirectlapse")
    made = tables(loaded("insurance"))
    customers = made["customers"].sort_values("customer_id").reset_index(drop=True)
    for name in ("prem_final", "prem_last", "prem_market", "prem_pure"):
        assert np.allclose(customers[name].astype(float), raw[name], atol=1e-6)
    assert np.allclose(customers.renewal_to_market, raw.prem_final / raw.prem_market)
    contracts = made["subscriptions"].sort_values("customer_id").reset_index(drop=True)
    assert (2020 - pd.to_datetime(contracts.started_at).dt.year == raw.policy_age).all()
    assert (contracts.ended_at.notna() == (raw.lapse == 1)).all()
    lapsed = [f"{place:05d}" for place in np.flatnonzero(raw.lapse == 1) + 1]
    assert made["exits"].customer_id.tolist() == lapsed
    assert "lapse" not in customers


def test_ravenstack_links_every_use_to_an_account_and_keeps_reasons_and_texts(loaded, data_dir):
    raw = {
        n: published(data_dir, "ravenstack", n) for n in ("subscriptions", "feature_usage", "churn_events")
    }
    made = tables(loaded("ravenstack"))
    uses = made["contacts"][made["contacts"].kind == "visit"]
    account = raw["subscriptions"].set_index("subscription_id").account_id
    expected = raw["feature_usage"].subscription_id.map(account).value_counts()
    assert uses.account_id.value_counts().to_dict() == expected.to_dict()
    assert uses.duration_seconds.sum() == raw["feature_usage"].usage_duration_secs.sum()
    tickets = made["contacts"][made["contacts"].kind == "service"]
    assert len(tickets) == 2_000
    assert (tickets.known_at > pd.to_datetime(tickets.contacted_at)).all()
    exits, events = made["exits"], raw["churn_events"]
    said = pd.crosstab(exits.reason_code, exits.feedback_text.fillna(""))
    assert said.equals(pd.crosstab(events.reason_code, events.feedback_text.fillna("")))
    ended = made["subscriptions"].end_date.notna().sum()
    assert (ended, made["subscriptions"].mrr_amount.sum()) == (486, raw["subscriptions"].mrr_amount.sum())


def test_no_table_carries_metadata_of_the_machine_that_wrote_it(loaded):
    for name in ("complete_journey", "telco", "insurance", "ravenstack"):
        for path in loaded(name).business.parent.glob("*.parquet"):
            assert set(pq.read_schema(path).metadata or {}) == set(), path.name


def test_a_category_that_leaks_would_be_seen(loaded):
    left = np.array([True, True, False, False])
    assert rank_auc(["gone", "gone", "here", "here"], left) == 1.0
    assert rank_auc([1.0, 2.0, 1.0, 2.0], left) == 0.5


def test_the_store_holds_what_happened_at_the_instant_that_the_file_says(loaded):
    made = loaded("complete_journey")
    business = businesses.load(made.business)
    build(business)
    manifest = Store.open(business.workspace).manifest
    assert pd.Timestamp(manifest.tables["purchases"].first_at, unit="us") == pd.Timestamp(
        "2017-01-01 12:30:27"
    )
    # A campaign begins at midnight of the shops' clock, which is five hours behind in winter.
    assert pd.Timestamp(manifest.tables["campaigns"].first_at, unit="us") == pd.Timestamp("2016-11-14 05:00")
