"""all-MiniLM-L6-v2 (Apache-2.0): English sentences -> unit vectors of 384 numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from triagedesk.classify.encoders.bert import WIDTH, Bert, Floats, batches
from triagedesk.classify.encoders.integers import (
    IN_INTEGERS,
    Integers,
    available,
    give_back_memory,
    in_integers,
)
from triagedesk.classify.encoders.samples import SAMPLES
from triagedesk.classify.encoders.wordpiece import WordPiece

#: Tokens a text is cut to; what the model was trained with.
LONGEST = 128


class MiniLm:
    """The encoder; `encode` is a pure function of the text."""

    name = "minilm"
    width = WIDTH

    def __init__(self, path: Path, *, fast: bool = True) -> None:
        """Read by onnxruntime where it is installed and `fast`, else by numpy alone."""
        with np.load(path, allow_pickle=False) as archive:
            stored = {name: archive[name] for name in archive.files}
        self._fast = fast and available()
        self.version = bytes(stored["version"]).decode() + IN_INTEGERS * self._fast
        self._tokenizer = WordPiece(bytes(stored["vocabulary"]).decode().splitlines())
        self._rows = stored["embeddings.word_embeddings.weight#int8"]
        self._row_scales = stored["embeddings.word_embeddings.weight#scale"].astype(np.float32)
        self._stored = stored

    @cached_property
    def _reader(self) -> Bert | Integers:
        if not self._fast:
            return Bert(self._stored)
        reader = in_integers(Bert(self._stored), lambda: self._words(SAMPLES))
        give_back_memory()
        return reader

    def tokens(self, text: str) -> list[int]:
        """The token numbers the model reads, start and end marks included."""
        return self._tokenizer.encode(text, LONGEST)

    def encode(self, texts: Sequence[str]) -> Floats:
        """Unit vectors, one row a text; similar meaning gives a high dot product."""
        tokens = [self.tokens(text) for text in texts]
        vectors = np.zeros((len(texts), WIDTH), np.float32)
        for rows in batches([len(numbers) for numbers in tokens]):
            chosen = [tokens[row] for row in rows]
            vectors[rows] = self._reader.read(self._vectors(chosen), [len(t) for t in chosen])
        return vectors

    def _words(self, texts: Sequence[str]) -> tuple[Floats, list[int]]:
        tokens = [self.tokens(text) for text in texts]
        return self._vectors(tokens), [len(numbers) for numbers in tokens]

    def _vectors(self, tokens: Sequence[Sequence[int]]) -> Floats:
        flat = np.concatenate([np.asarray(numbers) for numbers in tokens])
        return np.asarray(self._rows[flat] * self._row_scales[flat], np.float32)
