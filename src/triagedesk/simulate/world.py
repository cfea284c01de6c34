"""A scenario as arrays: tickets by order of arrival, agents by id, hours since the first ticket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from triagedesk.agents import Agent, Shift
from triagedesk.assign.classes import check_items
from triagedesk.assign.commitment import sla_of
from triagedesk.assign.index import HOUR, handling_factor
from triagedesk.assign.knowledge import Knowledge, Strengths
from triagedesk.assign.records import AssignPolicy, WorkItem
from triagedesk.assign.roster import check_agents
from triagedesk.assign.score import fold, levels_of, need_strength, skill_match
from triagedesk.assign.tables import Flags, Floats, Ints
from triagedesk.simulate.records import Scenario
from triagedesk.sla import Calendar
from triagedesk.sla.working_time import microseconds

#: How long agents go on working after the last ticket has arrived.
AFTERWARDS = timedelta(days=14)
#: A shift of this many hours is one without an end.
_MICROSECONDS_PER_HOUR = 3_600_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """Rows of the tables by class are tickets that need the same; columns are agents."""

    ids: tuple[str, ...]
    agents: tuple[str, ...]
    #: Hours since the first arrival; due is infinite without a deadline.
    arrives: Floats
    due: Floats
    #: Hours; the neutral SLA where there is no deadline, and due by it.
    sla: Floats
    pressing_due: Floats
    #: 1-4.
    priority: Ints
    #: Class of each ticket.
    kind: Ints
    #: Hours of handling as dispatchers expect and as they are on the mean, by someone of factor 1.
    expected: Floats
    actual: Floats
    #: By class and agent: who may take it, effective proficiency 0-10, match 0-1, handling factor.
    may: Flags
    proficiency: Floats
    match: Floats
    factor: Floats
    #: By class: the best factor there is, the least proficiency asked for, whether skills matter.
    best_factor: Floats
    least: Floats
    needy: Flags
    capacity: Ints
    #: (begins, ends, agent) by rising time; hours.
    shifts: tuple[tuple[float, float, int], ...]
    #: Hours on shift until the last ticket arrives, by agent.
    staffed: Floats
    #: When the last shift ends that is looked at.
    ends: float


def build(scenario: Scenario) -> World:
    """Lay a scenario out; raises AgentsError or TicketsError naming all that is not valid."""
    check_agents(scenario.roster)
    check_items(scenario.items)
    agents = sorted(scenario.roster, key=lambda agent: agent.id)
    items = sorted(scenario.items, key=lambda item: (item.created_at, item.ticket_id))
    first = items[0].created_at
    desk = Knowledge(agents, scenario.commitment, scenario.assign_policy, first)
    kinds: dict[tuple[object, ...], int] = {}
    like: list[WorkItem] = []
    kind = np.zeros(len(items), np.int64)
    for place, item in enumerate(items):
        key = (item.needs, fold(item.group), item.declined_by)
        if key not in kinds:
            kinds[key] = len(like)
            like.append(item)
        kind[place] = kinds[key]
    slas = [sla_of(item, scenario.commitment) / HOUR for item in items]
    arrives = np.array([(item.created_at - first) / HOUR for item in items])
    due = [(item.due_at - first) / HOUR if item.due_at else np.inf for item in items]
    tables = _tables(like, agents, desk, scenario.assign_policy)
    expected = np.array([desk.mean_hours(item) for item in like])[kind]
    hours = [scenario.hours.get(item.ticket_id) for item in items]
    shifts = _shifts(agents, scenario.default_shift, first, items[-1].created_at + AFTERWARDS)
    return World(
        ids=tuple(item.ticket_id for item in items),
        agents=tuple(agent.id for agent in agents),
        arrives=arrives,
        due=np.array(due),
        sla=np.array(slas),
        pressing_due=np.where(np.isfinite(due), due, arrives + slas),
        priority=np.array([int(item.priority) for item in items], np.int64),
        kind=kind,
        expected=expected,
        actual=np.array([e if h is None else h for h, e in zip(hours, expected, strict=True)]),
        may=tables[0],
        proficiency=tables[1],
        match=tables[2],
        factor=tables[3],
        best_factor=_best_factor(like, desk),
        least=np.array(
            [min(scenario.commitment.min_proficiency, desk.best(item)) for item in like]
        ),
        needy=np.array([bool(desk.strengths(item)) for item in like]),
        capacity=np.array([agent.capacity for agent in agents], np.int64),
        shifts=shifts,
        staffed=_staffed(shifts, len(agents), float(arrives[-1])),
        ends=(items[-1].created_at + AFTERWARDS - first) / HOUR,
    )


def _tables(
    like: Sequence[WorkItem], agents: Sequence[Agent], desk: Knowledge, policy: AssignPolicy
) -> tuple[Flags, Floats, Floats, Floats]:
    shape = (len(like), len(agents))
    may, proficiency = np.zeros(shape, np.bool_), np.zeros(shape)
    match, factor = np.zeros(shape), np.ones(shape)
    levels = [levels_of(agent) for agent in agents]
    for row, item in enumerate(like):
        strengths = desk.strengths(item)
        total = _total_strength(item, policy)
        for column, agent in enumerate(agents):
            may[row, column] = agent.id not in item.declined_by and desk.in_group(agent, item)
            if strengths:
                terms = _terms(strengths, levels[column])
                proficiency[row, column] = max(terms)
                match[row, column] = skill_match(max(terms), sum(terms), total, policy)
                factor[row, column] = handling_factor(max(terms))
    return may, proficiency, match, factor


def _terms(strengths: Strengths, levels: dict[str, int]) -> list[float]:
    return [strength * levels.get(skill, 0) for skill, strength in strengths.items()]


def _total_strength(item: WorkItem, policy: AssignPolicy) -> float:
    """The strengths of all needs, of skills that nobody has too."""
    strengths: Strengths = {}
    for need in item.needs:
        strength = need_strength(need, policy)
        strengths[fold(need.skill)] = max(strength, strengths.get(fold(need.skill), 0.0))
    return sum(strengths.values()) or 1.0


def _best_factor(like: Sequence[WorkItem], desk: Knowledge) -> Floats:
    return np.array(
        [handling_factor(desk.best(item)) if desk.strengths(item) else 1.0 for item in like]
    )


def _shifts(
    agents: Sequence[Agent], default: Shift, first: datetime, last: datetime
) -> tuple[tuple[float, float, int], ...]:
    start, end = microseconds(first, "first"), microseconds(last, "last")
    known: dict[Shift, list[tuple[float, float]]] = {}
    found = []
    for column, agent in enumerate(agents):
        shift = agent.shift or default
        if shift not in known:
            calendar = Calendar(name="shift", zone=shift.time_zone, week=shift.week)
            known[shift] = [
                ((low - start) / _MICROSECONDS_PER_HOUR, (high - start) / _MICROSECONDS_PER_HOUR)
                for low, high in calendar.working_time.intervals(start, end)
            ]
        found += [(low, high, column) for low, high in known[shift]]
    return tuple(sorted(found))


def _staffed(shifts: Sequence[tuple[float, float, int]], agents: int, until: float) -> Floats:
    hours = np.zeros(agents)
    for low, high, column in shifts:
        hours[column] += max(0.0, min(high, until) - low)
    return hours
