"""Queries about jobs: all work that goes on beside requests, and how far it is.

A job is accepted in one transaction and carried out by whichever process has room; its row says,
on every host, how far it is. The engine keeps its own records of steps; this is what people see.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, case, delete, desc, insert, null, or_, select, update

from triagedesk.store.queries import Queries
from triagedesk.store.tables import jobs, runs


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run as everybody sees it, whoever started it and wherever it is carried out."""

    id: str
    #: `desk` (the whole way), `assignment`, `tickets` (batches that came over the API), `inbox`
    #: (tickets that came by webhook), `watch` (SLA clocks), `rebalance`, `clean-up`, `mail` (a
    #: report that did not go out at once) or `lesson` (a person's correction).
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
    #: 1, and one more each time it is begun anew.
    attempt: int = 1
    #: The process that carries it out, as `lease` names it.
    worker: str = ""
    #: When it may be tried again.
    not_before: datetime | None = None
    #: When the engine was told of it; None: not yet.
    handed_at: datetime | None = None


#: States of the table `runs` as the API names kind and state.
_RUN_STATES = {
    "running": ("desk", "running"),
    "done": ("desk", "done"),
    "failed": ("desk", "failed"),
    "intake": ("tickets", "done"),
    "lesson": ("lesson", "done"),
}
#: Kinds nobody needs to see beside the runs.
QUIET_KINDS = ("watch", "rebalance", "clean-up", "mail")
_COLUMNS = [column for column in jobs.c if column.name != "request"]


