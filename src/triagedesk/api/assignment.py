"""`POST /v1/ticket-assignment`: who gets which ticket, and why."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, Query, Request

from triagedesk.api import examples
from triagedesk.api.answers import Assignments, RunOut
from triagedesk.api.checks import check_agents, refuse, unique
from triagedesk.api.common import actor_of, answers, jobs_of, service_of
from triagedesk.api.jobs import assignment_batch
from triagedesk.api.problems import Json
from triagedesk.api.rendering import assigned_or_not, run_out
from triagedesk.api.routing import router
from triagedesk.api.wire import SYNC_TICKETS, TicketAssignment
from triagedesk.desk import RunSummary
from triagedesk.intake import preview, take_in

assignment = router("assignment")

DryRun = Annotated[bool, Query(description="Only say what would be decided; keep nothing.")]


@assignment.post(
    "/ticket-assignment",
    operation_id="assignTickets",
    response_model=Assignments,
    responses={
        202: {
            "model": RunOut,
            "description": f"More than {SYNC_TICKETS} tickets: accepted as a run; see `Location`.",
        },
        **answers(502, body=True),
    },
)
def assign_tickets(
    request: Request,
    wanted: Annotated[TicketAssignment, Body(openapi_examples=examples.ASSIGNMENT)],
    dry_run: DryRun = False,
) -> Json:
    """Assign tickets among the agents sent along, or among the desk's own.

    Every ticket comes back in exactly one of `assignments` and `unassigned`, in the order sent.
    A ticket is assigned once: sent again, it keeps its agent. An agent's load is what the desk
    knows; `current_load` counts when the agent is first seen, or with `load_source: request`.
    """
    faults = unique("tickets", "ticket_id", [ticket.id for ticket in wanted.tickets])
    refuse([*check_agents(wanted.agents or ()), *faults])
    service = service_of(request)
    if len(wanted.tickets) > SYNC_TICKETS and not dry_run:
        return accept(
            request, "assignment", wanted.model_dump_json(exclude_unset=True), len(wanted.tickets)
        )
    batch = assignment_batch(service, wanted)
    run_id = service.new_id()
    summary = RunSummary(run_id=run_id, started_at=service.desk.now())
    decide = preview if dry_run else take_in
    items = decide(service.desk, batch, service.catalog(), summary)
    given: list[Any] = []
    left: list[Any] = []
    for item, asked in zip(items, wanted.tickets, strict=True):
        assigned, unassigned = assigned_or_not(item, asked.ticket_id, asked.title)
        if assigned:
            given.append(assigned)
        else:
            left.append(unassigned)
    if not dry_run:
        service.metrics.tickets.inc(len(items))
    return Json(
        {
            "assignments": given,
            "unassigned": left,
            "run_id": run_id if summary.assign_method and not dry_run else "",
            "dry_run": dry_run,
            "method": summary.assign_method,
            "optimality_gap": round(summary.assign_gap, 9),
            "skill_gaps": list(summary.skill_gaps),
        }
    )


def accept(request: Request, kind: str, body: str, total: int) -> Json:
    """Take a batch on as a run."""
    job = jobs_of(request).accept(kind, actor_of(request), request=body.encode(), total=total)
    return Json(run_out(job), status_code=202, headers={"Location": f"/v1/runs/{job.id}"})
