"""A whole desk for tests: helpdesk, catalog server, mail server, store, and the command line.

    def test_something(desk: WholeDesk) -> None:
        desk.helpdesk.script(Reply(status=500))
        outcome = desk.run("--json")              # in this process, with light models
        assert outcome.code == 0 and outcome.json["fetched"] == 5

`desk.start` is the same as a process, for what signals and kills do; `desk.real` is
`python -m triagedesk` itself, local model and all. Every outcome is searched for secrets.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import Connection, create_engine, func, select

from support.helpdesk import HelpdeskServer, wire_ticket
from support.smtp import PASSWORD, USERNAME, SmtpServer
from triagedesk.cli import main
from triagedesk.store import Store
from triagedesk.store.tables import agents, assignments, metadata, tickets
from triagedesk.tickets import TriagedTicket

TESTS = Path(__file__).resolve().parent.parent
LEAD, DEPUTY = "lead@example.com", "deputy@example.com"
API_KEY, API_SECRET, LLM_KEY = "hd-key-7Qx", "hd-secret-9Zt", "llm-key-4Wv"
#: Nothing that a person or a log reads may hold one of these.
SECRETS = (API_KEY, API_SECRET, LLM_KEY, PASSWORD)
CATALOG = """\
service_catalog:
  catalog:
    categories:
      - name: "Access"
        requests:
          - name: "Reset password"
            sla: {unit: "hours", value: 4}
          - name: "VPN account"
            sla: {unit: "days", value: 1}
      - name: "Hardware"
        requests:
          - name: "Broken laptop"
            sla: {unit: "days", value: "2"}
          - name: "Printer jam"
            sla: {unit: "hours", value: 8}
      - name: "Other"
        requests:
          - name: "General inquiry"
            sla: {unit: "hours", value: 0}
"""
AGENTS = [
    {"agent_id": "ann", "name": "Ann", "skills": {"Password": 8, "VPN": 6}, "capacity": 500},
    {"agent_id": "bob", "name": "Bob", "skills": {"Laptop": 9, "Printer": 4}, "capacity": 500},
    {
        "agent_id": "cy",
        "name": "Cy",
        "skills": {"Printer": 7, "Inquiry": 5},
        "capacity": 500,
        "current_load": 2,
    },
]
SUBJECTS = (
    "Reset my password please",
    "VPN account for a colleague",
    "Laptop broken, screen is black",
    "Printer jam on floor 3",
    "Hello there",
)


def wire_tickets(count: int, start: int = 1) -> list[dict[str, Any]]:
    """Tickets of all kinds in turn, each with a text of its own."""
    return [
        wire_ticket(
            f"T-{number}", SUBJECTS[number % 5], long_description=f"This is case number {number}."
        )
        for number in range(start, start + count)
    ]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a call of the command line ended."""

    code: int
    out: str
    err: str

    def __post_init__(self) -> None:
        for secret in SECRETS:
            assert secret not in self.out + self.err

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)

    @property
    def text(self) -> str:
        """Everything a person sees, on one line."""
        return " ".join((self.out + " " + self.err).split())


