"""Runs of `holdfast score` that can be killed, as by ``kill -9``: a program that starts each by forking.

It has imported and compiled everything before, so a run starts at once and is killed at work.  It reads one
JSON object a line, ``{"words": …, "inside": …, "moment": …}``: what to score, and before which change below
which folder to die (0: never).  It answers in lines: ``pid``, ``begins``, ``change`` for each change,
``done`` with the exit code, and ``over`` with the status of the process.
"""

import json
import os
import signal
import sys
from pathlib import Path

import mlflow.pyfunc
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
import numpy as np

from features import kernel
from features.events import Bucket, arrange
from features.tables import PURCHASES
from features.transactions import TRANSACTION_FEATURES
from serving import batch, cli, verbs, warehouse  # noqa: F401

DECISIVE = ("os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.mkdir", "shutil.rmtree")
"""Audit events that change which names there are, beside a file that is opened to be written.

Between two of them a reader could see a half."""

OUT = os.dup(1)


def say(**what: object) -> None:
    """Write one line; short ones are never torn."""
    os.write(OUT, (json.dumps(what) + "\n").encode())


def compile_walks() -> None:
    """Let numba load what it has compiled."""
    row = {"purchased_at": [0], "amount": [1], "quantity": [1.0], "channel": ["web"]}
    found = arrange(PURCHASES, 1, np.zeros(1, np.int64), row)
    for array in (found.at, *found.columns.values()):
        array.flags.writeable = False  # as what is read from a file
    kernel.compute(TRANSACTION_FEATURES, Bucket(["one"], {"purchases": found}), np.array([1]))


def score(words: list[str], inside: str, moment: int) -> None:
    """Score, and die before the given change."""
    changes = 0

    def watch(event: str, args: tuple[object, ...]) -> None:
        nonlocal changes
        writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
        if (writes or event in DECISIVE) and any(inside in str(arg) for arg in args[:2]):
            changes += 1
            if changes == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            say(change=event)

    unfinished = batch._unfinished

    def begins(folder: Path) -> object:
        say(begins=True)
        sys.addaudithook(watch)
        return unfinished(folder)

    batch._unfinished = begins
    say(done=cli.main(["score", *words]))


def serve() -> None:
    """Fork a run for each line."""
    compile_walks()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    ended = 0
    for line in sys.stdin:
        if ended:
            os.waitpid(ended, 0)
        pid = os.fork()
        if not pid:
            score(**json.loads(line))
            os._exit(0)
        say(pid=pid)
        # Not yet reaped, so that the number stays this run's: a kill that comes late hits nobody else.
        end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        say(over=-end.si_status if end.si_code == os.CLD_KILLED else end.si_status)
        ended = pid


if __name__ == "__main__":
    serve()
