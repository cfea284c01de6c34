"""How far a job is, for everybody to see; and what the job is told on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import structlog

from triagedesk.desk import Progress, Silence
from triagedesk.errors import StoreBusy, StoreError
from triagedesk.steps import Cancelled, LeftToOthers
from triagedesk.store import Store, Transaction
from triagedesk.store.jobs import JobStanding
from triagedesk.store.lease import Held, hold

#: Seconds between two attempts at a database that is away; the pause grows up to the second.
PAUSES = (0.5, 15.0)

T = TypeVar("T")
log = structlog.get_logger()


class Following:
    """A `Progress` that writes down how far a job is, and heeds what its row says.

    Raises Cancelled where somebody asked the job to stop, and LeftToOthers where this process is
    no longer the one to carry it out.
    """

    def __init__(
        self,
        store: Store,
        job_id: str,
        attempt: int,
        *,
        stopping: threading.Event | None = None,
        shown: Progress | None = None,
    ) -> None:
        self.store, self.job_id, self.attempt = store, job_id, attempt
        self.stopping = stopping or threading.Event()
        self._shown = shown or Silence()
        #: The lease that must not be lost while the job goes on.
        self.held: Held | None = None

    def start(self, what: str, total: int | None) -> None:
        """A step begins."""
        self._shown.start(what, total)
        with self.store.begin() as transaction:
            standing = transaction.start_job_step(self.job_id, what, total)
        self._heed(standing)

    def advance(self, count: int) -> None:
        """`count` more tickets are through it; what is in hand is finished first."""
        self._shown.advance(count)
        with self.store.begin() as transaction:
            transaction.advance_job(self.job_id, count)

    def advance_with(self, transaction: Transaction, count: int) -> None:
        """The same, kept together with what was done to them."""
        self._shown.advance(count)
        transaction.advance_job(self.job_id, count)

    def check(self) -> None:
        """Heed what the job's row says, between two steps or chunks."""
        self._heed(None)
        with self.store.read() as transaction:
            standing = transaction.job_standing(self.job_id)
        self._heed(standing)

    def _heed(self, standing: JobStanding | None) -> None:
        if self.stopping.is_set():
            raise LeftToOthers("stopping")
        if self.held and self.held.lost.is_set():
            raise LeftToOthers("lost")
        if standing is None:
            return
        if standing.state != "running" or standing.attempt != self.attempt:
            raise LeftToOthers("superseded")
        if standing.cancel_asked:
            raise Cancelled

    def patiently(self, do: Callable[[], T]) -> T:
        """`do`, again and again while the database is away; raises LeftToOthers at the end."""
        pause, longest = PAUSES
        while True:
            try:
                return do()
            except StoreError as error:
                if not error.temporary:
                    raise
                log.warning("waits for the database", job=self.job_id, error=error.message)
                if self.stopping.wait(pause):
                    raise LeftToOthers("stopping") from error
                pause = min(2 * pause, longest)

    @contextmanager
    def waiting_for(self, name: str) -> Iterator[None]:
        """Hold a lease that must not be lost; waits while another process has it."""
        while True:
            self.patiently(self.check)
            lease = hold(self.store, name)
            try:
                held = lease.__enter__()
            except StoreBusy:
                time.sleep(0.5)
                continue
            break
        self.held = held
        try:
            yield
        finally:
            self.held = None
            lease.__exit__(None, None, None)
