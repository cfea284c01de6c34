"""Corrections seen before: the same text gets the same answer, and so does nearly the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triagedesk.classify.corrections import Correction
from triagedesk.classify.encoders import Embedded, Encoders

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
        self, corrections: Sequence[Correction], texts: Sequence[str], encoders: Encoders
    ) -> None:
        self.corrections, self.texts = tuple(corrections), tuple(texts)
        self.embedded = encoders.embed(texts)
        self.vectors = self.embedded.joined
        self._by_key = {correction.key: correction for correction in corrections}
        self._words = [_words(text) for text in texts]
        self._agreement = self._measure_agreement()

    def exact(self, key: str) -> Remembered | None:
        """The correction of this very text."""
        found = self._by_key.get(key)
        if found is None:
            return None
        return Remembered(correction=found, confidence=EXACT_CONFIDENCE, exact=True)

    def near(self, embedded: Embedded, texts: Sequence[str]) -> list[Remembered | None]:
        """For each text the nearest correction that is nearly identical."""
        answers: list[Remembered | None] = []
        likeness = embedded.joined @ self.embedded.only(embedded.parts).joined.T
        for row, text in zip(likeness, texts, strict=True):
            best = int(row.argmax())
            same = (
                row[best] >= SAME_MEANING and _share(_words(text), self._words[best]) >= SAME_WORDS
            )
            found = self.corrections[best]
            answers.append(
                Remembered(correction=found, confidence=self._agreement, exact=False)
                if same
                else None
            )
        return answers

    def nearest(self, embedded: Embedded) -> Floats:
        """Likeness of each text to its nearest correction, -1 to 1."""
        known = self.embedded.only(embedded.parts).joined
        return np.asarray((embedded.joined @ known.T).max(axis=1), np.float32)

    def _measure_agreement(self) -> float:
        """How often nearly identical corrections agree; a few imagined agreements to start with."""
        agree, pairs = 19.0, 20.0
        for start in range(0, len(self.vectors), _BLOCK):
            likeness = self.vectors[start : start + _BLOCK] @ self.vectors.T
            rows = np.arange(len(likeness))
            likeness[rows, start + rows] = -1
            best = likeness.argmax(axis=1)
            for row in np.flatnonzero(likeness[rows, best] >= SAME_MEANING).tolist():
                one, other = start + row, int(best[row])
                if _share(self._words[one], self._words[other]) >= SAME_WORDS:
                    pairs += 1
                    agree += self.corrections[one].label == self.corrections[other].label
        return round(agree / pairs, 3)


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower()))


def _share(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / max(1, len(one | other))
