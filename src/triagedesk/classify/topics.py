"""The topic bank: what service desks are asked about, in the words people use."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
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
#: Likeness to the nearest topic of texts from another world, and of nearly every desk ticket.
ALIEN, FAMILIAR = 0.2, 0.34
#: The bank's vectors, beside the weights.
CACHE_NAME = "topics.npz"
#: A topic's score for a text is the mean of its best phrasings, this many.
BEST_PHRASES = 2
#: What each later place in a topic's list of resolvers costs.
RANK_LOSS = 0.05
#: Steepness of P(topic | text) over similarities.
STEEPNESS = 50.0

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One thing desks are asked about."""

    name: str
    #: What catalogs call it.
    called: tuple[str, ...]
    #: What catalogs call it that tell less apart: "Security Incident" for a stolen laptop.
    wider: tuple[str, ...]
    #: The larger field it belongs to, as catalogs name their categories.
    field: tuple[str, ...]
    #: Fields of work of those who solve it, as rosters tend to call them.
    resolvers: tuple[str, ...]
    #: Tickets' wording, all languages.
    phrases: tuple[str, ...]


@cache
def read_topics(path: Path = FILE) -> tuple[Topic, ...]:
    """The topics of a bank file; raises ValueError when it is not one."""
    raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    topics = [
        Topic(
            name=entry["name"],
            called=tuple(entry["called"]),
            wider=tuple(entry["wider"]),
            field=tuple(raw["fields"][entry["field"]]),
            resolvers=tuple(entry["resolvers"]),
            phrases=tuple(
                phrase
                for language, listed in sorted(entry.items())
                if len(language) == 2  # noqa: PLR2004 (a language code)
                for phrase in listed
            ),
        )
        for entry in raw["topics"]
    ]
    for topic in topics:
        said = (*topic.called, *topic.wider, *topic.resolvers, *topic.phrases)
        if not (topic.phrases and topic.called and topic.wider) or not all(
            isinstance(text, str) for text in said
        ):
            raise ValueError(
                f"{path.name}: topic {topic.name!r} lacks names or phrasings, or one is no text"
            )
    return tuple(topics)


class _Group:
    """Texts that belong to topics, several each, as vectors."""

    def __init__(self, embedded: Embedded, sizes: Sequence[int]) -> None:
        self.embedded = embedded
        self.starts = np.cumsum([0, *sizes])[:-1]

    def best(self, near: Floats) -> Floats:
        """Rows of texts -> rows of topics, by the nearest text of each."""
        return np.asarray(np.maximum.reduceat(near, self.starts, axis=0), np.float32)


class TopicBank:
    """Topics with their texts as vectors."""

    def __init__(
        self, encoders: Encoders, model_dir: Path | None = None, path: Path = FILE
    ) -> None:
        self.topics = read_topics(path)
        self._encoders = encoders
        self._state = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        self.version = hashlib.sha256(repr(self.topics).encode()).hexdigest()[:12]
        texts = {
            "phrases": [topic.phrases for topic in self.topics],
            "called": [topic.called for topic in self.topics],
            "wider": [topic.wider for topic in self.topics],
            "field": [topic.field for topic in self.topics],
            "resolvers": [topic.resolvers for topic in self.topics],
        }
        embedded = self._embedded(
            [t for kind in texts.values() for part in kind for t in part], model_dir
        )
        self._groups: dict[str, _Group] = {}
        start = 0
        for kind, parts in texts.items():
            sizes = [len(part) for part in parts]
            self._groups[kind] = _Group(embedded[start : start + sum(sizes)], sizes)
            start += sum(sizes)

    def near(self, kind: str, keys: Embedded) -> Floats:
        """Likeness of each topic (row) to each key (column) by its best text of a kind.

        Kinds are `called`, `wider`, `field` and `resolvers`.
        """
        group = self._groups[kind]
        near = self._encoders.similarity(group.embedded, keys)
        if kind == "resolvers":
            # The first is the one most would send it to.
            sizes = np.diff([*group.starts, len(near)])
            rank = np.concatenate([np.arange(size) for size in sizes])
            near *= (1 - RANK_LOSS * rank).astype(np.float32)[:, None]
        return group.best(near)

    def usual_phrase(self, keys: Embedded) -> Floats:
        """Mean likeness of each topic's (row) phrasings to each key (column)."""
        group = self._groups["phrases"]
        near = self._encoders.similarity(group.embedded, keys)
        sizes = np.diff([*group.starts, len(near)])
        return np.asarray(np.add.reduceat(near, group.starts, axis=0) / sizes[:, None], np.float32)

    def similarity(self, texts: Embedded) -> Floats:
        """How near each text (row) is to each topic (column), -1 to 1."""
        group = self._groups["phrases"]
        near = self._encoders.similarity(texts, group.embedded)
        return np.stack(
            [
                np.sort(part, axis=1)[:, -BEST_PHRASES:].mean(axis=1)
                for part in np.split(near, group.starts[1:], axis=1)
            ],
            axis=1,
        )

    def read(self, texts: Embedded) -> tuple[Floats, Floats]:
        """P(topic | text), rows sum to 1, and how far a text is of the bank's world at all, 0-1."""
        near = self.similarity(texts)
        trust = (near.max(axis=1) - ALIEN) / (FAMILIAR - ALIEN)
        return softmax(near * np.float32(STEEPNESS)), np.clip(trust, 0, 1).astype(np.float32)

    def probabilities(self, texts: Embedded) -> Floats:
        """P(topic | text), rows sum to 1."""
        return self.read(texts)[0]

    def _embedded(self, texts: list[str], model_dir: Path | None) -> Embedded:
        """Vectors of the bank, from the cache the build step leaves, else computed."""
        cache = (model_dir or BUNDLED) / CACHE_NAME
        key = f"{self.version}|{self._encoders.version}|{self._state}"
        stored = _read_cache(cache, key)
        if stored is not None:
            return stored
        embedded = self._encoders.embed(texts)
        arrays: dict[str, NDArray[Any]] = {
            f"part_{name}": part.astype(np.float16) for name, part in embedded.parts.items()
        }
        arrays["english"] = embedded.english
        if "minilm" in self._encoders.names and cache.parent.is_dir():
            # A read-only installation computes the bank at each start instead.
            with suppress(OSError):
                write_atomically(cache, {"key": np.frombuffer(key.encode(), np.uint8), **arrays})
        return _from_arrays(arrays)


def cached_key(path: Path) -> str:
    """What the cached vectors were made from; "" without a cache."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return bytes(archive["key"]).decode()
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return ""


def _read_cache(path: Path, key: str) -> Embedded | None:
    try:
        with np.load(path, allow_pickle=False) as archive:
            if bytes(archive["key"]).decode() != key:
                return None
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    return _from_arrays(arrays)


def _from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Embedded:
    parts = {
        name.removeprefix("part_"): array.astype(np.float32)
        for name, array in arrays.items()
        if name.startswith("part_")
    }
    return Embedded(parts=parts, english=arrays["english"].astype(np.float32))


def softmax(logits: Floats) -> Floats:
    """Rows as probabilities."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float32)
