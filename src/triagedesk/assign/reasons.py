"""Who could not take a ticket, and why; worked out once for tickets alike."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_

import numpy as np

from triagedesk.agents import Agent
from triagedesk.assign.roster import ANY_GROUP, NO_SUCH_GROUP, fold
from triagedesk.assign.standings import AfterBatch
from triagedesk.assign.tables import Flags, Ints
from triagedesk.assign.wording import counted, listed
from triagedesk.assign.worth import Worth
from triagedesk.tickets import Exclusion

#: Agents named for each reason; the others are counted.
MOST_NAMED = 5
#: Reasons up to which agents at capacity are told apart by it.
MOST_REASONS = 8
AT_CAPACITY = "at capacity"
FULL_NOW = "full after this batch"

#: Group row and rows of needed skills: tickets alike in both have the same reasons.
Kind = tuple[int, tuple[int, ...]]


class Reasons:
    """Exclusions and the sentences made from them.

    Sets of open agents are whole numbers, a bit for each agent in order of name: thousands of
    them are united and counted here, which is quickest this way.
    """

    def __init__(self, worth: Worth, after: AfterBatch) -> None:
        roster = worth.roster
        self._roster = roster
        names = sorted(range(len(roster.open)), key=lambda c: (roster.open[c].name, c))
        self._by_name = [roster.open[column] for column in names]
        self._everyone = (1 << len(names)) - 1
        self._groups = worth.classes.group.tolist()
        self._members = {row: _bits(roster.members[row, names]) for row in set(self._groups)}
        self._full = _bits((after.tickets >= roster.capacity)[names])
        self._levels = [_by_level(row) for row in roster.proficiency[:, names].astype(np.int64)]
        self._holders = [sum(bits for _, bits in levels) for levels in self._levels]
        self._closed = _merged(roster.closed)
        self._shared = tuple(_exclusion(why, who, len(who)) for why, who in self._closed.items())
        needs, skills = worth.classes.needs.tolist(), worth.classes.skill.tolist()
        self._skills = [tuple(sorted(row[:n])) for row, n in zip(skills, needs, strict=True)]
        self._exclusions: dict[tuple[Kind, bool], tuple[Exclusion, ...]] = {}
        self._no_fit: dict[Kind, str] = {}

    def _kind(self, row: int) -> Kind:
        return self._groups[row], self._skills[row]

    def _has_skill(self, skills: tuple[int, ...]) -> int:
        return reduce(or_, (self._holders[skill] for skill in skills), 0)

    def _listed(self, why: str, who: int) -> Exclusion:
        named: list[Agent] = []
        rest = who
        while rest and len(named) < MOST_NAMED:
            first = rest & -rest
            named.append(self._by_name[first.bit_length() - 1])
            rest ^= first
        return _exclusion(why, named, who.bit_count())

    def _spelled(self, skills: tuple[int, ...]) -> str:
        return listed([self._roster.skill_names[skill] for skill in skills], "or")

    def exclusions(self, row: int, group: str, *, after_batch: bool) -> tuple[Exclusion, ...]:
        """Who was not considered, by the first reason that holds; with who is full by then."""
        kind = self._kind(row)
        made = self._exclusions.get((kind, after_batch))
        if made is None:
            found = self._find(kind, group, after_batch=after_batch)
            made = self._exclusions[kind, after_batch] = (*self._shared, *found)
        return made

    def _find(self, kind: Kind, group: str, *, after_batch: bool) -> list[Exclusion]:
        number, skills = kind
        left, reasons = self._members[number], []
        if number != ANY_GROUP:
            reasons.append((f"not in {group}", self._everyone & ~left))
        if after_batch:
            reasons.append((FULL_NOW, left & self._full))
            left &= ~self._full
        if skills:
            why = f"no proficiency in {self._spelled(skills)}"
            reasons.append((why, left & ~self._has_skill(skills)))
        return [self._listed(why, who) for why, who in reasons if who]

    def competition(self, row: int, skill: int) -> tuple[int, int, int]:
        """How many open agents could take it, the best proficiency in a skill, how many have it."""
        members = self._members[self._groups[row]]
        fit = (self._has_skill(self._skills[row]) & members).bit_count()
        for level, holders in self._levels[skill]:
            if holders & members:
                return fit, level, (holders & members).bit_count()
        return fit, 0, 0

    def no_fit(self, row: int, group: str) -> str:
        """Why nobody with a needed skill can take it: `Linux: 2 away, 1 full after this batch`."""
        kind = self._kind(row)
        made = self._no_fit.get(kind)
        if made is None:
            members, has = self._members[kind[0]], self._has_skill(kind[1])
            counts = [(len(who), why) for why, who in self._closed_with(kind[1])]
            counts.append(((has & members & self._full).bit_count(), FULL_NOW))
            counts.append(((has & ~members).bit_count(), f"not in {group}"))
            reasons = counted([pair for pair in counts if pair[0]])
            made = self._no_fit[kind] = f"{self._spelled(kind[1])}: {reasons}"
        return made

    def if_back(self, row: int, group: str) -> str:
        """Who would have been considered had they been there; else what would change it."""
        skills = self._skills[row]
        names = {fold(self._roster.skill_names[skill]) for skill in skills}
        groups = self._groups[row]
        best: tuple[int, str, str, str] | None = None
        for why, who in self._closed_with(skills):
            for agent in who:
                if groups != ANY_GROUP and fold(group) not in map(fold, agent.groups):
                    continue
                level, skill = max((p, s) for s, p in agent.skills.items() if fold(s) in names)
                if best is None or level > best[0]:
                    best = (level, agent.name, skill, why)
        if best is None:
            skill = self._roster.skill_names[skills[0]]
            return f"Someone else who knows {skill}, with a free slot, could have come first."
        level, name, skill, why = best
        return f"{name} ({skill} {level}/10) could have it, but is excluded: {why}."

    def _closed_with(self, skills: Iterable[int]) -> list[tuple[str, list[Agent]]]:
        """Closed agents with any of these skills, by reason."""
        names = {fold(self._roster.skill_names[skill]) for skill in skills}
        found = [
            (why, [agent for agent in who if not names.isdisjoint(map(fold, agent.skills))])
            for why, who in self._closed.items()
        ]
        return [(why, who) for why, who in found if who]

    def deferral(self, row: int, group: str) -> tuple[str, str]:
        """Why a ticket stays in the queue, and what would change that."""
        roster, number = self._roster, self._groups[row]
        members = self._members[number].bit_count()
        where = f" in {group}" if number != ANY_GROUP else ""
        if not roster.everyone:
            return "there are no agents on the roster", "It goes out once there is an agent."
        if number == NO_SUCH_GROUP:
            why = f"nobody on the roster belongs to {group}"
            return why, f"It goes out once someone belongs to {group}."
        change = f"It goes out once someone{where} is back or has a free slot."
        if not roster.open:
            closed = counted([(len(who), why) for why, who in self._closed.items()])
            return f"nobody is available ({closed})", change
        if not members:
            return f"nobody{where} is available", change
        everyone = f"all {members} agents available" if members > 1 else "the only agent available"
        return f"{everyone}{where} {'are' if members > 1 else 'is'} full after this batch", change


def _bits(flags: Flags) -> int:
    """Flags as a whole number, the first flag in its lowest bit."""
    return int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")


def _by_level(levels: Ints) -> list[tuple[int, int]]:
    """Which agents have each proficiency in a skill, the highest first."""
    return [
        (level, _bits(levels == level)) for level in sorted({*levels.tolist()} - {0}, reverse=True)
    ]


def _merged(closed: dict[str, tuple[Agent, ...]]) -> dict[str, tuple[Agent, ...]]:
    """The reasons, those at capacity as one when there are too many to read."""
    if len(closed) <= MOST_REASONS:
        return closed
    merged: dict[str, list[Agent]] = {}
    for why, who in closed.items():
        merged.setdefault(AT_CAPACITY if why.startswith(AT_CAPACITY) else why, []).extend(who)
    return {why: tuple(sorted(who, key=lambda a: (a.name, a.id))) for why, who in merged.items()}


def _exclusion(why: str, who: Iterable[Agent], count: int) -> Exclusion:
    return Exclusion(
        reason=why, agent_ids=tuple(agent.id for agent in who)[:MOST_NAMED], count=count
    )
