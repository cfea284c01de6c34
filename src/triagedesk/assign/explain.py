"""Why each ticket got whom it got: numbers, runner-up, exclusions, one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from triagedesk.agents import Agent
from triagedesk.assign import wording
from triagedesk.assign.reasons import Reasons
from triagedesk.assign.records import WorkItem
from triagedesk.assign.roster import Roster, fold
from triagedesk.assign.score import experience_part, skill_match
from triagedesk.assign.solver import EXACT, Solution
from triagedesk.assign.standings import after_batch, loads_before, pairs_dealt
from triagedesk.assign.wording import Standing
from triagedesk.assign.worth import Worth
from triagedesk.tickets import Assignment, Candidate, Exclusion

#: Skills named in a sentence.
MOST_SKILLS = 3
BEST_LEVEL = 10


def skill_gaps(items: Sequence[WorkItem], roster: Roster) -> tuple[str, ...]:
    """Needed skills that nobody on the roster has, once each, in order of spelling."""
    gaps: dict[str, str] = {}
    for skill in sorted(_unknown(items, roster)):
        gaps.setdefault(fold(skill), skill)
    return tuple(gaps.values())


def _unknown(items: Sequence[WorkItem], roster: Roster) -> set[str]:
    """Skills that nobody on the roster has, in every spelling that occurs."""
    needs = {id(item.needs): item.needs for item in items}.values()
    skills = {need.skill for of_one in needs for need in of_one}
    return {skill for skill in skills if fold(skill) not in roster.skills}


def explain(items: Sequence[WorkItem], worth: Worth, solution: Solution) -> tuple[Assignment, ...]:
    """One assignment for each item, in their order."""
    picks = _Picks(items, worth, solution)
    order, loads = worth.classes.order.tolist(), loads_before(worth, solution).tolist()
    agents, row, left = solution.agent.tolist(), -1, 0
    counts = worth.classes.count.tolist()
    assignments: dict[int, Assignment] = {}
    for position, agent, load in zip(order, agents, loads, strict=True):
        if not left:
            row += 1
            left = counts[row]
        left -= 1
        assignments[position] = picks.assignment(items[position], row, agent, load)
    return tuple(assignments[position] for position in range(len(items)))


@dataclass(slots=True)
class _Pick:
    """What tickets of one class that went to one agent have in common."""

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
    gap: bool = False


class _Picks:
    """Picks, made when first asked for and shared by tickets alike."""

    def __init__(self, items: Sequence[WorkItem], worth: Worth, solution: Solution) -> None:
        self._worth, self._roster, self._policy = worth, worth.roster, worth.policy
        self._solution, self._optimal = solution, solution.method == EXACT
        self._alone = len(items) == 1
        self._after = after_batch(worth, solution)
        self._reasons = Reasons(worth, self._after)
        self._pairs = pairs_dealt(worth, solution, self._after)
        keys = zip(self._pairs.rows.tolist(), self._pairs.agents.tolist(), strict=True)
        self._number = {key: number for number, key in enumerate(keys)}
        self._others = self._pairs.others.tolist()
        self._skills, self._needs = worth.classes.skill.tolist(), worth.classes.needs.tolist()
        self._strength = worth.classes.strength.tolist()
        self._last, self._next = self._after.last.tolist(), self._after.next.tolist()
        self._tickets, self._price = self._after.tickets.tolist(), solution.price.tolist()
        self._weight = worth.classes.weight.tolist()
        self._made: dict[tuple[int, int, bool], _Pick] = {}
        self._gaps = _unknown(items, worth.roster)
        self._missing: dict[int, tuple[str, ...]] = {}

    def assignment(self, item: WorkItem, row: int, agent: int, load: int) -> Assignment:
        """The assignment of one ticket, whose agent has `load` open tickets when it comes."""
        key = (row, agent, bool(item.needs))
        pick = self._made.get(key)
        if pick is None:
            make = self._given if agent >= 0 else self._deferred
            pick = self._made[key] = make(item, row, agent)
        rationale, gap = pick.before, False
        if pick.agent is not None:
            rationale += f"{load} of {pick.agent.capacity} open{pick.behind}"
        missing = self._missing_skills(item) if self._gaps else ()
        if missing:
            gap = not self._needs[row]
            rationale = wording.with_gap(rationale, missing, whole=gap and agent >= 0)
        return Assignment(
            ticket_id=item.ticket_id,
            agent_id=None if pick.agent is None else pick.agent.id,
            agent_name="" if pick.agent is None else pick.agent.name,
            score=pick.score,
            parts=pick.parts,
            needs=item.needs,
            runner_up=pick.runner_up,
            margin=pick.margin,
            exclusions=pick.exclusions,
            skill_gap=gap,
            optimal=self._optimal,
            rationale=rationale,
            would_change=wording.GAP_CHANGE if gap and pick.agent else pick.would_change,
        )

    def _missing_skills(self, item: WorkItem) -> tuple[str, ...]:
        missing = self._missing.get(id(item.needs))
        if missing is None:
            names = [need.skill for need in item.needs if need.skill in self._gaps]
            missing = self._missing[id(item.needs)] = tuple(dict.fromkeys(names))
        return missing

    def _deferred(self, item: WorkItem, row: int, agent: int) -> _Pick:  # noqa: ARG002 - as _given
        why, change = self._reasons.deferral(row, item.group)
        return _Pick(
            agent=None,
            before=f"Stays in the queue: {why}.",
            behind="",
            would_change=change,
            exclusions=self._reasons.exclusions(row, item.group, after_batch=True),
            parts={"urgency": self._weight[row], "deferral": self._deferral(row)},
            score=-self._deferral(row),
        )

    def _deferral(self, row: int) -> float:
        weight: float = self._weight[row]
        return weight * self._policy.deferral

    def _given(self, item: WorkItem, row: int, agent: int) -> _Pick:
        number = self._number[row, agent]
        skills = self._known(row, agent)
        key = skills[0][0] if skills else -1
        chosen = self._standing(agent, self._pairs.chosen[number], self._last[agent], key)
        runner = self._others[number]
        other = None
        if runner >= 0:
            other = self._standing(runner, self._pairs.other[number], self._next[runner], key)
        fits = self._pairs.fit[number]
        before, behind, change = (
            self._by_skill(row, item, chosen, other, skills)
            if fits and self._needs[row]
            else self._by_load(row, item, chosen, other)
        )
        return _Pick(
            agent=chosen.agent,
            before=before,
            behind=behind,
            would_change=change,
            exclusions=self._reasons.exclusions(row, item.group, after_batch=not fits),
            parts=self._parts(row, agent, chosen, fits=fits),
            score=chosen.score,
            runner_up=None if other is None else other.candidate,
            margin=None if other is None else max(0.0, chosen.score - other.score),
        )

    def _parts(self, row: int, agent: int, chosen: Standing, *, fits: bool) -> dict[str, float]:
        parts = {
            "match": chosen.match,
            "urgency": self._weight[row],
            "affinity": chosen.affinity * self._policy.affinity,
            "load": chosen.load,
            "experience": experience_part(chosen.agent.experience, self._roster.longest_experience),
            "slot_price": self._price[agent],
        }
        if not fits:
            parts["fallback"] = self._weight[row] * self._policy.fallback
        return parts

    def _standing(
        self, agent: int, numbers: tuple[float, float, float], load: float, skill: int
    ) -> Standing:
        match, affinity, value = numbers
        return Standing(
            agent=self._roster.open[agent],
            score=value - load,
            match=match,
            value=value,
            affinity=affinity,
            load=load,
            tickets=self._tickets[agent],
            level=self._roster.levels[agent].get(skill, 0),
        )

    def _known(self, row: int, agent: int) -> list[tuple[int, int]]:
        """Needed skills the agent has, with proficiency, the one that counts most first."""
        levels = self._roster.levels[agent]
        pairs = zip(self._skills[row][: self._needs[row]], self._strength[row], strict=False)
        known = [(-strength * levels[skill], skill) for skill, strength in pairs if skill in levels]
        return [(skill, levels[skill]) for _, skill in sorted(known)]

    def _by_skill(
        self,
        row: int,
        item: WorkItem,
        chosen: Standing,
        other: Standing | None,
        skills: list[tuple[int, int]],
    ) -> tuple[str, str, str]:
        key, names = skills[0][0], self._roster.skill_names
        candidates, highest, equals = self._reasons.competition(row, key)
        phrase = wording.skill_phrase(
            [(names[skill], level) for skill, level in skills[:MOST_SKILLS]],
            candidates=candidates,
            highest=highest,
            equals=equals,
        )
        before = f"{chosen.agent.name} takes this: {phrase}, with "
        after = wording.load_after(chosen, alone=self._alone)
        if other is None:
            return before, f"{after}.", self._reasons.if_back(row, item.group)
        why_not = wording.runner_up_phrase(chosen, other, names[key], alone=self._alone)
        change = wording.fewer_tickets(chosen, other, self._policy.load / other.agent.capacity)
        if not change:
            change = self._stronger_skill(row, chosen, other, key)
        return before, f"{after}; {why_not}.", change

    def _by_load(
        self, row: int, item: WorkItem, chosen: Standing, other: Standing | None
    ) -> tuple[str, str, str]:
        why_not = wording.by_load_phrase(chosen, other, alone=self._alone)
        behind = f"{wording.load_after(chosen, alone=self._alone)}; {why_not}."
        if self._needs[row]:
            before = (
                f"{chosen.agent.name} takes this as nobody with the skill can: "
                f"{self._reasons.no_fit(row, item.group)}; by load, with "
            )
            return before, behind, self._reasons.if_back(row, item.group)
        opening = "goes by load to " if item.needs else "No particular skill is needed: "
        change = "A skill on the catalog entry would narrow the choice."
        if other is not None:
            unit = self._policy.load / other.agent.capacity
            change = wording.fewer_tickets(chosen, other, unit) or change
        return f"{opening}{chosen.agent.name}, with ", behind, change

    def _stronger_skill(self, row: int, chosen: Standing, other: Standing, skill: int) -> str:
        """Which proficiency would have given the runner-up the ticket."""
        column = self._roster.columns[other.agent.id]
        levels = dict(self._roster.levels[column])
        name = self._roster.skill_names[skill]
        needs = list(zip(self._skills[row][: self._needs[row]], self._strength[row], strict=False))
        if other.full:
            return f"A free slot with {other.agent.name} could have changed it."
        for level in range(levels.get(skill, 0) + 1, BEST_LEVEL + 1):
            levels[skill] = level
            terms = [strength * levels.get(need, 0) for need, strength in needs]
            strengths = float(self._worth.classes.strengths[row])
            match = skill_match(max(terms), sum(terms), strengths, self._policy)
            if (match - other.match) * self._weight[row] > chosen.score - other.score:
                return f"{other.agent.name} would come first with {name} at {level}/10."
        return f"{other.agent.name} would have it were {chosen.agent.name} full or away."
