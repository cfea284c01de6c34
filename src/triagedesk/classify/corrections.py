"""Corrections: what people answered, kept to answer the same again and to learn from."""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache

from triagedesk.catalog import Label
from triagedesk.classify.trim import readable

#: A model is fitted anew when there are so many times the corrections of the last time.
GROWTH = 1.1
#: A fit of so many corrections times classes takes seconds.
DEAR = 15_000
#: How many corrections, as a share and at least, a dear fit is due before it answers.
LAG, LEAST_LAG = 0.02, 2
#: So many times the corrections of the last fit are too much to wait for.
LEAP = 1.5
#: Characters of texts that are remembered as a model reads them.
_SHORT = 4_000


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
    def readable(self) -> str:
        """What a model reads of the text."""
        return _readable(self.text)

    @cached_property
    def key(self) -> str:
        """The same for texts a model reads alike."""
        return _key(self.readable)


def text_key(text: str) -> str:
    """Hash of what a model reads of a text, whatever its case and spacing."""
    # Nothing is remembered: most texts asked about come once.
    return _hashed(readable(*_parts(text)))


def _readable(text: str) -> str:
    return _short_readable(text) if len(text) <= _SHORT else readable(*_parts(text))


@lru_cache(maxsize=16_384)
def _short_readable(text: str) -> str:
    # A server reads all its corrections again whenever there is one more.
    return readable(*_parts(text))


def _parts(text: str) -> tuple[str, str]:
    short, _, long = text.partition("\n")
    return short, long


@lru_cache(maxsize=16_384)
def _key(text: str) -> str:
    return _hashed(text)


def _hashed(text: str) -> str:
    # As names are compared, but not by way of their cache: texts in it would be many megabytes.
    same = unicodedata.normalize("NFC", " ".join(text.split()).casefold())
    return hashlib.sha256(same.encode()).hexdigest()


def in_order(corrections: Sequence[Correction]) -> tuple[Correction, ...]:
    """Corrections by when they were made, then by text: any order of the same ones gives this."""
    return tuple(sorted(corrections, key=lambda c: (_moment(c), c.key)))


@dataclass(frozen=True, kw_only=True)
class Fits:
    """How many of the first corrections models are fitted on."""

    #: The one that answers now.
    used: int
    #: The one that answers soon, and may be fitted ahead; the same where there is nothing to do.
    due: int


def fits(ordered: Sequence[Correction], classes: int) -> Fits:
    """Which models there are to be, for a catalog of so many classes.

    One is fitted whenever there are a tenth more corrections, so that answers hang on nothing but
    the corrections themselves: not on when somebody asked. A fit that takes seconds answers a few
    corrections after it is due, which leaves time to make it beside the work; unless so much was
    learned at once that it should not wait. What was learned in one go stays together.
    """
    used = due = 0
    for count, correction in enumerate(ordered, start=1):
        last = count == len(ordered) or _moment(ordered[count]) > _moment(correction)
        if last and count >= due * GROWTH:
            quick = count * classes < DEAR or count >= due * LEAP
            due = count
            used = due if quick else used
        if count >= due + max(LEAST_LAG, math.ceil(due * LAG)):
            used = due
    return Fits(used=used, due=due)


def digest(ordered: Sequence[Correction]) -> str:
    """Hash of what corrections say and which were made together."""
    hashed = hashlib.sha256()
    before: float | None = None
    for correction in ordered:
        together = "=" if before == _moment(correction) else "-"
        before = _moment(correction)
        hashed.update(f"{together} {correction.key} {correction.label!r}\n".encode())
    return hashed.hexdigest()


def _moment(correction: Correction) -> float:
    return correction.made_at.timestamp() if correction.made_at else float("-inf")


def standing(corrections: Sequence[Correction]) -> tuple[Correction, ...]:
    """One correction per text, the newest (or else the last); in a stable order."""
    newest: dict[str, tuple[float, int, Correction]] = {}
    for position, correction in enumerate(corrections):
        when = _moment(correction)
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
