"""What `init` proposes for small made-up sources, rule by rule."""

import gzip
import json
import os
import tomllib
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.build import build
from features.business import load
from features.errors import DataError, UserError
from features.proposal import propose
from features.proposing import inventory
from features.proposing.drafting import write

DAYS = [date(2023, 1, 1) + timedelta(days=3 * n) for n in range(120)]
CANARY = "Canary-7731"


def csv(folder, name, **columns):
    """Write a CSV file, its columns given by name."""
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(folder / name)


def orders(folder, name="orders.csv", who="customer_id", **changed):
    """Write purchases of forty customers, each column as it is given or as usual."""
    columns = {
        who: [f"c{n % 40}" for n in range(120)],
        "order_date": DAYS,
        "amount": [f"{n}.5{n % 10}" for n in range(120)],
    }
    return csv(folder, name, **{**columns, **changed})


def proposed(folder, *sources, **how):
    """Propose, write the file, read it back, and build."""
    proposal = propose(sources, **how)
    text = write(proposal, folder)
    (folder / "business.toml").write_text(text, encoding="utf-8")
    business = load(folder / "business.toml")
    report = build(business)
    assert all(table.rejected == 0 for table in report.manifest.tables.values())
    return text, tomllib.loads(text), proposal


def choices_of(proposal):
    return {choice.where: choice for choice in proposal.choices}


def table_of(proposal, name):
    (draft,) = (draft for draft in proposal.drafts if draft.table == name)
    return draft


def test_purchases_are_told_by_whose_when_and_how_much(tmp_path):
    _, toml, _ = proposed(tmp_path, orders(tmp_path))
    columns = {"customer_id": "customer_id", "purchased_at": "order_date", "amount": "amount"}
    assert toml["tables"]["purchases"] == {"source": "orders.csv", "columns": columns}
    assert toml["churn"]["kind"] == "silence"
    assert toml["churn"]["horizon"] == "auto"


@pytest.mark.parametrize(
    ("who", "when", "how_much"),
    [
        ("Kundennummer", "Bestelldatum", "Betrag"),
        ("id_client", "date_commande", "montant"),
        ("id_cliente", "fecha", "importe"),
        ("clientID", "PurchaseDate", "SalesValue"),
    ],
)
def test_names_are_understood_in_several_languages_and_spellings(tmp_path, who, when, how_much):
    source = csv(
        tmp_path,
        "log.csv",
        **{
            who: [n % 40 for n in range(120)],
            "einheit": [7] * 120,
            when: DAYS,
            how_much: [f"{n}.25" for n in range(120)],
        },
    )
    _, toml, _ = proposed(tmp_path, source)
    expected = {"customer_id": who, "purchased_at": when, "amount": how_much}
    assert toml["tables"]["purchases"]["columns"] == expected


def test_the_only_times_and_the_only_money_need_no_names(tmp_path):
    source = csv(
        tmp_path, "log.csv", member=[f"m{n % 30}" for n in range(120)], q7=DAYS,
        zz=[f"{n}.2{n % 10}" for n in range(120)],
    )  # fmt: skip
    text, toml, _ = proposed(tmp_path, source)
    assert toml["tables"]["purchases"]["columns"] == {
        "customer_id": "member", "purchased_at": "q7", "amount": "zz",
    }  # fmt: skip
    assert text.count("the only one of its kind") == 2


def test_two_columns_of_money_without_names_are_a_choice(tmp_path):
    money = [f"{n}.2{n % 10}" for n in range(120)]
    source = csv(tmp_path, "log.csv", member=[f"m{n % 30}" for n in range(120)], q7=DAYS, yy=money, zz=money)
    text, _, proposal = proposed(tmp_path, source)
    assert choices_of(proposal)["tables.purchases.columns.amount"].alternatives == ("zz",)
    assert "CHOOSE: more than one column could be meant, or zz" in text


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("%d/%m/%Y", "%d/%m/%Y"),
        ("%m-%d-%Y", "%m-%d-%Y"),
        ("%d.%m.%Y", "%d.%m.%Y"),
        ("%Y%m%d", "%Y%m%d"),
        ("%d.%m.%Y 13:30", "%d.%m.%Y %H:%M"),
        ("%Y-%m-%d", None),
        ("%Y-%m-%dT10:00:00Z", None),
    ],
)
def test_the_format_of_times_is_found(tmp_path, written, form):
    source = orders(tmp_path, order_date=[day.strftime(written) for day in DAYS])
    _, toml, proposal = proposed(tmp_path, source)
    assert toml["tables"]["purchases"].get("formats", {}).get("purchased_at") == form
    assert ("business.timezone" in choices_of(proposal)) == ("Z" not in written)


