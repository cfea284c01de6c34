"""A mail server for tests that can be told to misbehave, as a thread or a process.

In a test:

    with SmtpServer(folder=tmp_path, starttls=True) as server:
        server.script(Fault(at="RCPT", match="full@", reply="452 4.2.2 mailbox full"))
        channel = SmtpChannel(host="localhost", port=server.port, ...)
        assert server.messages[0].recipients == ("lead@example.com",)

`SmtpProcess` runs the same server as a process of its own, which a test may kill and start again on
the same port; its faults, messages and command log are files in `folder`:

    python -m support.smtp FOLDER [--port 0] [--starttls | --tls] [--no-auth]

It prints `{"port": ...}` when it is ready. `support.exim` has the real thing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import trustme

from support.ports import keep_port, port_nobody_listens_on
from support.smtp_dialogue import PASSWORD, USERNAME, Fault, Received, Session

__all__ = [
    "PASSWORD",
    "USERNAME",
    "Certificates",
    "Fault",
    "Received",
    "SmtpProcess",
    "SmtpServer",
]

TESTS = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """A certificate authority and a certificate for localhost signed by it."""

    #: What clients have to trust, e.g. in SSL_CERT_FILE.
    ca: Path
    #: Key and certificate chain of the server.
    server: Path

    @classmethod
    def make(cls, folder: Path, *hosts: str) -> Self:
        """The certificates in `folder`, made unless they are there."""
        made = cls(ca=folder / "ca.pem", server=folder / "server.pem")
        if not made.server.exists():
            folder.mkdir(parents=True, exist_ok=True)
            authority = trustme.CA()
            authority.cert_pem.write_to_path(str(made.ca))
            certificate = authority.issue_cert(*(hosts or ("localhost", "127.0.0.1")))
            certificate.private_key_and_cert_chain_pem.write_to_path(str(made.server))
        return made


@dataclass(kw_only=True)
class SmtpServer:
    """A mail server in a thread of this process."""

    #: Certificates are made here; a server run as a process keeps everything here.
    folder: Path
    port: int = 0
    starttls: bool = False
    #: TLS at once.
    tls: bool = False
    auth: bool = True
    smtputf8: bool = False
    size_limit: int = 50_000_000
    #: Read faults from, and write messages and commands to, files in `folder`.
    persistent: bool = False
    messages: list[Received] = field(default_factory=list)
    #: Command lines, their verbs in capitals, without what follows AUTH.
    commands: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._faults: list[list[Any]] = []
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._hurried = threading.Event()
        self._kept: socket.socket | None = None
        self.certificates = Certificates.make(self.folder / "tls")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._let_go()

    def start(self) -> None:
        """Listen, on the same port as before when there was one."""
        self._stopping.clear()
        self._hurried.clear()
        self._let_go()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificates.server)
        self._context = context
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def stop(self) -> None:
        """Close every connection and take no more; the port stays ours."""
        self._stopping.set()
        self.hurry()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._sockets:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=60)
        if self._kept is None:
            self._kept = keep_port(self.port)

    def _let_go(self) -> None:
        if self._kept is not None:
            self._kept.close()
        self._kept = None

    def pause(self, seconds: float) -> None:
        """Be slow, but not to end."""
        self._hurried.wait(seconds)

    def hurry(self) -> None:
        """Give the answers that are being held back, and hold none back from now on."""
        self._hurried.set()

    def script(self, *faults: Fault) -> None:
        """From now on do these wrong, and nothing else."""
        with self._lock:
            self._faults = [[fault, fault.times] for fault in faults]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            session = Session(self, connection)
            thread = threading.Thread(target=session.run, daemon=True)
            self._threads.append(thread)
            thread.start()

    def fault(self, at: str, what: str) -> Fault | None:
        """The fault to commit now, if any."""
        if self.persistent:
            return self._fault_from_file(at, what)
        with self._lock:
            for entry in self._faults:
                fault, left = entry
                if fault.at == at and fault.match in what and left != 0:
                    entry[1] = None if left is None else left - 1
                    return fault  # type: ignore[no-any-return] # the list is [Fault, int | None]
        return None

    def _fault_from_file(self, at: str, what: str) -> Fault | None:
        path = self.folder / "faults.json"
        with self._lock:
            raw = json.loads(path.read_text()) if path.exists() else []
            for entry in raw:
                fault = Fault(**entry)
                if fault.at == at and fault.match in what and fault.times != 0:
                    if fault.times is not None:
                        entry["times"] -= 1
                        _replace(path, json.dumps(raw))
                    return fault
        return None

    def log(self, line: str) -> None:
        """Remember a command."""
        with self._lock:
            self.commands.append(line)
            if self.persistent:
                with (self.folder / "commands.log").open("a") as file:
                    file.write(line + "\n")

    def keep(self, received: Received) -> None:
        """Accept a message."""
        with self._lock:
            self.messages.append(received)
            if self.persistent:
                stem = f"{time.time_ns():020}-{len(self.messages):04}"
                meta = {k: v for k, v in asdict(received).items() if k != "content"}
                (self.folder / "messages").mkdir(exist_ok=True)
                (self.folder / "messages" / f"{stem}.eml").write_bytes(received.content)
                _replace(self.folder / "messages" / f"{stem}.json", json.dumps(meta))

    def connected(self, connection: socket.socket, *, there: bool) -> None:
        """Remember what is open, so that `stop` can close it."""
        with self._lock:
            (self._sockets.add if there else self._sockets.discard)(connection)

    def encrypt(self, connection: socket.socket) -> ssl.SSLSocket:
        """Speak TLS from here on."""
        return self._context.wrap_socket(connection, server_side=True)


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_suffix(".part")
    unfinished.write_text(text)
    unfinished.replace(path)


class SmtpProcess:
    """The same server as a process, for command-line tests that outlive their own process."""

    def __init__(self, folder: Path, *options: str, port: int = 0) -> None:
        # One that nobody else gets while this is stopped.
        self.folder, self.port = folder, port or port_nobody_listens_on()
        self._options = options
        folder.mkdir(parents=True, exist_ok=True)
        self.certificates = Certificates.make(folder / "tls")
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, on the same port as before when there was one."""
        command = [sys.executable, "-m", "support.smtp", str(self.folder), "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*command, *self._options], cwd=TESTS, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        self.port = json.loads(self._process.stdout.readline())["port"]

    def stop(self) -> None:
        """Kill it; messages stay."""
        if self._process:
            self._process.kill()
            self._process.wait()
            if self._process.stdout:
                self._process.stdout.close()
            self._process = None

    def script(self, *faults: Fault) -> None:
        """From now on do these wrong, and nothing else."""
        _replace(self.folder / "faults.json", json.dumps([asdict(fault) for fault in faults]))

    @property
    def messages(self) -> list[Received]:
        """What has been accepted, oldest first."""
        found = []
        for path in sorted((self.folder / "messages").glob("*.json")):
            meta = json.loads(path.read_text())
            meta["recipients"] = tuple(meta["recipients"])
            found.append(Received(content=path.with_suffix(".eml").read_bytes(), **meta))
        return found

    @property
    def commands(self) -> list[str]:
        """Command lines as they came."""
        path = self.folder / "commands.log"
        return path.read_text().splitlines() if path.exists() else []


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the server until it is killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--starttls", action="store_true")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--no-auth", dest="auth", action="store_false")
    options = vars(parser.parse_args(arguments))
    server = SmtpServer(persistent=True, **options)
    server.start()
    print(json.dumps({"port": server.port}), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
