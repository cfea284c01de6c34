"""The topic bank: what service desks are asked about, in the words people use."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triagedesk.classify.encoders import (
    ENGLISH,
    ENGLISH_READER,
    LATE,
    Embedded,
    Encoders,
    mixed_in,
    shares,
)
from triagedesk.classify.glossary import read_by_glossary
from triagedesk.classify.topic_file import FILE, Topic, bank_state, read_topics
from triagedesk.classify.topic_vectors import Group, Vectors, nearest_of, packed, read_cache
from triagedesk.classify.topic_words import TopicWords, counted_words
from triagedesk.classify.weights import BUNDLED, write_atomically

#: Changes whenever the cached vectors are laid out anew.
LAYOUT = "5"
#: Likeness to the nearest topic of texts from another world, and of nearly every desk ticket.
ALIEN, FAMILIAR = 0.2, 0.45
#: The bank's vectors, beside the weights.
CACHE_NAME = "topics.npz"
#: What each later place in a topic's list of resolvers costs.
RANK_LOSS = 0.05
#: Steepness of P(topic | text) over similarities alone, over similarities beside words, and what
#: the log odds of words count.
STEEPNESS, MEANING, WORDS = 50.0, 22.0, 4.0
#: Phrasings a text is compared with in a topic: the nearest so many, by meaning beside words.
NEAREST = 3
#: Phrasings of a topic that encoders read in each language but English, at most; words of all
#: count. And those that E5 reads: English ones, and in other languages.
READS, LATE_READS = 16, (5, 18)
#: Some topics are near to almost any text. What is taken off a topic's likeness of what it has,
#: over the mean of topics, to phrasings of other topics: the nearest so large a share of them.
POPULARITY, POPULAR_WITH = 0.7, 0.05
#: Phrasings that this is measured on, at most and about.
ASKED = 800
#: What the names of such numbers begin with, where they are kept.
_KEPT, _WORDS = "kept_", "words_"

Floats = NDArray[np.float32]


def bank_key(encoders: Encoders, path: Path = FILE) -> str:
    """Says what vectors of a bank are made from: the encoders' weights and the bank's files."""
    return f"{encoders.weights}|{LAYOUT}|{bank_state(path)}"


@dataclass(frozen=True, kw_only=True)
class _Said:
    """A text of the bank, and what there is to know before it is read."""

    text: str
    #: "" for names that are not English.
    language: str
    #: Whether E5 reads it too.
    late: bool = False


class TopicBank:
    """Topics with their texts as vectors."""

    def __init__(
        self, encoders: Encoders, model_dir: Path | None = None, path: Path = FILE
    ) -> None:
        self.topics = read_topics(path)
        self._encoders = encoders
        self.version = hashlib.sha256((LAYOUT + repr(self.topics)).encode()).hexdigest()[:12]
        kinds = _kinds(self.topics)
        said = [one for listed in kinds.values() for texts in listed for one in texts]
        read = {name: self._read_by(name, said) for name in encoders.names}
        cache, key = (model_dir or BUNDLED) / CACHE_NAME, bank_key(encoders, path)
        cached = read_cache(cache, key)
        arrays = cached or packed([one.text for one in said], read, encoders.vectors)
        #: Numbers that are made from the vectors and kept beside them.
        self._kept = {_KEPT + name: part for name, part in _under(_KEPT, arrays).items()}
        sizes = {kind: [len(texts) for texts in listed] for kind, listed in kinds.items()}
        self._lay_out(Vectors(arrays, read), [one.language for one in said], sizes)
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
        self, vectors: Vectors, languages: Sequence[str], kinds: Mapping[str, Sequence[int]]
    ) -> None:
        """Groups of texts by kind, of which each topic has so many, and phrasings by language."""
        every = np.array(languages, "<U2")
        english = (every == ENGLISH).astype(np.float32)

        def group(rows: NDArray[np.int64], sizes: Sequence[int]) -> Group:
            parts = vectors.of(rows)
            texts = Embedded(parts=parts, english=english[rows], languages=every[rows])
            return Group(texts, sizes)

        self._groups: dict[str, Group] = {}
        start = 0
        for kind, sizes in kinds.items():
            self._groups[kind] = group(np.arange(start, start + sum(sizes)), sizes)
            start += sum(sizes)
        # Phrasings are the first of the bank's texts, so their rows are also those of all.
        phrases = self._groups["phrases"]
        owners, topics = phrases.owners, len(self.topics)

        def chosen(kept: NDArray[np.bool_]) -> Group:
            return group(np.flatnonzero(kept), np.bincount(owners[kept], minlength=topics).tolist())

        said = every[: len(owners)]
        #: Phrasings by language: a text is compared with those in its own and in English.
        self._spoken = {language: chosen(said == language) for language in np.unique(said).tolist()}
        self._late: Group | None = None
        if LATE in vectors.read:
            self._late = chosen(vectors.read[LATE][: len(owners)])

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

        English texts are compared with English phrasings, others with those in their language too,
        and their glossary readings, which are English, with English ones.
        """
        near = np.zeros((len(texts), len(self.topics)), np.float32)
        for english, rows in _by_language(texts):
            near[rows] = self._nearest(texts[rows], english, count)
        if len(rows := texts.glossed):
            ours = self._spoken[ENGLISH]
            likeness = texts.parts[ENGLISH_READER][rows] @ ours.embedded.parts[ENGLISH_READER].T
            near[rows] = mixed_in(near[rows], ours.nearest(likeness, count), texts.english[rows])
        return near

    def _nearest(self, texts: Embedded, english: bool, count: int) -> Floats:
        """The same without glossaries, for texts that are all English or all not."""
        known = texts.only(_readers(texts.parts, english))
        if english:
            ours = self._spoken[ENGLISH]
            return ours.nearest(self._encoders.similarity(known, ours.embedded), count)
        near = np.zeros((len(texts), len(self.topics)), np.float32)
        late = np.any(known.parts.get(LATE, np.zeros((len(texts), 1))), axis=1)
        late &= self._late is not None
        for language in np.unique(texts.languages).tolist():
            there = texts.languages == language
            for rows in (np.flatnonzero(there & late), np.flatnonzero(there & ~late)):
                if len(rows):
                    near[rows] = self._in_language(
                        known[rows], language, bool(late[rows[0]]), count
                    )
        return near

    def _in_language(self, texts: Embedded, language: str, late: bool, count: int) -> Floats:
        plain = texts.only(set(texts.parts) - {LATE})
        likeness = self._encoders.by_use if late else self._encoders.similarity
        groups = [self._spoken[name] for name in (ENGLISH, language) if name in self._spoken]
        near = nearest_of([g.tops(likeness(plain, g.embedded), count) for g in groups])
        if late and self._late is not None:
            # E5 reads slowly and so not all phrasings: topics' likeness is added, not phrasings'.
            by_late = self._encoders.by_late(texts, self._late.embedded)
            near += self._late.nearest(by_late, count)
        return near

    def read(self, texts: Embedded, raw: Sequence[str]) -> tuple[Floats, Floats]:
        """Log odds of topics for each text, and how far a text is of the bank's world at all, 0-1.

        `raw` are the same texts as strings.
        """
        popular = np.zeros((len(texts), len(self.topics)), np.float32)
        for english, rows in _by_language(texts):
            popular[rows] = self._popularity(_readers(texts.parts, english), english)
        if len(rows := texts.glossed):
            of_glosses = self._popularity((ENGLISH_READER,), english=True)
            popular[rows] = mixed_in(popular[rows], of_glosses, texts.english[rows])
        near = self.similarity(texts, NEAREST) - np.float32(POPULARITY) * popular
        trust = (near.max(axis=1) - ALIEN) / (FAMILIAR - ALIEN)
        odds = np.float32(MEANING) * near + np.float32(WORDS) * self._said(texts, raw)
        return odds, np.clip(trust, 0, 1).astype(np.float32)

    def _said(self, texts: Embedded, raw: Sequence[str]) -> Floats:
        """Log odds of topics by words: a text's own, and those of its glossary reading."""
        odds = self._words(raw)
        if len(rows := texts.glossed):
            in_ours = self._words([read_by_glossary(raw[row]).english for row in rows.tolist()])
            odds[rows] = mixed_in(odds[rows], in_ours, texts.english[rows])
        return odds

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
        if ENGLISH_READER in self._encoders.names:
            self._popularity((ENGLISH_READER,), english=True)

    def _popularity(self, names: Sequence[str], english: bool) -> Floats:
        """How near topics are to phrasings of others by some encoders, over the mean of topics."""
        kept = "_".join([f"{_KEPT}popularity", *names, *(["english"] if english else [])])
        if kept not in self._kept:
            group = (self._late if LATE in names else None) or self._groups["phrases"]
            ours = group.embedded.english == english
            rows = np.flatnonzero(ours) if ours.any() else np.arange(len(ours))
            rows = rows[:: -(-len(rows) // ASKED)]
            parts = {name: group.embedded.parts[name][rows] for name in names}
            all_of = group.embedded
            asked = Embedded(
                parts=parts, english=all_of.english[rows], languages=all_of.languages[rows]
            )
            near = self._nearest(asked, english, NEAREST)
            near[np.arange(len(rows)), group.owners[rows]] = -1
            count = max(1, round(POPULAR_WITH * len(rows)))
            nearest = np.partition(near, len(rows) - count, axis=0)[-count:].mean(axis=0)
            self._kept[kept] = (nearest - nearest.mean()).astype(np.float32)
        return self._kept[kept]

    def _read_by(self, name: str, said: Sequence[_Said]) -> NDArray[np.bool_]:
        """Which of the bank's texts an encoder reads: none that no text would meet."""
        alone = len(self._encoders.names) == 1
        if name == ENGLISH_READER and not alone:
            return np.array([one.language == ENGLISH for one in said])
        if name == LATE:
            return np.array([one.late for one in said])
        return np.ones(len(said), bool)


def _kinds(topics: Sequence[Topic]) -> dict[str, list[list[_Said]]]:
    """The texts of a bank that encoders read, by kind, those of each topic; English ones first."""

    def names(texts: Sequence[str], language: str = ENGLISH) -> list[_Said]:
        return [_Said(text=text, language=language) for text in texts]

    return {
        "phrases": [_phrasings(topic) for topic in topics],
        "called": [names(t.called) + names(t.called_elsewhere, "") for t in topics],
        "wider": [names(topic.wider) for topic in topics],
        "field": [names(topic.field) for topic in topics],
        "resolvers": [names(topic.resolvers) for topic in topics],
    }


def _phrasings(topic: Topic) -> list[_Said]:
    late = _spread(len(topic.phrases), LATE_READS[0])
    own = [
        _Said(text=text, language=ENGLISH, late=place in late)
        for place, text in enumerate(topic.phrases)
    ]
    elsewhere = list(zip(topic.phrases_elsewhere, topic.languages_elsewhere, strict=True))
    read: list[tuple[str, str]] = []
    for language in dict.fromkeys(topic.languages_elsewhere):
        said = [pair for pair in elsewhere if pair[1] == language]
        read += [said[place] for place in sorted(_spread(len(said), READS))]
    late = _spread(len(read), LATE_READS[1])
    return own + [
        _Said(text=text, language=language, late=place in late)
        for place, (text, language) in enumerate(read)
    ]


def _readers(names: Iterable[str], english: bool) -> tuple[str, ...]:
    """Those of some encoders that read English, or other languages, in order."""
    unfit = {LATE if english else ENGLISH_READER}
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
