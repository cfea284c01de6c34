"""A desk moved from one database to another: every row, compared afterwards, or nothing at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Column, MetaData, Table, Text, cast, func, insert, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, StatementError

from triagedesk.errors import StoreError
from triagedesk.store import Store
from triagedesk.store.queries import copy_rows, count_on
from triagedesk.store.tables import jobs, leases, metadata

#: Rows in memory at a time; of a table with files in it, fewer.
_PART, _PART_OF_FILES = 1000, 20
#: Who is at work is true of the old place only.
_LEFT_OUT = (leases.name,)


@dataclass(frozen=True, kw_only=True)
class CopiedTable:
    """A table that is the same in both places."""

    name: str
    rows: int
    #: Of all rows, in whatever order: the sum of their SHA-256.
    digest: str


def copy_desk(
    source: Store,
    target: Store,
    *,
    start: Callable[[str, int], None],
    advance: Callable[[int], None],
) -> tuple[CopiedTable, ...]:
    """Copy every row of a desk that nobody works at into an empty one, in one transaction.

    `start` is told of each table with its number of rows, `advance` of rows copied and compared.
    Raises StoreError when the target is not empty or does not end up the same; nothing is copied
    then.
    """
    copied = []
    with source.read() as mine, target.begin_alone() as theirs:
        _check_empty(theirs.connection, target.origin)
        tables = [table for table in metadata.sorted_tables if table.name not in _LEFT_OUT]
        for table in tables:
            rows = mine.connection.scalar(select(func.count()).select_from(table)) or 0
            start(f"Copying {table.name}", 2 * rows)
            copied.append(_copy_table(mine.connection, theirs.connection, table, advance))
        # The engine's own records stay behind: it is told anew of what it had in hand.
        in_hand = jobs.c.state.in_(("queued", "running"))
        again = update(jobs).where(in_hand).values(state="queued", handed_at=None, worker="")
        theirs.connection.execute(again)
        if theirs.connection.dialect.name == "postgresql":
            theirs.connection.exec_driver_sql("ANALYZE")
    return tuple(copied)


def _check_empty(connection: Connection, origin: str) -> None:
    for table in metadata.sorted_tables:
        if connection.execute(select(table).limit(1)).first() is not None:
            raise StoreError(
                f"{origin} is not empty: there are rows in {table.name}",
                hint="name a new database; nothing was changed. What an earlier copy left here "
                "is the whole desk: a copy that is cut off leaves nothing",
            )


def _copy_table(
    mine: Connection, theirs: Connection, table: Table, advance: Callable[[int], None]
) -> CopiedTable:
    """Copy a table and compare it row by row."""
    plain = _plain(table)
    documents = frozenset(column.name for column in table.c if _is_document(column))
    sent, arrived = _Digest(documents), _Digest(documents)
    try:
        for part in _parts(mine, plain, table):
            for row in part:
                sent.add(row)
            if theirs.dialect.name == "postgresql":
                copy_rows(theirs, plain, part)
            else:
                theirs.execute(insert(plain), part)
            advance(len(part))
        for part in _parts(theirs, plain, table):
            for row in part:
                arrived.add(row)
            advance(len(part))
    except (DBAPIError, StatementError) as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise StoreError(
            f"the table {table.name} cannot be copied: {reason}", hint="nothing was copied"
        ) from error
    if sent != arrived:
        raise StoreError(
            f"the table {table.name} is not the same: {sent} here, {arrived} there",
            hint="nothing was copied",
        )
    count_on(theirs, table)
    return CopiedTable(name=table.name, rows=sent.rows, digest=f"{sent.sum:064x}")


def _plain(table: Table) -> Table:
    """The table with documents as text, so that no JSON is read and written anew."""
    columns = (
        Column(column.name, Text if _is_document(column) else column.type) for column in table.c
    )
    return Table(table.name, MetaData(), *columns)


def _is_document(column: Column[Any]) -> bool:
    return isinstance(column.type, JSON)


def _parts(connection: Connection, plain: Table, table: Table) -> Iterator[list[dict[str, Any]]]:
    """A table's rows, some at a time."""
    wanted = [
        cast(plain.c[column.name], Text).label(column.name)
        if _is_document(column)
        else plain.c[column.name]
        for column in table.c
    ]
    most = _PART_OF_FILES if "content" in table.c else _PART
    rows = connection.execute(select(*wanted), execution_options={"yield_per": most})
    for part in rows.mappings().partitions():
        yield [dict(row) for row in part]


class _Digest:
    """The same for the same rows, in whatever order they come."""

    def __init__(self, documents: frozenset[str]) -> None:
        self._documents = documents
        self.rows = 0
        self.sum = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """One more row."""
        values = {
            name: _document(value) if name in self._documents else _canonical(value)
            for name, value in row.items()
        }
        canonical = json.dumps(values, sort_keys=True)
        number = int.from_bytes(hashlib.sha256(canonical.encode()).digest())
        self.rows += 1
        self.sum = (self.sum + number) % 2**256

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Digest) and (self.rows, self.sum) == (other.rows, other.sum)

    def __hash__(self) -> int:
        return hash((self.rows, self.sum))

    def __str__(self) -> str:
        return f"{self.rows} rows of {self.sum:064x}"[:24]


def _canonical(value: Any) -> Any:
    """A value as both databases agree on it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, bytes | memoryview):
        return hashlib.sha256(value).hexdigest()
    return value


def _document(text: str | None) -> Any:
    """A document whatever its spaces and the order of its keys; PostgreSQL knows no -0.0."""
    if text is None:
        return None
    return ["document", json.loads(text, parse_float=lambda number: float(number) + 0.0)]
