"""WordPiece: text -> token numbers, as BERT's uncased tokenizer does it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

UNKNOWN, START, END = 100, 101, 102
#: A longer word is one unknown token.
LONGEST_WORD = 100
#: Words remembered with their pieces; beyond that new ones are split each time.
REMEMBERED_WORDS = 100_000

_ASCII_WORD = re.compile(r"[a-z0-9]+|[^\sa-z0-9]")


class WordPiece:
    """Splits words into the longest pieces its vocabulary knows."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._numbers = {piece: number for number, piece in enumerate(vocabulary)}
        self._remembered: dict[str, list[int]] = {}

    def encode(self, text: str, limit: int) -> list[int]:
        """Token numbers with start and end marks, `limit` at most."""
        tokens = [START]
        for word in words(text):
            tokens += self._pieces(word)
            if len(tokens) >= limit:
                break
        return [*tokens[: limit - 1], END]

    def _pieces(self, word: str) -> list[int]:
        known = self._remembered.get(word)
        if known is None:
            known = self._split(word)
            if len(self._remembered) < REMEMBERED_WORDS:
                self._remembered[word] = known
        return known

    def _split(self, word: str) -> list[int]:
        if len(word) > LONGEST_WORD:
            return [UNKNOWN]
        pieces: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(len(word), start, -1):
                number = self._numbers.get(prefix + word[start:end])
                if number is not None:
                    break
            else:
                return [UNKNOWN]
            pieces.append(number)
            start = end
        return pieces


def words(text: str) -> list[str]:
    """Lower-case words, accents stripped, each punctuation mark and CJK character on its own."""
    text = text.lower()
    if text.isascii():
        return _ASCII_WORD.findall(text)
    kept: list[str] = []
    for character in unicodedata.normalize("NFD", text):
        category = unicodedata.category(character)
        if category == "Mn" or (category in {"Cc", "Cf"} and not character.isspace()):
            continue
        kept.append(f" {character} " if _stands_alone(character, category) else character)
    return "".join(kept).split()


def _stands_alone(character: str, category: str) -> bool:
    if character.isascii():
        return not character.isalnum() and not character.isspace()
    return (
        category[0] == "P" or "\u4e00" <= character <= "\u9fff" or "\u3400" <= character <= "\u4dbf"
    )
