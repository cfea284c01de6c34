"""Queries about who works on what: waiting tickets, what agents have, who declined."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Row, and_, func, or_, select, update

from triagedesk.agents import SkillNeed
from triagedesk.catalog import Label
from triagedesk.priority import Priority
from triagedesk.store.changes import note_changed
from triagedesk.store.queries import Queries, among, as_text, in_parts, read_plain
from triagedesk.store.tables import assignments, decisions, tickets
from triagedesk.store.tables_sla import sla_clocks, status_changes
from triagedesk.store.ticket_rows import read_holding
from triagedesk.tickets import Holding, ReleasedFor, Status

_needs = TypeAdapter(tuple[SkillNeed, ...])


@dataclass(frozen=True, kw_only=True)
class Matter:
    """What somebody may know a ticket by."""

    key: int
    source: str
    #: In small letters.
    requester: str
    #: Ids of tickets of the same source.
    linked: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class WaitingTicket(Matter):
    """A decided ticket with all that its first assignment depends on."""

    label: Label
    #: Subject and body.
    text: str
    priority: Priority
    created_at: datetime
    due_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class OpenWork(Matter):
    """An open ticket with all that assigning it depends on, and who has it."""

    external_id: str
    title: str
    priority: Priority
    created_at: datetime
    due_at: datetime | None
    needs: tuple[SkillNeed, ...]
    group: str
    #: None: nobody has it.
    agent_id: str | None
    agent_name: str
    #: None: nobody has it.
    holding: Holding | None


class AssignmentQueries(Queries):
    """Queries about who works on what."""

    def open_work(
        self,
        *,
        agent_id: str | None = None,
        keys: Sequence[int] | None = None,
        unheld: bool = False,
    ) -> list[OpenWork]:
        """Open tickets that were dealt with once, oldest first.

        If so asked only an agent's, only some, or only those that nobody has.
        Tickets on hold, not decided yet or never assigned nor deferred are not in it.
        """
        newest = (
            select(func.max(assignments.c.id))
            .where(assignments.c.ticket_id == tickets.c.id)
            .correlate(tickets)
            .scalar_subquery()
        )
        conditions: list[ColumnElement[bool]] = [tickets.c.status == Status.OPEN]
        if agent_id is not None:
            conditions += [assignments.c.agent_id == agent_id, assignments.c.released_at.is_(None)]
        if unheld:
            conditions.append(
                or_(assignments.c.agent_id.is_(None), assignments.c.released_at.is_not(None))
            )
        parts: Iterable[Sequence[int] | None] = [None] if keys is None else in_parts(sorted(keys))
        clock = and_(sla_clocks.c.ticket_id == tickets.c.id, sla_clocks.c.target == "resolution")
        query = (
            select(
                tickets.c.id,
                tickets.c.source,
                tickets.c.external_id,
                tickets.c.payload,
                tickets.c.received_at,
                tickets.c.requester,
                decisions.c.priority,
                decisions.c.resolution_due_at,
                sla_clocks.c.ticket_id.label("clock"),
                sla_clocks.c.due_at,
                assignments.c.details,
                assignments.c.agent_id,
                assignments.c.assigned_at,
                assignments.c.committed_at,
                assignments.c.accepted_at,
                assignments.c.given_by,
                assignments.c.released_at,
            )
            .join(decisions, decisions.c.id == tickets.c.decision_id)
            .join(assignments, assignments.c.id == newest)
            .outerjoin(sla_clocks, clock)
            .where(*conditions)
            .order_by(tickets.c.id)
        )
        found: list[OpenWork] = []
        for part in parts:
            these = (
                query if part is None else query.where(among(self.connection, tickets.c.id, part))
            )
            found += [_read_work(row) for row in self.connection.execute(these)]
        return found

    def waiting(
        self, keys: Sequence[int], *, unread: Callable[[Label], bool] = lambda _label: False
    ) -> list[WaitingTicket]:
        """Decided tickets, by key, as they are to be assigned; oldest first.

        `unread` says of which labels nobody needs the text and the links: they may be left out.
        """
        clock = and_(sla_clocks.c.ticket_id == tickets.c.id, sla_clocks.c.target == "resolution")
        query = (
            select(
                tickets.c.id,
                tickets.c.source,
                tickets.c.requester,
                tickets.c.received_at,
                decisions.c.request_category,
                decisions.c.request_type,
                decisions.c.priority,
                decisions.c.resolution_due_at,
                sla_clocks.c.started_at,
                sla_clocks.c.due_at,
            )
            .join_from(tickets, decisions, decisions.c.id == tickets.c.decision_id)
            .outerjoin(sla_clocks, clock)
            .order_by(tickets.c.id)
        )
        found: list[WaitingTicket] = []
        for part in in_parts(sorted(keys)):
            rows = self.connection.execute(
                query.where(among(self.connection, tickets.c.id, part))
            ).all()
            # A clock knows since when the ticket is there.
            asked = [
                row.id for row in rows if not (row.started_at and unread(Label(row[4], row[5])))
            ]
            payloads = self._payloads(asked)
            found += [_read_waiting(payloads.get(row[0]), *tuple(row)) for row in rows]
        return found

    def _payloads(self, keys: Sequence[int]) -> dict[int, str]:
        """Tickets as they arrived, by key, as JSON."""
        if not keys:
            return {}
        query = select(tickets.c.id, as_text(tickets.c.payload))
        rows = self.connection.execute(query.where(among(self.connection, tickets.c.id, keys)))
        return {row[0]: row[1] for row in rows}

    def commit_to(self, key: int, now: datetime) -> None:
        """Make a ticket its agent's for good."""
        self._advance(key, committed_at=func.coalesce(assignments.c.committed_at, now))

    def accept(self, key: int, now: datetime) -> None:
        """Record that the agent who has a ticket works on it from now on."""
        committed_at = func.coalesce(assignments.c.committed_at, now)
        self._advance(key, accepted_at=now, committed_at=committed_at)

    def _advance(self, key: int, **values: Any) -> None:
        note_changed(self.connection, [key])
        self.connection.execute(
            update(assignments)
            .where(assignments.c.ticket_id == key, assignments.c.released_at.is_(None))
            .values(**values)
        )

    def declined_by(self, keys: Sequence[int]) -> dict[int, frozenset[str]]:
        """Ticket key -> the agents who declined it, ever; tickets nobody declined are left out."""
        found: dict[int, set[str]] = {}
        for part in in_parts(keys):
            query = select(assignments.c.ticket_id, assignments.c.agent_id).where(
                among(self.connection, assignments.c.ticket_id, part),
                assignments.c.released_why == ReleasedFor.DECLINED,
            )
            for row in self.connection.execute(query):
                found.setdefault(row.ticket_id, set()).add(row.agent_id)
        return {key: frozenset(agents) for key, agents in found.items()}

    def last_release(self, key: int) -> tuple[str, ReleasedFor] | None:
        """Agent and reason of the ticket's assignment that ended last; None without a reason."""
        query = (
            select(assignments.c.agent_id, assignments.c.released_why)
            .where(assignments.c.ticket_id == key, assignments.c.agent_id.is_not(None))
            .where(assignments.c.released_at.is_not(None))
            .order_by(assignments.c.id.desc())
        )
        row = self.connection.execute(query.limit(1)).first()
        return (row.agent_id, ReleasedFor(row.released_why)) if row and row.released_why else None

    def who_knows(
        self, work: Sequence[Matter], since: datetime, *, linked: bool
    ) -> dict[int, dict[str, float]]:
        """Ticket key -> agent id -> 0-1: how well they know the requester, or linked tickets.

        An agent counts who had another ticket of the same requester since then (0.5), and, where
        `linked` is asked for, who had a ticket it is linked with (1).
        """
        knows: dict[int, dict[str, float]] = {}
        by_sender: dict[str, list[int]] = {}
        by_link: dict[tuple[str, str], list[int]] = {}
        for item in work:
            if item.requester:
                by_sender.setdefault(item.requester, []).append(item.key)
            for name in item.linked if linked else ():
                by_link.setdefault((item.source, name), []).append(item.key)
        for row in self._holders(tickets.c.requester, sorted(by_sender), since):
            for key in by_sender[row.requester]:
                if key != row.id:
                    knows.setdefault(key, {})[row.agent_id] = 0.5
        names = sorted({name for _, name in by_link})
        for row in self._holders(tickets.c.external_id, names, None):
            for key in by_link.get((row.source, row.external_id), ()):
                knows.setdefault(key, {})[row.agent_id] = 1.0
        return {item.key: knows[item.key] for item in work if item.key in knows}

    def _holders(
        self, column: ColumnElement[str], values: Sequence[str], since: datetime | None
    ) -> list[Row[Any]]:
        """Who has tickets with such a value, or had them until they were resolved."""
        found: list[Row[Any]] = []
        kept = or_(
            assignments.c.released_at.is_(None),
            assignments.c.released_why == ReleasedFor.RESOLVED,
        )
        for part in in_parts(values):
            query = (
                select(
                    tickets.c.id,
                    tickets.c.source,
                    tickets.c.external_id,
                    tickets.c.requester,
                    assignments.c.agent_id,
                )
                .join(assignments, assignments.c.ticket_id == tickets.c.id)
                .where(
                    among(self.connection, column, part), assignments.c.agent_id.is_not(None), kept
                )
            )
            if since is not None:
                query = query.where(assignments.c.assigned_at >= since)
            found += self.connection.execute(query)
        return found

    def status_log(self, key: int) -> list[tuple[datetime, Status]]:
        """Every change of a ticket's status, in the order they became known."""
        query = select(status_changes.c.changed_at, status_changes.c.status).where(
            status_changes.c.ticket_id == key
        )
        rows = self.connection.execute(query.order_by(status_changes.c.id))
        return [(row.changed_at, Status(row.status)) for row in rows]


