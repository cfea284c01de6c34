"""Queries of the queue: open tickets, the most urgent first, page by page, and counted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, case, func, literal, or_, select, tuple_
from sqlalchemy.sql import ColumnElement

from triagedesk.store.lists import DeskTicket, ListQueries
from triagedesk.store.tables import Utc, assignments, decisions, tickets
from triagedesk.store.tables_sla import sla_clocks
from triagedesk.tickets import Status

#: Stands for "never", so that tickets without a deadline come after those with one.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
#: Stands for "not prioritised yet".
LAST = 9
_MOST_WORDS = 8


class Place(NamedTuple):
    """Where a ticket stands in the queue; compares as it is sorted."""

    priority: int
    due_at: datetime
    key: int


@dataclass(frozen=True, kw_only=True)
class QueueFilter:
    """Which tickets the queue shows; what is not set filters nothing."""

    #: Words that are all in the ticket's id, subject, body or requester's address.
    words: str = ""
    #: `open` (not resolved), `waiting` (open, not on hold), `on_hold` or `resolved`.
    status: str = "open"
    #: 1-4.
    priority: int | None = None
    #: An agent's id; "" lists those nobody has.
    agent: str | None = None
    request_category: str = ""
    source: str = ""
    #: `breached`, `at_risk` or "".
    sla: str = ""
    needs_review: bool = False


@dataclass(frozen=True, kw_only=True)
class QueueCounts:
    """How many open tickets there are, in all and of each kind."""

    open: int
    #: Priority 1-4 -> tickets.
    by_priority: dict[int, int]
    unassigned: int
    needs_review: int
    at_risk: int
    breached: int
    on_hold: int


_clock = sla_clocks.alias("clock")
_priority = func.coalesce(decisions.c.priority, LAST)
#: The clock's own word where there is one: on hold it is due never.
_due = func.coalesce(
    case((_clock.c.ticket_id.is_not(None), _clock.c.due_at), else_=decisions.c.resolution_due_at),
    literal(NEVER, Utc),
)
_order = (_priority, _due, tickets.c.id)
_in_force = and_(assignments.c.ticket_id == tickets.c.id, assignments.c.released_at.is_(None))
_decided = tickets.outerjoin(decisions, decisions.c.id == tickets.c.decision_id).outerjoin(
    _clock, and_(_clock.c.ticket_id == tickets.c.id, _clock.c.target == "resolution")
)
#: Who has a ticket is looked up only where it matters: it is a quarter of the work.
_held = _decided.outerjoin(assignments, _in_force)
_runs = and_(_clock.c.stopped_at.is_(None), _clock.c.paused.is_(False))


class QueueQueries(ListQueries):
    """Queries of the queue."""

    def queue(
        self, wanted: QueueFilter, now: datetime, *, after: Place | None = None, most: int = 50
    ) -> list[tuple[Place, DeskTicket]]:
        """The most urgent tickets that pass a filter, from behind a place."""
        query = _places(wanted, now)
        if after is not None:
            query = query.where(
                tuple_(*_order)
                > tuple_(literal(after.priority), literal(after.due_at, Utc), literal(after.key))
            )
        return self._with_tickets(query.order_by(*_order).limit(most))

    def queue_of(
        self, wanted: QueueFilter, now: datetime, keys: Collection[int]
    ) -> list[tuple[Place, DeskTicket]]:
        """Those of some tickets that pass a filter, in the queue's order."""
        query = _places(wanted, now).where(tickets.c.id.in_(sorted(keys)))
        return self._with_tickets(query.order_by(*_order))

    def _with_tickets(self, query: Select[Any]) -> list[tuple[Place, DeskTicket]]:
        places = [Place(row.priority, row.due, row.id) for row in self.connection.execute(query)]
        found = {item.key: item for item in self.desk_tickets_of([at.key for at in places])}
        return [(at, found[at.key]) for at in places]

    def next_in_queue(self, wanted: QueueFilter, now: datetime, *, than: int) -> int | None:
        """The first ticket that passes a filter and is not `than`."""
        query = _places(wanted, now).where(tickets.c.id != than).order_by(*_order).limit(1)
        row = self.connection.execute(query).first()
        return row.id if row else None

    def queue_counts(self, now: datetime) -> QueueCounts:
        """How many open tickets there are of each kind."""

        def count(condition: ColumnElement[bool]) -> ColumnElement[int]:
            return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)

        query = (
            select(
                _priority.label("priority"),
                func.count().label("open"),
                count(assignments.c.agent_id.is_(None)).label("unassigned"),
                count(decisions.c.needs_review.is_(True)).label("needs_review"),
                count(_late(now)).label("breached"),
                count(_at_risk(now)).label("at_risk"),
                count(tickets.c.status == Status.ON_HOLD).label("on_hold"),
            )
            .select_from(_held)
            .where(tickets.c.status.in_(_OPEN))
            .group_by(_priority)
        )
        rows = self.connection.execute(query).all()
        names = ("unassigned", "needs_review", "breached", "at_risk", "on_hold")
        return QueueCounts(
            open=sum(row.open for row in rows),
            by_priority={row.priority: row.open for row in rows},
            **{name: sum(row._mapping[name] for row in rows) for name in names},  # noqa: SLF001 (SQLAlchemy's public name for it)
        )

    def queue_sources(self) -> list[str]:
        """Where open tickets come from."""
        query = select(tickets.c.source).where(tickets.c.status.in_(_OPEN)).distinct()
        return sorted(self.connection.scalars(query))

    def queue_categories(self) -> list[str]:
        """The categories that open tickets are of."""
        query = (
            select(decisions.c.request_category)
            .join_from(tickets, decisions, decisions.c.id == tickets.c.decision_id)
            .where(tickets.c.status.in_(_OPEN), decisions.c.request_category != "")
            .distinct()
        )
        return sorted(self.connection.scalars(query))


