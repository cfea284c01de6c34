"""How the steps of a run are carried out: plainly here; `workflows` has ways that remember them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from triagedesk.desk import Desk, RunSummary

#: Tickets decided together: those of the run from one key to another, and how many they were.
Chunk = tuple[int, int, int]


class LeftToOthers(BaseException):
    """This process stops here; the run is not over, another process carries it on.

    No Exception: nothing that deals with failures may take it for one.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        #: `stopping` (the process ends), `superseded` (another run took its work up) or `lost`
        #: (the process was silent for so long that another took the lease).
        self.why = why


class Cancelled(Exception):
    """Somebody asked the run to stop; what it has decided stays decided."""


class Steps(Protocol):
    """Carries out the steps of one run, in the order `pipeline.run` names them."""

    def begin(self, desk: Desk) -> RunSummary:
        """The summary of the run that begins, or goes on."""

    def changed(self, change: str) -> bool:
        """Whether the run goes the new way that `change` names.

        Steps that are added, taken out or moved stand behind this: a run that was begun before,
        and is carried on by a newer version, goes on in the old way. docs/durability.md has more.
        """

    def do(self, name: str, summary: RunSummary, step: Callable[[RunSummary], object]) -> None:
        """Carry out a step; what it adds to the summary it is handed is added to `summary`.

        A step may be carried out twice, when the process dies in it; never one that was recorded.
        """

    def share(
        self,
        name: str,
        summary: RunSummary,
        chunks: Callable[[], Sequence[Chunk]],
        step: Callable[[RunSummary, Chunk], object],
    ) -> None:
        """Carry out a step chunk by chunk, on several hosts where there are several.

        `chunks` is asked once; after a crash the run goes on with the same chunks.
        """


class Plainly:
    """One step after the other, in this process; what a crash leaves is in the store alone."""

    def begin(self, desk: Desk) -> RunSummary:
        """A new run."""
        return RunSummary(run_id=desk.new_id(), started_at=desk.now())

    def changed(self, change: str) -> bool:
        """There is no older run to carry on."""
        del change
        return True

    def do(self, name: str, summary: RunSummary, step: Callable[[RunSummary], object]) -> None:
        """Carry the step out."""
        del name
        step(summary)

    def share(
        self,
        name: str,
        summary: RunSummary,
        chunks: Callable[[], Sequence[Chunk]],
        step: Callable[[RunSummary, Chunk], object],
    ) -> None:
        """Carry the step out for each chunk."""
        for chunk in chunks():
            self.do(name, summary, lambda mine, chunk=chunk: step(mine, chunk))  # type: ignore[misc] # the loop's own value
