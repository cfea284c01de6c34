"""The workbook's sheets of rows: Tickets, Agents, Review, Set aside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from xlsxwriter.worksheet import Worksheet

from triagedesk.priority import Priority
from triagedesk.report import AgentRow, ReportRow, sla_state, target_state
from triagedesk.report.cells import (
    AMBER,
    BLUE,
    QUIET,
    RED,
    Cells,
    Column,
    Kind,
    Style,
    Widths,
    printed,
    style,
)
from triagedesk.sla import SlaState
from triagedesk.tickets import BrokenTicket

_WHY = " · "
_CENTRED: dict[str, Any] = {"align": "center"}
_PRIORITY_LOOKS: dict[Priority, dict[str, Any]] = {
    Priority.P1: {"bold": True, "font_color": "#FFFFFF", "bg_color": RED},
    Priority.P2: {"bold": True, "font_color": "#7A4B00", "bg_color": "#FBE3B5"},
    Priority.P3: {},
    Priority.P4: {"font_color": QUIET},
}

#: How the SLA column says where a ticket stands.
SLA_WORDS = {
    SlaState.RUNNING: "on time",
    SlaState.MET: "on time",
    SlaState.MISSED: "late",
    SlaState.AT_RISK: "at risk",
    SlaState.BREACHED: "breached",
    SlaState.PAUSED: "paused",
    SlaState.NO_DEADLINE: "no deadline",
}

#: The first six are agreed with readers of the file by name and place.
_FIRST_COLUMNS: tuple[Column[ReportRow], ...] = (
    Column(header="id", value=lambda row: row.id, widest=220),
    Column(header="request_category", value=lambda row: row.request_category, widest=280),
    Column(header="request_type", value=lambda row: row.request_type, widest=280),
    Column(header="short_description", value=lambda row: row.short_description),
    Column(header="sla_value", value=lambda row: row.sla_value, kind=Kind.NUMBER),
    Column(header="sla_unit", value=lambda row: row.sla_unit),
    Column(header="priority", value=lambda row: row.priority.name),
    Column(header="due", value=lambda row: row.due, kind=Kind.TIME),
    Column(header="response due", value=lambda row: row.response_due, kind=Kind.TIME),
)
_FURTHER_COLUMNS: tuple[Column[ReportRow], ...] = (
    Column(header="agent", value=lambda row: row.agent, widest=220),
    Column(header="confidence", value=lambda row: row.confidence, kind=Kind.PERCENT),
    Column(header="decided by", value=lambda row: row.decided_by),
    Column(header="review", value=lambda row: "yes" if row.needs_review else ""),
    Column(header="notes", value=lambda row: _WHY.join(row.notes), widest=320),
    Column(header="why this priority", value=lambda row: _WHY.join(row.priority_evidence)),
    Column(header="why this agent", value=lambda row: row.rationale, widest=640),
)
REVIEW: tuple[Column[ReportRow], ...] = (
    Column(header="id", value=lambda row: row.id, widest=220),
    Column(
        header="short_description",
        value=lambda row: row.short_description,
        kind=Kind.WRAPPED,
        widest=340,
    ),
    Column(header="suggested category", value=lambda row: row.request_category, widest=240),
    Column(header="suggested type", value=lambda row: row.request_type, widest=240),
    Column(header="confidence", value=lambda row: row.confidence, kind=Kind.PERCENT),
    Column(
        header="other possibilities",
        value=lambda row: "\n".join(row.alternatives),
        kind=Kind.WRAPPED,
        widest=380,
    ),
    Column(
        header="why a person is asked",
        value=lambda row: "\n".join(row.notes),
        kind=Kind.WRAPPED,
        widest=380,
    ),
    Column(header="priority", value=lambda row: row.priority.name),
    Column(header="due", value=lambda row: row.due, kind=Kind.TIME),
    Column(header="agent", value=lambda row: row.agent, widest=220),
)
AGENTS: tuple[Column[AgentRow], ...] = (
    Column(header="agent", value=lambda agent: agent.name, widest=260),
    Column(header="id", value=lambda agent: agent.id, widest=220),
    Column(header="availability", value=lambda agent: agent.availability),
    Column(header="new in this run", value=lambda agent: agent.assigned, kind=Kind.NUMBER),
    Column(header="load", value=lambda agent: agent.load, kind=Kind.NUMBER),
    Column(header="capacity", value=lambda agent: agent.capacity, kind=Kind.NUMBER),
    Column(
        header="load of capacity",
        value=lambda agent: agent.load / agent.capacity if agent.capacity else None,
        kind=Kind.PERCENT,
        least=220,
    ),
)
SET_ASIDE: tuple[Column[BrokenTicket], ...] = (
    Column(header="position", value=lambda item: item.position, kind=Kind.NUMBER),
    Column(header="id", value=lambda item: item.id, widest=220),
    Column(header="what is wrong", value=lambda item: item.reason, kind=Kind.WRAPPED, widest=420),
    Column(header="as it arrived", value=lambda item: item.raw, kind=Kind.WRAPPED, widest=640),
)


#: Columns coloured by where a target, or the whole ticket, stands.
_STATES: dict[str, Callable[[ReportRow, datetime], SlaState]] = {
    "due": lambda row, now: target_state(row, "resolution", now),
    "response due": lambda row, now: target_state(row, "response", now),
    "SLA": sla_state,
}


def ticket_columns(now: datetime) -> tuple[Column[ReportRow], ...]:
    """The columns of the sheet Tickets as things stand at `now`."""
    state: Column[ReportRow] = Column(
        header="SLA", value=lambda row: SLA_WORDS[sla_state(row, now)], least=90
    )
    return (*_FIRST_COLUMNS, state, *_FURTHER_COLUMNS)


class RowsSheet:
    """A sheet that tickets are written to one by one, in order."""

    def __init__(
        self,
        sheet: Worksheet,
        cells: Cells,
        widths: Widths[ReportRow],
        columns: Sequence[Column[ReportRow]],
        now: datetime,
    ) -> None:
        self._sheet, self._cells, self._columns, self._now = sheet, cells, columns, now
        self._widths = widths
        self._wraps = any(column.kind is Kind.WRAPPED for column in columns)
        placed = {"valign": "top"} if self._wraps else {}
        self._plain = style(**placed)
        self._states = {
            SlaState.BREACHED: style(bold=True, font_color=RED, **placed),
            SlaState.AT_RISK: style(font_color=AMBER, **placed),
        }
        self._priorities = {
            priority: style(**looks, **_CENTRED, **placed)
            for priority, looks in _PRIORITY_LOOKS.items()
        }
        self.count = 0
        cells.head(sheet, columns)
        widths.apply(sheet)

    def add(self, row: ReportRow) -> None:
        """Write the next row."""
        self.count += 1
        if self._wraps:
            self._sheet.set_row_pixels(self.count, self._widths.height(row))
        for position, column in enumerate(self._columns):
            looks = self._looks(column.header, row)
            self._cells.write(
                self._sheet, self.count, position, column.kind, column.value(row), style=looks
            )

    def _looks(self, header: str, row: ReportRow) -> Style:
        if header == "priority":
            return self._priorities[row.priority]
        if header not in _STATES:
            return self._plain
        return self._states.get(_STATES[header](row, self._now), self._plain)

    def finish(self) -> None:
        """Freeze the header, add filters, and set up printing."""
        finish_table(self._sheet, self._columns, self.count)
        headers = [column.header for column in self._columns]
        if "review" in headers:
            # The reasons further right are for the screen; on paper they would make all tiny.
            self._sheet.print_area(0, 0, max(self.count, 1), headers.index("review"))


def finish_table(sheet: Worksheet, columns: Sequence[Column[Any]], count: int) -> None:
    """Freeze the header, add filters, and set up printing for a sheet of `count` rows."""
    last = max(count, 1)
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, last, len(columns) - 1)
    # Ids are text even where they look like numbers; Excel need not point at each of them.
    sheet.ignore_errors({"number_stored_as_text": f"A1:R{last + 1}"})
    printed(sheet)


def write_agents(sheet: Worksheet, cells: Cells, agents: Sequence[AgentRow]) -> None:
    """Load against capacity, with bars; whoever is full stands out."""
    _write_all(sheet, cells, AGENTS, agents)
    last = max(len(agents), 1)
    share = len(AGENTS) - 1
    sheet.conditional_format(
        1,
        share,
        last,
        share,
        {
            "type": "data_bar",
            "bar_color": "#8FB8E8",
            "min_type": "num",
            "min_value": 0,
            "max_type": "num",
            "max_value": 1,
        },
    )
    full = cells.book.add_format({"bold": True, "font_color": RED})
    sheet.conditional_format(
        1, share, last, share, {"type": "cell", "criteria": ">=", "value": 1, "format": full}
    )
    fresh = cells.book.add_format({"bold": True, "font_color": BLUE})
    sheet.conditional_format(
        1, 3, last, 3, {"type": "cell", "criteria": ">", "value": 0, "format": fresh}
    )


def write_set_aside(sheet: Worksheet, cells: Cells, broken: Sequence[BrokenTicket]) -> None:
    """The tickets that could not be read."""
    _write_all(sheet, cells, SET_ASIDE, broken)


def _write_all(
    sheet: Worksheet, cells: Cells, columns: Sequence[Column[Any]], items: Sequence[Any]
) -> None:
    widths: Widths[Any] = Widths(columns, cells)
    for item in items:
        widths.measure(item)
    cells.head(sheet, columns)
    widths.apply(sheet)
    top = style(valign="top")
    for number, item in enumerate(items, start=1):
        sheet.set_row_pixels(number, widths.height(item))
        for position, column in enumerate(columns):
            cells.write(sheet, number, position, column.kind, column.value(item), style=top)
    finish_table(sheet, columns, len(items))
