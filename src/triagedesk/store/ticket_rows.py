"""Tickets and decisions as rows, and rows as tickets and decisions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row, Select, and_, select

from triagedesk.catalog import Sla, SlaUnit
from triagedesk.priority import PriorityDecision
from triagedesk.store.queries import as_text, read_json, write_json
from triagedesk.store.tables import assignments, decisions, run_tickets, tickets
from triagedesk.store.tables_sla import sla_clocks
from triagedesk.tickets import (
    Assignment,
    Classification,
    Holding,
    ReceivedTicket,
    SlaStanding,
    Ticket,
    TriagedTicket,
)

#: The clocks that a ticket is read with, and the columns that say where they stand.
_SHOWN = ("response", "resolution")
_STANDING = ("target", "due_at", "warn_at", "paused", "stopped_at")


@dataclass(frozen=True, kw_only=True)
class _Details:
    """What a decision says besides what its columns say."""

    classification: Classification
    priority: PriorityDecision


ticket_json = TypeAdapter(Ticket)
assignment_json = TypeAdapter(Assignment)
_details_json = TypeAdapter(_Details)


def write_ticket(ticket: Ticket) -> bytes:
    """A ticket as its row's document; what is not filled is left out."""
    # Older versions, which may be at work beside this one, look for a body without asking.
    return write_json(ticket_json, ticket, lean=bool(ticket.long_description))


def write_assignment(assignment: Assignment) -> bytes:
    """An assignment as its row's document; what is as it is by default is left out."""
    # Older versions look for needs and a name.
    lean = bool(assignment.needs and assignment.agent_name)
    return write_json(assignment_json, assignment, lean=lean)


def of_run(query: Select[Any], run_id: str) -> Select[Any]:
    """`query` for the tickets of a run only."""
    mine = and_(run_tickets.c.ticket_id == tickets.c.id, run_tickets.c.run_id == run_id)
    return query.where(select(run_tickets.c.ticket_id).where(mine).correlate(tickets).exists())


def received_rows() -> Select[Any]:
    """Tickets as they were received."""
    return select(
        tickets.c.id,
        as_text(tickets.c.payload).label("payload"),
        tickets.c.received_at,
        tickets.c.content_hash,
    )


def read_received(row: Row[Any]) -> ReceivedTicket:
    """A row of `received_rows` as a record."""
    ticket = read_json(ticket_json, row.payload)
    # It need not be worked out again, which takes as long as reading the ticket.
    vars(ticket)["content_hash"] = row.content_hash
    return ReceivedTicket(key=row.id, ticket=ticket, received_at=row.received_at)


def is_assigned() -> Any:
    """Whether an agent has the ticket."""
    held = assignments.alias("held")
    return (
        select(held.c.id)
        .where(
            held.c.ticket_id == tickets.c.id,
            held.c.released_at.is_(None),
            held.c.agent_id.is_not(None),
        )
        .correlate(tickets)
        .exists()
    )


def triaged_rows() -> Select[Any]:
    """Tickets joined with their current decision and the assignment in force."""
    in_force = and_(assignments.c.ticket_id == tickets.c.id, assignments.c.released_at.is_(None))
    source = tickets.join(decisions, decisions.c.id == tickets.c.decision_id)
    source = source.outerjoin(assignments, in_force)
    clocks: list[Any] = []
    for target in _SHOWN:
        clock = sla_clocks.alias(target)
        of_ticket = and_(clock.c.ticket_id == tickets.c.id, clock.c.target == target)
        source = source.outerjoin(clock, of_ticket)
        clocks += [clock.c[name].label(f"{target}_clock_{name}") for name in _STANDING]
    return select(
        tickets.c.id.label("key"),
        as_text(tickets.c.payload).label("payload"),
        tickets.c.received_at,
        decisions.c.catalog_version,
        decisions.c.policy_version,
        decisions.c.decided_at,
        decisions.c.sla_value,
        decisions.c.sla_unit,
        decisions.c.response_due_at,
        decisions.c.resolution_due_at,
        as_text(decisions.c.details).label("details"),
        as_text(assignments.c.details).label("assignment"),
        assignments.c.agent_id,
        assignments.c.assigned_at,
        assignments.c.committed_at,
        assignments.c.accepted_at,
        assignments.c.given_by,
        *clocks,
    ).select_from(source)


def decision_row(run_id: str, item: TriagedTicket) -> dict[str, Any]:
    """A decision as a row."""
    classification, label = item.classification, item.classification.label
    category, kind = label or ("", "")
    # NUL cannot occur in ticket text (sources remove it) and sorts before everything else ...
    # but PostgreSQL refuses it, so the next one up separates the parts.
    parts = (*map(str.casefold, (category, kind, item.ticket.short_description)), item.ticket.id)
    return {
        "ticket_id": item.key,
        "run_id": run_id,
        "input_hash": item.ticket.content_hash,
        "catalog_version": item.catalog_version,
        "policy_version": item.policy_version,
        "request_category": category,
        "request_type": kind,
        "confidence": classification.confidence,
        "decided_by": classification.decided_by.value,
        "model": classification.model,
        "model_version": classification.model_version,
        "needs_review": classification.needs_review,
        "priority": item.priority.priority.value,
        "sla_value": item.sla.value if item.sla else None,
        "sla_unit": item.sla.unit.value if item.sla else None,
        "response_due_at": item.response_due_at,
        "resolution_due_at": item.resolution_due_at,
        "decided_at": item.decided_at,
        "details": write_json(
            _details_json,
            _Details(classification=classification, priority=item.priority),
            lean=True,
        ),
        "sort_key": "\x01".join(parts),
    }


def _clocks(row: Row[Any]) -> Iterator[SlaStanding]:
    """What the clocks in a row of `triaged_rows` say; they are its last columns."""
    for number in range(-len(_SHOWN), 0):
        end = (number + 1) * len(_STANDING)
        target, due_at, warn_at, paused, stopped_at = row[number * len(_STANDING) : end or None]
        if target:
            yield SlaStanding(
                target=target, due_at=due_at, warn_at=warn_at, paused=paused, stopped_at=stopped_at
            )


def read_holding(row: Row[Any]) -> Holding:
    """How an assignment's row stands."""
    return Holding(
        since=row.assigned_at,
        committed_at=row.committed_at,
        accepted_at=row.accepted_at,
        given_by=row.given_by or "",
    )


def read_triaged(row: Row[Any]) -> TriagedTicket:
    """A row of `_triaged` as a record; due dates are those of the clocks, once there are any."""
    clocks = {clock.target: clock for clock in _clocks(row)}
    response, resolution = clocks.get("response"), clocks.get("resolution")
    sla = None
    if row.sla_value is not None:
        sla = Sla(value=row.sla_value, unit=SlaUnit(row.sla_unit))
    details = read_json(_details_json, row.details)
    return TriagedTicket(
        key=row.key,
        ticket=read_json(ticket_json, row.payload),
        received_at=row.received_at,
        classification=details.classification,
        catalog_version=row.catalog_version,
        policy_version=row.policy_version,
        decided_at=row.decided_at,
        sla=sla,
        response_due_at=response.due_at if response else row.response_due_at,
        resolution_due_at=resolution.due_at if resolution else row.resolution_due_at,
        priority=details.priority,
        assignment=read_json(assignment_json, row.assignment) if row.assignment else None,
        holding=read_holding(row) if row.agent_id else None,
        clocks=tuple(clocks.values()),
    )
