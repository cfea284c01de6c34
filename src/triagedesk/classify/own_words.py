"""Words of a desk's own: what its catalog calls things that the topic bank has never heard of.

"RotaLine" or "VARIS" mean nothing to any encoder, and yet say which entry a ticket is about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from triagedesk.catalog import CatalogEntry
from triagedesk.classify.topic_words import plain_words

#: What such a word adds to the logit of an entry that has it in its name, and in its description.
IN_NAME, IN_DESCRIPTION = 2.0, 1.0
#: Shorter words are not looked at; characters read of a description.
SHORTEST, LONGEST = 3, 1_000
#: Share of a catalog's entries that a word may be in and still tell something.
COMMON = 0.25


class OwnWords:
    """One catalog's."""

    def __init__(
        self,
        entries: Sequence[CatalogEntry],
        specific: NDArray[np.bool_],
        known: Callable[[str], bool],
    ) -> None:
        """`specific` says which entries are no residual classes, `known` what the bank knows."""
        self._count = len(entries)
        found: dict[str, dict[int, float]] = {}
        for index in np.flatnonzero(specific).tolist():
            entry = entries[index]
            said = (
                (IN_DESCRIPTION, entry.description[:LONGEST]),
                (IN_NAME, entry.label.request_type),
            )
            for weight, text in said:
                for word in plain_words(text):
                    # A number alone ("2026") names nothing.
                    if len(word) >= SHORTEST and not word.isdecimal() and not known(word):
                        found.setdefault(word, {})[index] = weight
        most = max(1, int(COMMON * len(entries)))
        self._words = {word: where for word, where in found.items() if len(where) <= most}

    def __call__(self, raw: Sequence[str]) -> NDArray[np.float32]:
        """What is to be added to the logits, one row a text; several words count once."""
        gains = np.zeros((len(raw), self._count), np.float32)
        for row, text in enumerate(raw if self._words else ()):
            for word in self._words.keys() & set(plain_words(text)):
                for entry, weight in self._words[word].items():
                    gains[row, entry] = max(gains[row, entry], weight)
        return gains
