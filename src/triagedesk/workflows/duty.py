"""A process on duty: it carries out jobs, and sees to it that none is left lying anywhere.

Every second: jobs that were accepted are handed to the engine, and the inbox gets a job where
tickets wait in it. Every few seconds: due ticks become jobs, and what died with its process is
taken over. Any number of processes do all this side by side; who comes first does it, once.
"""

from __future__ import annotations

import threading
import time

import structlog

from triagedesk.desk import Desk
from triagedesk.errors import StoreError
from triagedesk.store.jobs import Job
from triagedesk.workflows.engine import Engine, Underway, job_name
from triagedesk.workflows.process import Process, executors, version_of
from triagedesk.workflows.schedules import Schedule, schedules_of
from triagedesk.workflows.work import QUEUE_OF

#: Seconds between two rounds, between two looks for the dead, and between two for the lost.
_ROUND, _LOOK, _LONG_LOOK = 1.0, 5.0, 60.0

log = structlog.get_logger()


class Duty:
    """The rounds of one process."""

    def __init__(self, process: Process, engine: Engine) -> None:
        self._process, self._engine = process, engine
        self._version = version_of(process.name)
        self._woken = threading.Event()
        self._looked = self._looked_long = 0.0
        #: Why jobs are not carried out now; "" when they are.
        self.trouble = ""

    def wake(self) -> None:
        """There is something to do: do not wait for the next round."""
        self._woken.set()

    def go(self) -> None:
        """Go rounds until the process is to stop."""
        stopping = self._process.stopping
        while not stopping.is_set():
            self._woken.clear()
            try:
                self._round()
                self.trouble = ""
            except StoreError as error:
                if not self.trouble:
                    log.warning("waits for the database", error=error.message)
                self.trouble = error.message
            except Exception as error:
                # The rounds must go on: without them nothing is begun any more.
                log.exception("a round failed")
                self.trouble = f"{type(error).__name__}: {error}"
            if self._process.held.lost.is_set():
                self.trouble = "others take this process for dead"
                stopping.set()
            self._woken.wait(_ROUND)

    def _round(self) -> None:
        desk, engine = self._process.desk, self._engine
        with desk.store.read() as transaction:
            jobs = transaction.jobs_to_hand_over(desk.now())
            waits = transaction.inbox_waits()
        if waits:
            jobs += self._accept(desk, "inbox")
        for job in jobs:
            engine.enqueue_job(QUEUE_OF[job.kind], job.id, job.attempt)
            with desk.store.begin() as transaction:
                transaction.hand_over(job.id, desk.now())
        now = time.monotonic()
        if now - self._looked >= _LOOK:
            self._looked = now
            self._accept_ticks(desk)
            self._take_over(desk, engine)
        if now - self._looked_long >= _LONG_LOOK:
            self._looked_long = now
            self._find_lost(desk, engine)

    # what begins by itself

    def _accept_ticks(self, desk: Desk) -> None:
        now = desk.now()
        for schedule in schedules_of(self._process.memory.settings):
            with desk.store.read() as transaction:
                last = transaction.last_tick(schedule.kind)
            due = schedule.due(last, now) if last else now
            if due is None:
                continue
            with desk.store.begin() as transaction:
                mine = transaction.take_tick(schedule.kind, last, due)
            # The first time there is nothing to catch up.
            if mine and last:
                self._tick(desk, schedule)

    def _tick(self, desk: Desk, schedule: Schedule) -> None:
        for job in self._accept(desk, schedule.kind):
            log.info("a schedule began", job=job.id, kind=schedule.kind)

    def _accept(self, desk: Desk, kind: str) -> list[Job]:
        """A new job of a kind; none while one of it waits or is under way."""
        job = Job(
            id=desk.new_id(),
            kind=kind,
            state="queued",
            step="Waiting",
            actor="schedule",
            created_at=desk.now(),
        )
        with desk.store.read() as transaction:
            if transaction.waiting_jobs(kind):
                return []
        with desk.store.begin_alone() as transaction:
            if transaction.waiting_jobs(kind):
                return []
            transaction.add_job(job)
        return [job]

    # what others left

    def _take_over(self, desk: Desk, engine: Engine) -> None:
        """Have what dead processes had begun carried on; what nobody can read, begun anew."""
        living = executors(desk.store) | {self._process.name}
        versions = {version_of(name) for name in living}
        unfinished = engine.unfinished()
        dead = sorted({job.executor for job in unfinished if _is_left(job, living)})
        mine = [name for name in dead if version_of(name) == self._version]
        if mine:
            log.warning("takes over from the dead", workers=mine)
            engine.take_over(mine)
        strange = [
            job
            for job in unfinished
            if job.version != self._version
            and job.version not in versions
            and (job.state == "queued" or job.executor not in living)
        ]
        if strange:
            self._begin_anew(desk, engine, strange)

    def _begin_anew(self, desk: Desk, engine: Engine, left: list[Underway]) -> None:
        """Begin jobs anew that another version left: what they did is in the store."""
        names = {job.id for job in left}
        engine.give_up(sorted(names))
        with desk.store.begin() as transaction:
            for job in transaction.jobs_in_hand():
                if job_name(job.id, job.attempt) in names:
                    log.warning("begins a job of another version anew", job=job.id)
                    transaction.begin_job_anew(job.id)

    def _find_lost(self, desk: Desk, engine: Engine) -> None:
        """Begin jobs anew of which the engine knows nothing, or no good, any more."""
        with desk.store.read() as transaction:
            jobs = transaction.jobs_in_hand()
        known = {job.id: job for job in engine.jobs([job_name(j.id, j.attempt) for j in jobs])}
        with desk.store.read() as transaction:
            still = {job.id: job for job in transaction.jobs_in_hand()}
        for job in jobs:
            found = known.get(job_name(job.id, job.attempt))
            if still.get(job.id) != job or (found and found.state in ("queued", "running")):
                continue
            with desk.store.begin() as transaction:
                if found and found.state == "given up":
                    said = "the engine gave it up; the log says why"
                    transaction.set_job_state(job.id, "failed", error=said, finished_at=desk.now())
                else:
                    transaction.begin_job_anew(job.id)


def _is_left(job: Underway, living: set[str]) -> bool:
    return job.state == "running" and bool(job.executor) and job.executor not in living
