"""What the store says about SLA clocks, and how it is read from rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import to_json
from sqlalchemy import Row

from triagedesk.catalog import Label, Sla, SlaUnit
from triagedesk.tickets import SlaStanding, Status

_MOMENT = timedelta(microseconds=1)

#: A kind of event and when time alone brings it about.
Moment = tuple[str, datetime]


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredClock:
    """One target's clock of one ticket, ready to be looked at without being worked out again."""

    ticket_key: int
    #: `response`, `resolution` or `group`.
    target: str
    #: The decision that set the target.
    decision_key: int
    #: The assignment group whose clock it is; "" for the others.
    group: str
    started_at: datetime
    sla: Sla
    #: Since when it runs on which calendar, by name; the first from the start.
    calendars: tuple[tuple[datetime, str], ...]
    due_at: datetime | None
    warn_at: datetime | None
    paused: bool
    stopped_at: datetime | None
    breached: bool
    #: Events that have happened or will if nothing changes.
    moments: tuple[Moment, ...]
    #: The rules it follows; None once it is stopped.
    rules_version: str | None
    #: When to look at it again; None: not before something changes.
    next_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchedTicket:
    """All that a ticket's clocks follow from."""

    key: int
    #: When its SLA starts.
    started_at: datetime
    decision_key: int
    decided_at: datetime
    label: Label
    #: Resolution target as decided.
    sla: Sla | None
    #: (when, new status), oldest first; before the first it was open.
    changes: tuple[tuple[datetime, Status], ...]
    #: When an agent had it for the first time, and when the one who has it now got it.
    first_assigned_at: datetime | None
    assigned_at: datetime | None
    #: By target, as they stood.
    clocks: Mapping[str, StoredClock]


@dataclass(frozen=True, kw_only=True)
class SlaEvent:
    """Something that time did to a ticket's target."""

    #: The store's number; 0 before it is stored.
    id: int = 0
    ticket_key: int
    target: str
    #: `at_risk`, `breached`, or the fraction of the target that was used up, e.g. `0.5`.
    kind: str
    happened_at: datetime
    #: Due as it stood then.
    due_at: datetime | None
    recorded_at: datetime


@dataclass(frozen=True, kw_only=True)
class BoardLine:
    """One target of one ticket, as `triagedesk sla` shows it."""

    #: The store's number for the ticket.
    key: int
    ticket_id: str
    source: str
    priority: int
    subject: str
    agent: str
    standing: SlaStanding


@dataclass(frozen=True, kw_only=True)
class EventLine:
    """An event, as `triagedesk sla --events` shows it."""

    ticket_id: str
    subject: str
    event: SlaEvent
    #: What a run did about it; None: none has come by yet.
    done: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A mail that escalation asks for, to one recipient."""

    message_id: str
    recipient: str
    subject: str
    text: str
    html: str
    created_at: datetime
    #: `pending`, `delivered` or `parked`.
    state: str = "pending"
    #: What the channel was configured with at the last attempt.
    fingerprint: str = ""
    attempts: int = 0
    error: str = ""
    attempted_at: datetime | None = None


def looked_at_from(kind: str, at: datetime) -> datetime:
    """From when on an event has happened: after the due time, but at a warning."""
    return at + _MOMENT if kind == "breached" else at


def next_look(moments: Sequence[Moment], after: datetime | None) -> datetime | None:
    """When the next event happens after some time; the first of all for None."""
    looks = (looked_at_from(*moment) for moment in moments)
    return min((look for look in looks if after is None or look > after), default=None)


def read_sla(value: int | None, unit: str | None) -> Sla | None:
    """A target; None for none, and for 0."""
    return Sla(value=value, unit=SlaUnit(unit)) if value and unit else None


def clock_row(clock: StoredClock) -> dict[str, Any]:
    """A clock as a row."""
    return {
        "ticket_id": clock.ticket_key,
        "target": clock.target,
        "decision_id": clock.decision_key,
        "group_name": clock.group,
        "started_at": clock.started_at,
        "sla_value": clock.sla.value,
        "sla_unit": clock.sla.unit.value,
        "calendars": to_json(clock.calendars),
        "due_at": clock.due_at,
        "warn_at": clock.warn_at,
        "paused": clock.paused,
        "stopped_at": clock.stopped_at,
        "breached": clock.breached,
        "moments": to_json(clock.moments),
        "next_at": clock.next_at,
        "rules_version": clock.rules_version,
    }


def read_clock(row: Row[Any]) -> StoredClock:
    """A row as a clock."""
    return StoredClock(
        ticket_key=row.ticket_id,
        target=row.target,
        decision_key=row.decision_id,
        group=row.group_name,
        started_at=row.started_at,
        sla=Sla(value=row.sla_value, unit=SlaUnit(row.sla_unit)),
        calendars=tuple((datetime.fromisoformat(at), name) for at, name in row.calendars),
        due_at=row.due_at,
        warn_at=row.warn_at,
        paused=row.paused,
        stopped_at=row.stopped_at,
        breached=row.breached,
        moments=tuple((kind, datetime.fromisoformat(at)) for kind, at in row.moments),
        next_at=row.next_at,
        rules_version=row.rules_version,
    )


def read_event(row: Row[Any]) -> SlaEvent:
    """A row as an event."""
    return SlaEvent(
        id=row.id,
        ticket_key=row.ticket_id,
        target=row.target,
        kind=row.kind,
        happened_at=row.happened_at,
        due_at=row.due_at,
        recorded_at=row.recorded_at,
    )


def read_board_line(row: Row[Any]) -> BoardLine:
    """A row as a line of the board."""
    details = row.details or {}
    return BoardLine(
        key=row.ticket_id,
        ticket_id=row.external_id,
        source=row.source,
        priority=row.priority,
        subject=str(row.payload["short_description"]),
        agent=details.get("agent_name") or details.get("agent_id") or "",
        standing=SlaStanding(
            target=row.target,
            due_at=row.due_at,
            warn_at=row.warn_at,
            paused=row.paused,
            stopped_at=row.stopped_at,
        ),
    )
