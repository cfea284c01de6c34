"""What durability costs: tickets a second all the way, with a classifier that costs nothing.

Run: python benchmarks/durability.py [--tickets 100000] [--workers 0 1 2 4] [--url URL ...]
     [--report] [--real 4000]
Each --url names an empty database, once for each number of workers, in that order; without any, a
new SQLite file is taken each time. "Per CPU s" counts the processes of the desk without the report;
"us more" is what they use for a ticket beyond deciding plainly, "server us" what PostgreSQL's own
processes use for it besides, where they are on this machine. 0 workers is `triagedesk run`:
plain steps in one process. Each run ends before its report, unless --report asks for it: then it is
timed apart. With --real so many tickets are decided by the real local classifier instead, plainly
and by `triagedesk run`: what durability costs of a real run, loading the model included in both.
"Plainly" is the same decisions and the same assignment in memory, with nothing kept.

The desk: 200 agents; five request types, each with a skill, a resolution and a response target;
texts of some 50 words, alike but for a few.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from triagedesk import app, pipeline, placing
from triagedesk.agents import Agent, SkillNeed
from triagedesk.assign import assign_batch
from triagedesk.catalog import ServiceCatalog
from triagedesk.catalog_parser import parse_catalog
from triagedesk.classify import StageResult
from triagedesk.cli import main as command_line
from triagedesk.settings import load_settings
from triagedesk.store import Store
from triagedesk.tickets import Alternative, Classification, DecidedBy, ReceivedTicket, Ticket
from triagedesk.workflows.asking import begin_run
from triagedesk.workflows.process import executors

KINDS = ("Password", "VPN", "Laptop", "Printer", "Mailbox")
AGENTS = 200
BODY = (
    "Hello team, since this morning around {hour} o'clock I have had trouble with the machine on "
    "the second floor near the kitchen. I tried turning it off and on again as the manual says. "
    "Please have a look when you find the time, case {number}."
)
REPORT = ("Writing the report", "Sending the report")


class Stub:
    """A classifier that costs next to nothing."""

    name, version, missing = "stub", "1", ()

    def classify(self, tickets: Sequence[Ticket], catalog: ServiceCatalog) -> StageResult:
        """By the first word."""
        entries = {entry.label.request_type: entry for entry in catalog.entries}
        return StageResult(
            answers={
                ticket.id: Classification(
                    label=entries[ticket.short_description.split()[0]].label,
                    confidence=0.9,
                    decided_by=DecidedBy.LOCAL,
                    model="stub",
                    model_version="1",
                    alternatives=tuple(
                        Alternative(label=entry.label, probability=0.05)
                        for entry in catalog.entries[:2]
                    ),
                )
                for ticket in tickets
            }
        )


class Skills:
    """The catalog says what is needed."""

    def needs(
        self, texts: Sequence[str], skill_names: Sequence[str]
    ) -> Sequence[tuple[SkillNeed, ...]]:
        """Nothing more."""
        del skill_names
        return [() for _ in texts]


def stub_models() -> None:
    """Have this process use them."""
    settable: Any = app
    settable.LocalClassifier = lambda **_options: Stub()
    settable.LocalSkillReader = lambda _encoders: Skills()
    settable.load_encoders = lambda _folder: None


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] in ("--as", "--really-as"):
        if sys.argv[1] == "--as":
            stub_models()
        sys.argv[1:] = sys.argv[2:]
        command_line()
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickets", type=int, default=100_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2, 4])
    parser.add_argument("--url", nargs="*", default=[])
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--real", type=int, default=0)
    given = parser.parse_args()
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        # One thread, so that CPU seconds say what there is to do; asked for before numpy is there.
        one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | one)
    # As the command line has it.
    gc.set_threshold(50_000, 20, 50)
    if given.real:
        really(given.real, given.url[:1])
        return
    stub_models()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_desk(folder, given.tickets)
        plain = plainly(folder)
        print(f"plainly: {given.tickets / plain:,.0f} tickets per CPU second, {plain:.1f} s")
        head = f"{'':<24}{'tickets/s':>10}{'with report':>13}{'per CPU s':>12}{'us more':>12}"
        head += f"{'server us':>12}"
        print(f"{head}  peak MB each; steps")
        for number, workers in enumerate(given.workers):
            url = given.url[number] if given.url else f"sqlite:///{folder / f'{number}.db'}"
            durably(folder, url, workers, given.tickets, plain, report=given.report)


def really(tickets: int, urls: Sequence[str]) -> None:
    """What durability adds to a run with the real local classifier, in CPU seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_desk(folder, tickets)
        plain = plainly(folder)
        url = urls[0] if urls else f"sqlite:///{folder / 'real.db'}"
        steps, _, cpu, _ = carry_out(folder, url, 0, report=False, real=True)
        parts = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in steps.items())
        print(
            f"{tickets} tickets, real classifier: plainly {plain:.1f} CPU s, durably {cpu:.1f}: "
            f"{(cpu - plain) / plain:.1%} more, {(cpu - plain) / tickets * 1e6:.0f} us a ticket; "
            f"{parts}"
        )


