"""Runs: begin one, see how far it is, stop it, take it up again."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from triagedesk.errors import ConflictError
from triagedesk.store.jobs import Job
from triagedesk.web.rendering import address
from triagedesk.web.visits import Visit, action, view
from triagedesk.workflows.asking import ENDED, begin_run, cancel_run, resume_run, run_called

#: What of a run's summary is shown, in this order; each is a number of tickets.
_FIGURES = ("fetched", "new", "changed", "decided", "assigned_now", "written_back", "sla_events")


def run(visit: Visit, run_id: str) -> Response:
    """One run."""
    return visit.render("run.html", **_everything(visit, run_id))


def run_changes(visit: Visit, run_id: str) -> Response:
    """The run again, when it moved on."""
    job = run_called(visit.store, run_id)
    mark = _mark(job)
    if mark == visit.query.get("since", ""):
        return Response(status_code=204, headers={"X-Rev": mark})
    answer = visit.rows("run_body.html", 0, **_everything(visit, run_id))
    answer.headers["X-Rev"] = mark
    return answer


def _everything(visit: Visit, run_id: str) -> dict[str, Any]:
    job = run_called(visit.store, run_id)
    with visit.store.read() as transaction:
        report = transaction.report(job.id)
    summary = job.summary or {}
    usage = summary.get("usage") or {}
    notes = summary.get("notes") or []
    return {
        "job": job,
        "report": report,
        "figures": [(name, summary[name]) for name in _FIGURES if summary.get(name)],
        "usage": usage if usage.get("calls") else None,
        "notes": [str(note) for note in notes],
        "only_sent": bool(summary.get("only_resent")),
        "sent": summary.get("reports", []) if summary.get("only_resent") else [],
        "ended": job.state in ENDED,
        "mark": _mark(job),
    }


def _mark(job: Job) -> str:
    """Changes with whatever the page shows of a run."""
    return f"{job.state}.{job.attempt}.{job.done}.{job.total}.{job.cancel_asked:d}.{job.step}"[:200]


def begin(visit: Visit) -> Response:
    """Go the whole way now; or see the run that is under way already."""
    try:
        job = begin_run(visit.store, visit.desk.new_id(), visit.actor, visit.now)
    except ConflictError:
        with visit.store.read() as transaction:
            under_way = transaction.waiting_jobs("desk")
        if not under_way:
            raise
        return visit.go(address("/runs", under_way[0]), did="run_is_on")
    visit.jobs.wake()
    return visit.go(address("/runs", job.id), did="run_begun")


def cancel(visit: Visit, run_id: str) -> Response:
    """Stop after the tickets in hand."""
    job = cancel_run(visit.store, run_id, visit.actor, visit.now)
    return visit.go(address("/runs", job.id), did="run_cancelled")


def resume(visit: Visit, run_id: str) -> Response:
    """Take up a run that failed or was cancelled."""
    job = resume_run(visit.store, run_id, visit.actor, visit.now)
    visit.jobs.wake()
    return visit.go(address("/runs", job.id), did="run_resumed")


ROUTES: list[BaseRoute] = [
    action("/runs", begin, role="lead"),
    view("/runs/{run_id}", run),
    view("/runs/{run_id}/changes", run_changes),
    action("/runs/{run_id}/cancel", cancel, role="lead"),
    action("/runs/{run_id}/resume", resume, role="lead"),
]
