"""Queries that look things up and list them for people: tickets, their history, agents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row, Select, and_, func, insert, select, update

from triagedesk.agents import Agent
from triagedesk.store.changes import note_changed
from triagedesk.store.queries import Queries, in_parts
from triagedesk.store.tables import (
    agents,
    assignments,
    corrections,
    decisions,
    run_tickets,
    tickets,
)
from triagedesk.store.ticket_rows import read_holding, read_triaged, triaged_rows
from triagedesk.tickets import (
    Assignment,
    Classification,
    Holding,
    ReleasedFor,
    Status,
    Ticket,
    TriagedTicket,
)

_ticket = TypeAdapter(Ticket)
_agent = TypeAdapter(Agent)
_assignment = TypeAdapter(Assignment)
_classification = TypeAdapter(Classification)


@dataclass(frozen=True, kw_only=True)
class DeskTicket:
    """A ticket as the desk has it."""

    #: The store's own number for it.
    key: int
    ticket: Ticket
    status: Status
    received_at: datetime
    updated_at: datetime
    #: None while its content is new and nobody has decided.
    triaged: TriagedTicket | None = None


@dataclass(frozen=True, kw_only=True)
class TicketFilter:
    """Which tickets to list; what is not set filters nothing."""

    status: Status | None = None
    #: 1-4.
    priority: int | None = None
    needs_review: bool | None = None
    #: An agent's id; "" lists those nobody has.
    agent: str | None = None
    request_category: str = ""
    request_type: str = ""
    source: str = ""
    run_id: str = ""


@dataclass(frozen=True, kw_only=True)
class PastDecision:
    """A decision about a ticket, in force or replaced."""

    decided_at: datetime
    run_id: str
    classification: Classification
    priority: int
    catalog_version: str
    policy_version: str
    in_force: bool


@dataclass(frozen=True, kw_only=True)
class PastAssignment:
    """An assignment or deferral of a ticket, in force or ended."""

    assigned_at: datetime
    #: None while it is in force.
    released_at: datetime | None
    #: Empty where no run made it, but somebody at the desk.
    run_id: str
    assignment: Assignment
    #: None for a deferral.
    holding: Holding | None = None
    #: None while it is in force, or where a new assignment simply replaced it.
    released_why: ReleasedFor | None = None
    #: Who ended it, and in whose words; empty where nobody said.
    released_by: str = ""
    note: str = ""


class ListQueries(Queries):
    """Queries that look up and list."""

    def desk_tickets(
        self, wanted: TicketFilter, *, before: int | None = None, most: int = 50
    ) -> list[DeskTicket]:
        """Tickets that pass a filter, newest first, from below the key `before`."""
        query = select(tickets.c.id).where(*_conditions(wanted))
        query = query.outerjoin(decisions, decisions.c.id == tickets.c.decision_id)
        query = query.outerjoin(
            assignments,
            and_(assignments.c.ticket_id == tickets.c.id, assignments.c.released_at.is_(None)),
        )
        if before is not None:
            query = query.where(tickets.c.id < before)
        keys = list(self.connection.scalars(query.order_by(tickets.c.id.desc()).limit(most)))
        found = {item.key: item for item in self.desk_tickets_of(keys)}
        return [found[key] for key in keys]

    def desk_tickets_of(self, keys: Sequence[int]) -> list[DeskTicket]:
        """Tickets by the store's numbers, in order of number."""
        triaged = self._triaged_of(keys)
        return [_desk_ticket(row, triaged.get(row.id)) for row in self._rows(keys)]

    def desk_tickets_called(self, external_id: str, source: str = "") -> list[DeskTicket]:
        """Tickets of that id, newest first; of one source where one is named."""
        query = select(tickets.c.id).where(tickets.c.external_id == external_id)
        if source:
            query = query.where(tickets.c.source == source)
        return list(reversed(self.desk_tickets_of(list(self.connection.scalars(query)))))

    def desk_tickets_from(self, source: str, external_ids: Sequence[str]) -> dict[str, DeskTicket]:
        """External id -> ticket, of those the desk knows."""
        keys: list[int] = []
        for part in in_parts(external_ids):
            query = select(tickets.c.id).where(
                tickets.c.source == source, tickets.c.external_id.in_(part)
            )
            keys += self.connection.scalars(query)
        return {item.ticket.id: item for item in self.desk_tickets_of(keys)}

    def _rows(self, keys: Sequence[int]) -> list[Row[Any]]:
        rows: list[Row[Any]] = []
        for part in in_parts(sorted(keys)):
            rows += self.connection.execute(
                select(tickets).where(tickets.c.id.in_(part)).order_by(tickets.c.id)
            )
        return rows

    def _triaged_of(self, keys: Sequence[int]) -> dict[int, TriagedTicket]:
        found: dict[int, TriagedTicket] = {}
        for part in in_parts(keys):
            for row in self.connection.execute(triaged_rows().where(tickets.c.id.in_(part))):
                found[row.key] = read_triaged(row)
        return found

    def past_decisions(self, key: int) -> list[PastDecision]:
        """Every decision about a ticket, oldest first."""
        query = (
            select(decisions, tickets.c.decision_id)
            .join(tickets, tickets.c.id == decisions.c.ticket_id)
            .where(decisions.c.ticket_id == key)
        )
        return [
            PastDecision(
                decided_at=row.decided_at,
                run_id=row.run_id,
                classification=_classification.validate_python(row.details["classification"]),
                priority=row.priority,
                catalog_version=row.catalog_version,
                policy_version=row.policy_version,
                in_force=row.id == row.decision_id,
            )
            for row in self.connection.execute(query.order_by(decisions.c.id))
        ]

    def past_assignments(self, key: int) -> list[PastAssignment]:
        """Every assignment and deferral of a ticket, oldest first."""
        query = select(assignments).where(assignments.c.ticket_id == key)
        return [
            PastAssignment(
                assigned_at=row.assigned_at,
                released_at=row.released_at,
                run_id=row.run_id or "",
                assignment=_assignment.validate_python(row.details),
                holding=read_holding(row) if row.agent_id else None,
                released_why=ReleasedFor(row.released_why) if row.released_why else None,
                released_by=row.released_by or "",
                note=row.note or "",
            )
            for row in self.connection.execute(query.order_by(assignments.c.id))
        ]

    def corrections_stamp(self) -> tuple[int, int, int]:
        """Changes whenever there is more, or less, to learn from."""
        query = select(
            func.count(), func.count(corrections.c.undone_at), func.max(corrections.c.id)
        ).select_from(corrections)
        made, undone, newest = self.connection.execute(query).one()
        return made, undone, newest or 0

    def known_agents(self) -> dict[str, tuple[Agent, bool]]:
        """Agent id -> profile as last given, and whether they are on the roster."""
        query = select(agents.c.id, agents.c.profile, agents.c.active)
        return {
            row.id: (_agent.validate_python(row.profile), row.active)
            for row in self.connection.execute(query)
        }

    def welcome(self, newcomers: Sequence[Agent], now: datetime) -> None:
        """Put agents on the roster beside those on it; a load counts for agents first seen."""
        known = self.known_agents()
        note_changed(self.connection)
        for agent in newcomers:
            values = {
                "profile": _agent.dump_python(agent, mode="json"),
                "active": True,
                "updated_at": now,
            }
            if agent.id not in known:
                added = insert(agents).values(**values, id=agent.id, seed_load=agent.load)
                self.connection.execute(added)
            # What the profile says of load is history: the store counts it.
            elif (replace(known[agent.id][0], load=agent.load), known[agent.id][1]) != (
                agent,
                True,
            ):
                self.connection.execute(
                    update(agents).where(agents.c.id == agent.id).values(values)
                )

    def add_load(self, agent_id: str, more: int, now: datetime) -> None:
        """Have an agent carry `more` open work than the desk knows of, or less."""
        note_changed(self.connection)
        self.connection.execute(
            update(agents)
            .where(agents.c.id == agent_id)
            .values(seed_load=agents.c.seed_load + more, updated_at=now)
        )

    def retire(self, agent_id: str, now: datetime) -> None:
        """Take an agent off the roster; the tickets they have stay theirs."""
        note_changed(self.connection)
        self.connection.execute(
            update(agents).where(agents.c.id == agent_id).values(active=False, updated_at=now)
        )