def write_desk(folder: Path, count: int) -> None:
    """Tickets, catalog and agents as files."""
    draw = random.Random(1)
    now = datetime.now(UTC)
    tickets = [
        {
            "id": f"T-{number}",
            "short_description": f"{KINDS[number % 5]} number {number}",
            "long_description": BODY.format(hour=number % 12, number=number),
            "requester_email": f"person{number % 5000}@example.com",
            # Raised one after the other in the last minutes, as tickets are.
            "created_at": (now - timedelta(milliseconds=3 * number)).isoformat(),
        }
        for number in range(count)
    ]
    (folder / "tickets.json").write_text(json.dumps(tickets))
    target = {"unit": "hours", "value": 8}
    response = {"unit": "hours", "value": 1}
    requests = [
        {"name": kind, "sla": target, "response": response, "skills": [kind]} for kind in KINDS
    ]
    catalog = {
        "service_catalog": {"catalog": {"categories": [{"name": "IT", "requests": requests}]}}
    }
    (folder / "catalog.yaml").write_text(json.dumps(catalog))
    agents = [
        {
            "agent_id": f"agent-{number:03}",
            "name": f"Agent {number}",
            "skills": {name: draw.randint(1, 10) for name in draw.sample(KINDS, 2)},
            "capacity": 2 * count // AGENTS + 5,
        }
        for number in range(AGENTS)
    ]
    (folder / "agents.json").write_text(json.dumps(agents))


def environment(folder: Path, url: str) -> dict[str, str]:
    return {
        **os.environ,
        "HELPDESK_API_URL": str(folder / "tickets.json"),
        "SERVICE_CATALOG_URL": str(folder / "catalog.yaml"),
        "AGENTS_FILE": str(folder / "agents.json"),
        "DATABASE_URL": url,
        "OUTPUT_DIR": str(folder / "out"),
    }


def plainly(folder: Path) -> float:
    """CPU seconds for the same decisions and the same assignment in memory."""
    # What one of the two has learned must not help the other.
    os.environ.update(environment(folder, "sqlite://") | {"OUTPUT_DIR": str(folder / "plain")})
    with app.open_desk(load_settings(), app.RunOptions(send=False)) as desk:
        fetched = desk.source.fetch("").tickets
        roster: tuple[Agent, ...] = tuple(desk.read_roster() if desk.read_roster else ())
        document = desk.catalog_source.load()
        assert document is not None
        catalog = parse_catalog(document.text, origin="benchmark")
        began = time.process_time()
        now = desk.now()
        received = [
            ReceivedTicket(key=key, ticket=ticket, received_at=now)
            for key, ticket in enumerate(fetched, 1)
        ]
        decided = []
        for start in range(0, len(received), pipeline.CHUNK):
            chunk = received[start : start + pipeline.CHUNK]
            answers, _usage = pipeline.classify(
                desk.classifier(), [item.ticket for item in chunk], catalog
            )
            decided += [
                pipeline.decide(desk, item, answer, catalog)
                for item, answer in zip(chunk, answers, strict=True)
            ]
        work = placing.work_of(desk, map(placing.waiting_of, decided), KINDS, catalog)
        assign_batch(work, roster, policy=desk.assign_policy, now=now, time_limit=60)
        return time.process_time() - began


