"""The benchmark of the features works on a small log, and whoever computes something else fails it."""

import re
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.benchmarks import feature_laps, feature_page, features, stopwatch
from experiments.benchmarks.feature_answers import Disagreement, answer_of, compare, keep
from experiments.benchmarks.feature_log import CUTOFF, WINDOWS, draw_log
from experiments.benchmarks.feature_rivals import PACKAGES
from experiments.benchmarks.feature_set import FEATURES, MONEY
from experiments.benchmarks.stopwatch import Figures, Runs
from features.windows import MICROSECONDS_PER_DAY

CUSTOMERS = 2_000


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """One round over 2 000 customers, all laps in this process; the peers are asked for in our own Python."""
    folder = tmp_path_factory.mktemp("features")
    out = folder / "features.md"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "runs_alone", stopwatch.runs_here)
        patch.setattr(feature_laps, "first_call", lambda _: {"compiled": 9.0, "loaded": 0.5})
        words = ["--customers", str(CUSTOMERS), "--rounds", "1", "--folder", str(folder), "--out", str(out)]
        assert features.main([*words, "--peers", sys.executable]) == 0
    return folder / str(CUSTOMERS) / "large", out.read_text(encoding="utf-8")


def row_of(page, says):
    (row,) = (line for line in page.splitlines() if line.startswith(f"| {says}"))
    return [cell.strip() for cell in row.split("|")[1:-1]]


def test_every_lap_has_a_row_and_an_absent_peer_says_so(measured):
    _, page = measured
    for lap, (says, _) in feature_page.COMPUTED.items():
        cells = row_of(page, says)
        if lap in PACKAGES:
            assert f"{PACKAGES[lap]} not installed" in cells
        else:
            assert float(cells[4].replace(",", "")) >= 0
    assert "not measured (not installed): at least 300 × as fast as featuretools" in page


def test_every_cell_of_every_implementation_is_compared_with_ours(measured):
    folder, page = measured
    compared = features.agreements(folder)
    assert set(compared) == {"usual_sql", "best_sql", "best_sql_clustered", "pandas"}
    for agreement in compared.values():
        assert agreement.cells == CUSTOMERS * len(FEATURES)
        assert agreement.largest < 1e-9
    assert f"{4 * CUSTOMERS * len(FEATURES):,} cells" in page


def test_the_ratios_are_sane(measured):
    _, page = measured
    # Loosely: a small log on a busy machine; SQL that is as fast as the kernel would be a wrong measurement.
    assert float(row_of(page, "DuckDB, SQL as usually written")[6].replace(",", "")) > 1
    assert float(row_of(page, "**Holdfast**")[6]) == 1
    request = row_of(page, "38 features of one customer's 200 purchases")
    assert 1 < float(request[1].replace(",", "")) < 100_000


def test_the_page_names_no_place_and_says_which_goals_are_met(measured):
    folder, page = measured
    assert str(folder.parent) not in page
    assert re.search(r"- (met|\*\*missed\*\*): build at most 2 ×", page)
    assert "- met: the first call takes at most 10 s: 9.00 s" in page


@pytest.mark.parametrize(
    ("name", "change", "complaint"),
    [
        ("purchases_amount_total_30d", lambda values: values * 1.0001, "differs for"),
        ("purchases_gap_days_std_ever", np.nan_to_num, "is missing in one of both"),
        ("customer_id", lambda values: values + 1, "other customers"),
    ],
)
def test_an_implementation_that_computes_something_else_fails(measured, tmp_path, name, change, complaint):
    ours = answer_of(measured[0], "features")
    table = pq.read_table(answer_of(measured[0], "usual_sql"))
    changed = pa.array(change(table.column(name).to_numpy()))
    place = table.schema.get_field_index(name)
    keep(table.set_column(place, name, changed), tmp_path, "wrong")
    with pytest.raises(Disagreement, match=complaint):
        compare(ours, answer_of(tmp_path, "wrong"), MONEY)


def test_the_log_is_the_same_again_in_order_and_hits_the_edges_of_the_windows():
    log = draw_log(5_000)
    assert log.equals(draw_log(5_000))
    at = log.column("purchased_at").cast(pa.int64()).to_numpy()
    assert (np.diff(at) >= 0).all()
    assert at.max() < CUTOFF
    edges = [CUTOFF - window * MICROSECONDS_PER_DAY for window in WINDOWS]
    assert all((at == edge).any() for edge in edges)
    assert len(np.unique(log.column("customer_id").to_numpy())) == 5_000


def test_medians_are_over_all_runs():
    runs = Runs((1.0, 2.0), (3.0, 4.0), (5.0,)) + Runs((9.0,), (1.0,), (7.0,))
    assert runs.middle() == Figures(2.0, 3.0, 6.0, 3)
    assert runs.least() == Figures(1.0, 1.0, 5.0, 3)
