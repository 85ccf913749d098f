"""The simulated business: its tables keep the contract, and its truth is true."""

import errno
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from experiments import simulator
from experiments.population import People, draw_people
from experiments.purchasing import (
    CATEGORIES,
    RETURN_RATES,
    Assortment,
    Lines,
    draw_leaving,
    draw_lines,
)
from experiments.season import Season
from experiments.simulator import CHURN_HORIZON_DAYS, VALUE_HORIZON_DAYS, Simulated, simulate
from experiments.truth import Outlook
from features import business
from features.errors import UserError
from features.tables import CUSTOMERS, PURCHASES

UNTIL = datetime(2025, 7, 1, tzinfo=UTC)
DAYS = 400
BEFORE_CHRISTMAS, BEFORE_SUMMER = date(2024, 11, 1), date(2024, 6, 1)
LEAST_ROUGHNESS = 0.3
"""Between the last purchase beside the probability of silence (0.47) and a leak (below 0.1)."""


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Simulated:
    return simulate(tmp_path_factory.mktemp("small"), customers=4_000, seed=7)


@pytest.fixture(scope="module")
def shop(small) -> Iterator[duckdb.DuckDBPyConnection]:
    folder = small.business.parent
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for name, file in (
            ("purchases", folder / "purchases.parquet"),
            ("customers", folder / "customers.parquet"),
            ("truth", small.truth),
        ):
            connection.execute(f"create view {name} as from '{file}'")
        yield connection


def number(shop, query: str) -> float:
    (value,) = shop.execute(query).fetchone()
    return float(value)


class Run:
    """Customers whose process runs on past the moment at which their truth is asked for."""

    def __init__(self, seed: int, customers: int, until: date, horizon: int) -> None:
        rng = np.random.default_rng(seed)
        opened = (until - date(1970, 1, 1)).days - DAYS
        season = Season.of(opened, DAYS + horizon)
        self.horizon = horizon
        self.outlook = Outlook(season, Assortment.draw(rng), DAYS)
        self.people = draw_people(rng, customers, season, DAYS, len(self.outlook.goods.tastes))
        self.left = draw_leaving(rng, self.people)
        self.lines = self.live(rng, self.people, self.left)

    def live(self, rng: np.random.Generator, people: People, left) -> Lines:
        return draw_lines(rng, people, left, self.outlook.season, self.outlook.goods, DAYS + self.horizon)

    def silent(self) -> np.ndarray:
        within = self.lines.time >= DAYS
        return np.bincount(self.lines.customer[within], minlength=len(self.people)) == 0

    def margin(self) -> np.ndarray:
        lines, end = self.lines, DAYS + self.horizon
        margin = (lines.amount - lines.cost) / 100
        bought = np.where(lines.time >= DAYS, margin, 0)
        back = np.where((lines.returned >= DAYS) & (lines.returned < end), margin, 0)
        return np.bincount(lines.customer, bought - back, len(self.people))


def standard_errors(error: np.ndarray) -> float:
    """How many standard errors the mean of the errors is from zero."""
    return float(abs(error.mean()) / (error.std() / np.sqrt(len(error))))


def tenths(values: np.ndarray) -> list[np.ndarray]:
    return np.array_split(np.argsort(values, kind="stable"), 10)


@pytest.mark.parametrize("until", [BEFORE_CHRISTMAS, BEFORE_SUMMER])
def test_as_many_fall_silent_as_the_truth_says_in_every_tenth_of_the_customers(until):
    run = Run(seed=1, customers=60_000, until=until, horizon=CHURN_HORIZON_DAYS)
    told = run.outlook.leave_probability(run.people, run.left, run.horizon)
    silent = run.silent()
    assert silent[run.left < DAYS].all()
    here = run.left >= DAYS
    told, silent = told[here], silent[here]
    sampling_error = np.sqrt((told * (1 - told)).sum())
    assert abs((silent - told).sum()) < 3 * sampling_error
    for tenth in tenths(told):
        expected = told[tenth]
        assert abs((silent[tenth] - expected).sum()) < 4 * np.sqrt((expected * (1 - expected)).sum())


