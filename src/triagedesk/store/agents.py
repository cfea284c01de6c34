"""Queries about agents and their loads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import func, insert, select, update

from triagedesk.agents import Agent
from triagedesk.store.queries import Queries
from triagedesk.store.tables import agents, assignments, tickets
from triagedesk.tickets import Status

_agent = TypeAdapter(Agent)


class AgentQueries(Queries):
    """Queries about agents."""

    def save_roster(self, roster: Sequence[Agent], now: datetime) -> None:
        """Make `roster` the agents on duty; a stated load counts for agents first seen only."""
        known = set(self.connection.scalars(select(agents.c.id)))
        self.connection.execute(update(agents).values(active=False))
        for agent in roster:
            values = {
                "profile": _agent.dump_python(agent, mode="json"),
                "active": True,
                "updated_at": now,
            }
            if agent.id in known:
                self.connection.execute(
                    update(agents).where(agents.c.id == agent.id).values(values)
                )
            else:
                values |= {"id": agent.id, "seed_load": agent.load}
                self.connection.execute(insert(agents).values(values))

    def roster(self) -> tuple[Agent, ...]:
        """The agents on duty by id, each with the load of open work it has now."""
        open_work = (
            select(assignments.c.agent_id, func.count().label("tickets"))
            .join(tickets, tickets.c.id == assignments.c.ticket_id)
            .where(
                assignments.c.agent_id.is_not(None),
                assignments.c.released_at.is_(None),
                tickets.c.status != Status.RESOLVED,
            )
            .group_by(assignments.c.agent_id)
        )
        given = {row.agent_id: row.tickets for row in self.connection.execute(open_work)}
        rows = self.connection.execute(
            select(agents.c.id, agents.c.profile, agents.c.seed_load).where(agents.c.active)
        )
        return tuple(
            # A load stated by hand may have been less than what they have here.
            replace(
                _agent.validate_python(row.profile),
                load=max(0, row.seed_load + given.get(row.id, 0)),
            )
            # By code point: PostgreSQL would sort as its locale does.
            for row in sorted(rows, key=lambda row: row.id)
        )
