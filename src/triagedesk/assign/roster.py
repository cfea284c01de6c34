"""The agents of a batch as tables: who is open for work, their room, skills and groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import numpy as np

from triagedesk.agents import Agent
from triagedesk.assign.records import AssignPolicy
from triagedesk.assign.score import closed_reason, fold, levels_of
from triagedesk.assign.tables import Flags, Ints, Singles
from triagedesk.errors import AgentsError, Problem

BEST_PROFICIENCY = 10
#: A larger capacity means the same.
UNLIMITED = 10**12
#: Rows of `members` for "none asked for" and "nobody on the roster belongs to it".
ANY_GROUP, NO_SUCH_GROUP = -1, -2
Name = TypeVar("Name", str, float)


@dataclass(frozen=True, kw_only=True, eq=False)
class Roster:
    """Everyone on the roster; the open agents, in order of id, are the columns of every table."""

    #: Everyone, in order of id.
    everyone: tuple[Agent, ...]
    #: Who takes new work now, in order of id.
    open: tuple[Agent, ...]
    #: Why the others do not -> who, in order of name.
    closed: dict[str, tuple[Agent, ...]]
    #: Open work and capacity of the open agents, in tickets.
    load: Ints
    capacity: Ints
    #: Rank by experience, 0 for the least; equals share a rank.
    experience_rank: Ints
    longest_experience: float
    #: Folded skill -> row of `proficiency`, for every skill anyone on the roster has.
    skills: dict[str, int]
    #: How each skill is spelled by the first agent who has it, by row.
    skill_names: tuple[str, ...]
    #: Proficiency by skill and open agent; the last row is zeros and stands for "no skill".
    proficiency: Singles
    #: The same for each open agent as skill row -> proficiency.
    levels: tuple[dict[int, int], ...]
    #: Id of an open agent -> column.
    columns: dict[str, int]
    #: Folded group -> row of `members`, for every group anyone on the roster belongs to.
    groups: dict[str, int]
    #: Whether an open agent belongs to a group; the last rows are NO_SUCH_GROUP and ANY_GROUP.
    members: Flags

    @property
    def room(self) -> Ints:
        """Free slots of the open agents."""
        return self.capacity - self.load


def read_roster(agents: Sequence[Agent], now: datetime, policy: AssignPolicy) -> Roster:
    """Lay the agents out as tables; raises AgentsError naming every agent that is not valid."""
    check_agents(agents)
    everyone = tuple(sorted(agents, key=lambda agent: agent.id))
    reasons = [closed_reason(agent, now, policy) for agent in everyone]
    opened = tuple(agent for agent, why in zip(everyone, reasons, strict=True) if not why)
    closed: dict[str, list[Agent]] = {}
    for agent, why in zip(everyone, reasons, strict=True):
        if why:
            closed.setdefault(why, []).append(agent)
    names = {why: tuple(sorted(closed[why], key=_by_name)) for why in sorted(closed)}
    return lay_out(everyone, opened, names)


def lay_out(
    everyone: tuple[Agent, ...], opened: tuple[Agent, ...], closed: dict[str, tuple[Agent, ...]]
) -> Roster:
    """The tables of a roster: everyone and the open agents in order of id."""
    skills = _number({fold(skill) for agent in everyone for skill in agent.skills})
    spelled = {fold(skill): skill for agent in reversed(everyone) for skill in agent.skills}
    groups = _number({fold(group) for agent in everyone for group in agent.groups})
    ranks = _number({agent.experience for agent in opened})
    levels = tuple(_levels(agent, skills) for agent in opened)
    return Roster(
        everyone=everyone,
        open=opened,
        closed=closed,
        load=np.array([min(agent.load, UNLIMITED) for agent in opened], np.int64),
        capacity=np.array([min(agent.capacity, UNLIMITED) for agent in opened], np.int64),
        experience_rank=np.array([ranks[agent.experience] for agent in opened], np.int64),
        longest_experience=max((agent.experience for agent in everyone), default=0.0),
        skills=skills,
        skill_names=tuple(spelled[skill] for skill in skills),
        proficiency=_proficiency(levels, len(skills)),
        levels=levels,
        columns={agent.id: column for column, agent in enumerate(opened)},
        groups=groups,
        members=_members(opened, groups),
    )


def group_row(group: str, roster: Roster) -> int:
    """Row of a ticket's group; any group will do at a desk that keeps no groups at all."""
    if not fold(group) or not roster.groups:
        return ANY_GROUP
    return roster.groups.get(fold(group), NO_SUCH_GROUP)


def check_agents(agents: Sequence[Agent]) -> None:
    """Raise AgentsError with every agent that cannot be right."""
    problems: list[Problem] = []
    seen: set[str] = set()
    for agent in agents:
        where = f"agents[{agent.id}]"
        if agent.id in seen:
            problems.append(Problem(where=where, what="this id is given more than once"))
        seen.add(agent.id)
        if agent.load < 0:
            problems.append(Problem(where=f"{where}.load", what=f"{agent.load} is below 0"))
        if agent.capacity < 0:
            problems.append(Problem(where=f"{where}.capacity", what=f"{agent.capacity} is below 0"))
        if not math.isfinite(agent.experience) or agent.experience < 0:
            what = f"{agent.experience} is not a number of 0 or more"
            problems.append(Problem(where=f"{where}.experience", what=what))
        problems += [
            Problem(where=f"{where}.skills.{skill}", what=f"proficiency {level} is not 1 to 10")
            for skill, level in agent.skills.items()
            if not 1 <= level <= BEST_PROFICIENCY
        ]
    if problems:
        raise AgentsError(problems=problems)


def _by_name(agent: Agent) -> tuple[str, str]:
    return agent.name, agent.id


def _number(names: set[Name]) -> dict[Name, int]:
    return {name: number for number, name in enumerate(sorted(names))}


def _levels(agent: Agent, skills: dict[str, int]) -> dict[int, int]:
    return {skills[skill]: level for skill, level in levels_of(agent).items()}


def _proficiency(levels: Sequence[dict[int, int]], skills: int) -> Singles:
    table = np.zeros((skills + 1, len(levels)), np.float32)
    for column, known in enumerate(levels):
        table[list(known), column] = list(known.values())
    return table


def _members(opened: Sequence[Agent], groups: dict[str, int]) -> Flags:
    table = np.zeros((len(groups) + 2, len(opened)), np.bool_)
    table[ANY_GROUP] = True
    for column, agent in enumerate(opened):
        for group in agent.groups:
            table[groups[fold(group)], column] = True
    return table
