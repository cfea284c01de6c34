"""The skills a ticket needs, read from its meaning against the skill names in use.

No list of known skills: a name nobody foresaw works the day an agent has it, in any language the
encoders read.
"""

from __future__ import annotations

import math
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from triagedesk.agents import SkillNeed
from triagedesk.classify.encoders import Encoders, load_encoders
from triagedesk.classify.encoders.ngrams import content_words
from triagedesk.classify.topics import TopicBank
from triagedesk.classify.trim import readable

Floats = NDArray[np.float32]

#: Tickets worked on together.
CHUNK = 256
#: Texts whose needs are remembered (0.5 kB each).
REMEMBERED = 16_000
#: Skills named for one ticket, at most.
MOST = 4
#: What the ticket's subject, its whole text and its topics count in a skill's score.
SUBJECT, WHOLE, TOPICS, WORDS = 0.35, 0.35, 0.30, 0.22
#: Likeness of a skill to a topic's resolvers from which it begins to serve it, and serves it fully.
UNLIKE, ALIKE = 0.4, 0.95
#: What likeness to a topic's names counts beside likeness to its resolvers.
CALLED = 0.8
#: A score below this names nothing the ticket needs.
FLOOR = 0.17
#: A secondary skill's distance from the primary's score, at most.
NEAR = 0.12
#: Steepness from scores to confidence.
STEEPNESS = 16.0

_CAMEL = re.compile(r"(?<=[a-zäöüß])(?=[A-ZÄÖÜ][a-zäöüß])")
_SEPARATORS = re.compile(r"[_\-/.|]+")
#: Words that say how one works, not at what; alone they tie no ticket to a skill.
_MANNER_TEXT = """
troubleshoot configuration administration administrator analysi management manag support
diagnostic diagnostics repair scripting script integration integrations process processe
protocol protocols audit audits logging server service services system online professional basic
advanced engineer engineering operation operations maintenance general
"""
_MANNER = frozenset(_MANNER_TEXT.split())


def humanise(skill: str) -> str:
    """A skill name as words: `VPN_Troubleshooting` -> `VPN Troubleshooting`."""
    return " ".join(_CAMEL.sub(" ", _SEPARATORS.sub(" ", skill)).split())


class SkillReader:
    """Reads the skills tickets need; prepares a set of names once. Threads may share it."""

    def __init__(self, encoders: Encoders | None = None, bank: TopicBank | None = None) -> None:
        self._encoders = encoders or load_encoders()
        self._bank = bank or TopicBank(self._encoders)
        self._prepare = lru_cache(maxsize=4)(self._prepared)
        self._lock = threading.Lock()
        self._remembered: OrderedDict[bytes, tuple[SkillNeed, ...]] = OrderedDict()

    def needs(
        self, texts: Sequence[str], skill_names: Sequence[str]
    ) -> list[tuple[SkillNeed, ...]]:
        """Skills each text needs, the primary one first; () where none fits.

        A text read before against the same names is not read again.
        """
        names = tuple(sorted(set(skill_names)))
        if not names:
            return [() for _ in texts]
        of_names = blake2b("\0".join(names).encode("utf-8", "replace"), digest_size=16).digest()
        keys = [
            of_names + blake2b(t.encode("utf-8", "replace"), digest_size=16).digest() for t in texts
        ]
        with self._lock:
            found = {key: self._remembered[key] for key in keys if key in self._remembered}
        fresh = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if fresh:
            prepared = self._prepare(names)
            wanted = list(fresh.values())
            read = [
                needed
                for start in range(0, len(wanted), CHUNK)
                for needed in self._read(wanted[start : start + CHUNK], prepared)
            ]
            found.update(zip(fresh, read, strict=True))
        self._remember(found)
        return [found[key] for key in keys]

    def _remember(self, found: Mapping[bytes, tuple[SkillNeed, ...]]) -> None:
        with self._lock:
            for key, needed in found.items():
                self._remembered[key] = needed
                self._remembered.move_to_end(key)
            while len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)

    def _read(self, texts: Sequence[str], prepared: _Skills) -> list[tuple[SkillNeed, ...]]:
        split = [text.partition("\n") for text in texts]
        subjects = [readable(subject) for subject, _, _ in split]
        wholes = [readable(subject, body) for subject, _, body in split]
        scores = prepared.score(subjects, wholes)
        scores += np.float32(WORDS) * prepared.shared_words(wholes, subjects)
        return [
            self._choose(row, prepared.names) if whole else ()
            for row, whole in zip(scores, wholes, strict=True)
        ]

    def _choose(self, scores: Floats, names: Sequence[str]) -> tuple[SkillNeed, ...]:
        order = sorted(range(len(names)), key=lambda i: (-round(float(scores[i]), 5), names[i]))
        best = float(scores[order[0]])
        if best < FLOOR:
            return ()
        chosen = [i for i in order[:MOST] if scores[i] >= max(FLOOR, best - NEAR)]
        return tuple(
            SkillNeed(
                skill=names[i],
                weight=1.0 if rank == 0 else 0.5,
                confidence=round(1 / (1 + math.exp(-STEEPNESS * (float(scores[i]) - FLOOR))), 3),
            )
            for rank, i in enumerate(chosen)
        )

    def _prepared(self, names: tuple[str, ...]) -> _Skills:
        return _Skills(names, self._encoders, self._bank)


