"""What is said about giving a ticket to an agent: parts, runner-up, exclusions, sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from triagedesk.agents import Agent
from triagedesk.assign import wording
from triagedesk.assign.crowd import Kind
from triagedesk.assign.reasons import Reasons
from triagedesk.assign.records import AssignPolicy, WorkItem
from triagedesk.assign.score import experience_part, skill_match
from triagedesk.assign.waiting import Wait
from triagedesk.assign.wording import Standing
from triagedesk.tickets import Assignment, Candidate, Exclusion

#: Skills named in a sentence.
MOST_SKILLS = 3
BEST_LEVEL = 10


class Case(NamedTuple):
    """What tickets alike have in common."""

    kind: Kind
    #: The group they are for, as one of them spells it.
    group: str
    #: Urgency weight.
    weight: float
    #: (row of the skill table, strength) of needs somebody on the roster has, strongest first.
    needs: Sequence[tuple[int, float]]
    #: Sum of all strengths.
    strengths: float
    #: Cost of staying without an agent.
    deferral: float


@dataclass(slots=True)
class Pick:
    """What tickets alike that went to one agent have in common."""

    #: None where they stay in the queue.
    agent: Agent | None
    #: The sentence up to and after the agent's load.
    before: str
    behind: str
    would_change: str
    exclusions: tuple[Exclusion, ...]
    parts: dict[str, float] = field(default_factory=dict)
    score: float = 0.0
    runner_up: Candidate | None = None
    margin: float | None = None

    def assignment(
        self,
        item: WorkItem,
        load: int,
        missing: Sequence[str],
        *,
        gap: bool,
        optimal: bool,
    ) -> Assignment:
        """The record of one ticket, whose agent has `load` open tickets when it comes.

        `missing` are needed skills that nobody has; `gap` says that nobody has any.
        """
        agent, rationale, change = self.agent, self.before, self.would_change
        if agent is not None:
            rationale = f"{rationale}{load} of {agent.capacity} open{self.behind}"
        if missing:
            rationale = wording.with_gap(rationale, missing, whole=gap and agent is not None)
            change = wording.GAP_CHANGE if gap and agent else change
        return Assignment(
            ticket_id=item.ticket_id,
            agent_id=None if agent is None else agent.id,
            agent_name="" if agent is None else agent.name,
            score=self.score,
            parts=self.parts,
            needs=item.needs,
            runner_up=self.runner_up,
            margin=self.margin,
            exclusions=self.exclusions,
            skill_gap=gap,
            optimal=optimal,
            rationale=rationale,
            would_change=change,
        )


class Teller:
    """Makes picks from numbers, for one state of a roster."""

    def __init__(
        self,
        reasons: Reasons,
        policy: AssignPolicy,
        *,
        skill_names: Sequence[str],
        levels: Mapping[str, Mapping[int, int]],
        longest_experience: float,
        alone: bool,
    ) -> None:
        self._reasons, self._policy, self._alone = reasons, policy, alone
        self._skill_names, self._levels = skill_names, levels
        self._longest = longest_experience

    def deferred(self, case: Case) -> Pick:
        """What is said of tickets that stay in the queue."""
        why, change = self._reasons.deferral(case.kind, case.group)
        return self._left(case, f"Stays in the queue: {why}.", change)

    def waiting(self, case: Case, wait: Wait | None) -> Pick:
        """What is said of a ticket that waits for somebody who is not there; of one alone.

        Where nobody at all could take it, that is what keeps it.
        """
        if wait is None or not self._reasons.somebody_free(case.kind):
            return self.deferred(case)
        why_not = self._reasons.no_fit(case.kind, case.group)
        return self._left(case, wording.waits(wait, why_not), wording.WAIT_CHANGE)

    def _left(self, case: Case, sentence: str, change: str) -> Pick:
        return Pick(
            agent=None,
            before=sentence,
            behind="",
            would_change=change,
            exclusions=self._reasons.exclusions(case.kind, case.group, after_batch=True),
            parts={"urgency": case.weight, "deferral": case.deferral},
            score=-case.deferral,
        )

    def known(self, case: Case, agent: Agent) -> list[tuple[int, int]]:
        """Needed skills an agent has, with proficiency, the one that counts most first."""
        levels = self._levels[agent.id]
        known = [
            (-strength * levels[skill], skill) for skill, strength in case.needs if skill in levels
        ]
        known.sort()
        return [(skill, levels[skill]) for _, skill in known]

    def given(
        self,
        case: Case,
        chosen: Standing,
        other: Standing | None,
        skills: Sequence[tuple[int, int]],
        *,
        fits: bool,
        hurried: bool,
        slot_price: float,
    ) -> Pick:
        """What is said of tickets that go to an agent, who `fits` by skill or as none is needed.

        `skills` is what `known` says of the agent, `other` the runner-up; `hurried` says that a
        deadline kept them from waiting for somebody who fits.
        """
        before, behind, change = (
            self._by_skill(case, chosen, other, skills)
            if fits and case.needs
            else self._by_load(case, chosen, other, hurried=hurried)
        )
        exclusions = self._reasons.exclusions(case.kind, case.group, after_batch=not fits)
        return Pick(
            agent=chosen.agent,
            before=before,
            behind=behind,
            would_change=change,
            exclusions=exclusions,
            parts=self._parts(case, chosen, slot_price, fits=fits),
            score=chosen.score,
            runner_up=None if other is None else other.candidate,
            margin=None if other is None else max(0.0, chosen.score - other.score),
        )

    def _parts(
        self, case: Case, chosen: Standing, slot_price: float, *, fits: bool
    ) -> dict[str, float]:
        parts = {
            "match": chosen.match,
            "urgency": case.weight,
            "affinity": chosen.affinity * self._policy.affinity,
            "load": chosen.load,
            "experience": experience_part(chosen.agent.experience, self._longest),
            "slot_price": slot_price,
        }
        if not fits:
            parts["fallback"] = case.weight * self._policy.fallback
        return parts

    def _by_skill(
        self,
        case: Case,
        chosen: Standing,
        other: Standing | None,
        skills: Sequence[tuple[int, int]],
    ) -> tuple[str, str, str]:
        key, names = skills[0][0], self._skill_names
        candidates, highest, equals = self._reasons.competition(case.kind, key)
        phrase = wording.skill_phrase(
            [(names[skill], level) for skill, level in skills[:MOST_SKILLS]],
            candidates=candidates,
            highest=highest,
            equals=equals,
        )
        before = f"{chosen.agent.name} takes this: {phrase}, with "
        after = wording.load_after(chosen, alone=self._alone)
        if other is None:
            return before, f"{after}.", self._reasons.if_back(case.kind)
        why_not = wording.runner_up_phrase(chosen, other, names[key], alone=self._alone)
        change = wording.fewer_tickets(chosen, other, self._policy.load / other.agent.capacity)
        if not change:
            change = self._stronger_skill(case, chosen, other, key)
        return before, f"{after}; {why_not}.", change

    def _by_load(
        self, case: Case, chosen: Standing, other: Standing | None, *, hurried: bool
    ) -> tuple[str, str, str]:
        why_not = wording.by_load_phrase(chosen, other, alone=self._alone)
        behind = f"{wording.load_after(chosen, alone=self._alone)}; {why_not}."
        if case.needs:
            before = (
                f"{chosen.agent.name} takes this as nobody with the skill can"
                f"{' soon enough' if hurried else ''}: "
                f"{self._reasons.no_fit(case.kind, case.group)}; by load, with "
            )
            return before, behind, self._reasons.if_back(case.kind)
        # Something is needed where there are strengths, but nobody on the roster has it.
        opening = "goes by load to " if case.strengths else "No particular skill is needed: "
        change = "A skill on the catalog entry would narrow the choice."
        if other is not None:
            unit = self._policy.load / other.agent.capacity
            change = wording.fewer_tickets(chosen, other, unit) or change
        return f"{opening}{chosen.agent.name}, with ", behind, change

    def _stronger_skill(self, case: Case, chosen: Standing, other: Standing, skill: int) -> str:
        """Which proficiency would have given the runner-up the ticket."""
        if other.full:
            return f"A free slot with {other.agent.name} could have changed it."
        levels = dict(self._levels[other.agent.id])
        name = self._skill_names[skill]
        for level in range(levels.get(skill, 0) + 1, BEST_LEVEL + 1):
            levels[skill] = level
            terms = [strength * levels.get(need, 0) for need, strength in case.needs]
            match = skill_match(max(terms), sum(terms), case.strengths, self._policy)
            if (match - other.match) * case.weight > chosen.score - other.score:
                return f"{other.agent.name} would come first with {name} at {level}/10."
        return f"{other.agent.name} would have it were {chosen.agent.name} full or away."
