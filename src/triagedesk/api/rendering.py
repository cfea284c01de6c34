"""The desk's records in the shapes that clients get (`answers`)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from triagedesk.agents import Agent
from triagedesk.store.jobs import Job
from triagedesk.store.lists import DeskTicket, PastAssignment, PastDecision
from triagedesk.store.reports import StoredReport
from triagedesk.tickets import Assignment, Classification, Status, TriagedTicket


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


def assignment_out(given: Assignment) -> dict[str, Any]:
    """An assignment with everything that speaks for and against it."""
    other = given.runner_up
    return {
        "agent_id": given.agent_id,
        "agent_name": given.agent_name,
        "rationale": given.rationale,
        "score": round(given.score, 6),
        "parts": {name: round(value, 6) for name, value in given.parts.items()},
        "required_skills": _needs(given),
        "runner_up": {
            "agent_id": other.agent_id,
            "agent_name": other.agent_name,
            "score": round(other.score, 6),
            "match": round(other.match, 6),
        }
        if other
        else None,
        "margin": None if given.margin is None else round(given.margin, 6),
        "exclusions": [
            {"reason": e.reason, "agent_ids": list(e.agent_ids), "count": e.count}
            for e in given.exclusions
        ],
        "skill_gap": given.skill_gap,
        "optimal": given.optimal,
        "would_change": given.would_change,
    }


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
        "assignment": assignment_out(given) if given else None,
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
                    "released_at": time_of(held.released_at),
                    "run_id": held.run_id,
                    "assignment": assignment_out(held.assignment),
                }
                for held in assignments
            ],
        },
    }


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
        "shift_ends_at": time_of(agent.shift_ends_at),
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
