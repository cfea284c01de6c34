"""The cascade: the local model first, a language model for what it is unsure of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from triagedesk.catalog import Label, ServiceCatalog
from triagedesk.classify import Classifier, StageResult
from triagedesk.classify.occlusion import Explanation
from triagedesk.errors import TriagedeskError
from triagedesk.tickets import Alternative, Classification, DecidedBy, Ticket

#: Called with how many of how many tickets are done.
Progress = Callable[[int, int], None]

#: Most alternatives kept on an answer made of two.
MAX_ALTERNATIVES = 5


@runtime_checkable
class ReportsProgress(Protocol):
    """A stage that can say how far it is."""

    def classify_with_progress(
        self, tickets: Sequence[Ticket], catalog: ServiceCatalog, on_progress: Progress
    ) -> StageResult:
        """Classify, calling `on_progress(done, total)` on the way."""


@runtime_checkable
class FitsAhead(Protocol):
    """A stage that learns, and can do so before it must."""

    def fit_ahead(self) -> None:
        """Make what will be needed soon; answers are the same without."""


@runtime_checkable
class Explains(Protocol):
    """A stage that can say why."""

    def explain(self, ticket: Ticket, catalog: ServiceCatalog, label: Label) -> Explanation | None:
        """What speaks for a label as a ticket's answer; None where it cannot be one."""


class Cascade:
    """A `Classifier` made of stages, the cheapest first.

    What the local model is sure of is settled. The rest goes to the language model, where there
    is one: at or above `threshold` its answer stands, below it the likelier of the two
    suggestions does, for review. A ticket the language model has no answer for keeps the local
    suggestion, says why, and stays for review. A stage that fails as a whole (TriagedeskError)
    counts as having no answer; any other exception is a bug and propagates.
    """

    def __init__(
        self,
        local: Classifier,
        llm: Classifier | None = None,
        *,
        threshold: float = 0.8,
        on_progress: Progress | None = None,
    ) -> None:
        self._local = local
        self._llm = llm
        self._threshold = threshold
        self._on_progress = on_progress or (lambda _done, _total: None)

    @property
    def local(self) -> Classifier:
        """The first stage, which costs nothing to ask."""
        return self._local

    @property
    def name(self) -> str:
        """`cascade`."""
        return "cascade"

    @property
    def version(self) -> str:
        """The versions of its stages and its threshold."""
        if self._llm is None:
            return self._local.version
        return f"{self._local.version}>{self._threshold:g}>{self._llm.version}"

    def classify(self, tickets: Sequence[Ticket], catalog: ServiceCatalog) -> StageResult:
        """Classify tickets (distinct ids); the answers come in the tickets' order."""
        return self.classify_with_progress(tickets, catalog, self._on_progress)

    def classify_with_progress(
        self, tickets: Sequence[Ticket], catalog: ServiceCatalog, on_progress: Progress
    ) -> StageResult:
        """Classify, calling `on_progress(done, total)` after the local model and each call."""
        total = len(tickets)
        filled = {t.id: t for t in tickets if t.request_category and t.request_type}
        result = _as_they_arrived(filled, catalog)
        empty = [ticket for ticket in tickets if ticket.id not in filled]
        local = self._run(self._local, empty, catalog, lambda done, _: on_progress(done, total))
        unsure = [t for t in empty if _is_open(local.answers.get(t.id))]
        done = total - len(unsure) if self._llm else total
        on_progress(done, total)
        answers = {**result.answers, **local.answers}
        failures = {**result.failures, **local.failures}
        usage = local.usage
        if self._llm is not None and unsure:
            second = self._run(
                self._llm, unsure, catalog, lambda part, _: on_progress(done + part, total)
            )
            usage += second.usage
            for ticket in unsure:
                self._settle(ticket.id, second, answers, failures)
            on_progress(total, total)
        return StageResult(
            answers={t.id: answers[t.id] for t in tickets if t.id in answers},
            failures={t.id: failures[t.id] for t in tickets if t.id in failures},
            usage=usage,
        )

    def fit_ahead(self) -> None:
        """Let the local model make what it will need soon; for a thread of its own."""
        if isinstance(self._local, FitsAhead):
            self._local.fit_ahead()

    def explain(self, ticket: Ticket, catalog: ServiceCatalog, label: Label) -> Explanation | None:
        """What the local model has to say for a label; None where it cannot be the answer."""
        return (
            self._local.explain(ticket, catalog, label)
            if isinstance(self._local, Explains)
            else None
        )

    def _run(
        self,
        stage: Classifier,
        tickets: Sequence[Ticket],
        catalog: ServiceCatalog,
        on_progress: Progress,
    ) -> StageResult:
        if not tickets:
            return StageResult()
        try:
            if isinstance(stage, ReportsProgress):
                return stage.classify_with_progress(tickets, catalog, on_progress)
            return stage.classify(tickets, catalog)
        except TriagedeskError as error:
            return StageResult(failures=dict.fromkeys((t.id for t in tickets), error.message))

    def _settle(
        self,
        ticket_id: str,
        second: StageResult,
        answers: dict[str, Classification],
        failures: dict[str, str],
    ) -> None:
        """Make one answer of what the two models say about a ticket."""
        suggestion = answers.get(ticket_id)
        opinion = second.answers.get(ticket_id)
        if opinion is not None:
            answers[ticket_id] = self._combine(suggestion, opinion)
            failures.pop(ticket_id, None)
            return
        reason = second.failures.get(ticket_id, "it left the ticket out")
        if suggestion is not None:
            answers[ticket_id] = _unanswered(suggestion, reason)
        else:
            local_reason = failures.get(ticket_id, "it left the ticket out")
            failures[ticket_id] = (
                f"the local model did not answer ({local_reason}), "
                f"nor did the language model ({reason})"
            )

    def _combine(self, local: Classification | None, llm: Classification) -> Classification:
        if llm.confidence >= self._threshold:
            return _with_alternatives(llm, local)
        llm = replace(llm, needs_review=True)
        if local is None or local.label is None or llm.confidence >= local.confidence:
            return _with_alternatives(llm, local)
        opinion = str(llm.label) if llm.label else "nothing in the catalog"
        stands = replace(
            local,
            needs_review=True,
            notes=(*local.notes, f"the language model leaned to {opinion}"),
            impact=llm.impact,
            urgency=llm.urgency,
        )
        return _with_alternatives(stands, llm)


