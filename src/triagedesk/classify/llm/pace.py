"""How fast a language model may be called."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

#: Seconds over which calls are counted.
WINDOW = 60.0


class Pace(Protocol):
    """Hands out turns to call a model; all who share a limit share one pace."""

    def reserve(self) -> float:
        """Take the next turn; returns the seconds to wait before using it."""


class Unhurried:
    """No limit."""

    def reserve(self) -> float:
        """No wait."""
        return 0.0


class CallsPerMinute:
    """At most so many calls begin in any 60 seconds, over all threads of this process."""

    def __init__(self, calls: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises ValueError below one call a minute."""
        if calls < 1:
            raise ValueError(f"calls per minute must be at least 1: {calls}")
        self._clock = clock
        self._lock = threading.Lock()
        #: When the latest turns begin, the oldest first.
        self._turns: deque[float] = deque(maxlen=calls)

    def reserve(self) -> float:
        """Take the next turn; returns the seconds to wait before using it."""
        with self._lock:
            now = self._clock()
            full = len(self._turns) == self._turns.maxlen
            begins = max(now, self._turns[0] + WINDOW) if full else now
            self._turns.append(begins)
            return begins - now
