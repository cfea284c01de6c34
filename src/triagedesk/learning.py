"""What people answer, kept and learned from: one correction, a history, and taking either back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from triagedesk import pipeline
from triagedesk.catalog import Label, ServiceCatalog
from triagedesk.classify.cascade import Explains
from triagedesk.classify.corrections import text_key
from triagedesk.classify.occlusion import Explanation
from triagedesk.desk import Desk, RunSummary
from triagedesk.errors import InputError, NotFoundError, Problem
from triagedesk.sources import Fetched
from triagedesk.store.corrections import StoredCorrection
from triagedesk.tickets import Classification, DecidedBy, Ticket, TriagedTicket


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What a lesson brought."""

    #: Takes the lesson back: `triagedesk corrections undo LESSON`.
    lesson: str
    corrections: int
    #: Earlier corrections of the same texts with another label; the newer stand.
    contradicted: tuple[StoredCorrection, ...]
    #: What could not be learned from, and why.
    set_aside: tuple[Problem, ...] = ()


def correct(desk: Desk, ticket_id: str, label: Label, *, by: str) -> tuple[Learned, TriagedTicket]:
    """Record a person's answer for a ticket: its decision from now on, and a lesson.

    Raises NotFoundError for an unknown ticket and InputError for a label the catalog lacks.
    """
    catalog = load_catalog(desk)
    entry = catalog.match(*label)
    if entry is None:
        raise _not_in_catalog(catalog, label)
    lesson, now = desk.new_id(), desk.now()
    with desk.store.begin() as transaction:
        found = transaction.tickets_called(ticket_id)
        if not found:
            raise NotFoundError(f"there is no ticket {ticket_id!r}")
        received = found[0]
        answer = Classification(
            label=entry.label, confidence=1.0, decided_by=DecidedBy.HUMAN, model=by
        )
        decided = pipeline.decide(desk, received, answer, catalog)
        made = StoredCorrection(
            ticket_key=received.key,
            text_key=text_key(received.ticket.text),
            text=received.ticket.text,
            label=entry.label,
            made_at=now,
            made_by=by,
            lesson=lesson,
        )
        contradicted = transaction.contradicted([made])
        transaction.correct([made])
        transaction.record_lesson(lesson, now)
        transaction.decide(lesson, [decided])
        transaction.audit(
            "ticket corrected", ticket_id, actor=by, at=now, details={"label": str(entry.label)}
        )
    learned = Learned(lesson=lesson, corrections=1, contradicted=tuple(contradicted))
    return learned, decided


def learn(desk: Desk, history: Fetched, *, by: str) -> Learned:
    """Learn from a desk's own closed tickets; what names no catalog entry is set aside."""
    catalog = load_catalog(desk)
    lesson, now = desk.new_id(), desk.now()
    made: list[StoredCorrection] = []
    problems = [
        Problem(where=f"number {item.position + 1}", what=item.reason) for item in history.broken
    ]
    for ticket in history.tickets:
        entry = catalog.match(ticket.request_category, ticket.request_type)
        if entry is None or not ticket.text:
            problems.append(_unusable(ticket))
            continue
        made.append(
            StoredCorrection(
                text_key=text_key(ticket.text),
                text=ticket.text,
                label=entry.label,
                made_at=now,
                made_by=by,
                lesson=lesson,
            )
        )
    with desk.store.begin() as transaction:
        contradicted = transaction.contradicted(made)
        transaction.correct(made)
        transaction.audit(
            "history learned", lesson, actor=by, at=now, details={"corrections": len(made)}
        )
    return Learned(
        lesson=lesson,
        corrections=len(made),
        contradicted=tuple(contradicted),
        set_aside=tuple(problems),
    )


def undo(desk: Desk, lesson: str, *, by: str) -> int:
    """Take a lesson back; decisions made for single tickets stay. Raises NotFoundError."""
    now = desk.now()
    with desk.store.begin() as transaction:
        undone = transaction.undo_lesson(lesson, now)
        if not undone:
            raise NotFoundError(
                f"there is no lesson {lesson!r} that counts",
                hint="see `triagedesk corrections list`",
            )
        transaction.audit("lesson undone", lesson, actor=by, at=now)
    return undone


@dataclass(frozen=True, kw_only=True)
class Explained:
    """A ticket's decision, and what the local model has to say for it."""

    triaged: TriagedTicket
    #: None where there is nothing to say: no text, no label, or a label the catalog lacks.
    explanation: Explanation | None


def explain(desk: Desk, ticket_id: str) -> Explained:
    """Why a ticket was classified as it was, asked of the model as it is now.

    Raises NotFoundError for an unknown ticket and for one that is not decided yet.
    """
    with desk.store.read() as transaction:
        found = transaction.desk_tickets_called(ticket_id)
    triaged = found[0].triaged if found else None
    if triaged is None:
        what = "is not decided yet" if found else "is not known"
        raise NotFoundError(f"ticket {ticket_id!r} {what}")
    label, classifier = triaged.classification.label, desk.classifier()
    explanation = (
        classifier.explain(triaged.ticket, load_catalog(desk), label)
        if label and isinstance(classifier, Explains)
        else None
    )
    return Explained(triaged=triaged, explanation=explanation)


def load_catalog(desk: Desk) -> ServiceCatalog:
    """The catalog as a run would load it."""
    return pipeline.load_catalog(desk, RunSummary(run_id="", started_at=desk.now()))


def _not_in_catalog(catalog: ServiceCatalog, label: Label) -> InputError:
    categories = sorted({entry.label.request_category for entry in catalog.entries})
    types: Sequence[str] = [
        entry.label.request_type for entry in catalog.candidates(label.request_category, "")
    ]
    known = f"types there: {', '.join(types)}" if types else f"categories: {', '.join(categories)}"
    return InputError(f"{label} is not in the Service Catalog", hint=known)


def _unusable(ticket: Ticket) -> Problem:
    label = Label(ticket.request_category, ticket.request_type)
    what = f"{label} is not in the Service Catalog" if ticket.text else "it has no text"
    return Problem(where=f"ticket {ticket.id}", what=what)