@dataclass(kw_only=True)
class Running:
    """A command line under way."""

    process: subprocess.Popen[str]

    def signal(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def outcome(self, seconds: float = 100) -> Outcome:
        """How it ends."""
        out, err = self.process.communicate(timeout=seconds)
        return Outcome(code=self.process.returncode, out=out, err=err)

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        self.process.send_signal(signal.SIGKILL)
        assert self.outcome().code == -signal.SIGKILL


@dataclass(kw_only=True)
class WholeDesk:
    """A desk with all its servers running."""

    #: The working directory; empty at first but for the agents' file.
    folder: Path
    store_url: str
    helpdesk: HelpdeskServer
    smtp: SmtpServer
    #: Environment variables of every call; "" leaves one out.
    settings: dict[str, str] = field(default_factory=dict)
    #: Seconds that calls in this process would have paused.
    naps: list[float] = field(default_factory=list)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def run(self, *arguments: str, **settings: str) -> Outcome:
        """`triagedesk run` in this process."""
        return self.cli("run", *arguments, **settings)

    def cli(self, *arguments: str, stdin: str = "", **settings: str) -> Outcome:
        """A `triagedesk` command in this process, with light models and without pauses."""
        # Not at the top: the real command line must be importable without all of this.
        from support.light_models import lighten

        out, err = _stream(), _stream()
        with pytest.MonkeyPatch.context() as patch, _signals_kept():
            patch.chdir(self.folder)
            for name, value in self.environment(settings).items():
                patch.setenv(name, value)
            lighten(patch.setattr, patch.setitem, self.naps.append)
            patch.setattr(sys, "argv", ["triagedesk", *arguments])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = _exit_code(main)
        return Outcome(code=code, out=_written(out), err=_written(err))

    def start(self, *arguments: str, **settings: str) -> Running:
        """A `triagedesk` command as a process, with light models and short pauses."""
        return self._start("support.light_models", arguments, settings)

    def real(self, *arguments: str, stdin: str = "", **settings: str) -> Outcome:
        """`python -m triagedesk`, as a person calls it."""
        running = self._start("triagedesk", arguments, settings)
        out, err = running.process.communicate(stdin, timeout=200)
        return Outcome(code=running.process.returncode, out=out, err=err)

    def _start(self, module: str, arguments: Sequence[str], settings: Mapping[str, str]) -> Running:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        path = os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH", ""))))
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=self.folder,
            env={**kept, "PYTHONPATH": path, **self.environment(settings)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return Running(process=process)

    def stop_processes(self) -> None:
        """End what a failed test has left running."""
        for process in self.started:
            process.kill()
            process.communicate()

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """What a call gets to see."""
        servers = {
            "HELPDESK_API_URL": self.helpdesk.url,
            "SERVICE_CATALOG_URL": self.helpdesk.catalog_url,
            "EMAIL_SMTP_PORT": str(self.smtp.port),
        }
        return {k: v for k, v in {**servers, **self.settings, **settings}.items() if v}

    @property
    def asked(self) -> list[str]:
        """Paths asked of helpdesk and catalog server so far."""
        return [request.path for request in self.helpdesk.requests]

    @contextlib.contextmanager
    def store(self) -> Iterator[Store]:
        """The desk's store, open."""
        opened = Store.open(self.store_url)
        try:
            yield opened
        finally:
            opened.close()

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection to the store's database, beside the product."""
        engine = create_engine(self.store_url)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

    def triaged(self, run_id: str = "") -> list[TriagedTicket]:
        """The tickets of a run, the newest when left out, in the report's order."""
        with self.store() as store, store.read() as transaction:
            return list(transaction.triaged(run_id or transaction.newest_run() or ""))

    def report_states(self) -> list[str]:
        """State of every report, oldest first."""
        with self.store() as store, store.read() as transaction:
            return [report.state for report in transaction.report_list()]

    def contents(self) -> dict[str, list[Any]]:
        """Every row of every table."""
        with self.connection() as connection:
            return {
                table.name: sorted(map(repr, connection.execute(table.select()).all()))
                for table in metadata.sorted_tables
            }

    def check_books(self, *, tickets_expected: int) -> None:
        """Every ticket decided once and with one agent, and loads that equal the open work."""
        in_force = assignments.c.released_at.is_(None)
        with self.connection() as connection:
            every = connection.execute(select(tickets.c.id, tickets.c.decision_id)).all()
            held = connection.execute(
                select(assignments.c.ticket_id, assignments.c.agent_id).where(in_force)
            ).all()
            seeds = {
                row.id: row.seed_load
                for row in connection.execute(select(agents.c.id, agents.c.seed_load))
            }
            distinct = connection.scalar(select(func.count(func.distinct(tickets.c.external_id))))
        assert len(every) == distinct == tickets_expected
        assert all(row.decision_id is not None for row in every)
        assert sorted(row.ticket_id for row in held) == sorted(row.id for row in every)
        assert all(row.agent_id for row in held)
        with self.store() as store, store.read() as transaction:
            loads = {agent.id: agent.load for agent in transaction.roster()}
        for agent, load in loads.items():
            assert load == seeds[agent] + sum(row.agent_id == agent for row in held)

    def write_agents(self, *roster: Mapping[str, Any]) -> None:
        """Make these the agents' file."""
        (self.folder / "agents.json").write_text(json.dumps(list(roster)))


def wait_until(happened: Callable[[], object], seconds: float = 90) -> None:
    """Wait for something a server sees."""
    give_up = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < give_up, "it did not happen in time"
        time.sleep(0.01)


def sheet(path: Path, name: str = "Tickets") -> list[dict[str, Any]]:
    """Rows of a sheet by column."""
    workbook = openpyxl.load_workbook(path)
    header, *rows = workbook[name].iter_rows(values_only=True)
    workbook.close()
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]


def report_path(outcome: Outcome, folder: Path) -> Path:
    """Where the report lies that a run spoke of."""
    found = re.search(r"Report: (.*\.xlsx)", outcome.out)
    assert found, outcome.text
    return folder / found[1]


@pytest.fixture
def desk(store_url: str, tmp_path: Path) -> Iterator[WholeDesk]:
    """A desk on either database; five tickets wait at its helpdesk."""
    with open_desk(tmp_path, store_url) as opened:
        yield opened


@pytest.fixture
def sqlite_desk(tmp_path: Path) -> Iterator[WholeDesk]:
    """The same on SQLite only, for what the database makes no difference to."""
    with open_desk(tmp_path, f"sqlite:///{tmp_path / 'desk.db'}") as opened:
        yield opened


@contextlib.contextmanager
def open_desk(tmp_path: Path, store_url: str) -> Iterator[WholeDesk]:
    """A desk with its servers running."""
    helpdesk = HelpdeskServer(
        tickets=wire_tickets(5), catalog=CATALOG, api_key=API_KEY, api_secret=API_SECRET
    )
    smtp = SmtpServer(folder=tmp_path / "mail", starttls=True)
    folder = tmp_path / "empty"
    folder.mkdir()
    opened = WholeDesk(folder=folder, store_url=store_url, helpdesk=helpdesk, smtp=smtp)
    opened.write_agents(*AGENTS)
    opened.settings |= {
        "HELPDESK_API_KEY": API_KEY,
        "HELPDESK_API_SECRET": API_SECRET,
        "AGENTS_FILE": "agents.json",
        "DATABASE_URL": store_url,
        "EMAIL_SMTP_HOST": "localhost",
        "EMAIL_USERNAME": USERNAME,
        "EMAIL_PASSWORD": PASSWORD,
        "EMAIL_SENDER": "desk@example.com",
        "EMAIL_RECIPIENT": LEAD,
        "EMAIL_TITLE": "Triage",
        "CANDIDATE_NAME": "Ada",
        "CODEBASE_URL": "https://git.example.com/triagedesk",
        "HTTP_TIMEOUT": "60",
        "SSL_CERT_FILE": str(smtp.certificates.ca),
    }
    with helpdesk, smtp:
        try:
            yield opened
        finally:
            opened.stop_processes()


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Give the signals back that the command line takes over."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _written(stream: io.TextIOWrapper) -> str:
    buffer = stream.detach()
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()


def _exit_code(command: Callable[[], None]) -> int:
    try:
        command()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0