def durably(
    folder: Path, url: str, workers: int, tickets: int, plain: float, *, report: bool
) -> None:
    """One run, by so many workers, and its line of the table."""
    steps, peaks, cpu, server = carry_out(folder, url, workers, report=report)
    # How soon a run is taken up is not what is measured; it is shown among the steps.
    total = sum(steps.values()) - steps.get("Waiting", 0.0)
    rest = total - sum(steps.get(step, 0.0) for step in REPORT)
    name = f"{url.partition(':')[0].partition('+')[0]}, " + (
        f"{workers} workers" if workers else "run"
    )
    parts = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in steps.items())
    with_report = f"{tickets / total:,.0f}" if report else "-"
    print(
        f"{name:<24}{tickets / rest:>10,.0f}{with_report:>13}"
        f"{tickets / cpu:>12,.0f}{(cpu - plain) / tickets * 1e6:>12,.0f}"
        f"{server / tickets * 1e6:>12,.0f}"
        f"  {'/'.join(map(str, peaks))}; {parts}; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def carry_out(
    folder: Path, url: str, workers: int, *, report: bool, real: bool = False
) -> tuple[dict[str, float], list[int], float, float]:
    """One run, by so many workers: seconds by step, peak MB of each, their CPU and the server's."""
    environ = environment(folder, url)
    command = [sys.executable, __file__, "--really-as" if real else "--as"]
    with closing(Store.open(url)) as store:
        if workers:
            started = [subprocess.Popen([*command, "worker"], env=environ) for _ in range(workers)]
            while len(executors(store)) < workers:
                time.sleep(0.1)
            with store.read() as transaction:
                del transaction
            run_id = begin_run(store, app.new_id(), "benchmark", datetime.now(UTC)).id
        else:
            started = [subprocess.Popen([*command, "run", "--no-email"], env=environ)]
            run_id = ""
        found = follow(store, run_id, started, report=report)
        for process in started:
            # What it has begun of a report nobody wants is not waited for.
            process.kill()
            process.wait()
    return found


def follow(
    store: Store, run_id: str, started: Sequence[subprocess.Popen[bytes]], *, report: bool
) -> tuple[dict[str, float], list[int], float, float]:
    """Seconds by step, each process's peak memory in MB, and CPU seconds but for the report.

    The last ones are those of the database's own processes.
    """
    steps: dict[str, float] = {}
    spent, until_report = (0.0, 0.0), (0.0, 0.0)
    server = postmaster(store)
    last, peaks = time.perf_counter(), [0] * len(started)
    while True:
        with store.read() as transaction:
            if not run_id:
                run_id = next(iter(transaction.waiting_jobs("desk")), "")
            job = transaction.job(run_id) if run_id else None
        now = time.perf_counter()
        if job and job.step == "Waiting":
            # Starting is not what is measured.
            spent = cpu_seconds(started), server_seconds(server)
        if job and job.step not in REPORT:
            until_report = cpu_seconds(started), server_seconds(server)
        if job:
            steps[job.step] = steps.get(job.step, 0.0) + now - last
        last = now
        for number, process in enumerate(started):
            peaks[number] = max(peaks[number], peak_memory(process.pid))
        if job and (job.finished_at or (job.step in REPORT and not report)):
            return steps, peaks, until_report[0] - spent[0], until_report[1] - spent[1]
        if job is None and started[0].poll() is not None:
            raise SystemExit("the run ended before it began")
        time.sleep(0.05)


def cpu_seconds(started: Sequence[subprocess.Popen[bytes]]) -> float:
    """What all of them have used so far."""
    used = 0
    for process in started:
        stat = Path(f"/proc/{process.pid}/stat")
        fields = stat.read_text().rpartition(")")[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / os.sysconf("SC_CLK_TCK")


def postmaster(store: Store) -> int:
    """PostgreSQL's first process, the parent of all others; 0 where it is not on this machine."""
    with store.read() as transaction:
        if transaction.connection.dialect.name != "postgresql":
            return 0
        backend = transaction.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        stat = Path(f"/proc/{backend}/stat")
        return int(stat.read_text().rpartition(")")[2].split()[1]) if stat.exists() else 0


def server_seconds(first: int) -> float:
    """What a server's processes have used so far, with those that have ended."""
    if not first:
        return 0.0
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    stats = [(Path(f"/proc/{first}/stat"), 15), *((Path(f"/proc/{c}/stat"), 13) for c in children)]
    used = 0
    for stat, end in stats:
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue  # ended since; it will count as the first one's
        used += sum(map(int, fields[11:end]))
    return used / os.sysconf("SC_CLK_TCK")


def peak_memory(pid: int) -> int:
    """MB; 0 once the process has ended."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0
    lines = (line.split() for line in status.read_text().splitlines() if "VmHWM" in line)
    return next((int(words[1]) // 1024 for words in lines), 0)


if __name__ == "__main__":
    main()
