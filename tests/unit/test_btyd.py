import numpy as np
import pytest
from repeat_buyers import cdnow, population, purchases_in, simulated
from scipy import integrate, stats

from features.errors import QuestionError
from training.btyd import BgNbd, GammaGamma
from training.btyd.climbing import Summit
from training.btyd.gamma_gamma import Spends
from training.btyd.histories import Histories
from training.btyd.leaving import LeavingAfterPurchases

SHOP = BgNbd(r=0.5, alpha=40.0, a=0.8, b=2.5, log_likelihood=0.0, n_customers=0)
# Fader, Hardie and Lee 2005, table 2: the CDNOW sample, in days instead of weeks.
PUBLISHED = BgNbd(r=0.2426, alpha=4.4135 * 7, a=0.7927, b=2.425, log_likelihood=0.0, n_customers=0)
LOGS = np.log([0.5, 40.0, 0.8, 2.5])


def likelihood_of(x, t_x, T):
    return LeavingAfterPurchases.of(Histories.of(x, t_x, T, np.ones(len(x))))


def likelihood_by_integration(x, t_x, T):
    """The paper's equation 4, what one customer does given rate and p, integrated over both distributions."""
    rates, chances = stats.gamma(SHOP.r, scale=1 / SHOP.alpha), stats.beta(SHOP.a, SHOP.b)

    def of_rate(rate, p):
        active = (1 - p) ** x * rate**x * np.exp(-rate * T)
        gone = p * (1 - p) ** (x - 1) * rate**x * np.exp(-rate * t_x)
        return (active + gone) * rates.pdf(rate) * chances.pdf(p)

    def of_chance(root):  # powers of the variables take out the poles at 0
        p = root[:, None] ** 5
        inner = integrate.fixed_quad(lambda root: of_rate(root**4, p) * 4 * root**3, 0, 1.1, n=200)[0]
        return inner * 5 * root**4

    return integrate.fixed_quad(of_chance, 0, 1, n=200)[0]


@pytest.mark.parametrize("history", [(1, 30, 100), (2, 90, 100), (2, 5, 300), (4, 250, 300)])
def test_the_likelihood_is_the_integral_over_all_rates_and_chances_of_leaving(history):
    x, t_x, T = (np.array([float(part)]) for part in history)
    value, _, _ = likelihood_of(x, t_x, T)(LOGS)
    assert np.exp(value) == pytest.approx(likelihood_by_integration(*history), rel=1e-7)


def test_the_likelihood_of_one_purchase_is_the_chance_to_wait():
    value, _, _ = likelihood_of(np.zeros(1), np.zeros(1), np.array([200.0]))(LOGS)
    assert np.exp(value) == pytest.approx((40 / 240) ** 0.5)


def test_the_likelihood_of_spends_is_the_integral_over_all_rates():
    p, q, v = 6.0, 3.5, 12.0
    n, mean = np.array([1.0, 3.0]), np.array([20.0, 35.0])
    rows = Spends.of(n, mean, np.ones(2))
    value, _, _ = rows(np.log([p, q - 1, v / rows.scale]))

    def density(n, mean):
        def of_one_rate(rate):
            return stats.gamma.pdf(mean, p * n, scale=1 / (n * rate)) * stats.gamma.pdf(rate, q, scale=1 / v)

        return integrate.quad(of_one_rate, 0, 5, epsrel=1e-10)[0]

    integral = sum(np.log(density(*one)) for one in zip(n, mean, strict=True))
    assert value - np.log(mean).sum() == pytest.approx(integral, rel=1e-8)


def slopes(function, theta, part):
    step = 1e-5
    return np.array(
        [
            (function(theta + move)[part] - function(theta - move)[part]) / (2 * step)
            for move in step * np.eye(len(theta))
        ]
    )