class _Skills:
    """Skill names, prepared for comparing."""

    def __init__(self, names: tuple[str, ...], encoders: Encoders, bank: TopicBank) -> None:
        self.names = names
        self._encoders, self._bank = encoders, bank
        readable_names = [humanise(name) for name in names]
        self._vectors = encoders.embed(readable_names)
        near = np.maximum(
            bank.near("resolvers", self._vectors), CALLED * bank.near("called", self._vectors)
        )
        # Several skills may serve one topic; a topic nobody serves adds nothing.
        self._given_topic = np.clip((near - UNLIKE) / (ALIKE - UNLIKE), 0, 1)
        self._words = _distinctive_words(readable_names)

    def score(self, subjects: Sequence[str], wholes: Sequence[str]) -> Floats:
        """One row a ticket, one column a skill."""
        # Subjects are much the same from ticket to ticket, and some tickets have no more.
        row_of = {text: row for row, text in enumerate(dict.fromkeys([*subjects, *wholes]))}
        embedded = self._encoders.embed(list(row_of))
        near = self._encoders.similarity(embedded, self._vectors)
        topics = self._bank.probabilities(embedded)
        subject, whole = ([row_of[text] for text in texts] for texts in (subjects, wholes))
        direct = SUBJECT * near[subject] + WHOLE * near[whole]
        about = 0.5 * topics[subject] + 0.5 * topics[whole]
        return np.asarray(direct + TOPICS * (about @ self._given_topic), np.float32)

    def shared_words(self, wholes: Sequence[str], subjects: Sequence[str]) -> Floats:
        """Share of a skill's distinctive words that the ticket uses; in the subject counts more."""
        shared = np.zeros((len(wholes), len(self.names)), np.float32)
        for row, (whole, subject) in enumerate(zip(wholes, subjects, strict=True)):
            in_subject = set(content_words(subject))
            for word in sorted(set(content_words(whole))):
                for skill, share in self._words.get(word, ()):
                    shared[row, skill] += share * (1.0 if word in in_subject else 0.6)
        return shared


def _distinctive_words(names: Sequence[str]) -> dict[str, list[tuple[int, float]]]:
    """Word -> skills whose name has it, with its share of what the name says."""
    stems = [sorted(set(content_words(name))) for name in names]
    seen: dict[str, int] = {}
    for listed in stems:
        for word in listed:
            seen[word] = seen.get(word, 0) + 1
    words: dict[str, list[tuple[int, float]]] = {}
    for skill, listed in enumerate(stems):
        weight = {w: (0.15 if w in _MANNER else 1.0) / math.sqrt(seen[w]) for w in listed}
        whole = max(1.0, sum(weight.values()))
        for word in listed:
            words.setdefault(word, []).append((skill, weight[word] / whole))
    return words
