"""The grades of data: every fault that is planted in a clean shop is found and graded, nothing else is."""

import csv
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from features import quality
from features.build import build
from features.business import load
from features.grading.grades import Dimension, Finding, Grade, Inspection
from features.store import Store

rng = np.random.default_rng(11)
N, DAYS = 120, 300
BEGIN = datetime(2023, 1, 1, tzinfo=UTC)
UNTIL = BEGIN + timedelta(days=DAYS)
REGIONS, PLANS = ["north", "south", "west"], ["basic", "plus"]
TOML = f"""
[business]
name = "shop"
currency = "EUR"
timezone = "UTC"
observed_until = "{UNTIL:%Y-%m-%d}"
"""
COLUMNS = {
    "customers": ("customer_id", "household_id", "joined_at", "region", "age", "tier"),
    "purchases": (
        "customer_id",
        "purchased_at",
        "amount",
        "cost",
        "quantity",
        "channel",
        "event_id",
        "known_at",
    ),
    "contacts": ("customer_id", "contacted_at", "channel", "kind", "waiting_seconds"),
    "subscriptions": ("customer_id", "started_at", "plan", "ended_at", "price"),
    "market": ("observed_at", "region", "rate"),
}
ATTRIBUTES = {"customers": {"age": "number", "tier": "category"}, "market": {"rate": "number"}}


def at(day, second=0):
    return (BEGIN + timedelta(days=int(day), seconds=int(second))).isoformat()


def clean_rows():
    """A shop without fault: everybody is described, and every table is busy every day."""
    ids = [f"c{n:03d}" for n in range(N)]
    customers = [
        [i, f"h{n // 2}", at(rng.integers(0, 200)), REGIONS[n % 3], int(rng.integers(18, 90)), "ab"[n % 2]]
        for n, i in enumerate(ids)
    ]
    purchases, contacts = [], []
    for day in range(DAYS):
        for n in range(8):
            who, amount = ids[(day * 8 + n) % N], int(rng.integers(500, 9000))
            cost, second = int(rng.integers(100, 500)), rng.integers(0, 86_000)
            line = [at(day, second), f"{amount / 100:.2f}", f"{cost / 100:.2f}", int(rng.integers(1, 5))]
            purchases.append([who, *line, "web" if rng.random() < 0.5 else "till", f"e{day}-{n}", ""])
        for n in range(3):
            who, kind = ids[int(rng.integers(N))], "call" if rng.random() < 0.7 else "complaint"
            channel = "phone" if rng.random() < 0.5 else "chat"
            contacts.append([who, at(day, 3600 * n), channel, kind, int(rng.integers(0, 300))])
    subscriptions = [
        [
            i,
            at(2 * n),
            PLANS[int(rng.integers(2))],
            at(2 * n + 60) if n % 3 else "",
            f"{rng.integers(5, 80)}.00",
        ]
        for n, i in enumerate(ids)
    ]
    market = [
        [at(day), region, round(float(rng.normal(4, 1)), 4)]
        for day in range(0, DAYS, 30)
        for region in REGIONS
    ]
    return {
        "customers": customers,
        "purchases": purchases,
        "contacts": contacts,
        "subscriptions": subscriptions,
        "market": market,
    }


CLEAN = clean_rows()


