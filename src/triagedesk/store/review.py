"""Queries for people who look at what models were unsure of, and at what agents handed back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Float, Select, and_, cast, func, select

from triagedesk.catalog import Label
from triagedesk.store.queries import Queries
from triagedesk.store.tables import assignments, decisions, tickets
from triagedesk.tickets import ReleasedFor, Status


@dataclass(frozen=True, kw_only=True)
class Unsure:
    """An open ticket that a model was unsure of, with what its worth to learn from depends on."""

    key: int
    subject: str
    #: None: nothing fits.
    label: Label | None
    #: The second-best label; None where there is none.
    second: Label | None
    confidence: float
    #: Probability of the second-best label.
    runner_up: float
    #: 1-4.
    priority: int


@dataclass(frozen=True, kw_only=True)
class HandedBack:
    """A ticket that left an agent, and where it is now."""

    key: int
    external_id: str
    subject: str
    at: datetime
    why: ReleasedFor
    note: str
    #: "" where nobody has it.
    to_id: str
    to_name: str
    is_resolved: bool


class ReviewQueries(Queries):
    """Queries for people who look at what models were unsure of."""

    def to_review(self, agent_id: str | None = None) -> list[Unsure]:
        """Open tickets that need a person's look, oldest first; an agent's own if so asked."""
        second = decisions.c.details["classification"]["alternatives"][0]
        query = (
            select(
                tickets.c.id,
                tickets.c.payload["short_description"].as_string().label("subject"),
                decisions.c.request_category,
                decisions.c.request_type,
                decisions.c.confidence,
                decisions.c.priority,
                second["label"][0].as_string().label("second_category"),
                second["label"][1].as_string().label("second_type"),
                cast(second["probability"].as_string(), Float).label("runner_up"),
            )
            .select_from(tickets)
            .order_by(tickets.c.id)
        )
        return [
            Unsure(
                key=row.id,
                subject=row.subject or "",
                label=_label(row.request_category, row.request_type),
                second=_label(row.second_category, row.second_type),
                confidence=row.confidence,
                runner_up=row.runner_up or 0.0,
                priority=row.priority,
            )
            for row in self.connection.execute(_unsure(query, agent_id))
        ]

    def count_to_review(self, agent_id: str | None = None) -> int:
        """How many tickets `to_review` lists."""
        query = select(func.count()).select_from(tickets)
        return self.connection.scalar(_unsure(query, agent_id)) or 0

    def answered_since(self, moment: datetime, by: str) -> int:
        """Tickets that a person has said the right label of since then."""
        query = (
            select(func.count())
            .select_from(decisions)
            .where(
                decisions.c.decided_at >= moment,
                decisions.c.decided_by == "human",
                decisions.c.model == by,
            )
        )
        return self.connection.scalar(query) or 0

    def handed_back(self, agent_id: str, since: datetime, most: int = 50) -> list[HandedBack]:
        """What left an agent from `since` on, but for what was resolved; newest first."""
        left, now = assignments.alias("left_them"), assignments.alias("has_it")
        holds = and_(now.c.ticket_id == tickets.c.id, now.c.released_at.is_(None))
        query = (
            select(
                tickets.c.id,
                tickets.c.external_id,
                tickets.c.status,
                tickets.c.payload["short_description"].as_string().label("subject"),
                left.c.released_at,
                left.c.released_why,
                left.c.note,
                now.c.agent_id,
                now.c.details["agent_name"].as_string().label("agent_name"),
            )
            .select_from(left)
            .join(tickets, tickets.c.id == left.c.ticket_id)
            .outerjoin(now, holds)
            .where(
                left.c.agent_id == agent_id,
                left.c.released_at >= since,
                left.c.released_why.is_not(None),
                left.c.released_why != ReleasedFor.RESOLVED,
            )
            .order_by(left.c.released_at.desc(), left.c.id.desc())
            .limit(most)
        )
        return [
            HandedBack(
                key=row.id,
                external_id=row.external_id,
                subject=row.subject or "",
                at=row.released_at,
                why=ReleasedFor(row.released_why),
                note=row.note or "",
                to_id=row.agent_id or "",
                to_name=row.agent_name or "" if row.agent_id else "",
                is_resolved=row.status == Status.RESOLVED,
            )
            for row in self.connection.execute(query)
        ]


def _unsure(query: Select[Any], agent_id: str | None) -> Select[Any]:
    """`query` for open tickets that need a person's look, of an agent's if so asked."""
    query = query.join(decisions, decisions.c.id == tickets.c.decision_id).where(
        tickets.c.status != Status.RESOLVED, decisions.c.needs_review.is_(True)
    )
    if agent_id is None:
        return query
    return query.join(assignments, _in_force()).where(assignments.c.agent_id == agent_id)


def _label(category: Any, kind: Any) -> Label | None:
    return Label(category or "", kind or "") if category or kind else None


def _in_force() -> ColumnElement[bool]:
    return and_(assignments.c.ticket_id == tickets.c.id, assignments.c.released_at.is_(None))
