"""The benchmark of the steps works on a small base, and its rivals compute what the kernel computes."""

import pytest

from experiments.benchmarks import rivals, steps, stopwatch, work
from experiments.benchmarks.stopwatch import Figures

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """The page of one round over 1 000 customers; all laps in this process, so that imports are paid once."""
    folder = tmp_path_factory.mktemp("steps")
    out = folder / "results" / "steps.md"
    words = ["--customers", "1000", "--rounds", "1", "--folder", str(folder / "business"), "--out", str(out)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stopwatch, "alone", stopwatch.here)
        patch.setattr(steps, "alone", stopwatch.here)
        assert steps.main(words) == 0
    return folder, out.read_text(encoding="utf-8")


def test_every_lap_has_a_row_with_figures(printed):
    _, page = printed
    rows = [line for line in page.splitlines() if line.startswith("| ") and "seconds" not in line]
    assert len(rows) == sum(len(group.laps) for group in steps.GROUPS)
    assert {lap for group in steps.GROUPS for lap in group.laps} == {*work.LAPS, "train"}
    for row in rows:
        seconds = float(row.split("|")[3].replace(",", ""))
        assert 0 < seconds < 120


def test_the_page_names_no_place_and_says_what_is_met(printed):
    folder, page = printed
    assert str(folder) not in page
    assert "met: build, features and score as commands" in page


def test_the_rivals_agree_with_the_kernel_and_a_wrong_one_is_found(printed, monkeypatch):
    business = printed[0] / "business"
    assert steps.disagreement(business) < 1e-9
    right = rivals.in_sql
    monkeypatch.setattr(rivals, "in_sql", lambda source, cutoff: right(source, cutoff) * 1.01)
    assert steps.disagreement(business) > 1e-3


def test_the_least_of_all_runs_counts():
    one, other = Figures(2.0, 1.0, 30.0, 1), Figures(1.5, 1.2, 20.0, 2)
    assert one.least(other) == Figures(1.5, 1.0, 20.0, 3)


def test_a_lap_alone_is_measured_in_a_process_of_its_own(printed):
    lap = work.LAPS["one_cutoff"]
    found = stopwatch.alone(lap, printed[0] / "business")
    assert found.seconds > 0
    assert 0 < found.megabytes < 200
    assert found.runs == lap.repeats


def test_a_lap_that_fails_is_an_error(tmp_path, capfd):
    with pytest.raises(RuntimeError, match="without an answer"):
        stopwatch.alone(work.LAPS["one_cutoff"], tmp_path)
    assert "business.toml" in capfd.readouterr().err
