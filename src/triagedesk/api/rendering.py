"""The desk's records in the shapes that clients get (`answers`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from triagedesk.agents import LONG_AGO, Agent, Shift
from triagedesk.desk_work import Choice, HandedOn, Pulled, TicketEvent, holder_of
from triagedesk.sla.calendars import WEEKDAYS
from triagedesk.store.jobs import Job
from triagedesk.store.lists import DeskTicket, PastAssignment, PastDecision
from triagedesk.store.reports import StoredReport
from triagedesk.tickets import (
    Assignment,
    Candidate,
    Classification,
    Exclusion,
    Holding,
    Status,
    TriagedTicket,
)


def time_of(at: datetime | None) -> str | None:
    """A time as it is sent."""
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def assigned_or_not(
    item: DeskTicket, ticket_id: str, title: str
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """A ticket as an entry of `assignments`, or else of `unassigned`."""
    triaged, common = item.triaged, {"ticket_id": ticket_id, "title": title}
    given = triaged.assignment if triaged else None
    if triaged is None or given is None or given.agent_id is None:
        priority = triaged.priority.priority.name if triaged else None
        return None, {**common, "priority": priority, "reason": _why_nobody(item, given)}
    return {
        **common,
        "assigned_agent_id": given.agent_id,
        "assigned_agent_name": given.agent_name,
        "priority": triaged.priority.priority.name,
        "priority_evidence": list(triaged.priority.evidence),
        "rationale": given.rationale,
        "would_change": given.would_change,
        "score": {name: round(value, 4) for name, value in given.parts.items()},
        "required_skills": _needs(given),
    }, None


def _why_nobody(item: DeskTicket, given: Assignment | None) -> str:
    if item.status is Status.RESOLVED:
        return "It is resolved; reopen it to have it assigned again."
    if given is not None and given.rationale:
        return given.rationale
    if item.status is Status.ON_HOLD:
        return "It is on hold: nobody can work on it now."
    return "It waits for the next run."


def _needs(given: Assignment) -> list[dict[str, Any]]:
    return [
        {"skill": n.skill, "weight": n.weight, "confidence": round(n.confidence, 3)}
        for n in given.needs
    ]


def ticket_out(item: DeskTicket) -> dict[str, Any]:
    """A ticket as it is sent."""
    ticket, triaged = item.ticket, item.triaged
    given = triaged.assignment if triaged else None
    return {
        "id": ticket.id,
        "source": ticket.source,
        "status": item.status.value,
        "short_description": ticket.short_description,
        "long_description": ticket.long_description,
        "requester_email": ticket.requester_email,
        "linked": list(ticket.linked),
        "created_at": time_of(ticket.created_at),
        "received_at": time_of(item.received_at),
        "updated_at": time_of(item.updated_at),
        "classification": classification_out(triaged.classification) if triaged else None,
        "sla": _sla_out(triaged) if triaged else None,
        "priority": _priority_out(triaged) if triaged else None,
        "assignment": {
            "agent_id": given.agent_id,
            "agent_name": given.agent_name,
            "rationale": given.rationale,
            **_holding_out(triaged.holding if triaged else None),
        }
        if given
        else None,
    }


def classification_out(answer: Classification) -> dict[str, Any]:
    """A classification as it is sent; both names empty where nothing fits."""
    category, kind = answer.label or ("", "")
    return {
        "request_category": category,
        "request_type": kind,
        "confidence": round(answer.confidence, 4),
        "decided_by": answer.decided_by.value,
        "model": answer.model,
        "model_version": answer.model_version,
        "needs_review": answer.needs_review,
        "notes": list(answer.notes),
        "evidence": list(answer.evidence),
        "alternatives": [
            {
                "request_category": other.label.request_category,
                "request_type": other.label.request_type,
                "probability": round(other.probability, 4),
            }
            for other in answer.alternatives
        ],
    }


def _sla_out(triaged: TriagedTicket) -> dict[str, Any] | None:
    if triaged.sla is None:
        return None
    return {
        "value": triaged.sla.value,
        "unit": triaged.sla.unit.value,
        "response_due_at": time_of(triaged.response_due_at),
        "resolution_due_at": time_of(triaged.resolution_due_at),
    }


def _priority_out(triaged: TriagedTicket) -> dict[str, Any]:
    decided = triaged.priority
    return {
        "priority": decided.priority.name,
        "impact": decided.impact.name.lower(),
        "urgency": decided.urgency.name.lower(),
        "evidence": list(decided.evidence),
    }


def _holding_out(holding: Holding | None) -> dict[str, Any]:
    return {
        "state": holding.state.value if holding else None,
        "since": time_of(holding.since) if holding else None,
        "given_by": holding.given_by if holding else "",
    }


def assignment_out(given: Assignment, holding: Holding | None) -> dict[str, Any]:
    """An assignment with everything that speaks for and against it."""
    other = given.runner_up
    return {
        "agent_id": given.agent_id,
        "agent_name": given.agent_name,
        "rationale": given.rationale,
        **_holding_out(holding),
        "score": round(given.score, 6),
        "parts": {name: round(value, 6) for name, value in given.parts.items()},
        "required_skills": _needs(given),
        "runner_up": candidate_out(other) if other else None,
        "margin": None if given.margin is None else round(given.margin, 6),
        "exclusions": exclusions_out(given.exclusions),
        "skill_gap": given.skill_gap,
        "optimal": given.optimal,
        "would_change": given.would_change,
    }


def candidate_out(candidate: Candidate) -> dict[str, Any]:
    """An agent a ticket could go to."""
    return {
        "agent_id": candidate.agent_id,
        "agent_name": candidate.agent_name,
        "score": round(candidate.score, 6),
        "match": round(candidate.match, 6),
    }


def exclusions_out(exclusions: Sequence[Exclusion]) -> list[dict[str, Any]]:
    """Why agents were not considered."""
    return [
        {"reason": e.reason, "agent_ids": list(e.agent_ids), "count": e.count} for e in exclusions
    ]


def decision_out(
    item: DeskTicket, decisions: list[PastDecision], assignments: list[PastAssignment]
) -> dict[str, Any]:
    """Everything the desk has ever decided about a ticket."""
    triaged = item.triaged
    given = triaged.assignment if triaged else None
    return {
        "ticket_id": item.ticket.id,
        "source": item.ticket.source,
        "status": item.status.value,
        "decided_at": time_of(triaged.decided_at) if triaged else None,
        "input_hash": item.ticket.content_hash,
        "catalog_version": triaged.catalog_version if triaged else "",
        "policy_version": triaged.policy_version if triaged else "",
        "classification": classification_out(triaged.classification) if triaged else None,
        "sla": _sla_out(triaged) if triaged else None,
        "priority": _priority_out(triaged) if triaged else None,
        "assignment": assignment_out(given, triaged.holding) if triaged and given else None,
        "history": {
            "decisions": [
                {
                    "decided_at": time_of(past.decided_at),
                    "run_id": past.run_id,
                    "in_force": past.in_force,
                    "classification": classification_out(past.classification),
                    "priority": f"P{past.priority}",
                    "catalog_version": past.catalog_version,
                    "policy_version": past.policy_version,
                }
                for past in decisions
            ],
            "assignments": [
                {
                    "assigned_at": time_of(held.assigned_at),
                    "committed_at": time_of(held.holding.committed_at if held.holding else None),
                    "accepted_at": time_of(held.holding.accepted_at if held.holding else None),
                    "released_at": time_of(held.released_at),
                    "released_why": held.released_why.value if held.released_why else None,
                    "released_by": held.released_by,
                    "note": held.note,
                    "run_id": held.run_id,
                    "assignment": assignment_out(held.assignment, held.holding),
                }
                for held in assignments
            ],
        },
    }


def pulled_out(pulled: Pulled) -> dict[str, Any]:
    """What an agent who asked for the next ticket gets."""
    chosen = pulled.commitment
    return {
        "ticket": ticket_out(pulled.ticket) if pulled.ticket else None,
        "why": pulled.why,
        "taken_from": pulled.taken_from,
        "index": {
            "value": round(chosen.index, 6),
            "parts": {name: round(value, 6) for name, value in chosen.parts.items()},
            "runner_up": chosen.runner_up,
            "margin": None if chosen.margin is None else round(chosen.margin, 6),
            "skipped": [
                {"reason": s.reason, "ticket_ids": list(s.ticket_ids), "count": s.count}
                for s in chosen.skipped
            ],
        }
        if chosen
        else None,
    }


def handed_out(handed: HandedOn) -> dict[str, Any]:
    """A ticket that changed hands."""
    return {
        "ticket": ticket_out(handed.ticket),
        "from_agent_id": handed.from_agent,
        "to_agent_id": handed.to_agent,
    }


def choice_out(choice: Choice) -> dict[str, Any]:
    """Whom a ticket could go to."""
    return {
        "ticket_id": choice.ticket.ticket.id,
        "agent_id": holder_of(choice.ticket),
        "candidates": [candidate_out(candidate) for candidate in choice.candidates],
        "exclusions": exclusions_out(choice.exclusions),
    }


def event_out(event: TicketEvent) -> dict[str, Any]:
    """Something that happened to a ticket."""
    return {**vars(event), "at": time_of(event.at)}


def _shift_out(shift: Shift) -> dict[str, Any]:
    hours = {
        day: [str(window) for window in windows]
        for day, windows in zip(WEEKDAYS, shift.week, strict=True)
        if windows
    }
    return {"time_zone": shift.time_zone, "hours": hours}


def agent_out(agent: Agent) -> dict[str, Any]:
    """An agent as it is sent."""
    return {
        "agent_id": agent.id,
        "name": agent.name,
        "skills": dict(agent.skills),
        "load": agent.load,
        "capacity": agent.capacity,
        "availability_status": agent.availability.value,
        "experience_level": agent.experience,
        "groups": list(agent.groups),
        "email": agent.email,
        "shift": _shift_out(agent.shift) if agent.shift else None,
        "shift_ends_at": None if agent.shift_ends_at == LONG_AGO else time_of(agent.shift_ends_at),
    }


def run_out(job: Job) -> dict[str, Any]:
    """A run as it is sent."""
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "step": job.step,
        "done": job.done,
        "total": job.total,
        "cancel_asked": job.cancel_asked,
        "created_at": time_of(job.created_at),
        "finished_at": time_of(job.finished_at),
        "summary": dict(job.summary) if job.summary is not None else None,
        "error": job.error,
    }


def report_out(report: StoredReport) -> dict[str, Any]:
    """A report as it is sent, without its file."""
    return {
        "id": report.id,
        "run_id": report.run_id,
        "created_at": time_of(report.created_at),
        "state": report.state,
        "subject": report.subject,
        "recipients": None if report.recipients is None else list(report.recipients),
        "deliveries": [
            {
                "recipient": copy.recipient,
                "state": copy.state,
                "attempts": copy.attempts,
                "error": copy.error,
                "attempted_at": time_of(copy.attempted_at),
            }
            for copy in report.deliveries
        ],
    }
