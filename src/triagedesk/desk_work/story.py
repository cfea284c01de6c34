"""What became of a ticket, as its history tells it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from triagedesk.store import Transaction
from triagedesk.store.lists import DeskTicket, PastAssignment, PastDecision
from triagedesk.tickets import ReleasedFor, Status

_STATUS_WORDS = {
    Status.OPEN: "open again",
    Status.ON_HOLD: "on hold",
    Status.RESOLVED: "resolved",
}
#: An opened ticket is given to somebody then; what is resolved was somebody's until then.
_AT_ONE_MOMENT = {"received": -2, "decided": -1, "open again": -1, "on hold": 1, "resolved": 1}
#: What is told elsewhere: by the status, and by who has it next.
_SILENT = (ReleasedFor.RESOLVED, None)


@dataclass(frozen=True, kw_only=True)
class TicketEvent:
    """Something that happened to a ticket."""

    at: datetime
    #: received, decided, queued, tentative, committed, accepted, a status, or why an assignment
    #: ended: declined, handed back, away, offline, reassigned, pulled, rebalanced, interrupted,
    #: escalated.
    what: str
    #: Whom it is about; empty for nobody.
    agent_id: str = ""
    agent_name: str = ""
    #: Who did it; empty for the desk itself.
    by: str = ""
    #: In the words of whoever did it, or of the desk.
    note: str = ""


def story(transaction: Transaction, item: DeskTicket) -> list[TicketEvent]:
    """Everything that happened to a ticket, oldest first."""
    events = [TicketEvent(at=item.received_at, what="received", note=item.ticket.source)]
    events += [_decided(past) for past in transaction.past_decisions(item.key)]
    resolved_by: dict[datetime, str] = {}
    for past in transaction.past_assignments(item.key):
        events += _held(past)
        if past.released_at and past.released_why is ReleasedFor.RESOLVED:
            resolved_by[past.released_at] = past.released_by
    for at, status in transaction.status_log(item.key):
        by = resolved_by.get(at, "") if status is Status.RESOLVED else ""
        events.append(TicketEvent(at=at, what=_STATUS_WORDS[status], by=by))
    # What happened at one moment is told as one thing followed from another.
    return sorted(events, key=lambda event: (event.at, _AT_ONE_MOMENT.get(event.what, 0)))


def _decided(past: PastDecision) -> TicketEvent:
    answer = past.classification
    by = answer.model if answer.decided_by == "human" else ""
    return TicketEvent(
        at=past.decided_at,
        what="decided",
        by=by,
        note=f"{answer.label or 'nothing fits'}, P{past.priority}",
    )


def _held(past: PastAssignment) -> list[TicketEvent]:
    """What happened while an agent had it, or nobody."""
    given, holding = past.assignment, past.holding
    if holding is None:
        return [TicketEvent(at=past.assigned_at, what="queued", note=given.rationale)]
    who = {"agent_id": given.agent_id or "", "agent_name": given.agent_name}
    first = "tentative" if holding.committed_at != past.assigned_at else "committed"
    events = [
        TicketEvent(
            at=past.assigned_at, what=first, by=holding.given_by, note=given.rationale, **who
        )
    ]
    if (
        holding.committed_at
        and first == "tentative"
        and holding.committed_at != holding.accepted_at
    ):
        events.append(TicketEvent(at=holding.committed_at, what="committed", **who))
    if holding.accepted_at:
        events.append(TicketEvent(at=holding.accepted_at, what="accepted", **who))
    if past.released_at and past.released_why not in _SILENT:
        events.append(
            TicketEvent(
                at=past.released_at,
                what=str(past.released_why),
                by=past.released_by,
                note=past.note,
                **who,
            )
        )
    return events
