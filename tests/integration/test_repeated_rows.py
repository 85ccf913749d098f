"""Rows that speak of one thing: events delivered again, ids that are numbers, facts that are corrected."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shops import COLUMNS, GOOD, built, csv_shop, rejected_of, rows_of, shop

from features.build import build
from features.errors import DataError
from features.intake import repeats
from features.intake.feeds import Staged
from features.language import EventSource, FeatureSet, latest
from features.panel import panel_of
from features.windows import parse_instant

EVENTS = COLUMNS | {"event_id": "event"}


def numbered_shop(folder, events, customers, kind=None, **keys):
    """A shop whose ids are whole numbers, or texts of them."""
    kind = kind or pa.int64()
    days = pa.array(range(len(events)), pa.date32())
    rows = {
        "id": pa.array(customers, pa.int32()),
        "date": pa.array([days[events.index(event)].as_py() for event in events], pa.date32()),
        "amount": [1.0] * len(events),
        "event": pa.array(events, kind),
        "product": pa.array([10 - n % 3 for n in range(len(events))], pa.uint16()),
    }
    pq.write_table(pa.table(rows), folder / "p.parquet")
    return shop(folder, "p.parquet", columns=EVENTS, **keys)


@pytest.mark.parametrize("n_buckets", [1, 4])
def test_numbers_as_event_ids_are_compared_like_texts(tmp_path, n_buckets):
    events = [*range(30), 7, None, None]
    customers = [*range(100, 130), 107, 107, 5]
    report, store = built(numbered_shop(tmp_path, events, customers), n_buckets=n_buckets)
    record = report.manifest.tables["purchases"]
    assert (record.rows_in, record.stored, record.duplicates, record.rejected) == (33, 32, 1, 0)
    stored = [row["customer_id"] for row in rows_of(store, "purchases")]
    assert sorted(stored) == sorted([str(n) for n in range(100, 130)] + ["107", "5"])


def test_numbers_as_event_ids_of_different_rows_are_refused(tmp_path):
    events, customers = [*range(30), -7, -7], [*range(100, 130), 107, 108]
    report, store = built(numbered_shop(tmp_path, events, customers))
    assert report.manifest.tables["purchases"].reasons == {"event_id is used for different rows": 2}
    assert [row["event_id"] for row in rejected_of(store, "purchases")] == ["-7", "-7"]


def test_categories_that_are_numbers_have_their_texts_as_levels_in_the_order_of_texts(tmp_path):
    columns = EVENTS | {"product_id": "product"}
    numbered_shop(tmp_path, [*range(9)], [*range(9)])
    _, store = built(shop(tmp_path, "p.parquet", columns=columns), n_buckets=2)
    assert store.levels("purchases", "product_id") == ["10", "8", "9"]
    found = {row["customer_id"]: row["product_id"] for row in rows_of(store, "purchases")}
    assert found == {str(n): str(10 - n % 3) for n in range(9)}


def test_an_id_is_the_same_as_a_number_in_one_source_and_as_text_in_another(tmp_path):
    numbered_shop(tmp_path, [*range(1, 11)], [*range(7, 17)])
    (tmp_path / "more.csv").write_text("id,date,amount,event\n7,1970-01-01,1,1\n10,1970-01-02,1,02\n")
    columns = EVENTS | {"product_id": "product"}
    sources = [{"source": "p.parquet", "columns": columns}, {"source": "more.csv", "columns": EVENTS}]
    (tmp_path / "people.csv").write_text("id,region\n7,N\n10,S\n")
    people = {"source": "people.csv", "columns": {"customer_id": "id", "region": "region"}}
    business = shop(tmp_path, tables={"purchases": sources, "customers": people})
    report, store = built(business, n_buckets=4)
    record = report.manifest.tables["purchases"]
    # A product is told in one source and not in the other: the event is used for different rows.
    assert (record.rows_in, record.stored, record.rejected) == (12, 10, 2)
    assert {row["customer_id"] for row in rows_of(store, "customers")} == {"7", "10"}
    assert store.manifest.n_customers == 10


def test_event_ids_that_only_look_alike_are_different_events(tmp_path, monkeypatch):
    monkeypatch.setattr(
        Staged, "key_of", lambda _, event: f"CASE WHEN {event} IS NOT NULL THEN 1 END::BIGINT"
    )
    rows = "a,2024-01-01,1,e1\nb,2024-01-01,1,e2\na,2024-01-01,1,\na,2024-01-01,1,e1\n"
    report, _ = built(csv_shop(tmp_path, rows, "id,date,amount,event\n", columns=EVENTS))
    record = report.manifest.tables["purchases"]
    assert (record.stored, record.duplicates, record.rejected) == (3, 1, 0)


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_keys_that_occur_twice_are_found_a_part_at_a_time(monkeypatch, at_once):
    monkeypatch.setattr(repeats, "KEYS_AT_ONCE", at_once)
    files = [np.array(keys, np.int64) for keys in ([-5, 3, 8, 2**62], [3, 9, -5, -5], [-(2**63)], [])]
    assert sorted(repeats.found_twice(files).tolist()) == [-5, 3]
    assert repeats.found_twice([]).tolist() == []


def corrected_shop(folder, rows, **columns):
    """A shop that knows its customers, with corrections."""
    (folder / "people.csv").write_text("id,since,region,known\n" + rows)
    columns = {"customer_id": "id", "region": "region", "known_at": "known"} | columns
    people = {"source": "people.csv", "columns": columns}
    return csv_shop(folder, GOOD, tables={"customers": people})


@pytest.mark.parametrize("columns", [{}, {"valid_from": "since"}])
def test_a_correction_of_a_customer_counts_from_when_it_was_known(tmp_path, columns):
    rows = "good1,2024-01-01,S,2024-02-10\ngood1,2024-01-01,N,2024-01-01\n"
    report, store = built(corrected_shop(tmp_path, rows, **columns))
    assert (report.manifest.tables["customers"].stored, report.manifest.tables["customers"].late) == (2, True)
    region = FeatureSet(latest(EventSource("customers", at="valid_from")["region"]))
    bucket = store.read(0, region.columns)
    cutoffs = np.array([parse_instant(day) for day in ("2024-02-10", "2024-02-11")])
    panel = panel_of(region, bucket, cutoffs).to_pandas()
    assert panel[panel["customer_id"] == "good1"].iloc[:, 2].tolist() == ["N", "S"]


def test_two_facts_known_at_one_time_still_stop_the_build(tmp_path):
    rows = "good1,2024-01-01,S,2024-02-10\ngood1,2024-01-01,N,2024-02-10\n"
    with pytest.raises(
        DataError, match="1 customers have more than one row for the same valid_from that were known"
    ):
        build(corrected_shop(tmp_path, rows, valid_from="since"))


@pytest.mark.parametrize("step", [1, 4096, 2**22])
def test_keys_counted_up_in_steps_are_divided_evenly(monkeypatch, step):
    """Ids are often counted up in powers of two; all of them in one part would not fit into memory."""
    monkeypatch.setattr(repeats, "KEYS_AT_ONCE", 1024)
    keys = np.arange(20_000, dtype=np.int64) * step
    bits = 5
    sizes = np.bincount(repeats._part(keys, bits).astype(np.int64), minlength=1 << bits)
    assert sizes.max() < 2 * len(keys) / (1 << bits)
    assert repeats.found_twice([keys, keys[[5, 70]]]).tolist() == keys[[5, 70]].tolist()
