"""A throw-away PostgreSQL server on a Unix socket, and fresh databases on it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import sql

from support.services import require
from triagedesk.store import Store

#: Seconds a server may take to start on a busy machine.
_PATIENCE = 120
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=64MB")
# The server lives as long as the pipe from this process: one that is killed leaves none behind.
_GUARD = '"$@" & server=$!; cat >/dev/null; kill -QUIT $server; wait $server'


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, the newest version's; None when not installed."""
    # On PATH there may be a wrapper or a link; the server itself lies beside the real initdb.
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve().parent] if on_path else []
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    found += sorted(installed, key=lambda folder: folder.parent.name.zfill(4), reverse=True)
    return next((folder for folder in found if (folder / "postgres").is_file()), None)


def server_account() -> dict[str, Any]:
    """As whom to start a server: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    require(condition=False, reason="no account but root to run PostgreSQL as")
    raise AssertionError("unreachable")


class PostgresServer:
    """A running server; `url` addresses a database on it."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self._process = process
        self._databases = 0
        self._template = ""

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        """Make a cluster, start its server, and remove both at the end."""
        folder_of_programs = programs()
        require(folder_of_programs, "PostgreSQL is not installed (Debian: apt install postgresql)")
        assert folder_of_programs is not None
        # Not in pytest's own folder, which nobody but its owner may enter; and a short path.
        folder = Path(tempfile.mkdtemp(prefix="triagedesk-pg-"))
        account = server_account()
        if account:
            os.chown(folder, account["user"], account["group"])
        folder.chmod(0o711)
        server = None
        try:
            _make_cluster(folder_of_programs, folder, account)
            server = cls(folder, _start(folder_of_programs, folder, account))
            yield server
        finally:
            if server is not None:
                server.stop()
            shutil.rmtree(folder)

    def stop(self) -> None:
        """Stop the server at once; its databases stay."""
        self._process.communicate()

    def start(self) -> None:
        """Start it again."""
        folder_of_programs = programs()
        assert folder_of_programs is not None
        self._process = _start(folder_of_programs, self.folder, server_account())

    def url(self, database: str) -> str:
        """SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://test@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection of one's own, each statement its own transaction."""
        return psycopg.connect(
            host=str(self.folder), user="test", dbname=database, autocommit=True, connect_timeout=60
        )

    @contextmanager
    def empty_database(self) -> Iterator[str]:
        """The URL of a database without any table, dropped at the end."""
        with self._database("template0") as url:
            yield url

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a database with the store's empty tables, dropped at the end."""
        if not self._template:
            self._create("tables", "template0")
            Store.open(self.url("tables")).close()
            self._template = "tables"
        with self._database(self._template) as url:
            yield url

    @contextmanager
    def _database(self, template: str) -> Iterator[str]:
        self._databases += 1
        name = f"test_{self._databases}"
        self._create(name, template)
        try:
            yield self.url(name)
        finally:
            with self.connect() as connection:
                connection.execute(
                    sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
                )

    def _create(self, name: str, template: str) -> None:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(template)
        )
        with self.connect() as connection:
            if template == "template0" and connection.info.server_version >= 150_000:
                # Orders text as people do (a, A, b): an order left to the server would show.
                create += sql.SQL(" LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
            give_up = time.monotonic() + _PATIENCE
            while True:
                try:
                    connection.execute(create)
                except psycopg.errors.ObjectInUse:
                    # Whoever had the template open is still on their way out.
                    if time.monotonic() > give_up:
                        raise
                else:
                    return


def _make_cluster(programs: Path, folder: Path, account: dict[str, Any]) -> None:
    initdb = [
        str(programs / "initdb"),
        "-D",
        str(folder / "data"),
        "-U",
        "test",
        "-A",
        "trust",
        "-N",
    ]
    made = subprocess.run(
        [*initdb, "-E", "UTF8", "--locale=C"],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        **account,
    )
    assert made.returncode == 0, made.stdout + made.stderr


def _start(programs: Path, folder: Path, account: dict[str, Any]) -> subprocess.Popen[bytes]:
    settings = (*_FAST, f"unix_socket_directories={folder}", "listen_addresses=")
    command = [str(programs / "postgres"), "-D", str(folder / "data")]
    command += [part for setting in settings for part in ("-c", setting)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["sh", "-c", _GUARD, "sh", *command],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            **account,
        )
    server = PostgresServer(folder, process)
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            server.connect().close()
        except psycopg.OperationalError as error:
            if time.monotonic() > give_up:
                process.communicate()
                log_text = (folder / "log").read_text(encoding="utf-8", errors="replace")
                raise AssertionError(f"PostgreSQL did not start:\n{log_text}") from error
            time.sleep(0.05)
        else:
            return process
