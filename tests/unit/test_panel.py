"""Panels: rows of (customer, cutoff), joined over buckets without mixing anybody up."""

import threading

import numpy as np
import pandas as pd
import pytest
from builders import answers, bucket_of, customer, read
from strategies import CUTOFFS, EVERY_FEATURE

from features.panel import N_WORKERS, Panel, concatenate, each_bucket, panel_of

ADA = customer("ada").bought("2024-01-05", 12.50, channel="web").described(region="north", tier="gold")
BOB = customer("bob").bought("2024-02-05", 1, channel="shop").described(region="south", tier=None)
CEM = customer("cem")


class Shelf:
    """Buckets that lie ready."""

    def __init__(self, *buckets):
        self.buckets = buckets
        self.n_buckets = len(buckets)
        self.open = self.most_open = 0
        self.lock = threading.Lock()

    def read(self, index, columns):
        with self.lock:
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        return self.buckets[index]

    def done(self):
        with self.lock:
            self.open -= 1


def both():
    return panel_of(EVERY_FEATURE, bucket_of([ADA, BOB, CEM]), np.array(CUTOFFS))


def test_rows_are_every_customer_at_every_cutoff_cutoffs_outermost():
    panel = both()
    assert len(panel) == 9
    assert panel.customers.tolist() == [0, 1, 2] * 3
    assert panel.cutoffs.tolist() == [cutoff for cutoff in CUTOFFS for _ in range(3)]
    assert panel.numbers.shape == (9, len(EVERY_FEATURE))


def test_a_frame_has_ids_times_and_words():
    frame = both().to_pandas()
    assert frame["customer_id"].tolist() == ["ada", "bob", "cem"] * 3
    assert str(frame["cutoff"].dtype) == "datetime64[us, UTC]"
    assert frame["cutoff"][0] == pd.Timestamp("2024-03-01", tz="UTC")
    assert list(frame.columns) == ["customer_id", "cutoff", *EVERY_FEATURE.names]
    assert frame["customers_region"].tolist()[:2] == ["north", "south"]
    assert frame["customers_region"].isna().tolist()[:3] == [False, False, True]
    assert frame["customers_tier"].isna().tolist()[:3] == [False, True, True]
    assert frame["purchases_amount_total_ever"].tolist()[:3] == [1250.0, 100.0, 0.0]


def test_buckets_joined_are_one_bucket():
    """With the levels of the whole store, as its buckets have them."""
    parts = [panel_of(EVERY_FEATURE, bucket_of(them), np.array(CUTOFFS)) for them in ([ADA], [BOB, CEM])]
    whole = both()
    shared = [_with_levels(part, whole) for part in parts]
    assert read(concatenate(shared)) == answers(EVERY_FEATURE, bucket_of([ADA, BOB, CEM]), CUTOFFS)


def _with_levels(part, whole):
    """The same panel with the codes of another's levels."""
    numbers = part.numbers.copy()
    for name, levels in part.levels.items():
        place = part.features.names.index(name)
        codes = np.array([whole.levels[name].index(level) for level in levels] or [0], np.float64)
        filled = ~np.isnan(numbers[:, place])
        numbers[filled, place] = codes[numbers[filled, place].astype(int)]
    return Panel(part.features, part.customer_ids, part.customers, part.cutoffs, numbers, whole.levels)


def test_rows_keep_their_customer():
    panel = both().rows(np.array([4, 0]))
    assert [panel.customer_ids[position] for position in panel.customers] == ["bob", "ada"]
    assert panel.cutoffs.tolist() == [CUTOFFS[1], CUTOFFS[0]]
    assert len(panel.rows(np.zeros(2, np.bool_))) == 0


def test_a_column_is_found_by_name_and_by_nothing_else():
    assert both().column("purchases_amount_total_ever")[:3].tolist() == [1250.0, 100.0, 0.0]
    with pytest.raises(ValueError, match="not in"):
        both().column("purchases_amount_total")


def test_results_come_back_in_order_and_few_buckets_are_open_at_once():
    shelf = Shelf(*(bucket_of([customer(f"c{n}")]) for n in range(12)))

    def work(bucket):
        shelf.done()
        return bucket.customer_ids[0]

    assert list(each_bucket(shelf, {}, work)) == [f"c{n}" for n in range(12)]
    assert shelf.most_open <= N_WORKERS


def test_an_error_in_one_bucket_reaches_the_caller():
    def work(bucket):
        raise ArithmeticError("this bucket")

    with pytest.raises(ArithmeticError, match="this bucket"):
        list(each_bucket(Shelf(bucket_of([ADA])), {}, work))
