"""The tickets of a batch as tables, tickets that need the same merged into one class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from triagedesk.agents import SkillNeed
from triagedesk.assign.records import AssignPolicy, WorkItem
from triagedesk.assign.roster import ANY_GROUP, NO_SUCH_GROUP, Roster, fold
from triagedesk.assign.score import fallback_cost, need_strength
from triagedesk.assign.tables import Floats, Ints
from triagedesk.errors import Problem, TicketsError
from triagedesk.priority import order_key

#: The strongest needs of a ticket that count; a ticket that names more is not read to the end.
MOST_NEEDS = 12
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: (row of the skill table, strength) by falling strength, and the sum of all strengths.
Profile = tuple[tuple[tuple[int, float], ...], float]
#: Profile number, priority, group, affinity by column.
Key = tuple[int, int, int, tuple[tuple[int, float], ...]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Classes:
    """Classes of tickets, those with most needs first; a row of every table is a class."""

    #: Positions of items: class by class, within a class in order of work.
    order: Ints
    #: For each of these, its place in the order of work of the whole batch.
    rank: Ints
    #: Where each class starts in `order`; one longer than there are classes.
    start: Ints
    #: Tickets per class.
    count: Ints
    #: Urgency weight.
    weight: Floats
    #: Rows of the skill table, most important first, padded with the row of zeros.
    skill: Ints
    #: Strengths of these needs, padded with 0.
    strength: Floats
    #: Sum of strengths, of skills that nobody has too; at least a tiny number.
    strengths: Floats
    #: How many needs a class has that someone on the roster has; 0 is "goes by load".
    needs: Ints
    #: Row of the group table, ANY_GROUP or NO_SUCH_GROUP.
    group: Ints
    #: Cost of going to someone without any needed skill; 0 where none is needed or none exists.
    fallback: Floats
    #: Affinity in three columns (class, open agent, 0-1), by rising class.
    affinity_row: Ints
    affinity_column: Ints
    affinity: Floats

    def __len__(self) -> int:
        return len(self.count)


def check_items(items: Sequence[WorkItem]) -> None:
    """Raise TicketsError with every ticket that is given twice or has impossible numbers."""
    problems: list[Problem] = []
    seen: set[str] = set()
    checked: set[int] = set()
    for item in items:
        if item.ticket_id in seen:
            where = f"tickets[{item.ticket_id}]"
            problems.append(Problem(where=where, what="this id is given more than once"))
        seen.add(item.ticket_id)
        for name, moment in (("created_at", item.created_at), ("due_at", item.due_at)):
            if moment is not None and moment.tzinfo is None:
                where = f"tickets[{item.ticket_id}].{name}"
                problems.append(Problem(where=where, what=f"{moment} has no time zone"))
        if item.needs and id(item.needs) not in checked:
            checked.add(id(item.needs))
            problems += [
                Problem(where=f"tickets[{item.ticket_id}].needs.{need.skill}", what=what)
                for need in item.needs
                if (what := _need_problem(need))
            ]
        if item.affinity:
            problems += [
                Problem(
                    where=f"tickets[{item.ticket_id}].affinity.{agent_id}",
                    what=f"{value} is not between 0 and 1",
                )
                for agent_id, value in item.affinity.items()
                if not 0 <= value <= 1
            ]
    if problems:
        raise TicketsError("The tickets are not valid.", problems=problems)


def _need_problem(need: SkillNeed) -> str:
    if not (math.isfinite(need.weight) and 0 < need.weight <= 1):
        return f"weight {need.weight} is not above 0 and at most 1"
    if not 0 <= need.confidence <= 1:
        return f"confidence {need.confidence} is not between 0 and 1"
    return ""


def work_order(items: Sequence[WorkItem]) -> list[int]:
    """Positions of items as they are worked on: priority, SLA slack, oldest first, id."""
    # At any one moment the ticket that is due first has the least slack.
    keys = [
        order_key(
            item.priority,
            item.due_at - _EPOCH if item.due_at else None,
            item.created_at,
            item.ticket_id,
        )
        for item in items
    ]
    return sorted(range(len(items)), key=keys.__getitem__)


def read_classes(items: Sequence[WorkItem], roster: Roster, policy: AssignPolicy) -> Classes:
    """Merge tickets that need the same; raises TicketsError naming every ticket not valid."""
    check_items(items)
    order = work_order(items)
    keys, members, profiles = _merge(items, order, roster, policy)
    # Most needs first, so that the classes with a j-th need are always the first rows; then by
    # the first ticket in order of work, which does not depend on the order of the items.
    rows = sorted(range(len(keys)), key=lambda row: -len(profiles[keys[row][0]][0]))
    keys = [keys[row] for row in rows]
    members = [members[row] for row in rows]
    rank = np.array([place for places in members for place in places], np.int64)
    count = np.array([len(places) for places in members], np.int64)
    weight = np.array([policy.urgency[key[1] - 1] for key in keys], np.float64)
    group = np.array([key[2] for key in keys], np.int64)
    skill, strength, strengths, needs = _needs_tables([profiles[key[0]] for key in keys], roster)
    affinities = [(row, column, value) for row, key in enumerate(keys) for column, value in key[3]]
    return Classes(
        order=np.array(order, np.int64)[rank],
        rank=rank,
        start=np.concatenate([[0], np.cumsum(count)]).astype(np.int64),
        count=count,
        weight=weight,
        skill=skill,
        strength=strength,
        strengths=strengths,
        needs=needs,
        group=group,
        fallback=np.where(needs > 0, fallback_cost(weight, policy), 0.0),
        affinity_row=np.array([row for row, _, _ in affinities], np.int64),
        affinity_column=np.array([column for _, column, _ in affinities], np.int64),
        affinity=np.array([value for _, _, value in affinities], np.float64),
    )


def _merge(
    items: Sequence[WorkItem], order: Sequence[int], roster: Roster, policy: AssignPolicy
) -> tuple[list[Key], list[list[int]], list[Profile]]:
    reader = _ProfileReader(roster, policy)
    by_identity: dict[int, int] = {}
    profiles: dict[Profile, int] = {}
    groups: dict[str, int] = {}
    classes: dict[Key, list[int]] = {}
    for place, position in enumerate(order):
        item = items[position]
        profile = by_identity.get(id(item.needs))
        if profile is None:
            read = reader.profile(item.needs)
            profile = by_identity[id(item.needs)] = profiles.setdefault(read, len(profiles))
        group = groups.get(item.group)
        if group is None:
            group = groups[item.group] = group_row(item.group, roster)
        affinity = _affinity_key(item, roster.columns) if item.affinity else ()
        key = (profile, int(item.priority), group, affinity)
        places = classes.get(key)
        if places is None:
            classes[key] = [place]
        else:
            places.append(place)
    return list(classes), list(classes.values()), list(profiles)


class _ProfileReader:
    """Reads what needs mean on a roster, each different need once."""

    def __init__(self, roster: Roster, policy: AssignPolicy) -> None:
        self._skills, self._policy = roster.skills, policy
        self._known: dict[tuple[str, float, float], tuple[str, float]] = {}

    def profile(self, needs: Sequence[SkillNeed]) -> Profile:
        """What the needs mean; alike for tickets that need the same.

        Without any skill that someone on the roster has it is empty: such tickets go by load.
        """
        strengths: dict[str, float] = {}
        for need in needs:
            name, strength = self._read(need)
            if strength > strengths.get(name, 0.0):
                strengths[name] = strength
        strongest = [(-r, name) for name, r in strengths.items()]
        strongest.sort()
        rows = tuple((self._skills[name], -r) for r, name in strongest if name in self._skills)
        return (rows[:MOST_NEEDS], -sum(r for r, _ in strongest)) if rows else ((), 0.0)

    def _read(self, need: SkillNeed) -> tuple[str, float]:
        key = (need.skill, need.weight, need.confidence)
        read = self._known.get(key)
        if read is None:
            read = self._known[key] = fold(need.skill), need_strength(need, self._policy)
        return read


def group_row(group: str, roster: Roster) -> int:
    """Row of a ticket's group; any group will do at a desk that keeps no groups at all."""
    if not fold(group) or not roster.groups:
        return ANY_GROUP
    return roster.groups.get(fold(group), NO_SUCH_GROUP)


def _affinity_key(item: WorkItem, columns: dict[str, int]) -> tuple[tuple[int, float], ...]:
    known = (
        (columns[agent_id], float(value))
        for agent_id, value in item.affinity.items()
        if value and agent_id in columns
    )
    return tuple(sorted(known))


def _needs_tables(profiles: Sequence[Profile], roster: Roster) -> tuple[Ints, Floats, Floats, Ints]:
    needs = np.array([len(rows) for rows, _ in profiles], np.int64)
    width = max(1, int(needs.max(initial=0)))
    skill = np.full((len(profiles), width), len(roster.skills), np.int64)
    strength = np.zeros((len(profiles), width), np.float64)
    filled = np.arange(width) < needs[:, None]
    flat = np.array([pair for rows, _ in profiles for pair in rows]).reshape(-1, 2)
    skill[filled], strength[filled] = flat[:, 0], flat[:, 1]
    strengths = np.maximum([total for _, total in profiles], 1e-9)
    return skill, strength, strengths, needs
