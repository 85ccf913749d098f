"""Laws of households: whoever has ever lived together is in one bucket."""

import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shops import GOOD, built, csv_shop, rows_of

from features.errors import DataError
from features.storing import households

LAW = settings(max_examples=10)
PEOPLE = [f"p{n}" for n in range(12)]
facts = st.lists(
    st.tuples(
        st.sampled_from(PEOPLE),
        st.sampled_from(["", "h1", "h2", "h3", "h4", "h5", "é", "p1"]),
        st.sampled_from(["", "2024-01-01", "2024-02-01"]),
    ),
    min_size=1,
    max_size=20,
    unique_by=lambda fact: (fact[0], fact[2]),
)
"""Who lived in which household, and from when on."""


def shop_of(folder, facts):
    """A shop whose customers have households, and of whom one has none of the rows that say so."""
    lines = "".join(f"{who},{home},{since}\n" for who, home, since in facts)
    (folder / "customers.csv").write_text("id,home,since\n" + lines)
    columns = {"customer_id": "id", "household_id": "home", "valid_from": "since"}
    customers = {"source": "customers.csv", "columns": columns}
    bought = "".join(f"{who},2024-03-0{n % 9 + 1},{n + 1}\n" for n, who in enumerate(PEOPLE))
    return csv_shop(folder, GOOD + bought, tables={"customers": customers})


def tied(facts):
    """Sets of customers who are tied together by households, found by joining sets until none touch."""
    homes = {home for _, home, _ in facts if home}
    sets = [{who for who, home, _ in facts if home == one} for one in sorted(homes)]
    merged = []
    for one in sets:
        touching = [other for other in merged if other & one]
        merged = [other for other in merged if not other & one] + [one.union(*touching)]
    return merged


def content(store):
    """Everything that is stored, whichever bucket it is in."""
    return {
        table: sorted(map(repr, rows_of(store, table))) for table in ("customers", "purchases")
    }  # fmt: skip


@LAW
@given(facts, st.randoms(use_true_random=False))
def test_customers_who_ever_share_a_household_are_in_one_bucket(facts, random):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first, store = built(shop_of(folder, facts), n_buckets=16)
        bucket_of = {who: index for index in range(16) for who in store.customer_ids(index)}
        divided = content(store)
        random.shuffle(facts)
        again, _ = built(shop_of(folder, facts), n_buckets=16)
        _, whole = built(shop_of(folder, facts), n_buckets=1)
        assert content(whole) == divided
    assert len(bucket_of) == first.manifest.n_customers == len(PEOPLE) + 10
    for together in tied(facts):
        assert len({bucket_of[who] for who in together}) == 1
    assert again.manifest.fingerprint == first.manifest.fingerprint


def test_everything_of_a_chain_of_moves_is_together_and_others_are_spread(tmp_path):
    moves = [(who, f"h{n}", "") for n, who in enumerate(PEOPLE)]
    moves += [(who, f"h{n + 1}", "2024-01-01") for n, who in enumerate(PEOPLE[:-1])]
    _, store = built(shop_of(tmp_path, moves), n_buckets=16)
    buckets = [set(store.customer_ids(index)) & set(PEOPLE) for index in range(16)]
    assert sorted(map(len, buckets)) == [0] * 15 + [len(PEOPLE)]
    alone = [(who, f"h{n}", "") for n, who in enumerate(PEOPLE)]
    _, store = built(shop_of(tmp_path, alone), n_buckets=16)
    assert sum(bool(set(store.customer_ids(index)) & set(PEOPLE)) for index in range(16)) > 3
    assert store.levels("customers", "household_id") == sorted({home for _, home, _ in alone})
    read = store.read(0, {"customers": {"household_id"}}).tables["customers"]
    assert all(a <= b for a, b in pairwise(read.offsets.tolist()))
    assert read.columns["household_id"].dtype.name == "int32"


def test_a_household_of_more_than_can_live_together_is_refused_with_their_number(tmp_path, monkeypatch):
    monkeypatch.setattr(households, "MOST_MEMBERS", 3)
    three = [(who, "unknown", "") for who in PEOPLE[:3]]
    built(shop_of(tmp_path, three), n_buckets=4)
    with pytest.raises(DataError, match="1 values of household_id are shared by more than 3 customers each"):
        built(shop_of(tmp_path, [*three, (PEOPLE[3], "unknown", "")]), n_buckets=4)
