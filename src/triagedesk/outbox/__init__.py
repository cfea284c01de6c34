"""The outbox: reports on their way out, one channel per file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file that goes with a mail."""

    filename: str
    #: MIME type, e.g. `application/vnd.openxmlformats-officedocument.spreadsheetml.sheet`.
    content_type: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A report or notice as it goes out; the same one always has the same `message_id`."""

    #: With angle brackets, e.g. `<report-7f3a@triagedesk.example.com>`.
    message_id: str
    subject: str
    text: str
    html: str
    created_at: datetime
    attachment: Attachment | None = None


class Channel(Protocol):
    """A way out for reports."""

    @property
    def name(self) -> str:
        """What the channel is called in the store, e.g. `smtp` or `maildir`."""

    @property
    def destination(self) -> str:
        """For messages: server or folder, without credentials."""

    @property
    def recipients(self) -> tuple[str, ...]:
        """Who gets every report unless `report resend --to` says otherwise."""

    @property
    def fingerprint(self) -> str:
        """Changes with anything that may turn a permanent refusal into success."""

    def send(self, mail: Mail, recipients: tuple[str, ...]) -> dict[str, DeliveryOutcome]:
        """Try once to hand `mail` to every recipient; never raises for a delivery that failed."""


@dataclass(frozen=True, kw_only=True)
class DeliveryOutcome:
    """What became of one recipient's copy."""

    delivered: bool
    #: Server's words when it was not.
    error: str = ""
    #: True when sending the same again cannot succeed.
    permanent: bool = False
    #: True when the same may well succeed within seconds: the server was busy, or went away. Never
    #: for a copy that may have arrived, nor for what only other settings can mend.
    try_again: bool = False
