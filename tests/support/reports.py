"""Report rows and mails for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from triagedesk.outbox import Attachment, Mail
from triagedesk.priority import Priority
from triagedesk.report import AgentRow, ReportRow

NOW = datetime(2026, 3, 5, 13, 0, tzinfo=UTC)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def row(**fields: Any) -> ReportRow:
    """An ordinary ticket, with some fields different."""
    values: dict[str, Any] = {
        "id": "INC1",
        "request_category": "Hardware",
        "request_type": "Printer",
        "short_description": "The printer on floor 3 is jammed",
        "sla_value": 8,
        "sla_unit": "hours",
        "priority": Priority.P3,
        "due": NOW + hours(6),
        "agent": "Ana Lopez",
        "confidence": 0.93,
        "decided_by": "local",
        "needs_review": False,
        "started_at": NOW - hours(2),
    }
    return ReportRow(**values | fields)


def agent_row(**fields: Any) -> AgentRow:
    """An agent with room for more, with some fields different."""
    values: dict[str, Any] = {
        "id": "a1",
        "name": "Ana Lopez",
        "availability": "available",
        "load": 5,
        "capacity": 20,
        "assigned": 2,
    }
    return AgentRow(**values | fields)


def workbook() -> Attachment:
    """What a small report carries."""
    return Attachment(
        filename="Bericht März.xlsx",
        content_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        content=bytes(range(256)) * 40,
    )


def mail(**fields: Any) -> Mail:
    """A small report on its way, with some fields different."""
    values: dict[str, Any] = {
        "message_id": "<run-1@desk.example.com>",
        "subject": "Tägliche Auswertung 中",
        "text": "3 tickets ✓\n.a line that begins with a dot\n",
        "html": "<p>3 tickets ✓</p>",
        "attachment": workbook(),
        "created_at": NOW,
    }
    return Mail(**values | fields)
