"""Where people are named in a text: whom the desk knows, what stands where names stand, and lists.

Three ways, each precise enough to go unasked. Names the desk knows (its agents, the requester, and
whoever a mail address in the text is made of). Places where a name stands in seven languages:
greetings, closings, titles, "my name is". And, where the library Faker is installed, its lists of
given names. A name that stands alone in the middle of a sentence and is in no list is missed.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from triagedesk.classify.name_words import (
    AMBIGUOUS,
    CLOSINGS,
    GREETINGS,
    HEADINGS,
    INTRODUCTIONS,
    NOT_NAMES,
    PARTICLES,
    TITLES,
)

#: Faker's locales whose names are looked for.
LOCALES = ("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "pt_PT", "pt_BR", "nl_NL")
#: Characters of a text in which names are looked for; words of a name, at most.
LONGEST, NAME_WORDS = 20_000, 4
#: A name alone must have so many letters to count by a list, or by what the desk knows.
LISTED_LETTERS, KNOWN_LETTERS = 4, 3

# Every repetition is bounded, so that no text makes these slow.
_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|['’-](?=[^\W\d_])){0,29}")
_INITIAL = re.compile(r"[^\W\d_]\.")
_GAP = re.compile(r"[ \t]{1,3}")
_NEVER = NOT_NAMES | TITLES
_MAIL_NAME = re.compile(r"(?<![\w.+-])([^\W\d_]{2,30})[._]([^\W\d_]{2,30})@")


def _cue(words: Iterable[str], after: str) -> re.Pattern[str]:
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    either = "|".join(re.escape(word).replace(r"\ ", r"\s") for word in longest_first)
    return re.compile(rf"(?<!\w)(?:{either}){after}", re.IGNORECASE)


_ANYTHING = re.compile("")
#: The end of a line, or what parts a name from the rest of it.
_LINE_ENDS = re.compile(r"[ \t]{0,3}(?:[.,;:!|/()–-]|\r?\n|$)")
_LINE_IS_OVER = re.compile(r"[ \t]{0,3}[.,|/–-]?[ \t]{0,3}(?:\r?\n|$)")

#: What a name follows, and what must follow the name. It begins where the first match ends.
_CUES = (
    (_cue(TITLES, r"\.?[ \t]{1,3}"), _ANYTHING),
    (_cue(INTRODUCTIONS, r":?[ \t]{1,3}"), _ANYTHING),
    (_cue(HEADINGS, r"[ \t]{0,3}:[ \t]{0,3}"), _ANYTHING),
    (_cue(GREETINGS, r"[ \t]{1,3}"), _ANYTHING),
    # "Hello, Scanner does not work": only what stands by itself is a name there.
    (_cue(GREETINGS, r",[ \t]{1,3}"), _LINE_ENDS),
    (_cue(CLOSINGS, r"[ \t]{0,3}[,.!]?[ \t]{0,3}(?:[-–][ \t]{0,3})?"), _LINE_IS_OVER),
    (
        _cue(CLOSINGS, r"[ \t]{0,3}[,.!]?(?:[ \t]{0,3}\r?\n){1,2}[ \t]{0,3}(?:[-–][ \t]{0,3})?"),
        _LINE_ENDS,
    ),
)


class People:
    """Names a desk knows, looked up by their words."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._whole: dict[str, set[tuple[str, ...]]] = {}
        self._parts: set[str] = set()
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        """Know one more, as "Given Family"."""
        words = tuple(word.casefold() for word in _WORD.findall(name[:200])[:NAME_WORDS])
        if len(words) > 1:
            self._whole.setdefault(words[0], set()).add(words)
        self._parts.update(
            word for word in words if len(word) >= KNOWN_LETTERS and word not in AMBIGUOUS
        )

    def length_at(self, words: list[str], place: int) -> int:
        """How many words from `place` on are the whole name of somebody known."""
        known = self._whole.get(words[place], ())
        return max((len(n) for n in known if tuple(words[place : place + len(n)]) == n), default=0)

    def knows(self, word: str) -> bool:
        """Whether a word alone is part of somebody's name."""
        return word in self._parts


