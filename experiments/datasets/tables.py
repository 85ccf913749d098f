"""Tables of a data set: derived from the published files, and written with its ``business.toml``."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.folders import appearing, write_business
from features.errors import UserError


@dataclass(frozen=True)
class Loaded:
    """What was written for a public data set.

    Attributes
    ----------
    business : Path
        The ``business.toml``.
    tables : mapping of str to int
        Rows of every table.
    customers : int
        Customers in the tables.
    rows, published_rows : int
        Rows of the main file, and of that file as published; a file with fewer is a part of it.
    """

    business: Path
    tables: dict[str, int]
    customers: int
    rows: int
    published_rows: int


@dataclass(frozen=True)
class Target:
    """Where a data set is written to.

    Attributes
    ----------
    folder : Path
    business : str
        Name of the ``business.toml`` beside the modules, without its ending.
    read : collection of Path
        The files that were read: none of them is ever written over.
    """

    folder: Path
    business: str
    read: Collection[Path]

    def write(self, tables: Mapping[str, pa.Table], rows: int, published_rows: int) -> Loaded:
        """Write the tables, each under its name, and then what they mean.

        Raises
        ------
        UserError
            A table would be written over a file that it was made from.
        """
        files = {name: self.folder / f"{name}.parquet" for name in tables}
        for file in files.values():
            if file.exists() and any(file.samefile(read) for read in self.read):
                raise UserError(
                    "The data set would be written over its own source. Name another folder to write to."
                )
        for name, table in tables.items():
            with appearing(files[name]) as partial:
                pq.write_table(table, partial, compression="zstd")
        text = Path(__file__).with_name(f"{self.business}.toml").read_text(encoding="utf-8")
        written = write_business(self.folder, text.removeprefix("# "))
        ids = derive(
            " UNION ".join(
                f"SELECT DISTINCT {table.column_names[0]} AS id FROM {name}" for name, table in tables.items()
            ),
            **tables,
        )
        return Loaded(
            written, {name: len(table) for name, table in tables.items()}, len(ids), rows, published_rows
        )


def derive(sql: str, **tables: pa.Table) -> pa.Table:
    """Answer a query about tables; what a query says does not depend on the folder or the machine.

    Examples
    --------
    >>> derive("SELECT max(n) AS most FROM numbers", numbers=pa.table({"n": [1, 3, 2]})).to_pylist()
    [{'most': 3}]
    """
    with duckdb.connect(config={"enable_external_access": "false"}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")  # it would be drawn over --json
        for name, table in tables.items():
            connection.register(name, table)
        return connection.sql(sql).to_arrow_table()
