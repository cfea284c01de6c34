"""Why each ticket of a batch got whom it got: numbers, runner-up, exclusions, one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from triagedesk.assign.crowd import Crowd, Kind, bits_by_group, bits_by_level, by_name
from triagedesk.assign.picks import Case, Pick, Teller
from triagedesk.assign.reasons import Reasons
from triagedesk.assign.records import WorkItem
from triagedesk.assign.roster import Roster
from triagedesk.assign.score import fold
from triagedesk.assign.solver import EXACT, Solution
from triagedesk.assign.standings import AfterBatch, after_batch, loads_before, pairs_dealt
from triagedesk.assign.tables import Ints
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
) -> Sequence[Assignment]:
    """One assignment for each item, in their order, each made when it is asked for."""
    return _Told(items, worth, solution, patience) if items else ()


class _Told(Sequence[Assignment]):
    """Assignments of a batch; of a large one they need not be in memory all at once."""

    def __init__(
        self, items: Sequence[WorkItem], worth: Worth, solution: Solution, patience: Patience
    ) -> None:
        self._items, self._picks = items, _Picks(items, worth, solution, patience)
        classes = worth.classes
        rows = np.repeat(np.arange(len(classes.count)), classes.count)
        numbers = (rows, solution.agent, loads_before(worth, solution))
        # Read one by one, a memoryview answers several times as fast as an array.
        self._row, self._agent, self._load = (
            memoryview(_placed(values, classes.order)) for values in numbers
        )
        # What is said of tickets alike is made from the first in order of work, whoever asks first.
        for position in classes.order.tolist():
            self._picks.pick(items[position], self._row[position], self._agent[position])

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> Assignment: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Assignment, ...]: ...

    def __getitem__(self, index: int | slice) -> Assignment | tuple[Assignment, ...]:
        if isinstance(index, slice):
            return tuple(self[number] for number in range(len(self))[index])
        row, agent, load = self._row[index], self._agent[index], self._load[index]
        return self._picks.assignment(self._items[index], row, agent, load)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


def _placed(values: Ints, order: Ints) -> Any:
    """Values in the order of the items they are about."""
    placed = np.empty(len(order), dtype=np.int64)
    placed[order] = values
    return placed


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
        pick = self.pick(item, row, agent) or self._pick(item, row, agent)
        missing = self._missing_skills(item) if self._gaps else ()
        gap = bool(missing) and not self._needs[row]
        return pick.assignment(item, load, missing, gap=gap, optimal=self._optimal)

    def pick(self, item: WorkItem, row: int, agent: int) -> Pick | None:
        """What is said of a ticket and those alike; None where each is told of its own wait."""
        if agent < 0 and self._waits[row]:
            return None
        key = (row, agent, bool(item.needs), item.due_at is not None)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = self._pick(item, row, agent)
        return found

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
