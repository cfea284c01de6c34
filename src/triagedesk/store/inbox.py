"""Queries about the inbox of webhook tickets, about ticks of schedules, and about rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from triagedesk.store.queries import PART, Queries, in_parts
from triagedesk.store.tables_engine import inbox, rate_slots, ticks


@dataclass(frozen=True, kw_only=True)
class InboxTicket:
    """A ticket that came by webhook and waits."""

    key: int
    #: As `Ticket` is written in JSON.
    payload: Mapping[str, Any]
    without_status: bool
    received_at: datetime


class InboxQueries(Queries):
    """Queries about what came, when to do what, and how fast."""

    def put_into_inbox(
        self, delivery: str, tickets: Sequence[tuple[Mapping[str, Any], bool]], now: datetime
    ) -> int:
        """Keep the tickets of a delivery; returns how many are new, 0 for one sent again."""
        made = sqlite.insert if self.connection.dialect.name == "sqlite" else postgresql.insert
        new = 0
        for number, part in enumerate(in_parts(list(tickets))):
            rows = [
                {
                    "delivery": delivery,
                    "position": number * PART + place,
                    "payload": dict(payload),
                    "without_status": without_status,
                    "received_at": now,
                    "error": "",
                }
                for place, (payload, without_status) in enumerate(part)
            ]
            put = made(inbox).values(rows).on_conflict_do_nothing().returning(inbox.c.id)
            new += len(self.connection.execute(put).all())
        return new

    def inbox_waits(self) -> bool:
        """Whether there is anything to work off."""
        query = select(inbox.c.id).where(inbox.c.worked_at.is_(None)).limit(1)
        return self.connection.scalar(query) is not None

    def inbox_size(self) -> int:
        """How many tickets wait."""
        query = select(func.count()).where(inbox.c.worked_at.is_(None)).select_from(inbox)
        return self.connection.scalar(query) or 0

    def inbox(self, most: int) -> list[InboxTicket]:
        """Tickets that wait, oldest first."""
        query = select(inbox).where(inbox.c.worked_at.is_(None)).order_by(inbox.c.id).limit(most)
        return [
            InboxTicket(
                key=row.id,
                payload=row.payload,
                without_status=row.without_status,
                received_at=row.received_at,
            )
            for row in self.connection.execute(query)
        ]

    def worked_off(self, keys: Sequence[int], now: datetime, error: str = "") -> None:
        """Record that tickets of the inbox have been dealt with, or why they cannot be."""
        for part in in_parts(keys):
            self.connection.execute(
                update(inbox).where(inbox.c.id.in_(part)).values(worked_at=now, error=error)
            )

    def forget_inbox(self, before: datetime) -> int:
        """Forget tickets that were worked off before a time; returns how many."""
        return self.connection.execute(delete(inbox).where(inbox.c.worked_at < before)).rowcount

    def last_tick(self, schedule: str) -> datetime | None:
        """The last tick of a schedule that somebody took on; None: it never ticked."""
        return self.connection.scalar(select(ticks.c.at).where(ticks.c.schedule == schedule))

    def take_tick(self, schedule: str, before: datetime | None, at: datetime) -> bool:
        """Take a tick on; False when somebody else has."""
        if before is None:
            made = sqlite.insert if self.connection.dialect.name == "sqlite" else postgresql.insert
            put = made(ticks).values(schedule=schedule, at=at).on_conflict_do_nothing()
            return self.connection.scalar(put.returning(ticks.c.schedule)) is not None
        moved = update(ticks).where(ticks.c.schedule == schedule, ticks.c.at == before)
        return self.connection.execute(moved.values(at=at)).rowcount == 1

    def database_time(self) -> datetime:
        """The database's clock, the one that all hosts share."""
        if self.connection.dialect.name != "postgresql":
            return datetime.now(UTC)
        now: datetime = self.connection.scalar(text("SELECT clock_timestamp()"))
        return now.astimezone(UTC)

    def reserve_call(self, name: str, per_minute: int) -> float:
        """Reserve the next call at a rate shared by all processes; seconds to wait before it.

        Calls are spaced evenly (the generic cell rate algorithm without a burst).
        """
        now = self.database_time()
        query = select(rate_slots.c.next_at).where(rate_slots.c.name == name).with_for_update()
        known = self.connection.scalar(query)
        at = max(now, known) if known else now
        following = at + timedelta(seconds=60 / per_minute)
        if known:
            move = update(rate_slots).where(rate_slots.c.name == name)
            self.connection.execute(move.values(next_at=following))
        else:
            self.connection.execute(insert(rate_slots).values(name=name, next_at=following))
        return (at - now).total_seconds()
