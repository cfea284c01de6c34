"""What goes wrong with a database is said by name, without secrets, as temporary or permanent."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from support.records import NOW
from triagedesk.errors import SettingsError, StoreBusy, StoreError
from triagedesk.store import Store
from triagedesk.store.engine import LOCK_TIMEOUT, open_engine

if TYPE_CHECKING:
    from support.postgres import PostgresServer

SECRET = "s3cr3t-Passw0rd"


def start_a_run(store: Store, run_id: str = "run-1") -> None:
    with store.begin_alone() as transaction:
        transaction.start_run(run_id, NOW)


@contextmanager
def without_root() -> Iterator[None]:
    """Be nobody for a while, since folder permissions mean nothing to root."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)


def fill_the_disk(store: Store) -> None:
    """What a database says on a full disk."""
    raised = ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$",)
    too_much = ("PRAGMA max_page_count = 1", "CREATE TABLE more AS SELECT zeroblob(1000000)")
    with store.begin() as transaction:
        for statement in too_much if store.origin.startswith("sqlite") else raised:
            transaction.connection.exec_driver_sql(statement)


def test_a_full_disk_is_said_as_such_and_tried_again(store: Store) -> None:
    with pytest.raises(StoreBusy, match=r"^the disk of the database .* is full$") as caught:
        fill_the_disk(store)
    assert caught.value.hint == "make room; what was under way is taken up again"


# SQLite


def test_a_locked_sqlite_file_is_busy_within_the_lock_timeout(tmp_path: Path) -> None:
    path = tmp_path / "desk.db"
    with closing(Store.open(f"sqlite:///{path}", lock_timeout=0.3)) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            with pytest.raises(StoreBusy) as caught:
                start_a_run(store)
            waited = time.monotonic() - began
            assert "desk.db" in caught.value.message
            assert "locked" in caught.value.message
            assert caught.value.temporary
            assert 0.2 < waited < LOCK_TIMEOUT
            with pytest.raises(StoreBusy, match=r"desk\.db"):
                Store.open(f"sqlite:///{path}", lock_timeout=0.1)
        start_a_run(store)


def test_a_writer_waits_for_another_that_is_quick(tmp_path: Path) -> None:
    path = tmp_path / "desk.db"
    with closing(Store.open(f"sqlite:///{path}")) as store:
        other = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.3, other.close)
        timer.start()
        start_a_run(store)
        timer.join()
        with store.read() as transaction:
            assert transaction.has_run("run-1")


@pytest.mark.parametrize(
    "content", [b"This is a letter, not a database.\n" * 100, b"PK\x03\x04" * 99]
)
def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "letter.txt"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"letter\.txt is not a database"):
        Store.open(f"sqlite:///{path}")
    assert path.read_bytes() == content


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open database file"):
        Store.open(f"sqlite:///{tmp_path}")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=r"cannot make the folder .*file/below: Not a directory"):
        Store.open(f"sqlite:///{tmp_path / 'file' / 'below' / 'desk.db'}")


def test_a_folder_nobody_may_write_to_is_named() -> None:
    with without_root(), pytest.raises(StoreError, match=r"cannot make the folder /.*: "):
        Store.open("sqlite:////triagedesk-may-not-write-here/desk.db")


@pytest.mark.parametrize("with_file", [True, False])
def test_a_file_nobody_may_write_to_is_named(*, with_file: bool) -> None:
    # Outside of pytest's folder, which only its owner may enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if with_file:
            Store.open(f"sqlite:///{folder / 'desk.db'}").close()
            (folder / "desk.db").chmod(0o444)
        folder.chmod(0o555)
        try:
            with without_root(), pytest.raises(StoreError, match=r"desk\.db failed: .*database"):
                start_a_run(Store.open(f"sqlite:///{folder / 'desk.db'}"))
        finally:
            folder.chmod(0o755)


# addresses


