"""Runs: one way for the command line and for workers, `pipeline.run`, differing in the steps only.

The command line carries the steps out plainly; a worker has the engine record each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from triagedesk import dataset, pipeline
from triagedesk.app import RunOptions
from triagedesk.desk import Desk, RunSummary
from triagedesk.errors import StoreBusy, StoreError, TriagedeskError
from triagedesk.files import write_file
from triagedesk.steps import Cancelled, Chunk, LeftToOthers, Plainly
from triagedesk.store.jobs import Job
from triagedesk.store.lease import hold, identity
from triagedesk.workflows.following import Following


def run_desk(desk: Desk, options: RunOptions) -> RunSummary:
    """One run in this process, alone at this desk; then the decisions file, where one is wanted."""
    summary = pipeline.run(desk) if desk.dry_run else _run_alone(desk)
    if options.decisions and not summary.only_resent:
        with desk.store.read() as transaction:
            triaged = list(transaction.triaged(summary.run_id))
        write_file(options.decisions, dataset.decisions_as_jsonl(triaged))
    return summary


def _run_alone(desk: Desk) -> RunSummary:
    with hold(desk.store, "run") as held:
        job = new_run(desk, "cli")
        following = Following(desk.store, job.id, 1, shown=desk.progress)
        following.held = held
        with desk.store.begin() as transaction:
            transaction.end_other_runs(job.id, desk.now())
            transaction.add_job(job)
        followed = replace(desk, progress=following, new_id=lambda: job.id)
        try:
            summary = pipeline.run(followed, _Checked(following))
        except Cancelled:
            end_job(desk, job.id, "cancelled")
            raise _stopped(job.id, "it was cancelled") from None
        except LeftToOthers as left:
            why = "another run has taken its work up"
            raise _stopped(job.id, why) from left
        except BaseException as error:
            said = str(error) if isinstance(error, TriagedeskError) else "it was stopped"
            # The database may be why it failed; the next run says of this one that it was cut off.
            with suppress(StoreError):
                end_job(desk, job.id, "failed", error=said)
            raise
        end_job(desk, job.id, "done", summary=summary)
        return summary


class _Checked(Plainly):
    """Plainly, but between two steps the run heeds whether it was asked to stop."""

    def __init__(self, following: Following) -> None:
        self._following = following

    def do(self, name: str, summary: RunSummary, step: Callable[[RunSummary], object]) -> None:
        """Carry the step out, if the run is to go on."""
        self._following.check()
        super().do(name, summary, step)

    def share(
        self,
        name: str,
        summary: RunSummary,
        chunks: Callable[[], Sequence[Chunk]],
        step: Callable[[RunSummary, Chunk], object],
    ) -> None:
        """Carry the step out for each chunk, if the run is to go on."""
        del name
        for chunk in chunks():
            self._following.check()
            step(summary, chunk)


def new_run(desk: Desk, actor: str) -> Job:
    """A run of the desk that this process carries out."""
    return Job(
        id=desk.new_id(),
        kind="desk",
        state="running",
        step="Waiting",
        actor=actor,
        created_at=desk.now(),
        worker=identity(),
    )


def end_job(
    desk: Desk, job_id: str, state: str, *, error: str = "", summary: RunSummary | None = None
) -> None:
    """Record how a job ended."""
    with desk.store.begin() as transaction:
        transaction.set_job_state(
            job_id,
            state,
            error=error,
            summary=summary.as_json() if summary else None,
            finished_at=desk.now(),
        )


def _stopped(run_id: str, why: str) -> StoreBusy:
    return StoreBusy(f"run {run_id} was stopped: {why}", hint="what it decided stays decided")
