"""The topic bank: what service desks are asked about, in the words people use."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from triagedesk.classify.encoders import LATE, Embedded, Encoders
from triagedesk.classify.topic_words import TopicWords
from triagedesk.classify.weights import BUNDLED, write_atomically

FILE = Path(__file__).with_name("topics.yaml")
#: Folder of phrasings beside the bank's file, one file a language.
PHRASES = "phrases"
ENGLISH = "en"
#: Changes whenever the cached vectors are laid out anew.
LAYOUT = b"2"
#: Encoders that read nothing but English.
ENGLISH_ONLY = frozenset({"minilm"})
#: Likeness to the nearest topic of texts from another world, and of nearly every desk ticket.
ALIEN, FAMILIAR = 0.25, 0.4
#: The bank's vectors, beside the weights.
CACHE_NAME = "topics.npz"
#: What each later place in a topic's list of resolvers costs.
RANK_LOSS = 0.05
#: Steepness of P(topic | text) over similarities alone, over similarities beside words, and what
#: the log odds of words count.
STEEPNESS, MEANING, WORDS = 50.0, 25.0, 5.0
#: Phrasings a text is compared with in a topic: the nearest so many, by meaning beside words.
NEAREST = 3

Floats = NDArray[np.float32]
#: In place of a similarity that has been counted.
_TAKEN = np.float32(-2)


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
    #: Tickets' wording in English.
    phrases: tuple[str, ...]
    #: What catalogs in other languages call it.
    called_elsewhere: tuple[str, ...] = ()
    #: Tickets' wording in other languages.
    phrases_elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What one language says of one topic."""

    called: tuple[str, ...]
    phrases: tuple[str, ...]


def read_wordings(path: Path) -> dict[str, Wording]:
    """Wordings by topic of one language's file; raises ValueError when it is not one.

    `# topic`, then a line each: `= name` as catalogs have it, and phrasings.
    """
    listed: dict[str, tuple[list[str], list[str]]] = {}
    current: tuple[list[str], list[str]] | None = None
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text.startswith("# "):
            current = listed.setdefault(text[2:], ([], []))
        elif text and current is None:
            raise ValueError(f"{path.name}: {text[:40]!r} comes before any topic")
        elif text.startswith("= ") and current is not None:
            current[0].append(text[2:])
        elif text and current is not None:
            current[1].append(text)
    return {
        topic: Wording(called=tuple(called), phrases=tuple(phrases))
        for topic, (called, phrases) in listed.items()
    }


def bank_files(path: Path = FILE) -> list[Path]:
    """The files a bank is made of: itself and its languages."""
    return [path, *sorted((path.parent / PHRASES).glob("*.txt"))]


def bank_state(path: Path = FILE) -> str:
    """Hash of the bank's files as they are on disk."""
    said = [LAYOUT, *(file.read_bytes() for file in bank_files(path))]
    return hashlib.sha256(b"\0".join(said)).hexdigest()[:16]


