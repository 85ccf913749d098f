"""Publication: a folder of files appears whole or not at all.

A build writes into a folder that no reader looks at, makes sure that the disk has it, moves it among the
snapshots and only then points ``CURRENT`` at it.
Whatever moment it is killed at, ``CURRENT`` names a whole snapshot.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from features.errors import UserError

POINTER = "CURRENT"
"""The file that names the snapshot that readers see."""

UNFINISHED = "unfinished"
"""The folder of a build that is under way, or was killed."""


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Let one run at a time write below a folder.

    The lock belongs to the process, so a killed one leaves none behind.

    Raises
    ------
    UserError
        Another run is writing there, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "LOCK", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written: {error.strerror}. Choose another [workspace] path."
        ) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"Another run is writing to {folder}. Wait until it is done.") from None
        yield
    finally:
        os.close(lock)


@contextmanager
def unfinished(folder: Path) -> Iterator[Path]:
    """Give a build an empty folder to write into, and remove it afterwards.

    What a killed build left behind is removed first.
    """
    remove_leftovers(folder)
    path = folder / UNFINISHED
    path.mkdir(mode=0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed build left: its folder, and a snapshot that was never pointed at."""
    current = current_name(folder)
    shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
    (folder / f"{POINTER}.new").unlink(missing_ok=True)
    for snapshot in _snapshots(folder):
        if current is None or snapshot.name > current:
            shutil.rmtree(snapshot)


def publish(folder: Path, built: Path) -> Path:
    """Make a finished folder the current snapshot and remove all but the previous one.

    Parameters
    ----------
    folder : Path
        The store.
    built : Path
        The finished folder, on the same file system.

    Returns
    -------
    Path
        The new snapshot.
    """
    previous = current_name(folder)
    snapshot = folder / "snapshots" / f"{int(previous or 0) + 1:06d}"
    snapshot.parent.mkdir(exist_ok=True)
    flush(built)
    built.rename(snapshot)
    flush_names(snapshot.parent)
    pointer = folder / f"{POINTER}.new"
    with pointer.open("w", encoding="utf-8") as stream:
        stream.write(snapshot.name + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    pointer.replace(folder / POINTER)
    flush_names(folder)
    for other in _snapshots(folder):
        if other.name not in {previous, snapshot.name}:
            shutil.rmtree(other)
    return snapshot


def current_name(folder: Path) -> str | None:
    """Name of the snapshot that readers see, None before the first build."""
    try:
        return (folder / POINTER).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def fingerprint(folder: Path) -> str:
    """SHA-256 over the names and hashes of all Parquet files below a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*.parquet")):
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(f"{path.relative_to(folder).as_posix()} {digest}\n".encode())
    return total.hexdigest()


def flush(folder: Path) -> None:
    """Make sure that the disk has every file and folder below a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            flush_names(path)
        else:
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
    flush_names(folder)


def flush_names(folder: Path) -> None:
    """Make sure that the disk has the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _snapshots(folder: Path) -> list[Path]:
    """All snapshots of a store, the oldest first."""
    return sorted(path for path in (folder / "snapshots").glob("*") if path.is_dir())
