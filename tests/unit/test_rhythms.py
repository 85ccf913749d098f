"""The models of purchases against slow integration over the latent rates, and simulated customers."""

from dataclasses import replace

import numpy as np
import pytest
from repeat_buyers import FITTED, SHOPS, cdnow, every_shop, named, population, purchases_in, simulated
from scipy import integrate, special, stats

from features.errors import QuestionError
from training.btyd import RHYTHMS, BgNbd, MbgCnbdK, MbgNbd, ParetoNbd, best_rhythm
from training.btyd.departures import LeavingAtAnyTime
from training.btyd.histories import Histories
from training.btyd.leaving import LeavingAfterPurchases
from training.btyd.rhythms import bayesian_information, rhythm_from_dict, rhythm_to_dict

HISTORIES = [(0, 0, 200), (1, 30, 100), (1, 99, 100), (2, 5, 300), (5, 250, 300), (12, 285, 300), (3, 90, 90)]
every_history = pytest.mark.parametrize("history", HISTORIES, ids=str)


def parameters_of(shop):
    second = (shop.s, shop.beta) if isinstance(shop, ParetoNbd) else (shop.a, shop.b)
    return np.log([shop.r, shop.alpha, *second])


def likelihood_of(shop, x, t_x, T):
    rows = Histories.of(x, t_x, T, np.ones(len(x)))
    if isinstance(shop, ParetoNbd):
        return LeavingAtAnyTime.of(rows)
    return LeavingAfterPurchases.of(rows, stages=getattr(shop, "k", 1), at_once=not isinstance(shop, BgNbd))


class Latent:
    """All rates and ways to leave on a fine grid of their logarithms or logits.

    The trapezoidal rule gains digits exponentially there, so sums over the grid are integrals to ten digits.
    """

    STEP = 0.1

    def __init__(self, shop, x, t_x, T):
        self.shop, self.k = shop, getattr(shop, "k", 1)
        y = np.arange(-60, 5, self.STEP)
        self.rate = np.exp(y)[:, None]
        prior = stats.gamma(shop.r, scale=1 / shop.alpha).pdf(self.rate) * self.rate * self.STEP
        days = (self.k - 1) * x * np.log(t_x) + special.gammaln(x) - special.gammaln(self.k * x) if x else 0.0
        with np.errstate(under="ignore"):
            seen = np.exp(days + self.k * x * np.log(self.rate) - self.rate * t_x)
        by_stage = stats.poisson(self.rate * (T - t_x)).pmf(np.arange(self.k))
        if isinstance(shop, ParetoNbd):
            self.leaving = np.exp(y)[None, :]
            prior = prior * (stats.gamma(shop.s, scale=1 / shop.beta).pdf(self.leaving) * self.leaving)
            both = self.rate + self.leaving
            silent = np.exp(-self.rate * (T - t_x) - self.leaving * T)
            gone = self.leaving / both * np.exp(-self.leaving * t_x) * -np.expm1(-both * (T - t_x))
            alive = [silent]
        else:
            z = np.arange(-36, 50, self.STEP)[None, :]
            self.leaving, stay = special.expit(z), special.expit(-z)
            beta = np.exp(shop.a * np.log(self.leaving) + shop.b * np.log(stay))
            prior = prior * beta / special.beta(shop.a, shop.b)
            at_once = not isinstance(shop, BgNbd)
            gone = self.leaving * stay ** (x - 1 + at_once) if x or at_once else 0.0 * stay
            alive = [stay ** (x + at_once) * by_stage[:, j : j + 1] for j in range(self.k)]
        weight = prior * seen * self.STEP
        self.gone, self.alive = (weight * gone).sum(), [weight * part for part in alive]

    @property
    def likelihood(self):
        return self.gone + sum(part.sum() for part in self.alive)

    def mean(self, *answers):
        """Average of what is true of active customers, one answer for each stage that they may be in."""
        active = (part * answer for part, answer in zip(self.alive, answers, strict=True))
        return sum(part.sum() for part in active) / self.likelihood

    def buys(self, horizon, gap):
        """Chance of a purchase in the outcome window for active customers, by stage."""
        if isinstance(self.shop, ParetoNbd):
            both = self.rate + self.leaving
            return [np.exp(-self.leaving * gap) * self.rate / both * -np.expm1(-both * horizon)]
        return [self._buys_from(stage, horizon, gap) for stage in range(self.k)]

    def _buys_from(self, stage, horizon, gap):
        total = 0.0
        for passed in range(40 if gap else 1):
            bought, since = divmod(stage + passed, self.k)
            enough = stats.poisson.sf(self.k - since - 1, self.rate * horizon)
            now = stats.poisson.pmf(passed, self.rate * gap) * enough
            total = total + now * (1 - self.leaving) ** bought
        return total

    def purchases(self, horizon):
        """Expected purchases of active customers, by stage."""
        if isinstance(self.shop, ParetoNbd):
            return [self.rate * -np.expm1(-self.leaving * horizon) / self.leaving]
        return [
            sum(
                (1 - self.leaving) ** (m - 1) * stats.poisson.sf(m * self.k - stage - 1, self.rate * horizon)
                for m in range(1, 80)
            )
            for stage in range(self.k)
        ]


