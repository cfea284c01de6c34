"""The floor of a simulated desk: who is on shift, who works on what, and what happens next."""

from __future__ import annotations

import heapq
from enum import IntEnum
from typing import Protocol

import numpy as np

from triagedesk.assign.tables import Floats
from triagedesk.simulate.world import World

#: Hours it takes to get back into work that was interrupted.
GETTING_BACK = 5 / 60


class Kind(IntEnum):
    """What can happen; of things at the same moment, in this order."""

    SHIFT_BEGINS = 0
    SHIFT_ENDS = 1
    ARRIVES = 2
    FINISHED = 3
    #: Something about a ticket changes with time alone.
    AGAIN = 4
    #: Everything is looked at.
    ROUND = 5


class Rules(Protocol):
    """Decides who gets what; called when something has happened on its floor."""

    def arrives(self, ticket: int) -> None:
        """A ticket is there, or is back."""

    def free(self, agent: int) -> None:
        """An agent on shift has nothing to do."""

    def leaves(self, agent: int) -> None:
        """An agent's shift has ended; what they work on they still finish."""

    def again(self, ticket: int) -> None:
        """A moment asked for with `floor.ask_again` has come."""

    def round(self) -> None:
        """A regular moment has come."""


class Floor:
    """The state of a simulation, changed by what happens on it; times are hours."""

    def __init__(self, world: World, hours: Floats) -> None:
        tickets, agents = len(world.ids), len(world.agents)
        self.world = world
        self.now = 0.0
        self.on = np.zeros(agents, np.bool_)
        #: When each agent's shift ends.
        self.shift_end = np.zeros(agents)
        #: Ticket each agent works on; -1 for none.
        self.busy = np.full(agents, -1, np.int64)
        self.worked = np.zeros(agents)
        #: Hours of handling left, of someone of factor 1.
        self.left = hours.copy()
        self.begun = np.full(tickets, np.nan)
        self.finished = np.full(tickets, np.nan)
        self.by = np.full(tickets, -1, np.int64)
        self.interruptions = 0
        self._since = np.zeros(agents)
        #: Which piece of work of an agent a finish belongs to: an interrupted one never ends.
        self._piece = [0] * agents
        self._events: list[tuple[float, Kind, int, float]] = []

    def idle(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Who is on shift and has nothing to do."""
        return self.on & (self.busy < 0)

    def begin(self, agent: int, ticket: int) -> None:
        """An agent begins a ticket, or goes on with one that was interrupted."""
        world = self.world
        self.busy[agent] = ticket
        self.by[ticket] = agent
        if np.isnan(self.begun[ticket]):
            self.begun[ticket] = self.now
        self._since[agent] = self.now
        self._piece[agent] += 1
        length = self.left[ticket] * world.factor[world.kind[ticket], agent]
        self._add(self.now + length, Kind.FINISHED, agent, float(self._piece[agent]))

    def interrupt(self, agent: int) -> int:
        """An agent lays down what they work on; returns it."""
        ticket = int(self.busy[agent])
        done = self.now - self._since[agent]
        self.worked[agent] += done
        factor = self.world.factor[self.world.kind[ticket], agent]
        self.left[ticket] = max(0.0, self.left[ticket] - done / factor) + GETTING_BACK
        self.busy[agent] = -1
        self._piece[agent] += 1
        self.interruptions += 1
        return ticket

    def ask_again(self, ticket: int, at: float) -> None:
        """Have `rules.again` called for a ticket at a later moment."""
        if at > self.now:
            self._add(at, Kind.AGAIN, ticket, 0.0)

    def run(self, rules: Rules, every: float = 0.0) -> None:
        """Let everything happen, with a round `every` so many hours (0: none)."""
        world = self.world
        for begins, ends, agent in world.shifts:
            self._add(begins, Kind.SHIFT_BEGINS, agent, ends)
        for ticket, at in enumerate(world.arrives.tolist()):
            self._add(at, Kind.ARRIVES, ticket, 0.0)
        if every:
            self._add(every, Kind.ROUND, 0, every)
        unfinished = len(world.ids)
        while self._events and unfinished:
            self.now, kind, which, more = heapq.heappop(self._events)
            if self.now > world.ends:
                break
            unfinished -= self._happen(rules, kind, which, more)

    def _add(self, at: float, kind: Kind, which: int, more: float) -> None:
        heapq.heappush(self._events, (at, kind, which, more))

    def _happen(self, rules: Rules, kind: Kind, which: int, more: float) -> int:
        """One event; returns how many tickets it finished."""
        if kind is Kind.ARRIVES:
            rules.arrives(which)
        elif kind is Kind.FINISHED:
            return self._finish(rules, which, more)
        elif kind is Kind.SHIFT_BEGINS:
            self.on[which], self.shift_end[which] = True, more
            self._add(more, Kind.SHIFT_ENDS, which, 0.0)
            if self.busy[which] < 0:
                rules.free(which)
        elif kind is Kind.SHIFT_ENDS:
            self.on[which] = False
            rules.leaves(which)
        elif kind is Kind.AGAIN:
            rules.again(which)
        else:
            rules.round()
            self._add(self.now + more, Kind.ROUND, 0, more)
        return 0

    def _finish(self, rules: Rules, agent: int, piece: float) -> int:
        if piece != self._piece[agent]:
            return 0
        ticket = int(self.busy[agent])
        self.worked[agent] += self.now - self._since[agent]
        self.finished[ticket] = self.now
        self.busy[agent] = -1
        if self.on[agent]:
            rules.free(agent)
        return 1
