"""Queries that count: what came, who decided, how right that was, which SLAs were kept.

`due_targets` lists what is behind the last of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, case, cast, func, select

from triagedesk.store.queries import Queries
from triagedesk.store.sla_records import BoardLine, read_board_line
from triagedesk.store.tables import assignments, corrections, decisions, tickets
from triagedesk.store.tables_sla import sla_clocks
from triagedesk.tickets import ReleasedFor, Status

#: Stages that decide without a person.
_MACHINES = ("correction", "local", "llm")


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What was suggested for a ticket before a person said what is right."""

    decided_by: str
    confidence: float
    #: Whether the person agreed.
    right: bool
    said_at: datetime


@dataclass(frozen=True, kw_only=True)
class KeptTargets:
    """Resolution targets of one category that came to an end on one day (UTC)."""

    day: date
    category: str
    met: int
    missed: int


class InsightQueries(Queries):
    """Queries that count."""

    def volume_by_category(self, since: datetime) -> dict[str, int]:
        """Category -> tickets received from `since` on, the most frequent first."""
        name = decisions.c.request_category
        query = (
            select(name, func.count())
            .select_from(tickets)
            .join(decisions, decisions.c.id == tickets.c.decision_id)
            .where(tickets.c.received_at >= since)
            .group_by(name)
            .order_by(func.count().desc(), name)
        )
        return {row[0]: row[1] for row in self.connection.execute(query)}

    def volume_by_hour(self, since: datetime) -> dict[datetime, int]:
        """Hour (UTC) -> tickets created in it, of those received from `since` on."""
        # Written by pydantic: UTC, ISO 8601. A source may not say; then it is when it came.
        created = tickets.c.payload["created_at"].as_string()
        hour = func.coalesce(
            func.replace(func.substr(created, 1, 13), "T", " "),
            self._cut(tickets.c.received_at, 13),
        )
        query = select(hour, func.count()).where(tickets.c.received_at >= since).group_by(hour)
        return {
            datetime.strptime(f"{row[0]}+0000", "%Y-%m-%d %H%z").astimezone(UTC): row[1]
            for row in self.connection.execute(query)
        }

    def decided_by(self, since: datetime) -> dict[tuple[str, bool], int]:
        """(who decided, whether it waits for review) -> tickets received from `since` on."""
        query = (
            select(decisions.c.decided_by, decisions.c.needs_review, func.count())
            .select_from(tickets)
            .join(decisions, decisions.c.id == tickets.c.decision_id)
            .where(tickets.c.received_at >= since)
            .group_by(decisions.c.decided_by, decisions.c.needs_review)
        )
        return {(row[0], bool(row[1])): row[2] for row in self.connection.execute(query)}

    def answered(self, since: datetime) -> list[Answered]:
        """Suggestions that people have confirmed or corrected from `since` on, oldest first."""
        before = (
            select(func.max(decisions.c.id))
            .where(
                decisions.c.ticket_id == corrections.c.ticket_id,
                decisions.c.decided_by.in_(_MACHINES),
                decisions.c.decided_at <= corrections.c.made_at,
            )
            .correlate(corrections)
            .scalar_subquery()
        )
        right = and_(
            decisions.c.request_category == corrections.c.request_category,
            decisions.c.request_type == corrections.c.request_type,
        )
        query = (
            select(
                decisions.c.decided_by,
                decisions.c.confidence,
                case((right, 1), else_=0).label("right"),
                corrections.c.made_at,
            )
            .select_from(corrections)
            .join(decisions, decisions.c.id == before)
            .where(corrections.c.made_at >= since, corrections.c.undone_at.is_(None))
            .order_by(corrections.c.id)
        )
        return [
            Answered(
                decided_by=row.decided_by,
                confidence=row.confidence,
                right=bool(row.right),
                said_at=row.made_at,
            )
            for row in self.connection.execute(query)
        ]

    def kept_targets(self, since: datetime, now: datetime) -> list[KeptTargets]:
        """How resolution targets that ended from `since` to `now` ended, by day and category.

        A target ends when its ticket is resolved, or when it is due and the ticket is not.
        """
        clock = sla_clocks.c
        missed = case((clock.breached | (clock.stopped_at > clock.due_at), 1), else_=0)
        overdue = and_(clock.stopped_at.is_(None), clock.paused.is_(False), clock.due_at <= now)
        ended = case((clock.stopped_at.is_(None), clock.due_at), else_=clock.stopped_at)
        missed = case((overdue, 1), else_=missed)
        day = self._cut(ended, 10)
        query = (
            select(
                day.label("day"),
                decisions.c.request_category,
                func.count().label("all"),
                func.sum(missed).label("missed"),
            )
            .select_from(sla_clocks)
            .join(decisions, decisions.c.id == clock.decision_id)
            .where(
                clock.target == "resolution",
                clock.stopped_at.is_not(None) | overdue,
                ended >= since,
            )
            .group_by(day, decisions.c.request_category)
            .order_by(day, decisions.c.request_category)
        )
        return [
            KeptTargets(
                day=date.fromisoformat(row.day),
                category=row.request_category,
                met=row.all - int(row.missed),
                missed=int(row.missed),
            )
            for row in self.connection.execute(query)
        ]

    def due_targets(
        self, *, after: datetime | None = None, before: datetime | None = None, most: int
    ) -> list[BoardLine]:
        """Targets of open tickets that run and are due in between, the next due first."""
        clock = sla_clocks.c
        in_force = and_(
            assignments.c.ticket_id == tickets.c.id, assignments.c.released_at.is_(None)
        )
        query = (
            select(
                sla_clocks,
                tickets.c.external_id,
                tickets.c.source,
                tickets.c.payload,
                decisions.c.priority,
                assignments.c.details,
            )
            .select_from(sla_clocks)
            .join(tickets, tickets.c.id == clock.ticket_id)
            .join(decisions, decisions.c.id == tickets.c.decision_id)
            .outerjoin(assignments, in_force)
            .where(
                # Said twice, and so that an index has just these: what runs follows some rules.
                clock.rules_version.is_not(None),
                clock.stopped_at.is_(None),
                clock.paused.is_(False),
                clock.due_at.is_not(None),
            )
        )
        if after is not None:
            query = query.where(clock.due_at > after)
        if before is not None:
            query = query.where(clock.due_at <= before)
        query = query.order_by(clock.due_at, clock.ticket_id, clock.target).limit(most)
        return [read_board_line(row) for row in self.connection.execute(query)]

    def resolved_by_agent(self, since: datetime) -> dict[str, int]:
        """Agent id -> tickets they had when these were resolved, from `since` on."""
        query = (
            select(assignments.c.agent_id, func.count(tickets.c.id.distinct()))
            .join(tickets, tickets.c.id == assignments.c.ticket_id)
            .where(
                assignments.c.agent_id.is_not(None),
                assignments.c.released_at.is_(None)
                | (assignments.c.released_why == ReleasedFor.RESOLVED),
                tickets.c.status == Status.RESOLVED,
                tickets.c.updated_at >= since,
            )
            .group_by(assignments.c.agent_id)
        )
        return {row[0]: row[1] for row in self.connection.execute(query)}

    def _cut(self, at: ColumnElement[Any], length: int) -> ColumnElement[str]:
        """The first characters of a time: 10 are its day, 13 its hour (UTC)."""
        if self.connection.dialect.name == "postgresql":
            shown = func.to_char(func.timezone("UTC", at), "YYYY-MM-DD HH24")
            return func.substr(shown, 1, length)
        return func.substr(cast(at, Text), 1, length)
