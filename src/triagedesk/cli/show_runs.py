"""Runs on the terminal, and in JSON for scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from triagedesk.store.jobs import Job

_SHOWN = ("fetched", "decided", "assigned_now", "tickets", "assigned", "failed", "notes")


def runs_as_json(found: Sequence[Job]) -> list[dict[str, Any]]:
    """Runs in JSON types."""
    return [
        {
            "id": job.id,
            "kind": job.kind,
            "state": job.state,
            "step": job.step,
            "done": job.done,
            "total": job.total,
            "cancel_asked": job.cancel_asked,
            "actor": job.actor,
            "attempt": job.attempt,
            "worker": job.worker,
            "created_at": job.created_at.isoformat(),
            "finished_at": job.finished_at.isoformat() if job.finished_at else None,
            "summary": dict(job.summary) if job.summary is not None else None,
            "error": job.error,
        }
        for job in found
    ]


def show_runs(found: Sequence[Job]) -> None:
    """A table of runs, newest first."""
    if not found:
        Console().print("There has been no run yet: `triagedesk run` makes the first one.")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("Run", "Kind", "State", "Tickets", "Step", "By"):
        table.add_column(name, overflow="fold")
    for job in found:
        table.add_row(job.id, job.kind, job.state, _tickets(job), job.error or job.step, job.actor)
    Console().print(table)


def show_run(job: Job) -> None:
    """One run."""
    table = Table(box=None, show_header=False, pad_edge=False)
    lines: Mapping[str, object] = {
        "Run": job.id,
        "Kind": job.kind,
        "State": job.state + (" (asked to stop)" if job.cancel_asked else ""),
        "Step": job.step,
        "Tickets": _tickets(job),
        "Begun by": job.actor,
        "Carried out by": job.worker,
        "Attempt": job.attempt,
        "Begun": f"{job.created_at:%Y-%m-%d %H:%M:%S} UTC",
        "Ended": f"{job.finished_at:%Y-%m-%d %H:%M:%S} UTC" if job.finished_at else "",
        "Why": job.error,
    }
    summary = job.summary or {}
    done = {
        name.replace("_", " ").capitalize(): summary[name] for name in _SHOWN if name in summary
    }
    for name, value in {**lines, **done}.items():
        if value not in ("", None, []):
            table.add_row(f"[bold]{name}[/bold]", str(value))
    Console().print(table)


def _tickets(job: Job) -> str:
    if job.state not in ("queued", "running"):
        summary = job.summary or {}
        return str(summary.get("decided", summary.get("tickets", "")))
    return f"{job.done}/{job.total}" if job.total is not None else ""
