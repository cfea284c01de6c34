"""SIGINT and SIGTERM: stop at once, but never between handing over a mail and recording it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(SystemExit):
    """Somebody asked the process to stop.

    A SystemExit, because asyncio logs and forgets any other exception raised in its callbacks.
    """

    def __init__(self, signal_number: int) -> None:
        #: What a shell reports for a process ended by this signal.
        self.exit_code = 128 + signal_number
        super().__init__(self.exit_code)


class Stopping:
    """Turns signals into `Stopped`, raised in the main thread outside of shields."""

    def __init__(self) -> None:
        self._shields = 0
        self._asked: int | None = None

    def install(self) -> None:
        """Take over SIGINT and SIGTERM; only the main thread may."""
        signal.signal(signal.SIGINT, self._ask)
        signal.signal(signal.SIGTERM, self._ask)

    @staticmethod
    def finish() -> None:
        """Let nobody stop what is done: the exit code is known, the process ends by itself.

        Without this, Python's own clearing up would fall back to the system's way of dying.
        """
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def _ask(self, signal_number: int, _frame: FrameType | None) -> None:
        if self._shields:
            self._asked = signal_number
            return
        raise Stopped(signal_number)

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Hold back a request to stop until the end of the block; other threads are never asked."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
            if not self._shields and self._asked is not None:
                asked, self._asked = self._asked, None
                raise Stopped(asked)
