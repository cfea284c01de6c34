"""The desk's memory, and every query. A `Transaction` is one unit of work; nothing commits inside.

Queries stand by noun: `tickets` (of which `arrivals` and `holdings` are parts), `lists`, `agents`,
`assignments`, `corrections`, `costs`, `reports`, `runs`, `jobs`, `inbox`, `keys`, `sla`,
`insights`, `queue` (which `lists` is part of), `people`, `changes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.resources import files
from typing import Any, Self

from sqlalchemy import Engine, select, text
from sqlalchemy.engine import Connection

from triagedesk.errors import StoreError
from triagedesk.store.agents import AgentQueries
from triagedesk.store.assignments import AssignmentQueries
from triagedesk.store.changes import ChangeQueries, forget, publish
from triagedesk.store.corrections import CorrectionQueries
from triagedesk.store.costs import CostQueries
from triagedesk.store.engine import LOCK_TIMEOUT, clear_errors, open_engine
from triagedesk.store.inbox import InboxQueries
from triagedesk.store.insights import InsightQueries
from triagedesk.store.jobs import JobQueries
from triagedesk.store.keys import KeyQueries
from triagedesk.store.people import PeopleQueries
from triagedesk.store.queries import count_on
from triagedesk.store.queue import QueueQueries
from triagedesk.store.reports import ReportQueries
from triagedesk.store.review import ReviewQueries
from triagedesk.store.runs import RunQueries
from triagedesk.store.sla import SlaQueries
from triagedesk.store.tables import metadata
from triagedesk.store.tickets import TicketQueries

#: Any number will do, as long as every process takes the same one.
_MIGRATION_LOCK = 7_126_001
_DESK_LOCK = 7_126_002


class Transaction(
    TicketQueries,
    QueueQueries,
    AgentQueries,
    AssignmentQueries,
    CorrectionQueries,
    CostQueries,
    ReportQueries,
    ReviewQueries,
    RunQueries,
    JobQueries,
    InboxQueries,
    KeyQueries,
    SlaQueries,
    InsightQueries,
    PeopleQueries,
    ChangeQueries,
):
    """All queries over one open transaction."""


class Store:
    """A database with the current schema."""

    def __init__(self, engine: Engine, *, lock_timeout: float = LOCK_TIMEOUT) -> None:
        self._engine = engine
        self._lock_timeout = lock_timeout
        #: Wraps every transaction that writes: one that is cut off in the middle of its own end
        #: would keep its lock, and the next one would find the database locked.
        self.shield: Callable[[], AbstractContextManager[None]] = nullcontext

    @classmethod
    def open(cls, url: str, *, lock_timeout: float = LOCK_TIMEOUT) -> Self:
        """Open the database at the SQLAlchemy `url` and bring its schema up to date.

        Raises SettingsError, StoreBusy or StoreError.
        """
        engine = open_engine(url, lock_timeout=lock_timeout)
        try:
            with clear_errors(engine.url), engine.begin() as connection:
                _lock(connection, _MIGRATION_LOCK, lock_timeout)
                _migrate(connection)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, lock_timeout=lock_timeout)

    @classmethod
    def quick(cls, url: str, patience: float) -> Self:
        """A database that is open elsewhere, for callers who wait no longer than `patience`."""
        return cls(open_engine(url, lock_timeout=patience), lock_timeout=patience)

    @property
    def origin(self) -> str:
        """The database's address without its password, for messages."""
        return self._engine.url.render_as_string(hide_password=True)

    @property
    def url(self) -> str:
        """The database's address with its password."""
        return self._engine.url.render_as_string(hide_password=False)

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """Open a transaction: committed at the end, rolled back when anything is raised."""
        with (
            self.shield(),
            clear_errors(self._engine.url),
            self._engine.begin() as connection,
        ):
            forget(connection)
            yield Transaction(connection)
            publish(connection)

    @contextmanager
    def begin_alone(self) -> Iterator[Transaction]:
        """Open a transaction that no other writer of loads runs beside."""
        with self.begin() as transaction:
            _lock(transaction.connection, _DESK_LOCK, self._lock_timeout)
            yield transaction

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Open a transaction that only reads, so that it waits for no writer."""
        options: dict[str, Any] = {"reads_only": True}
        if self._engine.dialect.name == "postgresql":
            # One state of things for all queries of the transaction, as SQLite gives anyway.
            options["isolation_level"] = "REPEATABLE READ"
        engine = self._engine.execution_options(**options)
        with clear_errors(self._engine.url), engine.connect() as connection, connection.begin():
            yield Transaction(connection)

    def copy_into(self, other: Self) -> None:
        """Copy every row into an empty store; reports come without their files."""
        with self.read() as mine, other.begin() as theirs:
            for table in metadata.sorted_tables:
                wanted = [column for column in table.c if column.name != "content"]
                no_file = {"content": b""} if "content" in table.c else {}
                rows = mine.connection.execute(
                    select(*wanted), execution_options={"yield_per": 1000}
                )
                for part in rows.mappings().partitions():
                    theirs.connection.execute(table.insert(), [{**row, **no_file} for row in part])
                count_on(theirs.connection, table)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def _lock(connection: Connection, number: int, timeout: float) -> None:
    """Wait until no other transaction holds the lock; on SQLite every writer is alone anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(timeout * 1000)}")
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": number})


def _migrate(connection: Connection) -> None:
    """Run the Alembic migrations that are missing."""
    # Alembic takes a fifth of a second to import: ask first whether there is anything to do.
    folder = files("triagedesk.store") / "migrations"
    newest = max(
        entry.name.partition("_")[0]
        for entry in (folder / "versions").iterdir()
        if entry.name.endswith(".py") and entry.name[0].isdigit()
    )
    if connection.dialect.has_table(connection, "alembic_version"):
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if found == newest:
            return
    from alembic import command  # noqa: PLC0415 (only when there is something to migrate)
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        name = connection.engine.url.render_as_string(hide_password=True)
        raise StoreError(
            f"the database {name} was made by a newer version of Triagedesk",
            hint="install that version, or name another database",
        ) from error
