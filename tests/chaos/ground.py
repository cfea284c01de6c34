"""Where chaos takes place: a desk with its servers, a database that can be away, and the draw."""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from chaos.books import Tally, check
from support.desk import AGENTS, Running, WholeDesk, open_desk, wait_until, wire_tickets
from support.postgres import PostgresServer
from triagedesk.store.tables import reports

#: Seconds one process may take on a busy machine.
PATIENCE = 150


@dataclass(kw_only=True)
class Ground:
    """One desk on one database, and what a scenario needs to make its life hard."""

    desk: WholeDesk
    tally: Tally
    draw: random.Random
    #: Takes the database away until the end of the block.
    away: Callable[[], contextlib.AbstractContextManager[None]]
    #: The database's server; None for SQLite.
    server: PostgresServer | None
    #: How much of everything: 1 for the short part.
    size: int
    #: Ids of all tickets that anybody has sent.
    expected: set[str] = field(default_factory=set)
    #: Seconds an undisturbed run takes, start included.
    takes: float = 1.0

    def arrive(self, count: int) -> None:
        """More tickets wait at the helpdesk, which keeps those it had."""
        known = self.desk.helpdesk.tickets
        new = wire_tickets(count, start=len(known) + 1)
        known += new
        self.expected |= {str(ticket["id"]) for ticket in new}

    def start(self, *arguments: str, **settings: str) -> Running:
        """A command with a hand on the plug."""
        note = str(self.desk.folder / "died")
        return self.desk._start("chaos.entry", arguments, {"CHAOS_NOTE": note, **settings})

    def measure(self) -> None:
        """How long an undisturbed run takes here."""
        self.arrive(3)
        began = time.monotonic()
        outcome = self.start("run").outcome(PATIENCE)
        assert outcome.code == 0, outcome.text
        self.takes = time.monotonic() - began

    def die_at(self, where: str) -> bool:
        """A run that dies there; False when it never came there."""
        code = self.start("run", CHAOS_KILL=where).outcome(PATIENCE).code
        if code == -signal.SIGKILL:
            self.killed(where)
            return True
        return False

    def die_after(self, seconds: float) -> None:
        """A run that is killed after so many seconds."""
        running = self.start("run")
        with contextlib.suppress(Exception):
            running.process.wait(seconds)
        if running.process.poll() is None:
            running.process.kill()
        if running.outcome(PATIENCE).code == -signal.SIGKILL:
            self.killed("any moment")

    def killed(self, where: str) -> None:
        """Count a kill, and whether it fell between handing over a mail and recording it."""
        self.tally.kills += 1
        self.tally.died[where] += 1
        # What it had sent is still coming in.
        wait_until(lambda: not self.desk.smtp._sockets, PATIENCE)
        came = {str(received.message["Message-ID"]) for received in self.desk.smtp.messages}
        with self.desk.connection() as connection:
            unsent = connection.scalars(
                select(reports.c.message_id).where(reports.c.state == "unsent")
            ).all()
        self.tally.mails_may += sum(message_id in came for message_id in unsent)

    def rest(self) -> None:
        """Undisturbed runs until nothing is left to do; then the books are checked."""
        self.desk.helpdesk.script()
        self.desk.smtp.script()
        for _ in range(8):
            outcome = self.desk.run("--json")
            calm = outcome.code == 0 and not outcome.json["only_resent"]
            if calm and set(self.desk.report_states()) <= {"sent"}:
                break
        else:
            self.tally.wrong.append(f"it does not come to rest: {outcome.text[:300]}")
        check(self.desk, self.tally, self.expected)


@contextmanager
def ground(
    name: str, folder: Path, server: PostgresServer | None, *, seed: int, size: int
) -> Iterator[Ground]:
    """A desk of its own for a scenario, on SQLite or a PostgreSQL server."""
    with contextlib.ExitStack() as stack:
        if server:
            url = stack.enter_context(server.database())
            away = _server_away(server)
        else:
            url = f"sqlite:///{folder / 'desk.db'}"
            away = _file_locked(folder / "desk.db")
        desk = stack.enter_context(open_desk(folder, url))
        desk.helpdesk.tickets.clear()
        desk.write_agents(*({**agent, "capacity": 100_000} for agent in AGENTS))
        database = "PostgreSQL" if server else "SQLite"
        yield Ground(
            desk=desk,
            tally=Tally(name=name, database=database),
            draw=random.Random(f"{seed} {name} {database}"),
            away=away,
            server=server,
            size=size,
        )


def _server_away(
    server: PostgresServer,
) -> Callable[[], contextlib.AbstractContextManager[None]]:
    @contextmanager
    def away() -> Iterator[None]:
        server.stop()
        try:
            yield
        finally:
            server.start()

    return away


def _file_locked(path: Path) -> Callable[[], contextlib.AbstractContextManager[None]]:
    """SQLite is never away; but another process may keep it locked."""

    @contextmanager
    def away() -> Iterator[None]:
        holder = sqlite3.connect(path, timeout=30)
        try:
            holder.execute("BEGIN IMMEDIATE")
            yield
        finally:
            holder.rollback()
            holder.close()

    return away
