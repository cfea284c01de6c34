"""How long a ticket waits for somebody who knows it, while all who do are off shift, away or full.

    their shift begins in time     it waits for that
    they are away or full          for 30 % of its SLA from when it was created, as with an agent
                                   who knows little: nobody can say when they are back
    their shift begins too late    it goes to somebody without the skill who can be expected to
                                   make it with time to spare; where nobody can it is late either
                                   way and waits, but no more than a day past due
    else                           it goes to somebody without the skill at once

Someone without the skill takes more than twice as long, and that time is missing elsewhere: going
to them whenever nobody else was there made half as many tickets again late, in simulation, as
waiting in every case. A ticket without a deadline does not wait, since nothing says for how long
it might; nobody waits for who is offline, as they may be on leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from triagedesk.agents import Agent, Availability, Shift, SkillNeed
from triagedesk.assign.index import RELAXATION, handling_factor
from triagedesk.assign.records import AssignPolicy, WorkItem
from triagedesk.assign.roster import Roster, group_row
from triagedesk.assign.score import fold, has_shift_left, levels_of, need_strength

#: How many times longer than expected somebody without the skill may take and still make it.
RESERVE = 2.0
#: How long past due a ticket may wait that would be late with anybody.
LATEST = timedelta(days=1)
#: Open work beyond this is the same, in tickets.
MOST_LOAD = 1000
AWAY, FULL = "away", "full"


@dataclass(frozen=True, kw_only=True)
class Wait:
    """For whom a ticket waits, and until when."""

    until: datetime
    agent: Agent
    #: The needed skill of theirs that counts most, as the ticket spells it.
    skill: str
    level: int
    #: `away` or `full`; "" for somebody whose shift begins at `until`.
    why: str = ""
    #: Whether it will be late with anybody.
    late: bool = False


@dataclass(frozen=True, kw_only=True)
class Floor:
    """A roster as waiting asks for it."""

    #: Who has a skill, by its folded name, with their proficiency.
    holders: Callable[[str], Iterable[tuple[Agent, int]]]
    #: The least open work of those who are open and may take a ticket; None for nobody.
    least_load: Callable[[WorkItem], int | None]
    keeps_groups: bool


@dataclass(frozen=True, kw_only=True)
class _Absent:
    """Someone who knows a needed skill and takes nothing now."""

    agent: Agent
    skill: str
    level: int
    #: Strength of the need x proficiency.
    strength: float
    why: str
    #: When their shift begins, and when they could be done; None where nobody can say.
    begins: datetime | None = None
    done: datetime | None = None


def floor_of(roster: Roster) -> Floor:
    """A batch's roster as waiting asks for it."""

    @cache
    def by_skill() -> dict[str, list[tuple[Agent, int]]]:
        found: dict[str, list[tuple[Agent, int]]] = {}
        for agent in roster.everyone:
            for skill, level in levels_of(agent).items():
                found.setdefault(skill, []).append((agent, level))
        return found

    def least_load(item: WorkItem) -> int | None:
        may = roster.members[group_row(item.group, roster)].copy()
        may[[roster.columns[id_] for id_ in item.declined_by if id_ in roster.columns]] = False
        return int(roster.load[may].min()) if may.any() else None

    return Floor(
        holders=lambda skill: by_skill().get(skill, ()),
        least_load=least_load,
        keeps_groups=bool(roster.groups),
    )


