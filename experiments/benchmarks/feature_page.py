"""The page of the features' benchmark: figures, ratios, and which goals are met."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from experiments.benchmarks.feature_answers import TOLERANCE, Agreement
from experiments.benchmarks.feature_laps import CALLS, N_CUTOFFS
from experiments.benchmarks.feature_requests import EVENTS, N_EVENTS, whole_catalogue
from experiments.benchmarks.feature_rivals import PACKAGES
from experiments.benchmarks.feature_set import FEATURES
from experiments.benchmarks.machine import described
from experiments.benchmarks.stopwatch import Figures

_OURS = ("duckdb", "numba", "numpy", "pandas", "pyarrow")

COMPUTED = {
    "scan_store": ("DuckDB: bare scan of the needed columns, store (_limit_)", 0),
    "scan_log": ("DuckDB: bare scan of the needed columns, raw log", 0),
    "group_by": ("DuckDB: one group-by, raw log", 4),
    "features": ("**Holdfast**, from the store", len(FEATURES)),
    "best_sql_clustered": ("DuckDB, the best SQL we know, clustered log", len(FEATURES)),
    "best_sql": ("DuckDB, the best SQL we know, raw log", len(FEATURES)),
    "usual_sql": ("DuckDB, SQL as usually written, raw log", len(FEATURES)),
    "polars": ("polars, raw log", len(FEATURES)),
    "pandas": ("pandas, vectorised, raw log", len(FEATURES)),
    "lifetimes": ("lifetimes, `summary_data_from_transaction_data`, raw log", 4),
    "featuretools_cheap": ("featuretools, its own fast primitives, raw log", 28),
    "featuretools": ("featuretools, all features, raw log", len(FEATURES)),
}
"""What the first table says of each lap, and how many features it computes."""

_OTHERS = {
    "build": "**build**: check every row, order by customer and time, write",
    "sort_and_write": "DuckDB: order the same rows and write them, nothing checked",
    "stream": "**features**, one cutoff, a bucket at a time (of {0})",
    "six_cutoffs": f"**features**, {N_CUTOFFS} cutoffs 60 days apart in one pass",
    "many_buckets": "**features**, one cutoff, a bucket at a time (of {1})",
    "few": "**features**, one cutoff, a tenth of the customers in buckets as large as those before",
}

_AT_MOST = (
    ("build at most 2 × DuckDB ordering and writing the same rows", "build", "sort_and_write", 2),
    ("features from the store at most 3 × the bare scan", "features", "scan_store", 3),
    (f"{N_CUTOFFS} cutoffs at most 2 × one", "six_cutoffs", "stream", 2),
)
_FASTER = (
    ("at least 8 × as fast as the usual SQL on the raw log", "usual_sql", 8),
    ("at least 4 × as fast as the best SQL on the clustered log", "best_sql_clustered", 4),
    ("at least 300 × as fast as featuretools, per customer", "featuretools", 300),
)
_FLAT = 1.5
_MICROSECONDS = 100
_COMPILING = 10

_READING = (
    "Medians of the runs, which took turns, each implementation in a process of its own that first warms up "
    "on a tiny log; memory is the peak above the start. Ratios are of CPU seconds."
)


_CAVEATS = """\
- The log is in order of time, its ids are whole numbers and its times carry no zone: all of that is kind to
  the peers. The store keeps ids as text.
- The best SQL uses no DISTINCT, sums up by customer and band of time before it puts windows together, and
  takes the days between purchases from a lag. polars takes windows as masks within one group-by; pandas
  selects and groups once for each.
- lifetimes computes four columns; three figures that follow from them are compared with ours.
- featuretools has no primitive for the days between days with purchases: that one is a function of ours
  which it calls for each customer, and it takes most of the time. Its own fast primitives give 28 features.
