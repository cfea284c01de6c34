"""Words and pieces of words as a hashed vector: what remains when no encoder is installed."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

WIDTH = 2048
#: Characters read of a text.
LONGEST = 2_000
_LONGEST_WORD = 100

_WORD = re.compile(r"\w+")
#: Words that say nothing about a ticket's subject, in the languages of the topic bank.
STOP_WORDS_TEXT = """
a an and are as at be but by can cannot could do does for from had has have he her his i if in
is it its me my no not of on or our she so that the their them they this to was we were will
with would you your please hi hello thanks thank regards dear team need since der die das ein
eine und ist nicht ich wir mein meine im zu den dem mit für auf bitte le la les un une et est
pas je nous mon ma mes des du de en pour sur merci el los las una y es mi mis por favor para con
del que se o os um uma e é não meu minha com da il lo gli uno è non mio mia per di della het een
niet ik mijn voor met van op graag
"""
STOP_WORDS = frozenset(STOP_WORDS_TEXT.split())


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """A crude stem: enough to bring plural and participle together."""
    for ending in ("ing", "ies", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:  # noqa: PLR2004 (shortest stem)
            return word[: -len(ending)]
    return word


def content_words(text: str) -> list[str]:
    """Stems of the words that carry meaning, in order."""
    found = _WORD.findall(text[:LONGEST].lower())
    # A longer word has no stem worth remembering.
    return [stem(word[:_LONGEST_WORD]) for word in found if word not in STOP_WORDS]


class HashedNgrams:
    """An encoder without weights: shared words and word pieces, nothing of meaning."""

    name = "ngrams"
    width = WIDTH
    version = "1"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, one row a text (all zero for a text without words)."""
        vectors = np.zeros((len(texts), WIDTH), np.float32)
        for row, text in enumerate(texts):
            for word in content_words(text):
                _add(vectors[row], word, 1.0)
                padded = f"<{word}>"
                for start in range(len(padded) - 3):
                    _add(vectors[row], f"#{padded[start : start + 4]}", 0.4)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-9), np.float32)


def _add(vector: NDArray[np.float32], gram: str, amount: float) -> None:
    number = zlib.crc32(gram.encode("utf-8", "replace"))
    vector[number % WIDTH] += amount