def _desk_ticket(row: Row[Any], triaged: TriagedTicket | None) -> DeskTicket:
    return DeskTicket(
        key=row.id,
        ticket=_ticket.validate_python(row.payload),
        status=Status(row.status),
        received_at=row.received_at,
        updated_at=row.updated_at,
        triaged=triaged,
    )


def _conditions(wanted: TicketFilter) -> list[Any]:
    conditions: list[Any] = []
    if wanted.status is not None:
        conditions.append(tickets.c.status == wanted.status)
    if wanted.source:
        conditions.append(tickets.c.source == wanted.source)
    if wanted.priority is not None:
        conditions.append(decisions.c.priority == wanted.priority)
    if wanted.needs_review is not None:
        conditions.append(decisions.c.needs_review.is_(wanted.needs_review))
    if wanted.request_category:
        conditions.append(decisions.c.request_category == wanted.request_category)
    if wanted.request_type:
        conditions.append(decisions.c.request_type == wanted.request_type)
    if wanted.agent is not None:
        has = assignments.c.agent_id
        conditions.append(has == wanted.agent if wanted.agent else has.is_(None))
    if wanted.run_id:
        mine: Select[Any] = select(run_tickets.c.ticket_id).where(
            run_tickets.c.run_id == wanted.run_id
        )
        conditions.append(tickets.c.id.in_(mine))
    return conditions
