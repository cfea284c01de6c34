"""One catalog and one desk's corrections, made ready to classify."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from triagedesk.catalog import CatalogEntry, Label, ServiceCatalog, normalise
from triagedesk.classify.calibration import Threshold, measured, unfamiliar_below, unmeasured
from triagedesk.classify.corrections import (
    Correction,
    digest,
    fits,
    in_order,
    standing,
)
from triagedesk.classify.encoders import Encoders
from triagedesk.classify.fitting import FIT_VERSION, Fitted, Lessons, fit_lessons
from triagedesk.classify.logistic import log_softmax
from triagedesk.classify.memory import Memory, Remembered, measure_agreement
from triagedesk.classify.nearest import familiarity
from triagedesk.classify.occlusion import NEAREST, Explanation, Neighbour, deciding_phrases
from triagedesk.classify.shelf import Shelf
from triagedesk.classify.stack import Stack
from triagedesk.classify.topics import TopicBank
from triagedesk.classify.zeroshot import Scores, ZeroShot
from triagedesk.tickets import Alternative

Floats = NDArray[np.float32]

#: Zero-shot logits are this much too sure of themselves: from the likelihood of the truth on blind
#: sets, with some of the bank's topics left out where its phrasings were written with them in view.
ZERO_SHOT_TEMPERATURE = 0.85
#: Zero-shot confidence of the first look that needs no second: from here on 0.3 points are lost on
#: blind sets learnt from, at most, against reading everything with all encoders.
FIRST_LOOK_SUFFICES = 0.75
#: Likeness to every entry, to every topic and to every correction below which a ticket is foreign.
FOREIGN_ENTRY, FOREIGN_CORRECTION = 0.14, 0.45
#: What a ticket says that some entry is for, by the topic bank, above which it is not foreign.
OFFERED = 0.3

#: Other labels named in an explanation.
ALTERNATIVES = 4


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """What the model thinks of a batch."""

    #: Log odds, one row a ticket, one column an entry.
    logits: Floats
    #: True where a ticket is like nothing the catalog or the corrections know.
    foreign: NDArray[np.bool_]
    #: True where a ticket is less like what was answered before than nearly all of that is.
    unfamiliar: NDArray[np.bool_]
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
        *,
        promised: float,
        shelf: Shelf | None = None,
    ) -> None:
        """`corrections` are all that count, overruled ones too: what was learned hangs on them."""
        self.entries: tuple[CatalogEntry, ...] = catalog.entries
        self._encoders, self._bank = encoders, bank
        self._zero_shot = zero_shot_over(catalog, encoders, bank)
        self._by_name = {_key(entry.label): i for i, entry in enumerate(self.entries)}
        #: Columns by label as the catalog spells it.
        self.index = {
            c.label: self._by_name[_key(entry.label)]
            for c in corrections
            if (entry := catalog.match(*c.label)) is not None
        }
        self._memory: Memory | None = None
        self._stack: Stack | None = None
        self._ahead: Callable[[], Fitted] | None = None
        self._familiar_from = self._quick_familiar_from = float("-inf")
        self.threshold: Threshold = unmeasured(promised, 0)
        if corrections:
            self._learn(catalog, in_order(corrections), promised, shelf or Shelf())

    def columns(self, entries: Sequence[CatalogEntry]) -> list[int]:
        """Columns of catalog entries."""
        return sorted({self._by_name[_key(entry.label)] for entry in entries})

    def opinions(self, texts: Sequence[str]) -> Opinion:
        """What zero-shot, or the stack once there is one, thinks of the texts.

        A first look by the quick encoder decides what is plain; the rest is read by all.
        """
        logits, foreign, sure, near = self._first_look(texts)
        unfamiliar = np.zeros(len(texts), bool)
        unsure = np.flatnonzero(~sure)
        if len(unsure):
            rest = [texts[row] for row in unsure.tolist()]
            embedded = self._encoders.embed(rest)
            scores = self._zero_shot.score(embedded, rest)
            foreign[unsure] = self._foreign(scores)
            logits[unsure] = scores.logits * np.float32(ZERO_SHOT_TEMPERATURE)
            if self._stack is not None and self._memory is not None:
                logits[unsure] = self._stack(embedded.joined, rest, scores.logits)
                same, nearness = self._memory.near(embedded, rest)
                familiar = familiarity(nearness, logits[unsure].max(axis=1))
                foreign[unsure] &= nearness < FOREIGN_CORRECTION
                unfamiliar[unsure] = familiar < self._familiar_from
                for row, found in zip(unsure.tolist(), same, strict=True):
                    near[row] = found
        return Opinion(logits=logits, foreign=foreign, unfamiliar=unfamiliar, near=tuple(near))

    def familiarity(self, texts: Sequence[str]) -> Floats:
        """How like the catalog, or what was answered before, each text is; the higher the liker.

        Tells tickets that belong to no entry from those that do, within one model: with
        corrections and without are two scales.
        """
        embedded = self._encoders.embed(texts)
        scores = self._zero_shot.score(embedded, texts)
        if self._stack is None or self._memory is None:
            return scores.fit
        _, nearness = self._memory.near(embedded, texts)
        certainty = self._stack(embedded.joined, texts, scores.logits).max(axis=1)
        return familiarity(nearness, certainty)

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
            near, nearness = self._memory.near(embedded, texts)
            familiar = familiarity(nearness, logits.max(axis=1)) >= self._quick_familiar_from
        else:
            scores = self._zero_shot.score(embedded, texts)
            foreign = self._foreign(scores)
            logits = scores.logits * np.float32(ZERO_SHOT_TEMPERATURE)
            enough, familiar = FIRST_LOOK_SUFFICES, np.ones(len(texts), bool)
        chances = np.exp(log_softmax(logits)).max(axis=1)
        sure = (chances >= enough) & familiar
        # What looks like an earlier correction is read by all before it is called the same.
        sure &= np.array([found is None for found in near])
        if self._stack is None:
            # MiniLM has nothing to add on languages without a glossary.
            sure |= embedded.languages == ""
        return logits, foreign, sure, near

    def _foreign(self, scores: Scores) -> NDArray[np.bool_]:
        """Texts like no entry and about nothing that one is for, in a catalog without a rest."""
        if self._zero_shot.has_rest:
            return np.zeros(len(scores.fit), bool)
        return (scores.fit < FOREIGN_ENTRY) & (scores.offered < OFFERED)

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

    def learn_words(self, texts: Sequence[str]) -> None:
        """Get ready to quote evidence from texts: faster at once than one by one."""
        self._zero_shot.learn_words(texts)

    def evidence(self, text: str, column: int) -> tuple[str, ...]:
        """The phrases of a text that speak for an entry, word for word."""
        return self._zero_shot.evidence(text, column)

    def explain(self, text: str, column: int, allowed: Sequence[int]) -> Explanation:
        """What speaks for an entry as the answer for a text, and what else it could be."""
        names = self._encoders.quick
        place = list(allowed).index(column)

        def log_odds(texts: Sequence[str]) -> Floats:
            embedded = self._encoders.embed(texts, names)
            if self._stack is not None:
                logits = self._stack.first_look(embedded.only(names).joined, texts)
            else:
                logits = self._zero_shot.score(embedded, texts).logits
                logits *= np.float32(ZERO_SHOT_TEMPERATURE)
            logs = log_softmax(logits[:, list(allowed)])[:, place]
            return logs - np.log(np.maximum(-np.expm1(logs), 1e-9))

        ranked = self.opinions([text]).ranked(0, allowed)
        return Explanation(
            probability=dict(ranked)[column],
            phrases=deciding_phrases(text, log_odds),
            nearest=self._nearest(text),
            alternatives=tuple(
                Alternative(label=self.entries[other].label, probability=chance)
                for other, chance in ranked[: ALTERNATIVES + 1]
                if other != column
            )[:ALTERNATIVES],
        )

    def _nearest(self, text: str) -> tuple[Neighbour, ...]:
        if self._memory is None:
            return ()
        return tuple(
            Neighbour(correction=correction, likeness=round(likeness, 3))
            for correction, likeness in self._memory.like(self._encoders.embed([text]), NEAREST)
        )

    def _learn(
        self,
        catalog: ServiceCatalog,
        ordered: Sequence[Correction],
        promised: float,
        shelf: Shelf,
    ) -> None:
        """Remember every correction; fit on the first so many of them, or take that off the shelf.

        What came after the fit counts at once as the same text, as nearly the same text and as a
        neighbour; the next fit, a tenth more corrections on, learns its words and meaning.
        """
        known = standing(ordered)
        embedded = shelf.embed(self._encoders, _texts(known))
        wanted = fits(ordered, len(self.entries))
        fitted = self._fitted(catalog, ordered[: wanted.used], shelf)
        if wanted.due > wanted.used:
            self._ahead = partial(self._fitted, catalog, ordered[: wanted.due], shelf)
        self._memory = Memory(known, embedded, fitted.agreement)
        rows, _, owners = self._zero_shot.examples()
        self._stack = Stack(
            fitted,
            np.vstack([self._memory.vectors, rows.joined]),
            np.concatenate([self._classes(known), owners]),
            len(known),
        )
        self._familiar_from = unfamiliar_below(fitted.familiar)
        self._quick_familiar_from = unfamiliar_below(fitted.quick_familiar)
        self.threshold = measured(promised, fitted.confidence, fitted.right)

    def fit_ahead(self) -> None:
        """Make the model that is to answer soon, where one is due; for a thread of its own."""
        if self._ahead is not None:
            self._ahead()

    def _fitted(
        self, catalog: ServiceCatalog, corrections: Sequence[Correction], shelf: Shelf
    ) -> Fitted:
        key = self._fit_key(catalog, corrections)
        return shelf.fitted(key, lambda: self._fit(standing(corrections), shelf))

    def _fit_key(self, catalog: ServiceCatalog, first: Sequence[Correction]) -> str:
        """Hash of all a fit is made from."""
        said = [FIT_VERSION, self._encoders.version, self._bank.version, catalog.version]
        return hashlib.sha256("\n".join([*said, digest(first)]).encode()).hexdigest()[:32]

    def _fit(self, corrections: Sequence[Correction], shelf: Shelf) -> Fitted:
        texts = _texts(corrections)
        embedded = shelf.embed(self._encoders, texts)
        catalog, catalog_texts, owners = self._zero_shot.examples()
        quick = self._encoders.quick
        fitted = fit_lessons(
            Lessons(
                vectors=embedded.joined,
                texts=texts,
                zero_shot=self._zero_shot.score(embedded, texts).logits,
                classes=self._classes(corrections),
                quick_vectors=embedded.only(quick).joined,
                catalog_vectors=catalog.joined,
                catalog_quick_vectors=catalog.only(quick).joined,
                catalog_texts=catalog_texts,
                catalog_classes=owners,
            )
        )
        return replace(fitted, agreement=measure_agreement(corrections, embedded.joined))

    def _classes(self, corrections: Sequence[Correction]) -> NDArray[np.int64]:
        return np.array([self.index[c.label] for c in corrections], np.int64)


def _texts(corrections: Sequence[Correction]) -> list[str]:
    return [correction.readable or "-" for correction in corrections]


#: Catalogs prepared, the newest two: preparing one takes a second, whatever was learned since.
_prepared: OrderedDict[tuple[str, str, str], ZeroShot] = OrderedDict()


def zero_shot_over(catalog: ServiceCatalog, encoders: Encoders, bank: TopicBank) -> ZeroShot:
    """Zero-shot over a catalog, prepared once per process."""
    key = (catalog.version, encoders.version, bank.version)
    found = _prepared.pop(key, None) or ZeroShot(catalog.entries, encoders, bank)
    _prepared[key] = found
    while len(_prepared) > 2:  # noqa: PLR2004 (this catalog and, during a change, the last)
        _prepared.popitem(last=False)
    return found


def _key(label: Label) -> tuple[str, str]:
    return normalise(label.request_category), normalise(label.request_type)
