"""A ticket and what the desk has decided about it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from triagedesk.agents import SkillNeed
from triagedesk.catalog import Label, Sla, SlaUnit
from triagedesk.priority import Level, Priority, PriorityDecision
from triagedesk.sla import SlaState

_TEXT_OF = json.JSONEncoder(ensure_ascii=False).encode


class Status(StrEnum):
    """Where a ticket stands at the helpdesk."""

    OPEN = "open"
    ON_HOLD = "on_hold"
    RESOLVED = "resolved"


class DecidedBy(StrEnum):
    """Who or what classified a ticket."""

    SOURCE = "source"
    CORRECTION = "correction"
    LOCAL = "local"
    LLM = "llm"
    HUMAN = "human"


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """A ticket as it arrived. Empty text, None and an SLA value of 0 mean "not filled"."""

    #: Name of the source it came from, e.g. `webhook` or `file`.
    source: str
    #: The source's own id; unique within the source.
    id: str
    short_description: str
    long_description: str = ""
    requester_email: str = ""
    request_category: str = ""
    request_type: str = ""
    sla_value: int = 0
    sla_unit: SlaUnit | None = None
    status: Status = Status.OPEN
    priority: Priority | None = None
    impact: Level | None = None
    urgency: Level | None = None
    #: When it was raised; None where the source does not say (then: when it was first seen).
    created_at: datetime | None = None
    #: When it was last changed at the source; None where the source does not say.
    updated_at: datetime | None = None
    #: Ids of tickets of the same source that it belongs with.
    linked: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, at in (("created_at", self.created_at), ("updated_at", self.updated_at)):
            if at is not None and at.tzinfo is None:
                raise ValueError(f"{name} of ticket {self.id} has no time zone: {at}")

    @property
    def text(self) -> str:
        """Subject and body, as models read them."""
        return f"{self.short_description}\n{self.long_description}".strip()

    def called(self, id: str) -> Ticket:  # noqa: A002 (the field's own name)
        """The same ticket under another id; `replace` takes ten times as long."""
        ticket = object.__new__(Ticket)
        vars(ticket).update(vars(self), id=id)
        return ticket

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over everything a decision depends on; the same content gives the same hash."""
        content = [
            self.short_description,
            self.long_description,
            self.request_category,
            self.request_type,
            self.sla_value,
            self.sla_unit,
            self.priority,
            self.impact,
            self.urgency,
        ]
        return hashlib.sha256(_TEXT_OF(content).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class ReceivedTicket:
    """A ticket as the store keeps it."""

    #: The store's own number for it.
    key: int
    ticket: Ticket
    #: When it was first seen here.
    received_at: datetime


@dataclass(frozen=True, kw_only=True)
class BrokenTicket:
    """A ticket that could not be read and was set aside."""

    #: Position in the answer, from 0.
    position: int
    #: Its id, where it had one.
    id: str
    #: What is wrong, naming the field and the value.
    reason: str
    #: The raw item, cut to a readable length.
    raw: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Alternative:
    """A label a classifier considered, with its probability."""

    label: Label
    probability: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Classification:
    """What a ticket is, who said so, and how sure they were."""

    #: None when nothing in the catalog fits.
    label: Label | None
    #: Calibrated probability that the label is right, 0-1.
    confidence: float
    decided_by: DecidedBy
    #: Model name and version, e.g. `local` / `minilm-int8+use+topics:3f2a`.
    model: str = ""
    model_version: str = ""
    #: True when nobody should rely on it before a person has looked.
    needs_review: bool = False
    #: Why it needs review, or what happened on the way ("the LLM did not answer: ...").
    notes: tuple[str, ...] = ()
    #: The phrases that decided.
    evidence: tuple[str, ...] = ()
    #: The best labels not chosen, most probable first.
    alternatives: tuple[Alternative, ...] = ()
    #: Stated by an LLM reply only.
    impact: Level | None = None
    urgency: Level | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """An agent a ticket could have gone to."""

    agent_id: str
    agent_name: str
    #: Net score after load and slot price.
    score: float
    #: Skill match 0-1.
    match: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Exclusion:
    """Why agents were not considered."""

    reason: str
    #: Ids of the agents excluded for this reason; the first few by name order.
    agent_ids: tuple[str, ...]
    #: How many were excluded for it in all.
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """Who gets a ticket, and why; `agent_id` None is a deferral: better left in the queue."""

    ticket_id: str
    agent_id: str | None
    agent_name: str = ""
    score: float = 0.0
    #: Score parts by name: match, urgency, load, experience, slot_price, affinity.
    parts: Mapping[str, float] = field(default_factory=dict)
    needs: tuple[SkillNeed, ...] = ()
    runner_up: Candidate | None = None
    #: Score difference to the runner-up; None without one.
    margin: float | None = None
    exclusions: tuple[Exclusion, ...] = ()
    #: True when nobody on the roster has a skill the ticket needs.
    skill_gap: bool = False
    #: False when it comes from the greedy fallback.
    optimal: bool = True
    #: One sentence a colleague could have written.
    rationale: str = ""
    #: What would have changed the choice.
    would_change: str = ""
    #: The assignment group that had to take it; "" is any.
    group: str = ""


class AssignmentState(StrEnum):
    """How far an assignment is."""

    #: The best agent as things are; another one may still pull the ticket.
    TENTATIVE = "tentative"
    #: The agent's for good, and not begun.
    COMMITTED = "committed"
    #: The agent works on it.
    ACCEPTED = "accepted"


class ReleasedFor(StrEnum):
    """Why an assignment ended."""

    DECLINED = "declined"
    HANDED_BACK = "handed back"
    #: Their agent went away or offline before they had begun.
    AWAY = "away"
    OFFLINE = "offline"
    REASSIGNED = "reassigned"
    #: Somebody else was free first.
    PULLED = "pulled"
    REBALANCED = "rebalanced"
    INTERRUPTED = "interrupted"
    #: Taken away as its SLA was at risk or breached.
    ESCALATED = "escalated"
    RESOLVED = "resolved"


@dataclass(frozen=True, kw_only=True, slots=True)
class Holding:
    """How a ticket stands with the agent who has it."""

    since: datetime
    committed_at: datetime | None = None
    accepted_at: datetime | None = None
    #: The person who gave it to them; "" is the desk itself.
    given_by: str = ""

    @property
    def state(self) -> AssignmentState:
        """How far it is."""
        if self.accepted_at is not None:
            return AssignmentState.ACCEPTED
        if self.committed_at is not None:
            return AssignmentState.COMMITTED
        return AssignmentState.TENTATIVE


@dataclass(frozen=True, kw_only=True, slots=True)
class SlaStanding:
    """What a ticket's clock for one target says."""

    #: `response`, `resolution`, or `group`: how long its assignment group may hold it.
    target: str
    #: None while it is on hold before it got there; one that was stopped keeps the one it had.
    due_at: datetime | None
    #: At risk from then on; None where it was on hold or stopped before that.
    warn_at: datetime | None
    paused: bool = False
    #: When it was answered or resolved; None while that is to come.
    stopped_at: datetime | None = None

    def state(self, now: datetime) -> SlaState:
        """Where the target stands at `now`; it is breached after its due time, not at it."""
        if self.stopped_at is not None:
            late = self.due_at is not None and self.due_at < self.stopped_at
            return SlaState.MISSED if late else SlaState.MET
        if self.due_at is not None and self.due_at < now:
            return SlaState.BREACHED
        if self.paused:
            return SlaState.PAUSED
        at_risk = self.warn_at is not None and self.warn_at <= now
        return SlaState.AT_RISK if at_risk else SlaState.RUNNING


@dataclass(frozen=True, kw_only=True)
class TriagedTicket:
    """A ticket with every decision about it."""

    #: The store's own number for the ticket; 0 outside a store.
    key: int = 0
    ticket: Ticket
    #: When it was first seen here; the SLA starts at `ticket.created_at` or else here.
    received_at: datetime
    classification: Classification
    catalog_version: str
    policy_version: str
    decided_at: datetime
    #: None when no catalog entry applies and none arrived with the ticket.
    sla: Sla | None
    response_due_at: datetime | None
    resolution_due_at: datetime | None
    priority: PriorityDecision
    #: None until the batch has been assigned.
    assignment: Assignment | None = None
    #: None where no agent has it.
    holding: Holding | None = None
    #: Its clocks; none before they are started, nor for a target that nobody promised.
    clocks: tuple[SlaStanding, ...] = ()