@pytest.mark.parametrize(
    "url",
    [
        "",
        "desk.db",
        "/var/lib/desk.db",
        f"mysql://desk:{SECRET}@db.example.com/desk",
        f"mssql+pyodbc://desk:{SECRET}@db.example.com/desk",
        f"postgresql+psycopg2://desk:{SECRET}@db.example.com/desk",
        f"postgresql+asyncpg://desk:{SECRET}@db.example.com/desk",
        "sqlite+aiosqlite:///desk.db",
        f"postgresql+psycopg://desk:{SECRET}@db.example.com:port/desk",
        f"postgresql+psycopg://desk:{SECRET}@/desk?nonsense=1",
        "http://example.com",
    ],
)
def test_an_address_of_no_known_database_is_a_setting_to_mend(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Store.open(url)
    assert "DATABASE_URL" in str(caught.value)
    assert SECRET not in str(caught.value)


# PostgreSQL


def test_a_postgresql_that_is_away_is_busy_and_tells_no_password() -> None:
    with pytest.raises(StoreBusy) as caught:
        Store.open(f"postgresql+psycopg://desk:{SECRET}@127.0.0.1:1/desk")
    assert "127.0.0.1:1/desk" in str(caught.value)
    assert SECRET not in f"{caught.value} {caught.value.hint}"


def test_a_database_that_does_not_exist_is_not_worth_trying_again(
    postgres_server: PostgresServer,
) -> None:
    with pytest.raises(StoreError, match='"nowhere" does not exist') as caught:
        Store.open(postgres_server.url("nowhere"))
    assert not caught.value.temporary
    assert caught.value.hint == "check DATABASE_URL"


def test_a_server_that_has_no_room_now_is_worth_trying_again(
    postgres_server: PostgresServer,
) -> None:
    with postgres_server.database() as url:
        with postgres_server.connect() as connection:
            name = sql.Identifier(make_url(url).database or "")
            connection.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 0").format(name))
            connection.execute("CREATE ROLE visitor LOGIN")
        try:
            with pytest.raises(StoreBusy, match="too many connections"):
                Store.open(url.replace("test@", "visitor@"))
        finally:
            with postgres_server.connect() as connection:
                connection.execute("DROP ROLE visitor")


def kill_others(server: PostgresServer) -> None:
    with server.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname LIKE 'test_%' AND pid <> pg_backend_pid()"
        )


def test_a_connection_lost_in_a_transaction_is_busy_and_the_next_one_works(
    postgres_server: PostgresServer,
) -> None:
    with postgres_server.database() as url, closing(Store.open(url)) as store:

        def lose_it() -> None:
            with store.begin() as transaction:
                transaction.start_run("run-1", NOW)
                kill_others(postgres_server)
                transaction.start_run("run-2", NOW)

        with pytest.raises(StoreBusy):
            lose_it()
        start_a_run(store, "run-3")
        with store.read() as transaction:
            assert [transaction.has_run(f"run-{n}") for n in (1, 2, 3)] == [False, False, True]


def test_a_connection_lost_between_transactions_is_not_noticed(
    postgres_server: PostgresServer,
) -> None:
    with postgres_server.database() as url, closing(Store.open(url)) as store:
        kill_others(postgres_server)
        start_a_run(store)


def test_a_postgresql_lock_is_waited_for_no_longer_than_the_lock_timeout(
    postgres_server: PostgresServer,
) -> None:
    with (
        postgres_server.database() as url,
        closing(Store.open(url)) as first,
        closing(Store.open(url, lock_timeout=0.3)) as second,
    ):
        with first.begin_alone():
            began = time.monotonic()
            with pytest.raises(StoreBusy, match="lock timeout"):
                start_a_run(second)
            assert 0.2 < time.monotonic() - began < LOCK_TIMEOUT
        start_a_run(second)


def test_a_deadlock_is_worth_trying_again(postgres_server: PostgresServer) -> None:
    with postgres_server.database() as url, closing(Store.open(url)) as store:
        with store.begin() as transaction:
            for name in ("a", "b"):
                transaction.take_lease(name, "me", NOW)
        together = threading.Barrier(2)
        ends: list[str] = []

        def extend(*names: str) -> None:
            try:
                with store.begin() as transaction:
                    transaction.extend_lease(names[0], "me", NOW)
                    together.wait(60)
                    transaction.extend_lease(names[1], "me", NOW)
                ends.append("done")
            except StoreBusy as error:
                ends.append(error.message)

        threads = [threading.Thread(target=extend, args=names) for names in ("ab", "ba")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    said, done = sorted(ends, key=len, reverse=True)
    assert "deadlock detected" in said
    assert done == "done"


def test_an_origin_names_no_password() -> None:
    engine = open_engine(f"postgresql://desk:{SECRET}@db/desk")
    assert Store(engine).origin == "postgresql://desk:***@db/desk"