- The scan of the store reads exactly the columns that the features read."""


@dataclass(frozen=True)
class Measured:
    """All figures of one run of the benchmark.

    Attributes
    ----------
    buckets : tuple of int
        How many buckets the store has, and the one with many.
    figures : mapping of str to Figures
        By lap; a peer that is not installed is absent.
    agreements : mapping of str to Agreement
        By implementation, how far it agrees with ours.
    installed : mapping of str to str
        Versions of the packages of the other environment.
    first_call : mapping of str to float
        Seconds of the first features of a process, ``compiled`` and ``loaded``.
    """

    customers: int
    purchases: int
    few_customers: int
    buckets: tuple[int, int]
    figures: Mapping[str, Figures]
    agreements: Mapping[str, Agreement]
    installed: Mapping[str, str]
    customers_of_featuretools: int
    first_call: Mapping[str, float]

    def customers_of(self, lap: str) -> int:
        """How many customers a lap worked on."""
        if lap.startswith("featuretools"):
            return self.customers_of_featuretools
        return self.few_customers if lap == "few" else self.customers

    def ratio(self, lap: str, other: str) -> float | None:
        """CPU seconds per customer of one lap by those of another; None where one was not measured."""
        if lap not in self.figures or other not in self.figures:
            return None
        one, two = (self.figures[name].cpu_seconds / self.customers_of(name) for name in (lap, other))
        return one / max(two, 1e-12)

    def microseconds(self, lap: str) -> float:
        """Microseconds of the processor for one call of a lap of many calls."""
        return self.figures[lap].cpu_seconds / CALLS * 1e6


def to_page(measured: Measured) -> str:
    """Write the tables as Markdown."""
    size = f"{measured.customers:,} customers, {measured.purchases:,} purchases, {len(FEATURES)} features"
    theirs = ", ".join(f"{name} {version}" for name, version in sorted(measured.installed.items()))
    abroad = f" The other environment: {theirs}." if theirs else ""
    lines = [
        "# Features: Holdfast beside its peers and beside the limit",
        "",
        f"{size}. {described(_OURS)}{abroad}",
        "",
        _READING,
        *_features(measured),
        *_others(measured),
        *_requests(measured),
        *_goals(measured),
        *_notes(measured),
        "",
    ]
    return "\n".join(lines)


def _features(measured: Measured) -> Iterator[str]:
    """Everybody who computes the features, and the limits."""
    yield from ("", "## One cutoff", "")
    yield (
        "| implementation | features | customers | seconds | CPU s | MB | ÷ Holdfast | ÷ limit | "
        "cells compared | runs |"
    )
    yield "|---|" + "---:|" * 9
    for lap, (says, computed) in COMPUTED.items():
        yield _row(
            [says, str(computed or ""), *_figures(measured, lap, ("features", "scan_store"))], lap, measured
        )


def _figures(measured: Measured, lap: str, others: tuple[str, ...]) -> list[str]:
    """Return the cells of one lap, as far as it was measured."""
    if lap not in measured.figures:
        return [f"{PACKAGES[lap]} not installed"]
    found = measured.figures[lap]
    ratios = [measured.ratio(lap, other) for other in others]
    return [
        f"{measured.customers_of(lap):,}",
        f"{found.seconds:,.2f}",
        f"{found.cpu_seconds:,.2f}",
        f"{max(found.megabytes, 0):,.0f}",
        *("" if ratio is None else f"{ratio:,.2f}" for ratio in ratios),
    ]


def _row(cells: list[str], lap: str, measured: Measured) -> str:
    """Write one row of the first table; a peer that was not measured leaves the rest empty."""
    agreement, found = measured.agreements.get(lap), measured.figures.get(lap)
    compared = f"{agreement.cells:,}" if agreement else ""
    runs = str(found.runs) if found else ""
    cells = [*cells, *[""] * (8 - len(cells)), compared, runs]
    return f"| {' | '.join(cells)} |"


def _others(measured: Measured) -> Iterator[str]:
    """Build, cutoffs and memory."""
    yield from ("", "## Build, cutoffs, memory", "")
    yield "| what | customers | seconds | CPU s | MB | runs |"
    yield "|---|" + "---:|" * 5
    for lap, says in _OTHERS.items():
        what = says.format(*measured.buckets)
        yield f"| {' | '.join([what, *_figures(measured, lap, ()), str(measured.figures[lap].runs)])} |"


def _requests(measured: Measured) -> Iterator[str]:
    """One request, and the first call."""
    whole = len(whole_catalogue())
    rows = {
        "request": f"{len(FEATURES)} features of one customer's {N_EVENTS} purchases",
        "request_whole": f"all {whole} of the catalogue, of {N_EVENTS} events of {len(EVENTS)} tables",
        "ordering": f"bringing the {N_EVENTS} purchases in order before",
    }
    yield from ("", "## One request", "", "| what | µs | CPU µs |", "|---|---:|---:|")
    for lap, says in rows.items():
        waited = measured.figures[lap].seconds / CALLS * 1e6
        yield f"| {says} | {waited:,.0f} | {measured.microseconds(lap):,.0f} |"
    yield ""
    yield (
        "The first features of a process, of the store and of a request with every table, take "
        f"{measured.first_call['compiled']:.1f} s where nothing is compiled yet, and "
        f"{measured.first_call['loaded']:.1f} s where the compiled code lies on the disk."
    )


def _goals(measured: Measured) -> Iterator[str]:
    """Say which goals are met."""
    yield from ("", "## Goals", "")
    for says, lap, other, most in _AT_MOST:
        found = measured.ratio(lap, other)
        yield _verdict(says, found, met=found is not None and found <= most)
    for says, lap, least in _FASTER:
        found = measured.ratio(lap, "features")
        yield _verdict(says, found, met=found is not None and found >= least)
    many, few = (measured.figures[lap].megabytes for lap in ("many_buckets", "few"))
    growth = many / max(few, 1)
    yield _verdict(
        "memory does not grow with the customers (at most 1.5 × for ten times as many)",
        growth,
        met=growth <= _FLAT,
    )
    for lap, says in (("request", f"{len(FEATURES)} features"), ("request_whole", "the whole catalogue")):
        found = measured.microseconds(lap)
        goal = f"{says} of a request of {N_EVENTS} events in less than {_MICROSECONDS} µs of CPU"
        yield _verdict(goal, found, met=found < _MICROSECONDS, unit="µs")
    compiled = measured.first_call["compiled"]
    yield _verdict(
        f"the first call takes at most {_COMPILING} s", compiled, met=compiled <= _COMPILING, unit="s"
    )


def _verdict(says: str, found: float | None, *, met: bool, unit: str = "×") -> str:
    """One goal in plain words."""
    if found is None:
        return f"- not measured (not installed): {says}"
    return f"- {'met' if met else '**missed**'}: {says}: {found:,.{0 if unit == 'µs' else 2}f} {unit}"


def _notes(measured: Measured) -> Iterator[str]:
    """Say how far the implementations agree, and what was done how."""
    yield from ("", "## Notes", "")
    if measured.agreements:
        cells = sum(agreement.cells for agreement in measured.agreements.values())
        largest = max(agreement.largest for agreement in measured.agreements.values())
        who = ", ".join(sorted(measured.agreements))
        yield (
            f"- {cells:,} cells of {who} were compared with ours, and all agree "
            f"(largest difference {largest:.0e}; more than {TOLERANCE:.0e} would have failed the run)."
        )
    yield _CAVEATS
