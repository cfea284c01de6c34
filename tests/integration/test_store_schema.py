"""The store's contract about its schema: making it, opening it, copying it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Table, inspect, select, text
from sqlalchemy.engine import Connection

from support.records import (
    NOW,
    SOURCE,
    a_report,
    a_ticket,
    an_agent,
    decide,
    give,
    loads,
    on_duty,
    receive,
)
from support.store_processes import open_store
from triagedesk.errors import StoreError
from triagedesk.store import Store
from triagedesk.store.engine import open_engine
from triagedesk.store.tables import Utc, metadata


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'new' / 'folder' / 'desk.db'}"
        return
    with request.getfixturevalue("postgres_server").empty_database() as url:
        yield url


def alembic(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("triagedesk.store") / "migrations"))
    config.attributes["connection"] = connection
    return config


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True}
    )
    return list(compare_metadata(context, metadata))


def test_the_migrations_make_the_tables_the_queries_know(empty_url: str) -> None:
    with closing(Store.open(empty_url)) as store, store.begin() as transaction:
        assert differences(transaction.connection) == []
        names = set(inspect(transaction.connection).get_table_names())
    assert names == {*metadata.tables, "alembic_version"}


def test_the_migrations_go_down_and_up_again(empty_url: str) -> None:
    with closing(Store.open(empty_url)) as store, store.begin() as transaction:
        connection = transaction.connection
        command.downgrade(alembic(connection), "base")
        assert set(inspect(connection).get_table_names()) == {"alembic_version"}
        command.upgrade(alembic(connection), "head")
        assert differences(connection) == []


def test_opening_twice_keeps_everything(empty_url: str) -> None:
    with closing(Store.open(empty_url)) as first:
        receive(first, [a_ticket()])
        with closing(Store.open(empty_url)) as second, second.read() as transaction:
            assert len(transaction.undecided("run-1")) == 1


@pytest.mark.timeout(300)
def test_four_processes_may_open_a_new_database_at_once(empty_url: str) -> None:
    context = get_context("forkserver")
    # Imported once; the processes fork from there.
    context.set_forkserver_preload(["support.store_processes"])
    workers = [context.Process(target=open_store, args=(empty_url,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(240)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    with closing(Store.open(empty_url)) as store, store.begin() as transaction:
        assert differences(transaction.connection) == []


def test_many_threads_may_open_a_new_database_at_once(empty_url: str) -> None:
    # Closer together than processes ever are: all meet at the switch to WAL.
    errors: list[BaseException] = []
    together = threading.Barrier(6)

    def open_it() -> None:
        together.wait()
        try:
            Store.open(empty_url).close()
        except BaseException as error:  # noqa: BLE001 - shown below
            errors.append(error)

    Store.open("sqlite://").close()  # imports are not what this is about
    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_database_of_a_newer_version_is_refused_and_kept(empty_url: str) -> None:
    with closing(Store.open(empty_url)) as store, store.begin() as transaction:
        transaction.connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="made by a newer version of Triagedesk"):
        Store.open(empty_url)
    engine = open_engine(empty_url)
    with engine.connect() as connection:
        found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    engine.dispose()
    assert found == "9999"


def test_sqlite_keeps_what_was_committed_even_when_the_power_fails(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    with closing(Store.open(url)) as store, store.read() as transaction:
        settings = [
            transaction.connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert settings == ["wal", 2, 1]


def test_reading_waits_for_no_writer(store: Store) -> None:
    receive(store, [a_ticket("1")])
    with store.begin() as writing:
        writing.receive("run-1", SOURCE, [a_ticket("2")], (), NOW)
        with store.read() as reading:
            assert len(reading.undecided("run-1")) == 1


# copying


def fill(store: Store) -> None:
    """Some work, and at least one row in each table."""
    on_duty(store, an_agent("ann"), an_agent("bob", load=3))
    receive(store, [a_ticket(str(number), f"Ticket {number} 🙂") for number in range(1500)])
    keys = decide(store)
    give(store, {keys["1"]: "ann", keys["2"]: None})
    with store.begin() as transaction:
        transaction.add_report(a_report(recipients=("a@example.com",)), b"PK\x03\x04")
        for table in metadata.sorted_tables:
            if transaction.connection.execute(select(table).limit(1)).first() is None:
                row = made_up_row(transaction.connection, table)
                transaction.connection.execute(table.insert(), row)


def made_up_row(connection: Connection, table: Table) -> dict[str, Any]:
    """Something in each column that must have something."""
    row: dict[str, Any] = {}
    by_type = {str: "x", int: 1, bool: True, float: 0.5, object: {"a": [1]}}
    for column in table.columns:
        if column.foreign_keys:
            elsewhere = next(iter(column.foreign_keys)).column
            row[column.name] = connection.scalar(select(elsewhere).limit(1))
        elif not column.nullable and column is not table.autoincrement_column:
            at = isinstance(column.type, Utc)
            row[column.name] = NOW if at else by_type[column.type.python_type]
    return row


def rows_of(store: Store) -> dict[str, list[Any]]:
    with store.read() as transaction:
        return {
            table.name: [
                {**row, **({"content": b""} if "content" in row else {})}
                for row in transaction.connection.execute(
                    select(table).order_by(*table.primary_key.columns)
                ).mappings()
            ]
            for table in metadata.sorted_tables
        }


def check_copy(store: Store, copy: Store) -> None:
    fill(store)
    before = rows_of(store)
    assert [name for name, rows in before.items() if not rows] == []
    store.copy_into(copy)
    assert rows_of(copy) == before
    with copy.read() as transaction:
        assert transaction.report_content("run-1") == b""
    # The copy is a store to work with, and the original knows nothing of that.
    receive(copy, [a_ticket("new")], run_id="run-2")
    give(copy, dict.fromkeys(decide(copy, "run-2").values(), "bob"), "run-2")
    with copy.begin() as transaction:
        transaction.audit("x", "y", actor="cli", at=NOW)
    assert loads(copy) == {"ann": 1, "bob": 4}
    assert rows_of(store) == before


def test_a_desk_at_work_keeps_every_row_when_its_tables_are_made_anew(store: Store) -> None:
    receive(store, [a_ticket(str(number)) for number in range(20)])
    on_duty(store, an_agent("ann"))
    keys = decide(store)
    give(store, {keys["1"]: "ann", keys["2"]: None})
    before = rows_of(store)
    with store.begin() as transaction:
        command.downgrade(alembic(transaction.connection), "0009")
        command.upgrade(alembic(transaction.connection), "head")
        assert differences(transaction.connection) == []
    assert rows_of(store) == before
    receive(store, [a_ticket("new")], run_id="run-2")
    assert decide(store, "run-2")["new"] > max(keys.values())


def test_a_copy_in_memory_has_equal_rows(store: Store) -> None:
    with closing(Store.open("sqlite://")) as copy:
        check_copy(store, copy)


def test_a_copy_in_the_same_kind_of_database_has_equal_rows(store: Store, empty_url: str) -> None:
    with closing(Store.open(empty_url)) as copy:
        check_copy(store, copy)
