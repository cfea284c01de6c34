"""Queries about tickets: what arrived, what was decided, who has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, String, bindparam, func, literal, or_, select, update

from triagedesk.store.changes import note_changed
from triagedesk.store.queries import (
    PART,
    Queries,
    add_rows,
    in_parts,
    insert_new,
    new_keys,
    write_json,
)
from triagedesk.store.sla import answer, log_statuses, mark_stale
from triagedesk.store.tables import (
    assignments,
    broken_tickets,
    decisions,
    run_tickets,
    tickets,
)
from triagedesk.store.ticket_rows import (
    assignment_json,
    decision_row,
    is_assigned,
    of_run,
    read_received,
    read_triaged,
    received_rows,
    ticket_json,
    triaged_rows,
)
from triagedesk.tickets import (
    Assignment,
    BrokenTicket,
    ReceivedTicket,
    ReleasedFor,
    Status,
    Ticket,
    TriagedTicket,
)


@dataclass(frozen=True, kw_only=True)
class Received:
    """What a fetch brought, in tickets."""

    new: int
    changed: int
    unchanged: int


class TicketQueries(Queries):
    """Queries about tickets."""

    def receive(
        self,
        run_id: str,
        source: str,
        fetched: Sequence[Ticket],
        broken: Sequence[BrokenTicket],
        now: datetime,
    ) -> Received:
        """Upsert by (source, id); what is new or changed is undecided, the rest stays as it is."""
        known = self._known(source, [ticket.id for ticket in fetched])
        new = [ticket for ticket in fetched if ticket.id not in known]
        changed = [t for t in fetched if t.id in known and known[t.id][1] != t.content_hash]
        keys = self._insert_tickets(new, now) | {id_: row[0] for id_, row in known.items()}
        self._update_tickets(known, [t for t in fetched if t.id in known], now)
        self._log_statuses(keys, known, fetched, now)
        self.put_into_run(run_id, [keys[t.id] for t in fetched if t.status is not Status.RESOLVED])
        self.set_aside(run_id, source, broken)
        return Received(
            new=len(new), changed=len(changed), unchanged=len(fetched) - len(new) - len(changed)
        )

    def set_aside(self, run_id: str, source: str, broken: Sequence[BrokenTicket]) -> None:
        """Record what a run could not read."""
        rows = [
            {
                "run_id": run_id,
                "source": source,
                "position": item.position,
                "external_id": item.id,
                "reason": item.reason,
                "raw": item.raw,
            }
            for item in broken
        ]
        add_rows(self.connection, broken_tickets, rows)

    def _known(self, source: str, ids: Sequence[str]) -> dict[str, tuple[int, str, str]]:
        """External id -> (key, content hash, status)."""
        columns = (tickets.c.external_id, tickets.c.id, tickets.c.content_hash, tickets.c.status)
        known = {}
        for part in in_parts(ids):
            query = select(*columns).where(
                tickets.c.source == source, tickets.c.external_id.in_(part)
            )
            for external_id, key, content_hash, status in self.connection.execute(query):
                known[external_id] = (key, content_hash, status)
        return known

    def _insert_tickets(self, new: Sequence[Ticket], now: datetime) -> dict[str, int]:
        """Insert tickets; returns the store's numbers by external id."""
        keys: dict[str, int] = {}
        for part in in_parts(new):
            numbers = new_keys(self.connection, tickets, len(part))
            keys |= {ticket.id: key for ticket, key in zip(part, numbers, strict=True)}
            rows = [
                {
                    "id": keys[ticket.id],
                    "source": ticket.source,
                    "external_id": ticket.id,
                    "content_hash": ticket.content_hash,
                    "status": ticket.status.value,
                    "requester": ticket.requester_email.lower() or None,
                    "payload": write_json(ticket_json, ticket),
                    "received_at": now,
                    "updated_at": now,
                }
                for ticket in part
            ]
            add_rows(self.connection, tickets, rows)
        return keys

    def _update_tickets(
        self, known: dict[str, tuple[int, str, str]], fetched: Sequence[Ticket], now: datetime
    ) -> None:
        """Bring those up to date that differ from what is known; new content is undecided."""
        rows: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
        resolved = []
        for ticket in fetched:
            key, content_hash, status = known[ticket.id]
            if content_hash == ticket.content_hash and status == ticket.status:
                continue
            row = {
                "key": key,
                "hash": ticket.content_hash,
                "status_now": ticket.status,
                "requester_now": ticket.requester_email.lower() or None,
                "payload_now": ticket_json.dump_python(ticket, mode="json"),
            }
            rows[content_hash != ticket.content_hash].append(row)
            if ticket.status is Status.RESOLVED:
                resolved.append(key)
        bring_up_to_date = (
            update(tickets)
            .where(tickets.c.id == bindparam("key"))
            .values(
                content_hash=bindparam("hash"),
                status=bindparam("status_now"),
                requester=bindparam("requester_now"),
                payload=bindparam("payload_now"),
                updated_at=now,
            )
        )
        note_changed(self.connection, [row["key"] for row in rows[True]])
        for part in in_parts(rows[False]):
            self.connection.execute(bring_up_to_date, part)
        for part in in_parts(rows[True]):
            self.connection.execute(bring_up_to_date.values(decision_id=None), part)
        self.release(resolved, now, why=ReleasedFor.RESOLVED)

    def _log_statuses(
        self,
        keys: Mapping[str, int],
        before: dict[str, tuple[int, str, str]],
        fetched: Sequence[Ticket],
        now: datetime,
    ) -> None:
        """Log every status that is another one than before; a ticket begins as open."""
        opened = (0, "", Status.OPEN)
        moved = {t.id: t for t in fetched if t.status != before.get(t.id, opened)[2]}
        log_statuses(self.connection, [(keys[id_], t) for id_, t in moved.items()], now)

    def change_status(self, ticket: Ticket, now: datetime) -> None:
        """Give a known ticket the status it says; one that is resolved is released."""
        known = self._known(ticket.source, [ticket.id])
        self._update_tickets(known, [ticket], now)
        self._log_statuses({ticket.id: known[ticket.id][0]}, known, [ticket], now)

    def put_into_run(self, run_id: str, keys: Sequence[int]) -> None:
        """Have the run deal with these tickets too."""
        for part in in_parts(sorted(keys)):
            self._put_into_run(run_id, select(tickets.c.id).where(tickets.c.id.in_(part)))

    def _put_into_run(self, run_id: str, keys: Select[tuple[int]]) -> None:
        mine = keys.add_columns(literal(run_id, String))
        add = insert_new(self.connection, run_tickets)
        self.connection.execute(add.from_select(["ticket_id", "run_id"], mine))

    def take_up(self, run_id: str) -> None:
        """Put into the run what earlier runs left: not decided, not assigned or not reported."""
        left = select(tickets.c.id).where(
            tickets.c.status != Status.RESOLVED,
            or_(
                tickets.c.decision_id.is_(None),
                tickets.c.reported_decision_id.is_(None),
                tickets.c.reported_decision_id != tickets.c.decision_id,
                ~is_assigned(),
            ),
        )
        self._put_into_run(run_id, left)

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
                tickets.c.id.in_(part), tickets.c.decision_id.is_(None)
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
            rows = [
                {"id": key, **decision_row(run_id, item)}
                for key, item in zip(keys, part, strict=True)
            ]
            add_rows(self.connection, decisions, rows)
            # A ticket that changed meanwhile stays undecided: this decision is about what it was.
            make_current = (
                update(tickets)
                .where(
                    tickets.c.id == decisions.c.ticket_id,
                    tickets.c.content_hash == decisions.c.input_hash,
                    decisions.c.id.in_(keys),
                )
                .values(decision_id=decisions.c.id)
            )
            self.connection.execute(make_current)
            numbers |= {item.key: key for item, key in zip(part, keys, strict=True)}
        note_changed(self.connection, numbers)
        return numbers

    def unassigned(self, run_id: str) -> list[TriagedTicket]:
        """The run's decided tickets that no agent has, oldest first."""
        query = _waiting(of_run(triaged_rows(), run_id))
        rows = self.connection.execute(query.order_by(tickets.c.id))
        return [read_triaged(row) for row in rows]

    def unassigned_keys(self, run_id: str) -> list[int]:
        """The keys of `unassigned`, for who has read the tickets already."""
        query = of_run(select(tickets.c.id), run_id).where(tickets.c.decision_id.is_not(None))
        return list(self.connection.scalars(_waiting(query).order_by(tickets.c.id)))

    def assign(
        self,
        run_id: str,
        given: Sequence[tuple[int, Assignment]],
        now: datetime,
        *,
        starts_clocks: bool = True,
        committed: bool = False,
        given_by: str = "",
    ) -> None:
        """Record assignments and deferrals by ticket key; each replaces the one in force.

        Without `starts_clocks` no SLA begins with an assignment, only response ends with it. What
        is not `committed` is tentative. `run_id` and `given_by`, a person, may be empty.
        """
        self.release([key for key, _assignment_ in given], now)
        for part in in_parts(given):
            rows = [
                {
                    "ticket_id": key,
                    "run_id": run_id or None,
                    "agent_id": assignment.agent_id,
                    "details": write_json(assignment_json, assignment),
                    "assigned_at": now,
                    "committed_at": now if committed and assignment.agent_id else None,
                    "given_by": given_by or None,
                }
                for key, assignment in part
            ]
            add_rows(self.connection, assignments, rows)
        # Being given to an agent answers a ticket, and starts its group's clock.
        taken = [key for key, assignment in given if assignment.agent_id]
        if not starts_clocks:
            taken = answer(self.connection, taken, now)
        mark_stale(self.connection, taken)

    def assigned_in(self, run_id: str) -> dict[str, int]:
        """Agent id -> how many tickets the run gave them."""
        query = (
            select(assignments.c.agent_id, func.count().label("tickets"))
            .where(assignments.c.run_id == run_id, assignments.c.agent_id.is_not(None))
            .group_by(assignments.c.agent_id)
        )
        return {row.agent_id: row.tickets for row in self.connection.execute(query)}

    def broken(self, run_id: str) -> tuple[BrokenTicket, ...]:
        """What the run set aside, in the order it arrived."""
        query = (
            select(broken_tickets)
            .where(broken_tickets.c.run_id == run_id)
            .order_by(broken_tickets.c.position, broken_tickets.c.id)
        )
        return tuple(
            BrokenTicket(position=row.position, id=row.external_id, reason=row.reason, raw=row.raw)
            for row in self.connection.execute(query)
        )

    def release(
        self,
        keys: Sequence[int],
        now: datetime,
        *,
        why: ReleasedFor | None = None,
        by: str = "",
        note: str = "",
    ) -> None:
        """End the assignments in force of these tickets: their agents' load falls."""
        note_changed(self.connection, keys)
        for part in in_parts(keys):
            self.connection.execute(
                update(assignments)
                .where(assignments.c.ticket_id.in_(part), assignments.c.released_at.is_(None))
                .values(
                    released_at=now,
                    released_why=why,
                    released_by=by or None,
                    note=note or None,
                )
            )

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
            query = triaged_rows().where(tickets.c.id.in_(part)).order_by(tickets.c.id)
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
                .where(tickets.c.id.in_(part))
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
