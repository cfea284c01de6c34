"""The workers of one process: started, woken, stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import structlog

from triagedesk.errors import TriagedeskError
from triagedesk.workflows.duty import Duty
from triagedesk.workflows.engine import ENGINE_VERSION, Engine
from triagedesk.workflows.memory import Memory
from triagedesk.workflows.process import Process, a_name
from triagedesk.workflows.work import Jobs

#: Seconds to wait at the end for tickets in hand, and before another attempt to start.
_PATIENCE, _PAUSE = 60.0, 5.0

log = structlog.get_logger()


class Workers:
    """Carries out a desk's jobs in this process, until it is stopped."""

    def __init__(
        self, memory: Memory, *, count: Callable[[int], None] | None = None, version: str = ""
    ) -> None:
        self._memory = memory
        self._count = count or (lambda _tickets: None)
        self._version = version or ENGINE_VERSION
        self._stopping = threading.Event()
        self._process: Process | None = None
        self._thread: threading.Thread | None = None
        self._duty: Duty | None = None
        self._trouble = "the workers are starting"
        #: What this process is called among those that carry out jobs, once it does.
        self.name = ""

    @property
    def trouble(self) -> str:
        """Why jobs are not carried out now; "" when they are."""
        return self._duty.trouble if self._duty else self._trouble

    def start(self) -> None:
        """Begin, in a thread; where the database is away, as soon as it is there."""
        self._thread = threading.Thread(target=self._live, name="workers", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """A job was accepted: do not wait for the next round."""
        if self._duty:
            self._duty.wake()

    def stop(self) -> None:
        """End after the tickets in hand; the rest waits for others, or for the next start."""
        self._stopping.set()
        if self._process:
            self._process.stopping.set()
        self.wake()
        if self._thread:
            self._thread.join()

    def _live(self) -> None:
        """Work until asked to stop: anew where others took this process for dead."""
        while not self._stopping.is_set():
            try:
                self._work()
            except TriagedeskError as error:
                self._trouble = error.message
                log.warning("the workers wait", error=error.message)
                self._stopping.wait(_PAUSE)
            except Exception as error:
                # A bug, or something about the engine: said, and tried again like all else.
                self._trouble = f"{type(error).__name__}: {error}"
                log.exception("the workers cannot start")
                self._stopping.wait(_PAUSE)
            self._duty = self._process = None

    def _work(self) -> None:
        store = self._memory.desk.store
        with ExitStack() as ends:
            # Given back last: from then on others may take over what is not finished.
            name, held = ends.enter_context(a_name(store, self._version))
            process = Process(name=name, memory=self._memory, held=held, count=self._count)
            self._memory.welcome()
            engine = Engine(store.url, name)
            ends.callback(engine.stop)
            ends.callback(_let_finish, process)
            engine.start(Jobs(process, engine), version=self._version)
            self.name, self._process, duty = name, process, Duty(process, engine)
            self._duty = duty
            if not self._stopping.is_set():
                duty.go()
            process.stopping.set()


def _let_finish(process: Process) -> None:
    give_up = time.monotonic() + _PATIENCE
    while process.busy and time.monotonic() < give_up:
        time.sleep(0.05)