@pytest.mark.parametrize(("unit", "form"), [(1, "epoch_seconds"), (1000, "epoch_milliseconds")])
def test_times_counted_since_1970_are_found_where_the_name_says_time(tmp_path, unit, form):
    counted = [(1_700_000_000 + 86_400 * n) * unit for n in range(120)]
    columns = {"order_date": counted}
    _, toml, _ = proposed(tmp_path, orders(tmp_path, **columns))
    assert toml["tables"]["purchases"]["formats"] == {"purchased_at": form}


def test_a_day_that_could_be_a_month_is_a_choice(tmp_path):
    ambiguous = [f"{1 + n % 12:02d}/{1 + n // 10:02d}/2023" for n in range(120)]
    text, _, proposal = proposed(tmp_path, orders(tmp_path, order_date=ambiguous))
    choice = choices_of(proposal)["tables.purchases.formats.purchased_at"]
    assert (choice.chosen, choice.alternatives) == ("%d/%m/%Y", ("%m/%d/%Y",))
    assert "CHOOSE: more than one format reads it, or %m/%d/%Y" in text


@pytest.mark.parametrize(
    ("amounts", "form"),
    [
        ([f'"1,{n:03d}.50"' for n in range(120)], "1,234.56"),
        ([f'"1.{n:03d},50"' for n in range(120)], "1.234,56"),
        ([f"{n}.333" for n in range(120)], "rounded"),
    ],
)
def test_the_format_of_money_is_found(tmp_path, amounts, form):
    _, toml, _ = proposed(tmp_path, orders(tmp_path, amount=amounts))
    assert toml["tables"]["purchases"]["formats"] == {"amount": form}


def test_customers_are_found_by_reference_where_their_column_is_called_id(tmp_path):
    ids = [f"c{n}" for n in range(40)]
    people = csv(tmp_path, "people.csv", id=ids, plan=["a", "b"] * 20, town=["x", "y", "z", "w"] * 10)
    _, toml, _ = proposed(tmp_path, people, orders(tmp_path))
    assert toml["tables"]["customers"]["columns"] == {"customer_id": "id"}
    assert toml["tables"]["customers"]["attributes"] == {"plan": "category", "town": "category"}


def test_customers_are_found_by_content_where_no_name_says_anything(tmp_path):
    ids = [f"c{n}" for n in range(40)]
    people = csv(tmp_path, "a.csv", k=ids, town=["x", "y", "z", "w"] * 10)
    log = orders(tmp_path, "b.csv", who="ref_k2")
    _, toml, _ = proposed(tmp_path, people, log)
    assert toml["tables"]["customers"]["columns"] == {"customer_id": "k"}
    assert toml["tables"]["purchases"]["columns"]["customer_id"] == "ref_k2"


def test_a_household_is_the_customer_only_where_nobody_knows_customers(tmp_path):
    ids = [f"c{n}" for n in range(40)]
    homes = [f"h{n // 2}" for n in range(40)]
    people = csv(tmp_path, "customers.csv", customer_id=ids, household_id=homes)
    _, toml, _ = proposed(tmp_path, people, orders(tmp_path))
    assert toml["tables"]["customers"]["columns"] == {
        "customer_id": "customer_id", "household_id": "household_id",
    }  # fmt: skip
    (tmp_path / "customers.csv").unlink()
    _, toml, _ = proposed(tmp_path, orders(tmp_path, who="household_id"))
    assert toml["tables"]["purchases"]["columns"]["customer_id"] == "household_id"


