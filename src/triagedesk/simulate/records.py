"""What goes into a simulation and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from triagedesk.agents import Agent, Shift
from triagedesk.assign.index import CommitmentPolicy
from triagedesk.assign.records import AssignPolicy, WorkItem
from triagedesk.errors import InputError, Problem
from triagedesk.sla import Window

MOST_REPLICATIONS = 200
_OFFICE = (Window(opens=9 * 3600, closes=17 * 3600),)
#: Monday to Friday, nine to five, in UTC.
OFFICE_HOURS = Shift(time_zone="UTC", week=(_OFFICE,) * 5 + ((),) * 2)


class Rule(StrEnum):
    """Who gets a ticket, and when that is decided."""

    #: Given on arrival, in turn, to those with the skill; each works by priority, then age.
    ROUND_ROBIN = "round-robin"
    #: Given on arrival to whoever with the skill has least open work.
    LEAST_LOADED = "least-loaded"
    #: Given on arrival by our score (skill match, urgency, load).
    SCORE = "score"
    #: The same, and what nobody has begun is shared out anew every five minutes.
    REBALANCE = "score+rebalance"
    #: Decided when somebody is free: the highest priority, then the oldest.
    PRIORITY = "priority-pull"
    #: Decided when somebody is free: what is due first.
    DEADLINE = "deadline-pull"
    #: Decided when somebody is free: the highest index.
    INDEX = "index"
    #: The same, and P1 interrupts work on P3 and P4.
    INTERRUPT = "index+interrupt"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A desk to simulate; raises InputError for one that cannot be."""

    roster: tuple[Agent, ...]
    #: What arrives when; `due_at` is what it is measured by.
    items: tuple[WorkItem, ...]
    assign_policy: AssignPolicy = field(default_factory=AssignPolicy)
    #: Also says how long tickets take (`handling`, `handling_by_skill`).
    commitment: CommitmentPolicy = field(default_factory=CommitmentPolicy)
    #: Ticket id -> hours it takes someone of proficiency 6 to 7, where that is known better than
    #: by skill. Dispatchers do not see it.
    hours: Mapping[str, float] = field(default_factory=dict)
    #: When agents work who have no shift.
    default_shift: Shift = OFFICE_HOURS
    #: Standard deviation of handling times relative to their mean (log-normal).
    variation: float = 1.0
    #: Tickets that arrive within this from the first are worked on but not counted.
    warm_up: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        problems = []
        if not self.roster:
            problems.append(Problem(where="agents", what="there are none"))
        if not self.items:
            problems.append(Problem(where="tickets", what="there are none"))
        if not 0 <= self.variation <= 10:  # noqa: PLR2004 - ten times the mean is already absurd
            problems.append(Problem(where="variation", what=f"{self.variation} is not 0 to 10"))
        if self.items:
            created = [item.created_at for item in self.items]
            if self.warm_up and max(created) - min(created) <= self.warm_up:
                problems.append(Problem(where="warm-up", what="is longer than the history"))
        if problems:
            raise InputError("This cannot be simulated.", problems=problems)


@dataclass(frozen=True, kw_only=True)
class Replication:
    """What one pass through the history came to."""

    #: Share of tickets with a deadline that missed it, 0-1; None without any.
    breached: float | None
    #: The same by priority 1-4, of those there are.
    breached_by_priority: Mapping[int, float]
    #: Mean hours until work on a ticket began.
    wait_hours: float
    #: 95 % were resolved within so many hours.
    resolved_p95_hours: float
    #: Hours worked of hours on shift, 0-1, and of the agent who worked most and least of them.
    utilisation: float
    busiest: float
    idlest: float
    #: Tickets nobody had finished at the end.
    unfinished: int
    interruptions: int


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over replications with its 95 % confidence interval (Student's t)."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a rule came to on a desk, over all replications."""

    name: str
    rule: Rule
    agents: int
    replications: tuple[Replication, ...]
    #: By name of a field of Replication, and `breached_p1` to `breached_p4`.
    figures: Mapping[str, Estimate]
    #: By how much less is breached than by the first outcome, as a share of its breaches, with the
    #: 95 % interval of a paired bootstrap; None for the first, or where that breached nothing.
    fewer_breaches: Estimate | None
