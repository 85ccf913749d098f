"""The job of one build: what all of its steps share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from features.business import Business
from features.turns import Material, Result, in_turn

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and how many there are."""

AT_ONCE = 2
"""How many buckets are at work at once."""


def rows_of(connection: duckdb.DuckDBPyConnection, sql: str) -> pa.Table:
    """Read the rows of a query, whatever is left to read of the one before."""
    connection.complete()
    return connection.sql(sql).to_arrow_table()


@dataclass(frozen=True)
class Job:
    """What the steps of one build share.

    Attributes
    ----------
    business : Business
    connection : DuckDBPyConnection
        A database that may read the sources and write below the folder.
    folder : Path
        The folder of this build, which is removed afterwards.
    progress : callable
    cores : int
        How many threads may work.
    now : int
        The instant of the build.
    """

    business: Business
    connection: duckdb.DuckDBPyConnection
    folder: Path
    progress: Progress
    cores: int
    now: int

    @property
    def staging(self) -> Path:
        """Where checked rows wait to be put in order."""
        return self.folder / "staging"

    @property
    def output(self) -> Path:
        """What becomes the snapshot."""
        return self.folder / "snapshot"

    def rows(self, sql: str) -> pa.Table:
        """Read the rows of a query."""
        return rows_of(self.connection, sql)

    def each(
        self,
        what: str,
        n_buckets: int,
        ready: Callable[[int], Material],
        work: Callable[[int, Material], Result],
    ) -> list[Result]:
        """Work on every bucket, on a few at once, while the next one is made ready in this thread.

        Parameters
        ----------
        what : str
            What progress is told.
        n_buckets : int
        ready : callable
            Called with the index of a bucket, one at a time: DuckDB's connection is not shared.
        work : callable
            Called with the index and what was made ready, in another thread.

        Returns
        -------
        list
            The results in the order of the buckets.
        """

        def materials() -> Iterator[tuple[int, Material]]:
            for index in range(n_buckets):
                self.progress(what, index, n_buckets)
                yield index, ready(index)

        results = list(in_turn(lambda each: work(*each), materials(), min(AT_ONCE, self.cores)))
        self.progress(what, n_buckets, n_buckets)
        return results
