"""Texts in JSON, JSON lines, CSV or YAML as values, with the line of what cannot be read."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Any, NoReturn

from triagedesk.cleaning import clean_name, excerpt
from triagedesk.errors import Problem
from triagedesk.yamlsafe import FormatError, YamlLimits, parse_yaml

_YAML_START = re.compile(r"---|%YAML|#|- |-$|[A-Za-z_][\w ]{0,60}:(?: |$)", re.ASCII)
_DELIMITERS = ",;\t|"
# The longest cell, in characters: csv's own limit (131,072) is shorter than a pasted log.
_LONGEST_CELL = 16_000_000
_YAML_LIMITS = YamlLimits(size=64_000_000, depth=32, values=5_000_000)


class Format(StrEnum):
    """How a text is written."""

    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    YAML = "yaml"


_SUFFIXES = {
    ".csv": Format.CSV,
    ".json": Format.JSON,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".tsv": Format.CSV,
    ".yaml": Format.YAML,
    ".yml": Format.YAML,
}


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """An item of a list that could not be read as a value."""

    reason: str
    raw: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line's value: a JSON line, or a CSV row by column."""

    #: The line it begins on, from 1.
    line: int
    value: Any


@dataclass(frozen=True, kw_only=True)
class Table:
    """A CSV text."""

    #: As they are looked up: lower case, `_` for spaces.
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def format_for(filename: str, text: str) -> Format:
    """The format a file name's ending stands for; without a known one, what the text looks like."""
    return suffix_format(filename) or sniff(text)


def suffix_format(filename: str) -> Format | None:
    """The format a file name's ending stands for; None for one that is not known."""
    _, dot, ending = filename.lower().rpartition(".")
    return _SUFFIXES.get(dot + ending)


def sniff(text: str) -> Format:
    """The format a text looks like."""
    start = text[:100_000].lstrip("\ufeff \t\r\n")
    first = start.partition("\n")[0].rstrip()
    if start.startswith(("{", "[")):
        # One object a line, and more than one: JSON lines. All else that begins so is JSON.
        return Format.JSONL if _is_object(first) and not _is_json(text) else Format.JSON
    return Format.YAML if not first or _YAML_START.match(first) else Format.CSV


def _is_json(text: str) -> bool:
    try:
        load_json(text)
    except FormatError:
        return False
    return True


def _is_object(line: str) -> bool:
    try:
        return isinstance(load_json(line), dict)
    except FormatError:
        return False


def load_json(text: str) -> Any:
    """The value of a JSON text. Raises FormatError with line and column."""
    try:
        return json.loads(text.removeprefix("\ufeff"), parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        what = f"not JSON: {error.msg}, column {error.colno}"
        raise FormatError(what, line=error.lineno) from error
    except RecursionError as error:
        raise FormatError("nested too deeply", line=1) from error
    except ValueError as error:
        # A number of more than 4,300 digits, NaN or Infinity.
        raise FormatError(f"not JSON: {excerpt(str(error))}", line=1) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def load_json_lines(text: str) -> tuple[Row, ...]:
    """One value per line; a line that is not JSON becomes Unreadable."""
    # Not splitlines(): U+2028 and its like may stand inside a JSON string.
    return tuple(read_json_lines(text.split("\n")))


def read_json_lines(lines: Iterable[str]) -> Iterator[Row]:
    """The same from lines as they are read, with or without their ends."""
    for number, line in enumerate(lines, start=1):
        said = line.removeprefix("\ufeff") if number == 1 else line
        if not said.strip():
            continue
        try:
            value = load_json(said)
        except FormatError as error:
            value = Unreadable(reason=f"line {number}: {error.problem.what}", raw=excerpt(said))
        yield Row(line=number, value=value)


def load_yaml(text: str) -> tuple[Any, tuple[Problem, ...]]:
    """The value of a YAML text, and the keys given twice. Raises FormatError."""
    document = parse_yaml(text, limits=_YAML_LIMITS)
    return document.root.plain(), document.problems


def load_table(text: str) -> Table:
    """A CSV text with a header line, as Excel and others write it. Raises FormatError.

    The delimiter (comma, semicolon, tab or bar) is read off the header, or off a first line
    `sep=;`. A row with more cells than the header becomes Unreadable.
    """
    columns, rows = read_table(io.StringIO(text, newline=""))
    return Table(columns=columns, rows=tuple(rows))


def read_table(lines: Iterable[str]) -> tuple[tuple[str, ...], Iterator[Row]]:
    """The same from lines as they are read, with their ends: columns now, each row when asked for.

    Raises FormatError, for a row when it is its turn.
    """
    clean = (line.replace("\0", "") for line in lines)
    first, delimiter, skipped = next(clean, "").removeprefix("\ufeff"), "", 0
    if first.lower().startswith("sep=") and len(first.strip()) == len("sep=;"):
        delimiter, first, skipped = first.strip()[-1], next(clean, ""), 1
    # What is blank before the header makes no row, and counts as a line.
    while first and not first.strip():
        first, skipped = next(clean, ""), skipped + 1
    cells = _cells(chain([first], clean), delimiter or _delimiter(first), skipped)
    header = next(cells, None)
    if header is None:
        return (), iter(())
    columns = tuple(column_name(cell) for cell in header[1])
    twice = sorted({c for c in columns if c and columns.count(c) > 1})
    if twice:
        raise FormatError(f"column {', '.join(twice)} is there twice", line=header[0])
    return columns, (_row(line, row, columns) for line, row in cells)


def column_name(header: str) -> str:
    """A column's header as it is looked up: `Short Description` is `short_description`."""
    return re.sub(r"[\s\-]+", "_", clean_name(header[:200])).casefold()


def _row(line: int, cells: list[str], columns: tuple[str, ...]) -> Row:
    if any(cells[len(columns) :]):
        reason = f"line {line}: {len(cells)} cells under {len(columns)} columns"
        return Row(line=line, value=Unreadable(reason=reason, raw=excerpt(cells)))
    named = zip(columns, cells, strict=False)
    return Row(line=line, value={column: cell for column, cell in named if column})


def _delimiter(text: str) -> str:
    """The delimiter that makes the most columns of a header; a comma when none does."""
    header = next((line for line in text[:100_000].splitlines() if line.strip()), "")
    counts = {d: len(next(csv.reader([header], delimiter=d), [])) for d in _DELIMITERS}
    return max(_DELIMITERS, key=lambda d: counts[d])


def _cells(lines: Iterable[str], delimiter: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank, with the line it begins on."""
    # The limit belongs to the csv module, not to a reader; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    # Strict: a quote that is never closed would otherwise swallow all rows behind it.
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    begins = skipped + 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield begins, cells
            begins = skipped + reader.line_num + 1
    except csv.Error as error:
        raise FormatError(f"not CSV: {error} in the row that begins here", line=begins) from error
