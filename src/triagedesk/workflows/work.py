"""What each kind of job does. Everything here may be done twice: what lasts is in the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog
from pydantic import TypeAdapter

from triagedesk import pipeline
from triagedesk.catalogs import catalog_of
from triagedesk.desk import Desk, RunSummary
from triagedesk.errors import StoreError, TriagedeskError
from triagedesk.intake import Batch, take_in
from triagedesk.steps import Cancelled, Chunk, LeftToOthers
from triagedesk.store import Transaction
from triagedesk.store.jobs import QUIET_KINDS, Job
from triagedesk.workflows import upkeep
from triagedesk.workflows.durable import Durable, recorded
from triagedesk.workflows.engine import Document, Engine
from triagedesk.workflows.following import Following
from triagedesk.workflows.inbox import work_off_inbox
from triagedesk.workflows.process import Process

#: Kind of job -> the queue it waits in.
QUEUE_OF = {
    "desk": "desk",
    "mail": "desk",
    "assignment": "work",
    "tickets": "work",
    "inbox": "work",
    "watch": "work",
    "rebalance": "work",
    "clean-up": "work",
}
_LONGEST_PAUSE = 900.0
#: Attempts at mailing a report: two days of them. From then on each run tries, as it always does.
_MOST_MAILINGS = 200
batch_json = TypeAdapter(Batch)

log = structlog.get_logger()


class _NotYet(TriagedeskError):
    """It may work later."""

    temporary = True


@dataclass(frozen=True)
class Jobs:
    """Carries jobs out in this process."""

    process: Process
    engine: Engine

    def carry_out(self, job_id: str, attempt: int) -> Document:
        """Carry out a job from its first step, or from where the engine knows it to be."""
        with self.process.at_work(job_id):
            return self._carry_out(self._follow(job_id, attempt))

    def _carry_out(self, following: Following) -> Document:
        job = following.patiently(lambda: self._begin(following.job_id, following.attempt))
        if job is None:
            return {"state": "over"}
        try:
            summary = self._way(job)(following, job)
        except LeftToOthers as left:
            if left.why == "stopping":
                raise
            if left.why == "lost":
                following.patiently(lambda: self._anew(job, 0, "this process was silent"))
            return {"state": left.why}
        except Exception as error:  # noqa: BLE001 (said and logged in `_verdict`)
            # A bug too ends the job: what waits behind it must not wait for ever.
            state, said, pause = self._verdict(job, error)
        else:
            state, said, pause = "done", "", 0.0
            following.patiently(lambda: self._end(job, "done", summary=summary))
        if state == "waits":
            following.patiently(lambda: self._anew(job, pause, said))
        elif state != "done":
            following.patiently(lambda: self._end(job, state, error=said))
        return {"state": state}

    def _verdict(self, job: Job, error: Exception) -> tuple[str, str, float]:
        """How a job ends that met an error: its state, the reason, seconds before another try."""
        if isinstance(error, Cancelled):
            return "cancelled", "", 0.0
        if self.engine.is_other_way(error):
            # Begun by a newer version: begun anew, it finds in the store what is done.
            log.warning("begins a job of a newer version anew", job=job.id)
            return "waits", "", 0.0
        if not isinstance(error, TriagedeskError):
            log.error("job failed", job=job.id, exc_info=error)
            return "failed", f"something went wrong: {type(error).__name__}", 0.0
        # A run that could not fetch has failed; the next one tries again by itself.
        if error.temporary and (job.kind != "desk" or isinstance(error, StoreError)):
            return "waits", error.message, pause_after(job.attempt)
        return "failed", str(error), 0.0

    def carry_out_chunks(
        self, job_id: str, attempt: int, version: str, chunks: list[list[int]]
    ) -> Document:
        """Carry out a share of a run that another process may lead."""
        with self.process.at_work(job_id):
            return self._carry_out_chunks(self._follow(job_id, attempt), version, chunks)

    def _carry_out_chunks(
        self, following: Following, version: str, chunks: list[list[int]]
    ) -> Document:
        desk = replace(self.process.desk, progress=following)
        summary = RunSummary(run_id=following.job_id, started_at=desk.now())
        steps = Durable(self.engine, following, summary, self.process.hosts)

        def step(mine: RunSummary, chunk: Chunk) -> None:
            catalog = catalog_of(desk, version)
            pipeline.triage_chunk(desk, mine, catalog, chunk)

        try:
            steps.one_by_one("classify", summary, [(c[0], c[1], c[2]) for c in chunks], step)
        except LeftToOthers as left:
            if left.why == "stopping":
                raise
            return {"left": left.why}
        except Cancelled:
            return {"left": "cancelled"}
        except TriagedeskError as error:
            return {"failed": error.message}
        return {"summary": steps.found}

    def _follow(self, job_id: str, attempt: int) -> Following:
        store = self.process.desk.store
        return Following(store, job_id, attempt, stopping=self.process.stopping)

    def _begin(self, job_id: str, attempt: int) -> Job | None:
        """The job, marked as begun; None when it is over, or was begun anew meanwhile."""
        with self.process.desk.store.begin() as transaction:
            job = transaction.job(job_id)
            if job is None or job.attempt != attempt or job.state not in ("queued", "running"):
                return None
            if job.cancel_asked:
                now = self.process.desk.now()
                transaction.set_job_state(job_id, "cancelled", finished_at=now)
                return None
            transaction.begin_job(job_id, self.process.name)
        return job

    def _end(
        self, job: Job, state: str, *, error: str = "", summary: Document | None = None
    ) -> None:
        now = self.process.desk.now()
        with self.process.desk.store.begin() as transaction:
            if self._is_mine(transaction, job):
                transaction.set_job_state(
                    job.id, state, summary=summary, error=error, finished_at=now
                )

    def _anew(self, job: Job, pause: float, error: str) -> None:
        not_before = self.process.desk.now() + timedelta(seconds=pause)
        with self.process.desk.store.begin() as transaction:
            if self._is_mine(transaction, job):
                transaction.begin_job_anew(job.id, not_before=not_before, error=error)

    def _is_mine(self, transaction: Transaction, job: Job) -> bool:
        """Whether nobody else has taken the job over, or up, since."""
        now = transaction.job(job.id)
        mine = (job.attempt, self.process.name)
        return now is not None and now.state == "running" and (now.attempt, now.worker) == mine

    # the ways

    def _way(self, job: Job) -> Callable[[Following, Job], Document]:
        ways = {
            "desk": self._run,
            "mail": self._mail,
            "assignment": self._batch,
            "tickets": self._batch,
            "inbox": self._inbox,
            "watch": self._watch,
            "rebalance": self._rebalance,
            "clean-up": self._clean_up,
        }
        return ways[job.kind]

    def _followed(self, following: Following, job: Job) -> Desk:
        return replace(
            self.process.desk,
            progress=following,
            check=lambda: following.patiently(following.check),
            new_id=lambda: job.id,
        )

    def _run(self, following: Following, job: Job) -> Document:
        """The whole way, as `triagedesk run` goes it."""
        desk = self._followed(following, job)
        with following.waiting_for("run"):
            with desk.store.begin() as transaction:
                transaction.end_other_runs(job.id, desk.now())
            summary = RunSummary(run_id=job.id, started_at=job.created_at)
            steps = Durable(self.engine, following, summary, self.process.hosts)
            summary = pipeline.run(desk, steps)
        following.patiently(lambda: upkeep.have_mailed(desk, summary.reports))
        return summary.as_json()

    def _mail(self, following: Following, job: Job) -> Document:
        """A report that did not go out at once."""
        desk = self._followed(following, job)
        with following.waiting_for("run"):
            state = upkeep.mail(desk, str((job.options or {})["report"]))
        if state == "unsent" and job.attempt < _MOST_MAILINGS:
            raise _NotYet("the mail server does not take it yet")
        return {"state": state}

    def _batch(self, following: Following, job: Job) -> Document:
        """Tickets that came over the API, too many for one answer."""
        with self.process.desk.store.read() as transaction:
            body = transaction.job_request(job.id)
        batch = batch_json.validate_json(body)
        return self._step(following, lambda: self._take_in(following, job, batch))

    def _take_in(self, following: Following, job: Job, batch: Batch) -> Document:
        desk = self._followed(following, job)
        summary = RunSummary(run_id=job.id, started_at=job.created_at)
        tickets = take_in(desk, batch, self.process.memory.catalog(), summary)
        self.process.count(len(tickets))
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

    def _inbox(self, following: Following, job: Job) -> Document:
        """Tickets that came by webhook."""
        desk = self._followed(following, job)

        def batch(number: int) -> Document:
            return self._step(
                following,
                lambda: work_off_inbox(desk, self.process.memory, job, number),
                f"batch {number}",
            )

        worked, failed, number = 0, 0, 0
        while True:
            following.patiently(following.check)
            found = batch(number)
            if not found["taken"]:
                return {"tickets": worked, "failed": failed}
            self.process.count(found["worked"])
            worked, failed, number = worked + found["worked"], failed + found["failed"], number + 1

    def _watch(self, following: Following, job: Job) -> Document:
        desk = self._followed(following, job)
        return self._step(following, lambda: upkeep.watch_clocks(desk, self.process.memory, job))

    def _rebalance(self, following: Following, job: Job) -> Document:
        desk = self._followed(following, job)
        return self._step(following, lambda: upkeep.rebalance(desk))

    def _clean_up(self, following: Following, job: Job) -> Document:
        desk = self._followed(following, job)
        return self._step(following, lambda: upkeep.clean_up(desk, self.engine, QUIET_KINDS))

    def _step(
        self, following: Following, do: Callable[[], Document], name: str = "carry out"
    ) -> Document:
        """A job's one step, or one of them."""
        return recorded(self.engine, following, name, do)


def pause_after(attempt: int) -> float:
    """Seconds before the next attempt: 2, 4, 8 ... up to a quarter of an hour."""
    return float(min(2.0**attempt, _LONGEST_PAUSE))


def handed_over(jobs: Sequence[Job], engine: Engine) -> None:
    """Hand jobs over to the engine."""
    for job in jobs:
        engine.enqueue_job(QUEUE_OF[job.kind], job.id, job.attempt)