@every_shop
@every_history
def test_the_likelihood_is_the_integral_over_all_rates_and_ways_to_leave(shop, history):
    x, t_x, T = (np.array([float(part)]) for part in history)
    value, _, _ = likelihood_of(shop, x, t_x, T)(parameters_of(shop))
    assert value == pytest.approx(np.log(Latent(shop, *history).likelihood), abs=1e-9)


@every_shop
@every_history
def test_the_answers_are_integrals_over_all_rates_and_ways_to_leave(shop, history):
    latent, columns = Latent(shop, *history), [[part] for part in history]
    assert shop.probability_alive(*columns) == pytest.approx(latent.mean(*[1.0] * latent.k), rel=1e-9)
    for horizon, gap in ((90, 0), (20, 12)):
        buys = 1.0 - shop.probability_no_purchase(horizon, *columns, gap_days=gap)
        assert buys == pytest.approx(latent.mean(*latent.buys(horizon, gap)), rel=1e-8, abs=1e-12)
    assert shop.expected_purchases(60, *columns) == pytest.approx(
        latent.mean(*latent.purchases(60)), rel=1e-8
    )


@pytest.mark.parametrize("shop", [shop for shop in SHOPS if isinstance(shop, ParetoNbd)], ids=named)
def test_the_pareto_nbd_has_the_hypergeometric_likelihood_of_the_papers(shop):
    x, t_x, T = (np.array(part, dtype=float) for part in ([0, 2, 12], [0, 60, 200], [150, 210, 290]))
    r, alpha, s, beta = shop.r, shop.alpha, shop.s, shop.beta
    n, low, second = r + s + x, max(alpha, beta), s + 1 if alpha >= beta else r + x
    series = [
        special.hyp2f1(n, second, n + 1, abs(alpha - beta) / (low + t)) / (low + t) ** n for t in (t_x, T)
    ]
    factor = special.gamma(r + x) * alpha**r * beta**s / special.gamma(r)
    active = (alpha + T) ** -(r + x) * (beta + T) ** -s
    published = np.log(factor * (active + s / n * (series[0] - series[1])))
    value, _, _ = likelihood_of(shop, x, t_x, T)(parameters_of(shop))
    assert value == pytest.approx(published.sum(), rel=1e-9)


