"""Reports: what a run did, as figures, a workbook and a mail."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from triagedesk.priority import Priority


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
    #: Past due at the time of the report.
    breached: int = 0
    #: Due within the next quarter of their SLA, or within four hours.
    at_risk: int = 0
