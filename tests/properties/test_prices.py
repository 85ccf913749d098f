"""Laws of the prices of plans, beside the median as everybody knows it."""

import statistics
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from shops import GOOD, built, csv_shop

from features.windows import parse_instant, to_datetime, to_instant

LAW = settings(max_examples=12)
MONTHS = [to_instant(datetime(2023 + n // 12, n % 12 + 1, 1, tzinfo=UTC)) for n in range(8, 15)]
UNTIL = parse_instant("2024-03-11")
"""The midnight after the last of the purchases."""

edges = st.sampled_from([month + tick for month in MONTHS for tick in (-1, 0, 1)] + [UNTIL - 1, UNTIL])
contracts = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from(["ada", "bob"]),
            "start": edges,
            "end": st.none() | edges,
            "known": st.none() | edges,
            "plan": st.sampled_from(["basic", "plus"]),
            "price": st.sampled_from([None, 0, 1, 100, 999, 1000]),
        }
    ),
    min_size=1,
    max_size=10,
)


def prices_of(contracts, n_buckets=1):
    """The rows of plan_prices in a store with these contracts: plan, month, price in minor units."""
    lines = ["id,start,end,known,plan,price"]
    for one in contracts:
        times = [to_datetime(one[t]).isoformat() if one[t] else "" for t in ("start", "end", "known")]
        price = "" if one["price"] is None else f"{one['price'] / 100:.2f}"
        lines.append(",".join([one["id"], *times, one["plan"], price]))
    columns = {"started_at": "start", "ended_at": "end", "known_at": "known", "plan": "plan"}
    columns |= {"customer_id": "id", "price": "price"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "contracts.csv").write_text("\n".join(lines) + "\n")
        tables = {"subscriptions": {"source": "contracts.csv", "columns": columns}}
        report, store = built(csv_shop(folder, GOOD, tables=tables), n_buckets=n_buckets)
        found = store.read(n_buckets - 1, {"plan_prices": {"price"}}).shared["plan_prices"]
    record, events = report.manifest.tables["plan_prices"], found.events
    assert report.manifest.observed_until == UNTIL
    assert record.rows_in == record.stored == len(events.at)
    assert events.columns["price"].dtype == "float64"
    assert events.offsets[-1] == events.offsets[-2]
    plans = [found.groups[owner] for owner in events.owners]
    return dict(zip(zip(plans, events.at.tolist(), strict=True), events.columns["price"], strict=True))


def running(one, month):
    """Whether, as far as is known before it, a contract runs at an instant."""
    known = one["start"] if one["known"] is None else one["known"]
    has_ended = one["end"] is not None and one["end"] < month
    return one["start"] < month and known < month and not has_ended


@LAW
@given(contracts, st.sampled_from([1, 4]))
@example(
    [{"id": "a", "start": MONTHS[0], "end": None, "known": None, "plan": "x", "price": 2**43}] * 2
    + [{"id": "a", "start": MONTHS[0], "end": MONTHS[1], "known": MONTHS[0], "plan": "x", "price": -5}],
    1,
)
def test_a_price_is_the_median_of_the_contracts_that_run_at_the_beginning_of_a_month(contracts, n_buckets):
    expected = {}
    for month in [one for one in MONTHS if one <= UNTIL]:
        for plan in {one["plan"] for one in contracts}:
            paid = [
                one["price"]
                for one in contracts
                if one["plan"] == plan and one["price"] is not None and running(one, month)
            ]
            if paid:
                expected[plan, month] = statistics.median(paid)
    assert prices_of(contracts, n_buckets) == expected


@LAW
@given(contracts, st.sampled_from(MONTHS))
def test_what_happens_or_becomes_known_from_an_instant_on_changes_no_price_up_to_it(contracts, instant):
    before = [
        one | {"end": None if one["end"] is None or one["end"] >= instant else one["end"]}
        for one in contracts
        if running(one | {"end": None}, instant)
    ]
    whole = {key: price for key, price in prices_of(contracts).items() if key[1] <= instant}
    always = {"id": "z", "start": MONTHS[0] - 9, "end": None, "known": None, "plan": "z", "price": 1}
    past = {key: price for key, price in prices_of([*before, always]).items() if key[1] <= instant}
    assert whole == {key: price for key, price in past.items() if key[0] != "z"}


def test_contracts_that_never_end_run_in_every_month(tmp_path):
    (tmp_path / "contracts.csv").write_text("id,start,plan,price\na,2024-01-05,basic,3.00\n")
    columns = {"customer_id": "id", "started_at": "start", "plan": "plan", "price": "price"}
    tables = {"subscriptions": {"source": "contracts.csv", "columns": columns}}
    _, store = built(csv_shop(tmp_path, GOOD, tables=tables))
    found = store.shared({"plan_prices": {"price"}})["plan_prices"]
    own = found.events.at[: found.events.offsets[1]].tolist()
    assert own == [parse_instant("2024-02-01"), parse_instant("2024-03-01")]


def test_without_prices_there_is_no_such_table(tmp_path):
    (tmp_path / "contracts.csv").write_text("id,start,plan\na,2024-01-01,basic\n")
    columns = {"customer_id": "id", "started_at": "start", "plan": "plan"}
    tables = {"subscriptions": {"source": "contracts.csv", "columns": columns}}
    report, store = built(csv_shop(tmp_path, GOOD, tables=tables))
    assert "plan_prices" not in report.manifest.tables
    assert store.read(0, {"plan_prices": {"price"}}).shared == {}