@pytest.mark.parametrize("until", [BEFORE_CHRISTMAS, BEFORE_SUMMER])
def test_customers_bring_the_margin_that_the_truth_expects_in_every_tenth(until):
    run = Run(seed=2, customers=60_000, until=until, horizon=VALUE_HORIZON_DAYS)
    told = run.outlook.expected_value(run.people, run.left, run.lines, run.horizon)
    error = run.margin() - told
    assert standard_errors(error) < 3
    assert abs(error.sum()) < 0.02 * told.sum()
    here = np.flatnonzero(run.left >= DAYS)
    for tenth in tenths(told[here]):
        assert standard_errors(error[here][tenth]) < 4


def test_what_those_who_left_still_bring_back_is_expected_and_nothing_else():
    run = Run(seed=3, customers=60_000, until=BEFORE_SUMMER, horizon=VALUE_HORIZON_DAYS)
    told = run.outlook.expected_value(run.people, run.left, run.lines, run.horizon)
    gone = run.left < DAYS
    pending = gone & (told != 0)
    assert told[gone].sum() < 0
    assert 100 < pending.sum() < 0.1 * gone.sum()
    assert standard_errors((run.margin() - told)[pending]) < 3
    assert not run.margin()[gone & ~pending].any()


def test_a_line_that_may_still_come_back_is_expected_to_as_often_as_lines_of_its_age_do():
    run = Run(seed=3, customers=100, until=BEFORE_SUMMER, horizon=VALUE_HORIZON_DAYS)
    category = run.outlook.goods.category[run.lines.product]
    line = run.lines.take(np.flatnonzero(category == CATEGORIES.index("clothing"))[:1])
    line = replace(line, customer=np.array([0]), amount=np.array([5_000]), cost=np.array([2_000]))
    gone = np.zeros(100)

    def lost(time: float, returned: float, horizon: int = VALUE_HORIZON_DAYS) -> float:
        at = replace(line, time=np.array([time]), returned=np.array([returned]))
        return -float(run.outlook.expected_value(run.people, gone, at, horizon)[0])

    chance = RETURN_RATES[CATEGORIES.index("clothing")]
    still = 1 - chance * 8 / 29
    assert lost(DAYS - 9.5, np.inf) == pytest.approx(30 * chance * (21 / 29) / still)
    assert lost(DAYS - 9.5, DAYS + 0.5) == lost(DAYS - 9.5, np.inf)
    assert lost(DAYS - 9.5, np.inf, horizon=3) == pytest.approx(30 * chance * (3 / 29) / still)
    assert lost(DAYS - 9.5, DAYS - 0.5) == 0
    assert lost(DAYS - 30.5, np.inf) == 0
    assert lost(DAYS + 0.5, np.inf) == 0


def test_the_truth_of_one_customer_is_what_happens_to_twenty_thousand_like_them():
    run = Run(seed=4, customers=2_000, until=BEFORE_CHRISTMAS, horizon=CHURN_HORIZON_DAYS)
    rng, copies = np.random.default_rng(5), 20_000
    hazards = run.people.hazards[:, 0]
    for latent in (run.people.rate, hazards, run.people.deals, run.people.basket):
        for share, haste in ((0.02, 1), (0.5, 1), (0.98, 1), (0.5, 100)):
            likeness = np.full(copies, np.argsort(latent)[int(share * len(latent))])
            people = replace(
                like(run.people, likeness),
                hazards=run.people.hazards[likeness] * haste,
                joined=np.full(copies, float(DAYS)),
                buys_at_once=np.zeros(copies, bool),
            )
            run_on = object.__new__(Run)
            run_on.outlook, run_on.horizon, run_on.people = run.outlook, run.horizon, people
            run_on.left = draw_leaving(rng, people)
            run_on.lines = run_on.live(rng, people, run_on.left)
            never = np.full(copies, np.inf)
            chance = run.outlook.leave_probability(people, never, run.horizon)[0]
            assert abs(run_on.silent().mean() - chance) < 4 * np.sqrt(chance * (1 - chance) / copies) + 1e-9
            none = run.lines.take(np.empty(0, np.int64))
            value = run.outlook.expected_value(people, never, none, run.horizon)
            assert standard_errors(run_on.margin() - value) < 4


def like(people: People, which: np.ndarray) -> People:
    return People(**{name: getattr(people, name)[which] for name in People.__dataclass_fields__})