@cache
def read_topics(path: Path = FILE) -> tuple[Topic, ...]:
    """The topics of a bank file and its languages; raises ValueError when it is not one."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    raw: Any = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 (both safe)
    wordings = {file.stem: read_wordings(file) for file in bank_files(path)[1:]}
    names = {entry["name"] for entry in raw["topics"]}
    for language, listed in wordings.items():
        if unknown := sorted(set(listed) - names):
            raise ValueError(f"{language}.txt: {unknown[0]!r} is no topic of {path.name}")
    topics = [_topic(entry, raw["fields"], wordings) for entry in raw["topics"]]
    for topic in topics:
        said = (*topic.called, *topic.wider, *topic.resolvers, *topic.phrases)
        if not (topic.phrases and topic.called and topic.wider) or not all(
            isinstance(text, str) for text in said
        ):
            raise ValueError(
                f"{path.name}: topic {topic.name!r} lacks names or phrasings, or one is no text"
            )
    return tuple(topics)


def _topic(entry: Any, fields: Any, wordings: Mapping[str, Mapping[str, Wording]]) -> Topic:
    nothing = Wording(called=(), phrases=())
    own = wordings.get(ENGLISH, {}).get(entry["name"], nothing)
    others = [
        listed.get(entry["name"], nothing)
        for language, listed in sorted(wordings.items())
        if language != ENGLISH
    ]
    return Topic(
        name=entry["name"],
        called=(*entry["called"], *own.called),
        wider=tuple(entry["wider"]),
        field=tuple(fields[entry["field"]]),
        resolvers=tuple(entry["resolvers"]),
        phrases=own.phrases,
        called_elsewhere=tuple(name for wording in others for name in wording.called),
        phrases_elsewhere=tuple(text for wording in others for text in wording.phrases),
    )


@dataclass(frozen=True, kw_only=True)
class _Said:
    """A text of the bank, and what there is to know before it is read."""

    text: str
    english: bool
    phrase: bool


class _Group:
    """Texts that belong to topics, several each, as vectors."""

    def __init__(self, embedded: Embedded, sizes: Sequence[int]) -> None:
        self.embedded = embedded
        self.sizes = np.array(sizes)
        self.starts = np.cumsum([0, *sizes])[:-1]

    def best(self, near: Floats) -> Floats:
        """Rows of texts -> rows of topics, by the nearest text of each."""
        return np.asarray(np.maximum.reduceat(near, self.starts, axis=0), np.float32)

    def mean(self, near: Floats) -> Floats:
        """Rows of texts -> rows of topics, by the mean of each."""
        total = np.add.reduceat(near, self.starts, axis=0)
        return np.asarray(total / self.sizes[:, None], np.float32)

    def nearest(self, near: Floats, count: int) -> Floats:
        """Columns of texts -> columns of topics, by the mean of the nearest `count` of each."""
        total = np.zeros((len(near), len(self.sizes)), np.float32)
        found = np.zeros_like(total)
        for place in range(count):
            best = np.maximum.reduceat(near, self.starts, axis=1)
            there = best > _TAKEN
            total += np.where(there, best, 0)
            found += there
            if place < count - 1:
                near = np.where(near == np.repeat(best, self.sizes, axis=1), _TAKEN, near)
        return total / found


class TopicBank:
    """Topics with their texts as vectors."""

    def __init__(
        self, encoders: Encoders, model_dir: Path | None = None, path: Path = FILE
    ) -> None:
        self.topics = read_topics(path)
        self._encoders = encoders
        self._state = bank_state(path)
        self.version = hashlib.sha256(repr(self.topics).encode()).hexdigest()[:12]
        nothing: tuple[str, ...] = ()
        parts = {
            "phrases": [(t.phrases, t.phrases_elsewhere) for t in self.topics],
            "called": [(t.called, t.called_elsewhere) for t in self.topics],
            "wider": [(t.wider, nothing) for t in self.topics],
            "field": [(t.field, nothing) for t in self.topics],
            "resolvers": [(t.resolvers, nothing) for t in self.topics],
        }
        said = [
            _Said(text=text, english=not elsewhere, phrase=kind == "phrases")
            for kind, listed in parts.items()
            for both in listed
            for elsewhere, texts in enumerate(both)
            for text in texts
        ]
        embedded = self._embedded(said, model_dir)
        self._words = _words_of(self.topics)
        self._groups: dict[str, _Group] = {}
        start = 0
        for kind, listed in parts.items():
            sizes = [len(own) + len(elsewhere) for own, elsewhere in listed]
            self._groups[kind] = _Group(embedded[start : start + sum(sizes)], sizes)
            start += sum(sizes)
        every = self._groups["phrases"]
        #: Phrasings by language of the text that is compared: not English, English, undecided.
        self._phrases = {0.0: every, 1.0: every, 0.5: every}
        for language, sizes in (
            (1.0, [len(topic.phrases) for topic in self.topics]),
            (0.0, [len(topic.phrases_elsewhere) for topic in self.topics]),
        ):
            if min(sizes) > 0:
                rows = np.flatnonzero(every.embedded.english == language)
                self._phrases[language] = _Group(every.embedded[rows], sizes)

    def near(self, kind: str, keys: Embedded) -> Floats:
        """Likeness of each topic (row) to each key (column) by its best text of a kind.

        Kinds are `called`, `wider`, `field` and `resolvers`.
        """
        group = self._groups[kind]
        near = self._encoders.similarity(group.embedded.only(self._encoders.steady), keys)
        if kind == "resolvers":
            # The first is the one most would send it to.
            rank = np.concatenate([np.arange(size) for size in group.sizes])
            near *= (1 - RANK_LOSS * rank).astype(np.float32)[:, None]
        return group.best(near)

    def usual_phrase(self, keys: Embedded) -> Floats:
        """Mean likeness of each topic's (row) phrasings to each key (column)."""
        group = self._groups["phrases"]
        embedded = group.embedded.only(self._encoders.steady)
        return group.mean(self._encoders.similarity(embedded, keys))

    def similarity(self, texts: Embedded, count: int = 2) -> Floats:
        """How near each text (row) is to each topic (column), by so many phrasings, -1 to 1.

        English texts are compared with English phrasings, others with theirs.
        """
        near = np.zeros((len(texts), len(self.topics)), np.float32)
        for language, group in self._phrases.items():
            rows = np.flatnonzero(texts.english == language)
            if len(rows):
                some = texts[rows]
                if language == 0:
                    some = some.only(set(some.parts) - ENGLISH_ONLY or some.parts)
                if group is self._groups["phrases"]:
                    some = some.only(set(some.parts) - {LATE})
                found = self._encoders.similarity(some, group.embedded)
                near[rows] = group.nearest(found, count)
        return near

    def read(self, texts: Embedded, raw: Sequence[str]) -> tuple[Floats, Floats]:
        """Log odds of topics for each text, and how far a text is of the bank's world at all, 0-1.

        `raw` are the same texts as strings.
        """
        near = self.similarity(texts, NEAREST)
        trust = (near.max(axis=1) - ALIEN) / (FAMILIAR - ALIEN)
        odds = np.float32(MEANING) * near + np.float32(WORDS) * self._words(raw)
        return odds, np.clip(trust, 0, 1).astype(np.float32)

    def probabilities(self, texts: Embedded) -> Floats:
        """P(topic | text) by meaning alone, rows sum to 1."""
        return softmax(self.similarity(texts) * np.float32(STEEPNESS))

    def _embedded(self, said: Sequence[_Said], model_dir: Path | None) -> Embedded:
        """Vectors of the bank, from the cache the build step leaves, else computed."""
        cache = (model_dir or BUNDLED) / CACHE_NAME
        key = f"{self.version}|{self._encoders.weights}|{self._state}"
        read = {name: self._read_by(name, said) for name in self._encoders.names}
        arrays = _read_cache(cache, key)
        if arrays is None:
            arrays = self._arrays(said, read)
            if "minilm" in self._encoders.names and cache.parent.is_dir():
                # A read-only installation computes the bank at each start instead.
                named = {"key": np.frombuffer(key.encode(), np.uint8), **arrays}
                with suppress(OSError):
                    write_atomically(cache, named)
        english = np.array([one.english for one in said], np.float32)
        return Embedded(parts=_vectors(arrays, read), english=english)

    def _read_by(self, name: str, said: Sequence[_Said]) -> NDArray[np.bool_]:
        """Which of the bank's texts an encoder reads: none that no text would meet."""
        alone = len(self._encoders.names) == 1
        if name in ENGLISH_ONLY and not alone:
            return np.array([one.english for one in said])
        if name == LATE:
            return np.array([one.phrase and not one.english for one in said])
        return np.ones(len(said), bool)

    def _arrays(
        self, said: Sequence[_Said], read: Mapping[str, NDArray[np.bool_]]
    ) -> dict[str, NDArray[Any]]:
        """Vectors as bytes with a scale each."""
        arrays: dict[str, NDArray[Any]] = {}
        for name, rows in read.items():
            texts = [one.text for one, reads in zip(said, rows, strict=True) if reads]
            vectors = self._encoders.vectors(texts, name)
            scale = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), 1e-6) / 127
            arrays[f"part_{name}"] = np.rint(vectors / scale).astype(np.int8)
            arrays[f"scale_{name}"] = scale[:, 0].astype(np.float32)
        return arrays


@lru_cache(maxsize=2)
def _words_of(topics: tuple[Topic, ...]) -> TopicWords:
    return TopicWords([(*topic.phrases, *topic.phrases_elsewhere) for topic in topics])


def cached_key(path: Path) -> str:
    """What the cached vectors were made from; "" without a cache."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return bytes(archive["key"]).decode()
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return ""


def _read_cache(path: Path, key: str) -> dict[str, NDArray[Any]] | None:
    try:
        with np.load(path, allow_pickle=False) as archive:
            if bytes(archive["key"]).decode() != key:
                return None
            return {name: archive[name] for name in archive.files if name != "key"}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def _vectors(
    arrays: Mapping[str, NDArray[Any]], read: Mapping[str, NDArray[np.bool_]]
) -> dict[str, Floats]:
    """Vectors by encoder, zeros for what it did not read."""
    parts: dict[str, Floats] = {}
    for name, rows in read.items():
        packed = arrays[f"part_{name}"]
        parts[name] = np.zeros((len(rows), packed.shape[1]), np.float32)
        parts[name][rows] = packed * arrays[f"scale_{name}"][:, None]
    return parts


def softmax(logits: Floats) -> Floats:
    """Rows as probabilities."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float32)
