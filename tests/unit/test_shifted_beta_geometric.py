import numpy as np
import pytest
from scipy import integrate, special, stats

from features.errors import QuestionError
from training.btyd import ShiftedBetaGeometric
from training.btyd.shifted_beta_geometric import Renewals

# Fader and Hardie 2007, table 1: how many of 100 customers are left after each of seven years.
REGULAR = (100.0, 63.1, 46.8, 38.2, 32.6, 28.9, 26.2, 24.1)
HIGH_END = (100.0, 86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1)
CLUB = ShiftedBetaGeometric(alpha=0.668, beta=3.806, log_likelihood=0.0, n_customers=0)


def contracts(left, per=10):
    """Renewals survived, whether it ended, and how many customers, from a table of survivors."""
    years = len(left) - 1
    lost = -np.diff(left)
    survived, ended = [*range(years), years], [True] * years + [False]
    return survived, ended, [*(lost * per), left[-1] * per]


def drawn(alpha, beta, n, *, seed, most=12):
    """Live through renewals one by one, each customer from a random start on."""
    rng = np.random.default_rng(seed)
    chance, offered = rng.beta(alpha, beta, n), rng.integers(1, most, n)
    survived, ended = np.zeros(n), np.zeros(n, dtype=bool)
    for renewal in range(most):
        here = ~ended & (survived == renewal) & (renewal < offered)
        leaves = here & (rng.random(n) < chance)
        ended |= leaves
        survived[here & ~leaves] += 1
    return survived, ended


@pytest.mark.parametrize(
    ("left", "alpha", "beta", "log_likelihood"),
    [(REGULAR, 0.704, 1.182, -1680.3), (HIGH_END, 0.668, 3.806, -1611.2)],
    ids=["regular", "high end"],
)
def test_the_published_parameters_are_found(left, alpha, beta, log_likelihood):
    found = ShiftedBetaGeometric.fit(*contracts(left))
    assert (found.alpha, found.beta) == pytest.approx((alpha, beta), abs=6e-4)
    assert found.log_likelihood == pytest.approx(log_likelihood, abs=0.06)
    assert found.n_customers == 1000


def test_the_published_survival_of_year_twelve_is_projected_from_seven_years():
    assert ShiftedBetaGeometric.fit(*contracts(REGULAR)).survival(12) == pytest.approx(0.173, abs=0.01)


@pytest.mark.parametrize(("survived", "ended"), [(0, True), (3, True), (0, False), (7, False)])
def test_the_likelihood_is_the_integral_over_all_chances_of_leaving(survived, ended):
    value, _, _ = Renewals.of(np.array([float(survived)]), np.array([ended]), np.ones(1))(np.log([1.7, 3.8]))

    def one(chance):
        return stats.beta.pdf(chance, 1.7, 3.8) * (1 - chance) ** survived * (chance if ended else 1.0)

    assert np.exp(value) == pytest.approx(integrate.quad(one, 0, 1, epsrel=1e-11)[0], rel=1e-9)


@pytest.mark.parametrize("theta", [np.log([0.7, 1.2]), np.log([30.0, 400.0]), np.log([0.01, 9.0])])
def test_derivatives_of_the_likelihood_are_its_slopes(theta):
    rows = Renewals.of(*drawn(0.7, 1.2, 300, seed=1), np.ones(300))
    _, gradient, hessian = rows(theta)
    moves = 1e-5 * np.eye(2)
    for part, exact in ((0, gradient), (1, hessian)):
        slopes = [(rows(theta + move)[part] - rows(theta - move)[part]) / 2e-5 for move in moves]
        assert exact == pytest.approx(np.array(slopes), rel=1e-6, abs=1e-4)


def test_parameters_are_found_again_within_their_standard_errors():
    found = ShiftedBetaGeometric.fit(*drawn(0.9, 4.0, 8_000, seed=2))
    for name, true in (("alpha", 0.9), ("beta", 4.0)):
        assert abs(getattr(found, name) - true) < 3.5 * found.standard_errors[name]
        assert found.standard_errors[name] < 0.2 * true


def test_survival_is_a_ratio_of_beta_functions():
    for survived, periods in ((0, 1), (0, 30), (5, 4)):
        logs = special.betaln(CLUB.alpha, CLUB.beta + survived + np.array([periods, 0]))
        assert CLUB.survival(periods, survived) == pytest.approx(np.exp(logs[0] - logs[1]), rel=1e-12)
    assert CLUB.survival([0, 1, 2], [4, 4, 4]) == pytest.approx(
        [1.0, *(CLUB.survival([5, 6]) / CLUB.survival(4))]
    )


