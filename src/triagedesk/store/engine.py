"""Opening the database: SQLite with WAL and immediate transactions, or PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.pool import StaticPool

from triagedesk.errors import Problem, SettingsError, StoreBusy, StoreError

#: Seconds a writer waits for another one before it gives up.
LOCK_TIMEOUT = 30.0


def open_engine(url: str, *, lock_timeout: float = LOCK_TIMEOUT) -> Engine:
    """An engine for `url`.

    Raises SettingsError for a URL that names no database we know, StoreError for a folder that
    cannot be made.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _open_sqlite(parsed, lock_timeout)
        return create_engine(
            parsed, pool_pre_ping=True, connect_args={"connect_timeout": int(lock_timeout)}
        )
    except (ArgumentError, NoSuchModuleError):
        raise SettingsError(
            problems=[
                Problem(
                    where="DATABASE_URL",
                    what="is not a database address we know",
                    hint="sqlite:///FILE or postgresql://USER@HOST/NAME",
                )
            ]
        ) from None


def _open_sqlite(url: URL, lock_timeout: float) -> Engine:
    in_memory = url.database in (None, "", ":memory:")
    if not in_memory:
        folder = Path(str(url.database)).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make the folder {folder}: {error.strerror}") from error
    connect_args: dict[str, Any] = {"timeout": lock_timeout, "check_same_thread": False}
    if in_memory:
        engine = create_engine(url, connect_args=connect_args, poolclass=StaticPool)
    else:
        engine = create_engine(url, connect_args=connect_args)

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        # pysqlite's own BEGIN comes too late and is deferred: a read followed by a write could
        # then fail with "database is locked" although nobody holds the lock for long.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads_only = connection.get_execution_options().get("reads_only", False)
        connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")

    return engine


@contextmanager
def clear_errors(url: URL) -> Iterator[None]:
    """Turn what drivers raise into StoreBusy (try again later) or StoreError, without secrets."""
    name = url.render_as_string(hide_password=True)
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        reason = str(error.orig).strip().splitlines()[0] if error.orig else "no answer"
        if "locked" in reason or "connect" in reason.lower() or error.connection_invalidated:
            raise StoreBusy(
                f"the database {name} is busy or away: {reason}", hint="try again in a moment"
            ) from error
        raise StoreError(f"the database {name} failed: {reason}") from error
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.DatabaseError) and "not a database" in str(error.orig):
            raise StoreError(f"{name} is not a database") from error
        raise
