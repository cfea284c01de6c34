"""What a priority is made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How high an impact or an urgency is; 1 is the highest, as ITIL counts."""

    HIGH = 1
    MEDIUM = 2
    LOW = 3


class Priority(IntEnum):
    """P1 is worked on first."""

    P1 = 1
    P2 = 2
    P3 = 3
    P4 = 4


@dataclass(frozen=True, kw_only=True)
class PriorityDecision:
    """A ticket's priority and why."""

    priority: Priority
    impact: Level
    urgency: Level
    #: The phrases or fields that decided, as a person would quote them.
    evidence: tuple[str, ...] = ()
