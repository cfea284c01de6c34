"""Corrections seen before: the same text gets the same answer, and so does nearly the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triagedesk.classify.corrections import Correction
from triagedesk.classify.encoders import Embedded
from triagedesk.classify.nearest import mean_of_nearest

Floats = NDArray[np.float32]

#: Likeness of meaning and share of common words from which texts count as nearly identical.
SAME_MEANING, SAME_WORDS = 0.94, 0.7
#: A person's answer to this very text is still not always their last word.
EXACT_CONFIDENCE = 0.99
#: Corrections compared at once.
_BLOCK = 512

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """A correction that answers a ticket."""

    correction: Correction
    confidence: float
    exact: bool


class Memory:
    """The corrections that stand, one per text, looked up by text and by likeness."""

    def __init__(
        self, corrections: Sequence[Correction], embedded: Embedded, agreement: float
    ) -> None:
        """`agreement` is how often nearly identical corrections say the same."""
        self.corrections = tuple(corrections)
        self.embedded = embedded
        self.vectors = embedded.joined
        self._by_parts = {tuple(embedded.parts): self.vectors}
        self._by_key = {correction.key: correction for correction in corrections}
        self._agreement = agreement

    def exact(self, key: str) -> Remembered | None:
        """The correction of this very text."""
        found = self._by_key.get(key)
        if found is None:
            return None
        return Remembered(correction=found, confidence=EXACT_CONFIDENCE, exact=True)

    def near(
        self, embedded: Embedded, texts: Sequence[str]
    ) -> tuple[list[Remembered | None], Floats]:
        """For each text the nearest correction if nearly identical, and how near the nearest are.

        The latter is the mean likeness of a few, -1 to 1.
        """
        answers: list[Remembered | None] = []
        likeness = embedded.joined @ self._known(embedded).T
        for row, text in zip(likeness, texts, strict=True):
            best = int(row.argmax())
            found = self.corrections[best]
            same = row[best] >= SAME_MEANING and _alike(text, found.readable)
            answers.append(
                Remembered(correction=found, confidence=self._agreement, exact=False)
                if same
                else None
            )
        return answers, mean_of_nearest(likeness)

    def like(self, embedded: Embedded, most: int) -> list[tuple[Correction, float]]:
        """The corrections most like a single text, with their likeness, the nearest first."""
        likeness = embedded.joined[0] @ self._known(embedded).T
        order = np.argsort(-likeness, kind="stable")[:most]
        return [(self.corrections[row], float(likeness[row])) for row in order.tolist()]

    def _known(self, embedded: Embedded) -> Floats:
        """The corrections' vectors by the same encoders."""
        parts = tuple(embedded.parts)
        if parts not in self._by_parts:
            self._by_parts[parts] = self.embedded.only(parts).joined
        return self._by_parts[parts]


def measure_agreement(corrections: Sequence[Correction], vectors: Floats) -> float:
    """How often nearly identical corrections agree; a few imagined agreements to start with."""
    agree, pairs = 19.0, 20.0
    for start in range(0, len(vectors), _BLOCK):
        likeness = vectors[start : start + _BLOCK] @ vectors.T
        rows = np.arange(len(likeness))
        likeness[rows, start + rows] = -1
        best = likeness.argmax(axis=1)
        for row in np.flatnonzero(likeness[rows, best] >= SAME_MEANING).tolist():
            one, other = corrections[start + row], corrections[int(best[row])]
            if _alike(one.readable, other.readable):
                pairs += 1
                agree += one.label == other.label
    return round(agree / pairs, 3)


def _alike(one: str, other: str) -> bool:
    """Whether two texts share most of their words."""
    mine, theirs = (frozenset(_WORD.findall(text.lower())) for text in (one, other))
    return len(mine & theirs) / max(1, len(mine | theirs)) >= SAME_WORDS
