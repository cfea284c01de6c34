"""What all queries share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain, islice
from operator import itemgetter
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ColumnElement,
    Dialect,
    Integer,
    Table,
    Text,
    any_,
    cast,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from triagedesk.store.tables import Utc

T = TypeVar("T")

#: SQLite takes at most 32,766 parameters in a statement; the widest row here has some 20 columns.
PART = 500
#: Rows that are on their way to PostgreSQL before the next are made.
STREAMED = 50
#: Fewer rows than this go as an ordinary insert, which needs fewer round trips.
_MANY = 8


class Queries:
    """Queries over one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection


def in_parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """`items` in parts small enough for one statement."""
    return (items[start : start + PART] for start in range(0, len(items), PART))


def among(connection: Connection, column: ColumnElement[T], values: Sequence[T]) -> Any:
    """`column IN values` as one parameter: the same statement however many values there are."""
    if connection.dialect.name == "postgresql":
        if isinstance(column.type, Integer):
            return column == any_(whole_numbers(values))
        return column == any_(literal(list(values), postgresql.ARRAY(column.type)))
    listed = json.dumps(list(values), ensure_ascii=False)
    each = func.json_each(literal(listed, Text)).table_valued("value")
    return column.in_(select(each.c.value))


def whole_numbers(values: Sequence[Any]) -> ColumnElement[Any]:
    """An array for PostgreSQL; as text it takes a fifth of the time that the driver takes."""
    return cast(literal(f"{{{','.join(map(str, values))}}}", Text), postgresql.ARRAY(BigInteger))


def add_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, all with the same columns, as fast as the driver can.

    A document may be given as JSON in bytes, written already.
    """
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        if len(rows) >= _MANY:
            copy_rows(connection, table, rows)
        else:
            values = [value for row in _as_tuples(connection.dialect, table, rows) for value in row]
            connection.exec_driver_sql(_insert(connection.dialect, table, rows), tuple(values))
    else:
        values = list(_as_tuples(connection.dialect, table, rows))
        connection.exec_driver_sql(_insert(connection.dialect, table, rows[:1]), values)


def _insert(dialect: Dialect, table: Table, rows: Sequence[Mapping[str, Any]]) -> str:
    """The statement that inserts so many rows, in the driver's own words."""
    quote = dialect.identifier_preparer.quote
    columns = ", ".join(map(quote, rows[0]))
    mark = "%s" if dialect.paramstyle in ("format", "pyformat") else "?"
    values = f"({', '.join([mark] * len(rows[0]))})"
    return f"INSERT INTO {quote(table.name)} ({columns}) VALUES {', '.join([values] * len(rows))}"  # noqa: S608 (names of our own tables)


def _as_tuples(
    dialect: Dialect, table: Table, rows: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Any, ...]]:
    """Rows as the driver takes them, in the order of the first one's columns."""
    columns = []
    for name in rows[0]:
        # Column by column: most values go as they are, and then nothing is called for each.
        values: Iterable[Any] = map(itemgetter(name), rows)
        convert = _converter(table.c[name].type, dialect)
        columns.append(map(convert, values) if convert else values)
    return zip(*columns, strict=True)


