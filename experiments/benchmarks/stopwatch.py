"""Stopwatch: how long a piece of work takes, each in a process of its own.

A process does its work several times, and processes of different work take turns.  The least of all runs
says what the work costs, since whatever else the machine does only adds; the median says what to expect.
Nothing is imported that a foreign Python may lack.
"""

import gc
import multiprocessing
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

Work = Callable[[], object]
"""What is measured."""

Preparation = Callable[[Path], Work]
"""Makes the work ready for the folder of a business; that is not measured."""

Keeping = Callable[[object, Path], None]
"""Keeps what the work gave in the folder of a business; that is not measured either."""


@dataclass(frozen=True)
class Figures:
    """The least of several runs.

    Attributes
    ----------
    seconds, cpu_seconds : float
        By the clock, and of all cores (the system's and of child processes too).
    megabytes : float
        Peak memory above that before the first run; of a command of its own, all of it.
    runs : int
        How many there were.
    """

    seconds: float
    cpu_seconds: float
    megabytes: float
    runs: int

    def least(self, other: "Figures") -> "Figures":
        """Join with further runs."""
        return Figures(
            min(self.seconds, other.seconds),
            min(self.cpu_seconds, other.cpu_seconds),
            min(self.megabytes, other.megabytes),
            self.runs + other.runs,
        )


@dataclass(frozen=True)
class Runs:
    """Every run of some processes, in seconds and megabytes as in `Figures`; memory is that of a process."""

    seconds: tuple[float, ...]
    cpu_seconds: tuple[float, ...]
    megabytes: tuple[float, ...]

    def __add__(self, other: "Runs") -> "Runs":
        """Join with further runs."""
        return Runs(
            self.seconds + other.seconds,
            self.cpu_seconds + other.cpu_seconds,
            self.megabytes + other.megabytes,
        )

    def least(self) -> Figures:
        """Return the least of all runs."""
        return Figures(min(self.seconds), min(self.cpu_seconds), min(self.megabytes), len(self.seconds))

    def middle(self) -> Figures:
        """Return the medians."""
        return Figures(
            median(self.seconds), median(self.cpu_seconds), median(self.megabytes), len(self.seconds)
        )


@dataclass(frozen=True)
class Lap:
    """One piece of work: how it is prepared, how often it is done in one process, and what is kept of it."""

    prepare: Preparation
    repeats: int = 1
    in_command: bool = False
    """Whether the work is a command of its own."""
    keep: Keeping | None = None


def take_turns(laps: Mapping[str, Lap], folder: Path, rounds: int) -> dict[str, Figures]:
    """Measure every lap in turn, and that for some rounds."""
    found: dict[str, Figures] = {}
    for _ in range(rounds):
        for name, lap in laps.items():
            figures = alone(lap, folder)
            found[name] = found[name].least(figures) if name in found else figures
    return found


def alone(lap: Lap, folder: Path) -> Figures:
    """Measure one lap in a new process: the least of its runs.

    Raises
    ------
    RuntimeError
        The process ended without an answer; it has said why.
    """
    return runs_alone(lap, folder).least()


def runs_alone(lap: Lap, folder: Path) -> Runs:
    """Measure one lap in a new process.

    Raises
    ------
    RuntimeError
        The process ended without an answer; it has said why.
    """
    context = multiprocessing.get_context("spawn")
    hears, says = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(lap, folder, says))
    process.start()
    says.close()
    try:
        runs: Runs = hears.recv()
    except EOFError:
        raise RuntimeError("a measured process ended without an answer") from None
    finally:
        process.join()
    return runs


def _run(lap: Lap, folder: Path, says: Connection) -> None:
    """Prepare, do the work some times, and report."""
    says.send(runs_here(lap, folder))


def here(lap: Lap, folder: Path) -> Figures:
    """Measure one lap in this process: the least of its runs."""
    return runs_here(lap, folder).least()


def runs_here(lap: Lap, folder: Path) -> Runs:
    """Measure one lap in this process."""
    work = lap.prepare(folder)
    gc.collect()
    before = _start_peak()
    seconds, cpu_seconds, answer = [], [], None
    for _ in range(lap.repeats):
        answer = None  # the answer of one run is no burden of the next
        gc.collect()
        cpu, clock = _cpu_seconds(), time.perf_counter()
        answer = work()
        seconds.append(time.perf_counter() - clock)
        cpu_seconds.append(_cpu_seconds() - cpu)
    megabytes = _peak() - before
    if lap.in_command:
        megabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    if lap.keep is not None:
        lap.keep(answer, folder)
    return Runs(tuple(seconds), tuple(cpu_seconds), (megabytes,))


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _start_peak() -> float:
    """Forget the peak so far; what ``getrusage`` says begins with the parent's size."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _peak()


def _peak() -> float:
    """Megabytes of memory at the peak."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
