"""A desk's priority rules: the impact × urgency matrix and the phrases that are read from text."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache
from importlib.resources import files

from triagedesk.priority.phrases import ANY_NUMBER, ANY_WORD, ContextWords, Lexicon, fold
from triagedesk.priority.records import Level, Priority

_CLASS = re.compile(r"<([^<>]*)>")

Matrix = Mapping[tuple[Level, Level], Priority]


class SignalKind(StrEnum):
    """What sort of thing a phrase says."""

    #: What the writer says it is: "low-priority", "as soon as possible", "impact: high".
    STATED = "stated"
    #: What has happened: "outage", "cannot work".
    EVENT = "event"
    #: An event whose impact does not shrink because one person reports it: "ransomware".
    SECURITY = "security"
    #: Until when it is wanted: "by tomorrow".
    DEADLINE = "deadline"
    #: Who is affected: "all users". High only where something is wrong.
    SCOPE = "scope"
    #: That something is wrong at all.
    BROKEN = "broken"
    #: That somebody wants something: "please create".
    REQUEST = "request"
    #: Nothing; shields the words in it.
    NEUTRAL = "neutral"


@dataclass(frozen=True, kw_only=True)
class Signal:
    """Phrases that mean the same."""

    kind: SignalKind
    impact: Level | None = None
    urgency: Level | None = None
    #: The urgency of its negation: "not urgent" is low; None where a negation says nothing.
    negated: Level | None = None
    #: As written, by language; `<system>` stands for each word of that class.
    phrases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Everything that is read from text, before it is compiled."""

    signals: Mapping[str, Signal]
    #: Class -> language -> the words or phrases `{class}` stands for.
    classes: Mapping[str, Mapping[str, tuple[str, ...]]]
    #: Role of `ContextWords` -> language -> words.
    context: Mapping[str, Mapping[str, tuple[str, ...]]]
    #: Phrases a desk does not want.
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PriorityPolicy:
    """How a desk prioritises."""

    #: (impact, urgency) -> priority; every pair is there, and higher never gives less.
    matrix: Matrix
    vocabulary: Vocabulary

    @classmethod
    def default(cls) -> PriorityPolicy:
        """The bundled rules."""
        return _bundled()

    @classmethod
    def from_yaml(cls, text: str, base: PriorityPolicy | None = None) -> PriorityPolicy:
        """Read rules that change or extend `base`, by default the bundled ones.

        Raises InputError with every problem's place.
        """
        from triagedesk.priority.loading import read_policy  # noqa: PLC0415 - it imports this

        return read_policy(text, base or cls.default())

    @cached_property
    def version(self) -> str:
        """A hash of the matrix and every phrase: equal rules give equal priorities."""
        content = {
            "matrix": [[*pair, priority] for pair, priority in sorted(self.matrix.items())],
            "vocabulary": asdict(self.vocabulary),
        }
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def lexicon(self) -> Lexicon:
        """The phrases, ready to be found."""
        return compile_lexicon(self.vocabulary)


def compile_lexicon(vocabulary: Vocabulary) -> Lexicon:
    """Spell out classes and build the tree of phrases."""
    removed = {" ".join(phrase.split()).casefold() for phrase in vocabulary.removed}
    spelled = [
        (phrase, name, signal.kind.value)
        for name, signal in vocabulary.signals.items()
        for language, phrases in signal.phrases.items()
        for pattern in phrases
        for phrase in spell_out(pattern, language, vocabulary)
        if phrase.casefold() not in removed
    ]
    roles = {
        role: frozenset(fold(word) for words in by_language.values() for word in words)
        for role, by_language in vocabulary.context.items()
    }
    return Lexicon.compile(spelled, ContextWords(**roles))


def spell_out(pattern: str, language: str, vocabulary: Vocabulary) -> list[str]:
    """The phrases a pattern stands for; raises KeyError for a class that does not exist."""
    match = _CLASS.search(pattern)
    if match is None:
        return [" ".join(pattern.split())]
    if match[0] in (ANY_WORD, ANY_NUMBER):
        fillings: tuple[str, ...] = (match[0],)
    else:
        by_language = vocabulary.classes[match[1]]
        fillings = by_language.get(language) or by_language["en"]
    before, after = pattern[: match.start()], pattern[match.end() :]
    return [
        " ".join(f"{before} {filling} {tail}".split())
        for filling in fillings
        for tail in spell_out(after, language, vocabulary)
    ]


def count_spelled(pattern: str, language: str, vocabulary: Vocabulary) -> int:
    """How many phrases a pattern stands for; raises KeyError for a class that does not exist."""
    count = 1
    for match in _CLASS.finditer(pattern):
        if match[0] not in (ANY_WORD, ANY_NUMBER):
            by_language = vocabulary.classes[match[1]]
            count *= len(by_language.get(language) or by_language["en"])
    return count


@lru_cache(maxsize=1)
def _bundled() -> PriorityPolicy:
    from triagedesk.priority.loading import read_policy  # noqa: PLC0415 - as above

    text = files("triagedesk.priority").joinpath("phrases.yaml").read_text(encoding="utf-8")
    return read_policy(text, None)
