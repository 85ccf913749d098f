"""Rows go to the disk by slice, and each slice comes back whole, whatever the chunks they came in."""

import duckdb
import pytest

from features.intake import slices
from features.intake.slices import KEY, REFUSED, SLICE, divide, keys_of, offer, read_slices

N_ROWS = 5000
ROWS = (
    f"SELECT range AS number, CASE WHEN range % 7 = 0 THEN NULL ELSE 'é' || range END AS word, "
    f"CAST(CASE WHEN range % 11 = 0 THEN {REFUSED} ELSE range % 4 END AS INTEGER) AS {SLICE} "
    f"FROM range({N_ROWS})"
)


def slice_of(number):
    return REFUSED if number % 11 == 0 else number % 4


@pytest.fixture
def connection():
    with duckdb.connect() as opened:
        yield opened


@pytest.mark.parametrize("chunk", [1 << 19, 2048])
def test_every_slice_has_its_rows_in_the_order_they_came(tmp_path, connection, monkeypatch, chunk):
    monkeypatch.setattr(slices, "CHUNK", chunk)
    assert divide(connection, ROWS, tmp_path, "0", 4) == N_ROWS
    assert (len(list(tmp_path.glob("*.arrow"))) > 1) == (chunk < N_ROWS)
    for wanted in ([0], [3], [1, 2], range(4)):
        found = read_slices(tmp_path, wanted)
        assert found.column_names == ["number", "word"]
        numbers = found.column("number").to_pylist()
        assert sorted(numbers) == [n for n in range(N_ROWS) if slice_of(n) in set(wanted)]
        for one in wanted:
            own = [n for n in numbers if slice_of(n) == one]
            assert own == sorted(own)
        assert found.column("word").to_pylist() == [None if n % 7 == 0 else f"é{n}" for n in numbers]


def test_sql_sees_the_refused_rows_too_and_only_those_of_one_label(tmp_path, connection):
    divide(connection, ROWS, tmp_path, "0", 4)
    divide(connection, f"SELECT 1 AS number, 'x' AS word, 0 AS {SLICE}", tmp_path, "1", 4)
    offer(connection, tmp_path, "0", "staged things 0")
    offer(connection, tmp_path, "1", "staged things 1")
    count = 'SELECT count(*), count(word) FROM "staged things {}"'
    assert connection.execute(count.format(0)).fetchall() == [(N_ROWS, N_ROWS - len(range(0, N_ROWS, 7)))]
    assert connection.execute(count.format(1)).fetchall() == [(1, 1)]


def test_a_query_without_rows_leaves_no_file(tmp_path, connection):
    assert divide(connection, f"{ROWS} WHERE false", tmp_path, "0", 4) == 0
    assert list(tmp_path.iterdir()) == []


def test_keys_lie_beside_the_rows_and_in_none_of_them(tmp_path, connection, monkeypatch):
    monkeypatch.setattr(slices, "CHUNK", 2048)
    key = f"CASE WHEN number % 3 > 0 THEN number * 10 END AS {KEY}"
    divide(connection, f"SELECT *, {key} FROM ({ROWS})", tmp_path, "0", 4)
    assert read_slices(tmp_path, [0]).column_names == ["number", "word"]
    found = keys_of(tmp_path)
    assert len(found) > 1
    assert [int(key) for file in found for key in file] == [n * 10 for n in range(N_ROWS) if n % 3]
