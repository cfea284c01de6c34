"""Finding phrases in text: whole words only, in one pass, whatever the text is.

A text becomes words (case and accents folded, `can't` = `cant`) with what stands between them.
Phrases are walked in a tree of words; which of those that overlap count is for `decide` to say.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property, lru_cache
from itertools import accumulate

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

# Letters and digits with combining accents; the first two are quicker where they will do.
_ASCII_WORD = re.compile(r"([a-z0-9]+)")
_PLAIN_WORD = re.compile(r"([^\W_]+)")
_WORD = re.compile(r"((?:[^\W_]|[\u0300-\u036f])+)")
_ACCENT = re.compile(r"[\u0300-\u036f]")
# The t of "can't", perhaps.
_SPLIT_OFF = re.compile(r"['’][tT](?:$|[\W_])")
#: Longer words are not remembered, in characters.
_ORDINARY = 40
_SENTENCE = re.compile(r"[.!?…;][\s\"'”’)\]]|[.!?…;]$|\n\s*\n|[•·]|\n\s*[-*] ")
_CLAUSE = re.compile(r"[,()\[\]{}|–—>]| -+ ")


class Gap(IntEnum):
    """What stands between two words, from nothing much to the end of a sentence."""

    SOFT = 0
    COLON = 1
    CLAUSE = 2
    SENTENCE = 3


class Words:
    """A text's words, folded; what stands around one is looked at when somebody asks."""

    def __init__(self, text: str) -> None:
        # In turn what stands between two words, and a word; both ends are between.
        if text.isascii():
            self._pieces = _ASCII_WORD.split(text.lower())
            self.folded = self._pieces[1::2]
        else:
            self._pieces = (_WORD if _ACCENT.search(text) else _PLAIN_WORD).split(text)
            self.folded = [_folded(word) for word in self._pieces[1::2]]
        if _SPLIT_OFF.search(text):
            self._join()

    def _join(self) -> None:
        """Make one word of can't, isn't."""
        pieces, folded = self._pieces[:2], self.folded[:1]
        for place in range(1, len(self.folded)):
            between, word = self._pieces[2 * place : 2 * place + 2]
            if between in ("'", "’") and word in ("t", "T"):
                pieces[-1] += between + word
                folded[-1] += "t"
            else:
                pieces += (between, word)
                folded.append(self.folded[place])
        if self.folded:
            pieces.append(self._pieces[-1])
        self._pieces, self.folded = pieces, folded

    def __len__(self) -> int:
        return len(self.folded)

    @cached_property
    def _ends(self) -> list[int]:
        """Where each piece ends."""
        return list(accumulate(map(len, self._pieces)))

    def start(self, place: int) -> int:
        """Where a word begins in the text."""
        return self._ends[2 * place]

    def end(self, place: int) -> int:
        """Where a word ends in the text."""
        return self._ends[2 * place + 1]

    def gap(self, place: int) -> Gap:
        """What stands before a word."""
        if not place:
            return Gap.SENTENCE
        between = self._pieces[2 * place]
        return Gap.SOFT if between == " " else _gap(between)


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
        words, openings = Words(text), self._openings
        folded = words.folded
        for at in [at for at, word in enumerate(folded) if word in openings]:
            # Most words that open a phrase are not followed by what it goes on with.
            wanted = openings[folded[at]]
            if wanted is not None and (at + 1 == len(folded) or folded[at + 1] not in wanted):
                continue
            found = self._phrases_from(words, at)
            if not found:
                continue
            before = self._context_before(words, at, self.context.negators)
            unreal = self._context_before(words, at, self.context.unreal)
            for end, signal in found:
                begin = words.start(at if before is None else before)
                yield Hit(
                    signal=signal,
                    quote=" ".join(text[begin : words.end(end - 1)].split()),
                    negated=before is not None,
                    unreal=unreal is not None or self._is_over(words, end),
                    start=at,
                    end=end,
                )

    @cached_property
    def _openings(self) -> dict[str, frozenset[str] | None]:
        """First word of phrases -> the words one of which must follow; None: any may, or none."""
        openings: dict[str, frozenset[str] | None] = {}
        anything = {ANY_WORD, ANY_NUMBER}
        for word, node in self.root.next.items():
            free = anything & (node.next.keys() | self.root.next.keys())
            needs_more = not (node.signals or node.alone or free)
            openings[word] = self.context.fillers.union(node.next) if needs_more else None
        return openings

    def _phrases_from(self, words: Words, at: int) -> list[tuple[int, str]]:
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
            if place >= len(words) or (place > at and words.gap(place) > Gap.COLON):
                continue
            word = words.folded[place]
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

    def _context_before(self, words: Words, at: int, wanted: frozenset[str]) -> int | None:
        """Where a wanted word stands before a phrase with only bridges between, or None."""
        for place in range(at, max(at - _REACH, 0), -1):
            # The gap before a word lies between it and the one looked at next.
            if words.gap(place) != Gap.SOFT:
                return None
            word = words.folded[place - 1]
            if word in wanted:
                return place - 1
            if word not in self.context.bridges:
                return None
        return None

    def _is_over(self, words: Words, end: int) -> bool:
        """Whether a phrase is followed by "has been fixed" or the like."""
        for place in range(end, min(end + _REACH, len(words))):
            word = words.folded[place]
            if words.gap(place) > Gap.SOFT:
                return False
            if word in self.context.over:
                return True
            if word not in self.context.bridges:
                return False
        return False


def phrase_words(phrase: str) -> list[str]:
    """A phrase's words as they are looked for."""
    words: list[str] = []
    for part in phrase.removeprefix(ALONE).split():
        if part.isascii() and part.isalnum():
            words.append(part.lower())
        elif part in (ANY_WORD, ANY_NUMBER):
            words.append(part)
        else:
            words += Words(part).folded
    return words


def fold(word: str) -> str:
    """A word as it is compared: case folded, accents gone."""
    if word.isascii():
        return word.lower()
    parts = unicodedata.normalize("NFKD", word.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))


@lru_cache(maxsize=20_000)
def _known_fold(word: str) -> str:
    return fold(word)


def _folded(word: str) -> str:
    """The same as `fold`; ordinary words come again."""
    return _known_fold(word) if len(word) <= _ORDINARY else fold(word)


def _gap(between: str) -> Gap:
    # A space stands for the word that follows: "a.b" ends no sentence.
    if _SENTENCE.search(between):
        return Gap.SENTENCE
    if _CLAUSE.search(between):
        return Gap.CLAUSE
    return Gap.COLON if ":" in between or "=" in between else Gap.SOFT


def _stands_alone(words: Words, start: int, end: int) -> bool:
    return words.gap(start) > Gap.SOFT and (end == len(words) or words.gap(end) > Gap.SOFT)
