"""Every law fails on the bugs that are planted for it: a test that cannot fail shows nothing."""

import importlib
import inspect

import duckdb
import pytest
from mutants.planted import MUTANTS, alter, planted

from features import walks

MODULES = (
    "properties.test_laws",
    "properties.test_kernel_oracle",
    "unit.test_cutoffs",
    "unit.test_gate",
    "unit.test_artifact",
)
PAIRS = [(mutant, law) for mutant in MUTANTS for law in mutant.breaks]


@pytest.fixture(scope="module")
def laws():
    """Every test of the modules above by its name."""
    found = {}
    for name in MODULES:
        tests = vars(importlib.import_module(name))
        found |= {key.removeprefix("test_"): test for key, test in tests.items() if key.startswith("test_")}
    return found


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory):
    """What laws that are no pure functions of random histories are given."""
    from populations import model

    from training import artifact

    saved = tmp_path_factory.mktemp("mutants") / "model"
    artifact.save(model("attrition"), saved)
    with duckdb.connect() as connection:
        yield {"connection": connection, "copy": saved}


def run(law, fixtures):
    """Try a law on its own examples, without the search for the smallest that breaks it."""
    check = getattr(law, "quick", law)
    wanted = set(inspect.signature(check).parameters) & set(fixtures)
    check(**{name: fixtures[name] for name in wanted})


@pytest.mark.parametrize(("mutant", "law"), PAIRS, ids=lambda value: str(value).replace(" ", "_"))
def test_a_planted_bug_breaks_the_law(mutant, law, laws, fixtures):
    with planted(mutant), pytest.raises((AssertionError, pytest.fail.Exception)):
        run(laws[law], fixtures)


def test_without_a_bug_the_plain_walks_keep_the_laws(laws):
    """What breaks the laws is the altered line, not that the walks are not compiled."""
    plain = alter(walks, "at[middle] < cutoff", "at[middle] < cutoff")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("tally", "sums", "distinct", "latest"):
            patch.setattr(walks, name, getattr(plain, name))
        for law in ("the_future_never_matters", "a_late_fact_is_invisible_until_it_is_known"):
            laws[law]()


def test_every_law_of_features_and_labels_is_broken_by_some_mutant(laws):
    named = {law for mutant in MUTANTS for law in mutant.breaks}
    declared = {
        key.removeprefix("test_")
        for key, test in vars(importlib.import_module("properties.test_laws")).items()
        if hasattr(test, "quick")
    }
    assert declared <= named


def test_a_mutant_whose_line_has_gone_says_so():
    with pytest.raises(LookupError, match="write this mutant again"):
        alter(walks, "a line that was never written", "")


def test_mutants_have_names_of_their_own():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 12
    assert all(mutant.breaks for mutant in MUTANTS)
