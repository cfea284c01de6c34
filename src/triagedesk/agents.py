"""Agents: skills, capacity, availability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Availability(StrEnum):
    """Whether an agent takes new work now."""

    AVAILABLE = "available"
    AWAY = "away"
    OFFLINE = "offline"


@dataclass(frozen=True, kw_only=True)
class SkillNeed:
    """A skill a ticket needs."""

    #: As agents spell it.
    skill: str
    #: 1 for a primary skill, 0.5 for a secondary one.
    weight: float
    #: Probability that the ticket really needs it; 1 when the catalog says so.
    confidence: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Agent:
    """Someone who resolves tickets."""

    id: str
    name: str
    #: Skill name -> proficiency 1-10.
    skills: Mapping[str, int]
    #: Open work assigned to them now, in tickets.
    load: int = 0
    #: The most open work they may have, in tickets.
    capacity: int = 20
    availability: Availability = Availability.AVAILABLE
    #: Years or levels; only ever breaks ties.
    experience: float = 0.0
    #: Assignment groups they belong to.
    groups: tuple[str, ...] = ()
    email: str = ""
    #: When their current shift ends; None means no shift is kept.
    shift_ends_at: datetime | None = None
