"""A small disk of its own for a database, which can be filled and emptied."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from support.postgres import PostgresServer, server_account

_SIZE = 96 * 1024 * 1024


class NoDisk(Exception):
    """A disk of its own cannot be had on this machine; says why."""


@dataclass(frozen=True, kw_only=True)
class SmallDisk:
    """A mounted memory disk."""

    folder: Path

    @property
    def left(self) -> int:
        """Bytes that still fit."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def fill(self, leave: int) -> None:
        """Leave room for so many bytes only."""
        # A server that writes meanwhile may be quicker: then what fits is written, unbuffered.
        with suppress(OSError), (self.folder / "ballast").open("wb", buffering=0) as ballast:
            ballast.write(b"\0" * max(0, self.left - leave))

    def empty(self) -> None:
        """Make room again."""
        (self.folder / "ballast").unlink(missing_ok=True)


@contextmanager
def small_disk(server: PostgresServer, database: str) -> Iterator[SmallDisk]:
    """Keep a database on a small disk; what the server writes ahead stays on the large one.

    Raises NoDisk where this process may not mount one.
    """
    if os.geteuid() != 0:
        raise NoDisk("only root may mount a small disk")
    folder = Path(tempfile.mkdtemp(prefix="triagedesk-disk-"))
    options = f"size={_SIZE},mode=755"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    done = subprocess.run(mount, check=False, capture_output=True, text=True)
    if done.returncode:
        folder.rmdir()
        raise NoDisk(f"no small disk can be mounted: {done.stderr.strip()}")
    try:
        here = folder / "space"
        here.mkdir(mode=0o700)
        account = server_account()
        os.chown(here, account["user"], account["group"])
        with _moved(server, database, here):
            yield SmallDisk(folder=folder)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


@contextmanager
def _moved(server: PostgresServer, database: str, here: Path) -> Iterator[None]:
    """The database is on the small disk until the end of the block."""
    name = sql.Identifier(f"small_{database}")
    with server.connect() as connection:
        connection.execute(
            sql.SQL("CREATE TABLESPACE {} LOCATION {}").format(name, sql.Literal(str(here)))
        )
    _move(server, database, name)
    try:
        yield
    finally:
        (here.parent / "ballast").unlink(missing_ok=True)
        _move(server, database, sql.Identifier("pg_default"))
        with server.connect() as connection:
            connection.execute(sql.SQL("DROP TABLESPACE {}").format(name))


def _move(server: PostgresServer, database: str, to: sql.Identifier) -> None:
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    with server.connect() as connection:
        connection.execute(end, [database])
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET TABLESPACE {}").format(sql.Identifier(database), to)
        )
