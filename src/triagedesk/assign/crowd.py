"""Everyone on a roster as sets: who is open, in a group, has a skill, and who is not and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from triagedesk.agents import Agent
from triagedesk.assign.roster import ANY_GROUP, NO_SUCH_GROUP
from triagedesk.assign.score import fold, levels_of

#: A set of agents as a whole number: a bit for each agent in order of name. Thousands of such sets
#: are united and counted for a batch, which is quickest this way.
Bits = int


class Kind(NamedTuple):
    """What decides who may take a ticket: tickets alike in it have the same reasons."""

    #: Row of the group table, ANY_GROUP or NO_SUCH_GROUP.
    group: int
    #: Ids of who declined.
    declined: tuple[str, ...]
    #: Rows of the skills it needs, rising.
    skills: tuple[int, ...]


@dataclass(kw_only=True)
class Crowd:
    """The agents of a roster as sets; the loads of a desk change them as time goes by."""

    #: Everyone, in order of name and id; an agent's place is their bit.
    by_name: Sequence[Agent]
    skill_names: Sequence[str]
    #: Row of the group table -> who belongs to it.
    groups: Mapping[int, Bits]
    #: For each row of the skill table: (proficiency, who has it), the highest first.
    levels: Sequence[Sequence[tuple[int, Bits]]]
    #: Who takes new work.
    open: Bits
    #: Open agents who have no slot left once the batch is given out.
    full: Bits = 0
    #: Why the others take none -> who.
    closed: dict[str, Bits] = field(default_factory=dict)
    holders: Sequence[Bits] = field(init=False)
    place: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.holders = [sum(who for _, who in levels) for levels in self.levels]
        self.place = {agent.id: place for place, agent in enumerate(self.by_name)}

    def with_any(self, skills: Iterable[int]) -> Bits:
        """Who has at least one of these skills."""
        who = 0
        for skill in skills:
            who |= self.holders[skill]
        return who

    def group(self, kind: Kind) -> Bits:
        """Who belongs to the group."""
        if kind.group == ANY_GROUP:
            return (1 << len(self.by_name)) - 1
        return 0 if kind.group == NO_SUCH_GROUP else self.groups[kind.group]

    def declined(self, kind: Kind) -> Bits:
        """Who declined."""
        return self.bits(kind.declined) if kind.declined else 0

    def bits(self, ids: Iterable[str]) -> Bits:
        """A set of agents by id; ids that are not on the roster do not count."""
        who = 0
        for id_ in ids:
            if id_ in self.place:
                who |= 1 << self.place[id_]
        return who

    def listed(self, who: Bits, most: int | None = None) -> list[Agent]:
        """A set as agents in order of name, at most so many."""
        found: list[Agent] = []
        left = len(self.by_name) if most is None else most
        while who and left:
            first = who & -who
            found.append(self.by_name[first.bit_length() - 1])
            who ^= first
            left -= 1
        return found


def by_name(agents: Iterable[Agent]) -> list[Agent]:
    """Agents in order of name, then id."""
    return sorted(agents, key=lambda agent: (agent.name, agent.id))


def bits_by_group(everyone: Sequence[Agent], groups: Mapping[str, int]) -> dict[int, Bits]:
    """For each row of the group table, who belongs to it."""
    found = dict.fromkeys(groups.values(), 0)
    for place, agent in enumerate(everyone):
        for group in agent.groups:
            found[groups[fold(group)]] |= 1 << place
    return found


def bits_by_level(
    everyone: Sequence[Agent], skills: Mapping[str, int]
) -> list[list[tuple[int, Bits]]]:
    """For each row of the skill table and the row of no skill: (proficiency, who), high to low."""
    found: list[dict[int, Bits]] = [{} for _ in range(len(skills) + 1)]
    for place, agent in enumerate(everyone):
        for skill, level in levels_of(agent).items():
            who = found[skills[skill]]
            who[level] = who.get(level, 0) | 1 << place
    return [sorted(who.items(), reverse=True) for who in found]
