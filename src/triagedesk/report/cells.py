"""Writing cells: text that stays text, dates in one zone, formats, and fitted columns."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

from xlsxwriter.format import Format
from xlsxwriter.utility import xl_pixel_width
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from triagedesk.cleaning import clean_text

Row = TypeVar("Row")

#: Excel's limit for a cell, in UTF-16 code units.
MAX_CELL = 32_767
#: Whole numbers beyond this lose digits as Excel numbers; they are written as text.
MAX_EXACT = 10**15
CUT_MARK = " … [cut]"

_FILTER_BUTTON = 22
_PADDING = 12
# Pixels of a character; only texts that could be wider than all before are measured exactly.
_ORDINARY, _WIDEST = 9, 16
_LINE_HEIGHT = 20
#: About as many as Excel's tallest row (409 points) holds.
_MOST_LINES = 27
#: Numbers keep off the text to their right.
_RIGHT = {"align": "right", "indent": 1}
_EXCEL_YEARS = range(1900, 10_000)

INK = "#1F2937"
QUIET = "#6B7280"
HEAD = "#1F3A5F"
LINE = "#D5DBE3"
RED = "#C0392B"
AMBER = "#D98E04"
GREEN = "#3C8D5A"
BLUE = "#2F6DB5"
GREY = "#9AA5B1"


class Kind(Enum):
    """How a column's values are written."""

    TEXT = "text"
    #: Text over several lines where the column is too narrow.
    WRAPPED = "wrapped"
    NUMBER = "number"
    PERCENT = "percent"
    TIME = "time"


_KIND_PROPERTIES: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: {},
    Kind.WRAPPED: {"text_wrap": True},
    Kind.NUMBER: {"num_format": "#,##0", **_RIGHT},
    Kind.PERCENT: {"num_format": "0%", **_RIGHT},
    Kind.TIME: {"align": "left"},
}

#: Format properties as XlsxWriter names them; made by `style`.
Style = tuple[tuple[str, Any], ...]


def style(**properties: Any) -> Style:
    """Format properties in a form that can be looked up."""
    return tuple(sorted(properties.items()))


PLAIN = style()


@dataclass(frozen=True, kw_only=True)
class Column(Generic[Row]):
    """One column of a sheet."""

    header: str
    value: Callable[[Row], Any]
    kind: Kind = Kind.TEXT
    #: Pixels.
    widest: int = 420
    least: int = 0


def cell_text(text: str) -> str:
    """`text` as a cell can hold it: no forbidden characters, at most 32,767 UTF-16 units."""
    text = clean_text(text, limit=MAX_CELL)
    # An astral character (emoji) takes two units, so the exact test is only made near the limit.
    if len(text) > MAX_CELL // 2 and _units(text) > MAX_CELL:
        kept = text.encode("utf-16-le")[: 2 * (MAX_CELL - len(CUT_MARK))]
        text = kept.decode("utf-16-le", errors="ignore") + CUT_MARK
    # XlsxWriter passes text of this shape through as raw XML; the space makes it text again.
    if text.startswith("<r>") and text.endswith("</r>"):
        text += " "
    return text


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def text_pixels(text: str) -> int:
    """How wide a text is in the default font, in pixels; the widest line counts."""
    if "\n" in text:
        return max(text_pixels(line) for line in text.split("\n"))
    width: int = xl_pixel_width(text)
    if not text.isascii():
        width += sum(7 for char in text if unicodedata.east_asian_width(char) in "WF")
    return width


class Widths(Generic[Row]):
    """The pixels each column needs, found in a first pass over the rows."""

    def __init__(self, columns: Sequence[Column[Row]], cells: Cells) -> None:
        self._columns = columns
        self._cells = cells
        self.pixels = [
            max(column.least, text_pixels(column.header) + _FILTER_BUTTON) for column in columns
        ]

    def measure(self, row: Row) -> None:
        """Widen the columns for `row`."""
        for position, column in enumerate(self._columns):
            most = min(self.pixels[position], column.widest)
            if most >= column.widest:
                continue
            shown = self._cells.shown(column.kind, column.value(row))
            if len(shown) * (_ORDINARY if shown.isascii() else _WIDEST) > most:
                self.pixels[position] = max(most, text_pixels(shown[:500]))

    def apply(self, sheet: Worksheet) -> None:
        """Set the columns of `sheet`."""
        for position, column in enumerate(self._columns):
            sheet.set_column_pixels(position, position, self._fitted(position, column) + _PADDING)

    def height(self, row: Row) -> int:
        """The pixels `row` needs for its wrapped texts; not every program finds them itself."""
        lines = max(
            (
                _lines(self._cells.shown(column.kind, column.value(row)), self._fitted(n, column))
                for n, column in enumerate(self._columns)
                if column.kind is Kind.WRAPPED
            ),
            default=1,
        )
        return min(lines, _MOST_LINES) * _LINE_HEIGHT

    def _fitted(self, position: int, column: Column[Row]) -> int:
        return min(self.pixels[position], column.widest)


