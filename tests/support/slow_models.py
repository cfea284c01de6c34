"""Light models that wait where a test wants them to; and, where `NEXT` is set, a next version.

GATE=2: two chunks pass, with 0 none, others wait until there is a file `go-on`; SLOW=0.5: seconds
for each.
NEXT=patch: the same engine version, with a step more behind `Steps.changed`.
NEXT=break: an engine version that cannot read what the present one keeps.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from support.light_models import LightClassifier, lighten
from triagedesk.catalog import ServiceCatalog
from triagedesk.classify import StageResult
from triagedesk.cli import main
from triagedesk.desk import RunSummary
from triagedesk.tickets import Ticket
from triagedesk.workflows import workers
from triagedesk.workflows.durable import Durable

_QUICK = LightClassifier.classify
_passed: list[int] = []


def _wait_at_the_gate(opened: Path, most: int) -> None:
    """Pass with the first chunks since the gate was closed; with others, once it is open."""
    if opened.exists():
        _passed.clear()
    else:
        _passed.append(1)
        while len(_passed) > most and not opened.exists():
            time.sleep(0.02)


def _slow(self: LightClassifier, tickets: Sequence[Ticket], catalog: ServiceCatalog) -> StageResult:
    if len(tickets) > 1:
        time.sleep(float(os.environ.get("SLOW", "0")))
        if gate := os.environ.get("GATE"):
            _wait_at_the_gate(Path("go-on"), int(gate))
    return _QUICK(self, tickets, catalog)


def _with_a_step_more(
    do: Callable[..., None],
) -> Callable[[Durable, str, RunSummary, Callable[[RunSummary], object]], None]:
    def next_do(
        self: Durable, name: str, summary: RunSummary, step: Callable[[RunSummary], object]
    ) -> None:
        if name == "catalog" and self.changed("a-step-more"):
            do(self, "a step more", summary, lambda _mine: _note(summary.run_id))
        do(self, name, summary, step)

    return next_do


def _note(run_id: str) -> None:
    with Path("steps-more").open("a", encoding="utf-8") as file:
        file.write(f"{run_id}\n")


def make_next(set_attribute: Callable[[Any, str, Any], None], how: str) -> None:
    """Put the next version in place."""
    if how == "patch":
        set_attribute(Durable, "do", _with_a_step_more(Durable.do))
    elif how == "break":
        set_attribute(workers, "ENGINE_VERSION", "2")


if __name__ == "__main__":
    lighten(setattr, dict.__setitem__, lambda seconds: time.sleep(min(seconds, 0.02)))
    LightClassifier.classify = _slow  # type: ignore[method-assign] # what this module is for
    make_next(setattr, os.environ.get("NEXT", ""))
    main()
