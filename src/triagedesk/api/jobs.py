"""Runs beside the requests: one after the other, stopped between chunks, taken up after a restart.

What a job was asked for is in the store until it is done, and everything a job does can be done
twice; so a server that is stopped or killed leaves nothing half done that the next one would not
carry on.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import structlog

from triagedesk import app
from triagedesk.api.service import Service
from triagedesk.api.wire import NewTickets, TicketAssignment
from triagedesk.desk import Desk, RunSummary
from triagedesk.errors import TriagedeskError
from triagedesk.intake import Batch, take_in
from triagedesk.store.jobs import Job
from triagedesk.store.lease import hold

#: Seconds before a job that could not go on is tried again.
_PAUSE = 2.0

log = structlog.get_logger()


class _Cancelled(Exception):
    """Somebody asked the job to stop."""


class _Interrupted(Exception):
    """The server stops; the job waits for the next one."""


class _Watch:
    """Writes down how far a job is, and stops it between two chunks when so asked."""

    def __init__(self, service: Service, job_id: str, stopping: threading.Event) -> None:
        self._service, self._job_id, self._stopping = service, job_id, stopping
        self._step, self._done = "", 0
        self._total: int | None = None

    def start(self, what: str, total: int | None) -> None:
        """A step begins."""
        self._step, self._done, self._total = what, 0, total
        self._write()

    def advance(self, count: int) -> None:
        """`count` more tickets are through it."""
        self._done += count
        self._write()

    def _write(self) -> None:
        with self._service.store.begin() as transaction:
            cancelled = transaction.move_job(
                self._job_id, step=self._step, done=self._done, total=self._total
            )
        if cancelled:
            raise _Cancelled
        if self._stopping.is_set():
            raise _Interrupted


class Jobs:
    """Carries jobs out in a thread of its own."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._waiting: queue.Queue[str | None] = queue.Queue()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, with what an earlier server left."""
        with self._service.store.read() as transaction:
            for job_id in transaction.waiting_jobs():
                self._waiting.put(job_id)
        self._thread = self._service.start(self._work, "jobs")

    def stop(self) -> None:
        """End after the tickets in hand; the rest waits for the next server."""
        self._stopping.set()
        self._waiting.put(None)
        if self._thread:
            self._thread.join()

    def accept(
        self,
        kind: str,
        actor: str,
        *,
        request: bytes = b"",
        total: int | None = None,
        **options: Any,
    ) -> Job:
        """Take a job on."""
        service = self._service
        job = Job(
            id=service.new_id(),
            kind=kind,
            state="queued",
            step="Waiting",
            total=total,
            actor=actor,
            options=options,
            created_at=service.desk.now(),
        )
        with service.store.begin() as transaction:
            transaction.add_job(job, request)
        self._waiting.put(job.id)
        return job

    def _work(self) -> None:
        while not self._stopping.is_set():
            job_id = self._waiting.get()
            if job_id is None:
                return
            try:
                with hold(self._service.store, f"job {job_id}"):
                    self._carry_out(job_id)
            except TriagedeskError as error:
                # Busy, away for a moment, or another server of this desk is at it.
                log.warning("job waits", job=job_id, error=error.message)
                self._stopping.wait(_PAUSE)
                self._waiting.put(job_id)

    def _carry_out(self, job_id: str) -> None:
        service = self._service
        with service.store.begin() as transaction:
            job = transaction.job(job_id)
            if job is None or job.state not in ("queued", "running"):
                return
            if job.cancel_asked:
                transaction.set_job_state(job_id, "cancelled", finished_at=service.desk.now())
                return
            transaction.set_job_state(job_id, "running")
        desk = replace(service.desk, progress=_Watch(service, job_id, self._stopping))
        try:
            summary = _WAYS[job.kind](service, desk, job)
        except _Interrupted:
            # A run of the desk is carried on by the next run, whoever starts it.
            self._end(job, "failed" if job.kind == "desk" else "queued", "the server was stopped")
        except _Cancelled:
            self._end(job, "cancelled", "")
        except TriagedeskError as error:
            if error.temporary and job.kind != "desk":
                self._end(job, "queued", error.message)
                raise
            self._end(job, "failed", str(error))
        except Exception as error:
            # A bug must not end the thread that other jobs wait for; it is said and logged.
            log.exception("job failed", job=job_id)
            self._end(job, "failed", f"something went wrong: {type(error).__name__}")
        else:
            self._end(job, "done", "", summary)

    def _end(self, job: Job, state: str, error: str, summary: dict[str, Any] | None = None) -> None:
        finished = None if state == "queued" else self._service.desk.now()
        with self._service.store.begin() as transaction:
            transaction.set_job_state(
                job.id,
                state,
                summary=summary,
                error=error,
                finished_at=finished,
            )


def _desk_run(service: Service, desk: Desk, job: Job) -> dict[str, Any]:
    """The whole way, as `triagedesk run` goes it."""
    del service
    summary = app.run_desk(replace(desk, new_id=lambda: job.id), app.RunOptions())
    return summary.as_json()


def _take_in(service: Service, desk: Desk, job: Job, batch: Batch) -> dict[str, Any]:
    summary = RunSummary(run_id=job.id, started_at=desk.now())
    tickets = take_in(desk, batch, service.catalog(), summary)
    service.metrics.tickets.inc(len(tickets))
    given = [t.triaged.assignment for t in tickets if t.triaged and t.triaged.assignment]
    assigned = sum(1 for assignment in given if assignment.agent_id)
    return {
        "tickets": len(tickets),
        "assigned": assigned,
        "unassigned": len(tickets) - assigned,
        "assigned_now": summary.assigned_now,
        "method": summary.assign_method,
        "optimality_gap": round(summary.assign_gap, 9),
        "skill_gaps": list(summary.skill_gaps),
    }


def _assignment(service: Service, desk: Desk, job: Job) -> dict[str, Any]:
    with service.store.read() as transaction:
        body = transaction.job_request(job.id)
    wanted = TicketAssignment.model_validate(json.loads(body))
    return _take_in(service, desk, job, assignment_batch(service, wanted))


def _tickets(service: Service, desk: Desk, job: Job) -> dict[str, Any]:
    with service.store.read() as transaction:
        body = transaction.job_request(job.id)
    return _take_in(service, desk, job, tickets_batch(NewTickets.model_validate(json.loads(body))))


_WAYS: dict[str, Callable[[Service, Desk, Job], dict[str, Any]]] = {
    "desk": _desk_run,
    "assignment": _assignment,
    "tickets": _tickets,
}


def assignment_batch(service: Service, wanted: TicketAssignment) -> Batch:
    """What a request to assign asks for, in the desk's own records."""
    capacity = service.settings.agent_capacity
    return Batch(
        tickets=tuple(ticket.as_ticket() for ticket in wanted.tickets),
        without_status=frozenset(t.id for t in wanted.tickets if t.status is None),
        agents=None
        if wanted.agents is None
        else tuple(agent.as_agent(agent.agent_id, capacity) for agent in wanted.agents),
        loads_given=wanted.load_source == "request",
    )


def tickets_batch(wanted: NewTickets) -> Batch:
    """The same for tickets to triage."""
    tickets = tuple(ticket.as_ticket() for ticket in wanted.tickets)
    unstated = (t.id for t, w in zip(tickets, wanted.tickets, strict=True) if w.status is None)
    return Batch(tickets=tickets, without_status=frozenset(unstated))
