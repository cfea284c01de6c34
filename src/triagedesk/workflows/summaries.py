"""A run's summary in JSON types, step by step: what one step adds, and adding it up."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from triagedesk.classify import Usage
from triagedesk.desk import RunSummary, summary_json

#: What names the run, and is no step's doing.
_NAMES = ("run_id", "started_at")


def additions(summary: RunSummary) -> dict[str, Any]:
    """What a step left in a summary that was empty before, in JSON types."""
    document = summary.as_json()
    empty = _empty(summary).as_json()
    return {name: value for name, value in document.items() if value != empty[name]}


def add(summary: RunSummary, found: dict[str, Any]) -> None:
    """Add what a step left: numbers and lists add up, anything else is the latest."""
    names = {"run_id": summary.run_id, "started_at": summary.started_at}
    step = summary_json().validate_python({**found, **names})
    for field in fields(RunSummary):
        if field.name not in found or field.name in _NAMES:
            continue
        before, after = getattr(summary, field.name), getattr(step, field.name)
        if isinstance(after, bool) or not isinstance(after, int | tuple | list | Usage):
            setattr(summary, field.name, after)
        else:
            setattr(summary, field.name, before + after)


def _empty(summary: RunSummary) -> RunSummary:
    return RunSummary(run_id=summary.run_id, started_at=summary.started_at)
