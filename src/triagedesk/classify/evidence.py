"""The phrases that decided, quoted word for word from the ticket.

A phrase counts by how much nearer its words are to the chosen entry than to the others. Words are
embedded once and remembered, so that this costs next to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

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
#: Words remembered with what they gain, and at most a batch more: bounds memory on odd texts.
_MOST = 50_000

_WORD = re.compile(r"\w[\w'’-]*")
_BREAK = re.compile(r"[.!?,;:\n\r()\[\]|]")


def phrases(text: str, gains: dict[str, float]) -> tuple[str, ...]:
    """The phrases of `text` whose words gain most; `gains` maps lower-case words to numbers."""
    head = text[:LONGEST]
    spans = [match.span() for match in _WORD.finditer(head)]
    said = [head[start:end].lower() for start, end in spans]
    gained = [gains.get(word, 0.0) for word in said]
    idle = [word in STOP_WORDS for word in said]
    joined = [_BREAK.search(head, a[1], b[0]) is None for a, b in pairwise(spans)]
    scored: list[tuple[float, int, int]] = []
    for first, (start, _) in enumerate(spans):
        if idle[first]:
            continue
        total = 0.0
        for last in range(first, min(first + PHRASE_WORDS, len(spans))):
            if last > first and not joined[last - 1]:
                break
            total += gained[last]
            if not idle[last]:
                # A long phrase must earn its words.
                scored.append((0.02 * (last - first) - total, start, spans[last][1]))
    chosen: list[tuple[float, int, int]] = []
    for loss, start, end in sorted(scored):
        if loss >= 0 or (chosen and loss > FAINT * chosen[0][0]) or len(chosen) == PHRASES:
            break
        if all(end <= s or start >= e for _, s, e in chosen):
            chosen.append((loss, start, end))
    return tuple(dict.fromkeys(head[start:end] for _, start, end in chosen))


def content(text: str) -> list[str]:
    """The distinct words of a text that could be evidence, in order."""
    found = dict.fromkeys(_WORD.findall(text[:LONGEST].lower()))
    return [w for w in found if w not in STOP_WORDS and len(w) < 40]  # noqa: PLR2004


class WordGains:
    """How much nearer single words are to one entry than to the others."""

    def __init__(self, encoders: Encoders, prototypes: Embedded, mix: NDArray[np.float32]) -> None:
        self._encoders, self._prototypes, self._mix = encoders, prototypes, mix
        self._known: dict[str, NDArray[np.float32]] = {}

    def of(self, words: Sequence[str]) -> NDArray[np.float32]:
        """One row a word, one column an entry."""
        known = self.learn(words)
        return np.stack([known[word] for word in words])

    def learn(self, words: Sequence[str]) -> Mapping[str, NDArray[np.float32]]:
        """Read words not known yet, all at once; each word's row of entries, these and more."""
        if len(self._known) > _MOST:
            self._known = {}
        known = self._known
        new = [word for word in dict.fromkeys(words) if word not in known]
        if new:
            near = self._encoders.similarity_of_words(new, self._prototypes) @ self._mix
            known.update(zip(new, near - near.mean(axis=1, keepdims=True), strict=True))
        return known
