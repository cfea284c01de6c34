"""Asking for runs from any host: begin one, stop it, take it up again, see how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from triagedesk.errors import ConflictError, NotFoundError
from triagedesk.store import Store, Transaction
from triagedesk.store.jobs import QUIET_KINDS, Job
from triagedesk.store.lease import living
from triagedesk.workflows.process import executors

ENDED = ("done", "failed", "cancelled")


def run_list(
    store: Store, most: int, *, everything: bool = False, lessons: bool = True
) -> list[Job]:
    """Runs, newest first; one whose process is no more says so."""
    without = (*(() if everything else QUIET_KINDS), *(() if lessons else ("lesson",)))
    with store.read() as transaction:
        found = transaction.job_list(most=most, without=without)
    return _with_the_dead(store, found)


def run_called(store: Store, run_id: str) -> Job:
    """One run. Raises NotFoundError."""
    with store.read() as transaction:
        job = _find(transaction, run_id)
    return _with_the_dead(store, [job])[0]


def begin_run(store: Store, run_id: str, actor: str, now: datetime) -> Job:
    """Have workers go the whole way. Raises ConflictError while a run is not over."""
    job = Job(id=run_id, kind="desk", state="queued", step="Waiting", actor=actor, created_at=now)
    with store.begin_alone() as transaction:
        for waiting in transaction.waiting_jobs("desk"):
            raise ConflictError(f"the run {waiting} is not over")
        transaction.add_job(job)
        transaction.audit("run started", run_id, actor=actor, at=now)
    return job


def cancel_run(store: Store, run_id: str, actor: str, now: datetime) -> Job:
    """Have a run stop after the tickets in hand. Raises NotFoundError or ConflictError."""
    alive = _alive(store)
    with store.begin() as transaction:
        job = _find(transaction, run_id)
        if job.state in ENDED:
            raise ConflictError(f"the run is over: {job.state}")
        transaction.ask_to_cancel(job.id)
        # Nobody else would heed it: it waits, or its command line is no more.
        if job.state == "queued" or ("|" in job.worker and job.worker not in alive):
            transaction.set_job_state(job.id, "cancelled", finished_at=now)
        transaction.audit("run cancelled", job.id, actor=actor, at=now, details={"kind": job.kind})
        return _find(transaction, job.id)


def resume_run(store: Store, run_id: str, actor: str, now: datetime) -> Job:
    """Have workers take up a run that failed or was cancelled.

    Raises NotFoundError; ConflictError for one that is done or under way.
    """
    with store.begin_alone() as transaction:
        job = _find(transaction, run_id)
        if job.state not in ("failed", "cancelled"):
            raise ConflictError(f"the run is {job.state}")
        if job.kind == "desk" and transaction.waiting_jobs("desk"):
            raise ConflictError("another run is not over, and takes its tickets up")
        if not transaction.is_job(job.id):
            # A run of an older version left no job behind.
            transaction.add_job(replace(job, state="queued", step="Waiting", actor=actor))
        transaction.begin_job_anew(job.id)
        transaction.audit("run resumed", job.id, actor=actor, at=now, details={"kind": job.kind})
        return _find(transaction, job.id)


def _find(transaction: Transaction, run_id: str) -> Job:
    job = transaction.job(run_id)
    if job is None:
        raise NotFoundError(f"there is no run {run_id!r}", hint="see `triagedesk runs list`")
    return job


def _alive(store: Store) -> set[str]:
    """What processes that carry runs out are called: workers, and the command line's holder."""
    return executors(store) | set(living(store, "run").values())


def _with_the_dead(store: Store, found: Sequence[Job]) -> list[Job]:
    if not any(job.state == "running" and job.worker for job in found):
        return list(found)
    alive = _alive(store)
    return [
        replace(job, step=f"{job.step} (cut off: {job.worker} is no more)")
        if job.state == "running" and job.worker and job.worker not in alive
        else job
        for job in found
    ]
