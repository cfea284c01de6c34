"""The steps of a run as the engine carries them out: each recorded, chunks shared by hosts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from triagedesk.desk import Desk, RunSummary
from triagedesk.errors import TriagedeskError
from triagedesk.steps import Cancelled, Chunk
from triagedesk.workflows.engine import Engine, job_name
from triagedesk.workflows.following import Following
from triagedesk.workflows.summaries import add, additions

#: Shares a run is split into at most: many enough to be even, few enough to be quick to ask for.
MOST_SHARES = 32
_LOOK = 0.2


class Durable:
    """Carries out a run's steps so that a process that dies loses the one in hand, no other."""

    def __init__(
        self,
        engine: Engine,
        following: Following,
        summary: RunSummary,
        hosts: Callable[[], int],
    ) -> None:
        self._engine, self._following = engine, following
        self._summary, self._hosts = summary, hosts

    @property
    def found(self) -> dict[str, Any]:
        """All that the steps have left in the summary, in JSON types."""
        return additions(self._summary)

    def begin(self, desk: Desk) -> RunSummary:
        """The summary the run goes on with."""
        del desk
        return self._summary

    def changed(self, change: str) -> bool:
        """Not where the engine knows of a step that was done in the old way."""
        return self._engine.changed(change)

    def do(self, name: str, summary: RunSummary, step: Callable[[RunSummary], object]) -> None:
        """Carry the step out, unless it is recorded; a database that is away is waited for."""

        def once() -> dict[str, Any]:
            self._following.check()
            mine = RunSummary(run_id=summary.run_id, started_at=summary.started_at)
            step(mine)
            return additions(mine)

        add(summary, self._recorded(name, once))

    def share(
        self,
        name: str,
        summary: RunSummary,
        chunks: Callable[[], Sequence[Chunk]],
        step: Callable[[RunSummary, Chunk], object],
    ) -> None:
        """Carry the step out here, or with the other hosts where there are any."""
        plan = self._recorded(
            f"{name}: chunks",
            lambda: {"chunks": [list(c) for c in chunks()], "hosts": self._hosts()},
        )
        found = [(c[0], c[1], c[2]) for c in plan["chunks"]]
        if plan["hosts"] > 1 and len(found) > 1:
            self._together(name, summary, found)
        else:
            self.one_by_one(name, summary, found, step)

    def one_by_one(
        self,
        name: str,
        summary: RunSummary,
        chunks: Sequence[Chunk],
        step: Callable[[RunSummary, Chunk], object],
    ) -> None:
        """Carry the step out in this process, one recorded step for each chunk."""
        for number, chunk in enumerate(chunks, 1):
            self.do(f"{name} {number}", summary, lambda mine, chunk=chunk: step(mine, chunk))  # type: ignore[misc] # the loop's own value

    def _together(self, name: str, summary: RunSummary, chunks: Sequence[Chunk]) -> None:
        """Queue the chunks for all hosts, and wait for them."""
        following = self._following
        run = job_name(following.job_id, following.attempt)
        size = -(-len(chunks) // MOST_SHARES)
        shares = [chunks[start : start + size] for start in range(0, len(chunks), size)]
        names = [f"{run}:{name} {number}" for number in range(1, len(shares) + 1)]
        for share_name, share in zip(names, shares, strict=True):
            self._engine.enqueue_chunks(
                share_name, following.job_id, following.attempt, summary.catalog_version, share
            )
        self._recorded(f"{name}: shared", lambda: self._wait(names))
        for found in self._recorded(f"{name}: found", lambda: self._gather(names))["found"]:
            add(summary, found)

    def _wait(self, names: Sequence[str]) -> dict[str, Any]:
        while True:
            self._following.patiently(self._following.check)
            known = self._engine.jobs(names)
            if sum(job.state in ("done", "given up") for job in known) == len(names):
                return {"shares": len(names)}
            self._following.stopping.wait(_LOOK)

    def _gather(self, names: Sequence[str]) -> dict[str, Any]:
        """What the shares left, in their order; raises where one failed."""
        results = {job.id: job.result or {} for job in self._engine.jobs(names, results=True)}
        self._following.check()
        for name in names:
            if "summary" not in results[name]:
                why = results[name].get("failed", "a share of the run was given up")
                raise TriagedeskError(why)
        return {"found": [results[name]["summary"] for name in names]}

    def _recorded(self, name: str, do: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return recorded(self._engine, self._following, name, do)


def recorded(
    engine: Engine, following: Following, name: str, do: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """A step whose answer is recorded; that it failed is recorded too, and raised again."""
    errors: list[Exception] = []

    def tried() -> dict[str, Any]:
        try:
            return following.patiently(do)
        except (TriagedeskError, Cancelled) as error:
            errors.append(error)
            return {"failed": str(error)}

    found = engine.step(name, tried)
    if errors:
        raise errors[0]
    if set(found) == {"failed"}:
        # It failed in a process that died before it could say so to anybody.
        raise TriagedeskError(found["failed"])
    return found
