"""The search: repeatable, resumable, in time, and never worse than the defaults by more than chance."""

import json
import time
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from scipy.special import expit

from training import search as door
from training.attrition import AttritionModel
from training.curves import Curve, Deal
from training.lifetime_value import LifetimeValueModel
from training.search import Judgement, Task, Trial

TRIALS = 5


def draw(n, seed, lift=0.0):
    """Rows whose prior is right, but for a product of three signs that shallow trees cannot see."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    hidden = lift * np.sign(X[:, 1] * X[:, 2] * X[:, 3])
    y = (rng.uniform(size=n) < expit(X[:, 0] + hidden)).astype(float)
    return X, y


def shallow(**parameters):
    """Defaults that cannot see it."""
    return AttritionModel(**{"prior_column": 0, "max_depth": 2, "min_child_weight": 200.0, **parameters})


def task(n=1500, seed=1, lift=0.0, make=shallow):
    X, y = draw(n, seed, lift)
    return Task(make, "attrition", X, y, np.arange(n) % 2, np.arange(n) // 2)


def look(which, trials=TRIALS, seed=3, **options):
    """Search, and return what was kept with all that was reported."""
    told, judgements = [], []
    kept = door.search(which, trials, seed, told.append, show=False, judged=judgements.append, **options)
    return kept, told, judgements


@pytest.fixture(scope="module")
def whole():
    """A search that nobody interrupted."""
    return look(task())


def test_the_defaults_are_the_first_trial(whole):
    _, told, _ = whole
    assert [trial.number for trial in told] == list(range(TRIALS + 1))
    defaults = shallow()
    first = {name: value for name, value in told[0].parameters.items() if name != "rounds"}
    assert first == {name: getattr(defaults, name) for name in defaults.search_space}


def test_the_same_seed_gives_the_same_trials_and_the_same_best(whole):
    assert look(task()) == whole


def _threaded(**parameters):
    return shallow(**{"n_jobs": 2, **parameters})


def test_two_threads_find_what_one_finds(whole):
    assert look(task(make=_threaded)) == whole


def test_no_two_trials_are_alike(whole):
    assert len({trial.parameters["subsample"] for trial in whole[1]}) == TRIALS + 1


def test_another_seed_tries_other_parameters(whole):
    _, told, _ = look(task(), seed=4)
    assert told[1].parameters != whole[1][1].parameters


def test_the_defaults_are_kept_where_there_is_nothing_to_find(whole):
    kept, _, judgements = whole
    assert kept == {}
    assert not judgements[0].kept


def test_a_better_region_is_found_and_kept():
    """Three signs multiplied need three levels; the gain is far beyond the noise, and real."""
    found = task(n=4000, lift=1.5)
    kept, _, (judgement,) = look(found, trials=6)
    assert kept["max_depth"] >= 3
    assert judgement.gain > 5 * judgement.noise
    fresh = replace(found, **dict(zip(("X", "y"), draw(4000, 9, 1.5), strict=True)))
    gained = found.losses_on(fresh, {}).mean() - found.losses_on(fresh, kept).mean()
    assert gained > judgement.gain / 2


@pytest.mark.parametrize(("gain", "kept"), [(-0.1, False), (0.0, False), (0.009, False), (0.011, True)])
def test_what_is_found_must_beat_the_defaults_by_a_standard_error(gain, kept):
    assert Judgement({"max_depth": 4}, gain, 0.01).kept is kept
    assert not Judgement({"max_depth": 4}, 0.0, 0.0).kept


def test_what_is_returned_is_what_was_judged_better(monkeypatch):
    """A candidate that chance could have made is reported, not returned."""
    monkeypatch.setattr(door, "paired", lambda *_: (0.01, 0.02))
    kept, _, (judgement,) = look(task(), trials=1)
    assert kept == {}
    assert judgement.parameters
    monkeypatch.setattr(door, "paired", lambda *_: (0.03, 0.02))
    kept, _, (judgement,) = look(task(), trials=1)
    assert kept == dict(judgement.parameters)


def test_the_search_never_sees_who_judges_it(whole):
    """Turn every label of the unseen customers: no trial changes, the judgement does."""
    one = task()
    unseen = door.shuffled(one.customers, 3) % door.UNSEEN == 0
    assert 0.2 < unseen.mean() < 0.3
    turned = replace(one, y=np.where(unseen, 1 - one.y, one.y))
    _, told, judgements = look(turned)
    assert told == whole[1]
    assert judgements[0].gain != whole[2][0].gain


def test_no_customer_is_split():
    places = door.shuffled(np.array([7, 7, 3, 9, 3]), 0)
    assert places[0] == places[1]
    assert places[2] == places[4]
    assert sorted(set(places)) == [0, 1, 2]


class Killed(Exception):  # noqa: N818  (it is no error)
    """Stands for a process that ends at once."""


@pytest.mark.parametrize("torn", [b"", b'{"trial": {"num'], ids=["after a line", "in a line"])
def test_a_killed_search_finds_what_it_would_have_found(whole, tmp_path, torn):
    def die(trial):
        if trial.number == 2:
            raise Killed

    with pytest.raises(Killed):
        door.search(task(), TRIALS, 3, die, show=False, folder=tmp_path)
    path = tmp_path / "attrition.jsonl"
    path.write_bytes(path.read_bytes() + torn)
    written = len(path.read_text(encoding="utf-8").splitlines())
    grown = _count_grown(lambda: look(task(), folder=tmp_path))
    assert grown.answer == whole
    assert repr(grown.answer) == repr(whole), "names in the same order: model files are compared by byte"
    assert grown.trials == TRIALS - 2
    assert written >= 4


def test_an_ended_search_is_not_searched_again_but_can_be_extended(whole, tmp_path):
    look(task(), trials=2, folder=tmp_path)
    again = _count_grown(lambda: look(task(), trials=2, folder=tmp_path))
    assert again.trials == 0
    more = _count_grown(lambda: look(task(), folder=tmp_path))
    assert more.answer == whole
    assert more.trials == TRIALS - 2


def _deeper(**parameters):
    return shallow(**{"max_depth": 4, **parameters})


@pytest.mark.parametrize(
    ("other", "seed"),
    [(task(seed=2), 3), (task(), 4), (task(make=_deeper), 3)],
    ids=["data", "seed", "defaults"],
)
def test_another_search_starts_anew(tmp_path, other, seed):
    look(task(), trials=1, folder=tmp_path)
    anew = _count_grown(lambda: look(other, trials=1, seed=seed, folder=tmp_path))
    assert anew.trials == 2
    assert anew.answer == look(other, trials=1, seed=seed)


def test_one_changed_cell_is_other_data():
    one = task()
    X = one.X.copy()
    X[7, 3] = np.nextafter(X[7, 3], 1)
    tasks = (one, replace(one, X=X), task(), task(make=_threaded))
    assert len({json.dumps(which.subject(0)) for which in tasks}) == 2, "threads change nothing"


def test_the_journal_holds_no_row(tmp_path):
    look(task(), trials=1, folder=tmp_path)
    for line in (tmp_path / "attrition.jsonl").read_text(encoding="utf-8").splitlines()[1:]:
        assert len(json.loads(line)["curve"]["sums"]) == door.BLOCKS


def test_time_cuts_and_nothing_else_changes(whole, monkeypatch):
    """What was tried before the time was over is what an endless search tries first."""
    ticks = iter(range(10_000))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(ticks)))
    _, told, _ = look(task(), seconds=14)
    assert 1 <= len(told) < TRIALS
    assert told == whole[1][: len(told)]


def test_no_time_at_all_keeps_the_defaults():
    assert look(task(), seconds=0) == ({}, [], [])


@pytest.mark.parametrize("which", [task(n=150), replace(task(), y=np.zeros(1500))])
def test_what_the_fit_refuses_is_not_searched(which):
    assert look(which) == ({}, [], [])


class Unsearchable(AttritionModel):
    """An estimator that names nothing to search."""

    search_space: ClassVar = {}


class FindsItsRounds(AttritionModel):
    """An estimator that stops early by itself."""

    def lesson(self, X, y, cutoffs=None):
        return replace(super().lesson(X, y, cutoffs), tells_rounds=False)


def test_an_estimator_that_finds_its_rounds_is_told_none():
    _, told, _ = look(task(make=FindsItsRounds), trials=1)
    assert all(set(trial.parameters) == set(FindsItsRounds.search_space) for trial in told)


def test_an_estimator_without_a_space_is_left_as_it_is():
    assert look(task(make=Unsearchable)) == ({}, [], [])


def test_no_trials_import_nothing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    assert look(task(), trials=0) == ({}, [], [])


def _tried(number, depth, means, noise=0.0):
    chance = np.random.default_rng(number).normal(size=door.BLOCKS)
    sums = min(means) * 15 + noise * (chance - chance.mean())
    proposed = {**{name: getattr(shallow(), name) for name in shallow().search_space}, "max_depth": depth}
    return door.Tried(Trial(number, proposed, min(means)), proposed, Curve(tuple(means), tuple(sums)))


def _contest(*tried):
    one = task()
    contest = door.Contest(one, Deal.of(door.shuffled(one.customers, 0)), 0)
    contest.tried = list(tried)
    return contest


def test_what_is_proposed_leans_to_where_losses_were_low():
    """Depth 5 was good, depth 2 was given up on its way to something worse."""
    good = [_tried(number, 5, [0.5, 0.45, 0.43, 0.41, 0.4]) for number in range(1, 6)]
    bad = [_tried(number, 2, [0.6, 0.5, 0.49, 0.485]) for number in range(6, 20)]
    given_up = [door.Tried(replace(one.trial, given_up=True), one.proposed, one.curve) for one in bad]
    defaults = shallow()
    depths = [
        door._propose(defaults.search_space, defaults, [*good, *given_up], seed)["max_depth"]
        for seed in range(12)
    ]
    assert np.mean(depths) > 4


def test_of_equals_the_one_with_the_fewest_leaves_is_chosen():
    bad, deep, flat = _tried(0, 2, [0.9, 0.8]), _tried(1, 6, [0.5, 0.4]), _tried(2, 3, [0.5, 0.4001])
    noisy = [_tried(1, 6, [0.5, 0.4], 0.5), _tried(2, 3, [0.5, 0.4001], 0.5)]
    assert _contest(bad, *noisy).candidate()["max_depth"] == 3
    assert _contest(bad, deep, flat).candidate()["max_depth"] == 6, "no noise, no excuse"


def test_the_defaults_are_the_simplest_of_all():
    defaults, best = _tried(0, 4, [0.5, 0.4001], 0.5), _tried(1, 2, [0.5, 0.4], 0.5)
    assert _contest(defaults, best).candidate()["max_depth"] == 4


def test_who_was_given_up_is_never_chosen():
    best, other = _tried(1, 6, [0.5, 0.4], 0.5), _tried(2, 3, [0.5, 0.4001], 0.5)
    given_up = door.Tried(replace(other.trial, given_up=True), other.proposed, other.curve)
    assert _contest(_tried(0, 2, [0.9, 0.8]), best, given_up).candidate()["max_depth"] == 6


def test_hopeless_trials_are_given_up_early_and_cost_little():
    """Where depth is all, trials without it end long before those with it."""
    found = task(n=3000, lift=1.5, make=_deeper)
    _, told, _ = look(found, trials=10)
    given_up = [trial for trial in told if trial.given_up]
    assert given_up
    best = min(told, key=lambda trial: trial.loss)
    assert not best.given_up
    assert np.mean([trial.grown for trial in given_up]) < best.grown
    assert all(trial.grown >= 3 * door.STEP for trial in told)


def _missed(n=3000):
    """A prior that misses what trees see easily."""
    X, _ = draw(n, 1)
    rng = np.random.default_rng(2)
    y = (rng.uniform(size=n) < expit(X[:, 0] + 2 * np.sin(2 * X[:, 1]) - X[:, 2])).astype(float)
    return Task(_apt, "attrition", X, y, np.zeros(n, np.int64), np.arange(n))


def _apt(**parameters):
    return AttritionModel(**{"prior_column": 0, **parameters})


def test_the_rounds_of_a_trial_are_right_at_its_own_learning_rate():
    """Curves are grown in haste; at the estimator's own rate the rounds found lose as little."""
    which = _missed()
    contest = door.Contest(which, Deal.of(which.customers), 0)
    _, (trial, *_), _ = look(which, trials=1)
    settings = _apt().growth().parameters()
    means = []
    for curve in contest.folds.grow(settings, 0):
        means = curve.means
    steps = min(trial.parameters["rounds"] // door.STEP, len(means))
    assert means[steps - 1] == pytest.approx(min(means), rel=0.003)
    assert means[steps // 2 - 1] > min(means) * 1.003


def test_the_whole_estimator_gets_more_rounds_where_they_help():
    contest = _contest()
    assert contest.grown_longer({"rounds": 20})["rounds"] < 100
    which = _missed()
    contest = door.Contest(which, Deal.of(which.customers), 0)
    assert contest.grown_longer({"rounds": 20})["rounds"] >= 100
    assert contest.grown_longer({"max_depth": 3}) == {"max_depth": 3}


def test_lifetime_value_is_searched_by_the_same_door():
    rng = np.random.default_rng(0)
    prior, seen = rng.gamma(2.0, 20.0, 1200) + 1.0, rng.normal(size=1200)
    truth = prior * np.exp(np.where(seen > 0, 0.5, -0.8))
    y = np.where(rng.uniform(size=1200) < 0.5, rng.gamma(2.0, truth), -1.0)

    def make(**parameters):
        return LifetimeValueModel(prior_column=0, **parameters)

    X = np.column_stack([prior, seen])
    which = Task(make, "lifetime-value", X, y, np.zeros(1200, np.int64), np.arange(1200))
    kept, told, (judgement,) = look(which, trials=3)
    assert len(told) == 4
    assert (kept == {}) is not judgement.kept
    assert all(np.isfinite(trial.loss) for trial in told)


@pytest.mark.parametrize("kind", [AttritionModel, LifetimeValueModel])
def test_every_default_lies_where_it_may_be_searched(kind):
    model = kind()
    for name, where in kind.search_space.items():
        assert where.low <= getattr(model, name) <= where.high
        assert where.scale != "log" or where.low > 0
    assert "learning_rate" in model.growth().parameters()


class _Grown:
    """The answer of a search, and how many trials it grew itself."""

    def __init__(self, answer, trials):
        self.answer, self.trials = answer, trials


def _count_grown(run):
    grown = []
    with pytest.MonkeyPatch.context() as patch:
        real = door.Folds.grow
        patch.setattr(door.Folds, "grow", lambda *given: grown.append(1) or real(*given))
        return _Grown(run(), len(grown))
