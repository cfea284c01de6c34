"""The workbook's Summary sheet: the figures, and native charts of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from triagedesk.priority import Priority
from triagedesk.report import Figures
from triagedesk.report.cells import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    HEAD,
    INK,
    LINE,
    QUIET,
    RED,
    Cells,
    Kind,
    cell_text,
    printed,
    style,
)

NAME = "Summary"
#: Categories past the largest few are counted together, or nobody could read the chart.
CATEGORIES_SHOWN = 12
NO_CATEGORY = "(none)"

_DECIDED_BY = {
    "source": "arrived classified",
    "correction": "an earlier correction",
    "local": "the local model",
    "llm": "the LLM",
    "human": "a person",
}
_LABEL_PIXELS, _COUNT_PIXELS, _SHARE_PIXELS, _GAP_PIXELS = 250, 80, 70, 30
_CHART_WIDTH, _CHART_HEIGHT = 500, 290
_CHART_GAP = 16
_CHARTS_COLUMN = 4
_CHARTS_ROW = 3


@dataclass(frozen=True, kw_only=True)
class Block:
    """A small table of counts, and how its chart looks."""

    heading: str
    lines: Sequence[tuple[str, int]]
    #: `column`, `bar` or `doughnut`; "" for no chart.
    chart: str = ""
    #: One per line; the last is used for all further lines.
    colours: Sequence[str] = (BLUE,)
    #: What the lines mean, under the table.
    note: str = ""


def at_a_glance(figures: Figures, set_aside: int) -> list[tuple[str, int]]:
    """The figures a lead asks for first."""
    lines = [
        ("Tickets", figures.total),
        ("Waiting for review", figures.needs_review),
        ("Assigned to an agent", figures.assigned),
        ("Left in the queue", figures.deferred),
    ]
    return [*lines, ("Set aside, unreadable", set_aside)] if set_aside else lines


def sla_lines(figures: Figures) -> list[tuple[str, int]]:
    """Where the tickets stand with their due times."""
    return [
        ("Breached", figures.breached),
        ("At risk", figures.at_risk),
        ("On time", figures.on_time),
        ("On hold", figures.paused),
        ("No deadline", figures.no_deadline),
    ]


def decided_by_lines(figures: Figures) -> list[tuple[str, int]]:
    """Who or what classified how many, most first."""
    counts = sorted(figures.by_decided_by.items(), key=lambda item: (-item[1], item[0]))
    return [(_DECIDED_BY.get(name, name), count) for name, count in counts]


def category_lines(figures: Figures, shown: int = CATEGORIES_SHOWN) -> list[tuple[str, int]]:
    """Tickets per category, most first; the small ones together."""
    counts = sorted(
        figures.by_category.items(), key=lambda item: (-item[1], item[0].casefold(), item[0])
    )
    lines = [(name or NO_CATEGORY, count) for name, count in counts]
    if len(lines) <= shown:
        return lines
    rest = lines[shown - 1 :]
    others = (f"{len(rest)} further categories", sum(count for _, count in rest))
    return [*lines[: shown - 1], others]


def priority_lines(figures: Figures) -> list[tuple[str, int]]:
    """Tickets per priority."""
    return [(priority.name, figures.by_priority[priority]) for priority in Priority]


def blocks_of(figures: Figures, set_aside: int) -> list[Block]:
    """The tables of the summary, in the order they are shown."""
    return [
        Block(heading="At a glance", lines=at_a_glance(figures, set_aside)),
        Block(
            heading="By priority",
            lines=priority_lines(figures),
            chart="column",
            colours=(RED, AMBER, BLUE, GREY),
        ),
        Block(
            heading="SLA",
            lines=sla_lines(figures),
            chart="doughnut",
            colours=(RED, AMBER, GREEN, BLUE, GREY),
            note="At risk: most of the time until it is due is used up. Response counts too.",
        ),
        Block(heading="By category", lines=category_lines(figures), chart="bar"),
        Block(
            heading="Decided by",
            lines=decided_by_lines(figures),
            chart="bar",
            colours=("#5B7DB1",),
        ),
    ]


def write_summary(
    sheet: Worksheet,
    cells: Cells,
    figures: Figures,
    *,
    title: str,
    created_at: datetime,
    set_aside: int,
) -> None:
    """Title, tables on the left, their charts on the right."""
    sheet.hide_gridlines(2)
    for column, pixels in enumerate((_LABEL_PIXELS, _COUNT_PIXELS, _SHARE_PIXELS, _GAP_PIXELS)):
        sheet.set_column_pixels(column, column, pixels)
    sheet.set_row_pixels(0, 36)
    big = cells.format(style(bold=True, font_size=18, font_color=HEAD))
    sheet.write_string(0, 0, cell_text(title), big)
    created = cells.local(created_at) or created_at
    made = f"Created {created:%Y-%m-%d %H:%M %Z} · all times are in {cells.zone.key}"
    sheet.write_string(1, 0, made, cells.format(style(font_color=QUIET)))
    row, charts = _CHARTS_ROW, 0
    for block in blocks_of(figures, set_aside):
        first = _write_block(sheet, cells, block, row, figures.total)
        if block.chart and any(count for _, count in block.lines):
            _place_chart(sheet, _chart(cells.book, block, first), charts)
            charts += 1
        row = first + len(block.lines) + (2 if block.note else 1)
    printed(sheet, repeat_head=False)
    sheet.set_first_sheet()


def _write_block(sheet: Worksheet, cells: Cells, block: Block, row: int, total: int) -> int:
    """Write one table; returns the row of its first line."""
    head: dict[str, Any] = {
        "bold": True,
        "font_color": HEAD,
        "bottom": 2,
        "bottom_color": HEAD,
    }
    right = cells.format(style(align="right", indent=1, **head))
    sheet.write_string(row, 0, block.heading, cells.format(style(**head)))
    sheet.write_string(row, 1, "tickets", right)
    sheet.write_string(row, 2, "share", right)
    line = style(bottom=1, bottom_color=LINE)
    for number, (label, count) in enumerate(block.lines, start=row + 1):
        cells.write(sheet, number, 0, Kind.TEXT, label, style=line)
        cells.write(sheet, number, 1, Kind.NUMBER, count, style=line)
        share = count / total if total and count <= total else None
        cells.write(sheet, number, 2, Kind.PERCENT, share, style=line)
    if block.note:
        end = row + 1 + len(block.lines)
        sheet.write_string(end, 0, block.note, cells.format(style(font_color=QUIET, font_size=9)))
    return row + 1


def _chart(book: Workbook, block: Block, first: int) -> Any:
    """A native chart over a block's cells."""
    last = first + len(block.lines) - 1
    chart = book.add_chart({"type": block.chart})
    colours = [block.colours[min(n, len(block.colours) - 1)] for n in range(len(block.lines))]
    series = {
        "name": block.heading,
        "categories": [NAME, first, 0, last, 0],
        "values": [NAME, first, 1, last, 1],
        # Rows are flushed to disk as they are written, so the chart's preview data is given here.
        "categories_data": [cell_text(label) for label, _ in block.lines],
        "values_data": [count for _, count in block.lines],
        "points": [{"fill": {"color": colour}} for colour in colours],
        "gap": 45,
        "data_labels": {"value": True, "font": {"color": INK, "size": 9}},
    }
    if block.chart == "doughnut":
        # Labels of empty parts would lie on top of one another.
        empty = [None if count else {"delete": True} for _, count in block.lines]
        series["data_labels"] = {
            "value": True,
            "custom": empty,
            "font": {"color": "#FFFFFF", "bold": True},
        }
    chart.add_series(series)
    chart.set_title(
        {"name": block.heading, "name_font": {"size": 13, "color": HEAD}, "overlay": False}
    )
    quiet = {"color": QUIET, "size": 9}
    if block.chart == "doughnut":
        chart.set_hole_size(58)
        chart.set_legend({"position": "right", "font": {"color": INK, "size": 10}})
    else:
        chart.set_legend({"none": True})
        names = {"num_font": quiet, "line": {"color": LINE}, "major_tick_mark": "none"}
        counts = {"visible": False, "major_gridlines": {"visible": False}, "min": 0}
        if block.chart == "column":
            chart.set_x_axis(names)
            chart.set_y_axis(counts)
        else:
            # Bars lie: the names stand on the vertical axis, which counts from below.
            chart.set_x_axis(counts)
            chart.set_y_axis(names | {"reverse": True})
    chart.set_chartarea({"border": {"color": LINE}})
    return chart


def _place_chart(sheet: Worksheet, chart: Any, number: int) -> None:
    """Charts stand two by two."""
    chart.set_size({"width": _CHART_WIDTH, "height": _CHART_HEIGHT})
    offset = {
        "x_offset": (number % 2) * (_CHART_WIDTH + _CHART_GAP),
        "y_offset": (number // 2) * (_CHART_HEIGHT + _CHART_GAP),
        "object_position": 3,
    }
    sheet.insert_chart(_CHARTS_ROW, _CHARTS_COLUMN, chart, offset)
