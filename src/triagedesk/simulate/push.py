"""Rules that give a ticket to somebody on arrival: in turn, by load, by our score."""

from __future__ import annotations

import numpy as np

from triagedesk.assign.index import HOUR, RELAXATION, handling_factor
from triagedesk.assign.score import slot_cost
from triagedesk.assign.tables import Flags, Floats
from triagedesk.assign.waiting import LATEST, MOST_LOAD, RESERVE
from triagedesk.simulate.floor import Floor
from triagedesk.simulate.pressing import index_of, most_pressing
from triagedesk.simulate.records import Rule, Scenario

#: Every agent's own tickets by priority, then age.
Turn = tuple[int, int]


class Push:
    """Every ticket has an owner as soon as somebody may take it."""

    def __init__(self, floor: Floor, scenario: Scenario, rule: Rule) -> None:
        self._floor, self._world, self._rule = floor, floor.world, rule
        self._policy = scenario.assign_policy.for_early_commitment
        self._commitment = scenario.commitment
        self._least_left = scenario.assign_policy.min_shift / HOUR
        self._own: list[list[Turn]] = [[] for _ in self._world.agents]
        self._waits = np.zeros(len(self._world.agents), np.int64)
        self._nobodys: list[Turn] = []
        self._last = -1
        #: Our own rules, as a desk that commits early has them; the plain ones wait for the skill
        #: for good, and each agent works by priority and age.
        self._ours = rule in (Rule.SCORE, Rule.REBALANCE)
        self._asked: dict[int, float] = {}
        self._begins = [
            np.array([begins for begins, _, whose in self._world.shifts if whose == agent])
            for agent in range(len(self._world.agents))
        ]

    def arrives(self, ticket: int) -> None:
        """It goes to somebody, who begins it if they are free."""
        agent = self.owner(ticket)
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
        """A ticket has waited for somebody as long as it may."""
        turn = int(self._world.priority[ticket]), ticket
        if turn in self._nobodys:
            self._nobodys.remove(turn)
            self.arrives(ticket)

    def round(self) -> None:
        """Everything that nobody has begun is given out anew."""
        for agent, own in enumerate(self._own):
            self._nobodys += own
            self._own[agent] = []
        self._waits[:] = 0
        self._deal()

    def _begin(self, agent: int) -> None:
        ticket = self.next_of(agent)
        if ticket >= 0:
            self._own[agent].remove((int(self._world.priority[ticket]), ticket))
            self._waits[agent] -= 1
            self._floor.begin(agent, ticket)

    def next_of(self, agent: int) -> int:
        """Which of their own an agent begins next; -1 for none."""
        if not self._own[agent]:
            return -1
        if not self._ours:
            return min(self._own[agent])[1]
        world = self._world
        tickets = np.array([ticket for _, ticket in self._own[agent]])
        value = index_of(world, self._commitment, self._floor.now, tickets, agent)
        return most_pressing(world, tickets, value)

    def _deal(self) -> None:
        turns, self._nobodys = sorted(self._nobodys), []
        for _, ticket in turns:
            self.arrives(ticket)

    def owner(self, ticket: int) -> int:
        """Who gets a ticket; -1 for nobody yet."""
        floor, world = self._floor, self._world
        kind = int(world.kind[ticket])
        load = self._waits + (floor.busy >= 0)
        may: Flags = floor.on & world.may[kind] & (load < world.capacity)
        may &= floor.shift_end - floor.now >= self._least_left
        if world.needy[kind]:
            skilled = may & (world.proficiency[kind] > 0)
            if not skilled.any() and (not self._ours or self._keeps_waiting(ticket, may)):
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
        # Compared in millionths, as the solver does.
        return int(agents[np.rint(worth * 1e6 - cost * 1e6).argmax()])

    def _keeps_waiting(self, ticket: int, others: Flags) -> bool:
        """Whether a ticket waits for somebody with the skill; it is looked at again by then."""
        until = self.waits_until(ticket, others)
        if until is None:
            return False
        if self._asked.get(ticket) != until:
            self._asked[ticket] = until
            self._floor.ask_again(ticket, until)
        return True

    def waits_until(self, ticket: int, others: Flags) -> float | None:
        """Until when a ticket waits that `others` could take now (assign.waiting); None: not."""
        floor, world, now = self._floor, self._world, self._floor.now
        due, sla = float(world.due[ticket]), float(world.sla[ticket])
        if not np.isfinite(due) or not self._policy.waits:
            return None
        kind = int(world.kind[ticket])
        knows = world.may[kind] & (world.proficiency[kind] > 0) & (world.capacity > 0)
        here = knows & floor.on & (floor.shift_end - now >= self._least_left)
        relaxed = float(world.arrives[ticket]) + RELAXATION * sla
        if here.any() and now < relaxed:
            return relaxed
        handling = self._policy.handling / HOUR
        begins = self._next_shifts()
        done = np.where(knows & ~here, begins + handling * world.factor[kind], np.inf)
        first = int(done.argmin())
        over = float(done[first]) - due
        if over > LATEST / HOUR:
            return None
        if over > 0 and others.any():
            load = min(int((self._waits + (floor.busy >= 0))[others].min()), MOST_LOAD)
            if now + handling * (load + RESERVE * handling_factor(0)) <= due:
                return None
        return float(begins[first])

    def _next_shifts(self) -> Floats:
        """When each agent's next shift begins; infinite for none."""
        now = self._floor.now
        found = [np.searchsorted(begins, now, side="right") for begins in self._begins]
        return np.array(
            [
                begins[place] if place < len(begins) else np.inf
                for begins, place in zip(self._begins, found, strict=True)
            ]
        )
