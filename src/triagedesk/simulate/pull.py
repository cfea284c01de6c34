"""Rules that decide when somebody is free: priority, deadline, index, index with interruption."""

from __future__ import annotations

import numpy as np

from triagedesk.assign.commitment import (
    INTERRUPTIBLE,
    LATE_PENALTY,
    STEP_BONUS,
    TIME_TO_RETURN,
)
from triagedesk.assign.index import HOUR
from triagedesk.assign.tables import Flags, Ints
from triagedesk.simulate.floor import Floor
from triagedesk.simulate.pressing import PRIORITY_STEP, index_of, most_pressing
from triagedesk.simulate.records import Rule, Scenario


class Pull:
    """Tickets wait together until somebody is free."""

    def __init__(self, floor: Floor, scenario: Scenario, rule: Rule) -> None:
        self._floor, self._world, self._rule = floor, floor.world, rule
        self._policy = scenario.commitment
        self._by_index = rule in (Rule.INDEX, Rule.INTERRUPT)
        self._least_left = scenario.assign_policy.min_shift / HOUR
        self._waiting = np.zeros(len(self._world.ids) + 1, np.int64)
        self._count = 0
        self._place: dict[int, int] = {}

    def arrives(self, ticket: int) -> None:
        """Somebody who is free begins it; else it waits, or interrupts."""
        agent = self.who_begins(ticket)
        if agent < 0 and self._rule is Rule.INTERRUPT and self._world.priority[ticket] == 1:
            agent = self._whom_to_interrupt(ticket)
            if agent >= 0:
                self._wait(self._floor.interrupt(agent))
        if agent >= 0:
            self._floor.begin(agent, ticket)
            return
        self._wait(ticket)

    def free(self, agent: int) -> None:
        """The agent begins the next for them."""
        ticket = self.next_for(agent)
        if ticket >= 0:
            self._take(ticket)
            self._floor.begin(agent, ticket)

    def leaves(self, agent: int) -> None:  # noqa: ARG002 - nobody owns what waits
        """What only this one knew may now be for somebody else who is free."""
        for other in np.flatnonzero(self._floor.idle()).tolist():
            self.free(other)

    def again(self, ticket: int) -> None:
        """The ticket has waited long enough for those who are less good at it."""
        if ticket in self._place:
            agent = self.who_begins(ticket)
            if agent >= 0:
                self._take(ticket)
                self._floor.begin(agent, ticket)

    def round(self) -> None:
        """Nothing is looked at regularly."""

    @property
    def waiting(self) -> Ints:
        """The tickets that wait, in no order."""
        return self._waiting[: self._count]

    def _wait(self, ticket: int) -> None:
        self._place[ticket] = self._count
        self._waiting[self._count] = ticket
        self._count += 1
        relaxed = self._policy.relaxation * self._world.sla[ticket]
        self._floor.ask_again(ticket, float(self._world.arrives[ticket] + relaxed))

    def _take(self, ticket: int) -> None:
        place = self._place.pop(ticket)
        self._count -= 1
        last = int(self._waiting[self._count])
        if last != ticket:
            self._waiting[place] = last
            self._place[last] = place

    def next_for(self, agent: int) -> int:
        """The ticket an agent should begin; -1 for none."""
        floor, world = self._floor, self._world
        if not self._count or floor.shift_end[agent] - floor.now < self._least_left:
            return -1
        if world.capacity[agent] < 1:
            return -1
        waiting = self.waiting
        kind = world.kind[waiting]
        may = world.may[kind, agent] & ~self._left_to_others(waiting, kind, agent)
        if not may.any():
            return -1
        waiting = waiting[may]
        if self._by_index:
            value = index_of(world, self._policy, floor.now, waiting, agent)
        elif self._rule is Rule.DEADLINE:
            value = -world.pressing_due[waiting]
        else:
            value = -world.priority[waiting] * PRIORITY_STEP - waiting
        return most_pressing(world, waiting, value)

    def _left_to_others(self, waiting: Ints, kind: Ints, agent: int) -> Flags:
        """Which tickets are better left to others for now (commitment._better_left)."""
        world, now = self._world, self._floor.now
        level = world.proficiency[kind, agent]
        left: Flags = (
            level < world.least[kind] if self._by_index else (level <= 0) & world.needy[kind]
        )
        if not left.any():
            return left
        age = now - world.arrives[waiting]
        relaxed = age >= self._policy.relaxation * world.sla[waiting]
        free: Flags = left & relaxed & (level > 0)
        unskilled = np.flatnonzero(left & relaxed & (level <= 0))
        for place in unskilled.tolist():
            free[place] = not self._somebody_knows(int(kind[place]))
        left &= ~free
        return left

    def _somebody_knows(self, kind: int) -> bool:
        world = self._world
        knows = self._floor.on & world.may[kind] & (world.proficiency[kind] > 0)
        return bool(knows.any())

    def _may_begin(self, ticket: int, agents: Flags) -> Ints:
        """Which of these agents may begin a ticket now."""
        floor, world = self._floor, self._world
        kind = int(world.kind[ticket])
        may = agents & world.may[kind] & (world.capacity > 0)
        may &= floor.shift_end - floor.now >= self._least_left
        one = np.array([ticket])
        kinds = world.kind[one]
        chosen = [
            agent
            for agent in np.flatnonzero(may).tolist()
            if not self._left_to_others(one, kinds, agent)[0]
        ]
        return np.array(chosen, np.int64)

    def who_begins(self, ticket: int) -> int:
        """Which free agent begins a ticket: who is quickest, then the smaller id; -1 for none."""
        agents = self._may_begin(ticket, self._floor.idle())
        if not len(agents):
            return -1
        return int(agents[self._world.factor[self._world.kind[ticket], agents].argmin()])

    def _whom_to_interrupt(self, ticket: int) -> int:
        floor, world = self._floor, self._world
        kind, now = int(world.kind[ticket]), floor.now
        agents = self._may_begin(ticket, floor.on & (floor.busy >= 0))
        agents = agents[np.isin(world.priority[floor.busy[agents]], INTERRUPTIBLE)]
        if not len(agents):
            return -1
        current = floor.busy[agents]
        cost = world.expected[ticket] * world.factor[kind, agents]
        cost = cost - STEP_BONUS / HOUR * (world.priority[current] - INTERRUPTIBLE[0])
        late = world.due[current] - now < TIME_TO_RETURN / HOUR
        return int(agents[(cost + late * (LATE_PENALTY / HOUR)).argmin()])
