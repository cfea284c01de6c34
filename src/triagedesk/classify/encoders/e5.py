"""multilingual-e5-small (MIT), 4-bit weights: sentences in many languages -> 384 numbers.

It reads what is not English, beside the Universal Sentence Encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from triagedesk.classify.encoders.bert import (
    WIDTH,
    Bert,
    Floats,
    Stored,
    batches,
    unit,
    unpack_4_bits,
)
from triagedesk.classify.encoders.integers import (
    IN_INTEGERS,
    Integers,
    available,
    give_back_memory,
    in_integers,
)
from triagedesk.classify.encoders.samples import SAMPLES
from triagedesk.classify.encoders.unigram import UNKNOWN, Unigram

#: Tokens a text is cut to: about what the other encoders read.
LONGEST = 128
#: The model was trained with this before texts that are compared with their like.
PREFIX = "query: "
#: Share of unknown tokens from which a text is in a script we do not keep.
TOO_FOREIGN = 0.2


class E5:
    """The encoder; `encode` is a pure function of the text."""

    name = "e5"
    width = WIDTH

    def __init__(self, load: Callable[[], Stored], version: str, *, fast: bool = True) -> None:
        """Read by onnxruntime where it is installed and `fast`, else by numpy alone."""
        self._load = load
        self._fast = fast and available()
        self.version = version + IN_INTEGERS * self._fast

    @cached_property
    def _stored(self) -> Stored:
        # At the first text: a desk that only gets English needs none of it.
        return self._load()

    @cached_property
    def _tokenizer(self) -> Unigram:
        pieces = bytes(self._stored["pieces"]).decode().split("\n")
        return Unigram(pieces, self._stored["scores"])

    @cached_property
    def _reader(self) -> Bert | Integers:
        if not self._fast:
            return Bert(self._stored)
        reader = in_integers(Bert(self._stored), lambda: self._words(SAMPLES))
        give_back_memory()
        return reader

    @cached_property
    def use_centre(self) -> Floats:
        """Mean vector of the Universal Sentence Encoder over the topic bank."""
        return np.asarray(self._stored["use_centre"], np.float32)

    def tokens(self, text: str) -> list[int]:
        """The token numbers the model reads, start and end marks included."""
        return self._tokenizer.encode(PREFIX + text, LONGEST)

    def encode(self, texts: Sequence[str]) -> Floats:
        """Unit vectors about the mean of all texts, one row a text; zero where it cannot read."""
        vectors = self.raw(texts)
        if len(texts):
            told = np.any(vectors, axis=1)
            vectors[told] = unit(vectors[told] - self._stored["centre"].astype(np.float32))
        return vectors

    def raw(self, texts: Sequence[str]) -> Floats:
        """Unit vectors as the model gives them, which all point much the same way."""
        tokens = [self.tokens(text) for text in texts]
        vectors = np.zeros((len(texts), WIDTH), np.float32)
        for rows in batches([len(numbers) for numbers in tokens]):
            read = [row for row in rows if _readable(tokens[row])]
            if read:
                chosen = [tokens[row] for row in read]
                vectors[read] = self._reader.read(self._vectors(chosen), [len(t) for t in chosen])
        return vectors

    def _words(self, texts: Sequence[str]) -> tuple[Floats, list[int]]:
        tokens = [self.tokens(text) for text in texts]
        return self._vectors(tokens), [len(numbers) for numbers in tokens]

    def _vectors(self, tokens: Sequence[Sequence[int]]) -> Floats:
        flat = np.concatenate([np.asarray(numbers) for numbers in tokens])
        name = "embeddings.word_embeddings.weight"
        return unpack_4_bits(
            self._stored[f"{name}#int4"][flat], self._stored[f"{name}#scale"][flat]
        )


def _readable(tokens: Sequence[int]) -> bool:
    return tokens.count(UNKNOWN) <= TOO_FOREIGN * len(tokens)
