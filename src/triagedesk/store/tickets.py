"""Queries about tickets: what arrived, what was decided, who has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Select, Text, bindparam, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from triagedesk.store.arrivals import ArrivalQueries
from triagedesk.store.changes import note_changed
from triagedesk.store.queries import PART, add_many, among, in_parts, new_keys, whole_numbers
from triagedesk.store.sla import mark_stale
from triagedesk.store.tables import decisions, run_tickets, tickets
from triagedesk.store.ticket_rows import (
    decision_row,
    is_assigned,
    of_run,
    read_received,
    read_triaged,
    received_rows,
    triaged_rows,
)
from triagedesk.tickets import ReceivedTicket, Status, TriagedTicket

_MAKE_CURRENT = (
    update(tickets)
    .where(
        tickets.c.id == bindparam("ticket_id"),
        tickets.c.content_hash == bindparam("input_hash"),
    )
    .values(decision_id=bindparam("made"))
)


class TicketQueries(ArrivalQueries):
    """Queries about tickets."""

    def undecided(self, run_id: str) -> list[ReceivedTicket]:
        """The run's tickets whose content nobody has decided about yet, oldest first."""
        query = of_run(received_rows(), run_id).where(tickets.c.decision_id.is_(None))
        rows = self.connection.execute(query.order_by(tickets.c.id))
        return [read_received(row) for row in rows]

    def tickets_called(self, external_id: str) -> list[ReceivedTicket]:
        """Tickets of that id, of whatever source, newest first."""
        query = received_rows().where(tickets.c.external_id == external_id)
        rows = self.connection.execute(query.order_by(tickets.c.id.desc()))
        return [read_received(row) for row in rows]

    def still_undecided(self, triaged: Sequence[TriagedTicket]) -> list[TriagedTicket]:
        """Those that no other process has decided meanwhile; whoever would now waits for us."""
        waiting: set[int] = set()
        for part in in_parts(sorted(item.key for item in triaged)):
            query = select(tickets.c.id).where(
                among(self.connection, tickets.c.id, part), tickets.c.decision_id.is_(None)
            )
            waiting |= set(self.connection.scalars(query.order_by(tickets.c.id).with_for_update()))
        return [item for item in triaged if item.key in waiting]

    def decide(self, run_id: str, triaged: Sequence[TriagedTicket]) -> None:
        """Record decisions, and make each its ticket's current one; clocks follow later."""
        mark_stale(self.connection, list(self.record_decisions(run_id, triaged)))

    def record_decisions(self, run_id: str, triaged: Sequence[TriagedTicket]) -> dict[int, int]:
        """The same without the clocks; returns the decisions' numbers by ticket key."""
        numbers: dict[int, int] = {}
        for part in in_parts(triaged):
            keys = new_keys(self.connection, decisions, len(part))
            rows = (
                {"id": key, **decision_row(run_id, item)}
                for key, item in zip(keys, part, strict=True)
            )
            add_many(self.connection, decisions, rows)
            self._make_current(part, keys)
            numbers |= {item.key: key for item, key in zip(part, keys, strict=True)}
        note_changed(self.connection, numbers)
        return numbers

    def _make_current(self, triaged: Sequence[TriagedTicket], numbers: Sequence[int]) -> None:
        """Make decisions, by their numbers, those of their tickets.

        A ticket that changed meanwhile stays undecided: its decision is about what it was.
        """
        keys = [item.key for item in triaged]
        hashes = [item.ticket.content_hash for item in triaged]
        if self.connection.dialect.name != "postgresql":
            names = ("ticket_id", "made", "input_hash")
            these = zip(keys, numbers, hashes, strict=True)
            changes = [dict(zip(names, one, strict=True)) for one in these]
            self.connection.execute(_MAKE_CURRENT, changes)
            return
        lists = (whole_numbers(keys), whole_numbers(numbers), literal(hashes, ARRAY(Text)))
        made = func.unnest(*lists).table_valued("ticket", "decision", "hash").render_derived()
        self.connection.execute(
            update(tickets)
            .where(tickets.c.id == made.c.ticket, tickets.c.content_hash == made.c.hash)
            .values(decision_id=made.c.decision)
        )

    def unassigned(self, run_id: str) -> list[TriagedTicket]:
        """The run's decided tickets that no agent has, oldest first."""
        query = _waiting(of_run(triaged_rows(), run_id))
        rows = self.connection.execute(query.order_by(tickets.c.id))
        return [read_triaged(row) for row in rows]

    def unassigned_keys(self, run_id: str) -> list[int]:
        """The keys of `unassigned`, for who has read the tickets already."""
        query = of_run(select(tickets.c.id), run_id).where(tickets.c.decision_id.is_not(None))
        return list(self.connection.scalars(_waiting(query).order_by(tickets.c.id)))

    def triaged(self, run_id: str) -> Iterator[TriagedTicket]:
        """The run's tickets with all decisions, in the report's order, a few at a time."""
        query = of_run(triaged_rows(), run_id).order_by(decisions.c.sort_key, tickets.c.id)
        rows = self.connection.execute(query, execution_options={"yield_per": PART})
        for part in rows.partitions():
            yield from (read_triaged(row) for row in part)

    def has_decided(self, run_id: str) -> bool:
        """Whether the run has any ticket with a decision."""
        query = of_run(select(tickets.c.id), run_id).where(tickets.c.decision_id.is_not(None))
        return self.connection.scalar(query.limit(1)) is not None

    def triaged_of(self, keys: Sequence[int]) -> list[TriagedTicket]:
        """Tickets by key, with all decisions, oldest first; those not decided are left out."""
        found: list[TriagedTicket] = []
        for part in in_parts(sorted(set(keys))):
            query = (
                triaged_rows()
                .where(among(self.connection, tickets.c.id, part))
                .order_by(tickets.c.id)
            )
            found += [read_triaged(row) for row in self.connection.execute(query)]
        return found

    def to_write_back(self, run_id: str) -> list[TriagedTicket]:
        """Decisions a source has not been told yet and nobody needs to confirm first."""
        query = of_run(triaged_rows(), run_id).where(
            decisions.c.needs_review.is_(False),
            or_(
                tickets.c.written_decision_id.is_(None),
                tickets.c.written_decision_id != tickets.c.decision_id,
            ),
        )
        rows = self.connection.execute(query.order_by(tickets.c.id))
        return [read_triaged(row) for row in rows]

    def written_back(self, keys: Sequence[int]) -> None:
        """Record that the source knows the current decisions about these tickets."""
        for part in in_parts(keys):
            self.connection.execute(
                update(tickets)
                .where(among(self.connection, tickets.c.id, part))
                .values(written_decision_id=tickets.c.decision_id)
            )

    def reported(self, run_id: str) -> None:
        """Record that the run's current decisions stand in a report."""
        mine = select(run_tickets.c.ticket_id).where(run_tickets.c.run_id == run_id)
        self.connection.execute(
            update(tickets)
            .where(tickets.c.id.in_(mine))
            .values(reported_decision_id=tickets.c.decision_id)
        )


def _waiting(query: Select[Any]) -> Select[Any]:
    """`query` for open tickets that no agent has."""
    return query.where(~is_assigned(), tickets.c.status == Status.OPEN)
