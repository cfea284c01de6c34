"""Texts in other languages, read word by word in English, for an encoder that reads nothing else.

Cross-language retrieval by dictionary (Ballesteros and Croft 1997): crude as a translation, and yet
it lends the stronger English encoder to other languages. The glossaries are ours, one file a
language: `source, source = english` a line, `-` for what is left out.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

FOLDER = Path(__file__).with_name("glossaries")
#: Characters read of a text.
LONGEST = 3_000
#: Share of a text's words that must be known for the reading to be worth anything.
KNOWN = 0.4
#: Letters at the end of a word, and of a source, that may differ; first letters that may not, and
#: the least share of both words that these are.
ENDING, STEM, STEM_SHARE = 4, 4, 0.6
#: Words and signs of an expression, at most.
EXPRESSION = 6
#: Languages that write compounds as one word, what they put between the parts, and the shortest
#: part and compound.
COMPOUNDING, LINKS = frozenset({"de", "nl"}), ("", "s", "n", "en", "e", "es", "er")
SHORTEST_PART, SHORTEST_COMPOUND = 3, 7
#: Longer words are not taken apart.
LONGEST_WORD = 40
#: What stands for a word that is left out.
LEFT_OUT = "-"
#: Letters before an apostrophe that are an article or the like ("dell'").
ELIDED = 6

_TOKEN = re.compile(r"[^\W\d_]+(?:'(?=[^\W\d_]))?|\d[\w.,:/-]*|[.,;:!?()/-]")
_SPACE = re.compile(r" ([.,;:!?])")


class Glossary:
    """One language's words in English."""

    def __init__(self, language: str, entries: Mapping[str, str]) -> None:
        """`entries` maps sources in lower case to English."""
        self._compounds = language in COMPOUNDING
        self._entries = dict(entries)
        self._plain: dict[str, str] = {}
        self._stems: dict[str, tuple[int, str]] = {}
        for source, english in entries.items():
            plain = without_accents(source)
            self._plain.setdefault(plain, english)
            if " " in plain:
                continue
            for stem in _stems(plain):
                cut = len(plain) - len(stem)
                # The source with the shortest ending owns a stem.
                if stem not in self._stems or cut < self._stems[stem][0]:
                    self._stems[stem] = (cut, english)

    def knows(self, words: Sequence[str]) -> int:
        """How many of the words, in lower case, are listed as they stand."""
        return sum(word in self._entries for word in words)

    def read(self, tokens: Sequence[str]) -> tuple[list[str], float]:
        """The English of each token in order, and the share of words that were known."""
        lower = [token.lower() for token in tokens]
        said: list[str] = []
        known = words = place = 0
        while place < len(tokens):
            for length in range(min(EXPRESSION, len(tokens) - place), 0, -1):
                english = self._entries.get(" ".join(lower[place : place + length]))
                if english is not None:
                    break
            token = tokens[place]
            if english is None and token[0].isalpha():
                # A name within a sentence stays what it is, but where all nouns are capitals.
                name = token[0].isupper() and place > 0 and tokens[place - 1] not in ".!?:"
                english = None if name and not self._compounds else self._word(lower[place])
            is_word = token[0].isalpha()
            words += is_word * length
            known += (english is not None) * is_word * length
            said.append(token if english is None else english)
            place += length
        return [word for word in said if word != LEFT_OUT], known / max(1, words)

    def _word(self, word: str) -> str | None:
        """The English of a word that is not listed as it stands."""
        if word.endswith("'"):
            return LEFT_OUT if len(word) <= ELIDED else None
        if len(word) > LONGEST_WORD:
            return None
        plain = without_accents(word)
        return self._plain.get(plain) or self._compound(plain) or self._inflected(plain)

    def _inflected(self, plain: str) -> str | None:
        for stem in _stems(plain):
            if found := self._stems.get(stem):
                return found[1]
        return None

    def _compound(self, plain: str) -> str | None:
        """The parts' English side by side, the longest first part that leaves a known rest."""
        if not self._compounds or len(plain) < SHORTEST_COMPOUND:
            return None
        for end in range(len(plain) - SHORTEST_PART, SHORTEST_PART - 1, -1):
            first = self._part(plain[:end])
            rest = first and (
                self._plain.get(plain[end:])
                or self._compound(plain[end:])
                or (self._inflected(plain[end:]) if len(plain) - end > STEM else None)
            )
            if first and rest:
                return " ".join(part for part in (first, rest) if part != LEFT_OUT) or LEFT_OUT
        return None

    def _part(self, plain: str) -> str | None:
        for link in LINKS:
            part = plain.removesuffix(link) if link else plain
            if len(part) >= SHORTEST_PART and part in self._plain:
                return self._plain[part]
        return None


def parse(text: str, name: str = "glossary") -> dict[str, str]:
    """Sources and their English of one file; raises ValueError for a line that is no entry."""
    entries: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        sources, sign, english = (part.strip() for part in line.partition(" = "))
        if not (sources and sign and english):
            raise ValueError(f"{name}, line {number}: {line[:40]!r} is not `source = english`")
        for source in sources.split(","):
            words = _tokens(source.lower())
            if not words:
                raise ValueError(f"{name}, line {number}: {source!r} is no word")
            entries.setdefault(" ".join(words), english)
    return entries


@cache
def glossaries() -> Mapping[str, Glossary]:
    """The glossaries there are, by language."""
    return {
        path.stem: Glossary(path.stem, parse(path.read_text(encoding="utf-8"), path.name))
        for path in sorted(FOLDER.glob("*.txt"))
    }


@cache
def glossaries_version() -> str:
    """Changes whenever a glossary does."""
    said = b"\0".join(path.read_bytes() for path in sorted(FOLDER.glob("*.txt")))
    return hashlib.sha256(said).hexdigest()[:8]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A text as a glossary reads it."""

    #: Code of the language; "" where no glossary knows enough of the text.
    language: str = ""
    #: Word by word in English.
    english: str = ""


@lru_cache(maxsize=4_096)
def read_by_glossary(text: str) -> Reading:
    """Read a text that is not English, by the glossary that lists the most of its words."""
    tokens = _tokens(text[:LONGEST])
    words = [token.lower() for token in tokens if token[0].isalpha()]
    found = glossaries()
    if not words or not found:
        return Reading()
    language = max(found, key=lambda code: found[code].knows(words))
    said, known = found[language].read(tokens)
    if known < KNOWN:
        return Reading()
    return Reading(language=language, english=_SPACE.sub(r"\1", " ".join(said)))


def _tokens(text: str) -> list[str]:
    """Words, numbers and punctuation; what is elided stands alone ("l' encre")."""
    # Composed: a letter and its mark written apart are no word's end.
    return _TOKEN.findall(unicodedata.normalize("NFC", text).replace("’", "'"))


def _stems(plain: str) -> list[str]:
    """A word without its last letters, the longest first."""
    shortest = max(STEM, len(plain) - ENDING, math.ceil(STEM_SHARE * len(plain)))
    return [plain[:end] for end in range(len(plain), shortest - 1, -1)]


def without_accents(text: str) -> str:
    """The letters without their marks."""
    if text.isascii():
        return text
    parts = unicodedata.normalize("NFKD", text)
    return "".join(char for char in parts if not unicodedata.combining(char))