_OPEN: Sequence[str] = (Status.OPEN, Status.ON_HOLD)
_STATUSES: dict[str, Sequence[str]] = {
    "open": _OPEN,
    "waiting": (Status.OPEN,),
    "on_hold": (Status.ON_HOLD,),
    "resolved": (Status.RESOLVED,),
}


def _late(now: datetime) -> ColumnElement[bool]:
    return and_(_runs, _clock.c.due_at < now)


def _at_risk(now: datetime) -> ColumnElement[bool]:
    return and_(_runs, _clock.c.warn_at <= now, _clock.c.due_at >= now)


def _places(wanted: QueueFilter, now: datetime) -> Select[Any]:
    query = select(_priority.label("priority"), _due.label("due"), tickets.c.id)
    source = _decided if wanted.agent is None else _held
    return query.select_from(source).where(*_conditions(wanted, now))


def _conditions(wanted: QueueFilter, now: datetime) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [tickets.c.status.in_(_STATUSES[wanted.status])]
    if wanted.priority is not None:
        conditions.append(decisions.c.priority == wanted.priority)
    if wanted.agent is not None:
        has = assignments.c.agent_id
        conditions.append(has == wanted.agent if wanted.agent else has.is_(None))
    if wanted.request_category:
        conditions.append(decisions.c.request_category == wanted.request_category)
    if wanted.source:
        conditions.append(tickets.c.source == wanted.source)
    if wanted.needs_review:
        conditions.append(decisions.c.needs_review.is_(True))
    if wanted.sla:
        conditions.append(_late(now) if wanted.sla == "breached" else _at_risk(now))
    conditions += [_mentions(word) for word in wanted.words.split()[:_MOST_WORDS]]
    return conditions


def _mentions(word: str) -> ColumnElement[bool]:
    fields = ("short_description", "long_description", "requester_email")
    texts = [tickets.c.payload[field].as_string() for field in fields]
    return or_(*(text.icontains(word, autoescape=True) for text in (tickets.c.external_id, *texts)))