def names_in(text: str, *people: People) -> list[str]:
    """The names found, each once, longest first, as the text spells them."""
    head = text[:LONGEST]
    found: dict[str, None] = {}
    mentioned = People()
    for given, family in _MAIL_NAME.findall(head):
        mentioned.add(f"{given} {family}")
    for cue, rest in _CUES:
        for match in cue.finditer(head):
            name = _name_at(head, match.end())
            if name and rest.match(head, match.end() + len(name)):
                found[name] = None
                mentioned.add(name)
    words = list(_WORD.finditer(head))
    for known in (*people, mentioned):
        found.update(dict.fromkeys(_known_names(head, words, known)))
    found.update(dict.fromkeys(_listed_names(words, head)))
    return sorted(found, key=lambda name: (-len(name), name))


def _name_at(text: str, place: int) -> str:
    """The name that begins here: capitalised words, initials, and particles between them."""
    end, count, position = place, 0, place
    while count < NAME_WORDS:
        match = _INITIAL.match(text, position) or _WORD.match(text, position)
        if match is None:
            break
        word = match[0]
        particle = word.casefold() in PARTICLES and not (count == 0 and word[0].isupper())
        if not particle and not _may_be_a_name(word):
            break
        if not particle:
            end = match.end()
        count += 1
        gap = _GAP.match(text, match.end())
        if gap is None:
            break
        position = gap.end()
    name = text[place:end]
    return name if len(name.rstrip(".")) > 1 else ""


def _may_be_a_name(word: str) -> bool:
    """Whether a word is written like a name (McAdam, d'Arcy) and is none of those that are not."""
    capital = word[0].isupper() or any(part[:1].isupper() for part in re.split("['’]", word)[1:])
    return capital and word.casefold() not in _NEVER


def _known_names(text: str, words: list[re.Match[str]], people: People) -> Iterator[str]:
    folded = [word[0].casefold() for word in words]
    for place, word in enumerate(words):
        length = people.length_at(folded, place)
        named = words[place : place + length]
        if named and (
            all(part[0][0].isupper() for part in named)
            or not AMBIGUOUS.intersection(folded[place : place + length])
        ):
            yield text[word.start() : named[-1].end()]
        elif people.knows(folded[place]) and word[0][0].isupper():
            yield word[0]


def _listed_names(words: list[re.Match[str]], text: str) -> Iterator[str]:
    """Names by Faker's lists: a given name with a family name, or an unmistakable one alone."""
    given, family = listed_names()
    for place, word in enumerate(words):
        if word[0] not in given:
            continue
        plain = word[0].casefold() not in AMBIGUOUS
        after = words[place + 1] if place + 1 < len(words) else None
        if after and text[word.end() : after.start()] == " " and after[0][0].isupper():
            likely = plain and after[0].casefold() not in NOT_NAMES and after[0].istitle()
            if after[0] in family or likely:
                yield text[word.start() : after.end()]
                continue
        if plain and len(word[0]) >= LISTED_LETTERS:
            yield word[0]


@cache
def listed_names() -> tuple[frozenset[str], frozenset[str]]:
    """Given names and family names of Faker's lists; none where it is not installed."""
    if importlib.util.find_spec("faker") is None:
        return frozenset(), frozenset()
    given: set[str] = set()
    family: set[str] = set()
    for locale in LOCALES:
        module: Any = importlib.import_module(f"faker.providers.person.{locale}")
        for kind in ("first_names", "first_names_male", "first_names_female"):
            given.update(getattr(module.Provider, kind, ()))
        family.update(getattr(module.Provider, "last_names", ()))
    return (
        frozenset(name for name in given if name.casefold() not in NOT_NAMES),
        frozenset(name for name in family if name.casefold() not in NOT_NAMES),
    )


def names_version() -> str:
    """Changes whenever other names may be found."""
    if importlib.util.find_spec("faker") is None:
        return "names1"
    return f"names1+faker{importlib.metadata.version('faker')}"
