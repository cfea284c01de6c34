"""One client's dialogue with the mail server for tests, and what can go wrong in it."""

from __future__ import annotations

import base64
import contextlib
import email
import email.policy
import re
import socket
import ssl
import struct
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Protocol

USERNAME = "bot"
PASSWORD = "correct horse"
_LONGEST_LINE = 100_000


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing to do wrong, at one step of the dialogue."""

    #: CONNECT, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA (the command), BODY (while it comes in), DOT
    #: (the whole message is there and is kept before the fault), or QUIT.
    at: str
    #: Answer this instead.
    reply: str = ""
    #: Only when the command line (for BODY and DOT: the message) contains this.
    match: str = ""
    #: How many times; None is always.
    times: int | None = None
    #: Cut the connection, after the reply if there is one.
    drop: bool = False
    #: Seconds to wait first.
    delay: float = 0.0
    #: For DOT: the message is not kept.
    forget: bool = False


@dataclass(frozen=True, kw_only=True)
class Received:
    """A message the server has accepted."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    #: Whether it came encrypted, and who had signed in.
    encrypted: bool
    username: str

    @property
    def message(self) -> EmailMessage:
        """The message, parsed."""
        return email.message_from_bytes(self.content, policy=email.policy.default)


class _Dropped(Exception):
    """The connection has been cut on purpose."""


class Host(Protocol):
    """What a dialogue needs of its server."""

    starttls: bool
    tls: bool
    auth: bool
    smtputf8: bool
    size_limit: int

    def fault(self, at: str, what: str) -> Fault | None:
        """The fault to commit now, if any."""

    def pause(self, seconds: float) -> None:
        """Be slow, but not to end."""

    def log(self, line: str) -> None:
        """Remember a command."""

    def keep(self, received: Received) -> None:
        """Accept a message."""

    def connected(self, connection: socket.socket, *, there: bool) -> None:
        """Remember what is open."""

    def encrypt(self, connection: socket.socket) -> ssl.SSLSocket:
        """Speak TLS from here on."""


