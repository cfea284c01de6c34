"""Queries about agents and their loads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from pydantic import TypeAdapter
from sqlalchemy import Text, cast, func, insert, select, update

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

    def roster(self, now: datetime | None = None) -> tuple[Agent, ...]:
        """The agents on duty by id, each with the load of open work it has now.

        With `now`, the end of each one's shift follows from their weekly hours.
        """
        # By code point: PostgreSQL would sort as its locale does.
        return tuple(sorted(self._on_duty(now), key=lambda agent: agent.id))

    def agent_on_duty(self, agent_id: str, now: datetime | None = None) -> Agent | None:
        """One of the roster; None when nobody on duty has this id."""
        return next(iter(self._on_duty(now, agent_id)), None)

    def _on_duty(self, now: datetime | None, agent_id: str | None = None) -> list[Agent]:
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
        # As text: most profiles are as they were, and need not be read again.
        profile = cast(agents.c.profile, Text).label("profile")
        roster = select(agents.c.id, profile, agents.c.seed_load).where(agents.c.active)
        if agent_id is not None:
            open_work = open_work.where(assignments.c.agent_id == agent_id)
            roster = roster.where(agents.c.id == agent_id)
        given = {row.agent_id: row.tickets for row in self.connection.execute(open_work)}
        found = []
        for row in self.connection.execute(roster):
            # A load stated by hand may have been less than what they have here.
            agent = _with_load(row.profile, max(0, row.seed_load + given.get(row.id, 0)))
            found.append(agent if now is None else agent.on_shift(now))
        return found


@lru_cache(maxsize=50_000)
def _with_load(profile: str, load: int) -> Agent:
    """An agent from their profile in JSON."""
    return replace(_agent.validate_json(profile), load=load)
