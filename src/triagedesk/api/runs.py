"""`/v1/runs`: start the whole way, follow it, stop it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request

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
from triagedesk.errors import ConflictError
from triagedesk.store import Transaction
from triagedesk.store.jobs import QUIET_KINDS, Job
from triagedesk.store.lists import TicketFilter
from triagedesk.workflows.asking import begin_run
from triagedesk.workflows.asking import cancel_run as cancel_run_called
from triagedesk.workflows.asking import resume_run as resume_run_called

runs = router("runs")


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
    service = service_of(request)
    try:
        job = begin_run(service.store, service.new_id(), actor_of(request), service.desk.now())
    except ConflictError as error:
        with service.store.read() as transaction:
            (under_way, *_rest) = transaction.waiting_jobs("desk") or [""]
        raise ApiProblem(
            409, error.message, headers={"Location": f"/v1/runs/{under_way}"}
        ) from error
    jobs_of(request).wake()
    return Json(run_out(job), status_code=202, headers={"Location": f"/v1/runs/{job.id}"})


@runs.get("/runs", operation_id="listRuns", response_model=RunPage, responses=answers())
def list_runs(
    request: Request,
    limit: Limit = 50,
    cursor: Cursor = "",
    everything: Annotated[
        bool, Query(description="Also what the desk does by itself: watching, mailing, cleaning.")
    ] = False,
) -> Json:
    """Runs, newest first: begun here, by a schedule, a command or tickets that were sent."""
    with service_of(request).store.read() as transaction:
        without = () if everything else QUIET_KINDS
        found = transaction.job_list(before=mark_of(cursor), most=limit + 1, without=without)
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
    job = cancel_run_called(service.store, id_of(run_id), actor_of(request), service.desk.now())
    return Json(run_out(job), status_code=202)


@runs.post(
    "/runs/{run_id}/resume",
    operation_id="resumeRun",
    status_code=202,
    response_model=RunOut,
    responses=answers(404, 409),
    openapi_extra=needs("admin"),
)
def resume_run(request: Request, run_id: RunId) -> Json:
    """Take up a run that failed or was cancelled; what it has decided stays decided."""
    service = service_of(request)
    job = resume_run_called(service.store, id_of(run_id), actor_of(request), service.desk.now())
    jobs_of(request).wake()
    return Json(run_out(job), status_code=202)


def _find(transaction: Transaction, given: str) -> Job:
    job = transaction.job(id_of(given))
    if job is None:
        raise ApiProblem(404, f"there is no run {excerpt(given)!r}")
    return job