def test_attributes_have_their_kinds_and_say_nothing_of_single_people(tmp_path):
    source = csv(
        tmp_path,
        "customers.csv",
        customer_id=[f"c{n}" for n in range(40)],
        email=[f"{CANARY}{n}@example.org" for n in range(40)],
        **{"Favourite Colour (2024)": ["red", "blue"] * 20},
        newsletter=["yes", "no"] * 20,
        income=[1000 + n for n in range(20)] * 2,
        zip_code=[10115, 20095, 50667, 80331] * 10,
        firm=["one"] * 40,
        serial=[f"{CANARY}-{n}" for n in range(40)],
        nothing=[""] * 40,
    )
    text, toml, proposal = proposed(tmp_path, source, orders(tmp_path))
    assert toml["tables"]["customers"]["attributes"] == {
        "Favourite_Colour_2024": "category", "newsletter": "flag", "income": "number", "zip_code": "category",
    }  # fmt: skip
    reasons = dict(table_of(proposal, "customers").left_out)
    assert reasons["email"] == "a name"
    assert reasons["firm"] == "the same in every row"
    assert reasons["nothing"] == "empty"
    assert "serial" in reasons
    assert CANARY not in text


def test_columns_that_know_the_outcome_are_left_out_with_the_reason(tmp_path):
    left = [n % 4 == 0 for n in range(200)]
    source = csv(
        tmp_path,
        "customers.csv",
        customer_id=[f"c{n}" for n in range(200)],
        tenure_months=[1 + n % 60 for n in range(200)],
        Churn=["Yes" if gone else "No" for gone in left],
        churn_score=[n % 7 for n in range(200)],
        feeling=[(1 if gone else 5) + n % 2 for n, gone in enumerate(left)],
        final_invoice=["sent" if gone else "" for gone in left],
        marital_status=["single", "married", "single", "single", "married"] * 40,
        credit_score=[n % 9 for n in range(200)],
    )
    text, toml, proposal = proposed(tmp_path, source)
    assert set(toml["tables"]["customers"]["attributes"]) == {"marital_status", "credit_score"}
    reasons = dict(table_of(proposal, "customers").left_out)
    assert reasons["churn_score"].startswith("by its name known only after the outcome")
    assert reasons["feeling"] == "tells leavers from the others too well (alone: AUC 1.00)"
    assert "AUC 1.00" in reasons["final_invoice"]
    assert "trusted" in text


def test_a_flag_of_leavers_and_a_tenure_make_contracts_and_exits(tmp_path):
    source = csv(
        tmp_path,
        "customers.csv",
        customer_id=[f"c{n}" for n in range(60)],
        months_on_book=[1 + n % 40 for n in range(60)],
        Contract=["monthly", "yearly"] * 30,
        Monthly_Charges=[f"{10 + n}.90" for n in range(60)],
        Attrition_Flag=["Attrited Customer", "Existing Customer", "Existing Customer"] * 20,
        churn_reason=["price", "", ""] * 20,
    )
    text, toml, proposal = proposed(tmp_path, source)
    tables = toml["tables"]
    assert tables["subscriptions"]["columns"]["plan"] == "Contract"
    assert tables["subscriptions"]["columns"]["price"] == "Monthly_Charges"
    assert "try_cast(months_on_book as integer) * interval '1 month'" in tables["subscriptions"]["query"]
    assert "where Attrition_Flag = 'Attrited Customer'" in tables["exits"]["query"]
    assert tables["exits"]["columns"]["reason"] == "churn_reason"
    assert toml["churn"]["kind"] == "exit"
    assert "tables.subscriptions.query" in choices_of(proposal)
    assert text.count("# CHOOSE:") == len(proposal.choices)


def test_rows_without_any_id_are_numbered_alike_in_every_table(tmp_path):
    n_rows = 300
    table = pa.table(
        {
            "lapse": [int(n % 3 == 0) for n in range(n_rows)],
            "age": list(range(n_rows)),
            "policy_age": [n % 10 for n in range(n_rows)],
            "premium": [100.25] * n_rows,
        }
    )
    pq.write_table(table, tmp_path / "policies.parquet")
    _, toml, _ = proposed(tmp_path, str(tmp_path / "policies.parquet"))
    assert "qualify lapse = 1" in toml["tables"]["exits"]["query"]
    from features.store import Store

    store = Store.of(load(tmp_path / "business.toml"))
    bucket = store.read(0, {"customers": ["age"], "exits": []})
    ages = bucket.events("customers").columns["age"]
    gone = [count > 0 for count in bucket.events("exits").offsets[1:] - bucket.events("exits").offsets[:-1]]
    assert {int(age) % 3 == 0 for age, has_left in zip(ages, gone, strict=True) if has_left} == {True}
    assert sum(gone) == 100


