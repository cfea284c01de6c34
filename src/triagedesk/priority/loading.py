"""Priority rules from YAML, every mistake at once and with its line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

from triagedesk.errors import InputError, Problem
from triagedesk.priority.phrases import ANY_NUMBER, ANY_WORD, ContextWords, phrase_words
from triagedesk.priority.policy import (
    Matrix,
    PriorityPolicy,
    Signal,
    SignalKind,
    Vocabulary,
    count_spelled,
)
from triagedesk.priority.records import Level, Priority
from triagedesk.yamlsafe import FormatError, YamlLimits, YamlNode, parse_yaml

_LIMITS = YamlLimits(size=1_000_000, depth=8, values=50_000)
_LEVELS = {level.name.lower(): level for level in Level}
_PRIORITIES = {priority.name: priority for priority in Priority}
_ROLES = tuple(role.name for role in fields(ContextWords))
_SIGNAL_KEYS = ("kind", "impact", "urgency", "negated", "phrases")
#: Words of a phrase; phrases one pattern may stand for, and all of them together.
_LONGEST_PHRASE, _MOST_SPELLED, _MOST_PHRASES = 12, 20_000, 250_000
_ByLanguage = dict[str, tuple[str, ...]]
_Choice = TypeVar("_Choice")


def read_policy(text: str, base: PriorityPolicy | None) -> PriorityPolicy:
    """Rules from YAML on top of `base`. Raises InputError with every problem's place."""
    try:
        document = parse_yaml(text, limits=_LIMITS)
    except FormatError as error:
        raise InputError("The priority rules are not valid.", problems=[error.problem]) from error
    reader = _Reader(problems=list(document.problems))
    policy = reader.policy(document.root, base)
    if reader.problems:
        raise InputError("The priority rules are not valid.", problems=reader.problems)
    return policy


