"""Ticket against catalog without a single labelled ticket: likeness, topics, residual classes."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from triagedesk.catalog import CatalogEntry
from triagedesk.classify.encoders import Embedded, Encoders
from triagedesk.classify.encoders.ngrams import content_words
from triagedesk.classify.evidence import WordGains, content, phrases
from triagedesk.classify.glossary import read_by_glossary
from triagedesk.classify.own_words import OwnWords
from triagedesk.classify.residual import Residual, residual
from triagedesk.classify.topics import TopicBank, softmax

Floats = NDArray[np.float32]

#: Steepness of likeness: the sum of the encoders' weights that won in trials (12 + 7).
STEEPNESS = 19.0
#: What words shared with an entry's name count, at most.
WORD_WEIGHT = 1.0
#: What the topic bank counts, and the share of it spread over all entries.
TOPIC_WEIGHT, TOPIC_FLOOR = 1.2, 0.01
#: The share spread over entries that no topic is like, which the bank can say nothing of, and
#: between which likenesses to the likest topic an entry becomes one that it can.
UNKNOWN_FLOOR, STRANGE, PLAIN = 0.3, 0.5, 0.75
#: What the likest single thing that an entry names counts beside the entry on the whole.
PART_WEIGHT = 0.2
#: Likeness below which a topic belongs to no specific entry, and how softly that is decided.
TOPIC_FIT, TOPIC_SOFTNESS = 0.43, 0.03
#: What a topic that fits no entry counts beside one that does: a desk is asked about what its
#: catalog offers.
UNOFFERED = 0.05
#: What a topic's catalog names and its tickets' wording count in its likeness to an entry.
CALLED, PHRASED = 0.8, 0.5
#: What a wider name loses against one that tells more apart; what a part of an entry's name and
#: of its description counts beside the whole name.
WIDER_LOSS, NAME_PART, DESCRIPTION_PART = 0.08, 0.95, 0.92
#: What a topic loses of its likeness to an entry for each bit another topic is nearer to it.
RIVALRY = 0.8
#: Steepness of P(entry | topic) among specific entries and among residual classes.
TOPIC_STEEPNESS, SCOPE_STEEPNESS = 9.0, 30.0
#: Steepness of likeness where it chooses among the entries that one topic may belong to.
WITHIN_TOPIC = 2.0
#: What likeness of a topic's field to a residual class counts.
FIELD = 0.6
#: Topics every desk is asked about, whatever its catalog says.
ALWAYS_ASKED = frozenset({"complaint or thanks", "training", "project and consulting"})
#: Likeness of any topic to the rest of everything.
NO_SCOPE = 0.28
#: Likeness to a topic from which an entry's meaning is plain, and lead over the next entry.
KNOWN, APART = 0.6, 0.1
#: How much likelier, on average, entries are called by a topic's names than by those of a whole
#: field ("Hardware", "Access"), below which a catalog counts as muddled. Catalogs with names of
#: their own, English or not, have 0.50 to 0.59; eight vague entries of a public set 0.19.
PLAIN_CATALOG = 0.4
#: What a residual class has over the mean likeness of specific entries, and what likeness to its
#: scope adds; NO_SCOPE_LIKENESS stands for the latter in the rest of everything.
RESIDUAL_OFFSET, RESIDUAL_SCOPE, NO_SCOPE_LIKENESS = 0.0, 0.7, 0.02


_JOINTS = re.compile(
    r"[,;:/&()+]|\.(?= )| [-–] |\b(?:and|or|und|oder|et|ou|y|o|e|en|for|e\.g\.)\b", re.IGNORECASE
)
#: Parts of a description that are read one by one.
_MOST_PARTS = 24


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What zero-shot says of a batch: one row a text, one column an entry."""

    logits: Floats
    #: How well the best specific entry fits each text, -1 to 1.
    fit: Floats
    #: How surely each text is about something that an entry is for, 0 to 1.
    offered: Floats