def _as_they_arrived(filled: Mapping[str, Ticket], catalog: ServiceCatalog) -> StageResult:
    """Tickets that came with both fields; these are authoritative, no model is asked."""
    answers: dict[str, Classification] = {}
    failures: dict[str, str] = {}
    for ticket_id, ticket in filled.items():
        entry = catalog.match(ticket.request_category, ticket.request_type)
        if entry is None:
            pair = f"{ticket.request_category} / {ticket.request_type}"
            failures[ticket_id] = f"it arrived as {pair}, which is not in the catalog"
        else:
            answers[ticket_id] = Classification(
                label=entry.label, confidence=1.0, decided_by=DecidedBy.SOURCE
            )
    return StageResult(answers=answers, failures=failures)


def _is_open(answer: Classification | None) -> bool:
    return answer is None or answer.needs_review


def _unanswered(suggestion: Classification, reason: str) -> Classification:
    note = f"the language model did not answer ({reason}); the local model's suggestion stands"
    if suggestion.label is None:
        note = f"the language model did not answer ({reason}), and the local model found nothing"
    return replace(suggestion, needs_review=True, notes=(*suggestion.notes, note))


def _with_alternatives(chosen: Classification, other: Classification | None) -> Classification:
    """The chosen answer with what the other model considered among its alternatives."""
    considered = list(chosen.alternatives)
    if other is not None:
        if other.label is not None:
            considered.append(Alternative(label=other.label, probability=other.confidence))
        considered.extend(other.alternatives)
    best: dict[object, Alternative] = {}
    for alternative in considered:
        known = best.get(alternative.label)
        if known is None or alternative.probability > known.probability:
            best[alternative.label] = alternative
    best.pop(chosen.label, None)
    ranked = sorted(best.values(), key=lambda a: (-a.probability, a.label))
    return replace(chosen, alternatives=tuple(ranked[:MAX_ALTERNATIVES]))
