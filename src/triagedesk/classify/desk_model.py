"""One catalog and one desk's corrections, made ready to classify."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triagedesk.catalog import CatalogEntry, Label, ServiceCatalog, normalise
from triagedesk.classify.calibration import Threshold, measured, unmeasured
from triagedesk.classify.corrections import Correction
from triagedesk.classify.encoders import Encoders
from triagedesk.classify.logistic import log_softmax
from triagedesk.classify.memory import Memory, Remembered
from triagedesk.classify.stack import Lessons, Stack
from triagedesk.classify.topics import TopicBank
from triagedesk.classify.trim import readable
from triagedesk.classify.zeroshot import ZeroShot

Floats = NDArray[np.float32]

#: Zero-shot logits are this much too sure of themselves.
ZERO_SHOT_TEMPERATURE = 0.5
#: Zero-shot confidence of the first look that needs no second: on 266 tickets of our own, 0.6 and
#: 0.7 each cost one right answer at most against reading everything with all encoders.
FIRST_LOOK_SUFFICES = 0.65
#: Likeness to every entry, to every topic and to every correction below which a ticket is foreign.
FOREIGN_ENTRY, FOREIGN_CORRECTION = 0.14, 0.45


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """What the model thinks of a batch."""

    #: Log odds, one row a ticket, one column an entry.
    logits: Floats
    #: True where a ticket is like nothing the catalog or the corrections know.
    foreign: NDArray[np.bool_]
    #: For each ticket a correction of nearly the same text, if any.
    near: tuple[Remembered | None, ...]

    def ranked(self, row: int, allowed: Sequence[int]) -> list[tuple[int, float]]:
        """Allowed columns with their probabilities, most probable first, then catalog order."""
        logits = self.logits[row, list(allowed)].astype(np.float64)
        chances = np.exp(logits - logits.max())
        chances /= chances.sum()
        pairs = [(column, round(float(p), 3)) for column, p in zip(allowed, chances, strict=True)]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))


class DeskModel:
    """Zero-shot over the catalog, and whatever the corrections teach beyond."""

    def __init__(
        self,
        catalog: ServiceCatalog,
        corrections: Sequence[Correction],
        encoders: Encoders,
        bank: TopicBank,
        promised: float,
    ) -> None:
        self.entries: tuple[CatalogEntry, ...] = catalog.entries
        self._encoders = encoders
        self._zero_shot = ZeroShot(self.entries, encoders, bank)
        self._by_name = {_key(entry.label): i for i, entry in enumerate(self.entries)}
        #: Columns by label as the catalog spells it.
        self.index = {
            c.label: self._by_name[_key(entry.label)]
            for c in corrections
            if (entry := catalog.match(*c.label)) is not None
        }
        self._memory: Memory | None = None
        self._stack: Stack | None = None
        self.threshold: Threshold = unmeasured(promised, 0)
        if corrections:
            self._learn(corrections, promised)

    def columns(self, entries: Sequence[CatalogEntry]) -> list[int]:
        """Columns of catalog entries."""
        return sorted({self._by_name[_key(entry.label)] for entry in entries})

    def opinions(self, texts: Sequence[str]) -> Opinion:
        """What zero-shot, or the stack once there is one, thinks of the texts.

        A first look by the quick encoder decides what is plain; the rest is read by all.
        """
        logits, foreign, sure, near = self._first_look(texts)
        unsure = np.flatnonzero(~sure)
        if len(unsure):
            rest = [texts[row] for row in unsure.tolist()]
            embedded = self._encoders.embed(rest)
            scores = self._zero_shot.score(embedded, rest)
            foreign[unsure] = (scores.fit < FOREIGN_ENTRY) & (not self._zero_shot.has_rest)
            logits[unsure] = scores.logits * np.float32(ZERO_SHOT_TEMPERATURE)
            if self._stack is not None and self._memory is not None:
                logits[unsure] = self._stack(embedded.joined, rest, scores.logits)
                foreign[unsure] &= self._memory.nearest(embedded) < FOREIGN_CORRECTION
                for row, found in zip(
                    unsure.tolist(), self._memory.near(embedded, rest), strict=True
                ):
                    near[row] = found
        return Opinion(logits=logits, foreign=foreign, near=tuple(near))

    def _first_look(
        self, texts: Sequence[str]
    ) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_], list[Remembered | None]]:
        """Logits, foreign, sure and near by the quick encoder alone."""
        near: list[Remembered | None] = [None] * len(texts)
        foreign = np.zeros(len(texts), bool)
        logits = np.zeros((len(texts), len(self.entries)), np.float32)
        if self._encoders.quick == self._encoders.names:
            return logits, foreign, foreign.copy(), near
        embedded = self._encoders.embed(texts, self._encoders.quick)
        if self._stack is not None and self._memory is not None:
            logits = self._stack.first_look(embedded.joined, texts)
            enough = self._stack.first_look_suffices
            near = self._memory.near(embedded, texts)
        else:
            scores = self._zero_shot.score(embedded, texts)
            foreign = (scores.fit < FOREIGN_ENTRY) & (not self._zero_shot.has_rest)
            logits = scores.logits * np.float32(ZERO_SHOT_TEMPERATURE)
            enough = FIRST_LOOK_SUFFICES
        chances = np.exp(log_softmax(logits)).max(axis=1)
        sure = chances >= enough
        # What looks like an earlier correction is read by all before it is called the same.
        sure &= np.array([found is None for found in near])
        if self._stack is None:
            # MiniLM has nothing to add on other languages.
            sure |= embedded.english == 0
        return logits, foreign, sure, near

    def exact(self, key: str) -> Remembered | None:
        """The correction of this very text, if any."""
        return self._memory.exact(key) if self._memory else None

    def doubts(self, column: int, confidence: float) -> tuple[str, ...]:
        """Why a person should look at an answer; () when it may stand."""
        threshold = self.threshold
        if confidence < threshold.value:
            return (
                f"confidence {confidence:.2f} is below {min(threshold.value, 1):.2f}",
                threshold.reason,
            )
        if not threshold.measured_on and not self._zero_shot.known[column]:
            return (
                "this catalog entry's meaning is not plain enough to go unmeasured",
                threshold.reason,
            )
        return ()

    def evidence(self, text: str, column: int) -> tuple[str, ...]:
        """The phrases of a text that speak for an entry, word for word."""
        return self._zero_shot.evidence(text, column)

    def _learn(self, corrections: Sequence[Correction], promised: float) -> None:
        split = [correction.text.partition("\n") for correction in corrections]
        texts = [readable(short, long) or "-" for short, _, long in split]
        self._memory = Memory(corrections, texts, self._encoders)
        zero_shot = self._zero_shot.score(self._memory.embedded, texts).logits
        classes = np.array([self.index[c.label] for c in corrections], np.int64)
        catalog, catalog_texts, owners = self._zero_shot.examples()
        quick = self._encoders.quick
        self._stack = Stack(
            Lessons(
                vectors=self._memory.vectors,
                texts=texts,
                zero_shot=zero_shot,
                classes=classes,
                quick_vectors=self._memory.embedded.only(quick).joined,
                catalog_vectors=catalog.joined,
                catalog_quick_vectors=catalog.only(quick).joined,
                catalog_texts=catalog_texts,
                catalog_classes=owners,
            )
        )
        chances = np.exp(self._stack.out_of_fold)
        right = chances.argmax(axis=1) == classes
        self.threshold = measured(promised, chances.max(axis=1), right)


def _key(label: Label) -> tuple[str, str]:
    return normalise(label.request_category), normalise(label.request_type)
