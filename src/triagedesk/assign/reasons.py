"""Who could not take a ticket, and why; worked out once for tickets alike."""

from __future__ import annotations

from collections.abc import Iterable

from triagedesk.agents import Agent
from triagedesk.assign.crowd import Bits, Crowd, Kind
from triagedesk.assign.roster import ANY_GROUP, NO_SUCH_GROUP
from triagedesk.assign.score import fold
from triagedesk.assign.wording import counted, listed
from triagedesk.tickets import Exclusion

#: Agents named for each reason; the others are counted.
MOST_NAMED = 5
#: Reasons up to which agents at capacity are told apart by it.
MOST_REASONS = 8
AT_CAPACITY = "at capacity"
FULL_NOW = "full after this batch"
DECLINED = "declined it earlier"


class Reasons:
    """Exclusions and the sentences made from them, for one state of a crowd."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._closed = _merged(crowd.closed)
        self._shared = tuple(self._listed(why, who) for why, who in self._closed.items())
        self._exclusions: dict[tuple[Kind, bool], tuple[Exclusion, ...]] = {}
        self._competition: dict[tuple[Kind, int], tuple[int, int, int]] = {}
        self._no_fit: dict[Kind, str] = {}

    def _members(self, kind: Kind) -> Bits:
        """Open agents who may take it, as far as groups and declining go."""
        crowd = self._crowd
        members = crowd.open if kind.group == ANY_GROUP else crowd.open & crowd.group(kind)
        return members & ~crowd.declined(kind) if kind.declined else members

    def _listed(self, why: str, who: Bits) -> Exclusion:
        named = tuple([agent.id for agent in self._crowd.listed(who, MOST_NAMED)])
        return Exclusion(reason=why, agent_ids=named, count=who.bit_count())

    def _spelled(self, skills: Iterable[int]) -> str:
        return listed([self._crowd.skill_names[skill] for skill in skills], "or")

    def exclusions(self, kind: Kind, group: str, *, after_batch: bool) -> tuple[Exclusion, ...]:
        """Who was not considered, by the first reason that holds; with who is full by then."""
        made = self._exclusions.get((kind, after_batch))
        if made is None:
            found = self._find(kind, group, after_batch=after_batch)
            made = self._exclusions[kind, after_batch] = (*self._shared, *found)
        return made

    def _find(self, kind: Kind, group: str, *, after_batch: bool) -> list[Exclusion]:
        crowd, left, reasons = self._crowd, self._members(kind), []
        belong = crowd.open & crowd.group(kind)
        if kind.group != ANY_GROUP:
            reasons.append((f"not in {group}", crowd.open & ~belong))
        if kind.declined:
            reasons.append((DECLINED, belong & ~left))
        if after_batch:
            reasons.append((FULL_NOW, left & crowd.full))
            left &= ~crowd.full
        if kind.skills:
            why = f"no proficiency in {self._spelled(kind.skills)}"
            reasons.append((why, left & ~crowd.with_any(kind.skills)))
        return [self._listed(why, who) for why, who in reasons if who]

    def competition(self, kind: Kind, skill: int) -> tuple[int, int, int]:
        """How many open agents could take it, the best proficiency in a skill, how many have it."""
        made = self._competition.get((kind, skill))
        if made is None:
            made = self._competition[kind, skill] = self._compete(kind, skill)
        return made

    def _compete(self, kind: Kind, skill: int) -> tuple[int, int, int]:
        members = self._members(kind)
        fit = (self._crowd.with_any(kind.skills) & members).bit_count()
        for level, holders in self._crowd.levels[skill]:
            if holders & members:
                return fit, level, (holders & members).bit_count()
        return fit, 0, 0

    def no_fit(self, kind: Kind, group: str) -> str:
        """Why nobody with a needed skill can take it: `Linux: 2 away, 1 full after this batch`."""
        made = self._no_fit.get(kind)
        if made is None:
            crowd, has = self._crowd, self._crowd.with_any(kind.skills)
            here = has & crowd.open
            counts = [((has & who).bit_count(), why) for why, who in self._closed.items()]
            counts.append(((self._members(kind) & has & crowd.full).bit_count(), FULL_NOW))
            counts.append(((here & ~crowd.group(kind)).bit_count(), f"not in {group}"))
            declined = here & crowd.group(kind) & crowd.declined(kind)
            counts.append((declined.bit_count(), DECLINED))
            reasons = counted([pair for pair in counts if pair[0]])
            made = self._no_fit[kind] = f"{self._spelled(kind.skills)}: {reasons}"
        return made

    def if_back(self, kind: Kind) -> str:
        """Who would have been considered had they been there; else what would change it."""
        crowd = self._crowd
        may = crowd.group(kind) & ~crowd.declined(kind) & crowd.with_any(kind.skills)
        names = {fold(crowd.skill_names[skill]) for skill in kind.skills}
        best: tuple[int, str, str, str] | None = None
        for why, who in self._closed.items():
            for agent in crowd.listed(who & may):
                level, skill = _strongest(agent, names)
                if best is None or level > best[0]:
                    best = (level, agent.name, skill, why)
        if best is None:
            skill = crowd.skill_names[kind.skills[0]]
            return f"Someone else who knows {skill}, with a free slot, could have come first."
        level, name, skill, why = best
        return f"{name} ({skill} {level}/10) could have it, but is excluded: {why}."

    def somebody_free(self, kind: Kind) -> bool:
        """Whether anybody who may take it has a slot left."""
        return bool(self._members(kind) & ~self._crowd.full)

    def deferral(self, kind: Kind, group: str) -> tuple[str, str]:
        """Why a ticket stays in the queue, and what would change that."""
        crowd = self._crowd
        where = f" in {group}" if kind.group != ANY_GROUP else ""
        if not crowd.by_name:
            return "there are no agents on the roster", "It goes out once there is an agent."
        if kind.group == NO_SUCH_GROUP:
            why = f"nobody on the roster belongs to {group}"
            return why, f"It goes out once someone belongs to {group}."
        change = f"It goes out once someone{where} is back or has a free slot."
        if not crowd.open:
            closed = counted([(who.bit_count(), why) for why, who in self._closed.items()])
            return f"nobody is available ({closed})", change
        return self._nobody_free(kind, where), change

    def _nobody_free(self, kind: Kind, where: str) -> str:
        members = self._members(kind).bit_count()
        others = " who has not declined it" if kind.declined else ""
        if not members:
            belong = self._crowd.open & self._crowd.group(kind)
            return f"nobody{others if belong else ''}{where} is available"
        if others:
            return f"everyone available{where}{others} is full after this batch"
        everyone = f"all {members} agents available" if members > 1 else "the only agent available"
        return f"{everyone}{where} {'are' if members > 1 else 'is'} full after this batch"


def _strongest(agent: Agent, names: set[str]) -> tuple[int, str]:
    """An agent's best proficiency in one of these folded skills, and how they spell it."""
    return max((level, skill) for skill, level in agent.skills.items() if fold(skill) in names)


def _merged(closed: dict[str, Bits]) -> dict[str, Bits]:
    """The reasons in order, those at capacity as one when there are too many to read."""
    closed = dict(sorted(closed.items()))
    if len(closed) <= MOST_REASONS:
        return closed
    merged: dict[str, Bits] = {}
    for why, who in closed.items():
        short = AT_CAPACITY if why.startswith(AT_CAPACITY) else why
        merged[short] = merged.get(short, 0) | who
    return merged
