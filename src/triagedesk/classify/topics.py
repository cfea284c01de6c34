"""The topic bank: what service desks are asked about, in the words people use."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from triagedesk.classify.encoders import LATE, Embedded, Encoders, shares
from triagedesk.classify.topic_vectors import Group, Vectors, packed, read_cache
from triagedesk.classify.topic_words import TopicWords, counted_words
from triagedesk.classify.weights import BUNDLED, write_atomically

FILE = Path(__file__).with_name("topics.yaml")
#: Folder of phrasings beside the bank's file, one file a language.
PHRASES = "phrases"
ENGLISH = "en"
#: Changes whenever the cached vectors are laid out anew.
LAYOUT = b"4"
#: Encoders that read nothing but English.
ENGLISH_ONLY = frozenset({"minilm"})
#: Likeness to the nearest topic of texts from another world, and of nearly every desk ticket.
ALIEN, FAMILIAR = 0.2, 0.45
#: The bank's vectors, beside the weights.
CACHE_NAME = "topics.npz"
#: What each later place in a topic's list of resolvers costs.
RANK_LOSS = 0.05
#: Steepness of P(topic | text) over similarities alone, over similarities beside words, and what
#: the log odds of words count.
STEEPNESS, MEANING, WORDS = 50.0, 22.0, 3.0
#: Phrasings a text is compared with in a topic: the nearest so many, by meaning beside words.
NEAREST = 3
#: Phrasings of a topic that E5 reads, at most: English ones, and in other languages.
LATE_READS = (8, 30)
#: Some topics are near to almost any text. What is taken off a topic's likeness of what it has,
#: over the mean of topics, to phrasings of other topics: the nearest so large a share of them.
POPULARITY, POPULAR_WITH = 0.7, 0.05
#: Phrasings that this is measured on, at most and about.
ASKED = 800
#: What the names of such numbers begin with, where they are kept.
_KEPT, _WORDS = "kept_", "words_"

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


def bank_key(encoders: Encoders, path: Path = FILE) -> str:
    """Says what vectors of a bank are made from: the encoders' weights and the bank's files."""
    return f"{encoders.weights}|{bank_state(path)}"


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
    #: Whether E5 reads it too.
    late: bool


class TopicBank:
    """Topics with their texts as vectors."""

    def __init__(
        self, encoders: Encoders, model_dir: Path | None = None, path: Path = FILE
    ) -> None:
        self.topics = read_topics(path)
        self._encoders = encoders
        self.version = hashlib.sha256(LAYOUT + repr(self.topics).encode()).hexdigest()[:12]
        nothing: tuple[str, ...] = ()
        parts = {
            "phrases": [(t.phrases, t.phrases_elsewhere) for t in self.topics],
            "called": [(t.called, t.called_elsewhere) for t in self.topics],
            "wider": [(t.wider, nothing) for t in self.topics],
            "field": [(t.field, nothing) for t in self.topics],
            "resolvers": [(t.resolvers, nothing) for t in self.topics],
        }
        said = [
            _Said(text=text, english=not elsewhere, late=place in late)
            for kind, listed in parts.items()
            for both in listed
            for elsewhere, texts in enumerate(both)
            for late in (_spread(len(texts), LATE_READS[elsewhere] * (kind == "phrases")),)
            for place, text in enumerate(texts)
        ]
        read = {name: self._read_by(name, said) for name in encoders.names}
        cache, key = (model_dir or BUNDLED) / CACHE_NAME, bank_key(encoders, path)
        cached = read_cache(cache, key)
        arrays = cached or packed([one.text for one in said], read, encoders.vectors)
        #: Numbers that are made from the vectors and kept beside them.
        self._kept = {_KEPT + name: part for name, part in _under(_KEPT, arrays).items()}
        english = np.array([one.english for one in said], np.float32)
        self._lay_out(Vectors(arrays, read), english, parts)
        words = _under(_WORDS, arrays) or _words_of(self.topics)
        self._words = TopicWords(words)
        if cached is None:
            self._measure()
            if cache.parent.is_dir():
                # A read-only installation computes the bank at each start instead.
                named = {"key": np.frombuffer(key.encode(), np.uint8), **arrays, **self._kept}
                named.update({_WORDS + name: part for name, part in words.items()})
                with suppress(OSError):
                    write_atomically(cache, named)

    def _lay_out(
        self,
        vectors: Vectors,
        english: Floats,
        parts: Mapping[str, Sequence[tuple[Sequence[str], Sequence[str]]]],
    ) -> None:
        """Groups of texts by kind, and phrasings by language."""
        self._groups: dict[str, Group] = {}
        start = 0
        for kind, listed in parts.items():
            sizes = [len(own) + len(elsewhere) for own, elsewhere in listed]
            rows = np.arange(start, start + sum(sizes))
            some = Embedded(parts=vectors.of(rows), english=english[rows])
            self._groups[kind] = Group(some, sizes)
            start += sum(sizes)
        every = self._groups["phrases"]

        def chosen(kept: NDArray[np.bool_]) -> Group:
            # Phrasings are the first of the bank's texts, so their rows are also those of all.
            rows = np.flatnonzero(kept)
            texts = Embedded(parts=vectors.of(rows), english=english[rows])
            return Group(texts, np.add.reduceat(kept.astype(int), every.starts).tolist())

        #: What English texts are compared with, and what E5 reads.
        self._own = chosen(every.embedded.english == 1)
        self._late: Group | None = None
        if LATE in vectors.read:
            self._late = chosen(vectors.read[LATE][: len(every.embedded)])

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
        near = np.zeros((len(self.topics), len(keys)), np.float32)
        for name in self._encoders.steady:
            near += self._kept[f"{_KEPT}mean_{name}"] @ keys.parts[name].T
        return near

    def similarity(self, texts: Embedded, count: int = 2) -> Floats:
        """How near each text (row) is to each topic (column), by so many phrasings, -1 to 1.

        English texts are compared with English phrasings, others with all.
        """
        near = np.zeros((len(texts), len(self.topics)), np.float32)
        for english, rows in _by_language(texts):
            near[rows] = self._nearest(texts[rows], english, count)
        return near

    def _nearest(self, texts: Embedded, english: bool, count: int) -> Floats:
        group = self._own if english else self._groups["phrases"]
        known = texts.only(_readers(texts.parts, english))
        plain = known.only(set(known.parts) - {LATE})
        late = np.flatnonzero(np.any(known.parts.get(LATE, np.zeros((1, 1))), axis=1))
        if self._late is None or not len(late):
            return group.nearest(self._encoders.similarity(plain, group.embedded), count)
        # E5 reads slowly and so not all phrasings: topics' likeness is added, not phrasings'.
        by_use, by_late = self._encoders.halves(known[late], group.embedded, self._late.embedded)
        near = np.zeros((len(texts), len(self.topics)), np.float32)
        near[late] = group.nearest(by_use, count) + self._late.nearest(by_late, count)
        rest = np.setdiff1d(np.arange(len(texts)), late)
        if len(rest):
            found = self._encoders.similarity(plain[rest], group.embedded)
            near[rest] = group.nearest(found, count)
        return near

    def read(self, texts: Embedded, raw: Sequence[str]) -> tuple[Floats, Floats]:
        """Log odds of topics for each text, and how far a text is of the bank's world at all, 0-1.

        `raw` are the same texts as strings.
        """
        near = self.similarity(texts, NEAREST)
        for english, rows in _by_language(texts):
            popular = self._popularity(_readers(texts.parts, english), english)
            near[rows] -= np.float32(POPULARITY) * popular
        trust = (near.max(axis=1) - ALIEN) / (FAMILIAR - ALIEN)
        odds = np.float32(MEANING) * near + np.float32(WORDS) * self._words(raw)
        return odds, np.clip(trust, 0, 1).astype(np.float32)

    def knows(self, word: str) -> bool:
        """Whether any phrasing has a word that begins like this one; see `plain_words`."""
        return self._words.knows(word)

    def probabilities(self, texts: Embedded) -> Floats:
        """P(topic | text) by meaning alone, rows sum to 1."""
        return softmax(self.similarity(texts) * np.float32(STEEPNESS))

    def _measure(self) -> None:
        """The mean of each topic's phrasings, and how popular topics are with others' phrasings."""
        group = self._groups["phrases"]
        counts = shares(self._encoders.steady, group.embedded.english)
        for name, count in counts.items():
            mean = group.mean(group.embedded.parts[name] * count[:, None])
            self._kept[f"{_KEPT}mean_{name}"] = mean
        for names in (self._encoders.names, self._encoders.quick):
            for english in (True, False):
                self._popularity(_readers(names, english), english)

    def _popularity(self, names: Sequence[str], english: bool) -> Floats:
        """How near topics are to phrasings of others by some encoders, over the mean of topics."""
        kept = "_".join([f"{_KEPT}popularity", *names, *(["english"] if english else [])])
        if kept not in self._kept:
            group = (self._late if LATE in names else None) or self._groups["phrases"]
            ours = group.embedded.english == english
            rows = np.flatnonzero(ours) if ours.any() else np.arange(len(ours))
            rows = rows[:: -(-len(rows) // ASKED)]
            parts = {name: group.embedded.parts[name][rows] for name in names}
            asked = Embedded(parts=parts, english=group.embedded.english[rows])
            near = self._nearest(asked, english, NEAREST)
            near[np.arange(len(rows)), group.owners[rows]] = -1
            count = max(1, round(POPULAR_WITH * len(rows)))
            nearest = np.partition(near, len(rows) - count, axis=0)[-count:].mean(axis=0)
            self._kept[kept] = (nearest - nearest.mean()).astype(np.float32)
        return self._kept[kept]

    def _read_by(self, name: str, said: Sequence[_Said]) -> NDArray[np.bool_]:
        """Which of the bank's texts an encoder reads: none that no text would meet."""
        alone = len(self._encoders.names) == 1
        if name in ENGLISH_ONLY and not alone:
            return np.array([one.english for one in said])
        if name == LATE:
            return np.array([one.late for one in said])
        return np.ones(len(said), bool)


def _readers(names: Iterable[str], english: bool) -> tuple[str, ...]:
    """Those of some encoders that read English, or other languages, in order."""
    unfit = {LATE} if english else ENGLISH_ONLY
    return tuple(sorted(set(names) - unfit or set(names)))


def _spread(size: int, most: int) -> frozenset[int]:
    """At most so many places of a list, spread evenly."""
    return frozenset((np.arange(min(size, most)) * size // max(1, min(size, most))).tolist())


def _by_language(texts: Embedded) -> Iterator[tuple[bool, NDArray[np.int64]]]:
    """Rows of the texts that are English for sure, and of the others, where there are any."""
    for english in (True, False):
        rows = np.flatnonzero((texts.english == 1) == english)
        if len(rows):
            yield english, rows


@lru_cache(maxsize=2)
def _words_of(topics: tuple[Topic, ...]) -> Mapping[str, NDArray[Any]]:
    return counted_words([(*topic.phrases, *topic.phrases_elsewhere) for topic in topics])


def _under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The arrays whose names begin so, without it."""
    return {n.removeprefix(prefix): part for n, part in arrays.items() if n.startswith(prefix)}


def softmax(logits: Floats) -> Floats:
    """Rows as probabilities."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float32)
