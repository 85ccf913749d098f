"""Laws of the advice on the churn horizon: no future, shares that are shares, plain counting."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from builders import Customer, bucket_of, customer, visible
from hypothesis import assume
from hypothesis import strategies as st
from laws import law

from features.business import Business, Churn
from features.errors import QuestionError
from features.windows import MICROSECONDS_PER_DAY, days, parse_instant
from training import advice, silences

DAY = MICROSECONDS_PER_DAY
OPENED = parse_instant("2022-01-01")
UNTIL = OPENED + 500 * DAY + DAY // 2
"""In the middle of a day, which nobody can be followed through."""


@dataclass(frozen=True)
class Shop:
    """A store of customers in words, in so many buckets."""

    customers: list[Customer]
    n_buckets: int = 1
    tables: tuple[str, ...] = ("purchases",)
    observed_until: int = UNTIL + 100 * DAY

    def read(self, index, columns):
        del columns
        return bucket_of(self.customers[index :: self.n_buckets])


def business(eligible="365d", gap="0d", **churn):
    return Business.model_construct(churn=Churn(eligible=eligible, gap=gap, **churn))


def quiet(_what, _done, _total):
    pass


def advise(customers, *, until=UNTIL, asks=None, n_buckets=1):
    return advice.advise(asks or business(), Shop(customers, n_buckets), until, quiet)


def said(*args, **how):
    """The advice, or the error in words."""
    try:
        return advise(*args, **how).to_dict()
    except QuestionError as error:
        return str(error)


_CUTOFFS = (*advice.cutoffs_of(OPENED, UNTIL, days(0)), *advice.cutoffs_of(OPENED, UNTIL, days(7)))
_edges = st.builds(
    lambda cutoff, n, tick: cutoff + n * DAY + tick,
    st.sampled_from(_CUTOFFS),
    st.sampled_from([-365, -30, 0, 0, 7, 8, 14, 30, 90]),
    st.sampled_from([0, 0, -1, 1]),
)
_last = st.sampled_from([UNTIL - DAY // 2 + tick for tick in (-1, 0, 1)] + [UNTIL - 1, UNTIL, UNTIL + 1])
moments = _edges | _last | st.builds(lambda day: OPENED + day * DAY // 2, st.integers(0, 1040))
"""At and beside the cutoffs, the ends of windows and of follow-up; and any noon or midnight."""
late = st.sampled_from([0, 0, 0, 1, 30 * DAY, 200 * DAY])
amounts = st.sampled_from([10.0, 10.0, 0.0, -10.0])


@st.composite
def shoppers(draw):
    """A few customers; the first has bought on the first day, so that there is a history."""
    found = [customer("first").bought(OPENED, 5.0)]
    for k in range(draw(st.integers(1, 6))):
        one = customer(f"c{k}")
        for at, wait, amount in draw(st.lists(st.tuples(moments, late, amounts), max_size=7)):
            one = one.bought(at, amount, known=at + wait)
        found.append(one)
    return found


gaps = st.sampled_from(["0d", "0d", "7d"])


@law(120, customers=shoppers(), gap=gaps)
def test_facts_of_the_future_change_no_advice(customers, gap):
    past = [one.only(visible(UNTIL)) for one in customers]
    asks = business(gap=gap)
    assert said(customers, asks=asks) == said(past, asks=asks)


@law(120, customers=shoppers(), gap=gaps)
def test_errors_are_shares_and_a_longer_horizon_calls_fewer_churned(customers, gap):
    found = said(customers, asks=business(gap=gap))
    assume(isinstance(found, dict))
    for points in (found["candidates"], found["curve"]):
        called = [point["called_churned"] for point in points]
        assert called == sorted(called, reverse=True)
        for point in points:
            shares = [point["called_churned"], point["regret"], point["given_up"]]
            assert all(share is None or 0 <= share <= 1 for share in shares)
    for one in found["candidates"]:
        ends = (one["regret_low"], one["regret_high"])
        assert None in ends or 0 <= ends[0] <= ends[1] <= 1


def _followed(customers, cutoffs, eligible, gap):
    """(whole days followed or to the first purchase, whether it ended), said as plainly as can be."""
    for cutoff in cutoffs:
        start, length = cutoff + gap, (UNTIL - cutoff - gap) // DAY
        for one in customers:
            rows = [row for row in one.rows.get("purchases", []) if row["amount"] >= 0]
            before = [row["at"] for row in rows if visible(cutoff)(row)]
            if not any(at >= cutoff - eligible for at in before):
                continue
            after = [row["at"] for row in rows if visible(UNTIL)(row) and row["at"] >= start]
            first = min(after) if after else UNTIL
            ended = after and (first - start) // DAY < length
            yield ((first - start) // DAY, True) if ended else (length, False)


def _product_limit(lives, n_days):
    shares = [Fraction(1)]
    for d in range(n_days):
        at_risk = sum(1 for length, ended in lives if length > d or (length == d and ended))
        gone = sum(1 for length, ended in lives if ended and length == d)
        shares.append(shares[-1] * (1 - Fraction(gone, at_risk) if at_risk else 1))
    return [float(share) for share in shares]


@law(40, customers=shoppers(), gap=gaps, eligible=st.sampled_from(["365d", "30d"]))
def test_the_share_still_silent_is_the_product_limit_of_plain_follow_up(customers, gap, eligible):
    asks = business(eligible, gap)
    cutoffs = advice.cutoffs_of(OPENED, UNTIL, asks.churn.gap)
    feature = advice.count(advice.PURCHASES).over(asks.churn.eligible)[0]
    found = silences.follow(Shop(customers), feature, cutoffs, asks.churn.gap, UNTIL, quiet)
    gap_length, window = asks.churn.gap.microseconds, asks.churn.eligible.microseconds
    lives = list(_followed(customers, cutoffs, window, gap_length))
    assert found.rows == len(lives)
    share = found.silent(np.ones((1, silences.N_GROUPS)))[0]
    assert share == pytest.approx(_product_limit(lives, len(share) - 1), abs=1e-12)


@law(60, customers=shoppers(), order=st.randoms(use_true_random=False), buckets=st.integers(1, 3))
def test_neither_order_nor_buckets_change_the_advice(customers, order, buckets):
    shuffled = order.sample(customers, len(customers))
    assert said(customers) == said(shuffled, n_buckets=buckets)


@law(60, customers=shoppers(), shift=st.integers(-400, 400))
def test_a_shifted_calendar_gives_the_same_figures(customers, shift):
    moved = [
        Customer(
            one.name,
            {
                table: [
                    r
                    | {"at": r["at"] + shift * DAY, "known_at": r["known_at"] and r["known_at"] + shift * DAY}
                    for r in rows
                ]
                for table, rows in one.rows.items()
            },
        )
        for one in customers
    ]
    before = said(customers)
    assume(isinstance(before, dict))
    after = advice.advise(
        business(), Shop(moved, observed_until=UNTIL + 500 * DAY), UNTIL + shift * DAY, quiet
    ).to_dict()
    assert [after[key] for key in ("candidates", "curve")] == [before[key] for key in ("candidates", "curve")]


def every(n, name, first, until=UNTIL):
    """A customer who buys every n days without fail."""
    one = customer(name)
    for at in range(OPENED + first * DAY, until, n * DAY):
        one = one.bought(at, 10.0)
    return one


@law(20, first=st.integers(0, 30), step=st.sampled_from([2, 3, 5]))
def test_who_always_returns_after_100_days_is_never_called_churned(first, step):
    found = advise([every(100, f"c{phase}", first + phase) for phase in range(0, 100, step)])
    assert found.horizon > days(100)


@law(20, firsts=st.lists(st.integers(0, 300), min_size=1, max_size=8))
def test_where_nobody_returns_the_shortest_horizon_will_do(firsts):
    found = advise([customer(f"c{k}").bought(OPENED + day * DAY, 10.0) for k, day in enumerate(firsts)])
    assert found.horizon == days(advice.CANDIDATES[0])
    assert [one.regret.value for one in found.candidates] == [0.0] * len(found.candidates)
    assert all(one.regret.high > 0 for one in found.candidates), "nobody is not a proof"


def test_many_who_buy_once_do_not_hide_those_who_return():
    """Regret alone would take a fortnight: one in twenty returns, after eighty days."""
    once = [customer(f"once{k}").bought(OPENED + k % 300 * DAY, 10.0) for k in range(380)]
    loyal = [every(80, f"loyal{k}", k * 4) for k in range(20)]
    found = advise(once + loyal)
    assert found.candidates[0].regret.value < advice.TOLERANCE
    assert found.horizon == days(90)


def test_a_purchase_in_the_gap_does_not_end_the_silence():
    """The only purchase after each cutoff falls into the gap."""
    cutoffs = advice.cutoffs_of(OPENED, UNTIL, days(7))
    shop = [customer("gapped").bought(OPENED, 10.0)]
    for cutoff in cutoffs:
        shop[0] = shop[0].bought(cutoff + 6 * DAY, 10.0)
    apart = silences.follow(
        Shop(shop), advice.count(advice.PURCHASES).over(days(365))[0], cutoffs[-1:], days(7), UNTIL, quiet
    )
    assert apart.ended.sum() == 0
    assert apart.unended.sum() == 1


firsts = st.integers(OPENED, OPENED + DAY)
lengths = st.integers(1, 2500 * DAY) | st.integers(1, 2500).map(lambda n: n * DAY)


@law(300, first=firsts, length=lengths, gap=st.sampled_from([0, 7, 90]))
def test_cutoffs_are_midnights_with_a_run_up_and_a_candidate_after_each(first, length, gap):
    until = first + length
    cutoffs = advice.cutoffs_of(first, until, days(gap))
    assume(cutoffs)
    assert len(cutoffs) <= advice.MOST_CUTOFFS
    assert list(cutoffs) == sorted(set(cutoffs))
    assert all(cutoff % DAY == 0 for cutoff in cutoffs)
    assert min(cutoffs) >= first + min(90 * DAY, length // 4)
    assert max(cutoffs) + (gap + advice.CANDIDATES[0]) * DAY <= until
    assert until - gap * DAY - min(cutoffs) >= 2 * advice.CANDIDATES[0] * DAY


def test_a_long_history_is_followed_for_three_years_only():
    cutoffs = advice.cutoffs_of(OPENED, OPENED + 4000 * DAY, days(0))
    assert min(cutoffs) == OPENED + (4000 - 3 * 365) * DAY
    assert len(cutoffs) == advice.MOST_CUTOFFS
