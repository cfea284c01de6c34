"""Reports: what a run did, as figures, a workbook and a mail."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from triagedesk.priority import Priority
from triagedesk.sla import SlaState
from triagedesk.tickets import DecidedBy, SlaStanding, Status, TriagedTicket

#: How many tickets `Figures.urgent` names.
URGENT_SHOWN = 10
#: Where no clock was started, a ticket is at risk once less than this share of its time is left.
AT_RISK_SHARE = 0.25
#: The same, where it is not known when its clock started.
AT_RISK_WITHOUT_START = timedelta(hours=4)

#: The worst first; what is not named comes last.
_WORST = (SlaState.BREACHED, SlaState.AT_RISK, SlaState.PAUSED, SlaState.RUNNING)
_LAST_MOMENT = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class ReportRow:
    """One ticket as the report shows it."""

    id: str
    request_category: str
    request_type: str
    short_description: str
    #: None when no SLA is known; 0 means "no deadline".
    sla_value: int | None
    sla_unit: str
    priority: Priority
    #: Resolution due.
    due: datetime | None
    #: Name of the agent, "" when deferred.
    agent: str
    #: 0-1; None when the ticket arrived classified.
    confidence: float | None
    decided_by: str
    needs_review: bool
    #: Why it needs review, and anything that happened on the way.
    notes: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    #: Why this agent, or why it stays in the queue.
    rationale: str = ""
    priority_evidence: tuple[str, ...] = ()
    #: When its SLA clock started; None where that is not known.
    started_at: datetime | None = None
    #: Without clocks only an open ticket can be at risk or breach.
    status: Status = Status.OPEN
    response_due: datetime | None = None
    #: Its SLA clocks; none where they were never started.
    clocks: tuple[SlaStanding, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AgentRow:
    """One agent's load after the run."""

    id: str
    name: str
    availability: str
    load: int
    capacity: int
    #: How many tickets this run gave them.
    assigned: int


def sort_key(row: ReportRow) -> tuple[str, str, str, str]:
    """The report's order: category, type, subject, case-folded and ascending; then id."""
    return (
        row.request_category.casefold(),
        row.request_type.casefold(),
        row.short_description.casefold(),
        row.id,
    )


def row_of(triaged: TriagedTicket) -> ReportRow:
    """A triaged ticket as the report shows it."""
    ticket, classified = triaged.ticket, triaged.classification
    label, assignment = classified.label, triaged.assignment
    arrived_classified = classified.decided_by is DecidedBy.SOURCE
    return ReportRow(
        id=ticket.id,
        request_category=label.request_category if label else "",
        request_type=label.request_type if label else "",
        short_description=ticket.short_description,
        sla_value=triaged.sla.value if triaged.sla else None,
        sla_unit=str(triaged.sla.unit) if triaged.sla else "",
        priority=triaged.priority.priority,
        due=triaged.resolution_due_at,
        agent=(assignment.agent_name or assignment.agent_id or "") if assignment else "",
        confidence=None if arrived_classified else classified.confidence,
        decided_by=str(classified.decided_by),
        needs_review=classified.needs_review,
        notes=classified.notes,
        alternatives=tuple(
            f"{other.label} ({other.probability:.0%})" for other in classified.alternatives
        ),
        rationale=assignment.rationale if assignment else "",
        priority_evidence=triaged.priority.evidence,
        started_at=ticket.created_at or triaged.received_at,
        status=ticket.status,
        response_due=triaged.response_due_at,
        clocks=triaged.clocks,
    )


@dataclass(kw_only=True)
class Figures:
    """What a report says in numbers; counts are tickets."""

    total: int = 0
    by_decided_by: Counter[str] = field(default_factory=Counter)
    by_priority: Counter[Priority] = field(default_factory=Counter)
    by_category: Counter[str] = field(default_factory=Counter)
    needs_review: int = 0
    assigned: int = 0
    deferred: int = 0
    #: Past due at the time of the report, response or resolution.
    breached: int = 0
    #: Not breached, and as near to it as the desk wants to be warned at; where no clock was
    #: started: in the last quarter of its time (the last four hours where its start is not known).
    at_risk: int = 0
    #: On hold before that.
    paused: int = 0
    #: Has a target, and is none of these.
    on_time: int = 0
    #: No SLA is known, or it is 0.
    no_deadline: int = 0
    #: Tickets that are P1, breached or at risk.
    urgent_total: int = 0
    #: The first of them in order of work: priority, then due time, then id.
    urgent: list[ReportRow] = field(default_factory=list)
    #: Tickets that could not be read and were set aside; not part of `total`.
    set_aside: int = 0


