"""Which topics a text's words speak for: naive Bayes over the topic bank's phrasings.

Encoders see what a sentence means on the whole and easily miss the one word that tells ("SAP",
"WLAN", "douchette"). Words are read in all of the bank's languages at once, without accents and by
their first letters, which brings most inflected forms together.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

#: Letters of a word that are compared.
LETTERS = 5
#: Phrasings every topic is taken to have of each word, as a share of the usual.
SMOOTHING = 0.1
#: Characters read of a text.
LONGEST = 3_000

_WORD = re.compile(r"[^\W_]+")


def features(text: str) -> list[str]:
    """Beginnings of words, and pairs of neighbouring words."""
    plain = text[:LONGEST].lower()
    if not plain.isascii():
        parts = unicodedata.normalize("NFKD", plain)
        plain = "".join(char for char in parts if not unicodedata.combining(char))
    words = _WORD.findall(plain)
    return [*(word[:LETTERS] for word in words), *(f"{a} {b}" for a, b in pairwise(words))]


class TopicWords:
    """Log odds of topics by the words of their phrasings."""

    def __init__(self, phrases: Sequence[Sequence[str]]) -> None:
        """`phrases` are those of each topic."""
        counted = [Counter(features(text)) for topic in phrases for text in topic]
        owners = np.repeat(np.arange(len(phrases)), [len(topic) for topic in phrases])
        seen = Counter(name for counts in counted for name in counts)
        self._column = {name: column for column, name in enumerate(sorted(seen))}
        frequency = np.array([seen[name] for name in self._column], np.float32)
        self._rarity = (np.log((1 + len(counted)) / (1 + frequency)) + 1).astype(np.float32)
        cells: dict[int, float] = {}
        topics = len(phrases)
        for owner, counts in zip(owners.tolist(), counted, strict=True):
            columns, values = self._weighed(counts)
            for column, value in zip(columns.tolist(), values.tolist(), strict=True):
                cell = column * topics + owner
                cells[cell] = cells.get(cell, 0.0) + value
        self._lay_out(cells, topics)

    def _lay_out(self, cells: dict[int, float], topics: int) -> None:
        """Cells by column, each as what it adds to a topic's log odds."""
        order = np.array(sorted(cells), np.int64)
        weight = np.array([cells[cell] for cell in order.tolist()], np.float64)
        columns, self._topics = order // topics, (order % topics).astype(np.int32)
        width = len(self._column)
        usual = np.bincount(columns, weight, width)
        # Half of what is taken for granted follows the word's own frequency.
        granted = SMOOTHING * 0.5 * (usual / usual.sum() * width + 1)
        self._starts = np.searchsorted(columns, np.arange(width + 1))
        self._gains = np.log1p(weight / granted[columns]).astype(np.float32)
        whole = np.bincount(self._topics, weight, topics) + granted.sum()
        self._size = np.log(whole).astype(np.float32)

    def _weighed(self, counts: Counter[str]) -> tuple[NDArray[np.int64], Floats]:
        """Columns of known features and their tf-idf, of length 1."""
        known = [(self._column[name], n) for name, n in counts.items() if name in self._column]
        columns = np.array([column for column, _ in known], np.int64)
        values = 1 + np.log(np.array([n for _, n in known], np.float32))
        values *= self._rarity[columns]
        return columns, np.asarray(values / max(float(np.linalg.norm(values)), 1e-9), np.float32)

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Log odds, one row a text, one column a topic; zeros without any known word."""
        out = np.zeros((len(texts), len(self._size)), np.float32)
        for row, text in enumerate(texts):
            columns, values = self._weighed(Counter(features(text)))
            starts, ends = self._starts[columns], self._starts[columns + 1]
            sizes = ends - starts
            within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            cells = np.repeat(starts, sizes) + within
            gained = self._gains[cells] * np.repeat(values, sizes)
            out[row] = np.bincount(self._topics[cells], gained, len(self._size))
            out[row] -= values.sum() * self._size
        return out