def _converter(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """What a column's values go through on their way to the driver; None: nothing."""
    usual = kind.dialect_impl(dialect).bind_processor(dialect)
    if isinstance(kind, Utc):
        return _sqlite_time if dialect.name == "sqlite" else _aware
    if isinstance(kind, Boolean):
        return None
    if usual is not None and isinstance(kind, JSON):
        return lambda value: value.decode() if type(value) is bytes else usual(value)
    return usual


def _aware(at: datetime | None) -> datetime | None:
    if at is not None and at.tzinfo is None:
        raise ValueError(f"naive time {at}")
    return at


# A ticket's row, its clocks and its decision have most of their times in common.
@lru_cache(maxsize=1024)
def _sqlite_time(at: datetime | None) -> str | None:
    """A time as SQLAlchemy writes it for SQLite, in a fraction of the time."""
    if at is None:
        return None
    if at.tzinfo is None:
        raise ValueError(f"naive time {at}")
    return at.astimezone(UTC).isoformat(" ", "microseconds")[: -len("+00:00")]


def insert_new(connection: Connection, table: Table) -> Any:
    """An insert that leaves out what is there already, also when two processes meet."""
    make: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return make(table).on_conflict_do_nothing()


# The sequence is looked up once: OFFSET keeps the planner from doing it for each number.
_DRAW = text(
    "SELECT nextval(sequence.name) FROM (SELECT CAST(pg_get_serial_sequence(:of, :column)"
    " AS regclass) AS name OFFSET 0) AS sequence, generate_series(1, :count)"
)


def new_keys(connection: Connection, table: Table, count: int) -> list[int]:
    """Numbers for `count` new rows, in a transaction that writes."""
    number = table.c.id
    if connection.dialect.name == "postgresql":
        named = {"of": table.name, "column": number.name, "count": count}
        return sorted(connection.scalars(_DRAW, named))
    # SQLite has one writer at a time, and it is us.
    last = connection.scalar(select(func.max(number))) or 0
    return list(range(last + 1, last + 1 + count))


def count_on(connection: Connection, table: Table) -> None:
    """Let new rows be numbered after those that were copied with their numbers."""
    numbered = table.autoincrement_column
    if numbered is not None and connection.dialect.name == "postgresql":
        last = connection.scalar(select(func.max(numbered)))
        sequence = func.pg_get_serial_sequence(table.name, numbered.name)
        connection.execute(select(func.setval(sequence, last or 1, last is not None)))


def add_many(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """`add_rows` for rows that are made while they go: PostgreSQL works on the first meanwhile.

    Nothing may be asked of the connection while `rows` are made.
    """
    copied = connection.dialect.name == "postgresql"
    rows, size = iter(rows), STREAMED if copied else PART
    parts = iter(lambda: list(islice(rows, size)), [])
    first = next(parts, [])
    if copied and len(first) >= _MANY:
        _copy(connection, table, chain([first], parts), list(first[0]))
        return
    for part in chain([first], parts):
        add_rows(connection, table, part)


def copy_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows by PostgreSQL's COPY; all have the columns of the first."""
    _copy(connection, table, [rows], list(rows[0]))


def _copy(
    connection: Connection,
    table: Table,
    parts: Iterable[Sequence[Mapping[str, Any]]],
    columns: Sequence[str],
) -> None:
    dialect = connection.dialect
    quote = dialect.identifier_preparer.quote
    statement = f"COPY {quote(table.name)} ({', '.join(map(quote, columns))}) FROM STDIN"
    driver: Any = dialect.loaded_dbapi
    cursor: Any = connection.connection.cursor()
    try:
        with cursor, cursor.copy(statement) as copy:
            for rows in parts:
                for row in _as_tuples(dialect, table, rows):
                    copy.write_row(row)
    except driver.Error as error:
        # What SQLAlchemy would have made of it.
        raise DBAPIError.instance(statement, None, error, driver.Error, dialect=dialect) from error


def as_text(document: ColumnElement[Any]) -> ColumnElement[str]:
    """A document's JSON itself, for who reads records from it; see `read_json`."""
    return cast(document, Text)


def read_json(record: TypeAdapter[T], text: str) -> T:
    """A record from its JSON."""
    try:
        return record.validate_json(text)
    except ValidationError:
        # Half a surrogate pair, which the quick way refuses; anything else is refused here too.
        return record.validate_python(json.loads(text))


def read_plain(text: str) -> Any:
    """What a document says, in JSON types."""
    try:
        return from_json(text)
    except ValueError:
        return json.loads(text)


def write_json(record: TypeAdapter[Any], value: Any, *, lean: bool = False) -> bytes:
    """A record as JSON, as `add_rows` takes it; `lean` leaves out what is as it is by default."""
    try:
        return record.dump_json(value, exclude_defaults=lean)
    except PydanticSerializationError:
        plain = record.dump_python(value, mode="json", exclude_defaults=lean)
        return json.dumps(plain).encode()