def test_recency_and_spending_make_purchases_and_an_arm_makes_a_campaign(tmp_path):
    source = csv(
        tmp_path,
        "mailing.csv",
        client_id=[f"c{n}" for n in range(90)],
        recency=[1 + n % 12 for n in range(90)],
        monetary=[f"{20 + n}.99" for n in range(90)],
        segment=["Books", "Garden", "No mail"] * 30,
        visit=[int(n % 5 == 0) for n in range(90)],
        spend=[f"{n}.50" if n % 15 == 0 else "0" for n in range(90)],
    )
    text, toml, _ = proposed(tmp_path, source)
    assert set(toml["tables"]) == {"purchases", "campaigns"} | ({"customers"} & set(toml["tables"]))
    assert "union all" in toml["tables"]["purchases"]["query"]
    assert toml["tables"]["campaigns"]["columns"]["arm"] == "segment"
    assert "the control group is 'No mail'" in text
    assert toml["churn"]["kind"] == "silence"
    assert "attributes" not in toml["tables"].get("customers", {})


def test_tickets_are_contacts_and_their_scores_are_surveys(tmp_path):
    hours = [f"{day} 10:00:00" for day in DAYS]
    later = [f"{day} 18:00:00" for day in DAYS]
    tickets = csv(
        tmp_path,
        "tickets.csv",
        ticket_id=[f"t{n}" for n in range(120)],
        customer_id=[f"c{n % 40}" for n in range(120)],
        created_at=hours,
        closed_at=later,
        first_response_time_minutes=[n % 50 for n in range(120)],
        csat=[1 + n % 5 if n % 2 else "" for n in range(120)],
    )
    _, toml, proposal = proposed(tmp_path, tickets, orders(tmp_path))
    contacts, surveys = toml["tables"]["contacts"], toml["tables"]["surveys"]
    assert contacts["columns"]["event_id"] == "ticket_id"
    assert "as double precision) * 60 as waiting_seconds" in contacts["query"]
    assert surveys["columns"] == {
        "customer_id": "customer_id", "answered_at": "closed_at", "question": "question", "score": "csat",
    }  # fmt: skip
    assert choices_of(proposal)["tables.contacts.columns.kind"].chosen == "service"


def test_subscriptions_exits_surveys_campaigns_and_the_market_are_told_apart(tmp_path):
    who = [f"c{n % 40}" for n in range(120)]
    subscriptions = csv(
        tmp_path, "contracts.csv", customer_id=who, start_date=DAYS, end_date=[""] * 119 + ["2024-12-01"],
        plan=["a", "b"] * 60, price=["9.99"] * 60 + ["12.99"] * 60,
    )  # fmt: skip
    exits = csv(
        tmp_path, "cancellations.csv", customer_id=who, cancel_date=DAYS, reason=["price", "moved"] * 60
    )
    surveys = csv(
        tmp_path, "nps_survey.csv", customer_id=who, date=DAYS, question=["nps"] * 120, score=[3, 9] * 60
    )
    campaigns = csv(
        tmp_path, "mailings.csv", customer_id=who, sent_at=DAYS, campaign=["spring"] * 120,
        treatment=["control", "mail"] * 60,
    )  # fmt: skip
    market = csv(tmp_path, "economy.csv", month=DAYS, unemployment=[5 + n % 3 for n in range(120)])
    _, toml, _ = proposed(tmp_path, subscriptions, exits, surveys, campaigns, market)
    assert set(toml["tables"]) == {"subscriptions", "exits", "surveys", "campaigns", "market"}
    assert toml["tables"]["campaigns"]["columns"]["arm"] == "treatment"
    assert toml["tables"]["exits"]["columns"]["left_at"] == "cancel_date"
    assert toml["tables"]["market"]["attributes"] == {"unemployment": "number"}
    assert toml["churn"]["kind"] == "exit"


