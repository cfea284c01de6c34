"""Queries about SLA clocks, their events, and the notices that escalation sends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, delete, func, or_, select, update
from sqlalchemy.engine import Connection

from triagedesk.catalog import Label
from triagedesk.store.changes import note_changed
from triagedesk.store.queries import Queries, add_many, add_rows, among, in_parts, insert_new
from triagedesk.store.sla_records import (
    BoardLine,
    EventLine,
    Notice,
    SlaEvent,
    StoredClock,
    WatchedTicket,
    clock_row,
    looked_at_from,
    next_look,
    read_board_line,
    read_clock,
    read_event,
    read_sla,
)
from triagedesk.store.tables import assignments, decisions, tickets
from triagedesk.store.tables_sla import (
    sla_clocks,
    sla_events,
    sla_notices,
    stale_clocks,
    status_changes,
)
from triagedesk.tickets import Status, Ticket


class SlaQueries(Queries):
    """Queries about SLA clocks."""

    def mark_outdated(self, rules_version: str) -> None:
        """Have every clock that still runs by other rules worked out anew."""
        # Two ranges and no `<>`, which no index can answer; stopped clocks are in neither.
        others = or_(
            sla_clocks.c.rules_version < rules_version, sla_clocks.c.rules_version > rules_version
        )
        query = select(sla_clocks.c.ticket_id).distinct()
        mark_stale(self.connection, list(self.connection.scalars(query.where(others))))

    def take_stale(self, most: int) -> tuple[int, list[WatchedTicket]]:
        """The next tickets whose clocks are to be worked out; how many were taken off the list."""
        queue = select(stale_clocks.c.ticket_id).order_by(stale_clocks.c.ticket_id).limit(most)
        taken = delete(stale_clocks).where(stale_clocks.c.ticket_id.in_(queue))
        keys = sorted(self.connection.scalars(taken.returning(stale_clocks.c.ticket_id)))
        return len(keys), self._watched(keys)

    def _watched(self, keys: Sequence[int]) -> list[WatchedTicket]:
        changes: dict[int, list[tuple[datetime, Status]]] = {}
        for row in self.connection.execute(
            select(status_changes)
            .where(status_changes.c.ticket_id.in_(keys))
            .order_by(status_changes.c.id)
        ):
            changes.setdefault(row.ticket_id, []).append((row.changed_at, Status(row.status)))
        clocks: dict[int, dict[str, StoredClock]] = {}
        for clock in self.clocks_of(keys):
            clocks.setdefault(clock.ticket_key, {})[clock.target] = clock
        given = {row.ticket_id: row for row in self.connection.execute(_assigned(keys))}
        query = select(
            tickets.c.id,
            tickets.c.payload,
            tickets.c.received_at,
            decisions.c.id.label("decision"),
            decisions.c.decided_at,
            decisions.c.request_category,
            decisions.c.request_type,
            decisions.c.sla_value,
            decisions.c.sla_unit,
        ).join_from(tickets, decisions, decisions.c.id == tickets.c.decision_id)
        rows = self.connection.execute(query.where(tickets.c.id.in_(keys)).order_by(tickets.c.id))
        return [
            WatchedTicket(
                key=row.id,
                started_at=_created_at(row.payload) or row.received_at,
                decision_key=row.decision,
                decided_at=row.decided_at,
                label=Label(row.request_category, row.request_type),
                sla=read_sla(row.sla_value, row.sla_unit),
                changes=tuple(changes.get(row.id, ())),
                first_assigned_at=given[row.id].first if row.id in given else None,
                assigned_at=given[row.id].last if row.id in given else None,
                clocks=clocks.get(row.id, {}),
            )
            for row in rows
        ]

    def without_past(self, numbers: Mapping[int, int]) -> set[int]:
        """The tickets these are the first and current decisions of, and that only arrived so far.

        `numbers` are decisions by ticket key. A ticket has a past with any change of status,
        assignment or clock.
        """
        past = [
            select(table.c.ticket_id).where(table.c.ticket_id == tickets.c.id).exists()
            for table in (status_changes, assignments, sla_clocks, stale_clocks)
        ]
        found: set[int] = set()
        for part in in_parts(list(numbers)):
            query = select(tickets.c.id, tickets.c.decision_id).where(
                among(self.connection, tickets.c.id, part), ~or_(*past)
            )
            for row in self.connection.execute(query):
                if row.decision_id == numbers[row.id]:
                    found.add(row.id)
        return found

    def start_clocks(self, clocks: Iterable[StoredClock]) -> None:
        """Keep the clocks of tickets that had none; they may be made while they go."""
        add_many(self.connection, sla_clocks, map(clock_row, clocks))

    def follow_later(self, keys: Sequence[int]) -> None:
        """Have the clocks of these tickets worked out anew."""
        mark_stale(self.connection, keys)

    def clocks_of(self, keys: Sequence[int]) -> list[StoredClock]:
        """The clocks of these tickets."""
        found: list[StoredClock] = []
        for part in in_parts(keys):
            query = select(sla_clocks).where(among(self.connection, sla_clocks.c.ticket_id, part))
            found += [read_clock(row) for row in self.connection.execute(query)]
        return sorted(found, key=lambda clock: (clock.ticket_key, clock.target))

    def save_clocks(self, keys: Sequence[int], clocks: Sequence[StoredClock]) -> None:
        """Make these the clocks of these tickets."""
        note_changed(self.connection, keys)
        for part in in_parts(keys):
            self.connection.execute(
                delete(sla_clocks).where(among(self.connection, sla_clocks.c.ticket_id, part))
            )
        for rows in in_parts([clock_row(clock) for clock in clocks]):
            add_rows(self.connection, sla_clocks, rows)

    def struck(self, now: datetime, most: int) -> list[StoredClock]:
        """The clocks for which the next moment has come, found by that alone; earliest first."""
        query = select(sla_clocks).where(sla_clocks.c.next_at <= now)
        query = query.order_by(sla_clocks.c.next_at, sla_clocks.c.ticket_id, sla_clocks.c.target)
        return [read_clock(row) for row in self.connection.execute(query.limit(most))]

    def record_events(self, clocks: Sequence[StoredClock], now: datetime) -> int:
        """Record what time did to these clocks, each event once; returns how many are new."""
        rows = [
            {
                "ticket_id": clock.ticket_key,
                "target": clock.target,
                "kind": kind,
                "happened_at": at,
                "due_at": clock.due_at,
                "recorded_at": now,
            }
            for clock in clocks
            for kind, at in clock.moments
            if looked_at_from(kind, at) <= now
        ]
        new = 0
        for part in in_parts(rows):
            recorded = insert_new(self.connection, sla_events).values(list(part))
            new += len(self.connection.scalars(recorded.returning(sla_events.c.id)).all())
        seen = [
            {
                "key": clock.ticket_key,
                "of": clock.target,
                "before": clock.next_at,
                "after": next_look(clock.moments, now),
                "late": any(kind == "breached" and at < now for kind, at in clock.moments),
            }
            for clock in clocks
        ]
        move_on = (
            update(sla_clocks)
            .where(
                sla_clocks.c.ticket_id == bindparam("key"),
                sla_clocks.c.target == bindparam("of"),
                # Nothing that was worked out anew meanwhile is put back.
                sla_clocks.c.next_at == bindparam("before"),
            )
            .values(next_at=bindparam("after"), breached=bindparam("late"))
        )
        for part in in_parts(seen):
            self.connection.execute(move_on, list(part))
        return new

    def claim_events(self, now: datetime, most: int) -> list[SlaEvent]:
        """Events no run has dealt with yet, oldest first; they count as dealt with from now on."""
        waiting = select(sla_events.c.id).where(sla_events.c.escalated_at.is_(None))
        waiting = waiting.order_by(sla_events.c.id).limit(most)
        claim = (
            update(sla_events)
            .where(sla_events.c.id.in_(waiting), sla_events.c.escalated_at.is_(None))
            .values(escalated_at=now)
            .returning(*sla_events.c)
        )
        rows = self.connection.execute(claim).all()
        return [read_event(row) for row in sorted(rows, key=lambda row: row.id)]

    def record_done(self, done: Mapping[int, tuple[Sequence[str], str | None]]) -> None:
        """Record what was done about events, and whose assignments were ended for them."""
        rows = [
            {"event": event_id, "words": list(words), "holder": taken_from}
            for event_id, (words, taken_from) in done.items()
        ]
        record = update(sla_events).where(sla_events.c.id == bindparam("event"))
        record = record.values(done=bindparam("words"), taken_from=bindparam("holder"))
        for part in in_parts(rows):
            self.connection.execute(record, list(part))

    def taken_from(self, keys: Sequence[int]) -> dict[int, tuple[str, ...]]:
        """Ticket key -> the agents that escalation took the ticket from."""
        found: dict[int, set[str]] = {}
        for part in in_parts(keys):
            query = select(sla_events.c.ticket_id, sla_events.c.taken_from).where(
                among(self.connection, sla_events.c.ticket_id, part),
                sla_events.c.taken_from.is_not(None),
            )
            for row in self.connection.execute(query):
                found.setdefault(row.ticket_id, set()).add(row.taken_from)
        return {key: tuple(sorted(found[key])) for key in sorted(found)}

    def add_notice(self, notice: Notice) -> None:
        """Put a notice into the outbox; the same one is there once."""
        self.connection.execute(insert_new(self.connection, sla_notices).values(vars(notice)))

    def notices(self, *states: str) -> list[Notice]:
        """Notices in one of these states, oldest first; all without any."""
        query = select(sla_notices).order_by(sla_notices.c.created_at, sla_notices.c.message_id)
        if states:
            query = query.where(sla_notices.c.state.in_(states))
        return [Notice(**row) for row in self.connection.execute(query).mappings()]

    def save_notice(self, notice: Notice) -> None:
        """Record what became of a notice."""
        self.connection.execute(
            update(sla_notices)
            .where(sla_notices.c.message_id == notice.message_id)
            .values(vars(notice))
        )

    def board(self, *, most: int | None, everything: bool) -> list[BoardLine]:
        """Targets, next to breach first, those on hold last; with met and missed ones if asked."""
        in_force = and_(
            assignments.c.ticket_id == tickets.c.id, assignments.c.released_at.is_(None)
        )
        source = (
            sla_clocks.join(tickets, tickets.c.id == sla_clocks.c.ticket_id)
            .join(decisions, decisions.c.id == tickets.c.decision_id)
            .outerjoin(assignments, in_force)
        )
        query = select(
            sla_clocks,
            tickets.c.external_id,
            tickets.c.source,
            tickets.c.payload,
            decisions.c.priority,
            assignments.c.details,
        ).select_from(source)
        if not everything:
            query = query.where(sla_clocks.c.stopped_at.is_(None))
        query = query.order_by(
            sla_clocks.c.stopped_at.is_not(None),
            sla_clocks.c.due_at.is_(None),
            sla_clocks.c.due_at,
            decisions.c.priority,
            sla_clocks.c.ticket_id,
            sla_clocks.c.target,
        )
        return [read_board_line(row) for row in self.connection.execute(query.limit(most))]

    def event_lines(self, most: int | None) -> list[EventLine]:
        """Events, newest first."""
        query = (
            select(sla_events, tickets.c.external_id, tickets.c.payload)
            .join_from(sla_events, tickets, tickets.c.id == sla_events.c.ticket_id)
            .order_by(sla_events.c.happened_at.desc(), sla_events.c.id.desc())
        )
        return [
            EventLine(
                ticket_id=row.external_id,
                subject=str(row.payload["short_description"]),
                event=read_event(row),
                done=None if row.escalated_at is None else tuple(row.done or ()),
            )
            for row in self.connection.execute(query.limit(most))
        ]


def log_statuses(
    connection: Connection, changes: Sequence[tuple[int, Ticket]], now: datetime
) -> None:
    """Append to the log that tickets, by key, have another status than before."""
    rows = [
        {
            "ticket_id": key,
            "status": ticket.status,
            # A helpdesk whose clock is ahead must not put a change into the future.
            "changed_at": min(ticket.updated_at or now, now),
        }
        for key, ticket in changes
    ]
    add_rows(connection, status_changes, rows)
    mark_stale(connection, [key for key, _ticket_ in changes])


def mark_stale(connection: Connection, keys: Sequence[int]) -> None:
    """Have the clocks of these tickets worked out anew: something about them is new."""
    note_changed(connection, keys)
    for part in in_parts(sorted(set(keys))):
        known = select(tickets.c.id).where(among(connection, tickets.c.id, part))
        add = insert_new(connection, stale_clocks).from_select(["ticket_id"], known)
        connection.execute(add)


def answer(connection: Connection, keys: Sequence[int], now: datetime) -> list[int]:
    """Stop the response clocks of tickets that somebody got just now, where that is plain.

    Returns those whose response clock still runs: late, begun in the future, or about to be
    worked out anew. They have to be followed.
    """
    left: list[int] = []
    runs = and_(sla_clocks.c.target == "response", sla_clocks.c.stopped_at.is_(None))
    stale = select(stale_clocks.c.ticket_id).where(
        stale_clocks.c.ticket_id == sla_clocks.c.ticket_id
    )
    plain = (sla_clocks.c.started_at <= now, sla_clocks.c.due_at >= now, ~stale.exists())
    # What working it out anew says of one that was stopped in time: nothing will happen to it.
    values: dict[str, Any] = {"stopped_at": now, "moments": [], "rules_version": None}
    stop = update(sla_clocks).values(**values, warn_at=None, next_at=None, breached=False)
    for part in in_parts(keys):
        mine = among(connection, sla_clocks.c.ticket_id, part)
        connection.execute(stop.where(mine, runs, *plain))
        left += connection.scalars(select(sla_clocks.c.ticket_id).where(mine, runs))
    return left


def _created_at(payload: dict[str, Any]) -> datetime | None:
    """When a ticket was raised, without reading the rest of it."""
    at = payload.get("created_at")
    return datetime.fromisoformat(at) if at else None


def _assigned(keys: Sequence[int]) -> Any:
    """Ticket -> when an agent had it first, and since when the present one has."""
    return (
        select(
            assignments.c.ticket_id,
            func.min(assignments.c.assigned_at).label("first"),
            func.max(assignments.c.assigned_at)
            .filter(assignments.c.released_at.is_(None))
            .label("last"),
        )
        .where(assignments.c.ticket_id.in_(keys), assignments.c.agent_id.is_not(None))
        .group_by(assignments.c.ticket_id)
    )