def sla_state(row: ReportRow, now: datetime) -> SlaState:
    """Where a ticket stands: the worst of its targets that are still to be met."""
    running = [clock for clock in row.clocks if clock.stopped_at is None] or row.clocks
    states = {clock.state(now) for clock in running} if running else {_without_clock(row, now)}
    return next((state for state in _WORST if state in states), min(states))


def target_state(row: ReportRow, target: str, now: datetime) -> SlaState:
    """Where one target of a ticket stands."""
    clock = next((clock for clock in row.clocks if clock.target == target), None)
    if clock is not None:
        return clock.state(now)
    return SlaState.NO_DEADLINE if row.clocks else _without_clock(row, now)


def is_breached(row: ReportRow, now: datetime) -> bool:
    """True for a ticket that has passed a due time it had to keep."""
    return sla_state(row, now) is SlaState.BREACHED


def is_at_risk(row: ReportRow, now: datetime) -> bool:
    """True for a ticket that is not breached but soon will be, see `Figures.at_risk`."""
    return sla_state(row, now) is SlaState.AT_RISK


def _without_clock(row: ReportRow, now: datetime) -> SlaState:
    """Where a ticket stands by its due time alone."""
    if row.due is None:
        return SlaState.NO_DEADLINE
    if row.status is not Status.OPEN:
        return SlaState.PAUSED if row.status is Status.ON_HOLD else SlaState.MET
    if row.due < now:
        return SlaState.BREACHED
    warning = AT_RISK_WITHOUT_START
    if row.started_at is not None and row.started_at < row.due:
        warning = (row.due - row.started_at) * AT_RISK_SHARE
    return SlaState.AT_RISK if row.due - now <= warning else SlaState.RUNNING


def tally(rows: Iterable[ReportRow], now: datetime, *, set_aside: int = 0) -> Figures:
    """Count `rows` in one pass as they stand at `now`, in constant memory."""
    figures = Figures(set_aside=set_aside)
    urgent = _FirstInOrderOfWork(URGENT_SHOWN)
    for row in rows:
        state = sla_state(row, now)
        breached, at_risk = state is SlaState.BREACHED, state is SlaState.AT_RISK
        figures.total += 1
        figures.by_decided_by[row.decided_by] += 1
        figures.by_priority[row.priority] += 1
        figures.by_category[row.request_category] += 1
        figures.needs_review += row.needs_review
        figures.assigned += bool(row.agent)
        figures.deferred += not row.agent
        figures.breached += breached
        figures.at_risk += at_risk
        figures.paused += state is SlaState.PAUSED
        figures.no_deadline += state is SlaState.NO_DEADLINE
        figures.on_time += state in (SlaState.RUNNING, SlaState.MET, SlaState.MISSED)
        if breached or at_risk or row.priority is Priority.P1:
            figures.urgent_total += 1
            urgent.offer(row)
    figures.urgent = urgent.rows()
    return figures


class _FirstInOrderOfWork:
    """Keeps the first few rows in order of work out of any number."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: list[tuple[Priority, datetime, str, int, ReportRow]] = []
        self._offered = 0

    def offer(self, row: ReportRow) -> None:
        # The position stands before the row, so that two rows themselves are never compared.
        self._offered += 1
        self._kept.append((row.priority, row.due or _LAST_MOMENT, row.id, self._offered, row))
        if len(self._kept) > 20 * self._size:
            self._kept = heapq.nsmallest(self._size, self._kept)

    def rows(self) -> list[ReportRow]:
        return [kept[-1] for kept in heapq.nsmallest(self._size, self._kept)]