class Patience:
    """Says of each ticket whether it waits, for one state of a roster."""

    def __init__(self, floor: Floor, policy: AssignPolicy, now: datetime) -> None:
        self._floor, self._policy, self._now = floor, policy, now
        #: By skill, weight, confidence and group.
        self._known: dict[tuple[str, float, float, str], tuple[_Absent | None, _Absent | None]] = {}
        self._shifts: dict[Shift, datetime | None] = {}
        self._loads: dict[str, int | None] = {}

    def waits(self, item: WorkItem) -> bool:
        """Whether a ticket waits; quicker than `wait`, as it is asked of each of a batch."""
        due_at = item.due_at
        if due_at is None or not item.needs or not self._policy.waits:
            return False
        if self._now < item.created_at + RELAXATION * (due_at - item.created_at):
            for need in item.needs:
                if self._absent(item, need)[0] is not None:
                    return True
        return self.wait(item) is not None

    def wait(self, item: WorkItem) -> Wait | None:
        """For whom and until when a ticket waits, where nobody with a needed skill can take it."""
        if item.due_at is None or not item.needs or not self._policy.waits:
            return None
        absent = [self._absent(item, need) for need in item.needs]
        relaxed = item.created_at + RELAXATION * (item.due_at - item.created_at)
        if self._now < relaxed:
            back = _strongest(some for some, _ in absent)
            if back is not None:
                return _wait_for(back, relaxed)
        ready = _earliest(some for _, some in absent)
        if ready is None or ready.begins is None or ready.done is None:
            return None
        over = ready.done - item.due_at
        late = over > timedelta(0)
        if late and (over > LATEST or self._others_make_it(item, item.due_at)):
            return None
        return _wait_for(ready, ready.begins, late=late)

    def _absent(self, item: WorkItem, need: SkillNeed) -> tuple[_Absent | None, _Absent | None]:
        """Of those with a skill the strongest who is away or full, and who is done first."""
        key = (need.skill, need.weight, need.confidence, item.group)
        found = None if item.declined_by else self._known.get(key)
        if found is None:
            strength, group = need_strength(need, self._policy), fold(item.group)
            may = [
                self._as_absent(agent, need.skill, strength, level)
                for agent, level in self._floor.holders(fold(need.skill))
                if agent.id not in item.declined_by and self._belongs(agent, group)
            ]
            gone = [one for one in may if one is not None]
            found = (
                _strongest(one for one in gone if one.begins is None),
                _earliest(one for one in gone if one.begins is not None),
            )
            if not item.declined_by:
                self._known[key] = found
        return found

    def _belongs(self, agent: Agent, group: str) -> bool:
        return not (group and self._floor.keeps_groups) or group in map(fold, agent.groups)

    def _as_absent(self, agent: Agent, skill: str, strength: float, level: int) -> _Absent | None:
        """How an agent will be back; None for one nobody can wait for."""
        if agent.availability is Availability.OFFLINE or agent.capacity < 1:
            return None
        if not has_shift_left(agent, self._now, self._policy):
            why = AWAY if agent.availability is Availability.AWAY else FULL
            return _Absent(
                agent=agent, skill=skill, level=level, strength=strength * level, why=why
            )
        begins = self._next_shift(agent.shift) if agent.shift else None
        if begins is None:
            return None
        takes = self._policy.handling * handling_factor(strength * level)
        return _Absent(
            agent=agent,
            skill=skill,
            level=level,
            strength=strength * level,
            why="",
            begins=begins,
            done=begins + takes,
        )

    def _next_shift(self, shift: Shift) -> datetime | None:
        if shift not in self._shifts:
            self._shifts[shift] = shift.begins_at(self._now)
        return self._shifts[shift]

    def _others_make_it(self, item: WorkItem, due_at: datetime) -> bool:
        """Whether somebody without the skill can be expected to make it, with time to spare."""
        load = self._least_load(item)
        if load is None:
            return False
        queue = min(load, MOST_LOAD) + RESERVE * handling_factor(0)
        return self._now + queue * self._policy.handling <= due_at

    def _least_load(self, item: WorkItem) -> int | None:
        if item.declined_by:
            return self._floor.least_load(item)
        group = fold(item.group)
        if group not in self._loads:
            self._loads[group] = self._floor.least_load(item)
        return self._loads[group]


def _strongest(absent: Iterable[_Absent | None]) -> _Absent | None:
    some = [one for one in absent if one is not None]
    return min(some, key=lambda one: (-one.strength, one.agent.id, one.skill), default=None)


def _earliest(absent: Iterable[_Absent | None]) -> _Absent | None:
    some = [(one.done, one.agent.id, one.skill, one) for one in absent if one and one.done]
    return min(some, key=lambda one: one[:3])[3] if some else None


def _wait_for(absent: _Absent, until: datetime, *, late: bool = False) -> Wait:
    return Wait(
        until=until,
        agent=absent.agent,
        skill=absent.skill,
        level=absent.level,
        why=absent.why,
        late=late,
    )
