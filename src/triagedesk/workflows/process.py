"""A process that carries out jobs: its name among the others, its heartbeat, who else there is."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from triagedesk.desk import Desk
from triagedesk.errors import StoreBusy
from triagedesk.store import Store
from triagedesk.store.lease import Held, hold, living
from triagedesk.workflows.memory import Memory

#: What the leases of workers begin with.
_LEASE = "worker "
_LONGEST_HOST = 40
_MOST_PROCESSES = 1000


@dataclass(kw_only=True)
class Process:
    """One process that carries out jobs."""

    #: Unique among the living, and the same after a restart: `HOST/1@VERSION`.
    name: str
    memory: Memory
    #: Its heartbeat: lost when others take it for dead.
    held: Held
    #: Set when it is to end.
    stopping: threading.Event = field(default_factory=threading.Event)
    #: Told how many tickets were dealt with.
    count: Callable[[int], None] = lambda _tickets: None

    #: Jobs, and shares of jobs, that are being carried out here.
    _busy: list[str] = field(default_factory=list)

    @property
    def busy(self) -> bool:
        """Whether anything is in hand."""
        return bool(self._busy)

    @contextmanager
    def at_work(self, job_id: str) -> Iterator[None]:
        """Something is in hand until the end of the block."""
        self._busy.append(job_id)
        try:
            yield
        finally:
            self._busy.remove(job_id)

    @property
    def desk(self) -> Desk:
        """The desk, with models in memory."""
        return self.memory.desk

    def hosts(self) -> int:
        """How many processes carry out jobs now."""
        return len(executors(self.desk.store))


@contextmanager
def a_name(store: Store, version: str) -> Iterator[tuple[str, Held]]:
    """A name no other living process has; the first that is free, so that a restart keeps it."""
    host = socket.gethostname()[:_LONGEST_HOST]
    for number in range(1, _MOST_PROCESSES):
        name = f"{host}/{number}@{version}"
        lease = hold(store, _LEASE + name, strict=True)
        try:
            held = lease.__enter__()
        except StoreBusy as error:
            if "in progress" not in error.message:
                raise
            continue
        try:
            yield name, held
        finally:
            lease.__exit__(None, None, None)
        return
    raise StoreBusy(f"there are {_MOST_PROCESSES} workers on {host} already")


def executors(store: Store) -> set[str]:
    """The names of all living processes that carry out jobs."""
    return {name.removeprefix(_LEASE) for name in living(store, _LEASE)}


def version_of(executor: str) -> str:
    """The version a process of this name carries out jobs of."""
    return executor.rpartition("@")[2]
