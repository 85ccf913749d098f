"""A journal of lines of JSON that outlives the process: what was found is not lost when a run is killed."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from features.storing.publication import sole_writer

Record = Mapping[str, Any]


class Journal:
    """Records of one search, oldest first; in memory alone where there is no file.

    Attributes
    ----------
    records : tuple of mapping
        What was written before, perhaps by a process that was killed.
    """

    def __init__(self, records: tuple[Record, ...], stream: BinaryIO | None) -> None:
        self.records = records
        self._stream = stream

    def write(self, record: Record) -> None:
        """Write a record so that it survives whatever comes next."""
        if self._stream is not None:
            self._stream.write(_line(record))
            self._stream.flush()
            os.fsync(self._stream.fileno())


@contextmanager
def opened(folder: Path | None, name: str, subject: Record) -> Iterator[Journal]:
    """Open the journal of a subject and go on where it ends.

    Parameters
    ----------
    folder : Path or None
        None: nothing is kept.
    name : str
        The file is ``<name>.jsonl``.
    subject : mapping
        What the records are about: its first line.  A journal of anything else is started anew.

    Raises
    ------
    UserError
        Another run is writing in the folder, or it cannot be written.
    """
    if folder is None:
        yield Journal((), None)
        return
    with sole_writer(folder), _file(folder / f"{name}.jsonl") as stream:
        lines, whole = _read(stream)
        if not lines or lines[0] != json.loads(_line(subject)):
            lines, whole = [], 0
        stream.seek(whole)
        stream.truncate()
        journal = Journal(tuple(lines[1:]), stream)
        if not lines:
            journal.write(subject)
        yield journal


def _file(path: Path) -> BinaryIO:
    """Open for reading and writing, made where it is not there."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")


def _read(stream: BinaryIO) -> tuple[list[Any], int]:
    """Whole records from the start, and where they end: a killed process leaves half a line."""
    records: list[Any] = []
    whole = 0
    for line in stream:
        try:
            record = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            record = None
        if not isinstance(record, dict):
            break
        records.append(record)
        whole += len(line)
    return records, whole


def _line(record: Record) -> bytes:
    return json.dumps(record).encode() + b"\n"
