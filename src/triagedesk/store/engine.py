"""Opening the database: SQLite with WAL and immediate transactions, or PostgreSQL."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic_core import PydanticSerializationError, from_json, to_json
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.pool import StaticPool

from triagedesk.errors import Problem, SettingsError, StoreBusy, StoreError

#: Seconds a writer waits for another one before it gives up.
LOCK_TIMEOUT = 30.0
#: Seconds between two attempts to make a file write ahead.
_PAUSE = 0.02
_DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")
#: SQLSTATEs, or their classes, that pass by themselves: connection lost, deadlock, no room for
#: more connections, waited too long for a lock, server going down.
_TEMPORARY = ("08", "40", "53", "55P03", "57P")
_DISK_FULL = "53100"
#: What a server that refuses a connection for now says besides FATAL.
_FOR_NOW = ("starting up", "shutting down", "recovery", "too many", "remaining connection slots")


def open_engine(url: str, *, lock_timeout: float = LOCK_TIMEOUT) -> Engine:
    """An engine for `url`.

    Raises SettingsError for a URL that names no database we know, StoreError for a folder that
    cannot be made.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise _wrong_url("is not a database address") from None
    if parsed.drivername not in _DRIVERS:
        raise _wrong_url("is not a database address we know")
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(parsed, lock_timeout)
    connect_args = {
        "connect_timeout": int(lock_timeout),
        # A prepared statement's plan does not know how many rows there are by now: looking up
        # 10,000 tickets took ten times as long. Nor do connection poolers like them.
        "prepare_threshold": None,
    }
    engine = create_engine(parsed, pool_pre_ping=True, connect_args=connect_args, **_JSON)
    # Many rows in one statement; psycopg would send a statement for each.
    engine.dialect.use_insertmanyvalues_wo_returning = True
    return engine


def _write_json(value: Any) -> str:
    """Several times as fast as `json`, which knows what to do about half a surrogate pair."""
    try:
        return to_json(value).decode()
    except PydanticSerializationError:
        return json.dumps(value)


def _read_json(text: str | bytes) -> Any:
    try:
        return from_json(text)
    except ValueError:
        return json.loads(text)


_JSON: dict[str, Any] = {"json_serializer": _write_json, "json_deserializer": _read_json}


def _wrong_url(what: str) -> SettingsError:
    hint = "sqlite:///FILE or postgresql://USER@HOST/NAME"
    return SettingsError(problems=[Problem(where="DATABASE_URL", what=what, hint=hint)])


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
        engine = create_engine(url, connect_args=connect_args, poolclass=StaticPool, **_JSON)
    else:
        engine = create_engine(url, connect_args=connect_args, **_JSON)

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        # pysqlite's own BEGIN comes too late and is deferred: a read followed by a write could
        # then fail with "database is locked" although nobody holds the lock for long.
        connection.isolation_level = None
        switch_to_wal(connection, lock_timeout)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads_only = connection.get_execution_options().get("reads_only", False)
        connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")

    return engine


def switch_to_wal(connection: sqlite3.Connection, patience: float) -> None:
    """Write ahead from now on; of those that switch a new file at once SQLite refuses some."""
    give_up = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= give_up:
                raise
            time.sleep(_PAUSE)
        else:
            return


@contextmanager
def clear_errors(url: URL) -> Iterator[None]:
    """Turn what drivers raise into StoreBusy (try again later) or StoreError, without secrets."""
    name = url.render_as_string(hide_password=True)
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        reason = str(error.orig).strip().splitlines()[0] if error.orig else "no answer"
        if "FATAL" in reason and not any(words in reason for words in _FOR_NOW):
            raise StoreError(
                f"the database {name} refuses us: {reason}", hint="check DATABASE_URL"
            ) from error
        if _is_full(error, reason):
            raise StoreBusy(
                f"the disk of the database {name} is full",
                hint="make room; what was under way is taken up again",
            ) from error
        if _is_temporary(error, reason):
            raise StoreBusy(
                f"the database {name} is busy or away: {reason}", hint="try again in a moment"
            ) from error
        raise StoreError(f"the database {name} failed: {reason}") from error
    except ProgrammingError as error:
        if "connection option" in str(error.orig):
            raise _wrong_url(f"has an {error.orig}") from error
        raise
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.DatabaseError) and "not a database" in str(error.orig):
            raise StoreError(f"{name} is not a database") from error
        raise


def _is_full(error: DBAPIError, reason: str) -> bool:
    """Whether nothing more fits on the disk."""
    return getattr(error.orig, "sqlstate", None) == _DISK_FULL or "disk is full" in reason


def _is_temporary(error: DBAPIError, reason: str) -> bool:
    """Whether the same may work in a moment."""
    code = getattr(error.orig, "sqlstate", None) or ""
    return (
        "locked" in reason
        or "connect" in reason.lower()
        or error.connection_invalidated
        or code.startswith(_TEMPORARY)
    )