def test_files_of_a_folder_with_the_same_columns_are_one_source(tmp_path):
    (tmp_path / "log").mkdir()
    for year in (2022, 2023):
        orders(tmp_path / "log", f"orders_{year}.csv")
    _, toml, _ = proposed(tmp_path, str(tmp_path / "log"))
    assert toml["tables"]["purchases"]["source"] == "log"
    csv(tmp_path / "log", "customers.csv", customer_id=[f"c{n}" for n in range(40)], town=["x", "y"] * 20)
    _, toml, _ = proposed(tmp_path, str(tmp_path / "log"))
    assert toml["tables"]["purchases"]["source"] == "log/orders_202*.csv"
    assert toml["tables"]["customers"]["source"] == "log/customers.csv"


def test_two_sources_of_purchases_are_both_of_that_table(tmp_path):
    web = orders(tmp_path, "web.csv")
    till = orders(tmp_path, "till.csv", till=[n % 3 for n in range(120)])
    _, toml, _ = proposed(tmp_path, web, till)
    names = [(one["name"], one["source"]) for one in toml["tables"]["purchases"]]
    assert names == [("web", "web.csv"), ("till", "till.csv")]


def test_the_currency_is_what_the_data_show(tmp_path):
    _, toml, proposal = proposed(tmp_path, orders(tmp_path))
    assert toml["business"]["currency"] == "USD"
    assert "business.currency" in choices_of(proposal)
    for shown in ({"currency": ["EUR"] * 120}, {"amount_eur": ["1.50"] * 120}, {"band": ["under 5 €"] * 120}):
        _, toml, proposal = proposed(tmp_path, orders(tmp_path, **shown))
        assert toml["business"]["currency"] == "EUR"
        assert "business.currency" not in choices_of(proposal)
    _, toml, _ = proposed(tmp_path, orders(tmp_path), currency="CHF", name="corner shop")
    assert toml["business"]["currency"] == "CHF"
    assert toml["business"]["name"] == "corner shop"


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("EURO", "Did you mean EUR?"),
        ("euro", "Did you mean EUR?"),
        ("Dollars", "Did you mean USD?"),
        ("£", "Did you mean GBP?"),
        ("chf", "Did you mean CHF?"),
        ("money", "Write its three letters, as in USD or EUR."),
    ],
)
def test_a_known_currency_code_is_wanted(tmp_path, said, advice):
    with pytest.raises(UserError) as error:
        propose([orders(tmp_path)], currency=said)
    assert str(error.value) == f"{said!r} is not an ISO 4217 currency code. {advice}"


def test_what_is_not_used_is_listed_with_the_reason(tmp_path):
    products = csv(
        tmp_path, "products.csv", product_id=[f"p{n}" for n in range(30)], colour=["red", "blue"] * 15
    )
    log = orders(tmp_path, product_id=[f"p{n % 30}" for n in range(120)], shelf=[n % 7 for n in range(120)])
    text, _, proposal = proposed(tmp_path, log, products)
    ((label, why),) = proposal.unused
    assert label == "products.csv"
    assert "orders.csv points at by product_id" in why
    assert "# Not used:\n#   shelf" in text


def test_without_anybody_the_error_says_that_no_column_identifies_customers(tmp_path):
    source = csv(
        tmp_path, "texts.csv", text=["how are you today my dear"] * 30, category=["a", "b", "c"] * 10
    )
    with pytest.raises(DataError, match=r"No column identifies customers in texts.csv.* has text, category"):
        propose([source])


def test_without_purchases_and_contracts_the_error_says_so(tmp_path):
    source = csv(tmp_path, "people.csv", customer_id=[f"c{n}" for n in range(30)], town=["x", "y", "z"] * 10)
    with pytest.raises(DataError, match=r"neither purchases .* nor subscriptions"):
        propose([source])


def test_nothing_at_a_source_is_an_error_of_the_user(tmp_path):
    with pytest.raises(UserError, match="There is nothing to read at"):
        propose([str(tmp_path / "nowhere*.csv")])


def test_columns_separated_by_blanks_are_told(tmp_path):
    (tmp_path / "CDNOW_master.txt").write_text(" customer_id  date cds value\n 00001 19970101  1   11.77\n")
    with pytest.raises(DataError, match=r"separated by blanks.*holdfast dataset cdnow"):
        propose([str(tmp_path / "CDNOW_master.txt")])
    orders(tmp_path)
    _, _, proposal = proposed(tmp_path, str(tmp_path))
    assert [label for label, _ in proposal.unused] == ["CDNOW_master.txt"]