@dataclass(kw_only=True)
class _Reader:
    """Reads nodes and collects what is wrong with them."""

    problems: list[Problem] = field(default_factory=list)

    def policy(self, root: YamlNode, base: PriorityPolicy | None) -> PriorityPolicy:
        """The whole document."""
        known = ("matrix", "words", "classes", "signals", "remove")
        parts = self.mapping(root, "priority rules", known=known)
        old = base.vocabulary if base else Vocabulary(signals={}, classes={}, context={})
        words = {
            role: self.by_language(node, f"words.{role}")
            for role, node in self.mapping(parts.get("words"), "words", known=_ROLES).items()
        }
        classes = {
            name: self.by_language(node, f"classes.{name}")
            for name, node in self.mapping(parts.get("classes"), "classes").items()
        }
        removed = self.texts(parts.get("remove"), "remove")
        vocabulary = Vocabulary(
            signals=dict(old.signals),
            classes=_merged(old.classes, classes),
            context=_merged(old.context, words),
            removed=(*old.removed, *removed),
        )
        signals = dict(old.signals)
        for name, node in self.mapping(parts.get("signals"), "signals").items():
            signals[name] = self.signal(node, f"signals.{name[:80]}", signals.get(name), vocabulary)
        self.check_size(root, replace(vocabulary, signals=signals))
        matrix = self.matrix(parts.get("matrix") or root, parts, base.matrix if base else {})
        return PriorityPolicy(matrix=matrix, vocabulary=replace(vocabulary, signals=signals))

    def check_size(self, node: YamlNode, vocabulary: Vocabulary) -> None:
        """Longer classes lengthen every pattern that names them; all together must stay bounded."""
        if self.problems:
            return
        count = sum(
            count_spelled(phrase, language, vocabulary)
            for signal in vocabulary.signals.values()
            for language, phrases in signal.phrases.items()
            for phrase in phrases
        )
        if count > _MOST_PHRASES:
            self.wrong(node, "classes", f"{count:,} phrases in all, more than {_MOST_PHRASES:,}")

    def matrix(self, node: YamlNode, parts: dict[str, YamlNode], old: Matrix) -> Matrix:
        """`impact: {urgency: P1}` for each pair; pairs not given stay as they were."""
        matrix = dict(old)
        for impact, row in self.mapping(parts.get("matrix"), "matrix").items():
            level = self.choice(impact, row, "matrix", _LEVELS)
            for urgency, cell in self.mapping(row, f"matrix.{impact[:80]}").items():
                column = self.choice(urgency, cell, f"matrix.{impact[:80]}", _LEVELS)
                at = f"matrix.{impact[:80]}.{urgency[:80]}"
                priority = self.choice(str(cell.value), cell, at, _PRIORITIES)
                if level and column and priority:
                    matrix[level, column] = priority
        for impact_level in Level:
            for urgency_level in Level:
                self.check_cell(node, matrix, impact_level, urgency_level)
        return matrix

    def check_cell(self, node: YamlNode, matrix: Matrix, impact: Level, urgency: Level) -> None:
        """Each pair is there, and gives no less than the pair below it or right of it."""
        at = f"matrix.{impact.name.lower()}.{urgency.name.lower()}"
        priority = matrix.get((impact, urgency))
        if priority is None:
            self.wrong(node, at, "is missing")
            return
        lower = [(i, u) for i in Level for u in Level if i + u == impact + urgency + 1]
        for pair in lower:
            other = matrix.get(pair)
            if pair[0] >= impact and pair[1] >= urgency and other is not None and other < priority:
                names = "/".join(level.name.lower() for level in pair)
                what = f"{priority.name} is less than the {other.name} of {names}"
                self.wrong(node, at, what, "higher must not give less")

    def signal(self, node: YamlNode, at: str, old: Signal | None, vocabulary: Vocabulary) -> Signal:
        """A new signal, or more phrases (and other levels) for one that is there."""
        parts = self.mapping(node, at, known=_SIGNAL_KEYS)
        kinds = {kind.value: kind for kind in SignalKind}
        kind = old.kind if old else None
        if "kind" in parts:
            kind = self.choice(str(parts["kind"].value), parts["kind"], f"{at}.kind", kinds)
        elif old is None:
            self.wrong(node, at, "kind is missing", f"one of: {', '.join(kinds)}")
        levels: dict[str, Level | None] = {}
        for key in ("impact", "urgency", "negated"):
            levels[key] = getattr(old, key) if old else None
            if key in parts:
                part = parts[key]
                levels[key] = self.choice(str(part.value), part, f"{at}.{key}", _LEVELS)
        phrases: _ByLanguage = {}
        if "phrases" in parts:
            phrases = self.by_language(parts["phrases"], f"{at}.phrases")
            self.check_phrases(parts["phrases"], f"{at}.phrases", phrases, vocabulary)
        signal = Signal(
            kind=kind or SignalKind.NEUTRAL,
            phrases=_joined(old.phrases if old else {}, phrases),
            **levels,
        )
        stated = signal.impact or signal.urgency
        if not stated and signal.kind not in (
            SignalKind.BROKEN, SignalKind.REQUEST, SignalKind.NEUTRAL,
        ):  # fmt: skip
            self.wrong(node, at, "says neither impact nor urgency")
        return signal

    def check_phrases(
        self, node: YamlNode, at: str, by_language: _ByLanguage, vocabulary: Vocabulary
    ) -> None:
        """Each phrase has words, not too many, and names classes that exist."""
        for language, phrases in by_language.items():
            place, where = node.value[language], f"{at}.{language[:80]}"
            for phrase in phrases:
                words = phrase_words(phrase)
                try:
                    count = count_spelled(phrase, language, vocabulary)
                except KeyError as error:
                    self.wrong(place, where, f"{phrase[:80]!r}: no class {error}")
                    continue
                if count > _MOST_SPELLED:
                    what = f"{phrase[:80]!r} stands for more than {_MOST_SPELLED:,} phrases"
                    self.wrong(place, where, what)
                elif not 0 < len(words) <= _LONGEST_PHRASE:
                    what = f"{phrase[:80]!r} has no word or more than {_LONGEST_PHRASE}"
                    self.wrong(place, where, what)
                elif words[0] in (ANY_WORD, ANY_NUMBER):
                    self.wrong(place, where, f"{phrase[:80]!r} begins with any word")

    def by_language(self, node: YamlNode, at: str) -> _ByLanguage:
        """`en: [...]`, `de: [...]`: texts by language."""
        return {
            language: tuple(self.texts(texts, f"{at}.{language[:80]}"))
            for language, texts in self.mapping(node, at).items()
        }

    def texts(self, node: YamlNode | None, at: str) -> list[str]:
        """A list of texts."""
        if node is None or node.value is None:
            return []
        if not isinstance(node.value, list):
            self.wrong(node, at, "is no list of phrases")
            return []
        for item in node.value:
            if not isinstance(item.value, str) or not item.value.strip():
                self.wrong(item, at, f"{str(item.value)[:80]!r} is no text", "quote it")
        return [" ".join(item.value.split()) for item in node.value if isinstance(item.value, str)]

    def choice(
        self, text: str, node: YamlNode, at: str, known: Mapping[str, _Choice]
    ) -> _Choice | None:
        """One of the known values."""
        for name, value in known.items():
            if name.casefold() == text.strip().casefold():
                return value
        self.wrong(node, at, f"{text[:80]!r} is not known", f"one of: {', '.join(known)}")
        return None

    def mapping(
        self, node: YamlNode | None, at: str, *, known: tuple[str, ...] = ()
    ) -> dict[str, YamlNode]:
        """A mapping's parts; nothing for a missing one."""
        if node is None or node.value is None:
            return {}
        if not isinstance(node.value, dict):
            self.wrong(node, at, f"{str(node.value)[:80]!r} where names with values belong")
            return {}
        for key, value in node.value.items():
            if known and key not in known:
                what = f"{key[:80]!r} is not known here"
                self.wrong(value, at, what, f"one of: {', '.join(known)}")
        return node.value

    def wrong(self, node: YamlNode, at: str, what: str, hint: str = "") -> None:
        """Note a problem."""
        self.problems.append(Problem(where=f"line {node.line}, {at}", what=what, hint=hint))


def _joined(
    old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Texts by language, the new ones after the old."""
    languages = [*old, *(language for language in new if language not in old)]
    return {language: (*old.get(language, ()), *new.get(language, ())) for language in languages}


def _merged(
    old: Mapping[str, Mapping[str, tuple[str, ...]]], new: Mapping[str, _ByLanguage]
) -> dict[str, dict[str, tuple[str, ...]]]:
    """Named texts by language, the new ones after the old."""
    names = [*old, *(name for name in new if name not in old)]
    return {name: _joined(old.get(name, {}), new.get(name, {})) for name in names}
