"""The tickets of a batch as tables, tickets that need the same merged into one class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from types import MappingProxyType

import numpy as np

from triagedesk.agents import SkillNeed
from triagedesk.assign.records import AssignPolicy, WorkItem
from triagedesk.assign.roster import NO_SUCH_GROUP, Roster, group_row
from triagedesk.assign.score import (
    deferral_cost,
    fallback_cost,
    fold,
    need_strength,
    waiting_cost,
)
from triagedesk.assign.tables import Flags, Floats, Ints
from triagedesk.assign.waiting import Patience
from triagedesk.errors import Problem, TicketsError
from triagedesk.priority import order_key

#: The strongest needs of a ticket that count; a ticket that names more is not read to the end.
MOST_NEEDS = 12
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOBODY_STAYS: Mapping[str, tuple[str, float]] = MappingProxyType({})

#: (row of the skill table, strength) by falling strength, and the sum of all strengths.
Profile = tuple[tuple[tuple[int, float], ...], float]
#: (open agent, affinity 0-1, what staying with them is worth) by rising agent.
Ties = tuple[tuple[int, float, float], ...]
#: Profile number, priority, row of `members`, ties, whether it waits for a needed skill.
Key = tuple[int, int, int, Ties, bool]
#: Who may take a ticket that somebody declined: row of its group, and ids of who declined.
Crew = tuple[int, tuple[str, ...]]


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
    #: Row of `members`: of a group, then of a crew; or ANY_GROUP or NO_SUCH_GROUP.
    group: Ints
    #: Whether an open agent may take a ticket, as far as groups and declining go.
    members: Flags
    #: Those rows of `members` that come after the groups.
    crews: tuple[Crew, ...]
    #: Whether a ticket rather waits than goes to someone without any needed skill.
    waits: Flags
    #: Cost of going to someone without any needed skill; 0 where none is needed or none exists.
    fallback: Floats
    #: Cost of staying without an agent.
    deferral: Floats
    #: Affinity in four columns (class, open agent, 0-1, worth of staying), by rising class.
    affinity_row: Ints
    affinity_column: Ints
    affinity: Floats
    staying: Floats

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


def read_classes(
    items: Sequence[WorkItem],
    roster: Roster,
    policy: AssignPolicy,
    staying: Mapping[str, tuple[str, float]] = NOBODY_STAYS,
    patience: Patience | None = None,
) -> Classes:
    """Merge tickets that need the same; raises TicketsError naming every ticket not valid.

    `staying` says with whom a ticket is, by id, and what it is worth to leave it there; without
    `patience` no ticket waits for somebody who is not there.
    """
    check_items(items)
    order = work_order(items)
    crews = _Crews(roster)
    keys, members, profiles = _merge(
        items, order, crews, policy, staying=staying, patience=patience
    )
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
    ties = [(row, *tie) for row, key in enumerate(keys) for tie in key[3]]
    waits = np.array([key[4] for key in keys], np.bool_)
    # Going to others is dearer than staying for one that waits, and staying as dear as it was.
    leaving, waiting = deferral_cost(weight, policy), waiting_cost(weight, policy)
    others = np.where(waits, leaving, fallback_cost(weight, policy))
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
        members=crews.members(),
        crews=crews.made,
        waits=waits,
        fallback=np.where(needs > 0, others, 0.0),
        deferral=np.where(waits, waiting, leaving),
        affinity_row=np.array([tie[0] for tie in ties], np.int64),
        affinity_column=np.array([tie[1] for tie in ties], np.int64),
        affinity=np.array([tie[2] for tie in ties], np.float64),
        staying=np.array([tie[3] for tie in ties], np.float64),
    )


def _merge(
    items: Sequence[WorkItem],
    order: Sequence[int],
    crews: _Crews,
    policy: AssignPolicy,
    *,
    staying: Mapping[str, tuple[str, float]],
    patience: Patience | None,
) -> tuple[list[Key], list[list[int]], list[Profile]]:
    roster = crews.roster
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
        if item.declined_by:
            group = crews.row(group, item.declined_by)
        ties: Ties = ()
        if item.affinity or item.ticket_id in staying:
            ties = _ties(item, roster.columns, staying.get(item.ticket_id, ("", 0.0)))
        waits = patience is not None and item.due_at is not None and patience.waits(item)
        key = (profile, int(item.priority), group, ties, waits)
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
        if len(needs) == 1:
            name, strength = self._read(needs[0])
            row = self._skills.get(name)
            return ((), 0.0) if row is None else (((row, strength),), strength)
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


class _Crews:
    """Who may take tickets that somebody declined, each different crew once."""

    def __init__(self, roster: Roster) -> None:
        self.roster = roster
        self._rows: dict[Crew, int] = {}

    @cached_property
    def _ids(self) -> frozenset[str]:
        return frozenset(agent.id for agent in self.roster.everyone)

    @property
    def made(self) -> tuple[Crew, ...]:
        """Every crew, in order of its row."""
        return tuple(self._rows)

    def row(self, group: int, declined_by: frozenset[str]) -> int:
        """Row of `members` for a group without those who declined."""
        declined = tuple(sorted(declined_by & self._ids))
        if not declined or group == NO_SUCH_GROUP:
            return group
        return self._rows.setdefault((group, declined), len(self.roster.groups) + len(self._rows))

    def members(self) -> Flags:
        """The groups' members, then the crews', then NO_SUCH_GROUP and ANY_GROUP."""
        table = self.roster.members
        if not self._rows:
            return table
        more = table[[group for group, _ in self._rows]]
        for row, (_, declined) in enumerate(self._rows):
            more[
                row, [self.roster.columns[id_] for id_ in declined if id_ in self.roster.columns]
            ] = False
        return np.concatenate([table[:NO_SUCH_GROUP], more, table[NO_SUCH_GROUP:]])


def _ties(item: WorkItem, columns: dict[str, int], stays: tuple[str, float]) -> Ties:
    known = {id_: float(value) for id_, value in item.affinity.items() if value}
    agent_id, worth = stays
    if worth:
        known.setdefault(agent_id, 0.0)
    return tuple(
        sorted(
            (columns[id_], value, worth if id_ == agent_id else 0.0)
            for id_, value in known.items()
            if id_ in columns
        )
    )


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