@pytest.mark.parametrize("x", [0, 5, 5000])
@pytest.mark.parametrize(
    "shop",
    [
        ParetoNbd(0.3, 1e-3, 0.2, 1e4, **FITTED),
        ParetoNbd(0.3, 1e4, 0.2, 1e-3, **FITTED),
        ParetoNbd(400.0, 900.0, 600.0, 3e5, **FITTED),
        ParetoNbd(1e-3, 20.0, 1e-3, 20.0, **FITTED),
        ParetoNbd(0.5, 1e-6, 1e3, 1e9, **FITTED),
    ],
    ids=named,
)
def test_the_pareto_nbd_keeps_its_digits_at_the_edges(shop, x):
    """P(alive) by adaptive integration over the logarithm of the days since the last purchase."""
    t_x, T = (120.0 if x else 0.0), 800.0
    u, w, n = shop.alpha + t_x, shop.beta + t_x, shop.r + x

    def falls(days):
        return np.exp(-n * np.log1p(days / u) - shop.s * np.log1p(days / w))

    def leaves(log_days):
        return shop.s * np.exp(log_days) / (w + np.exp(log_days)) * falls(np.exp(log_days))

    edges = np.linspace(-40, np.log(T - t_x), 60)
    left = sum(
        integrate.quad(leaves, *edges[i : i + 2], epsabs=0, epsrel=1e-11)[0] for i in range(len(edges) - 1)
    )
    alive = falls(T - t_x) / (falls(T - t_x) + left)
    assert shop.probability_alive([x], [t_x], [T]) == pytest.approx(alive, rel=1e-7, abs=1e-300)


def slopes(function, theta, part):
    step = 1e-5
    moves = step * np.eye(len(theta))
    return np.array(
        [(function(theta + move)[part] - function(theta - move)[part]) / (2 * step) for move in moves]
    )


