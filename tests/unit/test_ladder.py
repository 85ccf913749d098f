"""The ladder says what is used at which size, and the weight of trees never falls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import ladder


@pytest.mark.parametrize(
    ("n", "has_prior", "name"),
    [
        (100, True, "prior"),
        (499, True, "prior"),
        (500, True, "whole recipe"),
        (100, False, "regularised logit"),
        (500, False, "whole recipe"),
    ],
)
def test_the_rung_follows_from_the_customers(n, has_prior, name):
    found = ladder.rung(n, has_prior=has_prior)
    assert found.name == name
    assert f"{n:,} customers" in found.why
    assert found.why.endswith(".")


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_more_customers_are_never_trusted_less(one, other):
    few, many = sorted((one, other))
    assert 0 <= ladder.trust_in_trees(few) <= ladder.trust_in_trees(many) < 1


@given(st.integers(0, 10**5))
def test_trees_are_trusted_exactly_where_they_are_grown(n):
    assert (ladder.trust_in_trees(n) > 0) == (ladder.rung(n).name == "whole recipe")
