"""What goes wrong, one way at a time."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx2 as httpx
from sqlalchemy import make_url

from chaos.disk import NoDisk, SmallDisk, small_disk
from chaos.entry import STEPS
from chaos.ground import PATIENCE, Ground
from support.desk import LLM_KEY, Outcome, Running, wait_until
from support.helpdesk import Reply
from support.llm_server import LlmServer
from support.ports import port_nobody_listens_on
from support.postgres import PostgresServer
from support.smtp import Fault
from support.webhooks import SECRET, send, webhook_tickets

_CASE = re.compile(r"case number (\d+)\.")
_BATCH = 5
#: Calls under way at once where no delay between batches is asked for, as `LlmClassifier` has it.
_AT_ONCE = 4


def step_boundaries(ground: Ground) -> None:
    """Killed before and after every named step, and before and after every commit."""
    wanted = [f"{when} {step}" for step in STEPS for when in ("before", "after")]
    wanted += [f"{when} {number}" for number in range(1, 16) for when in ("commit", "committed")]
    ground.draw.shuffle(wanted)
    for where in wanted[: 5 * ground.size]:
        ground.arrive(ground.draw.randint(1, 4))
        ground.die_at(where)
    ground.rest()


def any_moment(ground: Ground) -> None:
    """Killed at moments drawn over the length of a run."""
    ground.measure()
    for _ in range(4 * ground.size):
        ground.arrive(ground.draw.randint(1, 300 if ground.size > 1 else 30))
        ground.die_after(ground.draw.uniform(0.3, 1.1) * ground.takes)
    ground.rest()


def mail_cut(ground: Ground) -> None:
    """The connection to the mail server is cut while the mail goes over, and after its dot."""
    cuts = [
        Fault(at="BODY", drop=True, times=1),
        Fault(at="DOT", drop=True, forget=True, times=1),
        Fault(at="DOT", drop=True, times=1),
        Fault(at="RCPT", reply="451 4.3.0 try later", times=4),
    ]
    for number in range(2 * ground.size):
        cut = cuts[number % len(cuts)]
        ground.arrive(2)
        ground.desk.smtp.script(cut)
        # Kept and yet not acknowledged: nobody can know, so it goes out again.
        ground.tally.mails_may += cut.at == "DOT" and not cut.forget
        ground.tally.faults += 1
        ground.start("run").outcome(PATIENCE)
    ground.rest()


def model_fails(ground: Ground) -> None:
    """The model server fails a third of its calls, and runs that wait for it are killed."""
    with LlmServer(key=LLM_KEY) as llm:
        ground.desk.settings |= {
            "LLM_MODEL_NAME": "some-model",
            "LLM_BASE_URL": llm.url,
            "LLM_API_KEY": LLM_KEY,
            "LLM_TIMEOUT": "5",
            "LLM_BATCH_SIZE": str(_BATCH),
            "LLM_DELAY_BETWEEN_BATCHES": "0",
        }
        for _ in range(2 * ground.size):
            steps = [
                ground.draw.choice(("status:500", "status:429", "drop", "garbage"))
                if ground.draw.random() < 1 / 3
                else "slow:0.05"
                for _ in range(60)
            ]
            llm.script(*steps)
            ground.arrive(60)
            asked = len(llm.requests)
            running = ground.start("run")
            # In the middle of its calls.
            wait_until(partial(_under_way, running, lambda: len(llm.requests), asked), PATIENCE)
            time.sleep(ground.draw.uniform(0, 0.3))
            running.process.kill()
            if running.outcome(PATIENCE).code < 0:
                ground.killed("a model call")
        ground.rest()
        answered = Counter(
            case
            for request in llm.requests
            if request.step.startswith(("ok", "slow"))
            for case in set(_CASE.findall(str(request.body)))
        )
        ground.tally.faults += sum(not r.step.startswith(("ok", "slow")) for r in llm.requests)
    again = sum(times - 1 for times in answered.values())
    # The calls under way when it died, and nothing else, are made again.
    ground.tally.calls_again = max(0, again - ground.tally.kills * _AT_ONCE * _BATCH)


def database_away(ground: Ground) -> None:
    """The database is away for a while in the middle of runs."""
    seconds = 20.0 if ground.size > 1 else 1.5
    for number in range(1 if ground.size == 1 else 3):
        ground.arrive(30)
        asked = len(ground.desk.asked)
        ground.desk.helpdesk.script(Reply(delay=0.3, body=_answer(ground)))
        running = ground.start("run", LIGHT_LOCK_TIMEOUT="1")
        wait_until(partial(_under_way, running, lambda: len(ground.desk.asked), asked), PATIENCE)
        time.sleep(0.1 * number)
        with ground.away():
            time.sleep(seconds)
        ground.tally.faults += 1
        running.outcome(PATIENCE)
    ground.rest()


def _under_way(running: Running, asked: Callable[[], int], before: int) -> bool:
    """Whether a run has asked for more than was asked for before it, or has ended."""
    return asked() > before or running.process.poll() is not None


def _answer(ground: Ground) -> object:
    return {"response_code": 200, "data": {"requests": list(ground.desk.helpdesk.tickets)}}


def disk_full(ground: Ground) -> None:
    """Nothing more fits on the database's disk, or no file may grow but a little."""
    ground.measure()
    try:
        if ground.server:
            _fill_database(ground, ground.server)
    except NoDisk as reason:
        ground.tally.left_out = str(reason)
    _limit_files(ground)
    ground.rest()


