"""Unigram pieces: text -> token numbers, as SentencePiece does it for XLM-RoBERTa and E5."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

START, END, UNKNOWN = 0, 1, 2
#: What stands for the space before a word.
SPACE = "\u2581"
#: Characters of a word that are read; of a piece, as the longest one has.
LONGEST_WORD, LONGEST_PIECE = 100, 16
#: Words remembered with their pieces; beyond that new ones are split each time.
REMEMBERED_WORDS = 100_000


class Unigram:
    """Splits each word into the pieces that are likeliest together."""

    def __init__(self, pieces: Sequence[str], scores: NDArray[np.float32]) -> None:
        """`scores` are log probabilities; the first three pieces are the marks above."""
        likely = scores.tolist()
        self._numbers = {
            piece: (number, likely[number])
            for number, piece in enumerate(pieces)
            if number > UNKNOWN
        }
        self._unlikely = float(scores.min()) - 10
        self._remembered: dict[str, list[int]] = {}

    def encode(self, text: str, limit: int) -> list[int]:
        """Token numbers with start and end marks, `limit` at most."""
        tokens = [START]
        for word in unicodedata.normalize("NFKC", text).split():
            tokens += self._pieces(word[:LONGEST_WORD])
            if len(tokens) >= limit:
                break
        return [*tokens[: limit - 1], END]

    def _pieces(self, word: str) -> list[int]:
        known = self._remembered.get(word)
        if known is None:
            known = self._split(SPACE + word)
            if len(self._remembered) < REMEMBERED_WORDS:
                self._remembered[word] = known
        return known

    def _split(self, word: str) -> list[int]:
        """The likeliest way through the word (Viterbi)."""
        size = len(word)
        best = [0.0] + [float("-inf")] * size
        came: list[tuple[int, int]] = [(0, UNKNOWN)] * (size + 1)
        for start in range(size):
            for end in range(start + 1, min(size, start + LONGEST_PIECE) + 1):
                found = self._numbers.get(word[start:end])
                if found is None:
                    if end > start + 1:
                        continue
                    found = (UNKNOWN, self._unlikely)
                if best[start] + found[1] > best[end]:
                    best[end] = best[start] + found[1]
                    came[end] = (start, found[0])
        numbers: list[int] = []
        place = size
        while place:
            place, number = came[place]
            numbers.append(number)
        return numbers[::-1]
