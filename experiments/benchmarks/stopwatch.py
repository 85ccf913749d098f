"""Stopwatch: how long a piece of work takes, each in a process of its own.

A process does its work several times, and processes of different work take turns; the least of all runs
counts, since whatever else the machine does only adds.
"""

import gc
import multiprocessing
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

Work = Callable[[], object]
"""What is measured."""

Preparation = Callable[[Path], Work]
"""Makes the work ready for the folder of a business; that is not measured."""


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
class Lap:
    """One piece of work: how it is prepared, and how often it is done in one process."""

    prepare: Preparation
    repeats: int = 1
    in_command: bool = False
    """Whether the work is a command of its own."""


def take_turns(laps: Mapping[str, Lap], folder: Path, rounds: int) -> dict[str, Figures]:
    """Measure every lap in turn, and that for some rounds."""
    found: dict[str, Figures] = {}
    for _ in range(rounds):
        for name, lap in laps.items():
            figures = alone(lap, folder)
            found[name] = found[name].least(figures) if name in found else figures
    return found


def alone(lap: Lap, folder: Path) -> Figures:
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
        figures: Figures = hears.recv()
    except EOFError:
        raise RuntimeError("a measured process ended without an answer") from None
    finally:
        process.join()
    return figures


def _run(lap: Lap, folder: Path, says: Connection) -> None:
    """Prepare, do the work some times, and report."""
    says.send(here(lap, folder))


def here(lap: Lap, folder: Path) -> Figures:
    """Measure one lap in this process."""
    work = lap.prepare(folder)
    gc.collect()
    before = _start_peak()
    times = [_time(work) for _ in range(lap.repeats)]
    megabytes = _peak() - before
    if lap.in_command:
        megabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    seconds, cpu_seconds = (min(kind) for kind in zip(*times, strict=True))
    return Figures(seconds, cpu_seconds, megabytes, lap.repeats)


def _time(work: Work) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    gc.collect()
    cpu, clock = _cpu_seconds(), time.perf_counter()
    work()
    return time.perf_counter() - clock, _cpu_seconds() - cpu


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
