"""A tentative assignee for one ticket at a time, at once."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from triagedesk.agents import Agent
from triagedesk.assign.classes import Classes, read_classes
from triagedesk.assign.crowd import Bits, Crowd, Kind, bits_by_group, bits_by_level, by_name
from triagedesk.assign.flow import UNITS
from triagedesk.assign.picks import Case, Teller
from triagedesk.assign.reasons import Reasons
from triagedesk.assign.records import AssignPolicy, WorkItem
from triagedesk.assign.roster import UNLIMITED, Roster, check_agents, group_row, lay_out
from triagedesk.assign.score import closed_reason, fold, slot_cost, waiting_cost
from triagedesk.assign.solver import EXACT, Solution
from triagedesk.assign.standings import AfterBatch, after_batch, pairs_dealt
from triagedesk.assign.tables import Floats
from triagedesk.assign.waiting import Floor, Patience
from triagedesk.assign.wording import Standing
from triagedesk.assign.worth import Worth
from triagedesk.errors import NotFoundError
from triagedesk.tickets import Assignment

#: How a tentative assignment was found, beside what `BatchAssignment.method` says.
ONLINE = "online"
_MOMENT = timedelta(microseconds=1)
NOBODY: tuple[str, ...] = ()
_ONLY = np.zeros(1, np.int64)


class TentativeBoard:
    """Loads and skills of a roster, arranged so that one ticket is placed in well under 1 ms.

    `place` answers what a batch of this one ticket would: same agent, parts, runner-up,
    exclusions and sentence. Raises AgentsError naming every agent that is not valid.
    """

    #: What `BatchAssignment.method` would say.
    method = ONLINE

    def __init__(self, roster: Sequence[Agent], policy: AssignPolicy) -> None:
        check_agents(roster)
        self._agents = {agent.id: agent for agent in roster}
        self._policy = policy
        self._clock: datetime | None = None
        self._tables: _Tables | None = None

    def place(self, item: WorkItem, now: datetime) -> Assignment:
        """Give a ticket to the agent it suits best now, and add one to their load.

        `agent_id` None: it stays in the queue, and the sentence says why. Raises TicketsError for
        a ticket with impossible numbers.
        """
        tables = self._at(now)
        assignment = tables.place(item, now)
        if assignment.agent_id is not None:
            self._count(assignment.agent_id, 1, now)
        return assignment

    def release(self, agent_id: str) -> None:
        """One ticket less for an agent: resolved, or given to somebody else."""
        self._count(agent_id, -1, self._clock)

    def update(self, agent: Agent) -> None:
        """An agent as they are now: availability, skills, capacity, load; or a new one."""
        check_agents([agent])
        before = self._agents.get(agent.id)
        self._agents[agent.id] = agent
        if before is None or _profile(before) != _profile(agent):
            self._tables = None
        elif self._tables is not None and self._clock is not None:
            self._tables.change(agent, self._clock)

    def remove(self, agent_id: str) -> None:
        """An agent who is no longer on the roster; raises NotFoundError."""
        del self._agents[self._known(agent_id).id]
        self._tables = None

    def agent(self, agent_id: str) -> Agent:
        """An agent with the load they have here; raises NotFoundError."""
        return self._known(agent_id)

    def _known(self, agent_id: str) -> Agent:
        if agent_id not in self._agents:
            raise NotFoundError(f"There is no agent {agent_id} on the board.")
        return self._agents[agent_id]

    def _count(self, agent_id: str, tickets: int, now: datetime | None) -> None:
        agent = self._known(agent_id)
        agent = replace(agent, load=max(0, agent.load + tickets))
        self._agents[agent_id] = agent
        if self._tables is not None and now is not None:
            self._tables.change(agent, now)

    def _at(self, now: datetime) -> _Tables:
        """The tables as of now."""
        if now.tzinfo is None:
            raise ValueError(f"now has no time zone: {now}")
        if self._tables is None or (self._clock is not None and now < self._clock):
            self._tables = _Tables(list(self._agents.values()), self._policy, now)
        else:
            self._tables.pass_time(now)
        self._clock = now
        return self._tables


def _profile(agent: Agent) -> tuple[object, ...]:
    """What the tables are laid out by; all else about an agent changes in place."""
    return agent.name, dict(agent.skills), agent.groups, agent.experience


class _Tables:
    """A roster whose every agent is a column, and who of them is open at a moment."""

    def __init__(self, agents: Sequence[Agent], policy: AssignPolicy, now: datetime) -> None:
        everyone = tuple(sorted(agents, key=lambda agent: agent.id))
        self._policy = policy
        self._agents = {agent.id: agent for agent in everyone}
        self._roster: Roster = lay_out(everyone, everyone, {})
        self._why = [""] * len(everyone)
        names = by_name(everyone)
        self._crowd = Crowd(
            by_name=names,
            skill_names=self._roster.skill_names,
            groups=bits_by_group(names, self._roster.groups),
            levels=bits_by_level(names, self._roster.skills),
            open=(1 << len(everyone)) - 1,
        )
        self._levels = {
            agent.id: known for agent, known in zip(everyone, self._roster.levels, strict=True)
        }
        # A capacity of 0 is never open, and must not be divided by.
        np.maximum(self._roster.capacity, 1, out=self._roster.capacity)
        self._open = np.ones(len(everyone), np.bool_)
        self._shifts: list[tuple[datetime, str]] = []
        self._teller: Teller | None = None
        for agent in everyone:
            self._settle(agent, now)
            self._watch_shift(agent)

    def pass_time(self, now: datetime) -> None:
        """See to agents whose shift has ended or is about to."""
        while self._shifts and self._shifts[0][0] <= now:
            _, agent_id = heapq.heappop(self._shifts)
            self._settle(self._agents[agent_id], now)

    def change(self, agent: Agent, now: datetime) -> None:
        """An agent with another load, capacity, availability or shift."""
        moved = agent.shift_ends_at != self._agents[agent.id].shift_ends_at
        self._agents[agent.id] = agent
        column = self._roster.columns[agent.id]
        self._roster.load[column] = min(agent.load, UNLIMITED)
        self._roster.capacity[column] = min(max(1, agent.capacity), UNLIMITED)
        self._settle(agent, now)
        if moved:
            self._watch_shift(agent)

    def _settle(self, agent: Agent, now: datetime) -> None:
        """Open or close an agent."""
        column, bit = self._roster.columns[agent.id], 1 << self._crowd.place[agent.id]
        why, before = closed_reason(agent, now, self._policy), self._why[column]
        if why == before:
            return
        crowd = self._crowd
        if before:
            crowd.closed[before] ^= bit
            if not crowd.closed[before]:
                del crowd.closed[before]
        if why:
            crowd.closed[why] = crowd.closed.get(why, 0) | bit
        crowd.open = crowd.open & ~bit if why else crowd.open | bit
        self._open[column], self._why[column] = not why, why
        self._teller = None

    def _watch_shift(self, agent: Agent) -> None:
        if agent.shift_ends_at is not None:
            for moment in (
                agent.shift_ends_at - self._policy.min_shift + _MOMENT,
                agent.shift_ends_at,
            ):
                heapq.heappush(self._shifts, (moment, agent.id))

    def place(self, item: WorkItem, now: datetime) -> Assignment:
        """The answer for one ticket; nothing changes."""
        roster = self._roster
        classes = read_classes([item], roster, self._policy)
        classes = replace(classes, members=classes.members & self._open)
        worth = Worth(roster=roster, classes=classes, policy=self._policy)
        case = self._case(item, classes)
        missing = tuple(
            dict.fromkeys(n.skill for n in item.needs if fold(n.skill) not in roster.skills)
        )
        gap = bool(missing) and not case.needs
        column = self._best(worth)
        if column < 0 or not worth.fit(_ONLY, np.array([column], np.int64))[0]:
            wait = self._patience(now).wait(item)
            if wait is not None:
                case = case._replace(deferral=waiting_cost(case.weight, self._policy))
                pick = self._told(full=0).waiting(case, wait)
                return pick.assignment(item, 0, missing, gap=gap, optimal=True)
        if column < 0:
            pick = self._told(full=0).deferred(case)
            return pick.assignment(item, 0, missing, gap=gap, optimal=True)
        load, capacity = int(roster.load[column]), int(roster.capacity[column])
        solution = self._solution(column, slot_cost(load, capacity, self._policy))
        after = after_batch(worth, solution)
        pairs = pairs_dealt(worth, solution, after)
        agent = roster.open[column]
        bit = 1 << self._crowd.place[agent.id]
        teller = self._told(full=bit if load + 1 >= capacity else 0)
        skills = teller.known(case, agent)
        key = skills[0][0] if skills else -1
        other, runner = None, int(pairs.others[0])
        if runner >= 0:
            other = self._standing(runner, pairs.other[0], after, float(after.next[runner]), key)
        pick = teller.given(
            case,
            self._standing(column, pairs.chosen[0], after, float(after.last[column]), key),
            other,
            skills,
            fits=pairs.fit[0],
            hurried=self._policy.waits and item.due_at is not None,
            slot_price=float(solution.price[column]),
        )
        return pick.assignment(item, load, missing, gap=gap, optimal=True)

    def _patience(self, now: datetime) -> Patience:
        """Who waits, as things are; asked for only where nobody with the skill is open."""
        roster, crowd = self._roster, self._crowd

        def holders(skill: str) -> list[tuple[Agent, int]]:
            row = roster.skills.get(skill)
            who = [] if row is None else crowd.listed(crowd.holders[row])
            return [(self._agents[one.id], self._levels[one.id][row or 0]) for one in who]

        def least_load(item: WorkItem) -> int | None:
            may = roster.members[group_row(item.group, roster)] & self._open
            may[[roster.columns[id_] for id_ in item.declined_by if id_ in roster.columns]] = False
            return int(roster.load[may].min()) if may.any() else None

        floor = Floor(holders=holders, least_load=least_load, keeps_groups=bool(roster.groups))
        return Patience(floor, self._policy, now)

    def _best(self, worth: Worth) -> int:
        """Column of the agent with the highest score, compared as the solver does; -1 for none.

        In whole millionths; then the more experienced, then the smaller id.
        """
        may = np.flatnonzero(worth.classes.members[worth.classes.group[0]])
        if not len(may):
            return -1
        roster = self._roster
        _, _, value = worth.pairs(np.zeros(len(may), np.int64), may)
        slot = slot_cost(roster.load[may], roster.capacity[may], self._policy)
        net = np.rint(value * UNITS) - np.rint(slot * UNITS)
        tied = may[net == net.max()]
        return int(tied[roster.experience_rank[tied].argmax()])

    def _solution(self, column: int, price: float) -> Solution:
        prices: Floats = np.zeros(len(self._roster.open))
        prices[column] = price
        agent = np.array([column], np.int64)
        return Solution(agent=agent, price=prices, objective=0.0, bound=0.0, method=EXACT)

    def _case(self, item: WorkItem, classes: Classes) -> Case:
        needs = int(classes.needs[0])
        skills = classes.skill[0, :needs].tolist()
        group, declined = int(classes.group[0]), NOBODY
        if group >= len(self._roster.groups):
            group, declined = classes.crews[0]
        return Case(
            kind=Kind(group, declined, tuple(sorted(skills))),
            group=item.group,
            weight=float(classes.weight[0]),
            needs=tuple(zip(skills, classes.strength[0, :needs].tolist(), strict=True)),
            strengths=float(classes.strengths[0]) if item.needs else 0.0,
            deferral=float(classes.deferral[0]),
        )

    def _standing(
        self,
        column: int,
        numbers: tuple[float, float, float],
        after: AfterBatch,
        load: float,
        skill: int,
    ) -> Standing:
        match, affinity, value = numbers
        return Standing(
            agent=self._agents[self._roster.open[column].id],
            score=value - load,
            match=match,
            value=value,
            affinity=affinity,
            load=load,
            tickets=int(after.tickets[column]),
            level=self._roster.levels[column].get(skill, 0),
        )

    def _told(self, full: Bits) -> Teller:
        """Who says why; made anew when somebody opens, closes or is filled by this ticket."""
        if self._teller is None or self._crowd.full != full:
            self._crowd.full = full
            self._teller = Teller(
                Reasons(self._crowd),
                self._policy,
                skill_names=self._roster.skill_names,
                levels=self._levels,
                longest_experience=self._roster.longest_experience,
                alone=True,
            )
        return self._teller