class ZeroShot:
    """One catalog, prepared."""

    def __init__(
        self, entries: Sequence[CatalogEntry], encoders: Encoders, bank: TopicBank
    ) -> None:
        self.entries = tuple(entries)
        self._encoders, self._bank = encoders, bank
        self.residuals: list[Residual | None] = [residual(entry) for entry in entries]
        self.specific = np.array([kind is None for kind in self.residuals], bool)
        texts, owners, weights = _prototypes(entries, self.residuals)
        self._texts = texts
        self._prototypes = encoders.embed_keys(texts)
        self._mix = np.zeros((len(texts), len(entries)), np.float32)
        self._mix[np.arange(len(texts)), owners] = weights
        examples = [(i, text) for i, entry in enumerate(entries) for text in entry.examples]
        self._example_texts = [text for _, text in examples]
        self._examples = encoders.embed_keys([text for _, text in examples])
        self._example_owners = np.array([i for i, _ in examples], np.int64)
        names = [
            (i, text, weight)
            for i, entry in enumerate(entries)
            if self.specific[i]
            for text, weight in _names(entry)
        ]
        self._names = encoders.embed_keys([text for _, text, _ in names])
        self._name_owners = np.array([i for i, _, _ in names], np.int64)
        self._name_weights = np.array([weight for _, _, weight in names], np.float32)
        self._words = _name_words(entries, self.residuals)
        self._own_words = OwnWords(entries, self.specific, bank.knows)
        #: P(entry | topic), whether an entry is for a topic, 0 to 1, and each entry's part of what
        #: is spread over all.
        self._entry_given_topic, self._fits, self._floor = self._topics_to_entries()
        self._prior = self._topic_priors()
        self._gains = WordGains(encoders, self._prototypes, self._mix)

    def score(self, texts: Embedded, raw: Sequence[str]) -> Scores:
        """Logits of each entry for each text; `raw` are the same texts as strings."""
        likeness = self.likeness(texts)
        odds, trust = self._bank.read(texts, raw)
        topics = softmax(odds + self._prior)
        expected = self._expected(topics, likeness)
        spread = (1 - TOPIC_FLOOR) * expected + self._floor
        logits = np.float32(STEEPNESS) * self._by_parts(texts, likeness)
        logits += np.float32(TOPIC_WEIGHT) * trust[:, None] * np.log(spread)
        logits += np.float32(WORD_WEIGHT) * self._shared_words(
            _with_readings(texts, raw)
        ) + self._own_words(raw)
        fit = np.full(len(texts), -1.0, np.float32)
        if self.specific.any():
            fit = likeness[:, self.specific].max(axis=1)
        offered = trust * (softmax(odds) @ self._fits)
        return Scores(logits=logits.astype(np.float32), fit=fit, offered=offered)

    def _expected(self, topics: Floats, likeness: Floats) -> Floats:
        """P(entry) by P(topic), each topic's share going to what is likest of its entries."""
        chosen = np.exp(np.float32(WITHIN_TOPIC) * (likeness - likeness.max(axis=1, keepdims=True)))
        shared = topics / (chosen @ self._entry_given_topic.T)
        return np.asarray((shared @ self._entry_given_topic) * chosen, np.float32)

    def _by_parts(self, texts: Embedded, likeness: Floats) -> Floats:
        """Likeness to each entry, with a share for the likest of the things that it names."""
        if not len(self._name_owners):
            return likeness
        parts = self._encoders.similarity(texts, self._names)
        mixed = likeness.copy()
        for entry in np.unique(self._name_owners).tolist():
            best = parts[:, self._name_owners == entry].max(axis=1)
            mixed[:, entry] += np.float32(PART_WEIGHT) * (best - likeness[:, entry])
        return mixed

    @property
    def has_rest(self) -> bool:
        """Whether there is a class for what fits nothing."""
        return not bool(self.specific.all())

    def likeness(self, texts: Embedded) -> Floats:
        """How like each entry each text is; a residual class by its floor and scope."""
        near = self._encoders.similarity(texts, self._prototypes) @ self._mix
        if len(self._example_owners):
            to_examples = self._encoders.similarity(texts, self._examples)
            for entry in np.unique(self._example_owners):
                best = to_examples[:, self._example_owners == entry].max(axis=1)
                near[:, entry] = 0.5 * near[:, entry] + 0.5 * np.maximum(near[:, entry], best)
        rest = np.flatnonzero(~self.specific)
        usual = near[:, self.specific].mean(axis=1) if self.specific.any() else np.zeros(len(near))
        for entry in rest.tolist():
            scope = (
                np.maximum(0, near[:, entry] - usual) if self._scope(entry) else NO_SCOPE_LIKENESS
            )
            near[:, entry] = usual + RESIDUAL_OFFSET + RESIDUAL_SCOPE * scope
        return np.asarray(near, np.float32)

    def examples(self) -> tuple[Embedded, list[str], NDArray[np.int64]]:
        """The catalog's own words as labelled examples: vectors, texts, entries."""
        texts = [*self._texts, *self._example_texts]
        owners = np.concatenate([self._mix.argmax(axis=1), self._example_owners])
        return self._encoders.embed(texts), texts, owners.astype(np.int64)

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Entries whose meaning is plain without measuring: the topic bank has a word for them.

        Where two entries claim the same topic about equally, neither is plain; in a catalog whose
        names are vague on the whole none is, because the plain ones get its neighbours' tickets.
        """
        near = self._called()
        if not self.specific.any() or self._plainness(near) < PLAIN_CATALOG:
            return np.zeros(len(self.entries), bool)
        near[:, ~self.specific] = -1
        best = near.argmax(axis=1)
        rows = np.arange(len(near))
        fits = near[rows, best]
        others = near.copy()
        others[rows, best] = -1
        plain = (fits >= KNOWN) & (fits - others.max(axis=1) >= APART)
        known = np.zeros(len(self.entries), bool)
        known[best[plain]] = True
        return known

    def _plainness(self, called: Floats) -> float:
        """Mean lead of what topics are called over whole fields in likeness to entries."""
        whole = np.flatnonzero(self._name_weights == 1)
        fields = self._bank.near("field", self._names[whole]).max(axis=0)
        topics = called[:, self._name_owners[whole]].max(axis=0)
        return float((topics - np.maximum(fields, 0)).mean())

    def learn_words(self, texts: Sequence[str]) -> None:
        """Read what could be evidence in texts at once, which takes less time than one by one."""
        self._gains.learn([word for text in texts for word in content(text)])

    def evidence(self, text: str, entry: int) -> tuple[str, ...]:
        """The phrases of `text` that speak for an entry, as they stand there."""
        words = content(text)
        if not words or not self.specific[entry]:
            return ()
        gains = self._gains.of(words)[:, entry]
        return phrases(text, dict(zip(words, gains.tolist(), strict=True)))

    def _called(self, kind: str = "called") -> Floats:
        """Likeness of topics' names (rows) to entries, by the best of what an entry names."""
        near = self._bank.near(kind, self._prototypes) @ self._mix
        by_name = self._bank.near(kind, self._names) * self._name_weights
        for column, owner in enumerate(self._name_owners.tolist()):
            near[:, owner] = np.maximum(near[:, owner], by_name[:, column])
        return np.asarray(near, np.float32)

    def _topics_to_entries(self) -> tuple[Floats, Floats, Floats]:
        """P(entry | topic): by likeness where an entry fits, else the nearest residual class.

        And how far an entry fits each topic, 0 to 1, and what no topic takes from each entry.
        """
        near = CALLED * np.maximum(self._called(), self._called("wider") - WIDER_LOSS)
        near += PHRASED * self._bank.usual_phrase(self._prototypes) @ self._mix
        unknown = 1 - np.clip((near.max(axis=0) - STRANGE) / (PLAIN - STRANGE), 0, 1)
        floor = (TOPIC_FLOOR + UNKNOWN_FLOOR * unknown * self.specific) / max(1, len(near[0]))
        # An entry that one topic claims outright ("Wi-Fi Issue") is not a home for its neighbours.
        near -= RIVALRY * (near.max(axis=0, keepdims=True) - near)
        given = np.zeros_like(near)
        specific, rest = np.flatnonzero(self.specific), np.flatnonzero(~self.specific)
        if len(specific):
            given[:, specific] = softmax((near[:, specific] * TOPIC_STEEPNESS).astype(np.float32))
        best = near[:, specific].max(axis=1) if len(specific) else np.full(len(near), -1.0)
        unfit = 1 / (1 + np.exp((best - TOPIC_FIT) / TOPIC_SOFTNESS))
        given *= (1 - unfit)[:, None]
        if len(rest) == 0:
            # A topic that fits no entry says nothing.
            given += unfit[:, None] / len(self.entries)
            return _floats(given, 1 - unfit, floor)
        fields = self._bank.near("field", self._prototypes) @ self._mix
        scope = np.maximum(near, FIELD * fields)[:, rest]
        scope[:, [not self._scope(i) for i in rest.tolist()]] = NO_SCOPE
        given[:, rest] = unfit[:, None] * softmax((scope * SCOPE_STEEPNESS).astype(np.float32))
        return _floats(given, 1 - unfit, floor)

    def _topic_priors(self) -> Floats:
        """Log weight of each topic at a desk with this catalog."""
        asked = np.array([topic.name in ALWAYS_ASKED for topic in self._bank.topics])
        weight = np.where(asked, 1, UNOFFERED + (1 - UNOFFERED) * self._fits)
        return np.asarray(np.log(weight), np.float32)

    def _scope(self, entry: int) -> str:
        kind = self.residuals[entry]
        return kind.scope if kind else ""

    def _shared_words(self, raw: Sequence[str]) -> Floats:
        """Share of an entry's name, by rarity of the words, that a text contains."""
        shared = np.zeros((len(raw), len(self.entries)), np.float32)
        for row, text in enumerate(raw):
            for word in sorted(self._words.keys() & set(content_words(text))):
                for entry, share in self._words[word]:
                    shared[row, entry] += share
        return shared