def inspected(folder, rows, until=None) -> Inspection:
    """Write the rows, build them, and grade the store."""
    text = TOML if until is None else TOML.replace(f"{UNTIL:%Y-%m-%d}", until)
    for table, lines in rows.items():
        with (folder / f"{table}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS[table])
            writer.writerows(lines)
        own = [c for c in COLUMNS[table] if c not in ATTRIBUTES.get(table, {})]
        pairs = ", ".join(f'{c} = "{c}"' for c in own)
        text += f'[tables.{table}]\nsource = "{table}.csv"\ncolumns = {{ {pairs} }}\n'
        if table in ATTRIBUTES:
            listed = ", ".join(f'{c} = "{kind}"' for c, kind in ATTRIBUTES[table].items())
            text += f"attributes = {{ {listed} }}\n"
    (folder / "business.toml").write_text(text)
    business = load(folder / "business.toml")
    build(business)
    return quality.inspect(Store.of(business))


def changed(table, column, value, where=lambda n, row: True):
    """The clean rows with other values in one column; ``value`` may be a function of the row."""
    place = COLUMNS[table].index(column)

    def new(n, row):
        said = value(row) if callable(value) else value
        return [*row[:place], said, *row[place + 1 :]] if where(n, row) else row

    return CLEAN | {table: [new(n, row) for n, row in enumerate(CLEAN[table])]}


def without(table, drop):
    return CLEAN | {table: [row for n, row in enumerate(CLEAN[table]) if not drop(n, row)]}


def every(k):
    return lambda n, row: n % k == 0


def day_of(row, place=1):
    return (datetime.fromisoformat(row[place]) - BEGIN).days


def said(found):
    return {(f.dimension.value, f.place, f.severity.value) for f in found.findings}


def test_a_clean_shop_is_graded_a_everywhere(tmp_path):
    found = inspected(tmp_path, CLEAN)
    assert said(found) == set()
    assert {found.grade_of(dimension) for dimension in Dimension} == {Grade.A}
    assert found.grade is Grade.A
    assert found.tables["purchases"]["late_share"] == 0
    assert found.tables["purchases"]["age_days"] == 0


def renamed(row):
    return "x" + row[0]


STRANGERS = [
    [f"new{customer}", f"new{household}", *rest] for customer, household, *rest in CLEAN["customers"]
]
C, R, T = "completeness", "relevance", "timeliness"
PLANTED = {
    "a column with 10 % missing": (changed("purchases", "cost", "", every(10)), {(C, "purchases.cost", "B")}),
    "a column with 40 % missing": (
        changed("customers", "age", "", lambda n, row: n % 10 < 4),
        {(C, "customers.age", "C")},
    ),
    "a column that is never filled": (
        changed("contacts", "waiting_seconds", ""),
        {(C, "contacts.waiting_seconds", "D")},
    ),
    "an age of 0": (changed("customers", "age", 0, every(12)), {(C, "customers.age", "B")}),
    "an age of -1": (changed("customers", "age", -1, every(12)), {(C, "customers.age", "B")}),
    "an age of 999": (changed("customers", "age", 999, every(12)), {(C, "customers.age", "B")}),
    "a waiting time of -1": (
        changed("contacts", "waiting_seconds", -1, every(2)),
        {(C, "contacts.waiting_seconds", "C")},
    ),
    "a cost of 99999": (changed("purchases", "cost", "99999.00", every(50)), {(C, "purchases.cost", "B")}),
    "the channel n/a": (changed("purchases", "channel", "N/A", every(20)), {(C, "purchases.channel", "B")}),
    "the tier -": (changed("customers", "tier", "-", every(2)), {(C, "customers.tier", "C")}),
    "the household unknown": (
        changed("customers", "household_id", "unknown", every(5)),
        {(C, "customers.household_id", "B")},
    ),
    "joined in 1900": (
        changed("customers", "joined_at", "1900-01-01T00:00Z", every(10)),
        {(C, "customers.joined_at", "B")},
    ),
    "ended in 2099": (
        changed("subscriptions", "ended_at", "2099-12-31T00:00Z", every(3)),
        {(C, "subscriptions.ended_at", "C")},
    ),
    "purchases in 1970": (
        changed("purchases", "purchased_at", "1970-01-01T00:00Z", every(100)),
        {(C, "purchases.purchased_at", "C")},
    ),
    "contracts that end before they start": (
        changed("subscriptions", "ended_at", lambda row: "2022-12-01T00:00Z", every(60)),
        {(C, "subscriptions.ended_at", "C")},
    ),
    "a month of purchases is missing": (
        without("purchases", lambda n, row: 100 <= day_of(row) < 131),
        {(C, "purchases", "D")},
    ),
    "a week of contacts is missing": (
        without("contacts", lambda n, row: 100 <= day_of(row) < 107),
        {(C, "contacts", "C")},
    ),
    "rows that break the contract": (
        changed("purchases", "amount", "much", every(50)),
        {(C, "purchases", "C")},
    ),
    "rows that come twice": (
        CLEAN | {"purchases": CLEAN["purchases"] + CLEAN["purchases"][:300]},
        {(C, "purchases", "B")},
    ),
    "customers who are not described": (
        without("customers", every(3)),
        {(C, "customers.customer_id", "C"), (C, "purchases.customer_id", "C")},
    ),
    "ids that agree nowhere": (
        changed("contacts", "customer_id", renamed),
        {(C, "contacts.customer_id", "D"), (C, "customers.customer_id", "C")},
    ),
    "customers who never did anything": (
        CLEAN | {"customers": CLEAN["customers"] + STRANGERS},
        {(C, "customers.customer_id", "B")},
    ),
    "purchases of no household": (
        changed("customers", "household_id", "", every(4)),
        {(C, "customers.household_id", "B"), (C, "purchases.customer_id", "C")},
    ),
    "a region that the market does not have": (
        changed("market", "region", "East", lambda n, row: row[1] == "west"),
        {(C, "market.region", "C")},
    ),
    "a constant": (changed("customers", "tier", "a"), {(R, "customers.tier", "B")}),
    "a copy": (changed("customers", "tier", lambda row: {"north": "n", "south": "s"}.get(row[3], "w")),
               {(R, "customers.tier", "B")}),
    "a copy in another unit": (
        changed("purchases", "cost", lambda row: f"{float(row[2]) * 2:.2f}"),
        {(R, "purchases.cost", "B")},
    ),
    "purchases that come late": (
        changed("purchases", "known_at", lambda row: at(day_of(row) + 3), every(5)),
        {(T, "purchases.known_at", "B")},
    ),
    "purchases that come very late": (
        changed("purchases", "known_at", lambda row: at(day_of(row) + 45), every(5)),
        {(T, "purchases.known_at", "D")},
    ),
    "contacts that have ended long ago": (
        without("contacts", lambda n, row: day_of(row) >= 180),
        {(T, "contacts", "C")},
    ),
    "purchases that have ended long ago": (
        without("purchases", lambda n, row: day_of(row) >= 180),
        {(T, "purchases", "D")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found_and_nothing_else(tmp_path, fault):
    rows, expected = PLANTED[fault]
    found = inspected(tmp_path, rows)
    assert said(found) == expected
    for finding in found.findings:
        assert finding.do.endswith(".")
        assert any(character.isdigit() for character in finding.what) or finding.what in {
            "never filled",
            "the same value on every row",
            "a copy of region",
            "a copy of amount",
        }


def test_almost_a_copy_says_how_much_is_alike(tmp_path):
    rows = changed("purchases", "cost", lambda row: row[2], lambda n, row: n % 2000)
    (finding,) = inspected(tmp_path, rows).findings
    assert finding.place == "purchases.cost"
    assert "almost a copy of amount" in finding.what
    assert 0.999 <= finding.figure < 1


def test_the_figures_of_late_arrival_are_those_that_were_planted(tmp_path):
    rows = changed("purchases", "known_at", lambda row: at(day_of(row) + 2 + day_of(row) % 10), every(4))
    found = inspected(tmp_path, rows).tables["purchases"]
    assert found["late_share"] == pytest.approx(0.25, abs=0.01)
    assert 5 <= found["late_days_median"] <= 6
    assert 9 <= found["late_days_90"] <= 10


def test_a_history_that_was_loaded_on_one_day_is_not_late(tmp_path):
    """Three of four rows became known on one day: that says nothing about how long facts take."""
    loaded = changed("purchases", "known_at", at(DAYS - 1), lambda n, row: n % 4 and day_of(row) < DAYS - 1)
    assert said(inspected(tmp_path, loaded)) == set()


def test_no_value_and_no_id_is_in_a_finding_but_the_words_for_nothing(tmp_path):
    rows = changed("purchases", "amount", "c001 secret", every(50))
    text = str(inspected(tmp_path, rows).to_dict())
    assert "secret" not in text
    assert "c001" not in text


def test_the_same_store_has_the_same_grades(tmp_path):
    rows, _ = PLANTED["a month of purchases is missing"]
    found = [inspected(tmp_path, rows).to_dict() for _ in range(2)]
    assert found[0] == found[1]


def finding(dimension, severity, place="purchases"):
    return Finding(dimension, place, None, severity, 1.0, "1 fault", "Mend it.")


def test_a_dimension_is_as_good_as_its_worst_fault_and_the_whole_as_its_worst_dimension():
    found = Inspection(
        [
            finding(Dimension.RELEVANCE, Grade.B),
            finding(Dimension.COMPLETENESS, Grade.B),
            finding(Dimension.COMPLETENESS, Grade.D, "contacts"),
        ]
    )
    grades = {dimension.value: found.grade_of(dimension).value for dimension in Dimension}
    assert grades == {"relevance": "B", "completeness": "D", "timeliness": "A"}
    assert found.grade is Grade.D
    assert [one.severity for one in found.of(Dimension.COMPLETENESS)] == [Grade.D, Grade.B]


def test_what_could_not_be_judged_has_no_grade_and_does_not_count():
    found = Inspection(
        [finding(Dimension.RELEVANCE, Grade.E), finding(Dimension.TIMELINESS, Grade.B)],
        not_judged={Dimension.RELEVANCE: "It needs outcomes."},
    )
    assert found.grade_of(Dimension.RELEVANCE) is None
    assert found.grade is Grade.B
    assert found.to_dict()["dimensions"]["relevance"]["grade"] is None


def test_of_one_severity_the_strongest_comes_first():
    weak, strong = (
        Finding(Dimension.RELEVANCE, "customers", name, Grade.E, figure, "", "")
        for name, figure in (("churn_score", 0.943), ("satisfaction_score", 0.95))
    )
    found = Inspection([weak, finding(Dimension.RELEVANCE, Grade.B), strong]).of(Dimension.RELEVANCE)
    assert [one.column for one in found] == ["satisfaction_score", "churn_score", None]


@pytest.mark.parametrize(("days", "is_old"), [((100, 101), False), ((100, 101, 102), True)])
def test_a_table_with_facts_on_one_or_two_days_has_no_rhythm_to_fall_behind(tmp_path, days, is_old):
    rows = without("contacts", lambda n, row: day_of(row) not in days)
    found = inspected(tmp_path, rows).of(Dimension.TIMELINESS)
    assert [one.table for one in found] == ["contacts"] * is_old
