"""An evaluation as JSON, with every ticket's outcome, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from triagedesk.catalog import Label
from triagedesk.classify import Usage
from triagedesk.classify.evaluate import CurvePoint, Evaluation, Outcome, labels_in_use
from triagedesk.classify.evaluate.compare import Comparison
from triagedesk.classify.evaluate.figures import (
    Cost,
    Figures,
    Share,
    confusion_matrix,
    promise_kept,
)
from triagedesk.cleaning import clean_name, excerpt
from triagedesk.errors import InputError, Problem

#: Changes whenever a document is laid out differently.
FORMAT = 1
_MAX_TEXT = 2_000


def as_document(evaluation: Evaluation, figures: Figures, cost: Cost) -> dict[str, Any]:
    """An evaluation in JSON types; `from_document` reads it back."""
    return {
        "kind": "triagedesk evaluation",
        "format": FORMAT,
        "policy": evaluation.policy,
        "version": evaluation.version,
        "promised_precision": evaluation.promised,
        "catalog_version": evaluation.catalog_version,
        "labels": [list(label) for label in evaluation.labels],
        "folds": evaluation.folds,
        "seed": evaluation.seed,
        "seconds": round(evaluation.seconds, 3),
        "figures": figures_as_json(evaluation, figures),
        "cost": cost_as_json(cost),
        "learning_curve": [
            {"corrections": p.corrections, "right": p.right, "total": p.total}
            for p in evaluation.curve
        ],
        "notes": list(evaluation.notes),
        "outcomes": [_outcome_as_json(outcome) for outcome in evaluation.outcomes],
    }


def figures_as_json(evaluation: Evaluation, figures: Figures) -> dict[str, Any]:
    """Figures in JSON types, rounded to what they can mean."""
    labels = labels_in_use(evaluation.outcomes)
    return {
        "tickets": len(evaluation.outcomes),
        "accuracy": _share(figures.accuracy),
        "macro_f1": _rounded(figures.macro_f1),
        "decided_alone": _share(figures.alone),
        "decided_alone_precision": _share(figures.alone_right) if figures.alone.count else None,
        "promise": promise_kept(figures.alone_right, evaluation.promised),
        "ece": _rounded(figures.ece),
        "reliability": [
            {
                "count": b.count,
                "confidence": _rounded(b.confidence),
                "accuracy": _rounded(b.accuracy),
            }
            for b in figures.bins
        ],
        "coverage_precision": [
            {
                "threshold": _rounded(p.threshold),
                "coverage": _rounded(p.coverage),
                "precision": _rounded(p.precision),
            }
            for p in figures.coverage
        ],
        "coverage_in_hindsight": [
            {"precision": target, "coverage": _rounded(coverage)}
            for target, coverage in figures.hindsight
        ],
        "tickets_per_second": figures.throughput and round(figures.throughput, 1),
        "classes": [
            {
                "request_category": c.label.request_category,
                "request_type": c.label.request_type,
                "support": c.support,
                "answered": c.answered,
                "precision": _rounded(c.precision),
                "recall": _rounded(c.recall),
                "f1": _rounded(c.f1),
            }
            for c in figures.classes
        ],
        "confused": [
            {"truth": list(c.truth), "answer": c.answer and list(c.answer), "count": c.count}
            for c in figures.confused
        ],
        # Rows: true labels; columns: answers; the last column: nothing answered.
        "confusion": {
            "labels": [list(label) for label in labels],
            "matrix": confusion_matrix(evaluation.outcomes, labels).tolist(),
        },
    }


def cost_as_json(cost: Cost) -> dict[str, Any]:
    """What language-model calls cost, in JSON types."""
    only = cost.llm_only_tokens_per_1000
    return {
        "calls": cost.usage.calls,
        "tickets_asked": cost.asked,
        "input_tokens": cost.usage.input_tokens,
        "output_tokens": cost.usage.output_tokens,
        "tokens_per_1000_tickets": [round(t) for t in cost.tokens_per_1000],
        "llm_only_tokens_per_1000_tickets": only and [round(t) for t in only],
        "per_1000_tickets": cost.per_1000,
        "llm_only_per_1000_tickets": cost.llm_only_per_1000,
        "saved_share": None if cost.saved is None else _rounded(cost.saved),
    }


def comparison_as_json(comparison: Comparison) -> dict[str, Any]:
    """A comparison in JSON types; the difference is second less first."""
    return {
        "first": comparison.first.policy,
        "second": comparison.second.policy,
        "left_out": comparison.left_out,
        "paired": [
            {
                "what": p.what,
                "tickets": p.total,
                "first": _rounded(p.first),
                "second": _rounded(p.second),
                "difference": _rounded(p.difference),
                "interval_95": [_rounded(p.low), _rounded(p.high)],
                "only_first": p.only_first,
                "only_second": p.only_second,
                "mcnemar_p": p.p_value,
            }
            for p in comparison.paired
        ],
        "changed": [
            {
                "id": c.ticket_id,
                "truth": list(c.truth),
                "first": c.first and list(c.first),
                "second": c.second and list(c.second),
            }
            for c in comparison.changed
        ],
    }


def _outcome_as_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "id": outcome.ticket_id,
        "where": outcome.where,
        "subject": outcome.subject,
        "truth": list(outcome.truth),
        "answer": outcome.answer and list(outcome.answer),
        "right": outcome.right,
        "confidence": outcome.confidence,
        "decided_alone": outcome.alone,
        "decided_by": outcome.decided_by,
        "fold": outcome.fold,
    }


def _share(share: Share) -> dict[str, Any]:
    return {
        "value": _rounded(share.value),
        "count": share.count,
        "total": share.total,
        "interval_95": [_rounded(share.low), _rounded(share.high)],
    }


def _rounded(value: float) -> float:
    return round(value, 6)


class _Edge(BaseModel):
    """A document's part; what is not known here is ignored."""

    model_config = ConfigDict(extra="ignore", strict=True)


