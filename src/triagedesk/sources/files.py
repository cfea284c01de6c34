"""Tickets and agents from a file or from standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import IO, Any

from triagedesk.agents import DEFAULT_CAPACITY, Agent
from triagedesk.agents_parser import parse_agents
from triagedesk.cleaning import decode_text, excerpt
from triagedesk.errors import AgentsError, InputError, Problem, TicketsError
from triagedesk.formats import (
    Format,
    Unreadable,
    format_for,
    load_json,
    load_json_lines,
    load_table,
    load_yaml,
)
from triagedesk.sources import Fetched
from triagedesk.sources.reading import FIELDS, find_items, read_tickets
from triagedesk.yamlsafe import FormatError

#: The largest file read, in bytes.
MAX_BYTES = 256 * 1024 * 1024
#: The path that means standard input.
STDIN = "-"
# What .xlsx and .ods files begin with.
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class FileSource:
    """Tickets from `.json`, `.jsonl`, `.csv` or `.yaml`; `-` is standard input, in any of them."""

    path: str | Path
    _: KW_ONLY
    name: str = "file"
    #: Bytes.
    max_bytes: int = MAX_BYTES
    #: Read for `-`; None is the process's own.
    stdin: IO[bytes] | None = None

    @property
    def origin(self) -> str:
        """The path."""
        return shown_path(self.path)

    def fetch(self, cursor: str) -> Fetched:  # noqa: ARG002 - part of the protocol
        """Read all tickets. Raises TicketsError naming the line."""
        text = read_text(self.path, error=TicketsError, max_bytes=self.max_bytes, stdin=self.stdin)
        return read_ticket_text(text, source=self.name, origin=self.origin)

    def fetch_in_parts(self, cursor: str) -> Iterator[Fetched]:
        """The same, some tickets at a time, where it is a file and in a format that allows it."""
        from triagedesk.sources import parts  # noqa: PLC0415 (it imports this)

        path = Path(self.path)
        whole = str(path) == STDIN or not path.is_file()
        repeated = None if whole else parts.repeated_ids(path, self.max_bytes)
        if repeated is None:
            yield self.fetch(cursor)
        else:
            yield from parts.parts(path, self.name, repeated)


def read_ticket_text(text: str, *, source: str, origin: str) -> Fetched:
    """Tickets from a text; its format is taken from the origin's ending, else from its look.

    Raises TicketsError naming the line.
    """
    problems: tuple[Problem, ...] = ()
    try:
        match format_for(origin, text):
            case Format.JSON:
                items = find_items(load_json(text))
            case Format.JSONL:
                items = _lines(text, origin)
            case Format.CSV:
                items = _table(text, origin)
            case Format.YAML:
                data, problems = load_yaml(text)
                items = [] if data is None else find_items(data)
    except FormatError as error:
        raise TicketsError(
            f"The tickets from {origin} cannot be read:", problems=[error.problem]
        ) from error
    fetched = read_tickets(items, source=source)
    repeated = tuple(f"{origin}, {problem}" for problem in problems)
    return Fetched(
        tickets=fetched.tickets, broken=fetched.broken, warnings=(*repeated, *fetched.warnings)
    )


def items_with_places(text: str, origin: str, *, what: str) -> list[tuple[str, Any]]:
    """A text's items whatever they are, each with where it stands (`line 3`, `item 3`).

    Raises TicketsError naming `what` they are, for a text that cannot be read.
    """
    try:
        match format_for(origin, text):
            case Format.CSV:
                return [(f"line {row.line}", row.value) for row in load_table(text).rows]
            case Format.JSONL:
                return [(f"line {row.line}", row.value) for row in load_json_lines(text)]
            case Format.JSON:
                found = find_items(load_json(text))
            case Format.YAML:
                found = find_items(load_yaml(text)[0])
    except FormatError as error:
        raise TicketsError(
            f"The {what} from {origin} cannot be read:", problems=[error.problem]
        ) from error
    return [(f"item {position}", item) for position, item in enumerate(found, start=1)]


def _lines(text: str, origin: str) -> list[Any]:
    rows = load_json_lines(text)
    unreadable = [row for row in rows if isinstance(row.value, Unreadable)]
    if rows and len(unreadable) == len(rows):
        problems = [Problem(where=origin, what=row.value.reason) for row in unreadable[:10]]
        raise TicketsError(f"No line of {origin} is JSON:", problems=problems)
    return [row.value for row in rows]


def _table(text: str, origin: str) -> list[Any]:
    table = load_table(text)
    check_columns(table.columns, origin)
    return [row.value for row in table.rows]


def check_columns(columns: Sequence[str], origin: str) -> None:
    """Raise TicketsError for a table without an id, or without any text."""
    for fields in (("id",), ("short_description", "long_description")):
        names = [name for field in fields for name in FIELDS[field]]
        if columns and not set(names) & set(columns):
            found = excerpt(", ".join(columns))
            what = f"no column {', '.join(names[:-1])} or {names[-1]}; found: {found}"
            raise TicketsError(
                f"The tickets from {origin} cannot be read:",
                problems=[Problem(where="line 1", what=what)],
            )


def read_agents_file(
    path: str | Path, *, default_capacity: int = DEFAULT_CAPACITY
) -> tuple[Agent, ...]:
    """Agents from a `.json`, `.yaml` or `.csv` file. Raises AgentsError."""
    text = read_text(path, error=AgentsError)
    origin = shown_path(path)
    return parse_agents(
        text,
        origin=origin,
        format=format_for(origin, text),
        default_capacity=default_capacity,
    )


def shown_path(path: str | Path) -> str:
    """A path as messages show it."""
    return "standard input" if str(path) == STDIN else excerpt(str(path))


def read_text(
    path: str | Path,
    *,
    error: type[InputError],
    max_bytes: int = MAX_BYTES,
    stdin: IO[bytes] | None = None,
) -> str:
    """A file's text: UTF-8, UTF-16 by its BOM, else Windows-1252. Raises `error`."""
    with opened(path, error=error, stdin=stdin) as file:
        content = file.read(max_bytes + 1)
    refuse(content, len(content), path, error=error, max_bytes=max_bytes)
    return decode_text(content)


@contextmanager
def opened(
    path: str | Path, *, error: type[InputError], stdin: IO[bytes] | None = None
) -> Iterator[IO[bytes]]:
    """A file's bytes, or those of standard input; raises `error` where they cannot be read."""
    try:
        if str(path) == STDIN:
            yield stdin or sys.stdin.buffer
        else:
            with Path(path).open("rb") as file:
                yield file
    except FileNotFoundError:
        raise error(f"There is no file {shown_path(path)}", hint="check the path") from None
    except IsADirectoryError:
        raise error(f"{shown_path(path)} is a folder, not a file") from None
    except (OSError, ValueError) as cause:
        why = cause.strerror if isinstance(cause, OSError) else str(cause)
        raise error(f"{shown_path(path)} cannot be read: {why}") from cause


def refuse(
    start: bytes, size: int, path: str | Path, *, error: type[InputError], max_bytes: int
) -> None:
    """Raise `error` for a file that begins like a workbook, or has too many bytes."""
    if start.startswith(_ZIP):
        raise error(f"{shown_path(path)} is a workbook or an archive", hint="save it as CSV")
    if size > max_bytes:
        raise error(f"{shown_path(path)} is larger than {max_bytes:,} bytes")
