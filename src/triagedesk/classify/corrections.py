"""Corrections: what people answered, kept to answer the same again and to learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

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

    @cached_property
    def key(self) -> str:
        """The same for texts a model reads alike."""
        return text_key(self.text)


def text_key(text: str) -> str:
    """Hash of what a model reads of a text, whatever its case and spacing."""
    short, _, long = text.partition("\n")
    return hashlib.sha256(normalise(readable(short, long)).encode()).hexdigest()


def standing(corrections: Sequence[Correction]) -> tuple[Correction, ...]:
    """One correction per text, the newest (or else the last); in a stable order."""
    newest: dict[str, tuple[float, int, Correction]] = {}
    for position, correction in enumerate(corrections):
        when = correction.made_at.timestamp() if correction.made_at else float("-inf")
        if correction.key not in newest or (when, position) > newest[correction.key][:2]:
            newest[correction.key] = (when, position, correction)
    return tuple(newest[key][2] for key in sorted(newest))


def contradictions(corrections: Sequence[Correction]) -> list[tuple[Correction, Correction]]:
    """Pairs (overruled, standing) of different answers to the same text."""
    answers = {correction.key: correction for correction in standing(corrections)}
    return [
        (correction, answers[correction.key])
        for correction in corrections
        if correction.label != answers[correction.key].label
    ]
