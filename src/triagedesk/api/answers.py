"""What clients get: the shapes of answers in the OpenAPI document; `rendering` fills them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from triagedesk.tickets import AssignmentState, ReleasedFor


class NeedOut(BaseModel):
    """A skill a ticket needs."""

    skill: str
    weight: float = Field(description="1: primary, 0.5: secondary.")
    confidence: float


class Assigned(BaseModel):
    """A ticket with the agent who has it."""

    ticket_id: str
    title: str
    assigned_agent_id: str
    assigned_agent_name: str
    priority: Literal["P1", "P2", "P3", "P4"]
    priority_evidence: list[str]
    rationale: str = Field(description="One sentence on why.")
    would_change: str = Field(description="What would have changed the choice.")
    score: dict[str, float] = Field(description="Its parts by name.")
    required_skills: list[NeedOut]


class Unassigned(BaseModel):
    """A ticket without an agent."""

    ticket_id: str
    title: str
    priority: Literal["P1", "P2", "P3", "P4"] | None
    reason: str


class Assignments(BaseModel):
    """Every ticket of the request, in exactly one of the two lists, in the request's order."""

    assignments: list[Assigned]
    unassigned: list[Unassigned]
    run_id: str = Field(description="The run that decided; empty when nothing was new.")
    dry_run: bool
    method: str = Field(description="How the new ones were solved; empty when nothing was new.")
    optimality_gap: float = Field(description="Relative distance to the best possible.")
    skill_gaps: list[str] = Field(description="Needed skills that nobody has.")


class AssignmentPage(BaseModel):
    """Tickets of a run, a page of them."""

    assignments: list[Assigned]
    unassigned: list[Unassigned]
    next: str | None = Field(description="Cursor of the next page; null on the last.")


class AlternativeOut(BaseModel):
    """A label that was considered."""

    request_category: str
    request_type: str
    probability: float


class ClassificationOut(BaseModel):
    """What a ticket is, who said so, and how sure they were."""

    request_category: str
    request_type: str
    confidence: float
    decided_by: Literal["source", "correction", "local", "llm", "human"]
    model: str
    model_version: str
    needs_review: bool
    notes: list[str]
    evidence: list[str]
    alternatives: list[AlternativeOut]


class SlaOut(BaseModel):
    """Time targets; a value of 0 is no deadline."""

    value: int
    unit: Literal["hours", "days"]
    response_due_at: datetime | None
    resolution_due_at: datetime | None


class PriorityOut(BaseModel):
    """A priority and why."""

    priority: Literal["P1", "P2", "P3", "P4"]
    impact: Literal["high", "medium", "low"]
    urgency: Literal["high", "medium", "low"]
    evidence: list[str]


class AssignmentOut(BaseModel):
    """Who has a ticket, in short; `agent_id` null: better left in the queue."""

    agent_id: str | None
    agent_name: str
    rationale: str
    state: AssignmentState | None = Field(
        description="tentative: whoever is free first may still pull it; committed: theirs; "
        "accepted: they work on it; null without an agent."
    )
    since: datetime | None
    given_by: str = Field(description="The person who gave it to them; empty: the desk.")


class TicketOut(BaseModel):
    """A ticket and what the desk has decided about it; null where it has not yet."""

    id: str
    source: str
    status: Literal["open", "on_hold", "resolved"]
    short_description: str
    long_description: str
    requester_email: str
    linked: list[str]
    created_at: datetime | None
    received_at: datetime
    updated_at: datetime
    classification: ClassificationOut | None
    sla: SlaOut | None
    priority: PriorityOut | None
    assignment: AssignmentOut | None


class TicketsOut(BaseModel):
    """Tickets of a request, in its order."""

    tickets: list[TicketOut]


class TicketPage(BaseModel):
    """Tickets, newest first."""

    tickets: list[TicketOut]
    next: str | None = Field(description="Cursor of the next page; null on the last.")


class CandidateOut(BaseModel):
    """An agent a ticket could have gone to."""

    agent_id: str
    agent_name: str
    score: float
    match: float


class ExclusionOut(BaseModel):
    """Why agents were not considered."""

    reason: str
    agent_ids: list[str]
    count: int


class AssignmentInFull(AssignmentOut):
    """An assignment with everything that speaks for and against it."""

    score: float
    parts: dict[str, float]
    required_skills: list[NeedOut]
    runner_up: CandidateOut | None
    margin: float | None
    exclusions: list[ExclusionOut]
    skill_gap: bool
    optimal: bool
    would_change: str


class PastDecisionOut(BaseModel):
    """A decision, in force or replaced."""

    decided_at: datetime
    run_id: str
    in_force: bool
    classification: ClassificationOut
    priority: Literal["P1", "P2", "P3", "P4"]
    catalog_version: str
    policy_version: str


