"""`holdfast init` on the public data sets and from the command line: its file can be built and checked."""

import json
import shutil
import tomllib

import pytest

from features.build import build
from features.business import load
from features.errors import UserError
from serving import proposals
from serving.cli import main

SETS = {
    "cdnow": ("cdnow", {"purchases"}),
    "complete_journey": ("complete_journey", {"customers", "purchases", "contacts"}),
    "telco": ("telco", {"customers", "subscriptions", "exits"}),
    "telco, classic": ("telco/plain.parquet", {"customers", "subscriptions", "exits"}),
    "telco, as published": ("telco/Telco-Customer-Churn.csv", {"customers", "subscriptions", "exits"}),
    "hillstrom": ("hillstrom", {"customers", "purchases", "campaigns"}),
    "insurance": ("insurance", {"customers", "subscriptions", "exits"}),
    "churn_tv": ("churn_tv", {"customers", "subscriptions", "exits"}),
    "ravenstack": ("ravenstack", {"customers", "contacts", "surveys", "subscriptions", "exits"}),
}
LOG = "customer_id,order_date,amount\n" + "".join(
    f"c{n % 9},2023-{1 + n % 12:02d}-01,{n}.50\n" for n in range(40)
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An own folder with a purchase log, as the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orders.csv").write_text(LOG, encoding="utf-8")
    return tmp_path


@pytest.mark.data
@pytest.mark.parametrize("name", SETS)
def test_every_public_set_becomes_a_business_that_check_accepts(name, data_dir, tmp_path, capsys):
    path, tables = SETS[name]
    target = tmp_path / "business.toml"
    assert main(["init", str(data_dir / path), "--to", str(target)]) == 0
    business = load(target)
    assert set(business.tables) == tables
    report = build(business)
    assert all(table.rejected == 0 for table in report.manifest.tables.values())
    capsys.readouterr()
    assert main(["check", str(target)]) == 0, capsys.readouterr().err


@pytest.mark.data
def test_the_leaks_of_telco_are_left_out(data_dir, tmp_path):
    target = tmp_path / "business.toml"
    main(["init", str(data_dir / "telco" / "customers.parquet"), "--to", str(target)])
    attributes = tomllib.loads(target.read_text())["tables"]["customers"]["attributes"]
    leaks = {"satisfaction_score", "churn_score", "customer_status", "churn_label", "churn_value", "cltv"}
    assert leaks.isdisjoint(attributes)
    assert "#   satisfaction_score          by its name known only after the outcome (alone: AUC 0.95)" in (
        target.read_text()
    )


@pytest.mark.data
def test_a_set_without_customers_is_refused_by_name(data_dir, tmp_path, capsys):
    target = tmp_path / "business.toml"
    assert main(["init", str(data_dir / "banking77"), "--to", str(target)]) == 2
    assert "No column identifies customers" in capsys.readouterr().err
    assert not target.exists()


@pytest.mark.data
def test_cdnow_as_published_is_left_to_the_verb_that_reads_it(data_dir, tmp_path, capsys):
    source = data_dir / "cdnow" / "CDNOW_master.txt"
    assert main(["init", str(source), "--to", str(tmp_path / "business.toml")]) == 2
    assert "holdfast dataset cdnow" in capsys.readouterr().err


def test_the_answer_names_the_file_the_tables_and_the_choices(here, capsys):
    assert main(["init", "orders.csv", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["path"] == "business.toml"
    assert said["tables"]["purchases"][0]["columns"]["purchased_at"] == "order_date"
    assert [choice["where"] for choice in said["choices"]] == [
        "business.currency", "business.timezone", "value.margin",
    ]  # fmt: skip
    assert said["unused"] == []
    assert build(load(here / "business.toml")).manifest.tables["purchases"].stored == 40


def test_an_existing_file_is_kept_unless_told_otherwise(here, capsys):
    (here / "business.toml").write_text("mine")
    assert main(["init", "orders.csv"]) == 2
    assert "there already" in capsys.readouterr().err
    assert (here / "business.toml").read_text() == "mine"
    assert main(["init", "orders.csv", "--force"]) == 0
    assert "[tables.purchases]" in (here / "business.toml").read_text()
    assert sorted(path.name for path in here.iterdir()) == ["business.toml", "orders.csv"]


def test_a_file_that_appears_meanwhile_is_kept(here):
    target = here / "late.toml"
    target.write_text("mine")
    with pytest.raises(UserError, match="there already"):
        proposals.publish(target, "ours", force=False)
    assert target.read_text() == "mine"
    assert not list(here.glob(".*partial"))


def test_a_folder_that_is_not_there_is_told_before_anything_is_read(here, capsys):
    assert main(["init", "nothing.csv", "--to", str(here / "no" / "business.toml")]) == 2
    assert "folder that is there" in capsys.readouterr().err


def test_sources_near_the_file_are_written_relative_to_it(here):
    (here / "deep").mkdir()
    assert main(["init", "orders.csv", "--to", "deep/business.toml"]) == 0
    assert tomllib.loads((here / "deep" / "business.toml").read_text())["tables"]["purchases"]["source"] == (
        "../orders.csv"
    )
    shutil.rmtree(here / "deep")