def _read_waiting(  # noqa: PLR0917 (a row, column by column)
    payload: str | None,
    key: int,
    source: str,
    requester: str | None,
    received_at: datetime,
    category: str,
    kind: str,
    priority: int,
    decided_due_at: datetime | None,
    started_at: datetime | None,
    due_at: datetime | None,
) -> WaitingTicket:
    ticket = read_plain(payload) if payload else {}
    created_at = ticket.get("created_at")
    text = (ticket.get("short_description", ""), ticket.get("long_description", ""))
    return WaitingTicket(
        key=key,
        source=source,
        requester=requester or "",
        linked=tuple(ticket.get("linked", ())),
        label=Label(category, kind),
        text="\n".join(text).strip(),
        priority=Priority(priority),
        created_at=datetime.fromisoformat(created_at) if created_at else started_at or received_at,
        due_at=due_at if started_at is not None else decided_due_at,
    )


def _read_work(row: Any) -> OpenWork:
    payload: Mapping[str, Any] = row.payload
    details: Mapping[str, Any] = row.details
    has_it = row.agent_id is not None and row.released_at is None
    created_at = payload.get("created_at")
    return OpenWork(
        key=row.id,
        external_id=row.external_id,
        title=payload["short_description"],
        priority=Priority(row.priority),
        created_at=datetime.fromisoformat(created_at) if created_at else row.received_at,
        due_at=row.due_at if row.clock is not None else row.resolution_due_at,
        needs=_needs_of(details),
        group=details.get("group", ""),
        requester=row.requester or "",
        source=row.source,
        linked=tuple(payload.get("linked", ())),
        agent_id=row.agent_id if has_it else None,
        agent_name=details.get("agent_name", "") if has_it else "",
        holding=read_holding(row) if has_it else None,
    )


def _needs_of(details: Mapping[str, Any]) -> tuple[SkillNeed, ...]:
    """What a ticket needs, as it was read when it was assigned first."""
    return _needs.validate_python(details["needs"]) if details.get("needs") else ()