class PastAssignmentOut(BaseModel):
    """An assignment or deferral, in force or ended."""

    assigned_at: datetime
    committed_at: datetime | None
    accepted_at: datetime | None
    released_at: datetime | None
    released_why: ReleasedFor | None
    released_by: str
    note: str = Field(description="Why it ended, in the words of whoever ended it.")
    run_id: str = Field(description="Empty where somebody at the desk did it.")
    assignment: AssignmentInFull


class HistoryOut(BaseModel):
    """Everything that was ever decided about a ticket, oldest first."""

    decisions: list[PastDecisionOut]
    assignments: list[PastAssignmentOut]


class DecisionOut(BaseModel):
    """Why a ticket is what it is and with whom it is."""

    ticket_id: str
    source: str
    status: Literal["open", "on_hold", "resolved"]
    decided_at: datetime | None
    input_hash: str
    catalog_version: str
    policy_version: str
    classification: ClassificationOut | None
    sla: SlaOut | None
    priority: PriorityOut | None
    assignment: AssignmentInFull | None
    history: HistoryOut


class CorrectionOut(BaseModel):
    """What a correction brought."""

    ticket: TicketOut
    lesson: str = Field(description="`triagedesk corrections undo` takes it back.")
    contradicted: int = Field(description="Earlier answers for the same text that differ.")


class HandedOnOut(BaseModel):
    """A ticket that changed hands."""

    ticket: TicketOut
    from_agent_id: str
    to_agent_id: str | None = Field(description="Null: it waits in the queue.")


class SkippedOut(BaseModel):
    """Waiting tickets that were not for this agent."""

    reason: str
    ticket_ids: list[str]
    count: int


class IndexOut(BaseModel):
    """Why this ticket came first, in numbers."""

    value: float
    parts: dict[str, float]
    runner_up: str | None = Field(description="Id of the ticket that comes next.")
    margin: float | None
    skipped: list[SkippedOut]


class PulledOut(BaseModel):
    """The ticket to begin now; null where nothing waits that is for this agent."""

    ticket: TicketOut | None
    why: str
    taken_from: str = Field(description="Who had it tentatively until now; empty: nobody else.")
    index: IndexOut | None


class ChoiceOut(BaseModel):
    """Whom a ticket could go to, best first."""

    ticket_id: str
    agent_id: str | None = Field(description="Who has it.")
    candidates: list[CandidateOut]
    exclusions: list[ExclusionOut]


class TicketEventOut(BaseModel):
    """Something that happened to a ticket."""

    at: datetime
    what: str
    agent_id: str
    agent_name: str
    by: str = Field(description="Who did it; empty: the desk.")
    note: str


class StoryOut(BaseModel):
    """What became of a ticket, oldest first."""

    ticket_id: str
    source: str
    events: list[TicketEventOut]


class ShiftOut(BaseModel):
    """When an agent works, by the clock on the wall where they are."""

    time_zone: str
    hours: dict[str, list[str]]


class AgentOut(BaseModel):
    """An agent with the load of now."""

    agent_id: str
    name: str
    skills: dict[str, int]
    load: int = Field(description="Open work now, in tickets.")
    capacity: int
    availability_status: Literal["available", "away", "offline"]
    experience_level: float
    groups: list[str]
    email: str
    shift: ShiftOut | None
    shift_ends_at: datetime | None = Field(
        description="End of the shift that runs now; of weekly hours too."
    )


class AvailabilityOut(BaseModel):
    """An agent, and what they handed back when they went."""

    agent: AgentOut
    handed_back: list[HandedOnOut]


class AgentPage(BaseModel):
    """Agents by id."""

    agents: list[AgentOut]
    next: str | None = Field(description="Cursor of the next page; null on the last.")


class RunOut(BaseModel):
    """A run and how far it is."""

    id: str
    kind: Literal[
        "desk",
        "assignment",
        "tickets",
        "lesson",
        "inbox",
        "mail",
        "watch",
        "rebalance",
        "clean-up",
    ]
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    step: str
    done: int
    total: int | None
    cancel_asked: bool
    created_at: datetime
    finished_at: datetime | None
    summary: dict[str, Any] | None
    error: str


class RunPage(BaseModel):
    """Runs, newest first."""

    runs: list[RunOut]
    next: str | None = Field(description="Cursor of the next page; null on the last.")


class DeliveryOut(BaseModel):
    """One recipient's copy of a report."""

    recipient: str
    state: Literal["pending", "delivered", "parked"]
    attempts: int
    error: str
    attempted_at: datetime


class ReportOut(BaseModel):
    """A report in the outbox."""

    id: str
    run_id: str
    created_at: datetime
    state: Literal["unsent", "sent", "kept", "discarded"]
    subject: str
    recipients: list[str] | None = Field(description="Named by hand; null: the settings'.")
    deliveries: list[DeliveryOut]


class ReportPage(BaseModel):
    """Reports, newest first."""

    reports: list[ReportOut]
    next: str | None = Field(description="Cursor of the next page; null on the last.")
