"""The index that says which waiting ticket an agent who is free should begin.

    index = w · (pressure + aging · age/SLA) / E_best · (E_best/E_agent)²
    pressure = e^(-slack / (decay · SLA)), or `overdue` for a ticket that cannot make it any more
    slack = due - now - E_agent
    E = expected handling: the mean for the skill x a factor by proficiency

It is a generalised c-mu rule that looks ahead (van Mieghem 1995; slack decay as in the apparent
tardiness cost of Vepsalainen and Morton 1987): what presses most per hour of work comes first, and
the square keeps work for those who are better at it. Rules work on a number or an array alike.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from triagedesk.errors import InputError, Problem
from triagedesk.priority import Priority

if TYPE_CHECKING:
    import numpy.typing as npt

    #: A number, or an array of them.
    Number = TypeVar("Number", float, npt.NDArray[Any])

#: Raised when the meaning of a policy changes while its numbers stay the same.
INDEX_FORMAT = 1
HOUR = timedelta(hours=1)
#: An SLA is at least this long here: one of no length has no shares.
SHORTEST_SLA = timedelta(minutes=1)
#: Share of an SLA for which a ticket is left to those who know it.
RELAXATION = 0.3
MOST_HOURS = 100 * 366 * 24.0


@dataclass(frozen=True, kw_only=True)
class CommitmentPolicy:
    """The constants of the index; raises InputError for values that make no sense."""

    #: What an hour of pressure weighs for P1, P2, P3, P4.
    urgency: tuple[float, float, float, float] = (8.0, 4.0, 2.0, 1.0)
    #: Share of the SLA in which pressure falls to 1/e as slack grows.
    decay: float = 0.25
    #: What a whole SLA of age adds to the pressure.
    aging: float = 0.05
    #: Pressure of a ticket that cannot make it any more: those that still can come before it.
    overdue: float = 0.55
    #: Below this proficiency an agent is skipped ...
    min_proficiency: float = 4.0
    #: ... until this share of the SLA has passed.
    relaxation: float = RELAXATION
    #: Priorities that may interrupt work on P3 and P4; none by default.
    interrupt: frozenset[Priority] = frozenset()
    #: What full affinity adds to the index, as a share of it.
    affinity: float = 0.2
    #: Mean handling of a ticket by someone of proficiency 6 to 7.
    handling: timedelta = timedelta(minutes=45)
    #: The same for single skills, where a desk has measured it.
    handling_by_skill: Mapping[str, timedelta] = field(default_factory=dict)
    #: Taken for the SLA of a ticket without a deadline.
    neutral_sla: timedelta = timedelta(days=5)

    def __post_init__(self) -> None:
        numbers = [(name, getattr(self, name)) for name in ("decay", "aging", "overdue")]
        numbers += [(name, getattr(self, name)) for name in ("min_proficiency", "relaxation")]
        numbers += [("affinity", self.affinity)]
        numbers += [(f"urgency[{place}]", value) for place, value in enumerate(self.urgency)]
        most = 1000.0
        problems = [
            Problem(where=name, what=f"{value} is not a number from 0 to {most:g}")
            for name, value in numbers
            if not 0 <= value <= most
        ]
        rules = (
            ("urgency", len(self.urgency) == len(Priority) and min(self.urgency) > 0),
            ("decay", self.decay > 0),
            ("handling", self.handling > timedelta(0)),
            ("handling_by_skill", all(t > timedelta(0) for t in self.handling_by_skill.values())),
            ("neutral_sla", self.neutral_sla > timedelta(0)),
        )
        problems += [
            Problem(where=name, what="must be above 0") for name, holds in rules if not holds
        ]
        if problems:
            raise InputError("The commitment policy is not valid.", problems=problems)

    @cached_property
    def version(self) -> str:
        """Twelve hex digits; the same constants give the same version."""
        values = asdict(self) | {
            "interrupt": sorted(self.interrupt),
            "handling_by_skill": sorted(self.handling_by_skill.items()),
        }
        text = f"{INDEX_FORMAT} {sorted(values.items())}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def handling_factor(proficiency: float) -> float:
    """How much longer or shorter than the mean someone takes: .7 for 10, 1.5 for 1, 2.5 for 0.

    A model, not a measurement: 1.6 - .09 x proficiency, and 2.5 without the skill.
    """
    return 1.6 - 0.09 * proficiency if proficiency > 0 else 2.5


def pressure(slack: float, sla: float, policy: CommitmentPolicy) -> float:
    """How much a deadline presses, 0-1; slack and SLA in the same unit."""
    return policy.overdue if slack < 0 else math.exp(-slack / (policy.decay * sla))


def index_value(weight: float, pressing: Number, age: Number, best: Number, own: Number) -> Number:
    """The index; `age` in SLAs times aging, `best` and `own` expected hours of handling."""
    value: Number = weight * (pressing + age) / best * (best / own) ** 2
    return value
