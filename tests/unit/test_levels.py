"""The words of all buckets become one list, however they arrive."""

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features.storing import levels
from features.storing.buckets import Arranged, part_of, translated
from features.storing.ordering import encode

words = st.sampled_from([None, "", "a", "B", "é", "zz", "\U0001f600", "\uffff"])
buckets_of_words = st.lists(st.lists(st.tuples(words, words), max_size=8), min_size=1, max_size=4)


@settings(max_examples=40)
@given(buckets_of_words, st.integers(1, 5))
@example([[("a", "a")], [("a", "a")]], 5)
@example([[("a", "a")], [("a", "a")]], 2)
def test_codes_are_places_in_the_sorted_words_of_all_buckets(buckets, batch_size):
    columns = [tuple(zip(*bucket, strict=True)) or ((), ()) for bucket in buckets]
    encoded = [
        {
            name: encode(pa.chunked_array([pa.array(values, pa.string())]))
            for name, values in zip("xy", two, strict=True)
        }
        for two in columns
    ]
    for name, place in (("x", 0), ("y", 1)):
        every = sorted({word for two in columns for word in two[place] if word is not None})
        ranks = {word: code for code, word in enumerate(every)}
        starts = np.cumsum([0, *(sum(len(found) for _, found in two.values()) for two in encoded)])
        rank = np.full(starts[-1], -7, np.int32)
        found, n_levels = levels.ranked(batches(encoded, batch_size), starts, rank, 2)
        first = sum(n_levels[:place])
        assert found.to_pylist()[first : first + n_levels[place]] == every
        for bucket, (two, start) in enumerate(zip(encoded, starts, strict=False)):
            begin = start + (0 if name == "x" else len(two["x"][1]))
            own = two[name][1].to_pylist()
            assert (rank[begin : begin + len(own)] - first).tolist() == [ranks[word] for word in own], bucket


def batches(encoded, batch_size):
    """All words in order, a few at a time."""
    rows = []
    for bucket, two in enumerate(encoded):
        number = 0
        for place, (_, found) in enumerate(two.values()):
            for word in found.to_pylist():
                rows.append((place, word, bucket, number))
                number += 1
    rows.sort(key=lambda row: row[:2])
    names = {"place": pa.int32(), "level": pa.string(), "bucket": pa.int32(), "number": pa.int32()}
    table = pa.table([pa.array(c, t) for c, t in zip(zip(*rows, strict=True), names.values(), strict=True)]
                     if rows else [pa.array([], t) for t in names.values()], names=list(names))  # fmt: skip
    return table.to_batches(max_chunksize=batch_size)


def test_words_go_to_the_disk_and_come_back_as_levels_and_codes(tmp_path):
    shop, web = (pa.chunked_array([values]) for values in (["web", "shop", None], ["web", "app"]))
    parts = []
    for index, column in enumerate((shop, web)):
        codes, found = encode(column)
        rows = pa.table({"at": [1] * len(codes), "known_at": [1] * len(codes), "channel": codes})
        parts.append(part_of(Arranged(rows, {"channel": found})))
        levels.keep_words({"channel": found}, index, tmp_path / f"{index}.parquet")
        if index == 0:
            kept = rows
    (tmp_path / "out").mkdir()
    with duckdb.connect() as connection:
        new = levels.merge(connection, tmp_path, parts, tmp_path / "out" / "purchases")
    stored = pq.read_table(tmp_path / "out" / "purchases.channel.parquet")
    assert stored.column("channel").to_pylist() == ["app", "shop", "web"]
    assert [one["channel"].tolist() for one in new] == [[1, 2], [0, 2]]
    assert translated(kept, new[0]).column("channel").to_pylist() == [2, 1, -1]
