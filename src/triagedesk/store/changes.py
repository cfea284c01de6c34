"""A journal of what changed, so that a page shows it without asking for everything again.

Every transaction that touches tickets notes their keys, and one entry is written as the last
thing before it commits. Entries are numbered under a lock that is held until the commit, so their
numbers follow the order of commits on PostgreSQL too: whoever has seen number 7 never misses 6.
The lock is the last one a transaction takes; so it cannot be part of a deadlock.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.engine import Connection

from triagedesk.store.queries import Queries
from triagedesk.store.tables_people import desk_changes

#: Any number will do, as long as every process takes the same one.
_JOURNAL_LOCK = 7_126_003
_NOTED = "triagedesk.changed"
#: Tickets named in one entry; more of them count as "too many to name".
MOST_NAMED = 300
#: Entries kept; whoever has seen none of them loads everything anew.
KEPT = 2_000
_PRUNED_EVERY = 200


def note_changed(connection: Connection, keys: Iterable[int] = ()) -> None:
    """Have the journal say that these tickets changed; without any, that something did."""
    noted: set[int] = connection.info.setdefault(_NOTED, set())
    if len(noted) <= MOST_NAMED:
        noted.update(keys)


def forget(connection: Connection) -> None:
    """Drop what was noted: the transaction it was noted in is gone."""
    connection.info.pop(_NOTED, None)


def publish(connection: Connection) -> None:
    """Write what was noted into the journal; the last thing a transaction does."""
    noted: set[int] | None = connection.info.pop(_NOTED, None)
    if noted is None:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _JOURNAL_LOCK})
    named = sorted(noted) if len(noted) <= MOST_NAMED else None
    # The clock only tells people when; order is what the number says.
    entry = insert(desk_changes).values(at=datetime.now(UTC), tickets=named)
    number = connection.scalar(entry.returning(desk_changes.c.id))
    if number and number % _PRUNED_EVERY == 0:
        connection.execute(delete(desk_changes).where(desk_changes.c.id <= number - KEPT))


class ChangeQueries(Queries):
    """Queries about what changed."""

    def newest_change(self) -> int:
        """The number of the last entry; 0 before the first."""
        return self.connection.scalar(select(func.max(desk_changes.c.id))) or 0

    def changed_since(self, number: int) -> frozenset[int] | None:
        """Tickets that changed after entry `number`; None: too many, or too long ago to say."""
        query = select(desk_changes.c.id, desk_changes.c.tickets).where(desk_changes.c.id > number)
        rows = self.connection.execute(
            query.order_by(desk_changes.c.id).limit(MOST_NAMED + 1)
        ).all()
        # A gap may be an entry that was rolled back; so only the oldest one kept says anything.
        oldest = self.connection.scalar(select(func.min(desk_changes.c.id)))
        if oldest is not None and number and number < oldest - 1:
            return None
        if len(rows) > MOST_NAMED or number > self.newest_change():
            # Too many to go through, or a number of another database.
            return None
        found: set[int] = set()
        for row in rows:
            if row.tickets is None or len(found) > MOST_NAMED:
                return None
            found.update(row.tickets)
        return frozenset(found)