def _fill_database(ground: Ground, server: PostgresServer) -> None:
    """PostgreSQL has room for a few blocks only, in the middle of runs and webhooks."""
    database = make_url(ground.desk.store_url).database or ""
    with small_disk(server, database) as disk:
        for _ in range(2 * ground.size):
            ground.arrive(200)
            disk.fill(ground.draw.randint(0, 800_000))
            outcome = ground.start("run").outcome(PATIENCE)
            disk.empty()
            ground.tally.faults += outcome.code != 0
            full = "the disk of the database" in outcome.text
            if outcome.code not in (0, 6) or full != (outcome.code == 6):
                ground.tally.wrong.append(f"a full database: {outcome.text[:300]}")
            _nothing_untold(ground, outcome)
        if ground.size > 1:
            _fill_under_server(ground, disk)
        ground.rest()


def _fill_under_server(ground: Ground, disk: SmallDisk) -> None:
    """A server refuses webhooks while there is no room, and takes them once there is."""
    with _serving(ground) as client:
        for round_ in range(ground.size):
            disk.fill(ground.draw.randint(0, 100_000))
            refused = 0
            waiting: list[tuple[str, list[dict[str, object]]]] = []
            for number in range(60):
                sent = webhook_tickets(20, 100_000 * (round_ + 1) + 20 * number)
                ground.expected |= {str(ticket["id"]) for ticket in sent}
                delivery = f"full-{round_}-{number}"
                answer = send(client, delivery, sent)
                if answer.status_code >= 300:
                    waiting.append((delivery, sent))
                    refused += 1
                    if answer.status_code != 503 or "Retry-After" not in answer.headers:
                        ground.tally.wrong.append(f"a full database: {answer.status_code}")
                if refused > 3:
                    break
            ground.tally.faults += refused
            disk.empty()
            for delivery, sent in waiting:
                _deliver(client, delivery, sent)
        wait_until(lambda: _nothing_in_hand(ground), PATIENCE)


@contextmanager
def _serving(ground: Ground) -> Iterator[httpx.Client]:
    """A server that takes webhooks, until the end of the block."""
    port = port_nobody_listens_on()
    ground.desk.settings["WEBHOOK_SECRET"] = SECRET
    ground.desk.settings["HTTP_TIMEOUT"] = "5"
    running = ground.start("serve", "--port", str(port))
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            wait_until(lambda: _is_ready(client), PATIENCE)
            yield client
    finally:
        running.process.terminate()
        running.outcome(PATIENCE)


def _nothing_untold(ground: Ground, outcome: Outcome) -> None:
    if "Traceback" in outcome.err:
        ground.tally.wrong.append(f"a full disk: {outcome.err.strip().splitlines()[-1][:200]}")


def _limit_files(ground: Ground) -> None:
    """No file may grow beyond what the desk has now and a little more."""
    files = [ground.desk.folder.parent / "desk.db", ground.desk.folder.parent / "desk.db-wal"]
    for _ in range(2 * ground.size):
        ground.arrive(200)
        now = max((file.stat().st_size for file in files if file.exists()), default=0)
        room = now + ground.draw.randint(2_000, 60_000)
        outcome = ground.start("run", CHAOS_ROOM=str(room)).outcome(PATIENCE)
        ground.tally.faults += outcome.code != 0
        _nothing_untold(ground, outcome)


def clock_jumps(ground: Ground) -> None:
    """The clock is an hour ahead, a day behind, and changes its mind during runs."""
    clock = ground.desk.folder / "clock"
    clock.write_text("0", encoding="utf-8")
    ground.desk.settings["CHAOS_CLOCK"] = str(clock)
    ground.measure()
    for _ in range(2 * ground.size):
        ground.arrive(5)
        clock.write_text(str(ground.draw.choice((3600, -7200, 86_400, -86_400, 7))))
        running = ground.start("run")
        time.sleep(ground.draw.uniform(0.3, 1.0) * ground.takes)
        clock.write_text(str(ground.draw.choice((0, -3600, 86_400))))
        if ground.draw.random() < 0.5:
            running.process.kill()
        if running.outcome(PATIENCE).code < 0:
            ground.killed("a clock that jumps")
        ground.tally.faults += 2
    clock.write_text("0", encoding="utf-8")
    ground.rest()