class _Outcome(_Edge):
    id: str = Field(max_length=_MAX_TEXT)
    where: str = Field(default="", max_length=_MAX_TEXT)
    subject: str = Field(default="", max_length=_MAX_TEXT)
    truth: list[str] = Field(min_length=2, max_length=2)
    answer: list[str] | None = Field(min_length=2, max_length=2)
    confidence: float = Field(ge=0, le=1)
    decided_alone: bool
    decided_by: str = Field(default="", max_length=_MAX_TEXT)
    fold: int = 0


class _Point(_Edge):
    corrections: int = Field(ge=0)
    right: int = Field(ge=0)
    total: int = Field(ge=1)


class _Cost(_Edge):
    calls: int = Field(ge=0)
    tickets_asked: int = Field(ge=0)
    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)


class _Document(_Edge):
    format: int
    policy: str = Field(max_length=_MAX_TEXT)
    version: str = Field(default="", max_length=_MAX_TEXT)
    promised_precision: float = Field(gt=0, le=1)
    catalog_version: str = Field(default="", max_length=_MAX_TEXT)
    labels: list[list[str]] = []
    folds: int = Field(default=0, ge=0)
    seed: int = 0
    seconds: float = Field(default=0.0, ge=0)
    cost: _Cost
    learning_curve: list[_Point] = []
    notes: list[str] = []
    outcomes: list[_Outcome] = Field(min_length=1)


def from_document(document: object, *, origin: str) -> Evaluation:
    """The evaluation `triagedesk evaluate --json` wrote. Raises InputError naming the field."""
    if isinstance(document, Mapping) and document.get("kind") != "triagedesk evaluation":
        hint = "make one with: triagedesk evaluate FILE --json > earlier.json"
        raise InputError(f"{origin} holds no evaluation of one policy", hint=hint)
    try:
        read = _Document.model_validate(document)
    except ValidationError as error:
        problems = [
            Problem(where=".".join(map(str, part["loc"])) or "document", what=part["msg"])
            for part in error.errors(include_url=False, include_input=False)[:10]
        ]
        raise InputError(f"{origin} is no evaluation:", problems=problems) from error
    if read.format != FORMAT:
        raise InputError(f"{origin} is an evaluation of format {read.format}, not {FORMAT}")
    return Evaluation(
        policy=excerpt(f"{read.policy} ({origin})"),
        version=clean_name(read.version),
        promised=read.promised_precision,
        outcomes=tuple(_outcome(outcome) for outcome in read.outcomes),
        labels=tuple(_label(label) for label in read.labels),
        catalog_version=clean_name(read.catalog_version),
        folds=read.folds,
        seed=read.seed,
        seconds=read.seconds,
        usage=Usage(
            calls=read.cost.calls,
            input_tokens=read.cost.input_tokens,
            output_tokens=read.cost.output_tokens,
        ),
        asked=read.cost.tickets_asked,
        curve=tuple(
            CurvePoint(corrections=p.corrections, right=p.right, total=p.total)
            for p in read.learning_curve
        ),
        notes=tuple(clean_name(note) for note in read.notes),
    )


def _outcome(read: _Outcome) -> Outcome:
    return Outcome(
        ticket_id=clean_name(read.id),
        where=clean_name(read.where),
        subject=clean_name(read.subject),
        truth=_label(read.truth),
        answer=_label(read.answer) if read.answer else None,
        confidence=read.confidence,
        alone=read.decided_alone,
        decided_by=clean_name(read.decided_by),
        fold=read.fold,
    )


def _label(names: list[str]) -> Label:
    category, kind = (clean_name(name) for name in (*names, "", "")[:2])
    return Label(category, kind)
