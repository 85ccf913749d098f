"""A published file is found and read as it is, or refused with what is wrong and where to get it."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.datasets.files import MONEY, Published, folder_of
from features.errors import DataError

FILE = Published(
    names=("orders.parquet", "orders.csv"),
    source="Ask the shop for it.",
    columns={"id": pa.string(), "day": pa.date32(), "paid": MONEY, "pieces": pa.int64(), "gift": pa.bool_()},
    optional=frozenset({"paid"}),
    key="id",
)
ROWS = {
    "id": ["007", "NA1"],
    "day": [date(2024, 3, 1), date(2024, 3, 13)],
    "paid": [Decimal("1.10"), None],
    "pieces": [1, 2],
    "gift": [True, False],
}
CSV = "id,day,paid,pieces,gift,more\n007,2024-03-01,1.1,1,True,x\nNA1,2024-03-13,NA,2,False,y\n"


def parquet(folder, **columns):
    pq.write_table(pa.table({**ROWS, **columns}), folder / "orders.parquet")
    return folder / "orders.parquet"


def text(folder, content):
    (folder / "orders.csv").write_text(content)
    return folder / "orders.csv"


def test_parquet_and_csv_give_the_same_table(tmp_path):
    for file in (parquet(tmp_path), text(tmp_path, CSV)):
        assert FILE.read(file).to_pydict() == ROWS
    assert FILE.find(tmp_path).name == "orders.parquet"
    assert folder_of(tmp_path / "orders.csv") == folder_of(tmp_path) == tmp_path


def test_days_may_be_written_day_first_as_long_as_all_are(tmp_path):
    days_first = CSV.replace("2024-03-01", "01-03-2024").replace("2024-03-13", "13-03-2024")
    assert FILE.read(text(tmp_path, days_first)).to_pydict() == ROWS
    mixed = CSV.replace("2024-03-01", "01-03-2024")
    with pytest.raises(DataError, match=r"day of orders\.csv does not hold a date"):
        FILE.read(text(tmp_path, mixed))


def test_categories_floats_and_times_at_midnight_are_read_as_what_they_are(tmp_path):
    file = parquet(
        tmp_path,
        id=pa.array(["007", "NA1"]).dictionary_encode(),
        day=[datetime(2024, 3, 1), datetime(2024, 3, 13)],  # noqa: DTZ001  (a naive time is the case)
        paid=[1.1, None],
        pieces=[1.0, 2.0],
    )
    assert FILE.read(file).to_pydict() == ROWS


def test_a_time_needs_a_zone_where_an_instant_is_meant(tmp_path):
    instants = Published(("orders.csv",), "", {"at": pa.timestamp("us", "UTC")})
    read = instants.read(text(tmp_path, "at\n2024-03-01T19:06:53Z\n"))
    assert read["at"].to_pylist() == [datetime(2024, 3, 1, 19, 6, 53, tzinfo=UTC)]
    with pytest.raises(DataError, match="a time in UTC"):
        instants.read(text(tmp_path, "at\n2024-03-01 14:06\n"))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": [7, 8]}, r"id of orders\.parquet is int64, but must be text"),
        ({"id": ["7", None]}, "id .* empty cells"),
        ({"id": ["7", "7"]}, "id .* more than once"),
        ({"paid": [1.101, 2.0]}, "paid .* two decimals"),
        ({"paid": [float("inf"), 2.0]}, "paid .* two decimals"),
        ({"pieces": [1.5, 2.0]}, "pieces .* a whole number"),
        ({"pieces": ["one", "2"]}, "pieces .* a whole number"),
        ({"gift": ["maybe", "True"]}, "gift .* true or false"),
        ({"day": [datetime(2024, 3, 1, 9), None]}, "day .* empty cells"),  # noqa: DTZ001  (a naive time is the case)
        ({"day": [datetime(2024, 3, 1, 9)] * 2}, "day .* a date"),  # noqa: DTZ001  (a naive time is the case)
    ],
)
def test_a_column_of_another_kind_is_refused_by_name_and_without_its_values(tmp_path, columns, message):
    with pytest.raises(DataError, match=message) as wrong:
        FILE.read(parquet(tmp_path, **columns))
    assert "1.101" not in str(wrong.value)


def test_what_is_not_there_is_named_with_where_to_get_it(tmp_path):
    with pytest.raises(DataError, match=r"no orders\.parquet and no orders\.csv in .*Ask the shop for it"):
        FILE.find(tmp_path)
    with pytest.raises(DataError, match=r"no column pieces\. Did you mean piece\?.*Ask the shop for it"):
        FILE.read(text(tmp_path, CSV.replace("pieces", "piece")))
    with pytest.raises(DataError, match=r"orders\.csv is empty\. Ask the shop for it"):
        FILE.read(text(tmp_path, CSV.splitlines()[0] + "\n"))


@pytest.mark.parametrize("content", ["", "id,day\n1,2,3\n"])
def test_a_file_that_only_claims_its_kind_is_refused(tmp_path, content):
    with pytest.raises(DataError, match="not a CSV file"):
        FILE.read(text(tmp_path, content))
    (tmp_path / "orders.parquet").write_text(CSV)
    with pytest.raises(DataError, match="not a Parquet file"):
        FILE.read(tmp_path / "orders.parquet")
