"""Every law fails on the bugs that are planted for it: a test that cannot fail shows nothing."""

import importlib
import inspect
from contextlib import ExitStack
from itertools import product

import duckdb
import numpy as np
import pytest
from laws import LONG
from mutants.planted import (
    AT_CUTOFF,
    FORMULAS,
    GROUPING,
    MUTANTS,
    SEVERAL,
    SHORTCUTS,
    WALKS,
    Mutant,
    alter,
    planted,
)
from mutants.planted_models import MODEL_MUTANTS

from features import walks

MODULES = (
    "properties.test_laws",
    "properties.test_kernel_oracle",
    "properties.test_exits",
    "unit.test_kernel",
    "unit.test_visibility",
    "unit.test_cutoffs",
    "unit.test_gate",
    "unit.test_planted_challengers",
    "unit.test_leakage",
    "unit.test_strength",
    "unit.test_rhythm",
    "unit.test_artifact",
    "unit.test_recipes",
    "unit.test_btyd",
    "unit.test_rhythms",
    "unit.test_shifted_beta_geometric",
    "unit.test_spread",
    "unit.test_ladder",
    "unit.test_level_forecast",
    "unit.test_seasons",
    "unit.test_segments",
    "models.test_contract_attrition",
    "models.test_hazard",
)
ALL = (*MUTANTS, *MODEL_MUTANTS)
PAIRS = [(mutant, law) for mutant in ALL for law in mutant.breaks]


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
        shop = importlib.import_module("unit.test_planted_challengers").Shop(3_000, 1)
        known = importlib.import_module("unit.test_spread").measured()
        yield {"connection": connection, "copy": saved, "shop": shop, "known": known}


def run(law, fixtures):
    """Try a law on its own examples, without the search for the smallest that breaks it."""
    check = getattr(law, "quick", law)
    wanted = set(inspect.signature(check).parameters) & set(fixtures)
    # What is compiled divides by nothing without a word; plain Python would warn of it.
    with np.errstate(all="ignore"):
        for case in cases(law):
            check(**{**{name: fixtures[name] for name in wanted}, **case})


def cases(law):
    """The arguments of every case that a test is parametrized with; one without any where it is not."""
    marks = [mark for mark in getattr(law, "pytestmark", []) if mark.name == "parametrize"]
    ways = [
        [dict(zip(*_named(mark.args[0], value), strict=True)) for value in mark.args[1]] for mark in marks
    ]
    return [{name: value for part in way for name, value in part.items()} for way in product(*ways)]


def _named(names, value):
    """The names of a case's arguments and their values."""
    several = not isinstance(names, str)
    if hasattr(value, "marks"):
        return (names if several else [names]), value.values
    return (names, value) if several else ([names], [value])


@LONG
@pytest.mark.parametrize(("mutant", "law"), PAIRS, ids=lambda value: str(value).replace(" ", "_"))
def test_a_planted_bug_breaks_the_law(mutant, law, laws, fixtures):
    with planted(mutant), pytest.raises((AssertionError, pytest.fail.Exception)):
        run(laws[law], fixtures)


def test_without_a_bug_the_plain_kernel_keeps_the_laws(laws):
    """What breaks the laws is the altered line, not that nothing is compiled."""
    with ExitStack() as stack:
        for module, entry in (
            ("walks", WALKS),
            ("shortcuts", SHORTCUTS),
            ("formulas", FORMULAS),
            ("grouping", GROUPING),
        ):
            doc = importlib.import_module(f"features.{module}").__doc__
            stack.enter_context(planted(Mutant("none", "", f"features.{module}", entry, doc, doc, ())))
        stack.enter_context(np.errstate(all="ignore"))
        for law in (AT_CUTOFF, SEVERAL):
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
    assert len({mutant.name for mutant in ALL}) == len(ALL)
    assert len(MODEL_MUTANTS) >= 12
    assert all(mutant.breaks for mutant in ALL)
