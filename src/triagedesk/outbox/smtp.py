"""Mail over SMTP: STARTTLS or TLS, AUTH, and one outcome for each recipient.

SMTP cannot promise exactly once. Between the dot that ends the message and the server's answer
nobody can tell whether it has been taken; when the connection is lost just there the outcome says
so, and a repeat carries the same Message-ID by which mail programs and people know it again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import smtplib
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from triagedesk.cleaning import excerpt
from triagedesk.errors import Problem, SettingsError
from triagedesk.outbox import DeliveryOutcome, Mail
from triagedesk.outbox.message import build_message, envelope_address

TLS_AT_ONCE_PORT = 465
#: Replies that ask for, or refuse, a sign-in at any point of the dialogue.
_SIGN_IN_REPLIES = (530, 534, 535, 538)
_SIGN_IN_HINT = "check EMAIL_USERNAME and EMAIL_PASSWORD"
_OK, _START_INPUT = 250, 354
_TEMPORARY, _PERMANENT = range(400, 500), range(500, 600)
_MAX_WORDS = 300
_LINE_DOT = re.compile(rb"^\.", re.MULTILINE)

_Outcomes = dict[str, DeliveryOutcome]


class _NotPossible(Exception):
    """What was asked for cannot be done with this server."""


@dataclass(frozen=True, kw_only=True)
class SmtpChannel:
    """Sends reports through one mail server, signed in when a user name is given.

    Raises SettingsError for a sender that is no e-mail address.
    """

    host: str
    port: int = 587
    sender: str
    recipients: tuple[str, ...]
    #: Never send in the clear: STARTTLS, or TLS at once on port 465.
    use_tls: bool = True
    #: TLS at once; None: exactly when the port is 465.
    tls_at_once: bool | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    #: Seconds for connecting and for each answer.
    timeout: float = 30.0
    #: Seconds for the answer to a complete message; giving up early makes doubles (RFC 5321,
    #: section 4.5.3.2.6, asks for ten minutes).
    final_timeout: float = 300.0
    #: Certificates to trust instead of the system's (or SSL_CERT_FILE's).
    ca_file: Path | None = None
    name: str = field(default="smtp", init=False)

    def __post_init__(self) -> None:
        try:
            envelope_address(self.sender)
        except ValueError as error:
            problem = Problem(where="EMAIL_SENDER", what=str(error))
            raise SettingsError(problems=[problem]) from error

    @property
    def destination(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    @property
    def fingerprint(self) -> str:
        """A hash of server, sign-in name and sender; the password is not part of it."""
        parts = [self.host, self.port, self.use_tls, self._at_once, self.username, self.sender]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    @property
    def _at_once(self) -> bool:
        return self.port == TLS_AT_ONCE_PORT if self.tls_at_once is None else self.tls_at_once

    def send(self, mail: Mail, recipients: tuple[str, ...]) -> dict[str, DeliveryOutcome]:
        """Try once to hand `mail` to every recipient; never raises for a delivery that failed."""
        outcomes: _Outcomes = {}
        todo: dict[str, str] = {}
        for recipient in recipients:
            try:
                todo[recipient] = envelope_address(recipient)
            except ValueError as error:
                outcomes[recipient] = _failed(str(error), permanent=True)
        while todo:
            handover = _Handover(self, mail, todo)
            handover.run()
            outcomes |= handover.outcomes
            # Some servers hang up on whoever names a bad recipient; the good ones must not suffer.
            todo = {name: todo[name] for name in handover.lost} if handover.refused_some else {}
        return {recipient: outcomes[recipient] for recipient in recipients}

    def connect(self) -> smtplib.SMTP:
        """An open, encrypted and signed-in connection; raises what smtplib and ssl raise."""
        context = ssl.create_default_context(cafile=self.ca_file) if self._encrypted else None
        if self._at_once and context:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, _own_name(), timeout=self.timeout, context=context
            )
        else:
            smtp = smtplib.SMTP(self.host, self.port, _own_name(), timeout=self.timeout)
        try:
            smtp.ehlo_or_helo_if_needed()
            if context and not self._at_once:
                self._start_tls(smtp, context)
            if self.username:
                self._sign_in(smtp)
        except BaseException:
            smtp.close()
            raise
        return smtp

    @property
    def _encrypted(self) -> bool:
        return self.use_tls or self._at_once

    def _start_tls(self, smtp: smtplib.SMTP, context: ssl.SSLContext) -> None:
        if not smtp.has_extn("starttls"):
            raise _NotPossible(
                f"{self.destination} offers no STARTTLS, and nothing is sent in the clear: "
                "check EMAIL_SMTP_PORT and EMAIL_USE_TLS"
            )
        smtp.starttls(context=context)
        smtp.ehlo()

    def _sign_in(self, smtp: smtplib.SMTP) -> None:
        if not smtp.has_extn("auth"):
            raise _NotPossible(
                f"{self.destination} offers no sign-in: check EMAIL_USE_TLS, or leave "
                "EMAIL_USERNAME and EMAIL_PASSWORD empty"
            )
        if (self.username + self.password).isascii():
            smtp.login(self.username, self.password)
            return
        # smtplib signs in with ASCII only; RFC 4616 has UTF-8.
        secret = f"\0{self.username}\0{self.password}".encode()
        code, words = smtp.docmd("AUTH", f"PLAIN {base64.b64encode(secret).decode()}")
        if code not in (235, 503):
            raise smtplib.SMTPAuthenticationError(code, words)

    def words_of(self, error: Exception, *, waited: float | None = None) -> str:
        """What went wrong, for a person, with what to do; never with the password."""
        return self.scrubbed(_explain(error, self.destination, waited or self.timeout))

    def scrubbed(self, text: str) -> str:
        """`text` without the password, should a server repeat what it was sent."""
        if not self.password:
            return text
        secret = self.password.encode()
        plain = f"\0{self.username}\0{self.password}".encode()
        for form in (
            self.password,
            base64.b64encode(secret).decode(),
            base64.b64encode(plain).decode(),
        ):
            text = text.replace(form, "***")
        return text


class _Handover:
    """One connection and one message for all recipients that can still be reached."""

    def __init__(self, channel: SmtpChannel, mail: Mail, todo: Mapping[str, str]) -> None:
        self._channel, self._mail, self._todo = channel, mail, todo
        self.outcomes: _Outcomes = {}
        #: Recipients whose turn had not come, or was void, when the connection was lost.
        self.lost: list[str] = []
        #: True when a recipient was refused before the connection was lost.
        self.refused_some = False

    def run(self) -> None:
        """Go through the whole dialogue; afterwards `outcomes` has every recipient."""
        try:
            with self._connection() as smtp:
                self._hand_over(smtp)
        except (OSError, UnicodeError, smtplib.SMTPException, _NotPossible) as error:
            self.refused_some = bool(self.outcomes)
            self.lost = [name for name in self._todo if name not in self.outcomes]
            outcome = _failed(self._channel.words_of(error), try_again=_is_passing(error))
            self.outcomes |= dict.fromkeys(self.lost, outcome)

    @contextmanager
    def _connection(self) -> Iterator[smtplib.SMTP]:
        smtp = self._channel.connect()
        try:
            yield smtp
            # Waiting for the answer to QUIT would only put off recording what was delivered.
            with suppress(OSError, smtplib.SMTPException):
                smtp.putcmd("QUIT")
        finally:
            smtp.close()

    def _hand_over(self, smtp: smtplib.SMTP) -> None:
        sender = envelope_address(self._channel.sender)
        reachable = self._without_unspeakable(smtp, sender)
        if not reachable:
            return
        message = build_message(self._mail, self._channel.sender, reachable).as_bytes()
        international = not all(a.isascii() for a in (sender, *reachable.values()))
        if self._too_large(smtp, len(message)):
            return
        options = [f"SIZE={len(message)}"] if smtp.has_extn("size") else []
        options += ["BODY=8BITMIME", "SMTPUTF8"] if international else []
        code, words = smtp.mail(sender, options)
        if code != _OK:
            self._refuse(reachable, code, words, hint="check EMAIL_SENDER")
            return
        accepted = [name for name in reachable if self._name_recipient(smtp, name, reachable[name])]
        if accepted:
            self._transmit(smtp, accepted, message)

    def _name_recipient(self, smtp: smtplib.SMTP, name: str, address: str) -> bool:
        code, words = smtp.rcpt(address)
        accepted = code in (_OK, 251)
        if not accepted:
            self._refuse([name], code, words)
        return accepted

    def _transmit(self, smtp: smtplib.SMTP, accepted: Iterable[str], message: bytes) -> None:
        code, words = smtp.docmd("DATA")
        if code != _START_INPUT:
            self._refuse(accepted, code, words)
            return
        smtp.send(_LINE_DOT.sub(b"..", message))
        try:
            if smtp.sock:
                smtp.sock.settimeout(self._channel.final_timeout)
            smtp.send(b".\r\n")
            code, words = smtp.getreply()
        except (OSError, smtplib.SMTPException) as error:
            reason = self._channel.words_of(error, waited=self._channel.final_timeout)
            self._fail(
                accepted,
                f"{reason}, after the whole message had been sent: it may have arrived; "
                f"sent again it has the same Message-ID {self._mail.message_id}",
            )
            return
        if code != _OK:
            self._refuse(accepted, code, words)
            return
        self.outcomes |= dict.fromkeys(accepted, DeliveryOutcome(delivered=True))

    def _without_unspeakable(self, smtp: smtplib.SMTP, sender: str) -> dict[str, str]:
        """The recipients whose address this server can be told."""
        if smtp.has_extn("smtputf8"):
            return dict(self._todo)
        lacks = f"{self._channel.destination} cannot take addresses beyond ASCII (SMTPUTF8)"
        if not sender.isascii():
            self._fail(self._todo, f"{lacks}: check EMAIL_SENDER", permanent=True)
            return {}
        unspeakable = [name for name, address in self._todo.items() if not address.isascii()]
        self._fail(unspeakable, lacks, permanent=True)
        return {name: a for name, a in self._todo.items() if name not in unspeakable}

    def _too_large(self, smtp: smtplib.SMTP, size: int) -> bool:
        limit = smtp.esmtp_features.get("size", "")
        if not limit.isascii() or not limit.isdigit() or not 0 < int(limit) < size:
            return False
        left = [name for name in self._todo if name not in self.outcomes]
        words = (
            f"the message has {size / 1e6:.1f} MB, {self._channel.destination} takes "
            f"{int(limit) / 1e6:.1f} MB at most"
        )
        self._fail(left, words, permanent=True)
        return True

    def _refuse(self, names: Iterable[str], code: int, words: bytes, *, hint: str = "") -> None:
        """Record what the server answered instead of yes."""
        sign_in = code in _SIGN_IN_REPLIES
        said = self._channel.scrubbed(_reply(code, words))
        advice = _SIGN_IN_HINT if sign_in else hint
        text = f"{self._channel.destination} answered {said}" + (f": {advice}" if advice else "")
        permanent = code in _PERMANENT and not sign_in
        outcome = _failed(text, permanent=permanent, try_again=code in _TEMPORARY)
        self.outcomes |= dict.fromkeys(names, outcome)

    def _fail(self, names: Iterable[str], words: str, *, permanent: bool = False) -> None:
        self.outcomes |= dict.fromkeys(names, _failed(words, permanent=permanent))


def _failed(words: str, *, permanent: bool = False, try_again: bool = False) -> DeliveryOutcome:
    return DeliveryOutcome(delivered=False, error=words, permanent=permanent, try_again=try_again)


def _reply(code: int, words: bytes | str) -> str:
    text = words.decode("utf-8", errors="replace") if isinstance(words, bytes) else words
    return f"{code} {excerpt(text, limit=_MAX_WORDS)}".strip()


def _own_name() -> str:
    """What to call ourselves; smtplib would ask the name server, which may take its time."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _is_passing(error: Exception) -> bool:
    """True for what may be over in seconds."""
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code in _TEMPORARY
    # SMTPServerDisconnected is no ConnectionError, though it means the same.
    return isinstance(error, (TimeoutError, ConnectionError, smtplib.SMTPServerDisconnected))


