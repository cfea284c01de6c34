"""Why an answer: what it loses when a phrase is left out, and the corrections nearest to it.

Occlusion (Zeiler and Fergus 2014; for texts Li, Monroe and Jurafsky 2016): the text is read once
whole and once without each of up to twelve parts, all in one batch; the parts that matter most are
looked at once more in smaller pieces. That is two dozen readings by the quick encoder, so it is
for a ticket that somebody looks at, not for every ticket of a run.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triagedesk.classify.corrections import Correction
from triagedesk.classify.encoders.ngrams import STOP_WORDS
from triagedesk.tickets import Alternative

Floats = NDArray[np.float32]

#: Characters of a text that are looked at; parts it is cut into; phrases named, at most.
LONGEST, PARTS, PHRASES = 1_500, 12, 3
#: Words of a phrase from which it is looked at in smaller pieces.
LONG_PHRASE = 4
#: A phrase that matters less than this is left out, and so is one that matters less than this
#: against the one that matters most.
LEAST, FAINT = 0.2, 0.3
#: Nearest corrections named.
NEAREST = 3

_WORD = re.compile(r"\w(?:[\w'’-]{0,60}\w)?")
_BREAK = re.compile(r"[.!?,;:\n\r()\[\]|]")
#: Word numbers from, up to.
Span = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Deciding:
    """A phrase of a ticket, and what the answer owes to it."""

    #: As the ticket has it.
    phrase: str
    #: What the answer's log odds lose without the phrase; 0.7 halves the odds.
    loss: float


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A correction of a similar ticket."""

    correction: Correction
    #: Likeness of meaning, -1 to 1.
    likeness: float


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What speaks for an answer of the local model."""

    #: The answer's probability, whatever it was decided by.
    probability: float
    #: What matters most first; () where no phrase by itself does.
    phrases: tuple[Deciding, ...]
    nearest: tuple[Neighbour, ...]
    #: Other labels, the likeliest first.
    alternatives: tuple[Alternative, ...]


def deciding_phrases(
    text: str, log_odds: Callable[[Sequence[str]], Floats]
) -> tuple[Deciding, ...]:
    """The phrases whose loss hurts an answer most; `log_odds` gives those of it for texts."""
    head = text[:LONGEST]
    words = [match.span() for match in _WORD.finditer(head)]
    if len(words) < 2:  # noqa: PLR2004 (without its only word nothing is left to ask about)
        return ()
    whole = float(log_odds([head])[0])
    parts = _cut((0, len(words)), PARTS)
    clauses = [piece for span in parts for piece in _clauses(head, words, span)]
    if len(clauses) <= 2 * PARTS:
        parts = clauses
    found = _losses(head, words, parts, whole, log_odds)
    closer = [
        piece
        for span, loss in found[:2]
        if loss > LEAST and span[1] - span[0] >= LONG_PHRASE
        for piece in _cut(span, PARTS // 2)
    ]
    if closer:
        found = sorted(
            [*found, *_losses(head, words, closer, whole, log_odds)], key=lambda pair: _worth(*pair)
        )
    return _best(head, words, found)


def _cut(span: Span, parts: int) -> list[Span]:
    """A run of words in at most so many runs of about the same length."""
    first, last = span
    bounds = np.linspace(first, last, min(parts, last - first) + 1).round().astype(int).tolist()
    return list(itertools.pairwise(bounds))


def _clauses(text: str, words: Sequence[tuple[int, int]], span: Span) -> list[Span]:
    """A run of words cut where a sentence or a clause ends."""
    breaks = [
        number
        for number in range(span[0] + 1, span[1])
        if _BREAK.search(text, words[number - 1][1], words[number][0])
    ]
    return list(itertools.pairwise([span[0], *breaks, span[1]]))


def _losses(
    text: str,
    words: Sequence[tuple[int, int]],
    spans: Sequence[Span],
    whole: float,
    log_odds: Callable[[Sequence[str]], Floats],
) -> list[tuple[Span, float]]:
    """Each run of words with what is lost without it, what matters most first."""
    without = [text[: words[a][0]] + text[words[b - 1][1] :] for a, b in spans]
    lost = (whole - log_odds(without)).tolist()
    return sorted(zip(spans, lost, strict=True), key=lambda pair: _worth(*pair))


def _worth(span: Span, loss: float) -> tuple[float, int]:
    # Of two that cost about the same the shorter says more.
    return -round(loss - 0.05 * (span[1] - span[0]), 3), span[0]


def _best(
    text: str, words: Sequence[tuple[int, int]], found: Sequence[tuple[Span, float]]
) -> tuple[Deciding, ...]:
    chosen: list[tuple[Span, float]] = []
    for span, loss in found:
        said = [text[a:b].lower() for a, b in words[span[0] : span[1]]]
        if loss <= LEAST or all(word in STOP_WORDS for word in said):
            continue
        if len(chosen) == PHRASES or (chosen and loss < FAINT * chosen[0][1]):
            break
        if all(span[1] <= a or span[0] >= b for (a, b), _ in chosen):
            chosen.append((span, loss))
    return tuple(
        Deciding(phrase=text[words[a][0] : words[b - 1][1]], loss=round(loss, 3))
        for (a, b), loss in chosen
    )
