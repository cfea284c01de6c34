"""A report as an Internet message, the same for every channel."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage, MIMEPart

from triagedesk.cleaning import clean_name
from triagedesk.outbox import Mail

#: RFC 5321, section 4.5.3.1.
MAX_ADDRESS = 254
_MAX_LOCAL_PART = 64
# Without quoted local parts, which no desk needs and which hide spaces and angle brackets.
_LOCAL_PART = re.compile(r"[^\s\x00-\x20\x7f\"(),:;<>@\[\\\]\ud800-\udfff]+")
_LABEL = r"[A-Za-z0-9_-]{1,63}"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f.:]+\]|\[IPv6:[0-9A-Fa-f.:]+\]")
# `Name <a@b>`; anything else has to be a bare address.
_NAMED = re.compile(r"([^<>@]*)<([^<>\s]+)>")
_MESSAGE_ID = re.compile(r"<[!-;=?A-~]+@[!-;=?A-~]+>")

# Old servers know neither 8BITMIME nor SMTPUTF8; quoted-printable passes everywhere.
_PLAIN = policy.SMTP.clone(cte_type="7bit")
_INTERNATIONAL = policy.SMTPUTF8


def envelope_address(text: str) -> str:
    """The bare address of `a@b` or `Name <a@b>`, its domain in ASCII; ValueError if it is none."""
    if any(ord(char) < 32 or ord(char) == 127 for char in text):  # noqa: PLR2004 - ASCII controls
        raise ValueError("an address has no line breaks or control characters")
    local, at, domain = _split(text)[1].rpartition("@")
    if not at or not _LOCAL_PART.fullmatch(local) or len(local) > _MAX_LOCAL_PART:
        raise ValueError(f"{clean_name(text)[:MAX_ADDRESS]!r} is not an e-mail address")
    try:
        domain = domain if domain.isascii() else domain.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ValueError(f"{clean_name(domain)!r} is not a domain name") from error
    if not _DOMAIN.fullmatch(domain) or len(local) + len(domain) >= MAX_ADDRESS:
        raise ValueError(f"{clean_name(text)[:MAX_ADDRESS]!r} is not an e-mail address")
    return f"{local}@{domain}"


def _split(text: str) -> tuple[str, str]:
    """Display name and address as written, neither of them checked."""
    named = _NAMED.fullmatch(text.strip())
    return (named[1].strip().strip('"'), named[2]) if named else ("", text.strip())


def build_message(mail: Mail, sender: str, recipients: Iterable[str]) -> EmailMessage:
    """`mail` from `sender` to `recipients`; what is no e-mail address is left out of the header.

    The same arguments give the same bytes. Raises ValueError for a Message-ID that is none.
    """
    senders, receivers = list(_header_addresses([sender])), list(_header_addresses(recipients))
    ascii_only = all(address.addr_spec.isascii() for address in [*senders, *receivers])
    message = EmailMessage(policy=_PLAIN if ascii_only else _INTERNATIONAL)
    message["Message-ID"] = _ascii_message_id(mail.message_id)
    message["Date"] = mail.created_at
    if senders:
        message["From"] = senders
    message["To"] = receivers or "undisclosed-recipients:;"
    message["Subject"] = clean_name(mail.subject)
    # RFC 3834: no out-of-office answers, please.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    if mail.attachment is not None:
        maintype, _, subtype = mail.attachment.content_type.partition("/")
        message.add_attachment(
            mail.attachment.content,
            maintype=maintype,
            subtype=subtype,
            filename=clean_name(mail.attachment.filename),
        )
    _fix_boundaries(message, mail.message_id)
    return message


def _ascii_message_id(text: str) -> str:
    """A Message-ID with its domain in ASCII, as older servers want it."""
    left, at, domain = text.removesuffix(">").rpartition("@")
    ascii_id = f"{left}{at}{domain.encode('idna').decode('ascii')}>" if domain else text
    if not _MESSAGE_ID.fullmatch(ascii_id):
        raise ValueError(f"{text!r} is not a Message-ID")
    return ascii_id


def _header_addresses(texts: Iterable[str]) -> Iterator[Address]:
    for text in texts:
        try:
            local, _, domain = envelope_address(text).rpartition("@")
        except ValueError:
            # The SMTP channel refuses what is no address; a header names the others only.
            continue
        name = clean_name(_split(text)[0])
        yield Address(display_name=name, username=local, domain=domain)


def _fix_boundaries(message: MIMEPart, seed: str) -> None:
    """Name the part boundaries after the Message-ID; Python would draw new ones each time."""
    for number, part in enumerate(message.walk()):
        if part.is_multipart():
            digest = hashlib.sha256(f"{seed} {number}".encode()).hexdigest()
            part.set_boundary(f"=_{digest[:32]}")
