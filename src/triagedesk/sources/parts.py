"""Tickets from a large file, a part at a time: memory stays flat however long the file is.

The file is read twice: first for ids that come more than once, which only all of it together can
say. JSON as a list, JSON lines and CSV are read so; everything else, and everything that is not
as it should be, is left to who reads files as a whole.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

from triagedesk.cleaning import encoding_of
from triagedesk.errors import TicketsError
from triagedesk.formats import Format, Unreadable, read_json_lines, read_table, suffix_format
from triagedesk.sources import Fetched
from triagedesk.sources.files import check_columns
from triagedesk.sources.reading import id_of, read_numbered
from triagedesk.yamlsafe import FormatError

#: Tickets in a part, and bytes read at once.
PART, _PIECE = 1000, 1 << 18
_SPACE = " \t\n\r"


def repeated_ids(path: Path, max_bytes: int) -> frozenset[str] | None:
    """The ids that come more than once; None for a file that is to be read as a whole."""
    once: set[str] = set()
    twice: set[str] = set()
    readable = False
    try:
        if suffix_format(path.name) is None or path.stat().st_size > max_bytes:
            return None
        for item in items(path):
            readable = readable or not isinstance(item, Unreadable)
            name = id_of(item)
            (twice if name in once else once).add(name)
    except (OSError, ValueError, RecursionError, FormatError, TicketsError):
        # Whoever reads it as a whole says what is wrong.
        return None
    return frozenset(twice) - {""} if readable else None


def parts(path: Path, source: str, repeated: frozenset[str]) -> Iterator[Fetched]:
    """A file's tickets; those of repeated ids come last. Raises TicketsError where it changed."""
    aside: list[tuple[int, Any]] = []
    numbered = enumerate(items(path))
    try:
        while part := list(islice(numbered, PART)):
            aside += [pair for pair in part if id_of(pair[1]) in repeated] if repeated else []
            once = [pair for pair in part if id_of(pair[1]) not in repeated] if repeated else part
            yield read_numbered(once, source=source)
    except (OSError, ValueError, FormatError) as error:
        raise TicketsError(f"{path} changed while it was read", hint="try again") from error
    if aside:
        yield read_numbered(aside, source=source)


def items(path: Path) -> Iterator[Any]:
    """The items of a file's list, one after another. Raises OSError, ValueError or FormatError."""
    with path.open("rb") as file:
        encoding = encoding_of(iter(lambda: file.read(_PIECE), b""))
        file.seek(0)
        # A line of JSON ends with a newline alone; a row of CSV as Excel and others have it.
        kind = suffix_format(path.name)
        ends = "" if kind is Format.CSV else "\n"
        with io.TextIOWrapper(file, encoding=encoding, errors="replace", newline=ends) as text:
            yield from _items(text, kind, path.name)


def _items(text: IO[str], kind: Format | None, origin: str) -> Iterable[Any]:
    if kind is Format.CSV:
        columns, rows = read_table(text)
        check_columns(columns, origin)
        return (row.value for row in rows)
    if kind is Format.JSONL:
        return (row.value for row in read_json_lines(text))
    return json_list(text)


def json_list(text: IO[str]) -> Iterator[Any]:
    """The items of a JSON list, one after another. Raises ValueError where it is none."""
    read = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode
    ahead = _Ahead(text)
    if ahead.take() != "[":
        raise ValueError("not a list")
    if ahead.peek() == "]":
        ahead.take()
    else:
        mark = ","
        while mark == ",":
            yield ahead.value(read)
            mark = ahead.take()
        if mark != "]":
            raise ValueError("no comma between two items")
    if ahead.peek():
        raise ValueError("something stands behind the list")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


class _Ahead:
    """A text of which a few pieces are in memory."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text
        self._held = text.read(_PIECE).removeprefix("\ufeff")
        self._at = 0

    def _more(self, size: int = _PIECE) -> bool:
        piece = self._text.read(size)
        self._held, self._at = self._held[self._at :] + piece, 0
        return bool(piece)

    def peek(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            while self._at < len(self._held):
                if self._held[self._at] not in _SPACE:
                    return self._held[self._at]
                self._at += 1
            if not self._more():
                return ""

    def take(self) -> str:
        """The same, and go on behind it."""
        found = self.peek()
        self._at += 1
        return found

    def value(self, read: Any) -> Any:
        """The next value; raises ValueError where there is none."""
        self.peek()
        size = _PIECE
        while True:
            try:
                value, end = read(self._held, self._at)
            except ValueError:
                # Perhaps it goes on; twice as much each time, so that a huge one is soon whole.
                if not self._more(size):
                    raise
                size *= 2
                continue
            # Of a number there may be more.
            if end == len(self._held) and self._more():
                continue
            self._at = end
            return value