def _with_readings(texts: Embedded, raw: Sequence[str]) -> list[str]:
    """Texts, with their glossary readings where there are any."""
    said = list(raw)
    for row in texts.glossed.tolist():
        said[row] += "\n" + read_by_glossary(raw[row]).english
    return said


def _floats(
    first: NDArray[np.floating], second: NDArray[np.floating], third: NDArray[np.floating]
) -> tuple[Floats, Floats, Floats]:
    return first.astype(np.float32), second.astype(np.float32), third.astype(np.float32)


def _names(entry: CatalogEntry) -> list[tuple[str, float]]:
    """What an entry names, each with what it counts: itself, its parts, what it describes."""
    name = entry.label.request_type
    return [
        (name, 1.0),
        *((part, NAME_PART) for part in _parts(name) if part != name),
        *((part, DESCRIPTION_PART) for part in _parts(entry.description[:1_000])[:_MOST_PARTS]),
    ]


def _parts(text: str) -> list[str]:
    """The things a text puts together: "Servers and databases" -> servers; databases."""
    parts = (part.strip(" .-") for part in _JOINTS.split(text))
    return list(dict.fromkeys(part for part in parts if content_words(part)))


def _prototypes(
    entries: Sequence[CatalogEntry], residuals: Sequence[Residual | None]
) -> tuple[list[str], list[int], list[float]]:
    """Texts that stand for the entries, whose they are, and what each counts."""
    texts: list[str] = []
    owners: list[int] = []
    weights: list[float] = []
    for index, (entry, rest) in enumerate(zip(entries, residuals, strict=True)):
        said = [entry.label.request_type, str(entry.label).replace(" / ", ": ")]
        if rest is not None:
            said = [rest.scope] if rest.scope else []
        share = 1.0 / (len(said) + len(said) * bool(entry.description)) if said else 1.0
        if entry.description:
            texts.append(entry.description[:500])
            owners.append(index)
            weights.append(0.5 if said else 1.0)
        for text in said:
            texts.append(text)
            owners.append(index)
            weights.append(share)
    return texts, owners, weights


def _name_words(
    entries: Sequence[CatalogEntry], residuals: Sequence[Residual | None]
) -> dict[str, list[tuple[int, float]]]:
    """Word -> entries whose name has it, with the word's share of the name."""
    names = [
        sorted(set(content_words(entry.label.request_type))) if rest is None else []
        for entry, rest in zip(entries, residuals, strict=True)
    ]
    seen: dict[str, int] = {}
    for name in names:
        for word in name:
            seen[word] = seen.get(word, 0) + 1
    rarity = {word: math.log(1 + len(entries) / count) for word, count in seen.items()}
    words: dict[str, list[tuple[int, float]]] = {}
    for index, name in enumerate(names):
        whole = sum(rarity[word] for word in name)
        for word in name:
            words.setdefault(word, []).append((index, rarity[word] / max(whole, 2.0)))
    return words
