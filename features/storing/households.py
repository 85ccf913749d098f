"""Households: everything of one household lies in one bucket, over all time.

A customer is divided from others by a hash of a key: their own id, or, in a household of several, one that
all of its members share.  Customers who move tie the households they have lived in together.
"""

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.errors import DataError
from features.intake.feeds import Staged
from features.intake.slices import REFUSED, SLICE, divide, offer
from features.naming import name
from features.storing.job import rows_of

MOST_MEMBERS, MOST_TIED = 1_000, 100_000
"""Most customers of one household, and of several that moves tie together: one bucket holds all of them."""

KEYS = name("household keys")
"""The table of the customers whose key is not their own id: customer_id and key."""


def slice_of(customer: str, n_slices: int, *, keyed: bool) -> str:
    """SQL of a customer's slice; where customers have keys, the key is a column ``key`` beside it.

    Parameters
    ----------
    customer : str
        SQL of the customer's id.
    n_slices : int
        A power of two.
    keyed : bool
        Whether `keyed_rows` has put the keys beside the rows.
    """
    if n_slices == 1:
        return "0"
    key = f"coalesce(_key, {customer})" if keyed else customer
    # A tenth of the build's time is saved beside md5; another version of DuckDB may divide otherwise.
    return f"CAST(hash({key}) & {n_slices - 1} AS INTEGER)"


def keyed_rows(rows: str, customer: str) -> str:
    """SQL of rows with the key of their customer beside them, null where it is the customer's own id."""
    return (
        f"SELECT r.*, k._key FROM ({rows}) AS r "
        f"LEFT JOIN (SELECT customer_id AS _member, key AS _key FROM {KEYS}) AS k ON k._member = {customer}"
    )


def find_keys(connection: duckdb.DuckDBPyConnection, customers: Staged) -> bool:
    """Find the customers whose key is not their own id, and say whether there are any.

    The key of a household, or of several that are tied together, is the least id of all customers in it, so
    it depends on no order.

    Raises
    ------
    DataError
        More customers share one household than can live together.
    """
    connection.execute(
        "CREATE TEMP TABLE _members AS SELECT DISTINCT customer_id, household_id AS household "
        f"FROM ({customers.kept()}) WHERE household_id IS NOT NULL"
    )
    _refuse_crowds(connection)
    _tie(connection)
    connection.execute(
        f"CREATE TEMP TABLE {KEYS} AS SELECT DISTINCT customer_id, key FROM ("
        "SELECT customer_id, min(customer_id) OVER (PARTITION BY coalesce(t.tied, m.household)) AS key "
        "FROM _members AS m LEFT JOIN _tied AS t USING (household)) WHERE key <> customer_id"
    )
    _refuse_tangles(connection)
    connection.execute("DROP TABLE _members; DROP TABLE _tied")
    return _count(connection, f"FROM {KEYS}") > 0


def divide_again(connection: duckdb.DuckDBPyConnection, customers: Staged, n_slices: int) -> None:
    """Divide the rows of customers, which were divided by their own ids, by their keys."""
    folder = customers.folder.with_name("customers by household")
    folder.mkdir()
    divided = f"CASE WHEN _reason IS NULL THEN {slice_of('customer_id', n_slices, keyed=True)} "
    divided += f"ELSE {REFUSED} END AS {SLICE}"
    for feed in customers.feeds:
        rows = keyed_rows(customers.rows_of(feed), "customer_id")
        sql = f"SELECT * EXCLUDE (_key), {divided} FROM ({rows})"
        divide(connection, sql, folder, str(feed.number), n_slices)
    customers.folder = folder
    for feed in customers.feeds:
        offer(connection, folder, str(feed.number), customers.relation(feed))


def _refuse_crowds(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse a household that is rather a word for not knowing."""
    crowds = _count(
        connection, f"FROM (SELECT 1 FROM _members GROUP BY household HAVING count(*) > {MOST_MEMBERS})"
    )
    if crowds:
        raise DataError(
            f"customers: {crowds} values of household_id are shared by more than {MOST_MEMBERS} customers "
            "each. Expected the few who live together; leave household_id empty where it is not known."
        )


def _refuse_tangles(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse households that so many moves tie together that they would not fit into a bucket."""
    most = _count(
        connection,
        "FROM (SELECT count(DISTINCT customer_id) AS n FROM _members JOIN _tied USING (household) "
        "GROUP BY tied)",
        "coalesce(max(n), 0)",
    )
    if most > MOST_TIED:
        raise DataError(
            f"customers: moves from one household_id to another tie {most} customers together, more than the "
            f"{MOST_TIED} that are looked at together. Expected that few move. Map the newest household "
            "only, without valid_from, or leave household_id out."
        )


def _tie(connection: duckdb.DuckDBPyConnection) -> None:
    """Find households that customers who moved tie together: a table of household and tied.

    Only the households of such customers are looked at.
    """
    pairs = rows_of(
        connection,
        "SELECT min(household) OVER (PARTITION BY customer_id) AS first, household AS other FROM _members "
        "QUALIFY count(*) OVER (PARTITION BY customer_id) > 1",
    )
    words, first, other = _numbered(pairs)
    tied = _components(first, other, len(words))
    rows = pa.table({"household": words, "tied": words.take(pa.array(tied))})
    connection.register("tied rows", rows)
    connection.execute('CREATE TEMP TABLE _tied AS SELECT * FROM "tied rows"')
    connection.unregister("tied rows")


def _numbered(pairs: pa.Table) -> tuple[pa.Array, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the words of two columns, sorted, and each column as positions among them."""
    both = pa.concat_arrays([column.combine_chunks() for column in pairs.columns])
    words = both.unique().sort()
    found = pa.compute.index_in(both, words).to_numpy().astype(np.int64)
    return words, found[: len(pairs)], found[len(pairs) :]


def _components(first: npt.NDArray[np.int64], other: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
    """Return for each of n nodes the least node that pairs connect it with.

    Examples
    --------
    >>> _components(np.array([1, 1, 4]), np.array([1, 3, 3]), 5).tolist()
    [0, 1, 2, 1, 1]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(first), np.bool_), (first, other)), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    least = np.full(n, n, np.int64)
    np.minimum.at(least, label, np.arange(n))
    found: npt.NDArray[np.int64] = least[label]
    return found


def _count(connection: duckdb.DuckDBPyConnection, rows: str, what: str = "count(*)") -> int:
    """Count rows, or something else of them."""
    row = connection.execute(f"SELECT {what} {rows}").fetchone()
    return int(row[0]) if row else 0
