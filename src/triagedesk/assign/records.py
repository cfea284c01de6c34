"""What goes into an assignment and what comes out of it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

from triagedesk.agents import SkillNeed
from triagedesk.errors import InputError, Problem
from triagedesk.priority import Priority
from triagedesk.tickets import Assignment

#: Raised when the meaning of a policy changes while its numbers stay the same.
POLICY_FORMAT = 2
HIGHEST_WEIGHT = 1000
#: How much more load weighs where tickets are committed early.
EARLY = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkItem:
    """One ticket to be given to someone."""

    ticket_id: str
    title: str
    priority: Priority
    #: Skills it needs; empty means that anyone will do.
    needs: tuple[SkillNeed, ...]
    created_at: datetime
    #: When its resolution is due; None without a deadline.
    due_at: datetime | None = None
    #: Assignment group that must take it; empty means any.
    group: str = ""
    requester: str = ""
    #: Agent id -> 0-1: how much is gained by keeping it with someone who knows the matter.
    affinity: Mapping[str, float] = field(default_factory=dict)
    #: Agents who declined it earlier: it never comes back to them.
    declined_by: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class AssignPolicy:
    """The weights of the score (design section 8); refuses weights that could leave work out."""

    #: What a full match is worth for P1, P2, P3, P4.
    urgency: tuple[float, float, float, float] = (3.0, 2.0, 1.4, 1.0)
    #: Share of the match that the best needed skill makes; the rest is the mean over all needed.
    best_skill_share: float = 0.75
    #: Cost of the last slot of a full agent; slots before it cost less, in proportion.
    load: float = 1.0
    #: What full affinity adds to the match.
    affinity: float = 0.1
    #: Times urgency: cost of going to someone without any needed skill.
    fallback: float = 2.0
    #: Times urgency: cost of staying without an agent.
    deferral: float = 4.0
    #: An agent whose shift ends sooner takes no new work.
    min_shift: timedelta = timedelta(minutes=30)
    #: Confidences are rounded to this, so that tickets that need the same are one class.
    confidence_step: float = 0.05
    #: Whether tickets wait for somebody with a needed skill as long as their SLA allows (waiting).
    waits: bool = True
    #: How long someone of proficiency 6 to 7 takes, for what waiting costs.
    handling: timedelta = timedelta(minutes=45)

    def __post_init__(self) -> None:
        problems = [
            Problem(where=name, what=f"{value} is not a number from 0 to {HIGHEST_WEIGHT}")
            for name, value in self._numbers()
            if not 0 <= value <= HIGHEST_WEIGHT
        ]
        if not problems:
            problems = self._order_problems()
        if problems:
            raise InputError("The assignment policy is not valid.", problems=problems)

    @property
    def for_early_commitment(self) -> AssignPolicy:
        """The same for a desk where a ticket is an agent's at once, and waits behind their others.

        There load weighs six times as much (in simulation, 3 to 8 did about as well), and what
        must be dearer than load in proportion.
        """
        return replace(
            self,
            load=EARLY * self.load,
            fallback=self.fallback + (EARLY - 1) * self.load / min(self.urgency),
            deferral=self.deferral + 2 * (EARLY - 1) * self.load / min(self.urgency),
        )

    def _numbers(self) -> list[tuple[str, float]]:
        names = ("best_skill_share", "load", "affinity", "fallback", "deferral", "confidence_step")
        numbers = [(name, float(getattr(self, name))) for name in names]
        return [*numbers, *((f"urgency[{i}]", value) for i, value in enumerate(self.urgency))]

    def _order_problems(self) -> list[Problem]:
        """Weights under which work could stay undone although someone has room for it."""
        least = min(self.urgency)
        gain = self.affinity + self.load / least if least else math.inf
        rules = (
            ("handling", self.handling > timedelta(0), "must be above 0"),
            (
                "urgency",
                len(self.urgency) == len(Priority) and least > 0,
                "needs 4 weights above 0",
            ),
            ("best_skill_share", self.best_skill_share <= 1, "must be at most 1"),
            ("confidence_step", 0 < self.confidence_step <= 1, "must be above 0 and at most 1"),
            ("fallback", self.fallback > gain, f"must be above {gain:g}, load and affinity"),
            (
                "deferral",
                self.deferral > self.fallback + gain,
                f"must be above {self.fallback + gain:g}, fallback, load and affinity",
            ),
        )
        return [Problem(where=where, what=what) for where, holds, what in rules if not holds]

    @cached_property
    def version(self) -> str:
        """Twelve hex digits; the same weights give the same version."""
        return hashlib.sha256(
            f"{POLICY_FORMAT} {sorted(asdict(self).items())}".encode()
        ).hexdigest()[:12]


@dataclass(frozen=True, kw_only=True)
class BatchAssignment:
    """Who gets each ticket of a batch, and how good that is against the best possible."""

    #: One for each item, in the order of the items.
    assignments: Sequence[Assignment]
    #: Sum of urgency x (match + affinity) - load - fallbacks - deferrals.
    objective: float
    #: No assignment can have a higher objective than this.
    bound: float
    #: (bound - objective) / max(|objective|, 1).
    gap: float
    #: `min-cost flow` or `greedy with relocation`.
    method: str
    #: Needed skills that nobody on the roster has, in order of spelling.
    skill_gaps: tuple[str, ...] = ()