def system_clock_jumps(ground: Ground) -> None:
    """Whole processes, their libraries too, see a clock that jumps, between and during runs."""
    library = fake_clock_library()
    if library is None:
        ground.tally.left_out = "libfaketime is not installed (Debian: apt install faketime)"
        ground.measure()
        ground.rest()
        return
    clock = ground.desk.folder / "system-clock"
    clock.write_text("+0", encoding="utf-8")
    ground.measure()
    ground.desk.settings |= {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        # Pauses and time limits go by a clock that never jumps, as they do in the kernel.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    for _ in range(2 * ground.size):
        ground.arrive(20)
        _set_clock(clock, ground.draw.choice((3600, -7200, 86_400, -86_400, 7)))
        running = ground.start("run")
        time.sleep(ground.draw.uniform(0.3, 1.0) * ground.takes)
        _set_clock(clock, ground.draw.choice((0, -3600, 86_400)))
        if ground.draw.random() < 0.5:
            running.process.kill()
        if running.outcome(PATIENCE).code < 0:
            ground.killed("a system clock that jumps")
        ground.tally.faults += 2
    _set_clock(clock, 0)
    for name in ("LD_PRELOAD", "FAKETIME_TIMESTAMP_FILE"):
        del ground.desk.settings[name]
    for process in ground.desk.started:
        # What the library shares among a process's children, and a killed one leaves behind.
        for left in (f"faketime_shm_{process.pid}", f"sem.faketime_sem_{process.pid}"):
            Path("/dev/shm", left).unlink(missing_ok=True)
    ground.rest()


def _set_clock(clock: Path, seconds: int) -> None:
    """Set the clock in one step: half a line would be a clock that stands still."""
    new = clock.with_suffix(".new")
    new.write_text(f"{seconds:+d}", encoding="utf-8")
    new.replace(clock)


def fake_clock_library() -> Path | None:
    """The library that shows processes another time; None where it is not installed."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return found[0] if found else None


def workers_die(ground: Ground) -> None:
    """A server and a worker share runs and webhook tickets, and one or the other is killed."""
    port = port_nobody_listens_on()
    ground.desk.settings["WEBHOOK_SECRET"] = SECRET
    address = f"http://127.0.0.1:{port}"

    def hire(number: int) -> Running:
        return ground.start(*(("serve", "--port", str(port)) if number == 0 else ("worker",)))

    staff = [hire(0), hire(1)]
    with httpx.Client(base_url=address, timeout=30) as client:
        wait_until(lambda: _is_ready(client), PATIENCE)
        for round_ in range(2 * ground.size):
            ground.arrive(ground.draw.randint(1, 400 if ground.size > 1 else 60))
            ground.desk.cli("runs", "begin")
            first = 10_000 * (round_ + 1)
            for number in range(6):
                sent = webhook_tickets(2, first + 2 * number)
                ground.expected |= {ticket["id"] for ticket in sent}
                if number == ground.draw.randrange(6):
                    _kill(ground, staff, hire)
                _deliver(client, f"{round_}-{number}", sent)
            time.sleep(ground.draw.uniform(0, 1.5))
            _kill(ground, staff, hire)
    wait_until(lambda: _nothing_in_hand(ground), PATIENCE)
    for running in staff:
        running.process.terminate()
        running.outcome(PATIENCE)
    ground.rest()


def _kill(ground: Ground, staff: list[Running], hire: Callable[[int], Running]) -> None:
    """Kill one of them, and start it anew."""
    number = ground.draw.randrange(len(staff))
    staff[number].process.kill()
    staff[number].outcome(PATIENCE)
    ground.killed(("a server", "a worker")[number])
    staff[number] = hire(number)


def _deliver(client: httpx.Client, delivery: str, tickets: list[dict[str, object]]) -> None:
    """As a helpdesk does: again, under the same id, until it is taken."""
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            if send(client, delivery, tickets).status_code < 300:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < give_up, "the webhook is not taken"
        time.sleep(0.1)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def _nothing_in_hand(ground: Ground) -> bool:
    with ground.desk.store() as store, store.read() as transaction:
        return not transaction.waiting_jobs() and not transaction.inbox(1)


SCENARIOS: dict[str, Callable[[Ground], None]] = {
    "step boundaries": step_boundaries,
    "any moment": any_moment,
    "mail cut": mail_cut,
    "model fails": model_fails,
    "database away": database_away,
    "disk full": disk_full,
    "clock jumps": clock_jumps,
    "system clock": system_clock_jumps,
    "workers die": workers_die,
}
