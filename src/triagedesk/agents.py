"""Agents: skills, capacity, shifts, availability. `agents_parser.parse_agents` reads a roster."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from triagedesk.sla.calendars import Calendar, Window
from triagedesk.sla.working_time import microseconds, moment

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
class Shift:
    """When an agent works, by the clock on the wall where they are."""

    #: IANA name, e.g. `Europe/Berlin`.
    time_zone: str
    #: Seven weekdays from Monday, each with its hours.
    week: tuple[tuple[Window, ...], ...]

    def ends_at(self, now: datetime) -> datetime | None:
        """When the shift that runs at `now` ends, in UTC; None when none runs.

        Hours that touch are one shift. Raises CalendarError for a shift that cannot be.
        """
        at = microseconds(now, "now")
        times = _calendar(self).working_time.intervals(at, at + _WEEK)
        start, end = next(times, (None, at))
        return moment(end) if start == at else None

    def begins_at(self, now: datetime) -> datetime | None:
        """When the next shift begins after `now`, in UTC; None when none does within eight days."""
        at = microseconds(now, "now")
        times = _calendar(self).working_time.intervals(at, at + _WEEK)
        return next((moment(start) for start, _ in times if start > at), None)


#: When the shift of somebody ended who is off shift: always the same, so that they stay the same.
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
#: A shift without a break ends nowhere within this; microseconds.
_WEEK = timedelta(days=8) // timedelta(microseconds=1)


@lru_cache(maxsize=1024)
def _calendar(shift: Shift) -> Calendar:
    """A shift's working time; kept, as many agents share one and it is long to work out."""
    return Calendar(name="shift", zone=shift.time_zone, week=shift.week)


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
    #: Their weekly hours; an end of the current shift that lies ahead comes before them.
    shift: Shift | None = None

    def on_shift(self, now: datetime) -> Agent:
        """The agent as they are at `now`: the end of the shift follows from the weekly hours.

        Outside these hours it is `LONG_AGO`.
        """
        stated = self.shift_ends_at is not None and self.shift_ends_at > now
        if self.shift is None or stated:
            return self
        return replace(self, shift_ends_at=self.shift.ends_at(now) or LONG_AGO)
