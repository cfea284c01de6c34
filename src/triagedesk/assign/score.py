"""The rules of assigning, one function each.

Gates: who may take a ticket at all
    is_here         available, not away or offline
    has_shift_left  the shift lasts long enough
    has_room        open work below capacity
    (belonging to the ticket's group and having a needed skill are tables: batch.py)
Parts: what giving a ticket to an agent is worth
    need_strength     how much a need counts
    skill_match       how well the skills fit, 0-1
    urgency_weight    what a full match is worth
    affinity_value    keeping it with someone who knows the matter
    slot_cost         each further ticket of an agent costs more
    fallback_cost     going to someone without a needed skill
    waiting_cost      staying until somebody with the skill is there
    deferral_cost     staying without an agent
    experience_part   only ever breaks ties

Where a rule says "number or array", it works on both alike.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from triagedesk.agents import Agent, Availability, SkillNeed
from triagedesk.assign.records import AssignPolicy
from triagedesk.priority import Priority

if TYPE_CHECKING:
    import numpy.typing as npt

    #: A number, or an array of them.
    Number = TypeVar("Number", float, npt.NDArray[Any])

#: The most that experience is worth; shown, but compared only between equals.
EXPERIENCE = 1e-3


def fold(name: str) -> str:
    """A skill or group name as it is compared: letter case and outer spaces do not count."""
    return name.strip().casefold()


def levels_of(agent: Agent) -> dict[str, int]:
    """An agent's skills, folded, the higher level where one is there twice."""
    levels: dict[str, int] = {}
    for skill, level in agent.skills.items():
        levels[fold(skill)] = max(level, levels.get(fold(skill), 0))
    return levels


def is_here(agent: Agent) -> str:
    """Why an agent is not here; empty when they are."""
    return "" if agent.availability is Availability.AVAILABLE else agent.availability.value


def has_shift_left(agent: Agent, now: datetime, policy: AssignPolicy) -> str:
    """Why an agent's shift is too short for new work; empty when it is not."""
    if agent.shift_ends_at is None or agent.shift_ends_at - now >= policy.min_shift:
        return ""
    if agent.shift_ends_at <= now:
        return "shift is over" if agent.shift is None else "off shift"
    return f"shift ends in under {policy.min_shift.total_seconds() / 60:.0f} min"


def has_room(agent: Agent) -> str:
    """Why an agent has no room, e.g. `at capacity (5 of 5)`; empty when they have."""
    return f"at capacity ({agent.load} of {agent.capacity})" if agent.load >= agent.capacity else ""


def closed_reason(agent: Agent, now: datetime, policy: AssignPolicy) -> str:
    """Why an agent takes no new work at all now; empty when they do."""
    return is_here(agent) or has_shift_left(agent, now, policy) or has_room(agent)


def need_strength(need: SkillNeed, policy: AssignPolicy) -> float:
    """How much a need counts: its weight (primary 1, secondary 1/2) times its confidence."""
    steps = max(1, round(need.confidence / policy.confidence_step))
    return need.weight * min(1.0, steps * policy.confidence_step)


def skill_match(best: Number, total: Number, strengths: Number, policy: AssignPolicy) -> Number:
    """How well skills fit, 0-1: the best needed skill and the mean over all (number or array).

    `best` is max(r·p), `total` is sum(r·p), `strengths` is sum(r), with r the strength of a need
    and p the proficiency 1-10.
    """
    share = policy.best_skill_share
    match: Number = best * (share / 10) + total * ((1 - share) / 10) / strengths
    return match


def urgency_weight(priority: Priority, policy: AssignPolicy) -> float:
    """What a full match is worth for a ticket of this priority."""
    return policy.urgency[priority - 1]


def affinity_value(affinity: Number, policy: AssignPolicy) -> Number:
    """What affinity 0-1 adds to the match (number or array)."""
    return affinity * policy.affinity


def slot_cost(load: Number, capacity: Number, policy: AssignPolicy) -> Number:
    """Cost of one more ticket for an agent who has `load` (number or array).

    It rises by load/capacity with each ticket, which makes the total convex: even shares are best.
    """
    cost: Number = (load + 0.5) / capacity * policy.load
    return cost


def fallback_cost(weight: Number, policy: AssignPolicy) -> Number:
    """Cost of going to someone without any needed skill (number or array)."""
    return weight * policy.fallback


def waiting_cost(weight: Number, policy: AssignPolicy) -> Number:
    """Cost of waiting for somebody with a needed skill: what going to others costs that do not."""
    return fallback_cost(weight, policy)


def deferral_cost(weight: Number, policy: AssignPolicy) -> Number:
    """Cost of staying without an agent (number or array)."""
    return weight * policy.deferral


def experience_part(experience: float, longest: float) -> float:
    """An agent's experience against the longest on the roster, at most `EXPERIENCE`."""
    return EXPERIENCE * experience / longest if longest > 0 else 0.0