@every_shop
@pytest.mark.parametrize("moved", [np.zeros(4), np.array([1.5, -1.0, 0.7, -1.2]), np.array([-1, 2, -2, 3.0])])
def test_derivatives_of_the_likelihood_are_its_slopes(shop, moved):
    rows = likelihood_of(shop, *population(shop, 200, seed=1))
    theta = parameters_of(shop) + moved
    _, gradient, hessian = rows(theta)
    assert gradient == pytest.approx(slopes(rows, theta, 0), rel=1e-5, abs=1e-4)
    assert hessian == pytest.approx(slopes(rows, theta, 1), rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("shop", [SHOPS[1], SHOPS[3], SHOPS[5]], ids=named)
def test_parameters_are_found_again_within_their_standard_errors(shop):
    found = type(shop).fit(*population(shop, 20_000, seed=3, days=(700, 900)))
    assert getattr(found, "k", 1) == getattr(shop, "k", 1)
    for name, error in found.standard_errors.items():
        assert abs(getattr(found, name) - getattr(shop, name)) < 4 * error
        assert error < 0.35 * getattr(shop, name)


def test_standard_errors_are_the_spread_of_estimates_over_populations():
    shop = MbgNbd(1.0, 30.0, 1.0, 3.0, **FITTED)
    fits = [MbgNbd.fit(*population(shop, 1_500, seed=seed)) for seed in range(60)]
    for name in ("r", "alpha", "a", "b"):
        spread = np.std([getattr(fit, name) for fit in fits])
        stated = np.median([fit.standard_errors[name] for fit in fits])
        assert spread == pytest.approx(stated, rel=0.35)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_regularity_is_found_in_the_last_purchase_days_alone(k):
    shop = MbgCnbdK(2.0, 60.0 / k, 0.8, 6.0, k=k, **FITTED)
    history, _ = simulated(shop, 5_000, seed=4)
    assert MbgCnbdK.fit(*history).k == k


def test_one_stage_is_the_mbg_nbd():
    history = population(SHOPS[1], 500, seed=5)
    plain, stages = MbgNbd.fit(*history), MbgCnbdK.fit(*history, k=1)
    for name in ("r", "alpha", "a", "b", "log_likelihood"):
        assert getattr(stages, name) == getattr(plain, name)
    for ask in ("probability_alive", "expected_purchases", "probability_no_purchase"):
        ahead = () if ask == "probability_alive" else (75,)
        assert getattr(stages, ask)(*ahead, *history) == pytest.approx(getattr(plain, ask)(*ahead, *history))
    gap = (model.probability_no_purchase(60, *history, gap_days=30) for model in (plain, stages))
    assert next(gap) == pytest.approx(next(gap))


@pytest.mark.parametrize("shop", [SHOPS[1], SHOPS[4], SHOPS[5]], ids=named)
@pytest.mark.parametrize(("gap", "horizon"), [(0, 90), (40, 60)])
def test_chances_and_expectations_come_true_in_lived_futures(shop, gap, horizon):
    n = 40_000
    history, later = simulated(shop, n, seed=6, ahead=gap + horizon)
    x, t_x, T = history
    bought = purchases_in(later, n, gap, gap + horizon)
    silent = shop.probability_no_purchase(horizon, *history, gap_days=gap)
    expected = shop.expected_purchases(gap + horizon, *history) - shop.expected_purchases(gap, *history)
    recent = T - t_x < 60
    for group in (x == 0, x == 1, (x > 1) & recent, (x > 1) & ~recent, x > 6, silent > 0.9):
        for surprise in ((bought == 0) - silent, bought - expected):
            error = surprise[group].std() / np.sqrt(group.sum())
            assert abs(surprise[group].mean()) < 4 * error


@pytest.mark.parametrize(
    ("fitted", "shop"),
    [
        pytest.param(MbgNbd, MbgNbd(0.5, 40.0, 1e-9, 1e9, **FITTED), id="nobody leaves"),
        pytest.param(MbgNbd, MbgNbd(300.0, 3e4, 300.0, 700.0, **FITTED), id="all customers are alike"),
        pytest.param(MbgCnbdK, MbgCnbdK(5.0, 3.0, 0.01, 3.0, k=3, **FITTED), id="they buy every week"),
        pytest.param(ParetoNbd, ParetoNbd(0.5, 40.0, 1e-9, 1e9, **FITTED), id="nobody ever leaves"),
        pytest.param(ParetoNbd, ParetoNbd(300.0, 3e4, 300.0, 6e4, **FITTED), id="all are alike"),
        pytest.param(ParetoNbd, ParetoNbd(0.5, 40.0, 0.05, 1e-3, **FITTED), id="most leave at once"),
        pytest.param(ParetoNbd, ParetoNbd(5.0, 3.0, 0.7, 300.0, **FITTED), id="they buy every day"),
    ],
)
def test_populations_at_the_edge_of_the_model_are_fitted_and_answered(fitted, shop):
    history = population(shop, 600, seed=10)
    found = fitted.fit(*history)
    silent = found.probability_no_purchase(90, *history)
    assert ((silent >= 0) & (silent <= 1)).all()
    assert np.isfinite(found.expected_purchases(365, *history)).all()
    assert silent.mean() == pytest.approx(shop.probability_no_purchase(90, *history).mean(), abs=0.06)


def test_a_parameter_at_a_bound_has_no_standard_error():
    loyal = ParetoNbd.fit(*population(ParetoNbd(0.8, 40.0, 1e-9, 1e9, **FITTED), 1_000, seed=11))
    assert loyal.standard_errors["r"] > 0
    assert loyal.standard_errors["s"] is None or loyal.standard_errors["beta"] is None


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("model", [MbgNbd, MbgCnbdK, ParetoNbd])
def test_small_shops_of_any_kind_are_fitted(model, seed):
    rng = np.random.default_rng(seed)
    x = np.floor(rng.exponential(rng.uniform(0.3, 5), 30))
    T = rng.integers(1, 400, 30)
    t_x = np.where(x > 0, np.ceil(T * rng.random(30) ** rng.uniform(0.2, 5)), 0)
    found = model.fit(x, t_x, T)
    expected = found.expected_purchases(365, x, t_x, T)
    assert (np.isfinite(expected) & (expected >= 0)).all()


@every_shop
def test_heavy_buyers_and_new_customers_are_answered(shop):
    x, t_x = [5000, 5000, 5000, 1, 0, 3], [999, 2, 0.5, 1e-3, 0, 1]
    T = [1000, 1000, 0.5, 1e-3, 1e-6, 1e5]
    for gap in (0, 3):
        silent = shop.probability_no_purchase(7, x, t_x, T, gap_days=gap)
        assert ((silent >= 0) & (silent <= 1)).all()
    alive, expected = shop.probability_alive(x, t_x, T), shop.expected_purchases(7, x, t_x, T)
    assert ((alive >= 0) & (alive <= 1)).all()
    assert (np.isfinite(expected) & (expected >= 0)).all()
    assert alive[1] < 1e-6
    assert silent[1] > 1 - 1e-6


def test_best_rhythm_is_the_family_that_made_the_histories():
    makers = (
        MbgNbd(1.0, 20.0, 0.6, 1.2, **FITTED),
        MbgCnbdK(2.0, 15.0, 0.8, 6.0, k=3, **FITTED),
        ParetoNbd(1.2, 10.0, 0.6, 60.0, **FITTED),
        BgNbd(0.6, 8.0, 0.9, 1.5, **FITTED),
    )
    for maker in makers:
        history = population(maker, 8_000, seed=12, days=(350, 500))
        best = best_rhythm(*history)
        assert best.kind == maker.kind
        assert bayesian_information(best) <= bayesian_information(RHYTHMS["bg_nbd"].fit(*history))


def test_best_rhythm_says_why_there_is_none():
    with pytest.raises(QuestionError, match="No customer bought a second time"):
        best_rhythm([0] * 50, [0] * 50, range(1, 51))
    with pytest.raises(ValueError, match="T is 0 or less"):
        best_rhythm([0] * 50, [0] * 50, [0] * 50)


@every_shop
def test_a_rhythm_comes_back_from_plain_values(shop):
    whole = replace(shop, standard_errors={"r": 0.1, "alpha": None})
    again = rhythm_from_dict(rhythm_to_dict(whole))
    assert again == whole
    assert again.standard_errors == whole.standard_errors


def test_a_rhythm_written_before_there_were_several_is_a_bg_nbd():
    old = {"r": 0.5, "alpha": 40.0, "a": 0.8, "b": 2.5, "log_likelihood": 0.0, "n_customers": 0}
    assert rhythm_from_dict(old) == SHOPS[0]


@pytest.mark.data
def test_each_tenth_of_cdnow_resembles_the_published_tenth(data_dir):
    """Fader and Hardie 2005: Pareto/NBD on the CDNOW sample, r .553, alpha 10.578, s .606, beta 11.669."""
    (x, t_x, T, _), _ = cdnow(data_dir / "cdnow" / "CDNOW_master.txt", cutoff=273, horizon=1)
    found = [ParetoNbd.fit(x[i::10], t_x[i::10], T[i::10] - 1) for i in range(10)]
    in_weeks = [shop.log_likelihood + np.log(7) * x[i::10].sum() for i, shop in enumerate(found)]
    assert min(in_weeks) < -9595.0 < max(in_weeks)
    published = {"r": 0.553, "alpha": 10.578 * 7, "s": 0.606, "beta": 11.669 * 7}
    for name, value in published.items():
        values = [getattr(shop, name) for shop in found]
        assert min(values) < value < max(values)
        errors = [shop.standard_errors[name] for shop in found]
        assert abs(np.mean(values) - value) < 3 * np.median(errors)


@pytest.mark.data
def test_cdnow_is_bought_at_random_and_left_at_once_by_many(data_dir):
    (x, t_x, T, _), realised = cdnow(data_dir / "cdnow" / "CDNOW_master.txt", cutoff=365, horizon=182)
    best = best_rhythm(x, t_x, T)
    assert best.kind == "mbg_nbd"
    assert best.log_likelihood == pytest.approx(-186491.6145, abs=1e-3)
    for model in (MbgNbd, ParetoNbd):
        silent = model.fit(x, t_x, T).probability_no_purchase(182, x, t_x, T)
        assert silent.mean() == pytest.approx((realised == 0).mean(), abs=0.025)