def test_no_id_and_no_value_but_words_of_categories_is_in_the_file(tmp_path):
    source = orders(tmp_path, customer_id=[f"{CANARY}-{n % 40}" for n in range(120)])
    text, _, _ = proposed(tmp_path, source)
    assert CANARY not in text


def test_the_same_sources_give_the_same_file(tmp_path):
    first, _, _ = proposed(tmp_path, orders(tmp_path))
    again, _, _ = proposed(tmp_path, orders(tmp_path))
    assert first == again


def test_every_line_is_short_and_comments_stand_below_each_other(tmp_path):
    text, _, _ = proposed(tmp_path, orders(tmp_path, shelf=[n % 7 for n in range(120)]))
    assert max(map(len, text.splitlines())) <= 120
    business = text.split("[business]\n")[1].split("\n\n")[0].splitlines()
    assert len({line.index(" = ") for line in business}) == 1
    assert len({line.index("  # ") for line in business if "  # " in line}) == 1


def test_a_source_of_households_is_nobodys_where_others_know_customers(tmp_path):
    homes = csv(tmp_path, "visits.csv", household_id=[f"h{n % 30}" for n in range(120)], visited_at=DAYS)
    _, toml, proposal = proposed(tmp_path, homes, orders(tmp_path))
    assert set(toml["tables"]) == {"purchases"}
    assert proposal.unused == (("visits.csv", "has no column that says whose a row is"),)


def test_two_times_without_names_are_a_choice(tmp_path):
    later = [day + timedelta(days=1) for day in DAYS]
    source = csv(
        tmp_path, "log.csv", member=[f"m{n % 30}" for n in range(120)], q7=DAYS, q8=later,
        amount=[f"{n}.50" for n in range(120)],
    )  # fmt: skip
    _, _, proposal = proposed(tmp_path, source)
    assert choices_of(proposal)["tables.purchases.columns.purchased_at"].alternatives == ("q8",)


def test_customers_that_come_twice_outside_the_sample_are_no_customers_table(tmp_path, monkeypatch):
    monkeypatch.setattr("features.proposing.profiling.SAMPLE_ROWS", 20)
    ids = [f"c{n}" for n in range(40)]
    people = csv(tmp_path, "customers.csv", customer_id=ids, town=["x", "y"] * 20)
    _, toml, _ = proposed(tmp_path, people, orders(tmp_path))
    assert set(toml["tables"]) == {"customers", "purchases"}
    people = csv(tmp_path, "customers.csv", customer_id=[ids[2], *ids[1:]], town=["x", "y"] * 20)
    _, toml, _ = proposed(tmp_path, people, orders(tmp_path))
    assert set(toml["tables"]) == {"purchases"}


def test_names_of_columns_cannot_break_the_file(tmp_path):
    odd = {
        'we"ird': ["a", "b"] * 20,
        "two\nlines": ["x"] * 40,
        'tri"""ple': ["p", "q"] * 20,
        "日付": [1, 2] * 20,
    }
    left = {"group": [int(n % 4 == 0) for n in range(40)], "tenure\\": [n % 9 for n in range(40)]}
    table = pa.table({"customer_id": [f"c{n}" for n in range(40)], **odd, "churned": left["group"], **left})
    pq.write_table(table, tmp_path / "it's.parquet")
    text, toml, _ = proposed(tmp_path, str(tmp_path / "it's.parquet"))
    assert toml["tables"]["subscriptions"]["source"] == "it's.parquet"
    assert "\n#   two?lines" in text
    assert set(toml["tables"]["customers"]["attributes"]) >= {"we_ird", "tri_ple"}


def test_columns_that_a_query_adds_never_hide_those_of_the_source(tmp_path):
    source = csv(
        tmp_path,
        "customers.csv",
        customer_id=[f"c{n}" for n in range(40)],
        known_at=["morning", "night"] * 20,
        plan=[""] * 40,
        Churn=["Yes", "No", "No", "No"] * 10,
    )
    _, toml, _ = proposed(tmp_path, source)
    assert toml["tables"]["subscriptions"]["columns"]["known_at"] == "known_at_added"
    assert toml["tables"]["subscriptions"]["columns"]["plan"] == "plan_added"


