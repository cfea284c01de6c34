"""Agents: skills, capacity, availability. `agents_parser.parse_agents` reads a roster."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

#: The most open work an agent may have where nobody says, in tickets.
DEFAULT_CAPACITY = 20


class Availability(StrEnum):
    """Whether an agent takes new work now."""

    AVAILABLE = "available"
    AWAY = "away"
    OFFLINE = "offline"

    @classmethod
    def of(cls, word: object) -> Availability:
        """What a roster's word means; ValueError when unknown."""
        text = (
            re.sub(r"[\s_-]+", " ", word[:100]).strip().casefold() if isinstance(word, str) else ""
        )
        for availability, words in _AVAILABILITY_WORDS.items():
            if text in words:
                return availability
        raise ValueError("not one of available, busy, away, offline, on leave")


_AVAILABILITY_WORDS: Mapping[Availability, tuple[str, ...]] = {
    Availability.AVAILABLE: ("available", "active", "free", "online", "on shift"),
    Availability.AWAY: (
        "away",
        "break",
        "busy",
        "do not disturb",
        "in a meeting",
        "lunch",
        "meeting",
        "on break",
    ),
    Availability.OFFLINE: (
        "absent",
        "inactive",
        "leave",
        "off shift",
        "offline",
        "on leave",
        "on vacation",
        "out of office",
        "sick",
        "unavailable",
        "vacation",
    ),
}


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
    capacity: int = DEFAULT_CAPACITY
    availability: Availability = Availability.AVAILABLE
    #: Years or levels; only ever breaks ties.
    experience: float = 0.0
    #: Assignment groups they belong to.
    groups: tuple[str, ...] = ()
    email: str = ""
    #: When their current shift ends; None means no shift is kept.
    shift_ends_at: datetime | None = None