# The first that fits counts, so the special ones stand before the general ones.
_EXPLANATIONS: tuple[tuple[type[Exception], str], ...] = (
    (_NotPossible, "{error}"),
    (TimeoutError, "{server} did not answer within {timeout:g} s"),
    (smtplib.SMTPAuthenticationError, "{server} refused the sign-in ({reply}): " + _SIGN_IN_HINT),
    (smtplib.SMTPResponseException, "{server} answered {reply}"),
    (smtplib.SMTPServerDisconnected, "{server} closed the connection"),
    (ConnectionRefusedError, "{server} refused the connection: is the server running there?"),
    (socket.gaierror, "{server} is not a known name: check EMAIL_SMTP_HOST"),
    (UnicodeError, "{server} is not a possible name: check EMAIL_SMTP_HOST"),
    (
        ssl.SSLCertVerificationError,
        "the certificate of {server} is not trusted ({error}): name its CA in SSL_CERT_FILE",
    ),
    (
        ssl.SSLError,
        "no TLS with {server} ({error}): check EMAIL_SMTP_PORT, 587 for STARTTLS or 465",
    ),
    (Exception, "{server}: {error}"),
)


def _explain(error: Exception, server: str, timeout: float) -> str:
    """An exception of the connection in words."""
    # smtplib turns a time limit that passes while it reads into a disconnection.
    if isinstance(error, smtplib.SMTPServerDisconnected) and "timed out" in str(error):
        error = TimeoutError()
    reply = ""
    if isinstance(error, smtplib.SMTPResponseException):
        reply = _reply(error.smtp_code, error.smtp_error)
    said = getattr(error, "verify_message", "") or str(error) or type(error).__name__
    pattern = next(text for kind, text in _EXPLANATIONS if isinstance(error, kind))
    return pattern.format(
        server=server, timeout=timeout, reply=reply, error=excerpt(said, limit=_MAX_WORDS)
    )
