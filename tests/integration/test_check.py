"""`holdfast check`: what a person and a machine are told, and that nothing is written."""

import errno
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.simulator import simulate
from features import business as businesses
from features.build import build
from features.errors import QualityRefused
from features.grading.grades import Dimension, Finding, Grade, Inspection
from serving import cli, grading, inspection
from training import card, jobs

LEAKS = {
    "satisfaction_score",
    "churn_score",
    "customer_status",
    "churn_label",
    "churn_value",
    "churn_category",
    "churn_reason",
    "churn_reason_first_release",
}
"""What the publisher of Telco wrote when the outcome was known, as far as it shows."""

TELCO = """
[business]
name = "telco"
currency = "USD"
timezone = "UTC"
observed_until = "2019-10-01"
[tables.subscriptions]
source = "contracts.parquet"
columns = { customer_id = "customer_id", started_at = "started_at", ended_at = "ended_at", plan = "contract" }
[tables.customers]
source = "customers.parquet"
columns = { customer_id = "customer_id" }
"""


def checked(path, capsys, *more):
    """Exit code, what was printed, and what was complained about."""
    code = cli.main(["check", str(path), *more])
    said = capsys.readouterr()
    return code, said.out, said.err


def files_of(folder):
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    simulate(folder, customers=900, seed=3)
    return folder / "business.toml"


@pytest.fixture(scope="module")
def telco(data_dir, tmp_path_factory):
    """The extended release as it was published, with every column: one cutoff, the contracts, who left."""
    folder = tmp_path_factory.mktemp("telco")
    customers = pd.read_parquet(data_dir / "telco" / "customers.parquet")
    cutoff = pd.Timestamp("2019-07-01")
    spread = np.arange(len(customers)) % 30
    months = pd.to_timedelta(customers["tenure_in_months"] * 30 - spread, unit="D").clip(pd.Timedelta(days=1))
    left = customers["churn_value"] == 1
    ended = (cutoff + pd.to_timedelta(spread + 1, unit="D")).to_series(index=customers.index).where(left)
    contracts = customers[["customer_id", "contract"]].assign(started_at=cutoff - months, ended_at=ended)
    contracts.to_parquet(folder / "contracts.parquet", index=False)
    customers.to_parquet(folder / "customers.parquet", index=False)
    attributes = [column for column in customers if column != "customer_id"]
    text = TELCO + f'attributes = {attributes}\n[churn]\nkind = "exit"\nhorizon = "92d"\n'
    (folder / "business.toml").write_text(text)
    return folder / "business.toml"


def test_a_good_shop_is_graded_and_passes(shop, capsys):
    code, out, err = checked(shop, capsys)
    assert code == 0
    assert err == ""
    for title in ("Relevance: ", "Completeness: ", "Timeliness: A"):
        assert title in out
    assert "customers.income" in out
    assert "who left and" in out