def _lines(text: str, pixels: int) -> int:
    """How many lines a text takes at a width; breaking at words leaves a tenth of it empty."""
    widths = [text_pixels(piece) for piece in text[:5000].split("\n")]
    return sum(1 if width <= pixels else math.ceil(width / (pixels * 0.9)) for width in widths)


@dataclass(kw_only=True)
class Cells:
    """Writes values into a workbook's cells; formats are made once."""

    book: Workbook
    zone: ZoneInfo
    _formats: dict[tuple[Kind, Style, str], Format] = field(default_factory=dict)

    def format(self, style: Style = PLAIN, kind: Kind = Kind.TEXT, pattern: str = "") -> Format:
        """The workbook's format for cells of a kind; `pattern` is a number format of its own."""
        key = (kind, style, pattern)
        made = self._formats.get(key)
        if made is None:
            properties = {"font_color": INK, "valign": "vcenter"} | _KIND_PROPERTIES[kind]
            if pattern:
                properties["num_format"] = pattern
            made = self.book.add_format(properties | dict(style))
            self._formats[key] = made
        return made

    def local(self, moment: datetime) -> datetime | None:
        """`moment` in the report's zone; None where Excel has no such date."""
        try:
            local = moment.astimezone(self.zone)
        except OverflowError:
            return None
        return local if local.year in _EXCEL_YEARS else None

    def shown(self, kind: Kind, value: Any) -> str:
        """A value about as Excel will show it, for measuring."""
        if value is None:
            return ""
        if kind is Kind.TIME:
            return "2000-00-00 00:00 " + (value.tzname() or "")
        if kind is Kind.PERCENT:
            return "100 %"
        return str(value)

    def write(
        self,
        sheet: Worksheet,
        row: int,
        column: int,
        kind: Kind,
        value: Any,
        *,
        style: Style = PLAIN,
    ) -> None:
        """Write one value the way its kind asks for; None leaves the cell empty."""
        if value is None or value == "":
            return
        if kind is Kind.TIME:
            self._write_time(sheet, row, column, value, style)
        elif (kind is Kind.PERCENT and math.isfinite(value)) or (
            kind is Kind.NUMBER and abs(value) < MAX_EXACT
        ):
            sheet.write_number(row, column, value, self.format(style, kind))
        else:
            text_kind = kind if kind is Kind.WRAPPED else Kind.TEXT
            sheet.write_string(row, column, cell_text(str(value)), self.format(style, text_kind))

    def _write_time(
        self, sheet: Worksheet, row: int, column: int, moment: datetime, style: Style
    ) -> None:
        local = self.local(moment)
        if local is None:
            text = moment.isoformat(" ", "minutes")
            sheet.write_string(row, column, text, self.format(style))
            return
        # Excel's dates have no zone, so the number format names it at every date.
        zone = "".join(char for char in local.tzname() or "" if char.isalnum() or char in "+-:")
        date_format = self.format(style, Kind.TIME, f'yyyy-mm-dd hh:mm "{zone}"')
        sheet.write_datetime(row, column, local.replace(tzinfo=None), date_format)

    def head(self, sheet: Worksheet, columns: Iterable[Column[Any]], *, row: int = 0) -> None:
        """Write a header line: bold, and marked as one."""
        marked = {"bold": True, "font_color": "#FFFFFF", "bg_color": HEAD}
        sheet.set_row_pixels(row, 26)
        for position, column in enumerate(columns):
            aligned = _RIGHT if column.kind in (Kind.NUMBER, Kind.PERCENT) else {}
            made = self.format(style(**marked, **aligned))
            sheet.write_string(row, position, column.header, made)


def printed(sheet: Worksheet, *, repeat_head: bool = True) -> None:
    """Make a sheet print on landscape pages of its full width."""
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.set_footer("&L&A&RPage &P of &N")
    if repeat_head:
        sheet.repeat_rows(0)
