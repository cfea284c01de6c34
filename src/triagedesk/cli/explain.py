"""`triagedesk explain`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triagedesk.cli import options

if TYPE_CHECKING:
    from triagedesk.learning import Explained


def explain(
    ticket: Annotated[str, typer.Argument(metavar="TICKET", help="The ticket's id.")],
    *,
    as_json: options.AsJson = False,
) -> None:
    """Why a ticket is what it is: the phrases that decided, corrections like it, other labels."""
    from triagedesk.commands import explain_ticket

    found = as_document(explain_ticket(options.settings(), ticket))
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    typer.echo(
        f"{ticket} is {found['label'] or 'nothing in the catalog'}, by {found['decided_by']}"
    )
    for note in found["notes"]:
        typer.echo(f"  {note}")
    for title, lines in (
        ("What decided", [f"{item['phrase']!r} ({item['loss']:.1f})" for item in found["phrases"]]),
        ("Quoted when it was decided", [repr(phrase) for phrase in found["evidence"]]),
        (
            "Corrections like it",
            [
                f"{item['likeness']:.2f} {item['label']}: {item['text']!r}"
                + (f" (ticket {item['ticket']})" if item["ticket"] else "")
                for item in found["nearest"]
            ],
        ),
        (
            "It could also be",
            [f"{item['probability']:.1%} {item['label']}" for item in found["alternatives"]],
        ),
    ):
        if lines:
            typer.echo(f"{title}:")
            for line in lines:
                typer.echo(f"  {line}")


def as_document(explained: Explained) -> dict[str, Any]:
    """An explanation in JSON types."""
    answer, said = explained.triaged.classification, explained.explanation
    return {
        "label": str(answer.label) if answer.label else "",
        "confidence": answer.confidence,
        "decided_by": answer.decided_by.value,
        "model_version": answer.model_version,
        "notes": list(answer.notes),
        "evidence": list(answer.evidence),
        "probability": said.probability if said else None,
        "phrases": [{"phrase": p.phrase, "loss": p.loss} for p in said.phrases] if said else [],
        "nearest": [
            {
                "likeness": near.likeness,
                "label": str(near.correction.label),
                "text": near.correction.text.splitlines()[0][:80],
                "ticket": near.correction.ticket_id,
                "by": near.correction.made_by,
            }
            for near in (said.nearest if said else ())
        ],
        "alternatives": [
            {"label": str(other.label), "probability": other.probability}
            for other in (said.alternatives if said else answer.alternatives)
        ],
    }
