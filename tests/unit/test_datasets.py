"""CDNOW becomes a table and a business file, and files of another shape are refused by name."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from experiments.datasets import load
from features import business
from features.errors import DataError, UserError
from features.windows import to_text

LINES = """ customer_id  date number_of_cds  dollar_value
 00001 19970101  1   11.77
 00002 19970112  5   77.00
 00002 19970112  1   12.00
 00003 19980630  2    0.00
"""
ROWS = [
    ("00001", date(1997, 1, 1), 1, Decimal("11.77")),
    ("00002", date(1997, 1, 12), 1, Decimal("12.00")),
    ("00002", date(1997, 1, 12), 5, Decimal("77.00")),
    ("00003", date(1998, 6, 30), 2, Decimal("0.00")),
]
NAMES = ("customer_id", "date", "quantity", "amount")


def text(folder: Path, content: str) -> Path:
    (folder / "CDNOW_master.txt").write_text(content)
    return folder


def parquet(folder: Path, **columns: list) -> Path:
    given = dict(zip(NAMES, map(list, zip(*ROWS, strict=True)), strict=True))
    pq.write_table(pa.table(given | columns), folder / "transactions.parquet")
    return folder


def rows(folder: Path) -> list[tuple]:
    table = pq.read_table(folder / "purchases.parquet")
    return list(zip(*(table[name].to_pylist() for name in NAMES), strict=True))


@pytest.mark.data
def test_cdnow_from_the_published_text_and_from_parquet_are_the_same_bytes(data_dir, tmp_path):
    for file in ("CDNOW_master.txt", "transactions.parquet"):
        loaded = load("cdnow", data_dir / "cdnow" / file, tmp_path / file)
        assert (loaded.rows, loaded.customers, loaded.published_rows) == (69_659, 23_570, 69_659)
    load("cdnow", data_dir / "cdnow", tmp_path / "folder")
    for name in ("purchases.parquet", "business.toml"):
        first, *others = [path.read_bytes() for path in sorted(tmp_path.glob(f"*/{name}"))]
        assert others == [first, first]
    table = pq.read_table(tmp_path / "folder" / "purchases.parquet")
    assert pc.sum(table["amount"]).as_py() == Decimal("2500315.63")
    assert pc.min_max(table["date"]).as_py() == {"min": date(1997, 1, 1), "max": date(1998, 6, 30)}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("named", [True, False])
def test_the_text_is_read_with_or_without_its_line_of_names(tmp_path, newline, named):
    lines = LINES.splitlines()[0 if named else 1 :]
    loaded = load("cdnow", text(tmp_path, newline.join([*lines, ""])), tmp_path / "out")
    assert rows(tmp_path / "out") == ROWS
    assert (loaded.rows, loaded.customers, loaded.tables) == (4, 3, {"purchases": 4})


def test_parquet_with_floats_and_times_gives_the_same_table(tmp_path):
    amounts = [11.77, 12.0, 77.0, 0.0]
    days = pa.array([day for _, day, _, _ in ROWS]).cast(pa.timestamp("us"))
    load("cdnow", parquet(tmp_path, amount=amounts, date=days), tmp_path / "out")
    assert rows(tmp_path / "out") == ROWS


def test_the_business_file_reads_and_names_columns_that_are_there(tmp_path):
    loaded = load("cdnow", text(tmp_path, LINES), tmp_path / "out")
    read = business.load(loaded.business)
    assert read.business.name == "cdnow"
    assert to_text(read.business.observed_until) == "1998-07-02"
    assert (str(read.churn.horizon), str(read.churn.gap), str(read.churn.eligible)) == ("182d", "0d", "365d")
    assert ([str(horizon) for horizon in read.value.horizons], read.value.margin) == (["182d"], 1.0)


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path):
    with pytest.raises(UserError, match=r"'cdnw' .* Did you mean cdnow\? Known: cdnow, "):
        load("cdnw", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_file_is_answered_with_where_to_get_it(tmp_path):
    for source in (tmp_path, tmp_path / "nowhere", tmp_path / "nowhere.txt"):
        with pytest.raises(DataError, match=r"CDNOW_master\.txt .*brucehardie\.com"):
            load("cdnow", source, tmp_path / "out")


@pytest.mark.parametrize(
    "line",
    [
        " 00004 19970230  1   11.77",
        " 00004 19970228  1   11.7",
        " 00004 19970228  1.5 11.77",
        " 00004 19970228  1   NaN",
        " 00004 19970228  1",
        " 00004 1 19970228  1   11.77",
        " 00004,19970228,1,11.77",
        " 00004 1997-02-28  1   11.77",
    ],
)
def test_a_line_of_another_shape_is_refused_with_its_number_but_not_its_content(tmp_path, line):
    with pytest.raises(DataError, match=r"Line 6 of CDNOW_master\.txt") as wrong:
        load("cdnow", text(tmp_path, LINES + line + "\n"), tmp_path / "out")
    assert "00004" not in str(wrong.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", ["", "\n\n", LINES.splitlines()[0]])
def test_an_empty_text_is_refused(tmp_path, content):
    with pytest.raises(DataError, match="is empty"):
        load("cdnow", text(tmp_path, content), tmp_path / "out")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"customer_id": [1, 2, 2, 3]}, "customer_id .* int64, but must be text"),
        ({"customer_id": ["1", None, "2", "3"]}, "customer_id .* empty cells"),
        ({"amount": [1.0, 2.0, 3.0, 4.001]}, "two decimals"),
        ({"amount": [1.0, 2.0, 3.0, float("nan")]}, "two decimals"),
        ({"amount": ["1", "2", "3", "many"]}, "amount .* two decimals"),
        ({"quantity": [1.0, 2.0, 3.0, 4.5]}, "quantity .* a whole number"),
        ({"date": ["1", "2", "3", "4"]}, "date .* a date"),
    ],
)
def test_parquet_of_another_shape_is_refused(tmp_path, columns, message):
    with pytest.raises(DataError, match=message):
        load("cdnow", parquet(tmp_path, **columns), tmp_path / "out")


def test_a_missing_column_is_answered_with_the_nearest_name(tmp_path):
    renamed = pq.read_table(parquet(tmp_path) / "transactions.parquet").rename_columns(
        [*NAMES[:3], "amounts"]
    )
    pq.write_table(renamed, tmp_path / "transactions.parquet")
    with pytest.raises(DataError, match=r"no column amount\. Did you mean amounts\?"):
        load("cdnow", tmp_path, tmp_path / "out")


def test_a_file_that_only_claims_to_be_parquet_is_refused(tmp_path):
    (tmp_path / "transactions.parquet").write_text(LINES)
    with pytest.raises(DataError, match="not a Parquet file"):
        load("cdnow", tmp_path, tmp_path / "out")


def test_neither_the_source_nor_the_business_of_somebody_else_is_overwritten(tmp_path):
    source = (parquet(tmp_path) / "transactions.parquet").rename(tmp_path / "purchases.parquet")
    before = source.read_bytes()
    with pytest.raises(UserError, match="is not empty"):
        load("cdnow", source, tmp_path)
    (tmp_path / "business.toml").write_text("# Written by holdfast dataset cdnow: a shop.\n")
    with pytest.raises(UserError, match="over its own source"):
        load("cdnow", source, tmp_path)
    assert source.read_bytes() == before
    (tmp_path / "business.toml").write_text("[business]\n")
    with pytest.raises(UserError, match="did not write"):
        load("cdnow", source, tmp_path)


def test_loading_again_replaces_what_was_loaded_before(tmp_path):
    for content in (LINES, LINES + " 00004 19980630 1 10.00\n"):
        load("cdnow", text(tmp_path, content), tmp_path / "out")
    assert len(rows(tmp_path / "out")) == 5


@pytest.mark.parametrize("wrote", ["simulate", "dataset telco"])
def test_a_folder_of_another_verb_or_data_set_is_refused(tmp_path, wrote):
    out = tmp_path / "out"
    out.mkdir()
    (out / "business.toml").write_text(f"# Written by holdfast {wrote}: a business.\n")
    with pytest.raises(UserError, match=f"holds what `holdfast {wrote}` wrote"):
        load("cdnow", text(tmp_path, LINES), out)