def test_numbers_that_a_build_would_not_believe_are_left_out(tmp_path):
    source = csv(
        tmp_path, "customers.csv", customer_id=[f"c{n}" for n in range(40)], huge=["1e300", "2"] * 20,
        size=[1, 2] * 20,
    )  # fmt: skip
    _, toml, _ = proposed(tmp_path, source, orders(tmp_path))
    assert toml["tables"]["customers"]["attributes"] == {"size": "number"}


def test_json_lines_and_compressed_files_are_looked_at_too(tmp_path):
    rows = [
        {"customer_id": f"c{n % 30}", "sold_at": str(day), "amount": f"{n}.5"} for n, day in enumerate(DAYS)
    ]
    (tmp_path / "sales.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    _, toml, _ = proposed(tmp_path, str(tmp_path / "sales.jsonl"))
    assert toml["tables"]["purchases"]["columns"]["purchased_at"] == "sold_at"
    plain = tmp_path / "sales.csv.gz"
    with gzip.open(plain, "wt") as stream:
        stream.write(Path(orders(tmp_path)).read_text())
    _, toml, _ = proposed(tmp_path, str(plain))
    assert toml["tables"]["purchases"]["source"] == "sales.csv.gz"


def test_a_column_that_is_often_empty_is_not_what_every_row_needs(tmp_path):
    _, toml, _ = proposed(
        tmp_path, orders(tmp_path, amount=[""] * 60 + ["1.50"] * 60, net=[f"{n}.50" for n in range(120)])
    )
    assert toml["tables"]["purchases"]["columns"]["amount"] == "net"


def test_a_column_of_currency_codes_is_mapped_and_the_most_frequent_one_is_a_choice(tmp_path):
    codes = ["USD"] * 110 + ["EUR"] * 10
    proposal = propose([orders(tmp_path, currency=codes)])
    assert table_of(proposal, "purchases").mapping["currency"] == "currency"
    choice = choices_of(proposal)["business.currency"]
    assert (choice.chosen, choice.alternatives) == ("USD", ("EUR",))
    (tmp_path / "business.toml").write_text(write(proposal, tmp_path), encoding="utf-8")
    table = build(load(tmp_path / "business.toml")).manifest.tables["purchases"]
    assert (table.stored, table.rejected) == (110, 10)
    _, toml, proposal = proposed(tmp_path, orders(tmp_path, currency=["EUR"] * 120))
    assert toml["tables"]["purchases"]["columns"]["currency"] == "currency"
    assert toml["business"]["currency"] == "EUR"
    assert "business.currency" not in choices_of(proposal)


def test_words_that_are_codes_by_accident_are_no_currency(tmp_path):
    proposal = propose([orders(tmp_path, band=["ALL", "TOP"] * 60)])
    assert "currency" not in table_of(proposal, "purchases").mapping


def test_a_source_that_is_named_twice_is_used_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = orders(tmp_path)
    for again in (source, "./orders.csv", str(tmp_path), str(tmp_path / "*.csv")):
        proposal = propose([source, again])
        assert [draft.table for draft in proposal.drafts] == ["purchases"]


@pytest.mark.parametrize("how", ["{0}/orders.csv", "{0}", "{0}/*.csv"])
def test_a_file_that_may_not_be_read_is_an_error_of_the_user(tmp_path, monkeypatch, how):
    def refuse(*_):
        raise PermissionError(13, "Permission denied", "x")

    orders(tmp_path)
    monkeypatch.setattr(inventory, "header_of", refuse)
    with pytest.raises(UserError, match=r"orders\.csv cannot be read: Permission denied\. "):
        propose([how.format(tmp_path)])


@pytest.mark.parametrize("how", ["{0}/shut", "{0}", "{0}/shut/*.csv"])
def test_a_folder_that_may_not_be_listed_is_an_error_of_the_user(tmp_path, monkeypatch, how):
    (tmp_path / "shut").mkdir()
    listed = os.scandir

    def refuse(path="."):
        if not isinstance(path, int) and Path(path).name == "shut":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match=r"shut cannot be read: Permission denied\. "):
        propose([how.format(tmp_path)])


