"""Groups of customers: everybody is in one group of each division, and the words say where the bounds are."""

from dataclasses import replace

import numpy as np
from panels import panel_of

from training.segments import MOST_GROUPS, OTHERS, UNKNOWN, segments


def test_a_category_keeps_its_frequent_levels_and_puts_the_rest_together():
    codes = np.concatenate([np.repeat(np.arange(MOST_GROUPS), 3), [MOST_GROUPS, MOST_GROUPS + 1, np.nan]])
    levels = [f"level {place}" for place in range(MOST_GROUPS + 2)]
    found = segments(panel_of({"region": codes}, {"region": levels}))["customers_region"]
    assert found.tolist()[:3] == ["level 0"] * 3
    assert found.tolist()[-3:] == [OTHERS, OTHERS, UNKNOWN]


def test_a_division_with_one_group_is_none():
    assert segments(panel_of({"region": np.zeros(5)}, {"region": ["north"]})) == {}


def test_an_upper_end_belongs_to_its_band():
    from populations import panel

    found = panel()
    labels = segments(found)["tenure as a buyer"]
    tenure = found.column("purchases_days_since_first")
    assert set(labels) <= {"up to 90", "over 90 to 365", "over 365 to 730", "over 730", UNKNOWN}
    assert (tenure[labels == "up to 90"] <= 90).all()
    assert (tenure[labels == "over 90 to 365"] > 90).all()
    assert (tenure[labels == "over 90 to 365"] <= 365).all()
    assert len(labels) == len(found)


def test_a_bound_itself_lies_in_the_band_below_it():
    from populations import panel

    found = panel()
    numbers = found.numbers.copy()
    numbers[:3, found.features.names.index("purchases_days_since_last")] = [
        30.0,
        np.nextafter(30.0, 31.0),
        180.0,
    ]
    labels = segments(replace(found, numbers=numbers))["days since last purchase"]
    assert labels[:3].tolist() == ["up to 30", "over 30 to 90", "over 90 to 180"]
