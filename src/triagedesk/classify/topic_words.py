"""Which topics a text's words speak for: naive Bayes over the topic bank's phrasings.

Encoders see what a sentence means on the whole and easily miss the one word that tells ("SAP",
"WLAN", "douchette"). Words are read in all of the bank's languages at once, without accents and by
their first letters, which brings most inflected forms together.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triagedesk.classify.glossary import without_accents

Floats = NDArray[np.float32]

#: Letters of a word that are compared.
LETTERS = 5
#: Phrasings every topic is taken to have of each word, as a share of the usual.
SMOOTHING = 0.1
#: Characters read of a text.
LONGEST = 3_000
#: Texts worked on at once: bounds memory.
_TOGETHER = 128

_WORD = re.compile(r"[^\W_]+")


def plain_words(text: str) -> list[str]:
    """Words in lower case and without accents."""
    return _WORD.findall(without_accents(text[:LONGEST].lower()))


def features(text: str) -> list[str]:
    """Beginnings of words, and pairs of neighbouring words."""
    words = plain_words(text)
    return [*(word[:LETTERS] for word in words), *(f"{a} {b}" for a, b in pairwise(words))]


def counted_words(phrases: Sequence[Sequence[str]]) -> dict[str, NDArray[Any]]:
    """What `TopicWords` is made from; `phrases` are those of each topic."""
    counted = [Counter(features(text)) for topic in phrases for text in topic]
    owners = np.repeat(np.arange(len(phrases)), [len(topic) for topic in phrases])
    seen = Counter(name for counts in counted for name in counts)
    names = sorted(seen)
    frequency = np.array([seen[name] for name in names], np.float32)
    rarity = (np.log((1 + len(counted)) / (1 + frequency)) + 1).astype(np.float32)
    column = {name: place for place, name in enumerate(names)}
    columns, values, sizes = _weighed(counted, column, rarity)
    whose = columns * len(phrases) + np.repeat(owners, sizes)
    # Cells by column, each as what it adds to a topic's log odds.
    cells, place = np.unique(whose, return_inverse=True)
    weight = np.bincount(place, values, len(cells))
    columns, topics = cells // len(phrases), (cells % len(phrases)).astype(np.int16)
    usual = np.bincount(columns, weight, len(names))
    # Half of what is taken for granted follows the word's own frequency.
    granted = SMOOTHING * 0.5 * (usual / usual.sum() * len(names) + 1)
    whole = np.bincount(topics, weight, len(phrases)) + granted.sum()
    return {
        "names": np.frombuffer("\n".join(names).encode(), np.uint8),
        "rarity": rarity,
        "starts": np.searchsorted(columns, np.arange(len(names) + 1)).astype(np.int32),
        "topics": topics,
        "gains": np.log1p(weight / granted[columns]).astype(np.float32),
        "size": np.log(whole).astype(np.float32),
    }


def _weighed(
    counted: Sequence[Counter[str]], column: Mapping[str, int], rarity: Floats
) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64]]:
    """Columns of known features and their tf-idf, of length 1 for each text; how many each."""
    known = [
        [(column[name], n) for name, n in counts.items() if name in column] for counts in counted
    ]
    sizes = np.array([len(pairs) for pairs in known], np.int64)
    pairs = np.array([pair for listed in known for pair in listed], np.int64).reshape(-1, 2)
    columns = pairs[:, 0]
    values = (1 + np.log(pairs[:, 1])) * rarity[columns]
    text = np.repeat(np.arange(len(known)), sizes)
    length = np.sqrt(np.bincount(text, values**2, len(known)))
    return columns, np.asarray(values / np.maximum(length, 1e-9)[text], np.float32), sizes


class TopicWords:
    """Log odds of topics by the words of their phrasings."""

    def __init__(self, counted: Mapping[str, NDArray[Any]]) -> None:
        """`counted` is what `counted_words` gave, perhaps another day."""
        names = bytes(counted["names"]).decode().split("\n")
        self._column = {name: column for column, name in enumerate(names)}
        self._rarity, self._starts = counted["rarity"], counted["starts"]
        self._topics, self._gains = counted["topics"], counted["gains"]
        self._size = counted["size"]

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Log odds, one row a text, one column a topic; zeros without any known word."""
        parts = [texts[start : start + _TOGETHER] for start in range(0, len(texts), _TOGETHER)]
        return np.vstack([np.zeros((0, len(self._size)), np.float32), *map(self._odds, parts)])

    def knows(self, word: str) -> bool:
        """Whether any phrasing has a word that begins like this one; as `plain_words` gives it."""
        return word[:LETTERS] in self._column

    def _odds(self, texts: Sequence[str]) -> Floats:
        counted = [Counter(features(text)) for text in texts]
        columns, values, known = _weighed(counted, self._column, self._rarity)
        text = np.repeat(np.arange(len(texts)), known)
        starts = self._starts[columns]
        sizes = self._starts[columns + 1] - starts
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        cells = np.repeat(starts, sizes) + within
        place = np.repeat(text * len(self._size), sizes) + self._topics[cells]
        gained = self._gains[cells] * np.repeat(values, sizes)
        out = np.bincount(place, gained, len(texts) * len(self._size)).astype(np.float64)
        out = out.reshape(len(texts), -1)
        out -= np.bincount(text, values, len(texts))[:, None] * self._size
        return np.asarray(out, np.float32)
