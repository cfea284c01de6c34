"""A small desk whose clock the test turns: tickets, catalog, agents and mail all in memory.

desk = SmallDesk(store=store)
desk.tickets["T-1"] = a_ticket("T-1", created_at=NOW)
desk.run()                      # a whole run at desk.now
desk.later(hours=3); desk.run()
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from sqlalchemy import Table, select

from support.light_models import LightClassifier, LightSkillReader
from triagedesk import desk_work, pipeline, watch
from triagedesk.agents import Agent
from triagedesk.assign import AssignPolicy
from triagedesk.catalog_parser import parse_catalog
from triagedesk.desk import Desk, Letterhead, RunSummary
from triagedesk.outbox import DeliveryOutcome, Mail
from triagedesk.priority import PriorityPolicy
from triagedesk.sla import SlaPolicy
from triagedesk.sources import CatalogDocument, Fetched
from triagedesk.store import Store
from triagedesk.store.sla_records import BoardLine, StoredClock
from triagedesk.tickets import Status, Ticket, TriagedTicket

#: A Monday, 09:00.
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CATALOG = """
- name: Access
  requests:
    - name: Reset password
      sla: {unit: hours, value: 4}
      response: {unit: hours, value: 1}
      skills: [Linux]
"""
BUSY = DeliveryOutcome(delivered=False, error="451 try later", try_again=True)


def a_ticket(id: str = "T-1", **fields: Any) -> Ticket:  # noqa: A002 - the record's word
    """An open ticket about a password, raised at NOW."""
    plain: dict[str, Any] = {
        "source": "memory",
        "short_description": f"Reset my password {id}",
        "created_at": NOW,
    }
    return Ticket(id=id, **{**plain, **fields})


@dataclass(kw_only=True)
class Post:
    """A channel that keeps what it is given, or answers with the next outcome in line."""

    recipients: tuple[str, ...] = ("desk@example.com",)
    sent: list[tuple[Mail, str]] = field(default_factory=list)
    outcomes: list[DeliveryOutcome] = field(default_factory=list)
    fingerprint: str = "post 1"
    name: str = "post"
    destination: str = "memory"

    def send(self, mail: Mail, recipients: tuple[str, ...]) -> dict[str, DeliveryOutcome]:
        """Keep the mail."""
        outcome = self.outcomes.pop(0) if self.outcomes else DeliveryOutcome(delivered=True)
        if outcome.delivered:
            self.sent += [(mail, recipient) for recipient in recipients]
        return dict.fromkeys(recipients, outcome)

    @property
    def notices(self) -> list[tuple[Mail, str]]:
        """What was sent without a workbook."""
        return [(mail, recipient) for mail, recipient in self.sent if mail.attachment is None]


@dataclass(kw_only=True)
class SmallDesk:
    """A desk in memory over a real store."""

    store: Store
    now: datetime = NOW
    catalog: str = CATALOG
    policy: SlaPolicy = field(default_factory=SlaPolicy)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    agents: list[Agent] = field(
        default_factory=lambda: [
            Agent(id="ann", name="Ann", skills={"Linux": 9}),
            Agent(id="bob", name="Bob", skills={"Linux": 5}),
        ]
    )
    post: Post = field(default_factory=Post)
    numbers: Any = field(default_factory=lambda: count(1))
    reports: dict[str, bytes] = field(default_factory=dict)

    name: str = "memory"
    origin: str = "memory"

    def fetch(self, cursor: str) -> Fetched:
        """Every ticket, as a helpdesk without a cursor answers."""
        return Fetched(tickets=tuple(self.tickets.values()), cursor=cursor)

    def load(self, *, etag: str = "", last_modified: str = "") -> CatalogDocument | None:
        """The catalog."""
        return CatalogDocument(text=self.catalog)

    def desk(self, **changes: Any) -> Desk:
        """The desk as the product knows it."""
        desk = Desk(
            store=self.store,
            source=self,
            catalog_source=self,
            read_roster=lambda: self.agents,
            classifier=LightClassifier,
            skill_reader=LightSkillReader,
            sla_policy=self.policy,
            priority_policy=PriorityPolicy.default(),
            assign_policy=AssignPolicy(),
            channel=self.post,
            letterhead=Letterhead(title="Desk", domain="example.com", time_zone="Europe/Berlin"),
            report_path=lambda run_id: Path(f"{run_id}.xlsx"),
            write_file=lambda path, content: self.reports.__setitem__(str(path), content),
            now=lambda: self.now,
            new_id=lambda: f"run-{next(self.numbers):03}",
            sleep=lambda _seconds: None,
        )
        return replace(desk, **changes)

    def later(self, **length: float) -> None:
        """Turn the clock on."""
        self.now += timedelta(**length)

    def run(self, **changes: Any) -> RunSummary:
        """A whole run."""
        return pipeline.run(self.desk(**changes))

    def look(self) -> None:
        """What `triagedesk sla` does before it shows anything."""
        watch.look_again(self.desk())

    def set_status(self, status: Status, id: str = "T-1", **fields: Any) -> None:  # noqa: A002 - the record's word
        """Change a ticket at the helpdesk."""
        self.tickets[id] = replace(self.tickets[id], status=status, **fields)

    def clock(self, target: str = "resolution", id: str = "T-1") -> StoredClock:  # noqa: A002 - the record's word
        """A ticket's clock as the store has it."""
        with self.store.read() as transaction:
            (found,) = transaction.tickets_called(id)
            clocks = {c.target: c for c in transaction.clocks_of([found.key])}
        return clocks[target]

    def triaged(self, id: str = "T-1") -> TriagedTicket:  # noqa: A002 - the record's word
        """A ticket with all decisions."""
        with self.store.read() as transaction:
            (found,) = transaction.tickets_called(id)
            (triaged,) = transaction.triaged_of([found.key])
        return triaged

    def holder(self, id: str = "T-1") -> str | None:  # noqa: A002 - the record's word
        """Id of the agent who has a ticket."""
        assignment = self.triaged(id).assignment
        return assignment.agent_id if assignment else None

    def events(self) -> list[tuple[str, str]]:
        """(target, kind) of every event, in the order they happened."""
        with self.store.read() as transaction:
            lines = transaction.event_lines(None)
        return [(line.event.target, line.event.kind) for line in reversed(lines)]

    def done(self) -> list[str]:
        """What was done about events, in the order they happened."""
        with self.store.read() as transaction:
            lines = transaction.event_lines(None)
        return [", ".join(line.done or ()) for line in reversed(lines)]

    def board(self, *, everything: bool = False) -> list[BoardLine]:
        """What `triagedesk sla` shows."""
        return watch.board(self.desk(), most=None, everything=everything)

    def rows(self, table: Table) -> list[Any]:
        """Every row of a table."""
        with self.store.read() as transaction:
            return list(transaction.connection.execute(select(table)))


