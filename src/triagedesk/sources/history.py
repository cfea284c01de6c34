"""A desk's own closed tickets, one after another: memory stays flat however long the file is."""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from triagedesk.cleaning import encoding_of
from triagedesk.errors import Problem, TicketsError
from triagedesk.formats import (
    Format,
    Row,
    Unreadable,
    format_for,
    load_json,
    load_yaml,
    read_json_lines,
    read_table,
)
from triagedesk.sources.files import MAX_BYTES, STDIN, check_columns, opened, refuse, shown_path
from triagedesk.sources.reading import find_items, read_tickets
from triagedesk.tickets import BrokenTicket, Ticket
from triagedesk.yamlsafe import FormatError

#: What a file's format is seen by, and what is read at once, in bytes.
_HEAD, _PIECE = 200_000, 1 << 18
#: Lines that are no JSON, named when no line is.
_NAMED = 10


def closed_tickets(
    path: str | Path, *, max_bytes: int = MAX_BYTES, stdin: IO[bytes] | None = None
) -> Iterator[Ticket | BrokenTicket]:
    """Each ticket of a file, or why it is none, in order; an id may come more than once.

    CSV and JSON lines are read line by line, JSON and YAML as a whole. Raises TicketsError naming
    the line, at the latest with the last ticket.
    """
    origin = shown_path(path)
    with (
        opened(path, error=TicketsError, stdin=stdin) as given,
        _seekable(given, max_bytes, aside=str(path) == STDIN) as file,
    ):
        head = file.read(_HEAD)
        refuse(head, file.seek(0, os.SEEK_END), path, error=TicketsError, max_bytes=max_bytes)
        encoding = encoding_of(_pieces(file))
        file.seek(0)
        try:
            for position, item in enumerate(_items(file, encoding, head, origin)):
                yield _ticket(position, item)
        except FormatError as error:
            raise TicketsError(
                f"The tickets from {origin} cannot be read:", problems=[error.problem]
            ) from error


@contextmanager
def _seekable(given: IO[bytes], max_bytes: int, *, aside: bool) -> Iterator[IO[bytes]]:
    """A file that can be read twice: the one given, or what comes through a pipe, put aside."""
    if not aside and stat.S_ISREG(os.fstat(given.fileno()).st_mode):
        yield given
        return
    with tempfile.TemporaryFile() as kept:
        left = max_bytes + 1
        while left and (piece := given.read(min(left, _PIECE))):
            kept.write(piece)
            left -= len(piece)
        kept.seek(0)
        yield kept


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(_PIECE):
        yield piece


def _items(file: IO[bytes], encoding: str, head: bytes, origin: str) -> Iterator[Any]:
    """The list's items, whatever they are."""
    format_ = format_for(origin, head.decode(encoding, errors="replace"))
    # A line of JSON ends with a newline alone; a row of CSV as Excel and others have it.
    ends = "\n" if format_ is Format.JSONL else ""
    with io.TextIOWrapper(file, encoding=encoding, errors="replace", newline=ends) as text:
        if format_ is Format.CSV:
            columns, rows = read_table(text)
            check_columns(columns, origin)
            yield from (row.value for row in rows)
        elif format_ is Format.JSONL:
            yield from _lines(read_json_lines(text), origin)
        else:
            yield from _whole(text.read(), origin)


def _whole(text: str, origin: str) -> Iterable[Any]:
    # Seen by all of it: a first line longer than the head may have looked like anything.
    match format_for(origin, text):
        case Format.JSONL:
            return _lines(read_json_lines(text.split("\n")), origin)
        case Format.YAML:
            data, _ = load_yaml(text)
            return [] if data is None else find_items(data)
        case _:
            return find_items(load_json(text))


def _lines(rows: Iterable[Row], origin: str) -> Iterator[Any]:
    unreadable: list[Problem] = []
    readable = False
    for row in rows:
        if not isinstance(row.value, Unreadable):
            readable = True
        elif len(unreadable) < _NAMED:
            unreadable.append(Problem(where=origin, what=row.value.reason))
        yield row.value
    if unreadable and not readable:
        raise TicketsError(f"No line of {origin} is JSON:", problems=unreadable)


def _ticket(position: int, item: object) -> Ticket | BrokenTicket:
    read = read_tickets([item], source="history")
    if read.tickets:
        return read.tickets[0]
    found = read.broken[0]
    return BrokenTicket(position=position, id=found.id, reason=found.reason, raw=found.raw)
