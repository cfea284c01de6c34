"""Corrections: what people answered, kept to answer the same again and to learn from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from triagedesk.catalog import Label, normalise
from triagedesk.classify.trim import readable


@dataclass(frozen=True, kw_only=True)
class Correction:
    """A person's answer for one ticket text."""

    #: Subject and body as they came, `Ticket.text`.
    text: str
    label: Label
    #: The ticket it was made on; "" for imported history.
    ticket_id: str = ""
    #: When; the newest of two that contradict each other stands. None sorts first.
    made_at: datetime | None = None
    #: Who said so.
    made_by: str = ""

    @property
    def key(self) -> str:
        """The same for texts a model reads alike."""
        return text_key(self.text)


def text_key(text: str) -> str:
    """Hash of what a model reads of a text, whatever its case and spacing."""
    short, _, long = text.partition("\n")
    return hashlib.sha256(normalise(readable(short, long)).encode()).hexdigest()
