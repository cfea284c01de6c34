"""Words, word pairs and pieces of words as sparse tf-idf vectors."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from triagedesk.classify.sparse import Sparse

Floats = NDArray[np.float32]

#: Buckets words and pieces are hashed into, each kind on its own.
BUCKETS = 1 << 18
#: Characters read of a text.
LONGEST = 3_000
#: Words remembered with their pieces.
_REMEMBERED = 100_000
#: Above so many texts a gram must occur in two of them.
_MANY = 400

_WORD = re.compile(r"\w+")


class Lexical:
    """Texts -> tf-idf; words and pieces are normalised apart, so that neither drowns the other."""

    def __init__(self, kept: NDArray[np.int64], rarity: Floats) -> None:
        #: Grams that have a column, by number in rising order, and what each counts.
        self.kept, self.rarity = kept, rarity
        self._pieces: dict[str, list[int]] = {}
        self._column = np.full(2 * BUCKETS, -1, np.int64)
        self._column[kept] = np.arange(len(kept))

    @classmethod
    def fitted(cls, texts: Sequence[str]) -> tuple[Lexical, Sparse]:
        """The grams of these texts, and the texts' vectors."""
        lexical = cls(np.zeros(0, np.int64), np.zeros(0, np.float32))
        counted = [lexical._count(text) for text in texts]
        least = 2 if len(texts) > _MANY else 1
        frequency = np.zeros(2 * BUCKETS, np.int64)
        for words, pieces in counted:
            frequency[np.fromiter(words, np.int64, len(words))] += 1
            frequency[np.fromiter(pieces, np.int64, len(pieces))] += 1
        kept = np.flatnonzero(frequency >= least)
        rarity = (np.log((1 + len(texts)) / (1 + frequency[kept])) + 1).astype(np.float32)
        lexical = cls(kept, rarity)
        return lexical, lexical._sparse(counted)

    def __call__(self, texts: Sequence[str]) -> Sparse:
        """Vectors of other texts over the same columns."""
        return self._sparse([self._count(text) for text in texts])

    def _sparse(self, counted: Sequence[tuple[dict[int, int], dict[int, int]]]) -> Sparse:
        rows, columns, values = [], [], []
        for row, kinds in enumerate(counted):
            for kind in kinds:
                column = self._column[np.fromiter(kind, np.int64, len(kind))]
                known = column >= 0
                column = column[known]
                counts = np.fromiter(kind.values(), np.float32, len(kind))[known]
                value = (1 + np.log(counts)) * self.rarity[column]
                # Two halves of unit length each.
                value /= (np.linalg.norm(value) + 1e-9) * np.sqrt(2)
                rows.append(np.full(len(column), row, np.int64))
                columns.append(column)
                values.append(value.astype(np.float32))
        return Sparse(
            rows=np.concatenate(rows) if rows else np.zeros(0, np.int64),
            columns=np.concatenate(columns) if columns else np.zeros(0, np.int64),
            values=np.concatenate(values) if values else np.zeros(0, np.float32),
            shape=(len(counted), len(self.rarity)),
        )

    def _count(self, text: str) -> tuple[dict[int, int], dict[int, int]]:
        words = _WORD.findall(text[:LONGEST].lower())
        grams: dict[int, int] = {}
        for gram in (*words, *(f"{a} {b}" for a, b in pairwise(words))):
            number = zlib.crc32(gram.encode("utf-8", "replace")) % BUCKETS
            grams[number] = grams.get(number, 0) + 1
        pieces: dict[int, int] = {}
        for word in words:
            for number in self._pieces_of(word):
                pieces[number] = pieces.get(number, 0) + 1
        return grams, pieces

    def _pieces_of(self, word: str) -> list[int]:
        known = self._pieces.get(word)
        if known is None:
            padded = f" {word[:60]} "
            known = [
                BUCKETS + zlib.crc32(padded[i : i + n].encode("utf-8", "replace")) % BUCKETS
                for n in (3, 4, 5)
                for i in range(len(padded) - n + 1)
            ]
            if len(self._pieces) < _REMEMBERED:
                self._pieces[word] = known
        return known
