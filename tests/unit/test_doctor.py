"""The doctor: every finding is of what is there, so each can be bad."""

import sys

import pytest
from shops import COLUMNS, GOOD, HEADER, csv_shop, toml_of

from serving import cli
from serving.doctor import examine
from training.tracking import QUIET

CONTACTS = {
    "source": "contacts.csv",
    "columns": {name: name for name in ("customer_id", "contacted_at", "channel", "kind")},
}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """The environment as the command line leaves it, and nothing of this session's."""
    for name in {**cli.ENVIRONMENT, **QUIET, "HOLDFAST_SCORES": "", "MLFLOW_TRACKING_URI": ""}:
        monkeypatch.delenv(name, raising=False)
    for name, value in cli.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def found(path=None):
    """What is said, by what it is said of."""
    return {finding.what: finding for finding in examine(path)}


@pytest.mark.parametrize("name", ["MLFLOW_DISABLE_TELEMETRY", "BENTOML_DO_NOT_TRACK", "OTEL_SDK_DISABLED"])
def test_a_variable_that_keeps_a_library_silent_is_bad_where_unset_or_otherwise_set(monkeypatch, name):
    assert found()[name].good
    monkeypatch.setenv(name, "false")
    assert not found()[name].good
    monkeypatch.delenv(name)
    assert (found()[name].good, found()[name].says.split(",")[0]) == (False, "not set")


def test_what_is_set_for_mlflow_is_looked_at_once_mlflow_is_there(monkeypatch):
    monkeypatch.delitem(sys.modules, "mlflow", raising=False)
    assert "MLFLOW_ALLOW_PICKLE_DESERIALIZATION" not in found()
    monkeypatch.setitem(sys.modules, "mlflow", object())
    assert not found()["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"].good
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    assert found()["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"].good


@pytest.fixture
def without_registry(monkeypatch):
    """A registry without champions, so that MLflow is not needed."""
    monkeypatch.setattr("training.tracking.Tracking.champion", lambda self, kind: None)


@pytest.mark.usefixtures("without_registry")
def test_every_source_is_looked_for(tmp_path):
    business = csv_shop(tmp_path, GOOD, tables={"contacts": CONTACTS})
    findings = found(business.path)
    assert (findings["tables.purchases"].good, findings["tables.purchases"].says) == (True, "1 csv file(s)")
    assert not findings["tables.contacts"].good
    assert "contacts.csv" in findings["tables.contacts"].says


@pytest.mark.usefixtures("without_registry")
def test_a_database_that_does_not_answer_is_found_and_its_password_is_not_shown(tmp_path):
    pytest.importorskip("adbc_driver_postgresql")
    (tmp_path / "business.toml").write_text(
        toml_of(
            {
                "purchases": {
                    "source": "postgresql://me:hush@127.0.0.1:1/db",
                    "table": "orders",
                    "columns": COLUMNS,
                }
            }
        )
    )
    finding = found(tmp_path / "business.toml")["tables.purchases"]
    assert not finding.good
    assert "cannot be reached" in finding.says
    assert "hush" not in finding.says


@pytest.mark.usefixtures("without_registry")
def test_a_score_table_that_cannot_be_written_is_found(tmp_path, monkeypatch):
    (tmp_path / "thesis").write_text("mine")
    business = csv_shop(tmp_path, GOOD, HEADER)
    assert found(business.path)["scores"].good
    monkeypatch.setenv("HOLDFAST_SCORES", "sqlite:///thesis")
    assert not found(business.path)["scores"].good
    monkeypatch.setenv("HOLDFAST_SCORES", "postgresql://me:hush@127.0.0.1:1/db")
    finding = found(business.path)["scores"]
    assert not finding.good
    assert "hush" not in finding.says
