"""The local classifier: offline, without a key, from the catalog's words alone or corrections.

Corrections of the same or nearly the same text answer first; then the stack learned from all of
them, or zero-shot while there are none. It says how sure it is, and abstains below the threshold
that the promised precision asks for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from triagedesk.catalog import Label, ServiceCatalog
from triagedesk.classify import StageResult
from triagedesk.classify.calibration import Threshold
from triagedesk.classify.corrections import (
    Correction,
    digest,
    in_order,
    standing,
    text_key,
)
from triagedesk.classify.desk_model import DeskModel, Opinion
from triagedesk.classify.encoders import load_encoders
from triagedesk.classify.fitting import FIT_VERSION
from triagedesk.classify.memory import Remembered
from triagedesk.classify.occlusion import Explanation
from triagedesk.classify.shelf import Shelf
from triagedesk.classify.topics import TopicBank
from triagedesk.classify.trim import readable
from triagedesk.tickets import Alternative, Classification, DecidedBy, Ticket

#: Changes whenever answers may with the same models, topics and corrections.
ALGORITHM = "5"
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
        shelf: Shelf | None = None,
    ) -> None:
        if not 0.5 <= promised_precision < 1:  # noqa: PLR2004 (a coin's precision)
            raise ValueError(
                f"promised_precision must be from 0.5 to below 1: {promised_precision}"
            )
        self._encoders = load_encoders(model_dir)
        self._bank = TopicBank(self._encoders, model_dir)
        self._promised = promised_precision
        self._history = in_order(corrections)
        self._corrections = standing(corrections)
        self._shelf = shelf or Shelf()
        self._model: tuple[str, DeskModel] | None = None
        self.version = self._version()

    @property
    def missing(self) -> tuple[str, ...]:
        """What is not installed and what that costs, in plain words."""
        return self._encoders.missing

    def threshold(self, catalog: ServiceCatalog) -> Threshold:
        """The confidence from which an answer needs no person, and why; fits when need be."""
        return self._prepare(catalog).threshold

    def set_aside(self, catalog: ServiceCatalog) -> tuple[Correction, ...]:
        """Corrections whose label the catalog does not have (any more)."""
        return tuple(c for c in self._corrections if catalog.match(*c.label) is None)

    def classify(self, tickets: Sequence[Ticket], catalog: ServiceCatalog) -> StageResult:
        """Classify tickets (distinct ids) into labels that `catalog.candidates` allows each."""
        if not catalog.entries:
            reason = "the Service Catalog is empty"
            return StageResult(failures={ticket.id: reason for ticket in tickets})
        model = self._prepare(catalog)
        answers: dict[str, Classification] = {}
        for start in range(0, len(tickets), CHUNK):
            chunk = tickets[start : start + CHUNK]
            answers.update(self._classify_chunk(chunk, catalog, model))
        return StageResult(answers=answers)

    def fit_ahead(self) -> None:
        """Make the model that is to answer after some more corrections, where one is due."""
        if self._model is not None:
            self._model[1].fit_ahead()

    def explain(self, ticket: Ticket, catalog: ServiceCatalog, label: Label) -> Explanation | None:
        """What speaks for a label as a ticket's answer; None where it cannot be one."""
        text = readable(ticket.short_description, ticket.long_description)
        entry = catalog.match(*label)
        if not text or entry is None:
            return None
        model = self._prepare(catalog)
        allowed = model.columns(
            catalog.candidates(ticket.request_category, ticket.request_type)
        ) or model.columns(catalog.entries)
        column = model.columns([entry])[0]
        return model.explain(text, column, allowed) if column in allowed else None

    def familiarity(self, tickets: Sequence[Ticket], catalog: ServiceCatalog) -> list[float]:
        """How like the catalog, or what was answered before, tickets are; the higher the liker."""
        model = self._prepare(catalog)
        found: list[float] = []
        for start in range(0, len(tickets), CHUNK):
            chunk = tickets[start : start + CHUNK]
            texts = [readable(t.short_description, t.long_description) or "-" for t in chunk]
            found += model.familiarity(texts).tolist()
        return found

    def _classify_chunk(
        self, tickets: Sequence[Ticket], catalog: ServiceCatalog, model: DeskModel
    ) -> dict[str, Classification]:
        texts = [readable(t.short_description, t.long_description) for t in tickets]
        opinions = model.opinions([text or "-" for text in texts])
        model.learn_words([ticket.text for ticket in tickets])
        answers: dict[str, Classification] = {}
        for row, (ticket, text) in enumerate(zip(tickets, texts, strict=True)):
            allowed = model.columns(
                catalog.candidates(ticket.request_category, ticket.request_type)
            )
            if not allowed:
                why = "the catalog has no entry of the category and type the ticket came with"
                answers[ticket.id] = self._abstain(why)
            elif not text:
                answers[ticket.id] = self._abstain("the ticket has no text")
            else:
                seen = model.exact(text_key(ticket.text)) or opinions.near[row]
                if seen and model.index.get(seen.correction.label) in allowed:
                    answers[ticket.id] = self._remember(seen, model, opinions, row, allowed)
                else:
                    answers[ticket.id] = self._decide(ticket, model, opinions, row, allowed)
        return answers

    def _decide(
        self, ticket: Ticket, model: DeskModel, opinions: Opinion, row: int, allowed: Sequence[int]
    ) -> Classification:
        ranked = opinions.ranked(row, allowed)
        best, confidence = ranked[0]
        if opinions.foreign[row] and len(allowed) > 1:
            return self._abstain(
                "nothing in the catalog seems to fit", alternatives=_alternatives(model, ranked)
            )
        notes = model.doubts(best, confidence)
        if opinions.unfamiliar[row]:
            notes = ("unlike nearly everything that was answered before", *notes)
        return Classification(
            label=model.entries[best].label,
            confidence=confidence,
            decided_by=DecidedBy.LOCAL,
            model=self.name,
            model_version=self.version,
            needs_review=bool(notes),
            notes=notes,
            evidence=model.evidence(ticket.text, best),
            alternatives=_alternatives(model, ranked[1:]),
        )

    def _remember(
        self,
        seen: Remembered,
        model: DeskModel,
        opinions: Opinion,
        row: int,
        allowed: Sequence[int],
    ) -> Classification:
        label = model.entries[model.index[seen.correction.label]].label
        others = [
            pair for pair in opinions.ranked(row, allowed) if model.entries[pair[0]].label != label
        ]
        likeness = "the same text" if seen.exact else "nearly the same text"
        where = f" in ticket {seen.correction.ticket_id}" if seen.correction.ticket_id else ""
        doubtful = seen.confidence < self._promised
        notes = [f"a person answered {likeness}{where}"]
        if doubtful:
            notes.append("nearly identical tickets were answered differently before")
        return Classification(
            label=label,
            confidence=seen.confidence,
            decided_by=DecidedBy.CORRECTION,
            model=self.name,
            model_version=self.version,
            needs_review=doubtful,
            notes=tuple(notes),
            alternatives=_alternatives(model, others, 1 - seen.confidence),
        )

    def _abstain(self, why: str, alternatives: tuple[Alternative, ...] = ()) -> Classification:
        return Classification(
            label=None,
            confidence=0.0,
            decided_by=DecidedBy.LOCAL,
            model=self.name,
            model_version=self.version,
            needs_review=True,
            notes=(why,),
            alternatives=alternatives,
        )

    def _prepare(self, catalog: ServiceCatalog) -> DeskModel:
        if self._model is None or self._model[0] != catalog.version:
            usable = [c for c in self._history if catalog.match(*c.label) is not None]
            model = DeskModel(
                catalog,
                usable,
                self._encoders,
                self._bank,
                promised=self._promised,
                shelf=self._shelf,
            )
            self._model = (catalog.version, model)
        return self._model[1]

    def _version(self) -> str:
        said = [ALGORITHM, self._encoders.version, self._bank.version, repr(self._promised)]
        said += [FIT_VERSION, digest(self._history)]
        knows = f"+{len(self._corrections)}" if self._corrections else ""
        return hashlib.sha256("\n".join(said).encode()).hexdigest()[:12] + knows


def _alternatives(
    model: DeskModel, ranked: Sequence[tuple[int, float]], share: float = 1.0
) -> tuple[Alternative, ...]:
    return tuple(
        Alternative(label=model.entries[column].label, probability=round(share * chance, 3))
        for column, chance in ranked[:ALTERNATIVES]
    )
