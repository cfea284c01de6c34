"""Agents and tickets given together: the same steps 5 and 6, without a catalog or a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from triagedesk.agents import Agent, SkillNeed
from triagedesk.assign import AssignPolicy, BatchAssignment, WorkItem, assign_batch
from triagedesk.desk import Progress, SkillReader
from triagedesk.pipeline import CHUNK, priority_of
from triagedesk.priority import PriorityDecision, PriorityPolicy
from triagedesk.tickets import BrokenTicket, Ticket, TriagedTicket

_decision = TypeAdapter(TriagedTicket)


@dataclass(frozen=True, kw_only=True)
class OneOff:
    """Tickets assigned among the agents that came with them."""

    tickets: tuple[Ticket, ...]
    priorities: tuple[PriorityDecision, ...]
    #: In the tickets' order.
    batch: BatchAssignment


def assign_one_off(
    tickets: Sequence[Ticket],
    agents: Sequence[Agent],
    *,
    skill_reader: SkillReader,
    priority_policy: PriorityPolicy,
    assign_policy: AssignPolicy,
    now: datetime,
    progress: Progress,
) -> OneOff:
    """Steps 5 and 6 for tickets and agents given together: no catalog, no store."""
    agents = [agent.on_shift(now) for agent in agents]
    skills = sorted({name for agent in agents for name in agent.skills})
    progress.start("Reading what tickets need", len(tickets))
    needs: list[tuple[SkillNeed, ...]] = []
    for start in range(0, len(tickets), CHUNK):
        chunk = tickets[start : start + CHUNK]
        needs += skill_reader.needs([ticket.text for ticket in chunk], skills)
        progress.advance(len(chunk))
    progress.start("Assigning", None)
    priorities = tuple(priority_of(ticket, priority_policy) for ticket in tickets)
    items = [
        WorkItem(
            ticket_id=ticket.id,
            title=ticket.short_description,
            priority=decision.priority,
            needs=needed,
            created_at=ticket.created_at or now,
            requester=ticket.requester_email,
        )
        for ticket, decision, needed in zip(tickets, priorities, needs, strict=True)
    ]
    batch = assign_batch(items, agents, policy=assign_policy, now=now)
    return OneOff(tickets=tuple(tickets), priorities=priorities, batch=batch)


def as_json(one_off: OneOff, broken: Sequence[BrokenTicket]) -> dict[str, Any]:
    """The answer in JSON types: every ticket is in exactly one of the two lists."""
    assignments: list[dict[str, Any]] = []
    unassigned: list[dict[str, Any]] = []
    told = zip(one_off.tickets, one_off.priorities, one_off.batch.assignments, strict=True)
    for ticket, decision, assignment in told:
        common = {
            "ticket_id": ticket.id,
            "title": ticket.short_description,
            "priority": decision.priority.name,
            "priority_evidence": list(decision.evidence),
        }
        if assignment.agent_id is None:
            unassigned.append({**common, "reason": assignment.rationale})
            continue
        assignments.append(
            {
                **common,
                "assigned_agent_id": assignment.agent_id,
                "assigned_agent_name": assignment.agent_name,
                "rationale": assignment.rationale,
                "would_change": assignment.would_change,
                "score": {name: round(value, 4) for name, value in assignment.parts.items()},
                "required_skills": [
                    {"skill": n.skill, "weight": n.weight, "confidence": round(n.confidence, 3)}
                    for n in assignment.needs
                ],
            }
        )
    unassigned += [
        {"ticket_id": item.id or None, "title": "", "reason": item.reason} for item in broken
    ]
    return {
        "assignments": assignments,
        "unassigned": unassigned,
        "objective": round(one_off.batch.objective, 6),
        "optimality_gap": round(one_off.batch.gap, 9),
        "method": one_off.batch.method,
    }


def decisions_as_jsonl(triaged: Sequence[TriagedTicket]) -> bytes:
    """Every decision as a line of JSON, in the given order."""
    lines = (_decision.dump_json(item, exclude={"key"}) for item in triaged)
    return b"".join(line + b"\n" for line in lines)
