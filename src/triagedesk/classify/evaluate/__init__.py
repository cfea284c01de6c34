"""How good a way of classifying is, measured on tickets whose true label is known.

`running` asks, `figures` counts, `compare` pairs two ways, `document` keeps them as JSON, `page`
shows them. The truth is never part of what a classifier sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from triagedesk.catalog import Label
from triagedesk.classify import Usage
from triagedesk.tickets import Ticket


@dataclass(frozen=True, kw_only=True)
class Case:
    """A ticket whose true label is known."""

    #: Nothing filled but its text: what a classifier may see.
    ticket: Ticket
    truth: Label
    #: Where it stands in the file, e.g. `line 12`.
    where: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was answered for one case."""

    ticket_id: str
    where: str
    #: The subject, or the text's beginning, on one line.
    subject: str
    truth: Label
    #: None when nothing was answered.
    answer: Label | None
    #: 0-1.
    confidence: float
    #: True when no person would have looked at it.
    alone: bool
    #: `local`, `llm` or `correction`.
    decided_by: str
    #: From 1; 0 without cross-fitting.
    fold: int = 0

    @property
    def right(self) -> bool:
        """Whether the answer is the true label."""
        return self.answer == self.truth


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """Accuracy on held-out tickets after so many corrections."""

    corrections: int
    right: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One policy's answers to all cases, and what they cost."""

    #: As asked for, e.g. `local` or `llm-cascade,precision=0.99`.
    policy: str
    #: Model names and versions that answered.
    version: str
    #: The promised precision it ran with.
    promised: float
    #: In the file's order.
    outcomes: tuple[Outcome, ...]
    #: Every label of the catalog, in its order.
    labels: tuple[Label, ...]
    catalog_version: str
    #: 0 without cross-fitting.
    folds: int
    seed: int
    #: Spent classifying, without loading models and learning; 0: not measured.
    seconds: float
    usage: Usage = field(default_factory=Usage)
    #: Tickets handed to a language model.
    asked: int = 0
    curve: tuple[CurvePoint, ...] = ()
    #: What was missing or went wrong on the way, each once.
    notes: tuple[str, ...] = ()


def labels_in_use(outcomes: Sequence[Outcome]) -> tuple[Label, ...]:
    """Every label that is true or was answered, in name order."""
    found = {outcome.truth for outcome in outcomes}
    found |= {outcome.answer for outcome in outcomes if outcome.answer is not None}
    return tuple(sorted(found))
