"""The local classifier: offline, without a key, from the catalog's words alone or corrections."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from triagedesk.catalog import CatalogEntry, ServiceCatalog
from triagedesk.classify import StageResult
from triagedesk.classify.corrections import Correction
from triagedesk.classify.encoders import load_encoders
from triagedesk.classify.evidence import WordGains, content, phrases
from triagedesk.classify.topics import TopicBank, softmax
from triagedesk.classify.trim import readable
from triagedesk.classify.zeroshot import ZeroShot
from triagedesk.tickets import Alternative, Classification, DecidedBy, Ticket

Floats = NDArray[np.float32]

#: Changes whenever answers may with the same models and corrections.
ALGORITHM = "1"
#: Tickets worked on together: memory stays flat whatever the batch.
CHUNK = 256
#: Other labels named in an answer.
ALTERNATIVES = 3


class LocalClassifier:
    """Classifies by meaning; calibrated on what people corrected, cautious before."""

    name = "local"

    def __init__(
        self,
        *,
        model_dir: Path | None = None,
        promised_precision: float = 0.95,
        corrections: Sequence[Correction] = (),
    ) -> None:
        self._encoders = load_encoders(model_dir)
        self._bank = TopicBank(self._encoders, model_dir)
        self._promised = promised_precision
        self._corrections = tuple(corrections)
        self._prepared: dict[str, ZeroShot] = {}
        self.version = self._version()

    @property
    def missing(self) -> tuple[str, ...]:
        """What is not installed and what that costs, in plain words."""
        return self._encoders.missing

    def classify(self, tickets: Sequence[Ticket], catalog: ServiceCatalog) -> StageResult:
        """Classify tickets (distinct ids) into labels that `catalog.candidates` allows each."""
        if not catalog.entries:
            reason = "the Service Catalog is empty"
            return StageResult(failures={ticket.id: reason for ticket in tickets})
        prepared = self._prepare(catalog)
        answers: dict[str, Classification] = {}
        for start in range(0, len(tickets), CHUNK):
            self._classify_chunk(tickets[start : start + CHUNK], catalog, prepared, answers)
        return StageResult(answers=answers)

    def _classify_chunk(self, tickets, catalog, prepared, answers):  # noqa
        texts = [readable(t.short_description, t.long_description) for t in tickets]
        embedded = self._encoders.embed(texts)
        scores = prepared.score(embedded, texts)
        index = {entry.label: i for i, entry in enumerate(prepared.entries)}
        for row, ticket in enumerate(tickets):
            allowed = [
                index[e.label]
                for e in catalog.candidates(ticket.request_category, ticket.request_type)
            ]
            if not allowed:
                answers[ticket.id] = self._answer(
                    None, 0.0, ("no catalog entry has the category and type it came with",)
                )
                continue
            probs = softmax(scores.logits[row : row + 1, allowed] * np.float32(0.7))[0]
            if not texts[row]:
                answers[ticket.id] = self._answer(None, 0.0, ("the ticket has no text",))
                continue
            order = sorted(range(len(allowed)), key=lambda i: (-probs[i], allowed[i]))
            best = allowed[order[0]]
            confidence = round(float(min(probs[order[0]], 0.9)), 3)
            notes = ("not yet measured at this desk: a person should look",)
            alternatives = tuple(
                Alternative(
                    label=prepared.entries[allowed[i]].label, probability=round(float(probs[i]), 3)
                )
                for i in order[1 : 1 + ALTERNATIVES]
            )
            label = prepared.entries[best].label
            answers[ticket.id] = Classification(
                label=label,
                confidence=confidence,
                decided_by=DecidedBy.LOCAL,
                model=self.name,
                model_version=self.version,
                needs_review=confidence < 0.9,
                notes=notes if confidence < 0.9 else (),
                evidence=prepared.evidence(ticket.text, best),
                alternatives=alternatives,
            )

    def _answer(self, label, confidence, notes):  # noqa
        return Classification(
            label=label,
            confidence=confidence,
            decided_by=DecidedBy.LOCAL,
            model=self.name,
            model_version=self.version,
            needs_review=True,
            notes=notes,
        )

    def _prepare(self, catalog: ServiceCatalog) -> ZeroShot:
        if catalog.version not in self._prepared:
            self._prepared = {
                catalog.version: ZeroShot(catalog.entries, self._encoders, self._bank)
            }
        return self._prepared[catalog.version]

    def _version(self) -> str:
        said = [ALGORITHM, self._encoders.version, self._bank.version, str(self._promised)]
        said += [f"{c.key}{c.label}" for c in self._corrections]
        return hashlib.sha256("|".join(said).encode()).hexdigest()[:12]
