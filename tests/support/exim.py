"""Exim, started throw-away on a port of its own, where it is installed."""

from __future__ import annotations

import contextlib
import email
import email.policy
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Self

from support.ports import port_nobody_listens_on
from support.smtp import PASSWORD, TESTS, USERNAME, Certificates


def exim_is_missing() -> str:
    """Why Exim cannot be used here; "" when it can."""
    if not _exim():
        return "Exim is not installed (apt-get install exim4-daemon-light)"
    return "" if os.geteuid() == 0 else "Exim needs root to be started with its own configuration"


def _exim() -> str | None:
    return shutil.which("exim4", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def _greeting(port: int) -> bytes:
    """What a server on the port says first; b"" when there is none."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            return connection.recv(1_000)
    except OSError:
        return b""


class Exim:
    """A throw-away Exim: STARTTLS before AUTH; recipients' names choose what goes wrong.

    `reject@` 550, `full@` 452, `drop@` 550 and hang up, `grey@` 451 the first time; a subject with
    REFUSE in it is refused with 554 after the message.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, 0
        self.certificates = Certificates.make(folder / "tls")

    def __enter__(self) -> Self:
        for name in ("spool", "log", "box", "grey"):
            (self.folder / name).mkdir()
        # Exim cannot choose a port itself, and somebody else may take the one chosen for it.
        for _ in range(5):
            self._start()
            if self._answers():
                return self
            self.__exit__(None, None, None)
        raise RuntimeError(f"Exim did not start: see {self.folder / 'log'}")

    def _start(self) -> None:
        self.port = port_nobody_listens_on()
        values = {"DIR": str(self.folder), "PORT": str(self.port)}
        values |= {"USERNAME": USERNAME, "PASSWORD": PASSWORD}
        text = (TESTS / "support" / "exim.conf").read_text()
        for name, value in values.items():
            text = text.replace(f"@{name}@", value)
        configuration = self.folder / "exim.conf"
        configuration.write_text(text)
        configuration.chmod(0o644)
        self._hand_to_exim(configuration)
        self._process = subprocess.Popen(
            [str(_exim()), "-C", str(configuration), "-bdf", "-q1m"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _answers(self) -> bool:
        """True once it is Exim that listens on the port; False when it has given up."""
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up:
            if b"Exim" in _greeting(self.port):
                return True
            if self._process.poll() is not None:
                return False
            time.sleep(0.05)
        return False

    def _hand_to_exim(self, configuration: Path) -> None:
        owner = pwd.getpwnam("Debian-exim")
        for path in (self.folder, *self.folder.rglob("*")):
            if path != configuration:
                os.chown(path, owner.pw_uid, owner.pw_gid)
        # pytest's own folders above are for root only.
        for above in (self.folder, *self.folder.parents):
            if Path(tempfile.gettempdir()) in above.parents:
                above.chmod(above.stat().st_mode | 0o055)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Exim forks for each delivery; the whole session is ours.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def messages(self, count: int) -> list[EmailMessage]:
        """The messages delivered, once there are `count` of them or a minute has passed."""
        give_up = time.monotonic() + 60
        while True:
            paths = sorted((self.folder / "box" / "new").glob("*"))
            if len(paths) >= count or time.monotonic() > give_up:
                break
            time.sleep(0.05)
        return [
            email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            for path in paths
        ]