class JobStanding(NamedTuple):
    """What a job's row says to the process that carries it out."""

    state: str
    attempt: int
    cancel_asked: bool


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

    def waiting_jobs(self, kind: str = "") -> list[str]:
        """Jobs, or those of a kind, that nobody has finished, oldest first."""
        query = select(jobs.c.id).where(jobs.c.state.in_(("queued", "running")))
        if kind:
            query = query.where(jobs.c.kind == kind)
        return list(self.connection.scalars(query.order_by(jobs.c.created_at, jobs.c.id)))

    def jobs_to_hand_over(self, now: datetime, most: int = 100) -> list[Job]:
        """Jobs the engine has not been told of and that may begin, oldest first."""
        query = (
            select(*_COLUMNS)
            .where(
                jobs.c.state == "queued",
                jobs.c.handed_at.is_(None),
                or_(jobs.c.not_before.is_(None), jobs.c.not_before <= now),
            )
            .order_by(jobs.c.created_at, jobs.c.id)
            .limit(most)
        )
        return [_read_job(row) for row in self.connection.execute(query)]

    def jobs_in_hand(self) -> list[Job]:
        """Jobs the engine knows of and has not finished."""
        query = select(*_COLUMNS).where(
            jobs.c.state.in_(("queued", "running")), jobs.c.handed_at.is_not(None)
        )
        return [_read_job(row) for row in self.connection.execute(query.order_by(jobs.c.id))]

    def hand_over(self, job_id: str, now: datetime) -> None:
        """Record that the engine knows of a job."""
        self.connection.execute(update(jobs).where(jobs.c.id == job_id).values(handed_at=now))

    def begin_job(self, job_id: str, worker: str) -> None:
        """Record who carries a job out."""
        self.connection.execute(
            update(jobs)
            .where(jobs.c.id == job_id, jobs.c.state.in_(("queued", "running")))
            .values(state="running", worker=worker, error="")
        )

    def begin_job_anew(
        self, job_id: str, *, not_before: datetime | None = None, error: str = ""
    ) -> None:
        """Queue a job again, as one the engine does not know; what it has done stays done.

        Whoever asked it to stop before that is heard still, unless it has ended since.
        """
        self.connection.execute(
            update(jobs)
            .where(jobs.c.id == job_id)
            .values(
                state="queued",
                attempt=jobs.c.attempt + 1,
                worker="",
                cancel_asked=jobs.c.cancel_asked & jobs.c.finished_at.is_(None),
                error=error,
                not_before=not_before,
                handed_at=None,
                finished_at=None,
            )
        )

    def end_other_runs(self, job_id: str, now: datetime) -> None:
        """The one run that is under way has taken up what others left: those are over."""
        self.connection.execute(
            update(jobs)
            .where(jobs.c.kind == "desk", jobs.c.state == "running", jobs.c.id != job_id)
            .values(state="failed", error=f"cut off; run {job_id} carried on", finished_at=now)
        )

    def start_job_step(self, job_id: str, step: str, total: int | None) -> JobStanding:
        """Record that a step of a job begins."""
        self.connection.execute(
            update(jobs).where(jobs.c.id == job_id).values(step=step, done=0, total=total)
        )
        return self.job_standing(job_id)

    def advance_job(self, job_id: str, count: int) -> None:
        """Record that `count` more tickets are through the step, in whatever process.

        Tickets that a process dealt with before it died in the middle of them come twice.
        """
        after = jobs.c.done + count
        most = case((jobs.c.total < after, jobs.c.total), else_=after)
        self.connection.execute(update(jobs).where(jobs.c.id == job_id).values(done=most))

    def job_standing(self, job_id: str) -> JobStanding:
        """What a job's row says to the process that carries it out."""
        query = select(jobs.c.state, jobs.c.attempt, jobs.c.cancel_asked)
        row = self.connection.execute(query.where(jobs.c.id == job_id)).first()
        return JobStanding(*row) if row else JobStanding("gone", 0, False)

    def forget_requests(self, before: datetime) -> None:
        """Forget what jobs were asked for that ended before a time: nobody takes them up again."""
        ended = (jobs.c.request.is_not(None), jobs.c.finished_at < before)
        self.connection.execute(update(jobs).where(*ended).values(request=None))

    def forget_jobs(self, kinds: Sequence[str], before: datetime) -> int:
        """Forget jobs of these kinds that ended well before a time."""
        gone = delete(jobs).where(
            jobs.c.kind.in_(kinds), jobs.c.state == "done", jobs.c.finished_at < before
        )
        return self.connection.execute(gone).rowcount

    def set_job_state(
        self,
        job_id: str,
        state: str,
        *,
        summary: Mapping[str, Any] | None = None,
        error: str = "",
        finished_at: datetime | None = None,
    ) -> None:
        """Record that a job begins, waits again, or has ended; what is done needs no request."""
        values: dict[str, Any] = {"state": state, "error": error, "finished_at": finished_at}
        if summary is not None:
            values["summary"] = dict(summary)
        if state == "done":
            # What failed or was cancelled may be taken up again.
            values["request"] = None
        self.connection.execute(update(jobs).where(jobs.c.id == job_id).values(values))

    def ask_to_cancel(self, job_id: str) -> None:
        """Have a job stop after the tickets in hand."""
        self.connection.execute(update(jobs).where(jobs.c.id == job_id).values(cancel_asked=True))

    def is_job(self, run_id: str) -> bool:
        """Whether a run is a job too, as all are but those of older versions."""
        return self.connection.scalar(select(jobs.c.id).where(jobs.c.id == run_id)) is not None

    def job_list(
        self, *, before: str = "", most: int = 50, without: Sequence[str] = ()
    ) -> list[Job]:
        """Jobs and runs, newest first, from below the id `before`; some kinds left out."""
        mine = select(*_COLUMNS).order_by(desc(jobs.c.id)).limit(most)
        mine = mine.where(jobs.c.kind.not_in(without))
        others = (
            select(runs)
            # With a full stop in its id it is a part of a job.
            .where(runs.c.id.not_in(select(jobs.c.id)), runs.c.id.not_like("%.%"))
            .order_by(desc(runs.c.id))
            .limit(most)
        )
        if "lesson" in without:
            others = others.where(runs.c.state != "lesson")
        if before:
            mine, others = mine.where(jobs.c.id < before), others.where(runs.c.id < before)
        found = [_read_job(row) for row in self.connection.execute(mine)]
        found += [_read_run(row) for row in self.connection.execute(others)]
        return sorted(found, key=lambda job: job.id, reverse=True)[:most]


def _read_job(row: Row[Any]) -> Job:
    return Job(**{**row._mapping, "worker": row.worker or ""})  # noqa: SLF001 (SQLAlchemy's public name for it)


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
