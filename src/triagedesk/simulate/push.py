"""Rules that give a ticket to somebody on arrival: in turn, by load, by our score."""

from __future__ import annotations

import numpy as np

from triagedesk.assign.index import HOUR
from triagedesk.assign.score import slot_cost
from triagedesk.assign.tables import Flags
from triagedesk.simulate.floor import Floor
from triagedesk.simulate.records import Rule, Scenario

#: Every agent's own tickets by priority, then age.
Turn = tuple[int, int]


class Push:
    """Every ticket has an owner as soon as somebody may take it."""

    def __init__(self, floor: Floor, scenario: Scenario, rule: Rule) -> None:
        self._floor, self._world, self._rule = floor, floor.world, rule
        self._policy = scenario.assign_policy
        self._least_left = scenario.assign_policy.min_shift / HOUR
        self._own: list[list[Turn]] = [[] for _ in self._world.agents]
        self._waits = np.zeros(len(self._world.agents), np.int64)
        self._nobodys: list[Turn] = []
        self._last = -1
        #: Our own rules go by load where nobody with the skill is there; the plain ones wait.
        self._falls_back = rule in (Rule.SCORE, Rule.REBALANCE)

    def arrives(self, ticket: int) -> None:
        """It goes to somebody, who begins it if they are free."""
        agent = self._owner(ticket)
        turn = int(self._world.priority[ticket]), ticket
        if agent < 0:
            self._nobodys.append(turn)
            return
        self._own[agent].append(turn)
        self._waits[agent] += 1
        if self._floor.on[agent] and self._floor.busy[agent] < 0:
            self._begin(agent)

    def free(self, agent: int) -> None:
        """They begin what is theirs; who comes on shift takes up what nobody has."""
        self._deal()
        if self._floor.busy[agent] < 0:
            self._begin(agent)

    def leaves(self, agent: int) -> None:
        """What they have not begun is given to others."""
        self._nobodys += self._own[agent]
        self._own[agent], self._waits[agent] = [], 0
        self._deal()

    def again(self, ticket: int) -> None:
        """Nothing changes with time alone."""

    def round(self) -> None:
        """Everything that nobody has begun is given out anew."""
        for agent, own in enumerate(self._own):
            self._nobodys += own
            self._own[agent] = []
        self._waits[:] = 0
        self._deal()

    def _begin(self, agent: int) -> None:
        if self._own[agent]:
            turn = min(self._own[agent])
            self._own[agent].remove(turn)
            self._waits[agent] -= 1
            self._floor.begin(agent, turn[1])

    def _deal(self) -> None:
        turns, self._nobodys = sorted(self._nobodys), []
        for _, ticket in turns:
            self.arrives(ticket)

    def _owner(self, ticket: int) -> int:
        """Who gets a ticket; -1 for nobody yet."""
        floor, world = self._floor, self._world
        kind = int(world.kind[ticket])
        load = self._waits + (floor.busy >= 0)
        may: Flags = floor.on & world.may[kind] & (load < world.capacity)
        may &= floor.shift_end - floor.now >= self._least_left
        if world.needy[kind]:
            skilled = may & (world.proficiency[kind] > 0)
            if not skilled.any() and not self._falls_back:
                return -1
            may = skilled if skilled.any() else may
        agents = np.flatnonzero(may)
        if not len(agents):
            return -1
        if self._rule is Rule.ROUND_ROBIN:
            after = agents[agents > self._last]
            self._last = int(after[0] if len(after) else agents[0])
            return self._last
        if self._rule is Rule.LEAST_LOADED:
            level = world.proficiency[kind, agents]
            return int(agents[np.lexsort((-level, load[agents]))[0]])
        worth = self._policy.urgency[world.priority[ticket] - 1] * world.match[kind, agents]
        cost = slot_cost(load[agents], world.capacity[agents], self._policy)
        return int(agents[(worth - cost).argmax()])
