"""What a desk does by itself between runs: watch clocks, mail again, rebalance, clean up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from triagedesk import desk_work, pipeline, watch
from triagedesk.desk import Desk, RunSummary, SentReport
from triagedesk.errors import StoreBusy
from triagedesk.notices import deliver_notices
from triagedesk.reporting import deliver
from triagedesk.store.jobs import Job
from triagedesk.store.lease import hold
from triagedesk.workflows.engine import Engine
from triagedesk.workflows.memory import Memory

#: How long what was worked off is remembered, so that it is known when it is sent again; and what
#: jobs that failed were asked for.
KEEP_INBOX = timedelta(days=7)
#: How long jobs nobody asks for, and what the engine knows of any, are kept.
KEEP_JOBS = timedelta(days=2)


def have_mailed(desk: Desk, reports: Sequence[SentReport]) -> None:
    """Have reports that did not go out at once mailed later, each as a job of its own."""
    for report in reports:
        if report.state != "unsent":
            continue
        job = Job(
            id=f"mail-{report.id}",
            kind="mail",
            state="queued",
            step="Waiting",
            options={"report": report.id},
            created_at=desk.now(),
        )
        with desk.store.begin() as transaction:
            known = transaction.job(job.id)
            if known is None:
                transaction.add_job(job)
            elif known.state not in ("queued", "running"):
                transaction.begin_job_anew(job.id)


def mail(desk: Desk, report_id: str) -> str:
    """Send a report to those who have not got it; its state then."""
    with desk.store.read() as transaction:
        waiting = [report for report in transaction.unsent() if report.id == report_id]
    # Sent by somebody else, or given up meanwhile.
    return deliver(desk, waiting[0]).state if waiting else "sent"


def watch_clocks(desk: Desk, memory: Memory, job: Job) -> dict[str, Any]:
    """What a run does about SLA clocks and what waits in the queue, between two runs."""
    catalog = memory.catalog()
    summary = RunSummary(run_id=job.id, started_at=job.created_at)
    watch.follow(desk, catalog)
    summary.sla_events = watch.look(desk)
    with desk.store.begin() as transaction:
        waits = transaction.events_wait()
        if waits:
            # Tickets that change are put into a run; it must be there.
            transaction.record_intake(job.id, desk.now())
    if waits:
        watch.escalate(desk, summary, catalog)
        pipeline.assign(desk, summary, catalog)
        watch.follow(desk, catalog)
    if desk_work.take_up(desk):
        watch.follow(desk, catalog)
    with desk.store.read() as transaction:
        untold = transaction.notices("pending", "parked")
    if untold:
        try:
            with hold(desk.store, "run"):
                deliver_notices(desk, summary)
        except StoreBusy:
            # A run is under way: it sends them, or the next watch does.
            summary.notified = 0
    return {
        "sla_events": summary.sla_events,
        "escalated": summary.escalated,
        "notified": summary.notified,
    }


def rebalance(desk: Desk) -> dict[str, Any]:
    """Hand unstarted work on to agents who can begin it sooner."""
    return {"moved": len(desk_work.rebalance(desk))}


def clean_up(desk: Desk, engine: Engine, kinds: Sequence[str]) -> dict[str, Any]:
    """Forget what nobody asks for any more."""
    now = desk.now()
    with desk.store.begin() as transaction:
        jobs = transaction.forget_jobs((*kinds, "inbox"), now - KEEP_JOBS)
        tickets = transaction.forget_inbox(now - KEEP_INBOX)
        transaction.forget_requests(now - KEEP_INBOX)
    forgotten = found = engine.forget((now - KEEP_JOBS).isoformat())
    while found:
        found = engine.forget((now - KEEP_JOBS).isoformat())
        forgotten += found
    return {"jobs": jobs, "inbox": tickets, "engine": forgotten}