@pytest.mark.parametrize("theta", [LOGS, np.log([3.0, 10.0, 0.05, 0.7]), np.log([0.1, 500.0, 30.0, 90.0])])
def test_derivatives_of_the_purchase_likelihood_are_its_slopes(theta):
    rows = likelihood_of(*population(SHOP, 300, seed=1))
    _, gradient, hessian = rows(theta)
    assert gradient == pytest.approx(slopes(rows, theta, 0), rel=1e-5, abs=1e-4)
    assert hessian == pytest.approx(slopes(rows, theta, 1), rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("theta", [np.log([6.0, 2.5, 0.5]), np.log([0.3, 0.02, 40.0])])
def test_derivatives_of_the_spend_likelihood_are_its_slopes(theta):
    rng = np.random.default_rng(2)
    rows = Spends.of(rng.integers(1, 9, 200).astype(float), rng.gamma(2, 10, 200), np.ones(200))
    _, gradient, hessian = rows(theta)
    assert gradient == pytest.approx(slopes(rows, theta, 0), rel=1e-5, abs=1e-4)
    assert hessian == pytest.approx(slopes(rows, theta, 1), rel=1e-5, abs=1e-4)


def test_the_published_customer_is_expected_to_buy_1_226_times_in_39_weeks():
    expected = PUBLISHED.expected_purchases(39 * 7, [2], [30.43 * 7], [38.86 * 7])
    assert expected[0] == pytest.approx(1.226, abs=5e-4)


def test_the_published_spend_of_the_first_customer_and_of_the_population():
    spend = GammaGamma(p=6.25, q=3.74, v=15.44)
    assert spend.expected_mean([2, 0], [22.35, 0.0]) == pytest.approx([24.65, 35.2], abs=0.02)


def test_parameters_are_found_again_in_simulated_histories():
    found = BgNbd.fit(*population(SHOP, 60_000, seed=3))
    assert (found.r, found.alpha) == pytest.approx((0.5, 40.0), rel=0.04)
    assert (found.a, found.b) == pytest.approx((0.8, 2.5), rel=0.08)
    assert found.n_customers == 60_000


def test_spend_parameters_are_found_again():
    rng = np.random.default_rng(4)
    n = rng.geometric(0.4, 60_000).astype(float)
    mean = rng.gamma(6.25 * n, 1 / rng.gamma(3.74, 1 / 15.44, 60_000)) / n
    found = GammaGamma.fit(n, mean)
    assert (found.p, found.q, found.v) == pytest.approx((6.25, 3.74, 15.44), rel=0.04)


def test_standard_errors_are_the_spread_of_estimates_over_populations():
    fits = [BgNbd.fit(*population(SHOP, 1_500, seed=seed)) for seed in range(60)]
    for name in ("r", "alpha", "a", "b"):
        stated = np.median([fit.standard_errors[name] for fit in fits])
        assert np.std([getattr(fit, name) for fit in fits]) == pytest.approx(stated, rel=0.35)


def test_standard_errors_of_spends_are_their_spread_over_populations():
    rng, fits = np.random.default_rng(13), []
    for _ in range(60):
        n = rng.geometric(0.3, 1_500).astype(float)
        fits.append(GammaGamma.fit(n, rng.gamma(6.25 * n, 1 / rng.gamma(3.74, 1 / 15.44, 1_500)) / n))
    for name in ("p", "q", "v"):
        stated = np.median([fit.standard_errors[name] for fit in fits])
        assert np.std([getattr(fit, name) for fit in fits]) == pytest.approx(stated, rel=0.35)


def test_what_the_data_cannot_tell_has_no_standard_error():
    equal = GammaGamma.fit(np.arange(1, 21), np.full(20, 7.0))
    assert None in equal.standard_errors.values()
    loyal = BgNbd.fit(*population(BgNbd(0.5, 40.0, 1e-9, 1e9, 0.0, 0), 1_000, seed=14))
    assert loyal.standard_errors["r"] > 0
    assert None in (loyal.standard_errors["a"], loyal.standard_errors["b"])


@pytest.mark.parametrize(("gap", "horizon"), [(0, 90), (0, 365), (30, 90)])
def test_chances_and_expectations_come_true_in_simulated_futures(gap, horizon):
    n = 150_000
    history, later = simulated(SHOP, n, seed=5, ahead=gap + horizon)
    x, t_x, T = history
    bought = purchases_in(later, n, gap, gap + horizon)
    silent = SHOP.probability_no_purchase(horizon, *history, gap_days=gap)
    expected = SHOP.expected_purchases(gap + horizon, *history) - SHOP.expected_purchases(gap, *history)
    recent = T - t_x < 60
    groups = [x == 0, x == 1, (x > 1) & recent, (x > 1) & ~recent, x > 6, silent > 0.9]
    for group in groups:
        for surprise in ((bought == 0) - silent, bought - expected):
            error = surprise[group].std() / np.sqrt(group.sum())
            assert abs(surprise[group].mean()) < 4 * error


def test_the_maximum_cannot_be_bettered_nearby():
    history = population(SHOP, 2_000, seed=6)
    best = BgNbd.fit(*history)
    rows = likelihood_of(*history)
    at = np.log([best.r, best.alpha, best.a, best.b])
    rng = np.random.default_rng(7)
    assert rows(at)[0] == best.log_likelihood
    assert all(
        rows(at + rng.normal(0, size, 4))[0] < best.log_likelihood
        for size in (1e-3, 0.1, 1.0)
        for _ in "abcd"
    )


def test_weights_stand_for_repeated_rows():
    x, t_x, T = population(SHOP, 400, seed=8)
    times = np.arange(400) % 3
    repeated = BgNbd.fit(*(np.repeat(part, times) for part in (x, t_x, T)))
    weighted = BgNbd.fit(x, t_x, T, weights=times)
    assert weighted == repeated
    mean = np.linspace(1, 50, 400)
    spends = (
        GammaGamma.fit(x + 1, mean, weights=times),
        GammaGamma.fit(np.repeat(x + 1, times), np.repeat(mean, times)),
    )
    assert (spends[0].p, spends[0].q, spends[0].v) == pytest.approx(
        (spends[1].p, spends[1].q, spends[1].v), rel=1e-4
    )


def test_a_finer_clock_changes_alpha_and_nothing_else():
    x, t_x, T = population(SHOP, 3_000, seed=9)
    days, hours = BgNbd.fit(x, t_x, T), BgNbd.fit(x, t_x * 24, T * 24)
    assert (hours.r, hours.alpha / 24, hours.a, hours.b) == pytest.approx(
        (days.r, days.alpha, days.a, days.b), rel=1e-4
    )


@pytest.mark.parametrize(
    "shop",
    [
        pytest.param(BgNbd(0.5, 40.0, 1e-9, 1e9, 0.0, 0), id="nobody leaves"),
        pytest.param(BgNbd(1.0, 10.0, 1e3, 1.0, 0.0, 0), id="everybody leaves at once"),
        pytest.param(BgNbd(300.0, 3e4, 0.8, 2.5, 0.0, 0), id="everybody buys at one rate"),
        pytest.param(BgNbd(300.0, 3e4, 300.0, 700.0, 0.0, 0), id="all customers are alike"),
        pytest.param(BgNbd(5.0, 3.0, 0.01, 3.0, 0.0, 0), id="they buy every day"),
    ],
)
def test_populations_at_the_edge_of_the_model_are_fitted_and_answered(shop):
    history = population(shop, 1_000, seed=10)
    found = BgNbd.fit(*history)
    silent = found.probability_no_purchase(90, *history)
    assert ((silent >= 0) & (silent <= 1)).all()
    assert np.isfinite(found.expected_purchases(365, *history)).all()
    assert silent.mean() == pytest.approx(shop.probability_no_purchase(90, *history).mean(), abs=0.05)


@pytest.mark.parametrize("seed", range(40))
def test_small_shops_of_any_kind_are_fitted(seed):
    rng = np.random.default_rng(seed)
    n = rng.integers(1, rng.integers(2, 30), 60)
    spend = GammaGamma.fit(n, np.exp(rng.normal(3, rng.uniform(0, 2), 60)))
    assert (spend.expected_mean([0, 5], [0.0, 30.0]) > 0).all()
    x = np.floor(rng.exponential(rng.uniform(0.3, 5), 30))
    T = rng.integers(1, 400, 30)
    t_x = np.where(x > 0, np.floor(T * rng.random(30) ** rng.uniform(0.2, 5)), 0)
    expected = BgNbd.fit(x, t_x, T).expected_purchases(365, x, t_x, T)
    assert (np.isfinite(expected) & (expected >= 0)).all()


def test_equal_spends_are_fitted_to_their_mean():
    spend = GammaGamma.fit(np.arange(1, 21), np.full(20, 7.0))
    assert spend.expected_mean([1, 0], [7.0, 0.0]) == pytest.approx([7.0, 7.0], rel=1e-3)


def test_purchases_after_the_last_look_do_not_break_at_a_of_one():
    histories = ([0, 1, 5], [0, 100, 200], [250, 250, 250])
    near, exact = (
        BgNbd(0.5, 40.0, a, 2.5, 0.0, 0).expected_purchases(180, *histories) for a in (1 - 1e-9, 1.0)
    )
    assert near == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize(
    "shop",
    [
        PUBLISHED,
        BgNbd(0.1, 5.0, 0.3, 0.6, 0.0, 0),
        BgNbd(700.0, 3.0, 1.001, 0.2, 0.0, 0),
        BgNbd(0.6, 22.0, 311.0, 1.8e4, 0.0, 0),
    ],
)
def test_the_closed_form_of_expected_purchases_is_the_sum_of_its_terms(shop):
    x = np.array([0.0, 1.0, 2.0, 7.0, 60.0, 300.0])
    z = np.array([0.01, 0.5, 0.9, 0.3, 0.6, 0.5])
    active = shop.activity
    assert active.purchases_up_to(x, z) == pytest.approx(active.sum_of_terms(x, z), rel=1e-7)
    assert active.still_active(x, z) == pytest.approx(1 - active.sum_of_terms(x, z, leaving=True), rel=1e-7)


@pytest.mark.parametrize("history", [(0.0, 0.0, 200.0), (3.0, 150.0, 200.0), (8.0, 40.0, 300.0)])
def test_silence_behind_a_gap_is_the_integral_over_all_chances_of_leaving(history):
    x, _, T = history
    gap, horizon, seen = 45.0, 120.0, SHOP.alpha + T
    chances = stats.beta(SHOP.a, SHOP.b + x)

    def buys(root):  # active after the gap, and then not silent; rates integrated in closed form
        p = root**5
        active, silent_too = ((seen / (seen + p * gap + days)) ** (SHOP.r + x) for days in (0.0, horizon))
        return (active - silent_too) * chances.pdf(p) * 5 * root**4

    columns = [[part] for part in history]
    buying = SHOP.probability_alive(*columns)[0] * integrate.fixed_quad(buys, 0, 1, n=300)[0]
    silent = SHOP.probability_no_purchase(horizon, *columns, gap_days=gap)[0]
    assert silent == pytest.approx(1 - buying, rel=1e-7)


def test_one_purchase_means_alive_but_not_likely_to_buy():
    assert SHOP.probability_alive([0], [0], [5000])[0] == 1.0
    assert SHOP.probability_no_purchase(90, [0], [0], [5000])[0] > 0.99


def test_a_horizon_of_no_days_is_silent_for_certain():
    assert SHOP.probability_no_purchase(0, [0, 3], [0, 50], [80, 80]) == pytest.approx([1.0, 1.0])
    assert SHOP.expected_purchases(0, [0, 3], [0, 50], [80, 80]) == pytest.approx([0.0, 0.0])


def test_nobody_to_ask_about_gives_no_answers():
    assert SHOP.probability_no_purchase(90, [], [], []).shape == (0,)
    assert SHOP.expected_purchases(90, [], [], []).shape == (0,)
    assert GammaGamma(2.0, 2.0, 2.0).expected_mean([], []).shape == (0,)


@pytest.mark.parametrize(
    ("history", "reason"),
    [
        (([0], [0], [0]), "T is 0 or less"),
        (([1], [9], [8]), "t_x must lie between 0 and T"),
        (([1], [-1], [8]), "t_x must lie between 0 and T"),
        (([0], [3], [8]), "t_x must be 0 where x is 0"),
        (([1.5], [3], [8]), "whole numbers"),
        (([-1], [3], [8]), "whole numbers"),
        (([np.nan], [3], [8]), "finite"),
        (([1], [3], [np.inf]), "finite"),
        (([1, 2], [3], [8]), "one length"),
        (([[1]], [[3]], [[8]]), "one-dimensional"),
    ],
)
def test_impossible_histories_are_refused_with_the_reason(history, reason):
    for ask in (BgNbd.fit, SHOP.probability_alive, lambda *h: SHOP.probability_no_purchase(90, *h)):
        with pytest.raises(ValueError, match=reason):
            ask(*history)


@pytest.mark.parametrize("days", [-1.0, np.inf, np.nan])
def test_impossible_horizons_are_refused(days):
    with pytest.raises(ValueError, match="horizon_days must be a finite number"):
        SHOP.expected_purchases(days, [0], [0], [9])
    with pytest.raises(ValueError, match="gap_days must be a finite number"):
        SHOP.probability_no_purchase(90, [0], [0], [9], gap_days=days)


@pytest.mark.parametrize("weights", [[1.0], [-1.0] * 12, [np.nan] * 12])
def test_impossible_weights_are_refused(weights):
    with pytest.raises(ValueError, match="weights must be finite"):
        BgNbd.fit([1] * 12, [3] * 12, [8] * 12, weights=weights)


@pytest.mark.parametrize(("n", "mean"), [([-1], [3.0]), ([np.nan], [3.0]), ([1], [np.nan]), ([1, 2], [3.0])])
def test_impossible_spends_are_refused(n, mean):
    with pytest.raises(ValueError, match=r"orders|finite|one length"):
        GammaGamma(2.0, 2.0, 2.0).expected_mean(n, mean)


def test_too_few_customers_are_a_question_without_an_answer():
    with pytest.raises(QuestionError, match=r"Only 9 customers with a purchase; .* at least 10"):
        BgNbd.fit([1] * 9, [3] * 9, [8] * 9)
    with pytest.raises(QuestionError, match="Only 9 customers with a positive order value"):
        GammaGamma.fit([1] * 9 + [0, 2], [5.0] * 9 + [0.0, -4.0])


def test_no_second_purchase_is_a_question_without_an_answer():
    with pytest.raises(QuestionError, match=r"No customer bought a second time .* longer history"):
        BgNbd.fit([0] * 50, [0] * 50, range(1, 51))


def test_a_search_without_end_is_reported_with_advice(monkeypatch):
    monkeypatch.setattr("training.btyd.climbing._MOST_STEPS", 1)
    with pytest.raises(QuestionError, match=r"no stable parameters .* 400 customers.* longer history"):
        BgNbd.fit(*population(SHOP, 400, seed=11))


def test_returns_and_customers_without_orders_do_not_enter_the_spend():
    rng = np.random.default_rng(12)
    n, mean = rng.integers(1, 9, 300), rng.gamma(2, 10, 300)
    plain = GammaGamma.fit(n, mean)
    assert GammaGamma.fit([*n, 0, 3, 2], [*mean, np.nan, -50.0, 0.0]) == plain
    assert plain.expected_mean([3], [-50.0]) == plain.expected_mean([3], [0.0])


@pytest.mark.data
def test_cdnow_is_fitted_and_its_next_half_year_ranked(data_dir):
    histories, realised = cdnow(data_dir / "cdnow" / "CDNOW_master.txt", cutoff=365, horizon=182)
    x, t_x, T, mean = histories
    shop, spend = BgNbd.fit(x, t_x, T), GammaGamma.fit(x + 1, mean)
    assert shop.n_customers == 23_570
    assert shop.log_likelihood == pytest.approx(-186536.6477, abs=1e-3)
    silent = shop.probability_no_purchase(182, x, t_x, T)
    assert silent.mean() == pytest.approx((realised == 0).mean(), abs=0.02)
    value = shop.expected_purchases(182, x, t_x, T) * spend.expected_mean(x + 1, mean)
    assert value.sum() == pytest.approx(realised.sum(), rel=0.1)


@pytest.mark.data
def test_each_tenth_of_cdnow_resembles_the_published_tenth(data_dir):
    (x, t_x, T, _), _ = cdnow(data_dir / "cdnow" / "CDNOW_master.txt", cutoff=273, horizon=1)
    found = [BgNbd.fit(x[i::10], t_x[i::10], T[i::10] - 1) for i in range(10)]
    in_weeks = [shop.log_likelihood + np.log(7) * x[i::10].sum() for i, shop in enumerate(found)]
    assert {shop.n_customers for shop in found} == {2357}
    assert min(in_weeks) < -9582.4 < max(in_weeks)
    for name in ("r", "alpha", "a", "b"):
        values = [getattr(shop, name) for shop in found]
        assert min(values) < getattr(PUBLISHED, name) < max(values)


def test_a_parameter_held_at_a_bound_has_no_standard_error():
    curved, held = -np.diag([4.0, 100.0]), np.array([False, True])
    summit = Summit(np.zeros(2), 0.0, curved, held, arrived=True)
    assert summit.standard_errors(("r", "a"), (2.0, 1.0)) == {"r": 1.0, "a": None}
