"""Queries that give tickets to agents and take them back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from sqlalchemy import func, select, update

from triagedesk.store.changes import note_changed
from triagedesk.store.queries import Queries, add_many, among, in_parts
from triagedesk.store.sla import answer, mark_stale
from triagedesk.store.tables import assignments
from triagedesk.store.ticket_rows import write_assignment
from triagedesk.tickets import Assignment, ReleasedFor


class HoldingQueries(Queries):
    """Queries that give tickets to agents and take them back."""

    def assign(
        self,
        run_id: str,
        given: Iterable[tuple[int, Assignment]],
        now: datetime,
        *,
        keys: Sequence[int] | None = None,
        starts_clocks: bool = True,
        committed: bool = False,
        given_by: str = "",
    ) -> int:
        """Record assignments and deferrals by ticket key; each replaces the one in force.

        Without `starts_clocks` no SLA begins with an assignment, only response ends with it. What
        is not `committed` is tentative. `run_id` and `given_by`, a person, may be empty. With the
        tickets' `keys` said beforehand, assignments may be made one by one as they are asked for.
        Returns how many an agent got.
        """
        if keys is None:
            given = list(given)
            keys = [key for key, _assignment_ in given]
        self.release(keys, now)
        taken: list[int] = []
        rows = (
            {
                "ticket_id": key,
                "run_id": run_id or None,
                "agent_id": assignment.agent_id,
                "details": write_assignment(assignment),
                "assigned_at": now,
                "committed_at": now if committed and assignment.agent_id else None,
                "given_by": given_by or None,
            }
            for key, assignment in _noting(given, taken)
        )
        add_many(self.connection, assignments, rows)
        # Being given to an agent answers a ticket, and starts its group's clock.
        follow = taken if starts_clocks else answer(self.connection, taken, now)
        mark_stale(self.connection, follow)
        return len(taken)

    def assigned_in(self, run_id: str) -> dict[str, int]:
        """Agent id -> how many tickets the run gave them."""
        query = (
            select(assignments.c.agent_id, func.count().label("tickets"))
            .where(assignments.c.run_id == run_id, assignments.c.agent_id.is_not(None))
            .group_by(assignments.c.agent_id)
        )
        return {row.agent_id: row.tickets for row in self.connection.execute(query)}

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
                .where(
                    among(self.connection, assignments.c.ticket_id, part),
                    assignments.c.released_at.is_(None),
                )
                .values(
                    released_at=now,
                    released_why=why,
                    released_by=by or None,
                    note=note or None,
                )
            )


def _noting(
    given: Iterable[tuple[int, Assignment]], taken: list[int]
) -> Iterator[tuple[int, Assignment]]:
    """The same; the keys of those that an agent gets are added to `taken` on the way."""
    for key, assignment in given:
        if assignment.agent_id:
            taken.append(key)
        yield key, assignment
