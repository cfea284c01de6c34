"""`/v1/runs`: start the whole way, follow it, stop it."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from triagedesk.api.answers import AssignmentPage, RunOut, RunPage
from triagedesk.api.common import (
    Cursor,
    Limit,
    RunId,
    actor_of,
    answers,
    cursor_of,
    id_of,
    jobs_of,
    key_of,
    mark_of,
    page,
    service_of,
)
from triagedesk.api.problems import ApiProblem, Json
from triagedesk.api.rendering import assigned_or_not, run_out
from triagedesk.api.routing import needs, router
from triagedesk.cleaning import excerpt
from triagedesk.store import Transaction
from triagedesk.store.jobs import Job
from triagedesk.store.lists import TicketFilter

runs = router("runs")

_ENDED = ("done", "failed", "cancelled")


@runs.post(
    "/runs",
    operation_id="startRun",
    status_code=202,
    response_model=RunOut,
    responses=answers(409),
    openapi_extra=needs("admin"),
)
def start_run(request: Request) -> Json:
    """Fetch, classify, prioritise, assign, report, send; or send what is still unsent."""
    with service_of(request).store.read() as transaction:
        for job_id in transaction.waiting_jobs():
            job = transaction.job(job_id)
            if job and job.kind == "desk":
                raise ApiProblem(
                    409, f"the run {job.id} is not over", headers={"Location": f"/v1/runs/{job.id}"}
                )
    job = jobs_of(request).accept("desk", actor_of(request))
    return Json(run_out(job), status_code=202, headers={"Location": f"/v1/runs/{job.id}"})


@runs.get("/runs", operation_id="listRuns", response_model=RunPage, responses=answers())
def list_runs(request: Request, limit: Limit = 50, cursor: Cursor = "") -> Json:
    """Runs, newest first: started here, by the command line, or by a batch that was sent."""
    with service_of(request).store.read() as transaction:
        found = transaction.job_list(before=mark_of(cursor), most=limit + 1)
    following = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return page(request, "runs", [run_out(job) for job in found[:limit]], following)


@runs.get("/runs/{run_id}", operation_id="readRun", response_model=RunOut, responses=answers(404))
def read_run(request: Request, run_id: RunId) -> Json:
    """How far a run is, and what it did once it is over."""
    with service_of(request).store.read() as transaction:
        return Json(run_out(_find(transaction, run_id)))


@runs.get(
    "/runs/{run_id}/assignments",
    operation_id="readRunAssignments",
    response_model=AssignmentPage,
    responses=answers(404),
)
def read_run_assignments(
    request: Request, run_id: RunId, limit: Limit = 200, cursor: Cursor = ""
) -> Json:
    """Who has the tickets of a run, newest ticket first, as `ticket-assignment` would answer."""
    with service_of(request).store.read() as transaction:
        wanted = TicketFilter(run_id=_find(transaction, run_id).id)
        found = transaction.desk_tickets(wanted, before=key_of(cursor), most=limit + 1)
    given: list[Any] = []
    left: list[Any] = []
    for item in found[:limit]:
        ticket = item.ticket
        assigned, unassigned = assigned_or_not(item, ticket.id, ticket.short_description)
        if assigned:
            given.append(assigned)
        else:
            left.append(unassigned)
    following = cursor_of(found[limit - 1].key) if len(found) > limit else None
    return Json({"assignments": given, "unassigned": left, "next": following})


@runs.post(
    "/runs/{run_id}/cancel",
    operation_id="cancelRun",
    status_code=202,
    response_model=RunOut,
    responses=answers(404, 409),
    openapi_extra=needs("admin"),
)
def cancel_run(request: Request, run_id: RunId) -> Json:
    """Stop a run after the tickets in hand; what it has decided stays decided."""
    service = service_of(request)
    with service.store.begin() as transaction:
        job = _find(transaction, run_id)
        if job.state in _ENDED:
            raise ApiProblem(409, f"the run is over: {job.state}")
        if not job.actor:
            raise ApiProblem(409, "the run was started on the command line; stop it there")
        transaction.ask_to_cancel(job.id)
        details = {"kind": job.kind}
        transaction.audit(
            "run cancelled",
            job.id,
            actor=actor_of(request),
            at=service.desk.now(),
            details=details,
        )
        job = _find(transaction, job.id)
    return Json(run_out(job), status_code=202)


def _find(transaction: Transaction, given: str) -> Job:
    job = transaction.job(id_of(given))
    if job is None:
        raise ApiProblem(404, f"there is no run {excerpt(given)!r}")
    return job