def test_the_truth_of_a_simulated_business_is_never_read(tmp_path):
    (tmp_path / "truth").mkdir()
    orders(tmp_path)
    people = {"customer_id": [f"c{n}" for n in range(40)], "leaves": ["yes", "no"] * 20}
    true = csv(tmp_path / "truth", "customers.csv", **people)
    assert {draft.table for draft in propose([str(tmp_path)]).drafts} == {"purchases", "customers"}
    (tmp_path / "business.toml").write_text(
        "# Written by holdfast simulate: a made-up shop whose truth is known.\n"
    )
    for sources in ([str(tmp_path)], [str(tmp_path / "**")], [str(tmp_path / "orders.csv")]):
        assert {draft.table for draft in propose(sources).drafts} == {"purchases"}
    for named in (true, str(tmp_path / "truth"), str(tmp_path / "truth" / "*")):
        with pytest.raises(UserError, match="truth of a simulated business"):
            propose([named])


def test_names_that_come_twice_are_shown_with_their_folder(tmp_path):
    for place in ("web", "till"):
        (tmp_path / place).mkdir()
    web, till = orders(tmp_path / "web"), orders(tmp_path / "till")
    _, _, proposal = proposed(tmp_path, web, till, name="shop")
    assert [draft.found.label for draft in proposal.drafts] == ["web/orders.csv", "till/orders.csv"]


def test_a_column_of_which_only_some_times_carry_a_zone_is_a_choice(tmp_path):
    mixed = [f"{day}T10:00:00{'Z' if n % 2 else ''}" for n, day in enumerate(DAYS)]
    proposal = propose([orders(tmp_path, order_date=mixed)])
    text = write(proposal, tmp_path)
    assert choices_of(proposal)["business.timezone"].why.startswith("some of order_date carry no zone")
    assert "no time of the data needs another" not in text
    assert "works, right or not, once all times of a column carry a zone or none does." in text.split("\n")[1]
    naive = [f"{day}T10:00:00" for day in DAYS]
    assert "works, right or not." in write(propose([orders(tmp_path, order_date=naive)]), tmp_path)


def test_the_error_says_what_the_nearest_table_lacks_and_how_to_map_it(tmp_path):
    days = {"customer_id": [f"c{n % 30}" for n in range(90)], "town": ["x", "y", "z"] * 30}
    near = csv(tmp_path, "moves.csv", **days, moved_on=DAYS[:90])
    far = csv(tmp_path, "people.csv", customer_id=[f"c{n}" for n in range(30)], town=["x", "y", "z"] * 10)
    with pytest.raises(DataError) as error:
        propose([far, near])
    said = str(error.value)
    assert "moves.csv is nearest to purchases" in said
    assert "whose is customer_id, when is moved_on; missing: how much" in said
    assert '[tables.purchases]\nsource = "moves.csv"\ncolumns = { customer_id = "customer_id", ' in said
    tomllib.loads(said[said.index("[tables.purchases]") :].split("\n\n", maxsplit=1)[0])


@pytest.mark.parametrize(
    ("url", "where"),
    [
        (f"postgresql://ann:{CANARY}@localhost:1/shop", "localhost:1"),
        (f"postgresql://ann:{CANARY}@localhost:1/shop#public.orders", "localhost:1"),
        (f"postgresql://ann:1/{CANARY}@localhost:1/shop", "of the URL you gave"),
    ],
)
def test_a_database_that_does_not_answer_is_named_without_the_password(url, where):
    pytest.importorskip("adbc_driver_postgresql")
    with pytest.raises(DataError) as error:
        propose([url])
    said = str(error.value)
    assert where in said
    assert "the URL you gave" in said
    assert "[tables" not in said
    assert CANARY not in said


def test_a_business_of_several_folders_is_named_after_the_one_that_holds_them(tmp_path):
    shop = tmp_path / "corner shop"
    for place in ("web", "till"):
        (shop / place).mkdir(parents=True)
    sources = [orders(shop / "web", "a.csv"), orders(shop / "till", "b.csv", till=[1, 2, 3] * 40)]
    _, toml, _ = proposed(tmp_path, *sources)
    assert toml["business"]["name"] == "corner shop"
