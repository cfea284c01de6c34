"""The command line with light models, and with a hand on the plug.

What is to happen stands in the environment:

    CHAOS_KILL    "before STEP", "after STEP", "commit N", "committed N" or "copying TABLE": die
                  there, at once
    CHAOS_CLOCK   a file that says by how many seconds the clock is wrong, read at every look
    CHAOS_ROOM    so many bytes fit into any one file: the disk is full

The product knows nothing of this. Where it dies is noted in the file CHAOS_NOTE beforehand.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from functools import wraps
from itertools import count
from pathlib import Path
from typing import Any, Self

from support.light_models import lighten
from triagedesk import app, pipeline, reporting
from triagedesk.cli import main
from triagedesk.store import Store, Transaction, copying

#: Every step that `pipeline.run` names, and handing over a report.
STEPS = (
    "send_unsent",
    "fetch",
    "load_catalog",
    "triage_chunk",
    "watch",
    "assign",
    "settle",
    "write_back",
    "report",
    "deliver",
)


def die(where: str) -> None:
    """End this process as the kernel does when memory runs out."""
    if note := os.environ.get("CHAOS_NOTE"):
        with Path(note).open("a", encoding="utf-8") as file:
            file.write(f"{where}\n")
    os.kill(os.getpid(), signal.SIGKILL)


def _mine(function: Callable[..., Any], step: str, wanted: str) -> Callable[..., Any]:
    @wraps(function)
    def done(*arguments: Any, **named: Any) -> Any:
        if wanted == f"before {step}":
            die(wanted)
        found = function(*arguments, **named)
        if wanted == f"after {step}":
            die(wanted)
        return found

    return done


def plug(wanted: str) -> None:
    """Have this process die where it is wanted to."""
    when, _, where = wanted.partition(" ")
    if when in ("before", "after"):
        module: Any = reporting if where == "deliver" else pipeline
        step = _mine(getattr(module, where), where, wanted)
        setattr(module, where, step)
        if where == "deliver":
            pipeline.deliver = step  # type: ignore[attr-defined] # imported there by name
        return
    if when == "copying":
        _die_copying(where)
        return
    _die_at_commit(when, int(where))


def _die_copying(table: str) -> None:
    """Die while a desk is copied, with everything before this table there, and not committed."""
    copy = copying._copy_table

    def until(mine: Any, theirs: Any, which: Any, advance: Any) -> Any:
        found = copy(mine, theirs, which, advance)
        if which.name == table:
            die(f"copying {table}")
        return found

    copying._copy_table = until  # type: ignore[assignment] # what this module is for


def _die_at_commit(when: str, number: int) -> None:
    begin = Store.begin
    numbers = count(1)

    @contextmanager
    def counted(self: Store) -> Iterator[Transaction]:
        with begin(self) as transaction:
            yield transaction
            mine = next(numbers)
            if when == "commit" and mine == number:
                die(f"commit {number}")
        if when == "committed" and mine == number:
            die(f"committed {number}")

    Store.begin = counted  # type: ignore[method-assign] # what this module is for


class WrongClock(datetime):
    """A clock that is wrong by what a file says."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        """The time, wrong."""
        said = Path(os.environ["CHAOS_CLOCK"]).read_text(encoding="utf-8")
        right = datetime.now(tz) + timedelta(seconds=float(said or 0))
        return cls.fromtimestamp(right.timestamp(), tz)


def chaos() -> None:
    """What the environment asks for."""
    if os.environ.get("CHAOS_CLOCK"):
        app.datetime = WrongClock  # type: ignore[attr-defined] # imported there by name
    if room := os.environ.get("CHAOS_ROOM"):
        # Python ignores SIGXFSZ: writing beyond fails with "File too large".
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(room), resource.RLIM_INFINITY))
    if wanted := os.environ.get("CHAOS_KILL"):
        plug(wanted)


if __name__ == "__main__":
    lighten(setattr, dict.__setitem__, lambda seconds: time.sleep(min(seconds, 0.02)))
    chaos()
    main()
