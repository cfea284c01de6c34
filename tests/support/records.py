"""Records for tests of the store, with nothing filled but what a test is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from triagedesk.agents import Agent
from triagedesk.catalog import Label, Sla, SlaUnit
from triagedesk.priority import Level, Priority, PriorityDecision
from triagedesk.store import Store
from triagedesk.store.reports import StoredReport
from triagedesk.tickets import (
    Assignment,
    Classification,
    DecidedBy,
    ReceivedTicket,
    Ticket,
    TriagedTicket,
)

NOW = datetime(2026, 1, 5, 9, 30, 15, 123456, tzinfo=UTC)
SOURCE = "webhook"
RESET = Label("Access", "Reset password")


def a_ticket(id: str = "T-1", short: str = "Forgot my password", **fields: Any) -> Ticket:  # noqa: A002 - the record's word
    """A ticket that is open and says little."""
    return Ticket(source=SOURCE, id=id, short_description=short, **fields)


def an_agent(id: str = "ann", **fields: Any) -> Agent:  # noqa: A002 - the record's word
    """An agent who knows Linux."""
    return Agent(**{"id": id, "name": id.title(), "skills": {"Linux": 7}, **fields})


def a_decision(
    received: ReceivedTicket, label: Label | None = RESET, **fields: Any
) -> TriagedTicket:
    """What the desk decided about a ticket it received."""
    needs_review = fields.pop("needs_review", False)
    decision = TriagedTicket(
        key=received.key,
        ticket=received.ticket,
        received_at=received.received_at,
        classification=Classification(
            label=label, confidence=0.9, decided_by=DecidedBy.LOCAL, needs_review=needs_review
        ),
        catalog_version="catalog-1",
        policy_version="policy-1",
        decided_at=NOW,
        sla=Sla(value=4, unit=SlaUnit.HOURS),
        response_due_at=None,
        resolution_due_at=None,
        priority=PriorityDecision(
            priority=Priority.P3, impact=Level.LOW, urgency=Level.MEDIUM, evidence=("soon",)
        ),
    )
    return replace(decision, **fields)


def a_report(id: str = "run-1", **fields: Any) -> StoredReport:  # noqa: A002 - the record's word
    """A report that waits in the outbox."""
    plain = {
        "run_id": "run-1",
        "created_at": NOW,
        "state": "unsent",
        "message_id": f"<{id}@example.com>",
        "subject": "Report",
        "text": "Good morning",
        "html": "<p>Good morning</p>",
        "path": f"out/{id}.xlsx",
    }
    return StoredReport(**{"id": id, **plain, **fields})


def receive(
    store: Store, tickets: Sequence[Ticket], run_id: str = "run-1", now: datetime = NOW
) -> None:
    """Begin a run, where it is not there yet, and put these tickets into it."""
    with store.begin() as transaction:
        if not transaction.has_run(run_id):
            transaction.start_run(run_id, now)
        transaction.receive(run_id, SOURCE, tickets, (), now)


def decide(store: Store, run_id: str = "run-1", **fields: Any) -> dict[str, int]:
    """Decide whatever the run has undecided; ticket id -> key."""
    with store.begin() as transaction:
        waiting = transaction.undecided(run_id)
        transaction.decide(run_id, [a_decision(received, **fields) for received in waiting])
    return {received.ticket.id: received.key for received in waiting}


def give(store: Store, agent_of: dict[int, str | None], run_id: str = "run-1") -> None:
    """Assign tickets, by key, to agents, by id."""
    given = [
        (key, Assignment(ticket_id=str(key), agent_id=agent_id))
        for key, agent_id in agent_of.items()
    ]
    with store.begin_alone() as transaction:
        transaction.assign(run_id, given, NOW)


def on_duty(store: Store, *agents: Agent) -> None:
    """Make these the roster."""
    with store.begin() as transaction:
        transaction.save_roster(agents, NOW)


def loads(store: Store) -> dict[str, int]:
    """Agent id -> load, of the agents on duty."""
    with store.read() as transaction:
        return {agent.id: agent.load for agent in transaction.roster()}
