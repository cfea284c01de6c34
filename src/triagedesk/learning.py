"""What people answer, kept and learned from: one correction, a history, and taking either back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from triagedesk import catalogs, pipeline
from triagedesk.catalog import Label, ServiceCatalog
from triagedesk.classify.cascade import Explains
from triagedesk.classify.corrections import text_key
from triagedesk.classify.occlusion import Explanation
from triagedesk.desk import Desk, RunSummary
from triagedesk.errors import InputError, NotFoundError, Problem
from triagedesk.store.corrections import StoredCorrection
from triagedesk.studying import Example, Study, Unusable
from triagedesk.tickets import BrokenTicket, Classification, DecidedBy, Ticket, TriagedTicket

#: Lines of a history written at once; of what is to be noted, so much of each kind is named.
_PART, MOST_NOTED = 500, 200

_T = TypeVar("_T")


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
    #: Of the two above, how many are not named: a history may have any number.
    more: int = 0


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


def learn(desk: Desk, history: Iterable[Ticket | BrokenTicket], *, by: str) -> Learned:
    """Learn from a desk's own closed tickets, all or none; what cannot be used is set aside."""
    catalog = load_catalog(desk)
    lesson, now = desk.new_id(), desk.now()
    noted = _Noted()

    def stored(example: Example) -> StoredCorrection:
        return StoredCorrection(
            text_key=example.text_key,
            text=example.text,
            label=example.label,
            made_at=now,
            made_by=by,
            lesson=lesson,
        )

    made = 0
    with Study(history, catalog) as study, desk.store.begin() as transaction:
        for part in _parts(study):
            examples = [item for item in part if isinstance(item, Example)]
            noted.unusable([item for item in part if isinstance(item, Unusable)])
            standing = [stored(example) for example in examples if example.stands]
            earlier = transaction.contradicted(standing)
            noted.contradicted([found for found in earlier if found.lesson != lesson])
            transaction.correct([stored(example) for example in examples])
            made += len(examples)
        transaction.audit(
            "history learned", lesson, actor=by, at=now, details={"corrections": made}
        )
    return noted.learned(lesson, made)


class _Noted:
    """What a desk lead should know of a history: the first of each kind, and how many more."""

    def __init__(self) -> None:
        self._broken: list[Problem] = []
        self._useless: list[Problem] = []
        self._contradicted: list[StoredCorrection] = []
        self._more = 0

    def unusable(self, found: Sequence[Unusable]) -> None:
        """Note tickets that teach nothing."""
        self._note(self._broken, [item.problem for item in found if item.broken])
        self._note(self._useless, [item.problem for item in found if not item.broken])

    def contradicted(self, found: Sequence[StoredCorrection]) -> None:
        """Note earlier answers that no longer stand."""
        self._note(self._contradicted, found)

    def learned(self, lesson: str, made: int) -> Learned:
        """The lesson with all that was noted."""
        return Learned(
            lesson=lesson,
            corrections=made,
            contradicted=tuple(self._contradicted),
            set_aside=(*self._broken, *self._useless),
            more=self._more,
        )

    def _note(self, noted: list[_T], found: Sequence[_T]) -> None:
        kept = found[: MOST_NOTED - len(noted)]
        noted.extend(kept)
        self._more += len(found) - len(kept)


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
    return explained(desk, triaged, load_catalog(desk))


def explained(desk: Desk, triaged: TriagedTicket, catalog: ServiceCatalog) -> Explained:
    """Why a ticket was classified as it was, by a catalog that is at hand."""
    label, classifier = triaged.classification.label, desk.classifier()
    explanation = (
        classifier.explain(triaged.ticket, catalog, label)
        if label and isinstance(classifier, Explains)
        else None
    )
    return Explained(triaged=triaged, explanation=explanation)


def load_catalog(desk: Desk) -> ServiceCatalog:
    """The catalog as a run would load it."""
    return catalogs.load_catalog(desk, RunSummary(run_id="", started_at=desk.now()))


def _not_in_catalog(catalog: ServiceCatalog, label: Label) -> InputError:
    categories = sorted({entry.label.request_category for entry in catalog.entries})
    types: Sequence[str] = [
        entry.label.request_type for entry in catalog.candidates(label.request_category, "")
    ]
    known = f"types there: {', '.join(types)}" if types else f"categories: {', '.join(categories)}"
    return InputError(f"{label} is not in the Service Catalog", hint=known)


def _parts(items: Iterable[_T]) -> Iterator[list[_T]]:
    left = iter(items)
    while part := list(islice(left, _PART)):
        yield part