class Session:
    """One client's dialogue."""

    def __init__(self, server: Host, connection: socket.socket) -> None:
        self._server, self._socket = server, connection
        self._encrypted, self._username = False, ""
        self._sender: str | None = None
        self._recipients: list[str] = []

    def run(self) -> None:
        self._server.connected(self._socket, there=True)
        # Clients that vanish and connections cut on purpose are what this server is for.
        with contextlib.suppress(OSError, _Dropped):
            if self._server.tls:
                self._encrypt()
            self._file = self._socket.makefile("rb")
            self._answer("CONNECT", "", "220 localhost ESMTP for tests")
            while self._command():
                pass
        self._server.connected(self._socket, there=False)
        if hasattr(self, "_file"):
            self._file.close()
        self._socket.close()

    def _encrypt(self) -> None:
        self._server.connected(self._socket, there=False)
        self._socket = self._server.encrypt(self._socket)
        self._server.connected(self._socket, there=True)
        self._encrypted = True

    def _say(self, text: str) -> None:
        self._socket.sendall(text.encode() + b"\r\n")

    def _answer(self, at: str, what: str, normal: str) -> bool:
        """Answer normally, unless a fault says otherwise; True when it was normal."""
        fault = self._server.fault(at, what)
        if fault is None:
            self._say(normal)
            return True
        self._server.pause(fault.delay)
        if fault.reply:
            self._say(fault.reply)
        if fault.drop:
            self._drop()
        if not fault.reply:
            self._say(normal)
            return True
        return False

    def _drop(self) -> None:
        """Reset the connection, as a crashing server or a firewall does."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise _Dropped

    def _command(self) -> bool:
        raw = self._file.readline(_LONGEST_LINE)
        if not raw:
            return False
        line = raw.decode("utf-8", errors="replace").rstrip("\r\n")
        verb, space, rest = line.partition(" ")
        verb = verb.upper()
        line = verb + space + rest
        self._server.log("AUTH ***" if verb == "AUTH" else line)
        handlers = {
            "EHLO": self._ehlo,
            "HELO": self._ehlo,
            "STARTTLS": self._starttls,
            "AUTH": self._auth,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._data,
            "RSET": self._rset,
        }
        if verb == "QUIT":
            self._answer("QUIT", line, "221 bye")
            return False
        handler = handlers.get(verb)
        if handler is None:
            self._say("502 5.5.2 not known")
        else:
            handler(line)
        return True

    def _ehlo(self, line: str) -> None:
        offers = ["localhost", f"SIZE {self._server.size_limit}", "8BITMIME"]
        if self._server.starttls and not self._encrypted:
            offers.append("STARTTLS")
        elif self._server.auth:
            offers.append("AUTH PLAIN LOGIN")
        if self._server.smtputf8:
            offers.append("SMTPUTF8")
        lines = [f"250-{offer}" for offer in offers[:-1]] + [f"250 {offers[-1]}"]
        self._answer("EHLO", line, "\r\n".join(lines))

    def _starttls(self, line: str) -> None:
        if self._answer("STARTTLS", line, "220 go ahead"):
            self._file.close()
            self._encrypt()
            self._file = self._socket.makefile("rb")

    def _auth(self, line: str) -> None:
        _, method, *rest = line.split(" ")
        if method.upper() == "PLAIN":
            given = rest[0] if rest else self._ask("")
            parts = base64.b64decode(given).decode().split("\0")[1:]
        else:
            parts = [
                base64.b64decode(rest[0] if rest else self._ask("Username:")).decode(),
                base64.b64decode(self._ask("Password:")).decode(),
            ]
        if parts != [USERNAME, PASSWORD]:
            self._answer("AUTH", line, "535 5.7.8 authentication failed")
        elif self._answer("AUTH", line, "235 2.7.0 welcome"):
            self._username = parts[0]

    def _ask(self, prompt: str) -> str:
        self._say(f"334 {base64.b64encode(prompt.encode()).decode()}")
        return self._file.readline(_LONGEST_LINE).decode().strip()

    def _mail(self, line: str) -> None:
        if self._server.auth and not self._username:
            self._say("530 5.7.0 authentication required")
        elif self._answer("MAIL", line, "250 2.1.0 ok"):
            self._sender, self._recipients = _bracketed(line), []

    def _rcpt(self, line: str) -> None:
        if self._sender is None:
            self._say("503 5.5.1 MAIL first")
        elif self._answer("RCPT", line, "250 2.1.5 ok"):
            self._recipients.append(_bracketed(line))

    def _rset(self, _line: str) -> None:
        self._sender, self._recipients = None, []
        self._say("250 ok")

    def _data(self, line: str) -> None:
        if not self._recipients:
            self._say("503 5.5.1 no valid recipients")
        elif self._answer("DATA", line, "354 end with a dot"):
            self._message()

    def _message(self) -> None:
        content = b""
        while (line := self._file.readline(_LONGEST_LINE)) != b".\r\n":
            if not line:
                raise _Dropped
            content += line.removeprefix(b".")
            fault = self._server.fault("BODY", "") if len(content) > 2_000 else None
            if fault:
                self._drop()
        received = Received(
            sender=self._sender or "",
            recipients=tuple(self._recipients),
            content=content,
            encrypted=self._encrypted,
            username=self._username,
        )
        self._sender, self._recipients = None, []
        self._after_the_dot(received)

    def _after_the_dot(self, received: Received) -> None:
        text = received.content.decode("utf-8", errors="replace")
        fault = self._server.fault("DOT", text)
        refused = fault is not None and fault.reply[:1] in ("4", "5")
        if not refused and not (fault and fault.forget):
            self._server.keep(received)
        if fault:
            self._server.pause(fault.delay)
            if fault.reply:
                self._say(fault.reply)
            if fault.drop:
                self._drop()
            if fault.reply:
                return
        self._say("250 2.0.0 taken")


def _bracketed(line: str) -> str:
    found = re.search(r"<(.*?)>", line)
    return found.group(1) if found else ""
