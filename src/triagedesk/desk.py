"""A `Desk`: everything a run works with; and the `RunSummary` it leaves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import TypeAdapter

from triagedesk.agents import Agent, SkillNeed
from triagedesk.assign import AssignPolicy
from triagedesk.assign.index import CommitmentPolicy
from triagedesk.board import LiveBoard
from triagedesk.classify import Classifier, Usage
from triagedesk.outbox import Channel
from triagedesk.priority import PriorityPolicy
from triagedesk.report import Figures
from triagedesk.sla import SlaPolicy
from triagedesk.sources import CatalogSource, Source
from triagedesk.store import Store, Transaction
from triagedesk.tickets import BrokenTicket, TriagedTicket


class Progress(Protocol):
    """Shows how far a run is."""

    def start(self, what: str, total: int | None) -> None:
        """Begin a step of `total` tickets, or of unknown length; it ends the one before."""

    def advance(self, count: int) -> None:
        """`count` more tickets are through the step."""


class Silence:
    """Progress that nobody watches."""

    def start(self, what: str, total: int | None) -> None:
        """Say nothing."""

    def advance(self, count: int) -> None:
        """Say nothing."""


@runtime_checkable
class RecordedProgress(Protocol):
    """Progress that is kept in the store, and so may be with what it is the progress of."""

    def advance_with(self, transaction: Transaction, count: int) -> None:
        """`count` more tickets are through the step once the transaction commits."""


class Counted:
    """Turns "so many are done" of a part of a step into progress, never backwards."""

    def __init__(self, progress: Progress, most: int) -> None:
        self._progress, self._most, self._shown = progress, most, 0

    def up_to(self, done: int, _total: int = 0) -> None:
        """`done` of the part's tickets are through."""
        step = min(done, self._most) - self._shown
        if step > 0:
            self._shown += step
            self._progress.advance(step)

    def finish(self, transaction: Transaction) -> None:
        """All of the part is through once the transaction commits: one flush, not two."""
        if isinstance(self._progress, RecordedProgress) and self._shown < self._most:
            self._progress.advance_with(transaction, self._most - self._shown)
            self._shown = self._most


class SkillReader(Protocol):
    """Reads the skills a ticket needs from the meaning of its text."""

    def needs(
        self, texts: Sequence[str], skill_names: Sequence[str]
    ) -> Sequence[tuple[SkillNeed, ...]]:
        """For each text the skills it needs, out of `skill_names`, primary ones first."""


@runtime_checkable
class WritableSource(Protocol):
    """A helpdesk that takes decisions back."""

    def write_back(self, decided: Sequence[TriagedTicket]) -> Mapping[int, str]:
        """Write decisions to the helpdesk, idempotently; returns the error by ticket key."""


@dataclass(frozen=True, kw_only=True)
class Letterhead:
    """What the report's mail says besides the figures."""

    title: str
    #: Appended to the subject as `<title> - <name>`.
    candidate_name: str = ""
    codebase_url: str = ""
    #: IANA zone of the dates in the report.
    time_zone: str = "UTC"
    #: Right-hand side of Message-IDs.
    domain: str = "triagedesk.invalid"


@dataclass(frozen=True, kw_only=True)
class OnlineRules:
    """How tickets get from the agent they suit best to somebody who works on them."""

    #: True: who is chosen has the ticket for good; False: until somebody pulls it.
    commits_early: bool = False
    #: Whom a ticket leans to: nobody, who knows its requester, or also who had a linked ticket.
    affinity: Literal["off", "requester", "linked"] = "off"
    #: What the next ticket of an agent is chosen by, and which priorities interrupt.
    commitment: CommitmentPolicy = field(default_factory=CommitmentPolicy)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Everything a run works with, put together by `app`."""

    store: Store
    source: Source
    catalog_source: CatalogSource
    #: Reads the agents file; None: the agents in the store are the roster.
    read_roster: Callable[[], Sequence[Agent]] | None
    #: Made at first use: models take long to load, and a run that only resends needs none.
    classifier: Callable[[], Classifier]
    skill_reader: Callable[[], SkillReader]
    sla_policy: SlaPolicy
    priority_policy: PriorityPolicy
    assign_policy: AssignPolicy
    #: None: reports are built and kept, not sent.
    channel: Channel | None
    letterhead: Letterhead
    #: Where a report of this id is written.
    report_path: Callable[[str], Path]
    #: Writes a file whole or not at all; raises OutputError.
    write_file: Callable[[Path, bytes], None]
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    sleep: Callable[[float], None]
    online: OnlineRules = field(default_factory=OnlineRules)
    #: Kept from one ticket to the next.
    board: LiveBoard = field(default_factory=LiveBoard)
    #: Seconds the assignment may take before the greedy answer is taken.
    assign_time_limit: float = 60.0
    #: Decide, show, and leave no report.
    dry_run: bool = False
    progress: Progress = field(default_factory=Silence)
    #: Called between two chunks of a long batch; raises where it is to stop there.
    check: Callable[[], None] = lambda: None
    #: Wraps what must not be cut off between doing and recording.
    shield: Callable[[], AbstractContextManager[None]] = nullcontext

    @property
    def policy_version(self) -> str:
        """A hash of every rule that decisions follow besides the catalog and the classifier."""
        rules = f"{self.priority_policy.version} {self.sla_policy.version}"
        return hashlib.sha256(rules.encode()).hexdigest()


@dataclass(kw_only=True)
class SentReport:
    """What became of a report in this run."""

    id: str
    #: `sent`, `unsent`, `parked` or `kept`.
    state: str
    path: Path
    recipients: tuple[str, ...]
    #: The way it went: `smtp` or `maildir`, "" when it was not to go out.
    channel: str = ""
    #: Mail server or folder.
    destination: str = ""
    #: Recipient -> the server's words, where a copy did not go out.
    errors: dict[str, str] = field(default_factory=dict)
    #: Why the workbook does not lie at `path`, where it does not.
    file_error: str = ""


@dataclass(kw_only=True)
class RunSummary:
    """What a run did; counts are tickets."""

    run_id: str
    started_at: datetime
    #: True when unsent reports were all this run dealt with.
    only_resent: bool = False
    fetched: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    broken: tuple[BrokenTicket, ...] = ()
    #: Of the catalog the run decides by.
    catalog_version: str = ""
    #: Decided in this run; the rest of the report stood already.
    decided: int = 0
    usage: Usage = field(default_factory=Usage)
    #: Everything in the report.
    figures: Figures = field(default_factory=Figures)
    assigned_now: int = 0
    assign_method: str = ""
    #: Relative distance of the assignment to the proven bound.
    assign_gap: float = 0.0
    skill_gaps: tuple[str, ...] = ()
    #: What time has done to SLAs since the run before: targets at risk and breached.
    sla_events: int = 0
    #: Events that something was done about.
    escalated: int = 0
    #: Notices sent.
    notified: int = 0
    written_back: int = 0
    reports: list[SentReport] = field(default_factory=list)
    #: What the desk lead should know besides.
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The summary in JSON types, as `triagedesk run --json` prints it."""
        document: dict[str, Any] = summary_json().dump_python(self, mode="json")
        return document


@cache
def summary_json() -> TypeAdapter[RunSummary]:
    """How a summary becomes JSON and back; made once, for making it takes milliseconds."""
    return TypeAdapter(RunSummary)
