"""Wrong inputs at the command line: the named error or rejection, never a traceback, never a silent drop."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from business import COLUMNS, holdfast, write_business, write_csv, write_parquet

GOOD = ["a,2024-01-01T10:00:00Z,10.00", "b,2024-01-02T10:00:00Z,20.00"] * 3


def build(folder, expect, **changes):
    return holdfast("build", write_business(folder, **changes), expect=expect)


def refused(found, code, *words):
    assert found["answer"]["error"]["code"] == code
    message = found["answer"]["error"]["message"]
    for word in words:
        assert word in message, message


def test_a_missing_column_is_named_with_those_there_are(tmp_path):
    write_csv(tmp_path, "a,10.00", header="customer_id,amount")
    refused(build(tmp_path, 2), "DataError", "purchased_at", "customer_id", "amount")


def test_a_renamed_column_is_named_with_its_nearest(tmp_path):
    write_csv(tmp_path, *GOOD, header="custmer_id,purchased_at,amount")
    refused(build(tmp_path, 2), "DataError", "customer_id", "custmer_id")


def test_a_time_without_a_zone_needs_one_declared(tmp_path):
    write_csv(tmp_path, "a,2024-01-01T10:00:00,10.00")
    refused(build(tmp_path, 2, zone=""), "DataError", "purchased_at", "timezone")
    assert build(tmp_path, 0)["answer"]["tables"]["purchases"]["stored"] == 1


def test_a_date_that_could_be_read_two_ways_needs_its_format(tmp_path):
    write_csv(tmp_path, "a,01/02/2024,10.00")
    refused(build(tmp_path, 2), "DataError", "purchased_at", "formats")
    found = build(tmp_path, 0, more='formats = { purchased_at = "%d/%m/%Y" }')
    assert found["answer"]["observed_until"] == "2024-02-02"


def test_a_null_id_is_rejected_and_counted(tmp_path):
    write_csv(tmp_path, *GOOD, ",2024-01-01T10:00:00Z,5.00")
    table = build(tmp_path, 0)["answer"]["tables"]["purchases"]
    assert (table["rows_in"], table["stored"], table["rejected"]) == (7, 6, 1)
    assert sum(table["reasons"].values()) == 1


def test_an_amount_that_is_not_a_number_is_rejected_and_counted(tmp_path):
    write_csv(tmp_path, *GOOD, "c,2024-01-01T10:00:00Z,NaN")
    table = build(tmp_path, 0)["answer"]["tables"]["purchases"]
    assert (table["rows_in"], table["stored"], table["rejected"]) == (7, 6, 1)


def test_an_event_after_the_declared_end_is_rejected_and_counted(tmp_path):
    write_csv(tmp_path, *GOOD, "c,2031-01-01T10:00:00Z,5.00")
    zone = 'timezone = "UTC"\nobserved_until = "2024-02-01"'
    table = build(tmp_path, 0, zone=zone)["answer"]["tables"]["purchases"]
    assert (table["rows_in"], table["stored"], table["rejected"]) == (7, 6, 1)


def test_ids_keep_their_text(tmp_path):
    from features import business as businesses
    from features.store import Store

    ids = ["00123", "NA", "null", "1e5", "9007199254740993"]
    write_csv(tmp_path, *(f"{name},2024-01-01T10:00:00Z,1.00" for name in ids))
    build(tmp_path, 0)
    store = Store.open(businesses.load(tmp_path / "business.toml").workspace)
    stored = [name for index in range(store.n_buckets) for name in store.customer_ids(index)]
    assert sorted(stored) == sorted(ids)


def test_an_empty_table_is_refused(tmp_path):
    write_csv(tmp_path)
    refused(build(tmp_path, 2), "DataError", "purchases")


def test_an_unknown_key_is_refused_with_its_nearest(tmp_path):
    write_csv(tmp_path, *GOOD)
    refused(build(tmp_path, 2, more="colums = {}"), "BusinessError", "colums", "columns")


def _weekly(customers, weeks, every=1):
    """Everybody buys every so many weeks."""
    rows = [
        (f"c{i:03d}", f"2024-{1 + w * 7 // 28:02d}-{1 + w * 7 % 28:02d}T10:00:00Z", 5.0 + i % 7)
        for i in range(customers)
        for w in range(0, weeks, every)
    ]
    return dict(
        zip(("customer_id", "purchased_at", "amount"), map(list, zip(*rows, strict=True)), strict=True)
    )


def test_one_class_only_is_refused_and_nothing_is_registered(tmp_path):
    write_parquet(tmp_path, **_weekly(150, 40))
    path = write_business(tmp_path, source="purchases.parquet", columns=COLUMNS)
    holdfast("build", path)
    refused(holdfast("train", path, expect=2), "QuestionError", "attrition")
    assert holdfast("models", path)["answer"] == []


def test_a_horizon_longer_than_the_history_is_refused(tmp_path):
    write_parquet(tmp_path, **_weekly(150, 20, every=3))
    path = write_business(tmp_path, source="purchases.parquet", horizon="400d")
    holdfast("build", path)
    refused(holdfast("train", path, expect=2), "QuestionError", "horizon", "history")


@pytest.mark.parametrize("verb", ["train", "score"])
def test_a_business_that_was_not_built_is_told_to_build(tmp_path, verb):
    write_csv(tmp_path, *GOOD)
    refused(holdfast(verb, write_business(tmp_path), expect=2), "UserError", "holdfast build")
