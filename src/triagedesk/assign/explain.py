"""Why each ticket of a batch got whom it got: numbers, runner-up, exclusions, one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from triagedesk.assign.crowd import Crowd, Kind, bits_by_group, bits_by_level, by_name
from triagedesk.assign.picks import Case, Pick, Teller
from triagedesk.assign.reasons import Reasons
from triagedesk.assign.records import WorkItem
from triagedesk.assign.roster import Roster
from triagedesk.assign.score import fold
from triagedesk.assign.solver import EXACT, Solution
from triagedesk.assign.standings import AfterBatch, after_batch, loads_before, pairs_dealt
from triagedesk.assign.waiting import Patience
from triagedesk.assign.wording import Standing
from triagedesk.assign.worth import Worth
from triagedesk.tickets import Assignment

NOBODY: tuple[str, ...] = ()


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


def explain(
    items: Sequence[WorkItem], worth: Worth, solution: Solution, patience: Patience
) -> tuple[Assignment, ...]:
    """One assignment for each item, in their order."""
    picks = _Picks(items, worth, solution, patience)
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


class _Picks:
    """Picks, made when first asked for and shared by tickets alike."""

    def __init__(
        self, items: Sequence[WorkItem], worth: Worth, solution: Solution, patience: Patience
    ) -> None:
        classes, roster = worth.classes, worth.roster
        self._roster, self._classes, self._optimal = roster, classes, solution.method == EXACT
        after = after_batch(worth, solution)
        self._pairs = pairs_dealt(worth, solution, after)
        keys = zip(self._pairs.rows.tolist(), self._pairs.agents.tolist(), strict=True)
        self._number = {key: number for number, key in enumerate(keys)}
        self._others = self._pairs.others.tolist()
        self._last, self._next = after.last.tolist(), after.next.tolist()
        self._tickets, self._price = after.tickets.tolist(), solution.price.tolist()
        self._skills, self._strength = classes.skill.tolist(), classes.strength.tolist()
        self._needs, self._weight = classes.needs.tolist(), classes.weight.tolist()
        self._strengths, self._groups = classes.strengths.tolist(), classes.group.tolist()
        self._teller = Teller(
            Reasons(crowd_of(worth, after)),
            worth.policy,
            skill_names=roster.skill_names,
            levels={a.id: known for a, known in zip(roster.open, roster.levels, strict=True)},
            longest_experience=roster.longest_experience,
            alone=len(items) == 1,
        )
        self._waits, self._deferral = classes.waits.tolist(), classes.deferral.tolist()
        self._patience, self._policy = patience, worth.policy
        self._made: dict[tuple[int, int, bool, bool], Pick] = {}
        self._gaps = _unknown(items, roster)
        self._missing: dict[int, tuple[str, ...]] = {}

    def assignment(self, item: WorkItem, row: int, agent: int, load: int) -> Assignment:
        """The assignment of one ticket, whose agent has `load` open tickets when it comes."""
        key = (row, agent, bool(item.needs), item.due_at is not None)
        pick = self._made.get(key)
        if pick is None:
            pick = self._pick(item, row, agent)
            if agent >= 0 or not self._waits[row]:
                self._made[key] = pick
        missing = self._missing_skills(item) if self._gaps else ()
        gap = bool(missing) and not self._needs[row]
        return pick.assignment(item, load, missing, gap=gap, optimal=self._optimal)

    def _missing_skills(self, item: WorkItem) -> tuple[str, ...]:
        missing = self._missing.get(id(item.needs))
        if missing is None:
            names = [need.skill for need in item.needs if need.skill in self._gaps]
            missing = self._missing[id(item.needs)] = tuple(dict.fromkeys(names))
        return missing

    def _pick(self, item: WorkItem, row: int, agent: int) -> Pick:
        case = self._case(item, row)
        if agent < 0 and self._waits[row]:
            return self._teller.waiting(case, self._patience.wait(item))
        if agent < 0:
            return self._teller.deferred(case)
        number = self._number[row, agent]
        skills = self._teller.known(case, self._roster.open[agent])
        key = skills[0][0] if skills else -1
        other, runner = None, self._others[number]
        if runner >= 0:
            other = self._standing(runner, self._pairs.other[number], self._next[runner], key)
        return self._teller.given(
            case,
            self._standing(agent, self._pairs.chosen[number], self._last[agent], key),
            other,
            skills,
            fits=self._pairs.fit[number],
            hurried=self._policy.waits and item.due_at is not None,
            slot_price=self._price[agent],
        )

    def _case(self, item: WorkItem, row: int) -> Case:
        needed = self._skills[row][: self._needs[row]]
        group, declined = self._groups[row], NOBODY
        if group >= len(self._roster.groups):
            group, declined = self._classes.crews[group - len(self._roster.groups)]
        return Case(
            kind=Kind(group, declined, tuple(sorted(needed))),
            group=item.group,
            weight=self._weight[row],
            needs=tuple(zip(needed, self._strength[row], strict=False)),
            strengths=self._strengths[row] if item.needs else 0.0,
            deferral=self._deferral[row],
        )

    def _standing(
        self, agent: int, numbers: tuple[float, float, float], load: float, skill: int
    ) -> Standing:
        match, affinity, value = numbers
        roster = self._roster
        # By position, which is twice as quick: thousands are made for a batch.
        return Standing(
            roster.open[agent],
            value - load,
            match,
            value,
            affinity,
            load,
            self._tickets[agent],
            roster.levels[agent].get(skill, 0),
        )


def crowd_of(worth: Worth, after: AfterBatch) -> Crowd:
    """Everyone as sets, once the batch is given out."""
    roster = worth.roster
    everyone = by_name(roster.everyone)
    place = {agent.id: number for number, agent in enumerate(everyone)}
    full = zip(roster.open, (after.tickets >= roster.capacity).tolist(), strict=True)
    return Crowd(
        by_name=everyone,
        skill_names=roster.skill_names,
        groups=bits_by_group(everyone, roster.groups),
        levels=bits_by_level(everyone, roster.skills),
        open=sum(1 << place[agent.id] for agent in roster.open),
        full=sum(1 << place[agent.id] for agent, is_full in full if is_full),
        closed={why: sum(1 << place[a.id] for a in who) for why, who in roster.closed.items()},
    )
