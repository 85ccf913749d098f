"""A simulated business that was built, trained and promoted, once for all tests that ask for it."""

import shutil

import pytest

from experiments.simulator import simulate
from features.build import build
from features.business import load
from training import jobs
from training.tracking import Tracking

N_CUSTOMERS = 400


def _silent(what, done, total):
    """Progress that nobody watches."""


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The business with its champions; tests that write into its workspace take ``workshop``."""
    made = simulate(tmp_path_factory.mktemp("trained"), customers=N_CUSTOMERS, seed=3)
    business = load(made.business)
    build(business, n_buckets=4)
    for one in jobs.train(business, jobs.Settings(promote=False), _silent):
        Tracking(business).promote(one.kind, one.version.number)
    return business


@pytest.fixture
def workshop(trained, tmp_path):
    """The same business in a folder of its own, to be scored and built again."""
    folder = tmp_path / "workshop"
    shutil.copytree(trained.folder, folder)
    return load(folder / trained.path.name)
