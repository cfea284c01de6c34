"""Finding phrases in text: whole words only, in one pass, whatever the text is.

A text becomes words (case and accents folded, `can't` = `cant`) with what stands between them.
Phrases are walked in a tree of words; which of those that overlap count is for `decide` to say.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

#: Characters of a subject and a body that are read; the rest says nothing new about priority.
READ_SUBJECT, READ_BODY = 1_000, 20_000
#: In a phrase: any one word, and any number in digits.
ANY_WORD, ANY_NUMBER = "<word>", "<number>"
#: Around a phrase: it stands alone between marks, as in "[CRITICAL] Mail".
ALONE = "^"
#: Words such as "currently" skipped within one phrase.
_MOST_FILLERS = 2
#: How far before a phrase its negation may stand, and behind an event its "has been fixed".
_REACH = 6

# Letters and digits with combining accents, and the apostrophe that joins "can't" and "d'urgence".
_WORD = re.compile(r"(?:[^\W_]|[\u0300-\u036f])+")
_SENTENCE = re.compile(r"[.!?…;][\s\"'”’)\]]|[.!?…;]$|\n\s*\n|[•·]|\n\s*[-*] ")
_CLAUSE = re.compile(r"[,()\[\]{}|–—>]| -+ ")


class Gap(IntEnum):
    """What stands between two words, from nothing much to the end of a sentence."""

    SOFT = 0
    COLON = 1
    CLAUSE = 2
    SENTENCE = 3


class Word(NamedTuple):
    """A word of a text, folded, and where it stands."""

    text: str
    start: int
    end: int
    #: What stands before it.
    gap: Gap


@dataclass(frozen=True, slots=True)
class Hit:
    """A phrase found."""

    #: Name of the signal it belongs to.
    signal: str
    #: As written, with its negation.
    quote: str
    negated: bool
    #: Said of something that is over, planned or to be prevented.
    unreal: bool
    #: Its first word's number in the text, and that of the word behind it.
    start: int
    end: int


@dataclass(slots=True)
class Node:
    """A step in the tree of phrases."""

    next: dict[str, Node] = field(default_factory=dict)
    #: Kind -> signal of a phrase that ends here.
    signals: dict[str, str] = field(default_factory=dict)
    #: The same for a phrase that must stand alone.
    alone: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ContextWords:
    """Words that change what a phrase near them means; all folded."""

    #: May stand within a phrase: "is *currently* down".
    fillers: frozenset[str] = frozenset()
    #: "not", "nicht", "pas"...
    negators: frozenset[str] = frozenset()
    #: May stand between a negation and what it negates: "not *that* urgent".
    bridges: frozenset[str] = frozenset()
    #: Before an event that has not happened: "planned", "prevent"...
    unreal: frozenset[str] = frozenset()
    #: After an event that is over: "fixed", "behoben"...
    over: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Lexicon:
    """Phrases ready to be found."""

    root: Node
    context: ContextWords

    @classmethod
    def compile(cls, phrases: Iterable[tuple[str, str, str]], context: ContextWords) -> Lexicon:
        """From (phrase, signal, kind); of the same phrase in one kind the last signal stays."""
        root = Node()
        for phrase, signal, kind in phrases:
            node = root
            for word in phrase_words(phrase):
                node = node.next.setdefault(word, Node())
            if node is root:
                # Nothing but marks, such as a class filled with "!!".
                continue
            ends = node.alone if phrase.startswith(ALONE) else node.signals
            ends[kind] = signal
        return cls(root=root, context=context)

    def find(self, text: str) -> Iterator[Hit]:
        """The phrases in a text in the order they begin, of one beginning the longest first."""
        words = split_words(text)
        for at, word in enumerate(words):
            if word.text not in self.root.next:
                continue
            found = self._phrases_from(words, at)
            if not found:
                continue
            before = self._context_before(words, at, self.context.negators)
            unreal = self._context_before(words, at, self.context.unreal)
            for end, signal in found:
                begin = words[at if before is None else before].start
                yield Hit(
                    signal=signal,
                    quote=" ".join(text[begin : words[end - 1].end].split()),
                    negated=before is not None,
                    unreal=unreal is not None or self._is_over(words, end),
                    start=at,
                    end=end,
                )

    def _phrases_from(self, words: Sequence[Word], at: int) -> list[tuple[int, str]]:
        """The phrases that begin at a word, as (end, signal), the longest first."""
        found: set[tuple[int, str]] = set()
        fillers = self.context.fillers
        # Few states live at once: a word leads on by itself, as any word, or as a filler.
        states = [(self.root, at, 0, False)]
        while states:
            node, place, skipped, after_filler = states.pop()
            # A phrase never ends with a filler.
            if node.signals and not after_filler:
                found.update((place, signal) for signal in node.signals.values())
            if node.alone and not after_filler and _stands_alone(words, at, place):
                found.update((place, signal) for signal in node.alone.values())
            if place >= len(words) or (place > at and words[place].gap > Gap.COLON):
                continue
            word = words[place].text
            following = node.next
            if word in following:
                states.append((following[word], place + 1, skipped, False))
            elif place > at and skipped < _MOST_FILLERS and word in fillers:
                states.append((node, place + 1, skipped + 1, True))
            if ANY_WORD in following:
                states.append((following[ANY_WORD], place + 1, skipped, False))
            if ANY_NUMBER in following and word.isdecimal():
                states.append((following[ANY_NUMBER], place + 1, skipped, False))
        return sorted(found, key=lambda phrase: (-phrase[0], phrase[1])) if found else []

    def _context_before(self, words: Sequence[Word], at: int, wanted: frozenset[str]) -> int | None:
        """Where a wanted word stands before a phrase with only bridges between, or None."""
        for place in range(at, max(at - _REACH, 0), -1):
            # The gap before a word lies between it and the one looked at next.
            if words[place].gap != Gap.SOFT:
                return None
            word = words[place - 1].text
            if word in wanted:
                return place - 1
            if word not in self.context.bridges:
                return None
        return None

    def _is_over(self, words: Sequence[Word], end: int) -> bool:
        """Whether a phrase is followed by "has been fixed" or the like."""
        for word in words[end : end + _REACH]:
            if word.gap > Gap.SOFT:
                return False
            if word.text in self.context.over:
                return True
            if word.text not in self.context.bridges:
                return False
        return False


def split_words(text: str) -> list[Word]:
    """A text's words with what stands before each."""
    words: list[Word] = []
    end = 0
    for match in _WORD.finditer(text):
        start = match.start()
        between = text[end:start]
        if words and between in ("'", "’") and match[0] in ("t", "T"):
            # can't, isn't: one word.
            last = words.pop()
            words.append(Word(last.text + "t", last.start, match.end(), last.gap))
        else:
            gap = (Gap.SOFT if between == " " else _gap(between)) if words else Gap.SENTENCE
            words.append(Word(fold(match[0]), start, match.end(), gap))
        end = match.end()
    return words


def phrase_words(phrase: str) -> list[str]:
    """A phrase's words as they are looked for."""
    words: list[str] = []
    for part in phrase.removeprefix(ALONE).split():
        if part.isascii() and part.isalnum():
            words.append(part.lower())
        elif part in (ANY_WORD, ANY_NUMBER):
            words.append(part)
        else:
            words += [word.text for word in split_words(part)]
    return words


def fold(word: str) -> str:
    """A word as it is compared: case folded, accents gone."""
    if word.isascii():
        return word.lower()
    parts = unicodedata.normalize("NFKD", word.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))


def _gap(between: str) -> Gap:
    # A space stands for the word that follows: "a.b" ends no sentence.
    if _SENTENCE.search(between):
        return Gap.SENTENCE
    if _CLAUSE.search(between):
        return Gap.CLAUSE
    return Gap.COLON if ":" in between or "=" in between else Gap.SOFT


def _stands_alone(words: Sequence[Word], start: int, end: int) -> bool:
    return words[start].gap > Gap.SOFT and (end == len(words) or words[end].gap > Gap.SOFT)
