"""Queries about what arrives: kept, brought up to date, put into a run, or set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Select,
    String,
    Text,
    bindparam,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from triagedesk.store.changes import note_changed
from triagedesk.store.holdings import HoldingQueries
from triagedesk.store.queries import add_many, add_rows, among, in_parts, insert_new, new_keys
from triagedesk.store.sla import log_statuses
from triagedesk.store.tables import broken_tickets, run_tickets, tickets
from triagedesk.store.ticket_rows import is_assigned, ticket_json, write_ticket
from triagedesk.tickets import BrokenTicket, ReleasedFor, Status, Ticket


@dataclass(frozen=True, kw_only=True)
class Received:
    """What a fetch brought, in tickets."""

    new: int
    changed: int
    unchanged: int


class ArrivalQueries(HoldingQueries):
    """Queries about what arrives."""

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
        mine = [ticket for ticket in fetched if ticket.status is not Status.RESOLVED]
        # Nobody else can have put a ticket into a run that is not there yet.
        begun = [{"run_id": run_id, "ticket_id": keys[t.id]} for t in mine if t.id not in known]
        add_rows(self.connection, run_tickets, begun)
        self.put_into_run(run_id, [keys[t.id] for t in mine if t.id in known])
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

    def _known(self, source: str, ids: Sequence[str]) -> dict[str, tuple[int, str, str]]:
        """External id -> (key, content hash, status)."""
        columns = (tickets.c.external_id, tickets.c.id, tickets.c.content_hash, tickets.c.status)
        mine = select(*columns).where(tickets.c.source == source)
        known = {}
        for part in in_parts(ids):
            if self.connection.dialect.name == "postgresql":
                # One look-up each: a planner without statistics would read all of the source.
                given = func.unnest(literal(list(part), ARRAY(Text)))
                wanted = given.table_valued("id").render_derived()
                each = mine.where(tickets.c.external_id == wanted.c.id).limit(1).lateral()
                query = select(each).select_from(wanted.join(each, true()))
            else:
                query = mine.where(among(self.connection, tickets.c.external_id, part))
            for external_id, key, content_hash, status in self.connection.execute(query):
                known[external_id] = (key, content_hash, status)
        return known

    def _insert_tickets(self, new: Sequence[Ticket], now: datetime) -> dict[str, int]:
        """Insert tickets; returns the store's numbers by external id."""
        numbers = new_keys(self.connection, tickets, len(new)) if new else []
        keys = {ticket.id: key for ticket, key in zip(new, numbers, strict=True)}
        rows = (
            {
                "id": keys[ticket.id],
                "source": ticket.source,
                "external_id": ticket.id,
                "content_hash": ticket.content_hash,
                "status": ticket.status.value,
                "requester": ticket.requester_email.lower() or None,
                "payload": write_ticket(ticket),
                "received_at": now,
                "updated_at": now,
            }
            for ticket in new
        )
        add_many(self.connection, tickets, rows)
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
            self._put_into_run(
                run_id, select(tickets.c.id).where(among(self.connection, tickets.c.id, part))
            )

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
