"""Laws of the rows of several sources, with identities, repeats and rows that nobody can read."""

import csv
import io
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from shops import built, rejected_of, rows_of, toml_of

from features.business import load

LAW = settings(max_examples=25, deadline=None, derandomize=True)
FIELDS = ("id", "at", "amount", "event", "place")
COLUMNS = {"customer_id": "id", "purchased_at": "at", "amount": "amount", "event_id": "event"}
TIMES = ("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z")
BAD = (
    {"id": "", "at": TIMES[0], "amount": "1"},
    {"id": "a", "at": "2024-02-30T00:00:00Z", "amount": "1"},
    {"id": "a", "at": TIMES[0], "amount": "NaN"},
)

good_rows = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["a", "b", "w1", "t1", "00123"]),
        "at": st.sampled_from(TIMES),
        "amount": st.sampled_from(["1", "1.00", "-2"]),
        "event": st.sampled_from(["", "", "e1", "e2", "e3"]),
        "place": st.sampled_from(["", "north"]),
    }
)
bad_rows = st.sampled_from([row | {"event": "", "place": ""} for row in BAD])
rows_of_a_source = st.lists(good_rows | good_rows | bad_rows, max_size=12)
FILLING = [{"id": f"filling{n}", "at": TIMES[0], "amount": "1", "event": "", "place": "x"} for n in range(80)]
"""Good rows beside those of every source, so that its bad ones are never too many."""

# Whose ids: of every source, of the web alone, or nobody's.
SAME = st.sampled_from(
    [
        None,
        (False, [("w1", "a"), ("t1", "a")]),
        (False, [("w1", "merged"), ("t1", "merged"), ("w1", "merged")]),
        (True, [("w1", "a", "web"), ("b", "a", "till"), ("b", "b", "web")]),
    ]
)
NAMES = ("web", "till", None)


def written(rows, fields):
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, fields, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def business_of(folder, sources, same):
    """A business with these sources: the second has no places, the third no event ids."""
    tables = []
    for number, rows in enumerate(sources):
        fields = [field for field in FIELDS if field != {1: "place", 2: "event"}.get(number)]
        (folder / f"p{number}.csv").write_text(written(rows, fields))
        columns = {ours: theirs for ours, theirs in COLUMNS.items() if theirs in fields}
        place = {"channel": "place"} if "place" in fields else {}
        name = {"name": NAMES[number]} if NAMES[number] else {}
        tables.append({"source": f"p{number}.csv", "columns": columns | place} | name)
    rest = ""
    if same is not None:
        of_sources, ids = same
        fields = ("source_id", "customer_id", "source")[: 3 if of_sources else 2]
        (folder / "ids.csv").write_text(written([dict(zip(fields, one, strict=True)) for one in ids], fields))
        pairs = ", ".join(f"{field} = '{field}'" for field in fields)
        rest = f'[identities]\nsource = "ids.csv"\ncolumns = {{ {pairs} }}'
    (folder / "business.toml").write_text(toml_of({"purchases": tables}, rest=rest))
    return load(folder / "business.toml")


def expected(sources, same):
    """What is stored, how many are duplicates, and which rows are refused, in plain Python."""
    of_sources, ids = same or (False, [])
    readable, refused = [], []
    for number, rows in enumerate(sources):
        name = NAMES[number]
        merged = {one[0]: one[1] for one in ids if not of_sources or one[2] == name}
        for place, row in enumerate(rows, 1):
            if any(
                row["id"] == bad["id"] and row["at"] == bad["at"] and row["amount"] == bad["amount"]
                for bad in BAD
            ):
                refused.append((name or str(number + 1), place))
                continue
            content = (
                merged.get(row["id"], row["id"]),
                row["at"],
                round(float(row["amount"]) * 100),
                (row["place"] or None) if number != 1 else None,
            )
            event = row["event"] if number != 2 else ""
            readable.append((event, content, (name or str(number + 1), place)))
    by_event = {}
    for event, content, _ in readable:
        by_event.setdefault(event, set()).add(content)
    stored, duplicates, seen = Counter(), 0, set()
    for event, content, where in readable:
        if event and len(by_event[event]) > 1:
            refused.append(where)
        elif event and event in seen:
            duplicates += 1
        else:
            stored[content] += 1
            seen.add(event)
    return stored, duplicates, sorted(refused)


@LAW
@given(st.lists(rows_of_a_source, min_size=1, max_size=3), SAME, st.sampled_from([1, 4]))
def test_rows_of_several_sources_are_stored_or_duplicates_or_rejected(sources, same, n_buckets):
    """As an obvious second implementation says, row by row."""
    known = {name for name in NAMES[: len(sources)] if name}
    if same and same[0]:
        same = (True, [one for one in same[1] if one[2] in known])
    sources = [[*rows, *FILLING] for rows in sources]
    with tempfile.TemporaryDirectory() as name:
        report, store = built(business_of(Path(name), sources, same), n_buckets=n_buckets)
        record = report.manifest.tables["purchases"]
        found = Counter(
            (row["customer_id"], row["at"], row["amount"], row.get("channel"))
            for row in rows_of(store, "purchases")
        )
        refused = rejected_of(store, "purchases") if record.rejected else []
    stored, duplicates, where = expected(sources, same)
    instants = dict(zip(TIMES, (1704067200000000, 1704153600000000), strict=True))
    assert found == Counter(
        {(c, instants[at], amount, place): n for (c, at, amount, place), n in stored.items()}
    )
    assert sorted((row["source"], row["row"]) for row in refused) == where
    assert record.rows_in == sum(map(len, sources)) == record.stored + record.duplicates + record.rejected
    assert (record.stored, record.duplicates, record.rejected) == (stored.total(), duplicates, len(where))
