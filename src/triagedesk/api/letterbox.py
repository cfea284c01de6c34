"""Where webhook tickets are put: what comes at the same time is kept in one transaction.

A database makes some hundred transactions durable in a second, and many thousand rows.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from triagedesk.errors import StoreBusy
from triagedesk.store import Store

#: Tickets kept in one transaction at most, and deliveries that may wait to be.
_MOST, _ROOM = 2000, 5000

Row = tuple[Mapping[str, Any], bool]


@dataclass(frozen=True)
class _Letter:
    delivery: str
    rows: Sequence[Row]
    kept: Future[int] = field(default_factory=Future)


class Letterbox:
    """Keeps deliveries in the order they came, in a thread of its own."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store, self._now = store, now
        self._waiting: queue.Queue[_Letter | None] = queue.Queue(_ROOM)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def put(self, delivery: str, rows: Sequence[Row]) -> Future[int]:
        """Keep a delivery; how many of its tickets are new, once they are safe.

        The answer raises StoreError when they could not be kept, and StoreBusy when too many wait.
        """
        letter = _Letter(delivery, rows)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep, name="letterbox", daemon=True)
                self._thread.start()
        try:
            self._waiting.put_nowait(letter)
        except queue.Full:
            letter.kept.set_exception(
                StoreBusy("too many deliveries wait for the database", hint="send it again later")
            )
        return letter.kept

    def close(self) -> None:
        """Keep what has come, and end."""
        if self._thread:
            self._waiting.put(None)
            self._thread.join()

    def _keep(self) -> None:
        while (first := self._waiting.get()) is not None:
            letters, size, last = [first], len(first.rows), False
            while size < _MOST and not last:
                try:
                    letter = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if letter is None:
                    last = True
                else:
                    letters.append(letter)
                    size += len(letter.rows)
            self._keep_together(letters)
            if last:
                return

    def _keep_together(self, letters: Sequence[_Letter]) -> None:
        try:
            with self._store.begin() as transaction:
                now = self._now()
                new = [
                    transaction.put_into_inbox(letter.delivery, letter.rows, now)
                    for letter in letters
                ]
        except Exception as error:  # noqa: BLE001 (each sender is told)
            for letter in letters:
                letter.kept.set_exception(error)
            return
        for letter, count in zip(letters, new, strict=True):
            letter.kept.set_result(count)
