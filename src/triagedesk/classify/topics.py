"""The topic bank: what service desks are asked about, in the words people use."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from triagedesk.classify.encoders import Embedded, Encoders
from triagedesk.classify.weights import BUNDLED, write_atomically

FILE = Path(__file__).with_name("topics.yaml")
#: A topic's score for a text is the mean of its best phrasings, this many.
BEST_PHRASES = 3
#: Steepness of P(topic | text) over similarities.
STEEPNESS = 24.0

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One thing desks are asked about."""

    name: str
    #: The topic as a catalog would describe it.
    note: str
    #: Fields of work of those who solve it, as rosters tend to call them.
    resolvers: tuple[str, ...]
    #: Tickets' wording, all languages.
    phrases: tuple[str, ...]


@cache
def read_topics(path: Path = FILE) -> tuple[Topic, ...]:
    """The topics of a bank file; raises ValueError when it is not one."""
    raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    topics = []
    for entry in raw["topics"]:
        phrases = tuple(
            phrase
            for language, listed in sorted(entry.items())
            if isinstance(listed, list) and len(language) == 2  # noqa: PLR2004 (a language code)
            for phrase in listed
        )
        if not phrases or not all(isinstance(phrase, str) for phrase in phrases):
            raise ValueError(
                f"{path.name}: topic {entry.get('name')!r} has a phrasing that is no text"
            )
        resolvers = tuple(entry["resolvers"])
        topics.append(
            Topic(name=entry["name"], note=entry["note"], resolvers=resolvers, phrases=phrases)
        )
    return tuple(topics)


class TopicBank:
    """Topics with their phrasings as vectors."""

    def __init__(
        self, encoders: Encoders, model_dir: Path | None = None, path: Path = FILE
    ) -> None:
        self.topics = read_topics(path)
        self._encoders = encoders
        said = repr(self.topics)
        self.version = hashlib.sha256(said.encode()).hexdigest()[:12]
        phrases = [phrase for topic in self.topics for phrase in topic.phrases]
        self._starts = np.cumsum([0, *(len(topic.phrases) for topic in self.topics)])[:-1]
        self._phrases = self._embedded("phrases", phrases, model_dir)
        self.notes = self._embedded(
            "notes", [f"{topic.name}: {topic.note}" for topic in self.topics], model_dir
        )

        resolvers = [resolver for topic in self.topics for resolver in topic.resolvers]
        self._resolver_starts = np.cumsum([0, *(len(t.resolvers) for t in self.topics)])[:-1]
        self._resolvers = self._embedded("resolvers", resolvers, model_dir)

    def resolved_by(self, skills: Embedded) -> Floats:
        """How near each topic's (row) resolvers are to each skill (column), -1 to 1."""
        near = self._encoders.similarity(self._resolvers, skills)
        return np.asarray(np.maximum.reduceat(near, self._resolver_starts, axis=0), np.float32)

    def similarity(self, texts: Embedded) -> Floats:
        """How near each text (row) is to each topic (column), -1 to 1."""
        near = self._encoders.similarity(texts, self._phrases)
        return np.stack(
            [
                np.sort(part, axis=1)[:, -BEST_PHRASES:].mean(axis=1)
                for part in np.split(near, self._starts[1:], axis=1)
            ],
            axis=1,
        )

    def probabilities(self, texts: Embedded) -> Floats:
        """P(topic | text), rows sum to 1."""
        return softmax(self.similarity(texts) * np.float32(STEEPNESS))

    def _embedded(self, what: str, texts: list[str], model_dir: Path | None) -> Embedded:
        """Vectors of the bank, from the cache the build step leaves, else computed."""
        cache = (model_dir or BUNDLED) / f"topics-{what}.npz"
        key = f"{self.version}|{self._encoders.version}"
        stored = _read_cache(cache, key)
        if stored is not None:
            return stored
        embedded = self._encoders.embed(texts)
        arrays: dict[str, NDArray[Any]] = {
            f"part_{name}": part.astype(np.float16) for name, part in embedded.parts.items()
        }
        try:
            if "minilm" in self._encoders.names and cache.parent.is_dir():
                write_atomically(
                    cache,
                    {
                        "key": np.frombuffer(key.encode(), np.uint8),
                        "english": embedded.english,
                        **arrays,
                    },
                )
        except OSError:
            # A read-only installation computes the bank at each start instead.
            pass
        return _from_arrays(arrays, embedded.english)


def _read_cache(path: Path, key: str) -> Embedded | None:
    try:
        with np.load(path, allow_pickle=False) as archive:
            if bytes(archive["key"]).decode() != key:
                return None
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    return _from_arrays(arrays, arrays["english"])


def _from_arrays(arrays: Mapping[str, NDArray[Any]], english: Floats) -> Embedded:
    parts = {
        name.removeprefix("part_"): array.astype(np.float32)
        for name, array in arrays.items()
        if name.startswith("part_")
    }
    return Embedded(parts=parts, english=english)


def softmax(logits: Floats) -> Floats:
    """Rows as probabilities."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float32)