def test_nothing_is_written_anywhere(shop, tmp_path, capsys, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    before = files_of(shop.parent)
    checked(shop, capsys)
    assert files_of(shop.parent) == before
    assert list(scratch.iterdir()) == []


def test_a_machine_is_told_everything(shop, capsys):
    code, out, _ = checked(shop, capsys, "--json")
    said = json.loads(out)
    assert code == 0
    assert set(said["dimensions"]) == {dimension.value for dimension in Dimension}
    assert said["grade"] == max(one["grade"] for one in said["dimensions"].values())
    (finding, *_) = said["dimensions"]["completeness"]["findings"]
    assert set(finding) == {"table", "column", "severity", "figure", "what", "do"}
    assert said["tables"]["purchases"]["age_days"] == 0
    assert 0.5 <= said["tables"]["customers"]["auc"]["region"] <= 1


def test_no_column_of_an_honest_shop_is_suspected(shop, capsys):
    said = json.loads(checked(shop, capsys, "--json")[1])
    assert said["dimensions"]["relevance"]["grade"] <= "C"


def test_no_column_of_cdnow_is_suspected(data_dir, tmp_path, capsys):
    cli.main(["dataset", "cdnow", "--from", str(data_dir / "cdnow"), "--to", str(tmp_path)])
    capsys.readouterr()
    code, out, _ = checked(tmp_path / "business.toml", capsys, "--json")
    assert code == 0
    assert json.loads(out)["grade"] == "A"


def with_minimum(path, folder, minimum):
    """The same business asking for another grade."""
    text = path.read_text().replace('= "purchases.parquet"', f'= "{path.parent}/purchases.parquet"')
    text = text.replace('= "customers.parquet"', f'= "{path.parent}/customers.parquet"')
    (folder / "business.toml").write_text(text + f'[quality]\nminimum = "{minimum}"\n')
    return folder / "business.toml"


def test_below_the_bar_it_exits_with_3_and_says_why(shop, tmp_path, capsys):
    code, out, err = checked(with_minimum(shop, tmp_path, "A"), capsys)
    assert code == 3
    assert "Completeness: B" in out
    assert err.startswith("QualityRefused: The data are graded B, and [quality] minimum is A.")
    assert "completeness B: customers.income" in err


def test_the_columns_of_telco_that_know_the_outcome_are_named_and_no_other(telco, capsys):
    code, out, err = checked(telco, capsys, "--json")
    relevance = json.loads(out)["dimensions"]["relevance"]
    suspected = {finding["column"] for finding in relevance["findings"] if finding["severity"] == "E"}
    figures = {finding["column"]: finding["figure"] for finding in relevance["findings"]}
    assert code == 3
    assert suspected == LEAKS
    assert figures["satisfaction_score"] == pytest.approx(0.95, abs=0.005)
    assert figures["churn_score"] == pytest.approx(0.943, abs=0.005)
    named = [finding["column"] for finding in relevance["findings"]]
    assert named.index("satisfaction_score") < named.index("churn_score")
    assert "customers.satisfaction_score, " in err or "and 3 more" in err
    assert err.count("customers.") >= 5
    assert all("from times" not in finding["what"] for finding in relevance["findings"])


def test_trusted_columns_are_taken_at_the_users_word(telco, capsys):
    named = ", ".join(f'"customers.{column}"' for column in sorted(LEAKS))
    telco.with_name("trusting.toml").write_text(
        telco.read_text() + f'[quality]\ntrusted = [{named}]\nminimum = "D"\n'
    )
    code, out, _ = checked(telco.with_name("trusting.toml"), capsys)
    assert code == 0
    assert "Relevance: B" in out


def test_without_outcomes_it_says_so_and_grades_the_rest(tmp_path, capsys):
    days = pd.date_range("2024-01-01", periods=40)
    rows = pd.DataFrame({"id": [f"c{n % 7}" for n in range(40)], "date": days, "amount": 5, "shop": "one"})
    rows.to_csv(tmp_path / "purchases.csv", index=False)
    (tmp_path / "business.toml").write_text(
        '[business]\nname = "new"\ncurrency = "USD"\ntimezone = "UTC"\n[tables.purchases]\n'
        'source = "purchases.csv"\n'
        'columns = { customer_id = "id", purchased_at = "date", amount = "amount", channel = "shop" }\n'
        '[churn]\nhorizon = "90d"\n'
    )
    code, out, _ = checked(tmp_path / "business.toml", capsys)
    assert code == 0
    assert "Relevance: not judged\n  It needs outcomes. The horizon is longer than the history allows" in out
    assert re.search(r"^relevance +not judged$", out, re.MULTILINE)
    assert "No column was found" not in out
    assert "purchases.channel  the same value on every row" in out
    said = json.loads(checked(tmp_path / "business.toml", capsys, "--json")[1])
    assert said["dimensions"]["relevance"]["grade"] is None
    assert said["dimensions"]["relevance"]["not_judged"].startswith("It needs outcomes.")
    assert said["grade"] == max(one["grade"] for one in said["dimensions"].values() if one["grade"])


def test_exit_without_exits_says_what_is_missing(tmp_path, capsys):
    (tmp_path / "contracts.csv").write_text(
        "id,from,plan\n" + "".join(f"c{n},2024-01-01,a\n" for n in range(30))
    )
    (tmp_path / "business.toml").write_text(
        '[business]\nname = "line"\ncurrency = "USD"\ntimezone = "UTC"\n[tables.subscriptions]\n'
        'source = "contracts.csv"\ncolumns = { customer_id = "id", started_at = "from", plan = "plan" }\n'
        '[churn]\nkind = "exit"\nhorizon = "90d"\n'
    )
    _, out, _ = checked(tmp_path / "business.toml", capsys)
    assert 'kind = "exit" needs to know who left' in out


def test_what_cannot_be_built_is_refused_with_2_as_the_build_does(tmp_path, capsys):
    (tmp_path / "purchases.csv").write_text("id,date\n1,2024-01-01\n")
    (tmp_path / "business.toml").write_text(
        '[business]\nname = "new"\ncurrency = "USD"\ntimezone = "UTC"\n[tables.purchases]\n'
        'source = "purchases.csv"\ncolumns = { customer_id = "id", purchased_at = "date", amount = "sum" }\n'
    )
    code, _, err = checked(tmp_path / "business.toml", capsys)
    assert code == 2
    assert "'sum'" in err


def test_at_most_fifteen_lines_of_a_dimension_are_printed_and_the_rest_is_counted():
    grades = [Grade.B] * 12 + [Grade.C] * 6 + [Grade.E]
    findings = [
        Finding(Dimension.RELEVANCE, "customers", f"x{n:02d}", grade, 1.0, "fault", "Mend it.")
        for n, grade in enumerate(grades)
    ]
    lines = grading.as_text(Inspection(findings), "shop", "C").splitlines()
    shown = [line.split()[0] for line in lines if "fault" in line]
    assert shown == ["E"] + ["C"] * 6 + ["B"] * 8
    assert "     and 4 more (4 B): see --json." in lines


@pytest.fixture(scope="module")
def leaking(tmp_path_factory):
    """A shop whose customers carry a grade that was given when their last quarter was over."""
    folder = tmp_path_factory.mktemp("leaking")
    simulate(folder, customers=700, seed=5)
    purchases = pd.read_parquet(folder / "purchases.parquet")
    customers = pd.read_parquet(folder / "customers.parquet")
    recent = purchases["purchased_at"] >= pd.Timestamp("2025-04-02", tz="UTC")
    bought = customers["customer_id"].isin(purchases.loc[recent, "customer_id"])
    customers["given"] = bought + np.random.default_rng(0).normal(0, 0.3, len(customers))
    customers.to_parquet(folder / "customers.parquet", index=False)
    path = folder / "business.toml"
    attribute = 'loyalty_card = "flag"\n'
    path.write_text(path.read_text().replace(attribute, attribute + 'given = "number"\n'))
    build(businesses.load(path))
    return path


def trained(path: Path):
    settings = jobs.Settings(("attrition", "lifetime-value"))
    return jobs.train(businesses.load(path), settings, lambda _what, _done, _total: None)


def test_a_leaking_column_blocks_promotion_and_is_named_with_its_number(leaking):
    outcome = trained(leaking)
    for one in outcome:
        assert not one.promoted
        (leak,) = [refusal for refusal in one.refusals if "customers.given" in refusal]
        assert leak == "knows the outcome: customers.given"
        (suspicion,) = one.card["suspicions"]
        assert suspicion["column"] == "customers.given"
        assert "AUC of 0.9" in suspicion["why"]
        assert card.to_markdown(one.card).count("[quality] trusted") == 1
    with pytest.raises(QualityRefused) as refused:
        jobs.refuse(outcome)
    assert str(refused.value).count("[quality] trusted") == 1


def test_a_trusted_column_does_not_block_promotion(leaking):
    trusting = leaking.with_name("trusting.toml")
    trusting.write_text(leaking.read_text() + '[quality]\ntrusted = ["customers.given"]\n')
    for one in trained(trusting):
        assert not [refusal for refusal in one.refusals if "customers.given" in refusal]


def refused(columns):
    """What `check` says of so many columns that know the outcome."""
    leaks = [
        Finding(Dimension.RELEVANCE, "customers", f"c{n}", Grade.E, 0.9 + n / 100, f"ranks with {n}", "Go.")
        for n in range(columns)
    ]
    return inspection.complaint(Inspection(leaks), "C")


def test_the_refusal_names_every_column_that_knows_the_outcome_the_strongest_first():
    assert "relevance E: customers.c2, customers.c1, customers.c0 (customers.c2 ranks with 2)." in refused(3)
    assert "customers.c2 and 1 more (customers.c6" not in refused(6)
    assert "customers.c5, customers.c4, customers.c3, customers.c2, customers.c1 and 1 more (" in refused(6)
    assert "relevance E: customers.c0 ranks with 0." in refused(1)


def lonely(folder):
    """A business of one CSV file."""
    (folder / "purchases.csv").write_text("id,date,sum\n1,2024-01-01,5\n")
    (folder / "business.toml").write_text(
        '[business]\nname = "new"\ncurrency = "USD"\ntimezone = "UTC"\n[tables.purchases]\n'
        'source = "purchases.csv"\ncolumns = { customer_id = "id", purchased_at = "date", amount = "sum" }\n'
    )
    return folder / "business.toml"


@pytest.mark.parametrize("verb", ["check", "build"])
def test_a_source_that_may_not_be_read_is_named(verb, tmp_path, capsys, monkeypatch):
    path, opened = lonely(tmp_path), Path.open

    def forbidden(self, *more, **named):
        if self.name == "purchases.csv":
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return opened(self, *more, **named)

    monkeypatch.setattr(Path, "open", forbidden)
    assert cli.main([verb, str(path)]) == 2
    err = capsys.readouterr().err
    assert f"{tmp_path / 'purchases.csv'} cannot be read: Permission denied" in err
    assert "snapshot" not in err


def test_a_full_disk_is_no_build_to_who_only_looks(tmp_path, capsys, monkeypatch):
    def full(*_more, **_named):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("features.build._build", full)
    assert cli.main(["check", str(lonely(tmp_path))]) == 2
    err = capsys.readouterr().err
    assert "No space left on device" in err
    for word in ("The build", "snapshot", "holdfast-check-"):
        assert word not in err
