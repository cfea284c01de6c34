"""Tickets that came by webhook, worked off in batches in the order they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog
from pydantic import TypeAdapter

from triagedesk.desk import Desk, RunSummary, Silence
from triagedesk.errors import TriagedeskError
from triagedesk.intake import Batch, take_in
from triagedesk.pipeline import CHUNK
from triagedesk.store.inbox import InboxTicket
from triagedesk.store.jobs import Job
from triagedesk.tickets import Ticket
from triagedesk.workflows.memory import Memory

_JSON = TypeAdapter(Ticket)

log = structlog.get_logger()


def work_off_inbox(desk: Desk, memory: Memory, job: Job, number: int) -> dict[str, Any]:
    """Take in what has waited longest; a ticket that cannot be is set aside with the reason.

    Each batch is a run of its own: who got no agent in one is not tried again by all after it.
    """
    with desk.store.read() as transaction:
        waiting = transaction.inbox(CHUNK)
    desk.progress.start("Taking tickets in", len(waiting))
    if not waiting:
        return {"taken": 0, "worked": 0, "failed": 0}
    # Followers of the steps inside are of no use for batches this small.
    desk = replace(desk, progress=Silence())
    summary = RunSummary(run_id=f"{job.id}.{job.attempt}.{number}", started_at=job.created_at)
    failed = _take_in(desk, memory, summary, waiting)
    with desk.store.begin() as transaction:
        transaction.worked_off([t.key for t in waiting if t.key not in failed], desk.now())
        for key, reason in failed.items():
            transaction.worked_off([key], desk.now(), reason)
    return {
        "taken": len(waiting),
        "worked": len(waiting) - len(failed),
        "failed": len(failed),
    }


def _take_in(
    desk: Desk, memory: Memory, summary: RunSummary, waiting: Sequence[InboxTicket]
) -> dict[int, str]:
    """Reasons by key of those that could not be taken in."""
    catalog = memory.catalog()
    try:
        take_in(desk, _batch(waiting), catalog, summary)
    except TriagedeskError:
        # The desk's trouble, not that of a ticket: all wait for it to be mended.
        raise
    except Exception as error:
        if len(waiting) > 1:
            # One of them is at fault: the others must not wait for it.
            middle = len(waiting) // 2
            halves = (waiting[:middle], waiting[middle:])
            return {
                k: v for half in halves for k, v in _take_in(desk, memory, summary, half).items()
            }
        log.exception("a ticket cannot be taken in", ticket=waiting[0].payload.get("id"))
        return {waiting[0].key: f"{type(error).__name__}: {error}"[:500]}
    return {}


def _batch(waiting: Sequence[InboxTicket]) -> Batch:
    """One batch; of a ticket that came more than once, as it came last."""
    latest = {str(item.payload["id"]): item for item in waiting}
    tickets = tuple(_JSON.validate_python(item.payload) for item in latest.values())
    unstated = frozenset(id_ for id_, item in latest.items() if item.without_status)
    return Batch(tickets=tickets, without_status=unstated)
