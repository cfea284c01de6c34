"""A desk with worker processes: `Office(desk)` begins runs and follows them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from support.desk import Running, WholeDesk, wire_tickets
from triagedesk.store.jobs import Job
from triagedesk.workflows.process import executors


@dataclass
class Office:
    """A desk, and processes that work for it."""

    desk: WholeDesk
    workers: list[Running] = field(default_factory=list)

    def tickets(self, count: int) -> None:
        """Have so many wait at the helpdesk, and agents with room for them."""
        self.desk.helpdesk.tickets[:] = wire_tickets(count)

    def hire(self, **settings: str) -> Running:
        """A worker, once it works."""
        before = len(self.names())
        worker = self.desk._start("support.slow_models", ["worker"], settings)
        self.workers.append(worker)
        self.until(lambda: len(self.names()) > before or worker.process.poll() is not None)
        assert worker.process.poll() is None, worker.outcome()
        return worker

    def names(self) -> set[str]:
        """What the living workers are called."""
        with self.desk.store() as store:
            return executors(store)

    def begin(self) -> str:
        """Begin a run; its id."""
        outcome = self.desk.cli("runs", "begin")
        assert outcome.code == 0, outcome.text
        return outcome.out.strip()

    def run(self, run_id: str) -> Any:
        """A run as `runs show` has it."""
        outcome = self.desk.cli("runs", "show", run_id, "--json")
        assert outcome.code == 0, outcome.text
        return json.loads(outcome.out)

    def job(self, run_id: str) -> Job:
        """The same from the store, which is quicker."""
        with self.desk.store() as store, store.read() as transaction:
            found = transaction.job(run_id)
        assert found is not None
        return found

    def under_way(self, run_id: str, tickets: int = 1) -> Job:
        """A run, once so many tickets are classified; a gate keeps the others."""

        def classifying() -> bool:
            job = self.job(run_id)
            assert not job.finished_at, f"it was over before it could be looked at: {job}"
            return job.step == "Classifying" and job.done >= tickets

        self.until(classifying)
        return self.job(run_id)

    def open_gate(self) -> None:
        """Let chunks that wait, and all that follow, pass."""
        (self.desk.folder / "go-on").touch()

    def close_gate(self) -> None:
        """Let as many chunks pass as the workers' `GATE` says, no more."""
        (self.desk.folder / "go-on").unlink()

    def over(self, run_id: str, seconds: float = 100) -> Job:
        """A run, once it is over."""
        self.until(lambda: self.job(run_id).finished_at, seconds)
        return self.job(run_id)

    @staticmethod
    def until(happened: Callable[[], object], seconds: float = 100) -> None:
        """Wait until something is so."""
        give_up = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < give_up, "it did not happen in time"
            time.sleep(0.05)

    def dismiss(self) -> None:
        """End what is still working."""
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.process.kill()
            worker.process.communicate()


@contextmanager
def office(desk: WholeDesk) -> Iterator[Office]:
    """An office, closed at the end."""
    opened = Office(desk)
    try:
        yield opened
    finally:
        opened.dismiss()