def test_whoever_stays_is_ever_less_likely_to_leave():
    leaves = CLUB.probability_leaves(1, np.arange(50))
    assert leaves[0] == pytest.approx(0.668 / (0.668 + 3.806))
    assert (np.diff(leaves) < 0).all()
    assert (np.diff(CLUB.probability_leaves(np.arange(20), 2)) > 0).all()


def test_what_remains_is_the_sum_of_the_survival_ahead():
    ahead = np.arange(1, 4001)
    for club in (CLUB, ShiftedBetaGeometric(2.5, 40.0, 0.0, 0)):
        for survived in (0, 7):
            chances = club.survival(ahead, survived)
            of_ten = club.expected_remaining([survived], periods=10, discount=0.1)
            assert of_ten == pytest.approx((chances[:10] / 1.1 ** ahead[:10]).sum())
            for_ever = club.expected_remaining([survived], discount=0.05)
            assert for_ever == pytest.approx((chances / 1.05**ahead).sum(), rel=1e-9)
    assert CLUB.expected_remaining([0, 3]).tolist() == [np.inf, np.inf]
    assert ShiftedBetaGeometric(3.0, 40.0, 0.0, 0).expected_remaining([0, 8]) == pytest.approx([20.0, 24.0])


def test_a_small_discount_keeps_its_digits():
    for alpha, beta in ((300.0, 9e5), (0.05, 0.3), (9.7, 1.0), (1e4, 1e6), (0.5, 1e5)):
        club = ShiftedBetaGeometric(alpha, beta, 0.0, 0)
        worth = club.expected_remaining([0, 3], periods=40_000, discount=0.001)
        assert club.expected_remaining([0, 3], discount=0.001) == pytest.approx(worth, rel=1e-10)


def test_drawn_lifetimes_are_as_long_as_expected():
    drawn = CLUB.simulate(12, [0, 6], draws=40_000, seed=3)
    error = drawn.std(axis=1) / np.sqrt(40_000)
    assert (np.abs(drawn.mean(axis=1) - CLUB.expected_remaining([0, 6], periods=12)) < 4 * error).all()
    assert (drawn[0] >= 3).mean() == pytest.approx(CLUB.survival(3), abs=0.01)
    assert (CLUB.simulate(12, [0, 6], draws=5, seed=3) == CLUB.simulate(12, [0, 6], draws=5, seed=3)).all()


def test_weights_stand_for_repeated_rows_in_any_order():
    survived, ended = drawn(0.9, 4.0, 200, seed=4)
    times = np.arange(200) % 3
    weighted = ShiftedBetaGeometric.fit(survived, ended, weights=times)
    order = np.random.default_rng(5).permutation(times.sum())
    repeated = (np.repeat(part, times)[order] for part in (survived, ended))
    assert weighted == ShiftedBetaGeometric.fit(*repeated)


def test_customers_who_are_all_alike_are_fitted_to_their_one_chance():
    alike = ShiftedBetaGeometric.fit([0] * 20 + [1] * 16 + [2] * 64, [True] * 36 + [False] * 64)
    assert alike.probability_leaves(1, [0, 1]) == pytest.approx([0.2, 0.2], abs=1e-3)
    assert None in alike.standard_errors.values()


def test_nobody_who_left_or_stayed_is_a_question_without_an_answer():
    with pytest.raises(QuestionError, match="No customer left"):
        ShiftedBetaGeometric.fit([3] * 20, [False] * 20)
    with pytest.raises(QuestionError, match="No customer stayed through a renewal"):
        ShiftedBetaGeometric.fit([0] * 20, [True] * 20)
    with pytest.raises(QuestionError, match=r"Only 9 customers with a contract; .* at least 10"):
        ShiftedBetaGeometric.fit([1] * 9, [True] * 9)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (([-1] * 12, [True] * 12), "whole numbers of at least 0"),
        (([1.5] * 12, [True] * 12), "whole numbers of at least 0"),
        (([np.nan] * 12, [True] * 12), "whole numbers of at least 0"),
        (([1] * 12, [2] * 12), "true or false"),
        (([1] * 12, [True] * 11), "one length"),
    ],
)
def test_impossible_contracts_are_refused_with_the_reason(rows, reason):
    with pytest.raises(ValueError, match=reason):
        ShiftedBetaGeometric.fit(*rows)


def test_an_impossible_discount_is_refused():
    with pytest.raises(ValueError, match="discount must be a finite rate"):
        CLUB.expected_remaining([0], discount=-0.1)
