"""Queries about jobs: long work the API accepted, and how far it is."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, desc, insert, null, select, update

from triagedesk.store.queries import Queries
from triagedesk.store.tables import jobs, runs


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run as the API shows it: one it accepted, or one somebody started otherwise."""

    id: str
    #: `desk` (the whole way), `assignment`, `tickets` (batches that came over the API) or
    #: `lesson` (a person's correction).
    kind: str
    #: `queued`, `running`, `done`, `failed` or `cancelled`.
    state: str
    #: What it is doing, in words.
    step: str = ""
    #: Tickets through the step, of how many; None where nobody knows.
    done: int = 0
    total: int | None = None
    cancel_asked: bool = False
    actor: str = ""
    options: Mapping[str, Any] | None = None
    #: What it did, once it ended.
    summary: Mapping[str, Any] | None = None
    #: Why it failed.
    error: str = ""
    created_at: datetime
    finished_at: datetime | None = None


#: States of the table `runs` as the API names kind and state.
_RUN_STATES = {
    "running": ("desk", "running"),
    "done": ("desk", "done"),
    "failed": ("desk", "failed"),
    "intake": ("tickets", "done"),
    "lesson": ("lesson", "done"),
}
_COLUMNS = [column for column in jobs.c if column.name != "request"]


class JobQueries(Queries):
    """Queries about jobs."""

    def record_intake(self, run_id: str, now: datetime) -> None:
        """Record tickets that came over the API as a run of their own kind; once."""
        if self.connection.scalar(select(runs.c.id).where(runs.c.id == run_id)) is None:
            self.connection.execute(
                insert(runs).values(id=run_id, started_at=now, finished_at=now, state="intake")
            )

    def add_job(self, job: Job, request: bytes = b"") -> None:
        """Accept a job, with the body of the request that asked for it."""
        values = {**vars(job), "options": dict(job.options or {}), "summary": null()}
        self.connection.execute(
            insert(jobs).values(**values, request=zlib.compress(request, 1) if request else None)
        )

    def job(self, job_id: str) -> Job | None:
        """One job or run by its id."""
        row = self.connection.execute(select(*_COLUMNS).where(jobs.c.id == job_id)).first()
        if row:
            return _read_job(row)
        run = self.connection.execute(select(runs).where(runs.c.id == job_id)).first()
        return _read_run(run) if run else None

    def job_request(self, job_id: str) -> bytes:
        """The body of the request that asked for the job."""
        found = self.connection.scalar(select(jobs.c.request).where(jobs.c.id == job_id))
        return zlib.decompress(found) if found else b""

    def waiting_jobs(self) -> list[str]:
        """Jobs nobody has finished, oldest first; those marked as running may have been cut off."""
        query = select(jobs.c.id).where(jobs.c.state.in_(("queued", "running")))
        return list(self.connection.scalars(query.order_by(jobs.c.created_at, jobs.c.id)))

    def move_job(self, job_id: str, *, step: str, done: int, total: int | None) -> bool:
        """Record how far a job is; True when somebody asked it to stop."""
        self.connection.execute(
            update(jobs).where(jobs.c.id == job_id).values(step=step, done=done, total=total)
        )
        return bool(self.connection.scalar(select(jobs.c.cancel_asked).where(jobs.c.id == job_id)))

    def set_job_state(
        self,
        job_id: str,
        state: str,
        *,
        summary: Mapping[str, Any] | None = None,
        error: str = "",
        finished_at: datetime | None = None,
    ) -> None:
        """Record that a job begins, waits again, or has ended; what ended needs no request."""
        values: dict[str, Any] = {"state": state, "error": error, "finished_at": finished_at}
        if summary is not None:
            values["summary"] = dict(summary)
        if finished_at is not None:
            values["request"] = None
        self.connection.execute(update(jobs).where(jobs.c.id == job_id).values(values))

    def ask_to_cancel(self, job_id: str) -> None:
        """Have a job stop after the tickets in hand."""
        self.connection.execute(update(jobs).where(jobs.c.id == job_id).values(cancel_asked=True))

    def job_list(self, *, before: str = "", most: int = 50) -> list[Job]:
        """Jobs and runs, newest first, from below the id `before`."""
        mine = select(*_COLUMNS).order_by(desc(jobs.c.id)).limit(most)
        others = (
            select(runs)
            .where(runs.c.id.not_in(select(jobs.c.id)))
            .order_by(desc(runs.c.id))
            .limit(most)
        )
        if before:
            mine, others = mine.where(jobs.c.id < before), others.where(runs.c.id < before)
        found = [_read_job(row) for row in self.connection.execute(mine)]
        found += [_read_run(row) for row in self.connection.execute(others)]
        return sorted(found, key=lambda job: job.id, reverse=True)[:most]


def _read_job(row: Row[Any]) -> Job:
    return Job(**row._mapping)  # noqa: SLF001 (SQLAlchemy's public name for it)


def _read_run(row: Row[Any]) -> Job:
    kind, state = _RUN_STATES.get(row.state, ("desk", row.state))
    return Job(
        id=row.id,
        kind=kind,
        state=state,
        summary=row.summary,
        created_at=row.started_at,
        finished_at=row.finished_at,
    )