def escalating(*rules: str) -> str:
    """The catalog with escalation rules."""
    lines = "".join(f"        - {rule}\n" for rule in rules)
    return f"{CATALOG.rstrip()}\n      escalation:\n{lines}"


def look_many_times(url: str, catalog: str, at: str, times: int) -> None:
    """In a process of its own: follow, look and escalate, again and again."""
    store = Store.open(url)
    desk = SmallDesk(store=store, now=datetime.fromisoformat(at), catalog=catalog)
    parsed = parse_catalog(catalog, origin="memory")
    with store.read() as transaction:
        run_id = transaction.newest_run() or ""
    for _ in range(times):
        summary = RunSummary(run_id=run_id, started_at=desk.now)
        watch.watch(desk.desk(), summary, parsed)
    store.close()


def pull_until_nothing_waits(url: str, agent_id: str, at: str, together: Barrier) -> None:
    """In a process of its own, when all are there: an agent pulls and accepts, again and again."""
    store = Store.open(url)
    desk = SmallDesk(store=store, now=datetime.fromisoformat(at)).desk()
    together.wait(200)
    while (pulled := desk_work.next_ticket(desk, agent_id, by=agent_id)).ticket:
        name = pulled.ticket.ticket.id
        desk_work.accept(desk, name, agent_id, by=agent_id)
        # A ticket takes a moment; and SQLite's lock knows no queue.
        time.sleep(0.02)
    store.close()
