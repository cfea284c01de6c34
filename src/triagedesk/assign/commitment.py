"""Late commitment: which ticket an agent who is free begins, and whose work may be interrupted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from triagedesk.agents import Agent
from triagedesk.assign.index import HOUR, SHORTEST_SLA, CommitmentPolicy, index_value, pressure
from triagedesk.assign.knowledge import Knowledge
from triagedesk.assign.records import AssignPolicy, WorkItem
from triagedesk.assign.score import closed_reason, fold, levels_of
from triagedesk.assign.wording import counted, listed
from triagedesk.priority import Priority

__all__ = [
    "Commitment",
    "CommitmentPolicy",
    "Skipped",
    "interruption",
    "next_for",
    "who_begins",
    "why_nothing",
]

#: Tickets named for each reason; the others are counted.
MOST_NAMED = 5
#: Work that may be interrupted.
INTERRUPTIBLE = (Priority.P3, Priority.P4)
#: An interruption is cheaper by this for each step of priority below P3 ...
STEP_BONUS = timedelta(minutes=12)
#: ... and dearer by this where the interrupted ticket would miss its deadline, which is so when it
#: has less than this left.
LATE_PENALTY = timedelta(hours=2)
TIME_TO_RETURN = timedelta(minutes=90)


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """Waiting tickets that an agent was not offered, and why."""

    reason: str
    #: The first few in order of work.
    ticket_ids: tuple[str, ...]
    count: int


@dataclass(frozen=True, kw_only=True)
class Commitment:
    """The ticket an agent should begin."""

    item: WorkItem
    index: float
    #: urgency, pressure, aging, affinity, proficiency, expected_hours, best_hours, slack_hours,
    #: sla_hours, age_hours.
    parts: Mapping[str, float]
    #: The ticket that comes next for this agent; None without one.
    runner_up: str | None
    #: Difference in index to it.
    margin: float | None
    #: One sentence.
    reason: str
    skipped: tuple[Skipped, ...]


def next_for(
    agent: Agent,
    waiting: Sequence[WorkItem],
    roster: Sequence[Agent],
    *,
    policy: CommitmentPolicy,
    assign_policy: AssignPolicy,
    now: datetime,
    theirs: bool = False,
) -> Commitment | None:
    """The waiting ticket this agent should begin now; None when there is none for them.

    What is `theirs` already is not left to others who know it better. The agent's load is the work
    they have committed to: what is only tentatively theirs waits like the rest and must not be
    counted, or it would keep them from beginning it.
    """
    if closed_reason(agent, now, assign_policy):
        return None
    desk = Knowledge(roster, policy, assign_policy, now)
    skipped: dict[str, list[WorkItem]] = {}
    offers: list[_Offer] = []
    for item in waiting:
        why = "" if theirs else _gate(agent, item, desk, policy, now)
        if why:
            skipped.setdefault(why, []).append(item)
        else:
            offers.append(_offer(agent, item, desk, policy, now))
    if not offers:
        return None
    offers.sort(key=_turn)
    first, second = offers[0], offers[1] if len(offers) > 1 else None
    return Commitment(
        item=first.item,
        index=first.index,
        parts=first.parts,
        runner_up=second.item.ticket_id if second else None,
        margin=first.index - second.index if second else None,
        reason=_reason(agent, first, second, desk),
        skipped=_listed(skipped),
    )


def why_nothing(
    agent: Agent,
    waiting: Sequence[WorkItem],
    roster: Sequence[Agent],
    *,
    policy: CommitmentPolicy,
    assign_policy: AssignPolicy,
    now: datetime,
) -> str:
    """Why `next_for` has nothing for an agent, in one sentence."""
    closed = closed_reason(agent, now, assign_policy)
    if closed:
        return f"{agent.name} takes no new work now: {closed}."
    if not waiting:
        return "Nothing is waiting."
    desk = Knowledge(roster, policy, assign_policy, now)
    skipped: dict[str, list[WorkItem]] = {}
    for item in waiting:
        skipped.setdefault(_gate(agent, item, desk, policy, now), []).append(item)
    told = counted([(skip.count, skip.reason) for skip in _listed(skipped) if skip.reason])
    return f"Nothing that waits is for {agent.name}: {told}."


def who_begins(
    item: WorkItem,
    free: Sequence[Agent],
    roster: Sequence[Agent],
    *,
    policy: CommitmentPolicy,
    assign_policy: AssignPolicy,
    now: datetime,
) -> str | None:
    """Which of the agents who have nothing to do should begin a new ticket; None for nobody."""
    desk = Knowledge(roster, policy, assign_policy, now)
    fit = [
        (desk.hours(item, desk.proficiency(agent, item)), agent.id)
        for agent in free
        if not closed_reason(agent, now, assign_policy)
        and not _gate(agent, item, desk, policy, now)
    ]
    return min(fit)[1] if fit else None


def interruption(
    item: WorkItem,
    working: Mapping[str, WorkItem],
    roster: Sequence[Agent],
    *,
    policy: CommitmentPolicy,
    assign_policy: AssignPolicy,
    now: datetime,
) -> tuple[str, WorkItem] | None:
    """Whose work on what should wait for this ticket; None for nobody's.

    `working` is what each agent works on now. Only a priority in `policy.interrupt` interrupts,
    only P3 and P4 are interrupted, and nobody is while someone fit for the ticket is free.
    """
    if item.priority not in policy.interrupt:
        return None
    desk = Knowledge(roster, policy, assign_policy, now)
    choices: list[tuple[timedelta, str]] = []
    for agent in sorted(roster, key=lambda agent: agent.id):
        if closed_reason(agent, now, assign_policy) or _gate(agent, item, desk, policy, now):
            continue
        current = working.get(agent.id)
        if current is None:
            return None
        if current.priority not in INTERRUPTIBLE:
            continue
        cost = desk.hours(item, desk.proficiency(agent, item)) * HOUR
        cost -= STEP_BONUS * (current.priority - INTERRUPTIBLE[0])
        if current.due_at is not None and current.due_at - now < TIME_TO_RETURN:
            cost += LATE_PENALTY
        choices.append((cost, agent.id))
    if not choices:
        return None
    agent_id = min(choices)[1]
    return agent_id, working[agent_id]


@dataclass(frozen=True, kw_only=True)
class _Offer:
    item: WorkItem
    index: float
    parts: Mapping[str, float]


def _turn(offer: _Offer) -> tuple[float, Priority, datetime, str]:
    """The highest index first, then the order of work."""
    item = offer.item
    return -offer.index, item.priority, item.created_at, item.ticket_id


def _gate(
    agent: Agent, item: WorkItem, desk: Knowledge, policy: CommitmentPolicy, now: datetime
) -> str:
    """Why a waiting ticket is not for this agent now; empty when it is."""
    if not desk.in_group(agent, item):
        return f"for {item.group}"
    if agent.id in item.declined_by:
        return "declined earlier"
    return _better_left(agent, item, desk, policy, now)


def _better_left(
    agent: Agent, item: WorkItem, desk: Knowledge, policy: CommitmentPolicy, now: datetime
) -> str:
    """Why a ticket is better left to others for now; empty when it is not (skill relaxation).

    Where nobody on the roster reaches the least proficiency, whoever knows most is not skipped.
    """
    proficiency = desk.proficiency(agent, item)
    if proficiency >= min(policy.min_proficiency, desk.best(item)):
        return ""
    relaxed = now - item.created_at >= policy.relaxation * sla_of(item, policy)
    skills = listed(sorted({need.skill for need in item.needs}), "or")
    if not proficiency and desk.somebody_knows(item):
        return f"left to those who know {skills}"
    if relaxed:
        return ""
    if proficiency:
        return f"left to those who know {skills} better for {policy.relaxation:.0%} of the SLA"
    return f"left to those who know {skills}, who are away, for {policy.relaxation:.0%} of the SLA"


def sla_of(item: WorkItem, policy: CommitmentPolicy) -> timedelta:
    """From creation until due, on the clock on the wall; the neutral one without a deadline."""
    if item.due_at is None:
        return policy.neutral_sla
    return max(SHORTEST_SLA, item.due_at - item.created_at)


def _offer(
    agent: Agent, item: WorkItem, desk: Knowledge, policy: CommitmentPolicy, now: datetime
) -> _Offer:
    proficiency = desk.proficiency(agent, item)
    own, best = desk.hours(item, proficiency), desk.hours(item, desk.best(item))
    sla = sla_of(item, policy) / HOUR
    age = max(0.0, (now - item.created_at) / HOUR)
    due = item.due_at or item.created_at + policy.neutral_sla
    slack = (due - now) / HOUR - own
    pressing = pressure(slack, sla, policy)
    aging = policy.aging * age / sla
    weight = policy.urgency[item.priority - 1]
    affinity = policy.affinity * item.affinity.get(agent.id, 0.0)
    index = index_value(weight, pressing, aging, best, own) * (1 + affinity)
    parts = {
        "urgency": weight,
        "pressure": pressing,
        "aging": aging,
        "affinity": affinity,
        "proficiency": proficiency,
        "expected_hours": own,
        "best_hours": best,
        "slack_hours": slack,
        "sla_hours": sla,
        "age_hours": age,
    }
    return _Offer(item=item, index=index, parts=parts)


def _reason(agent: Agent, first: _Offer, second: _Offer | None, desk: Knowledge) -> str:
    item = first.item
    told = [f"P{item.priority:d}", _deadline(first)]
    strengths = desk.strengths(item)
    if strengths:
        told.append(_skill(agent, item, desk))
    if first.parts["affinity"]:
        told.append(f"{agent.name} has dealt with it before")
    sentence = f"{agent.name} begins {item.ticket_id}: {', '.join(told)}"
    if second is None:
        return f"{sentence}; nothing else is waiting."
    return (
        f"{sentence}; next is {second.item.ticket_id} (P{second.item.priority:d}, "
        f"index {second.index:.3g} against {first.index:.3g})."
    )


def _deadline(offer: _Offer) -> str:
    if offer.item.due_at is None:
        return f"no deadline, waiting for {_hours(offer.parts['age_hours'])}"
    left = offer.parts["slack_hours"] + offer.parts["expected_hours"]
    sla = _hours(offer.parts["sla_hours"])
    if left < 0:
        return f"overdue by {_hours(-left)} on {sla}"
    if offer.parts["slack_hours"] < 0:
        return f"{_hours(left)} left of {sla}, hardly enough"
    return f"{_hours(left)} left of {sla}"


def _hours(hours: float) -> str:
    """`35 min`, `3.5 h`, `2.1 days`."""
    minutes = round(hours * 60)
    if minutes < 100:  # noqa: PLR2004 - minutes are read easily up to there
        return f"{minutes} min"
    return f"{hours:.3g} h" if hours < 72 else f"{hours / 24:.3g} days"  # noqa: PLR2004 - as above


def _skill(agent: Agent, item: WorkItem, desk: Knowledge) -> str:
    levels, strengths = levels_of(agent), desk.strengths(item)
    known = [(-strengths[s] * levels[s], s) for s in strengths if s in levels]
    if not known:
        return "nobody who knows it is here"
    skill = min(known)[1]
    spelled = next(name for name in agent.skills if fold(name) == skill)
    return f"{spelled} {levels[skill]}/10"


def _listed(skipped: Mapping[str, Iterable[WorkItem]]) -> tuple[Skipped, ...]:
    listed_ = []
    for reason in sorted(skipped):
        items = sorted(skipped[reason], key=lambda i: (i.priority, i.created_at, i.ticket_id))
        ids = tuple(item.ticket_id for item in items)
        listed_.append(Skipped(reason=reason, ticket_ids=ids[:MOST_NAMED], count=len(ids)))
    return tuple(listed_)
