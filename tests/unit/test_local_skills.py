"""What a reader of skills remembers, and that it changes no answer."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from triagedesk.classify import skills
from triagedesk.classify.encoders import Embedded, Encoders
from triagedesk.classify.encoders.ngrams import HashedNgrams
from triagedesk.classify.skills import SkillReader
from triagedesk.classify.topics import TopicBank

NAMES = ["VPN_Troubleshooting", "Printer_Support", "Linux_Administration"]
TEXTS = [f"{what} {n}\nIt began at {n} o'clock" for n in range(6) for what in ("VPN", "Printer")]


class NoTopics:
    """A bank that knows one topic and sees it nowhere."""

    def near(self, _kind: str, keys: Embedded) -> NDArray[np.float32]:
        return np.zeros((1, len(keys)), np.float32)

    def probabilities(self, texts: Embedded) -> NDArray[np.float32]:
        return np.zeros((len(texts), 1), np.float32)


class Counting(HashedNgrams):
    """Counts what is read."""

    def __init__(self) -> None:
        self.read = 0

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.read += len(texts)
        return super().encode(texts)


def reader(encoder: HashedNgrams | None = None) -> SkillReader:
    return SkillReader(Encoders([encoder or HashedNgrams()]), cast("TopicBank", NoTopics()))


def test_what_was_read_before_is_not_read_again_and_is_the_same() -> None:
    kept = reader()
    first = kept.needs(TEXTS, NAMES)
    assert any(needs for needs in first)
    assert kept.needs(TEXTS[::-1], NAMES[::-1])[::-1] == first
    assert [reader().needs([text], NAMES)[0] for text in TEXTS] == first
    # Another set of names is another question.
    assert kept.needs(TEXTS[:1], ["Printer_Support"]) == reader().needs(
        TEXTS[:1], ["Printer_Support"]
    )
    assert kept.needs([TEXTS[0], TEXTS[0]], NAMES) == [first[0], first[0]]


def test_only_so_many_texts_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skills, "REMEMBERED", 4)
    asked: list[int] = []
    scored = skills._Skills.score

    def score(self: skills._Skills, subjects: Sequence[str], wholes: Sequence[str]) -> object:
        asked.append(len(wholes))
        return scored(self, subjects, wholes)

    monkeypatch.setattr(skills._Skills, "score", score)
    kept = reader()
    kept.needs(TEXTS, NAMES)
    kept.needs(TEXTS[-4:], NAMES)
    kept.needs(TEXTS[-5:], NAMES)
    assert asked == [len(TEXTS), 1]


def test_a_subject_that_comes_again_is_read_once() -> None:
    encoder = Counting()
    kept = reader(encoder)
    kept.needs([], NAMES)
    kept.needs(["Printer jam\nsince noon", "Printer jam\nsince nine", "Printer jam"], NAMES)
    assert encoder.read == len(NAMES) + 3


def test_threads_share_what_is_remembered() -> None:
    kept, alone = reader(), reader().needs(TEXTS, NAMES)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: kept.needs(TEXTS[n % 3 :], NAMES), range(24)))
    assert all(needs == alone[n % 3 :] for n, needs in enumerate(found))