def test_a_hazard_split_into_two_causes_leaves_the_truth_alone():
    run = Run(seed=6, customers=500, until=BEFORE_SUMMER, horizon=CHURN_HORIZON_DAYS)
    split = replace(run.people, hazards=run.people.hazards * np.array([[0.3, 0.7]]))
    alone = run.outlook.leave_probability(run.people, run.left, run.horizon)
    assert run.outlook.leave_probability(split, run.left, run.horizon) == pytest.approx(alone)
    waits = draw_leaving(np.random.default_rng(1), like(split, np.zeros(20_000, int))) - split.joined[0]
    assert standard_errors(waits * run.people.hazards[0, 0] - 1) < 4


def test_the_season_and_its_clock_keep_the_order_of_events():
    season = Season.of(19_000, 730)
    time = np.linspace(0, 729.999, 100_000)
    assert season.when(season.elapsed(time)) == pytest.approx(time)
    instants = season.instants(time)
    assert (np.diff(instants) >= 0).all()
    assert (instants // 86_400_000_000 == 19_000 + np.floor(time)).all()
    assert season.weights[:365].mean() == pytest.approx(1, abs=0.05)


def test_the_same_seed_writes_the_same_bytes_and_another_seed_does_not(tmp_path, monkeypatch):
    monkeypatch.setattr(simulator, "_CHUNK", 150)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate(tmp_path / name, customers=400, seed=seed)
    files = [
        path.relative_to(tmp_path / "a") for path in sorted((tmp_path / "a").rglob("*")) if path.is_file()
    ]
    assert [str(file) for file in files] == [
        "business.toml",
        "customers.parquet",
        "purchases.parquet",
        "truth/customers.parquet",
    ]
    for file in files:
        written = [(tmp_path / name / file).read_bytes() for name in "abc"]
        assert written[0] == written[1]
        assert (written[0] == written[2]) == (file.name == "business.toml")


def test_more_customers_do_not_change_those_drawn_before(tmp_path, monkeypatch):
    monkeypatch.setattr(simulator, "_CHUNK", 150)
    for name, customers in (("few", 300), ("many", 450)):
        simulate(tmp_path / name, customers=customers, seed=3)
    for file in ("purchases.parquet", "customers.parquet", "truth/customers.parquet"):
        few, many = (pq.read_table(tmp_path / name / file) for name in ("few", "many"))
        assert many.slice(0, len(few)).equals(few)


def test_ids_are_unique_across_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(simulator, "_CHUNK", 150)
    written = simulate(tmp_path, customers=400, seed=3)
    bought = pq.read_table(tmp_path / "purchases.parquet")
    assert len(bought) == written.purchases
    assert len(bought["event_id"].unique()) == len(bought)
    owners = bought.group_by("order_id").aggregate([("customer_id", "count_distinct")])
    assert set(owners["customer_id_count_distinct"].to_pylist()) == {1}
    ids = pq.read_table(tmp_path / "customers.parquet")["customer_id"].to_pylist()
    assert ids == [f"C{number:07d}" for number in range(400)]
    assert ids == pq.read_table(written.truth)["customer_id"].to_pylist()


def test_the_business_file_reads_and_names_columns_that_are_there(small):
    read = business.load(small.business)
    assert read.business.observed_until == UNTIL.timestamp() * 1e6
    assert read.churn.horizon.days == CHURN_HORIZON_DAYS
    assert read.value.horizons[0].days == VALUE_HORIZON_DAYS
    for table in (PURCHASES, CUSTOMERS):
        (source,) = read.tables[table.name]
        there = pq.read_schema(small.business.parent / source.source).names
        assert sorted(there) == sorted({*source.columns.values(), *source.attributes})
        assert set(table.required) <= set(source.columns)


def test_nothing_happens_after_the_end_before_joining_or_after_leaving(small, shop):
    assert number(shop, f"select count(*) from purchases where purchased_at >= '{UNTIL}'") == 0
    late = "from purchases join truth using (customer_id) where purchased_at > left_at"
    assert number(shop, f"select count(*) {late} and amount >= 0") == 0
    assert number(shop, f"select count(*) {late} and amount < 0") > 0
    early = "from purchases join customers using (customer_id) where purchased_at < joined_at"
    assert number(shop, f"select count(*) {early}") == 0
    assert number(shop, f"select count(*) from truth where left_at >= '{UNTIL}'") == 0
    assert number(shop, "select count(left_at) from truth") == small.left
    assert number(shop, "select count(*) from truth where (left_at is null) != (leave_probability < 1)") == 0
    assert number(shop, "select min(purchased_at) > timestamptz '2023-07-02' from purchases") == 1


def test_a_return_mirrors_a_line_of_an_earlier_order(small, shop):
    lines = "select *, abs(amount) as size from purchases where amount {} 0"
    matched = f"""
        select count(distinct b.event_id) from ({lines.format("<")}) b join ({lines.format(">=")}) l
        on b.customer_id = l.customer_id and b.order_id = l.order_id and b.product_id = l.product_id
        and b.amount = -l.amount and b.cost = -l.cost and b.quantity = -l.quantity
        and b.discount = -l.discount and b.purchased_at > l.purchased_at + interval 1 day
    """
    assert number(shop, matched) == small.returns > 100
    assert number(shop, "select min(s) from (select sum(amount) s from purchases group by order_id)") == 0
    assert 0.02 < small.returns / small.purchases < 0.06


def test_some_shop_orders_become_known_a_few_days_later(shop):
    late = "from purchases where known_at is not null"
    assert number(shop, f"select count(*) {late} and channel != 'shop'") == 0
    assert number(shop, f"select count(*) {late} and amount < 0") == 0
    waits = shop.execute(f"select distinct known_at - purchased_at {late} order by 1").fetchall()
    assert [wait for (wait,) in waits] == [timedelta(days=number) for number in range(1, 6)]
    assert 0.005 < number(shop, "select avg((known_at is not null)::int) from purchases") < 0.03


def test_the_tables_have_the_size_and_shape_of_a_shop(small, shop):
    assert 17 < small.purchases / small.customers < 24
    assert 0.2 < number(shop, "select avg(leave_probability) from truth where left_at is null") < 0.35
    assert 0.25 < number(shop, "select sum(amount - cost) / sum(amount) from purchases") < 0.40
    assert number(shop, "select min(discount) filter (amount >= 0) from purchases") == 0
    assert number(shop, "select min(amount) filter (amount >= 0) from purchases") > 0
    joined = "select avg((joined_at >= timestamptz '2024-07-01')::int) from customers"
    assert 0.55 < number(shop, joined) < 0.65
    month = "select count(*) from purchases where date_trunc('month', purchased_at) = '{}-01'"
    assert number(shop, month.format("2024-12")) > 1.5 * number(shop, month.format("2024-09"))
    top = "select max(n) / sum(n) from (select count(*) n from purchases group by product_id)"
    assert number(shop, top) > 10 / 400


def test_what_customers_are_moves_what_they_do(shop):
    known = "from customers join truth using (customer_id)"
    left = "select avg((left_at is not null)::int) {} where acquisition_channel = '{}'"
    assert number(shop, left.format(known, "social")) > 1.3 * number(shop, left.format(known, "referral"))
    young = "select avg((left_at is not null)::int) {} where age {}"
    assert number(shop, young.format(known, "< 35")) > 1.2 * number(shop, young.format(known, "> 60"))
    assert number(shop, f"select corr(ln(income), expected_value) {known} where left_at is null") > 0.1
    web = "select avg((channel = 'web')::int) from purchases join customers using (customer_id) where age {}"
    assert number(shop, web.format("< 35")) > 1.2 * number(shop, web.format("> 60"))
    shared = f"""select corr(ln(a.expected_value), ln(b.expected_value)) from (select * {known}) a
        join (select * {known}) b on a.household_id = b.household_id and a.customer_id < b.customer_id
        where a.expected_value > 0 and b.expected_value > 0"""
    assert number(shop, shared) > 0.1


def test_no_column_of_the_tables_gives_the_truth_away(small, shop):
    """Customers who are neighbours by what can be seen must still differ in what cannot."""
    by_customer = ", ".join(
        f"{aggregate}({column}) as {aggregate}_{column}"
        for column in pq.read_schema(small.business.parent / "purchases.parquet").names
        for aggregate in ("min", "max", "mode", "count")
        if column != "customer_id"
    )
    shop.execute(
        "create temp view seen as select * exclude (customer_id), substr(customer_id, 2)::int as number "
        f"from customers left join (select customer_id, {by_customer} from purchases group by 1) "
        "using (customer_id)"
    )
    hidden = latent()
    for column, *_ in shop.execute("describe seen").fetchall():
        numbers = shop.execute(f"select number from seen order by {column}, hash(number)").fetchnumpy()
        for name, values in hidden.items():
            assert roughness(values[numbers["number"]]) > LEAST_ROUGHNESS, (column, name)
    for name, values in hidden.items():
        leak = np.argsort(np.searchsorted(np.quantile(values, np.arange(0, 1, 0.02)), values), kind="stable")
        assert roughness(values[leak]) < LEAST_ROUGHNESS, name


def latent() -> dict[str, np.ndarray]:
    """What hides behind the small shop."""
    ((chapter, outlook, _),) = simulator._chapters(4_000, 7, 730, simulator.OBSERVED_UNTIL)
    people = chapter.people
    return {
        "rate": people.rate,
        "hazard": people.hazards[:, 0],
        "left": chapter.left,
        "spend": people.spend,
        "leave_probability": outlook.leave_probability(people, chapter.left, CHURN_HORIZON_DAYS),
        "expected_value": outlook.expected_value(people, chapter.left, chapter.lines, VALUE_HORIZON_DAYS),
    }


def roughness(values: np.ndarray) -> float:
    """How far neighbours are apart by rank: 1 for values in no order, 0 for values in order."""
    ranks = np.argsort(np.argsort(values, kind="stable"))
    return float(np.abs(np.diff(ranks)).mean() / (len(values) / 3))


def test_the_truth_is_in_no_table(small):
    hidden = set(pq.read_schema(small.truth).names)
    assert hidden == {"customer_id", "left_at", "leave_probability", "expected_value"}
    for file in small.business.parent.glob("*.parquet"):
        assert hidden & set(pq.read_schema(file).names) == {"customer_id"}
    assert "truth" not in small.business.read_text().split("[business]")[1]


@pytest.mark.parametrize(("name", "least"), [("customers", 1), ("seed", 0), ("days", 1)])
def test_a_number_out_of_range_is_refused_by_name(tmp_path, name, least):
    numbers = {"customers": 10, "seed": 1, "days": 30, name: least - 1}
    with pytest.raises(UserError, match=rf"{name} is {least - 1}, but must be at least {least}"):
        simulate(tmp_path, **numbers)
    assert not list(tmp_path.iterdir())


def test_one_customer_and_one_day_are_enough(tmp_path):
    written = simulate(tmp_path, customers=1, seed=0, days=1)
    assert written.customers == len(pq.read_table(written.truth)) == 1


def test_a_business_file_of_somebody_else_is_never_replaced_but_ours_is(tmp_path):
    mine = tmp_path / "business.toml"
    mine.write_text("[business]\n")
    with pytest.raises(UserError, match="did not write"):
        simulate(tmp_path, customers=10, seed=1)
    assert [path.name for path in tmp_path.iterdir()] == ["business.toml"]
    mine.unlink()
    for seed in (1, 2):
        simulate(tmp_path, customers=10, seed=seed)
    with pytest.raises(UserError, match="is a file"):
        simulate(mine, customers=10, seed=1)


def test_a_simulation_that_is_stopped_leaves_the_earlier_one_whole(tmp_path):
    simulate(tmp_path, customers=10, seed=1)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def stop(_done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path, customers=10, seed=2, progress=stop)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_folder_of_a_data_set_or_of_anything_else_is_not_simulated_into(tmp_path):
    other, full = tmp_path / "other", tmp_path / "full"
    other.mkdir()
    (other / "business.toml").write_text("# Written by holdfast dataset cdnow: a shop of music CDs.\n")
    full.mkdir()
    (full / "purchases.parquet").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"holds what `holdfast dataset cdnow` wrote.*Name a new or an empty"):
        simulate(other, customers=10, seed=1)
    with pytest.raises(UserError, match=r"is not empty.*Name a new or an empty folder"):
        simulate(full, customers=10, seed=1)
    assert [path.name for path in full.iterdir()] == ["purchases.parquet"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def forbidden(self, *_more, **_named):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    for act in ("mkdir", "touch"):
        monkeypatch.setattr(Path, act, forbidden)
        with pytest.raises(UserError, match=rf"{tmp_path / 'shop'} cannot be written: Permission denied"):
            simulate(tmp_path / "shop", customers=10, seed=1)
        monkeypatch.undo()
