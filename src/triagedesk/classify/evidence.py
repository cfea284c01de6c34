"""The phrases that decided, quoted word for word from the ticket.

A phrase counts by how much nearer its words are to the chosen entry than to the others. Words are
embedded once and remembered, so that this costs next to nothing.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from triagedesk.classify.encoders import Embedded, Encoders
from triagedesk.classify.encoders.ngrams import STOP_WORDS

#: Characters of a ticket in which evidence is looked for.
LONGEST = 1_500
#: Words of a phrase, at most; phrases given, at most.
PHRASE_WORDS, PHRASES = 5, 3
#: A phrase weaker than this against the best one is left out.
FAINT = 0.45

_WORD = re.compile(r"\w[\w'’-]*")
_BREAK = re.compile(r"[.!?,;:\n\r()\[\]|]")


def phrases(text: str, gains: dict[str, float]) -> tuple[str, ...]:
    """The phrases of `text` whose words gain most; `gains` maps lower-case words to numbers."""
    head = text[:LONGEST]
    spans = [(m.start(), m.end(), m.group().lower()) for m in _WORD.finditer(head)]
    scored: list[tuple[float, int, int]] = []
    for first, (start, _, word) in enumerate(spans):
        if word in STOP_WORDS:
            continue
        total = 0.0
        for last in range(first, min(first + PHRASE_WORDS, len(spans))):
            if last > first and _BREAK.search(head, spans[last - 1][1], spans[last][0]):
                break
            total += gains.get(spans[last][2], 0.0)
            if spans[last][2] not in STOP_WORDS:
                # A long phrase must earn its words.
                scored.append((total - 0.02 * (last - first), start, spans[last][1]))
    chosen: list[tuple[float, int, int]] = []
    for score, start, end in sorted(scored, key=lambda s: (-s[0], s[1], s[2])):
        if score <= 0 or (chosen and score < FAINT * chosen[0][0]) or len(chosen) == PHRASES:
            break
        if all(end <= s or start >= e for _, s, e in chosen):
            chosen.append((score, start, end))
    return tuple(dict.fromkeys(head[start:end] for _, start, end in chosen))


def content(text: str) -> list[str]:
    """The distinct words of a text that could be evidence, in order."""
    found = (match.group().lower() for match in _WORD.finditer(text[:LONGEST]))
    return list(dict.fromkeys(w for w in found if w not in STOP_WORDS and len(w) < 40))  # noqa: PLR2004


class WordGains:
    """How much nearer single words are to one entry than to the others."""

    def __init__(self, encoders: Encoders, prototypes: Embedded, mix: NDArray[np.float32]) -> None:
        self._encoders, self._prototypes, self._mix = encoders, prototypes, mix
        self._known: dict[str, NDArray[np.float32]] = {}

    def of(self, words: list[str]) -> NDArray[np.float32]:
        """One row a word, one column an entry."""
        new = [word for word in words if word not in self._known]
        if new:
            near = self._encoders.similarity_of_words(new, self._prototypes) @ self._mix
            gains = near - near.mean(axis=1, keepdims=True)
            if len(self._known) > 50_000:  # noqa: PLR2004 (bounds memory on odd texts)
                self._known.clear()
                return self.of(words)
            self._known.update(zip(new, gains, strict=True))
        return np.stack([self._known[word] for word in words])
