"""What a roster knows: how well an agent would handle a ticket, and the best there is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from triagedesk.agents import Agent
from triagedesk.assign.index import HOUR, CommitmentPolicy, handling_factor
from triagedesk.assign.records import AssignPolicy, WorkItem
from triagedesk.assign.score import fold, is_here, levels_of, need_strength

#: Folded skill -> strength 0-1.
Strengths = dict[str, float]


class Knowledge:
    """The skills of a roster, by assignment group, as the index asks for them."""

    def __init__(
        self,
        roster: Sequence[Agent],
        policy: CommitmentPolicy,
        assign_policy: AssignPolicy,
        now: datetime,
    ) -> None:
        self._policy, self._assign_policy = policy, assign_policy
        self._roster = sorted(roster, key=lambda agent: agent.id)
        self._levels = {agent.id: levels_of(agent) for agent in self._roster}
        self._keeps_groups = any(agent.groups for agent in self._roster)
        self._present = {agent.id for agent in self._roster if is_present(agent, now)}
        self._handling = {fold(s): t for s, t in sorted(policy.handling_by_skill.items())}
        #: Folded group ("" for all) -> the best proficiency in each skill, and skills present.
        self._best: dict[str, dict[str, int]] = {}
        self._skills_present: dict[str, set[str]] = {}
        for agent in self._roster:
            for group in ("", *map(fold, agent.groups)):
                best = self._best.setdefault(group, {})
                here = self._skills_present.setdefault(group, set())
                for skill, level in self._levels[agent.id].items():
                    best[skill] = max(level, best.get(skill, 0))
                    if agent.id in self._present:
                        here.add(skill)
        self._known = set(self._best.get("", ()))
        self._strengths: dict[int, tuple[object, Strengths]] = {}

    def strengths(self, item: WorkItem) -> Strengths:
        """What a ticket needs that somebody on the roster knows; empty: anyone will do."""
        known = self._strengths.get(id(item.needs))
        if known is not None and known[0] is item.needs:
            return known[1]
        strengths: Strengths = {}
        for need in item.needs:
            skill = fold(need.skill)
            if skill in self._known:
                strength = need_strength(need, self._assign_policy)
                strengths[skill] = max(strength, strengths.get(skill, 0.0))
        self._strengths[id(item.needs)] = item.needs, strengths
        return strengths

    def in_group(self, agent: Agent, item: WorkItem) -> bool:
        """Whether an agent belongs to a ticket's group; at a desk without groups everybody does."""
        group = self._group(item)
        return not group or group in map(fold, agent.groups)

    def proficiency(self, agent: Agent, item: WorkItem) -> float:
        """The best needed skill of an agent, 0-10, a secondary skill counting half."""
        levels = self._levels.get(agent.id)
        if levels is None:
            levels = self._levels[agent.id] = levels_of(agent)
        return _best(self.strengths(item), levels)

    def best(self, item: WorkItem) -> float:
        """The same of the best on the roster who may take the ticket."""
        strengths = self.strengths(item)
        if not item.declined_by:
            return _best(strengths, self._best.get(self._group(item), {}))
        levels = (self._levels[agent.id] for agent in self._may_take(item))
        return max((_best(strengths, known) for known in levels), default=0.0)

    def somebody_knows(self, item: WorkItem) -> bool:
        """Whether someone who may take the ticket and is here has a needed skill."""
        strengths = self.strengths(item)
        if not item.declined_by:
            here = self._skills_present.get(self._group(item), set())
            return not here.isdisjoint(strengths)
        return any(
            agent.id in self._present and not strengths.keys().isdisjoint(self._levels[agent.id])
            for agent in self._may_take(item)
        )

    def mean_hours(self, item: WorkItem) -> float:
        """Mean hours of handling a ticket like this, by someone of factor 1."""
        strengths, mean = self.strengths(item), self._policy.handling
        if self._handling and strengths:
            primary = max(strengths, key=lambda skill: (strengths[skill], skill))
            mean = self._handling.get(primary, mean)
        return mean / HOUR

    def hours(self, item: WorkItem, proficiency: float) -> float:
        """Expected hours of handling by someone of this proficiency."""
        factor = handling_factor(proficiency) if self.strengths(item) else 1.0
        return self.mean_hours(item) * factor

    def _group(self, item: WorkItem) -> str:
        return fold(item.group) if self._keeps_groups else ""

    def _may_take(self, item: WorkItem) -> Iterable[Agent]:
        return (
            agent
            for agent in self._roster
            if agent.id not in item.declined_by and self.in_group(agent, item)
        )


def is_present(agent: Agent, now: datetime) -> bool:
    """Whether an agent is available and on shift, with or without room for more."""
    on_shift = agent.shift_ends_at is None or agent.shift_ends_at - now > timedelta(0)
    return not is_here(agent) and on_shift


def _best(strengths: Strengths, levels: dict[str, int]) -> float:
    return max(
        (strength * levels.get(skill, 0) for skill, strength in strengths.items()), default=0.0
    )
