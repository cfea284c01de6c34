"""Runs that are killed or stopped at every step: the next one carries on, nothing twice."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from support.desk import LLM_KEY, Running, WholeDesk, desk, sqlite_desk, wait_until, wire_tickets
from support.helpdesk import Reply
from support.llm_server import LlmServer
from support.services import LONG
from support.smtp import Fault

__all__ = ["desk", "sqlite_desk"]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.fixture
def llm() -> Iterator[LlmServer]:
    with LlmServer(key=LLM_KEY) as server:
        yield server


def hold(desk: WholeDesk, llm: LlmServer, step: str) -> Running:
    """Start a run and return when it hangs in `step`, where it stays until that server hurries."""
    seconds = 200
    desk.settings["HTTP_TIMEOUT"] = "300"
    seen: dict[str, Callable[[], object]] = {
        "fetch": lambda: desk.asked,
        "catalog": lambda: "/catalog.yaml" in desk.asked,
        "llm": lambda: llm.requests,
        "greeting": lambda: desk.smtp._sockets,  # no command has come yet
        "recipient": lambda: any(c.startswith("RCPT") for c in desk.smtp.commands),
        "data": lambda: "DATA" in desk.smtp.commands,
        "dot": lambda: desk.smtp.messages,
    }
    at = {"greeting": "CONNECT", "recipient": "RCPT", "data": "DATA", "dot": "DOT"}
    if step == "fetch":
        desk.helpdesk.script(Reply(delay=seconds, body=desk.helpdesk.tickets))
    elif step == "catalog":
        desk.helpdesk.script_catalog(Reply(delay=seconds, body=desk.helpdesk.catalog))
    elif step == "llm":
        desk.settings |= {
            "LLM_MODEL_NAME": "some-model",
            "LLM_BASE_URL": llm.url,
            "LLM_API_KEY": LLM_KEY,
            "LLM_TIMEOUT": "300",
        }
        llm.script(f"slow:{seconds}")
    else:
        desk.smtp.script(Fault(at=at[step], delay=seconds, times=1))
    running = desk.start("run")
    wait_until(lambda: seen[step]() or running.process.poll() is not None)
    assert running.process.poll() is None, running.outcome()
    return running


def well_again(desk: WholeDesk) -> None:
    desk.helpdesk.script()
    desk.helpdesk.script_catalog()
    desk.smtp.script()


def assert_the_next_run_carries_on(desk: WholeDesk, step: str) -> None:
    """Whatever was cut off, afterwards everything is there once."""
    well_again(desk)
    asked = len(desk.asked)
    outcome = desk.run()
    assert outcome.code == 0, outcome.text
    desk.check_books(tickets_expected=5)
    assert desk.report_states() == ["sent"]
    (message_id,) = {str(m.message["Message-ID"]) for m in desk.smtp.messages}
    assert message_id
    if step in ("greeting", "recipient", "data", "dot"):
        assert len(desk.asked) == asked, "the report was all that was left to do"


def kill_and_carry_on(desk: WholeDesk, llm: LlmServer, step: str) -> None:
    hold(desk, llm, step).kill()
    assert_the_next_run_carries_on(desk, step)
    assert len(desk.smtp.messages) == 1
    with desk.store() as store, store.read() as transaction:
        assert transaction.lease("run") is None


@pytest.mark.parametrize("step", ["fetch", "llm", "data"])
def test_a_killed_run_is_carried_on(desk: WholeDesk, llm: LlmServer, step: str) -> None:
    kill_and_carry_on(desk, llm, step)


@LONG
@pytest.mark.parametrize("step", ["catalog", "greeting", "recipient"])
def test_a_run_killed_at_another_step_is_carried_on(
    sqlite_desk: WholeDesk, llm: LlmServer, step: str
) -> None:
    kill_and_carry_on(sqlite_desk, llm, step)


def test_a_run_killed_between_handing_over_and_recording_doubles_under_one_id(
    desk: WholeDesk, llm: LlmServer
) -> None:
    hold(desk, llm, "dot").kill()
    assert_the_next_run_carries_on(desk, "dot")
    assert len(desk.smtp.messages) == 2, "SMTP cannot promise exactly once"


@pytest.mark.parametrize(
    ("step", "number"),
    [
        ("fetch", signal.SIGINT),
        ("fetch", signal.SIGTERM),
        ("catalog", signal.SIGTERM),
        ("llm", signal.SIGINT),
        ("llm", signal.SIGTERM),
    ],
)
def test_a_stopped_run_ends_at_once_and_is_carried_on(
    sqlite_desk: WholeDesk, llm: LlmServer, step: str, number: signal.Signals
) -> None:
    running = hold(sqlite_desk, llm, step)
    running.signal(number)
    began = time.monotonic()
    outcome = running.outcome()
    assert time.monotonic() - began < 60
    assert outcome.code == CODES[number]
    assert outcome.err.splitlines()[-1] == "Stopped. Nothing is lost: the next run carries on."
    assert "Traceback" not in outcome.err
    assert_the_next_run_carries_on(sqlite_desk, step)
    assert len(sqlite_desk.smtp.messages) == 1


@pytest.mark.parametrize(
    ("step", "number"),
    [
        ("greeting", signal.SIGINT),
        ("recipient", signal.SIGTERM),
        ("data", signal.SIGINT),
        ("data", signal.SIGTERM),
        ("dot", signal.SIGINT),
    ],
)
def test_a_run_stopped_while_it_hands_over_a_mail_finishes_that_first(
    sqlite_desk: WholeDesk, llm: LlmServer, step: str, number: signal.Signals
) -> None:
    running = hold(sqlite_desk, llm, step)
    running.signal(number)
    sqlite_desk.smtp.hurry()
    outcome = running.outcome()
    assert outcome.code == CODES[number]
    assert "Stopped. Nothing is lost" in outcome.err
    assert sqlite_desk.report_states() == ["sent"]
    assert len(sqlite_desk.smtp.messages) == 1
    well_again(sqlite_desk)
    sqlite_desk.helpdesk.clear()
    assert sqlite_desk.run().code == 0
    assert sqlite_desk.asked == ["/tickets", "/catalog.yaml"], "the next run fetches"
    sqlite_desk.check_books(tickets_expected=5)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_signals_at_any_moment_lose_nothing_and_double_no_mail(
    sqlite_desk: WholeDesk,
) -> None:
    sqlite_desk.helpdesk.tickets[:] = wire_tickets(300)
    moments = [0.02, 0.1, 0.2, 0.3, 0.5, 0.8]
    for count, moment in enumerate(moments):
        sqlite_desk.helpdesk.clear()
        sqlite_desk.smtp.commands.clear()
        running = sqlite_desk.start("run")
        wait_until(partial(under_way, sqlite_desk, running))
        time.sleep(moment)
        running.signal(signal.SIGTERM if count % 2 else signal.SIGINT)
        outcome = running.outcome()
        assert outcome.code in (0, 130, 143), outcome.text
        assert "Traceback" not in outcome.err
    assert sqlite_desk.run().code == 0
    assert sqlite_desk.run().code == 0
    sqlite_desk.check_books(tickets_expected=300)
    assert set(sqlite_desk.report_states()) == {"sent"}
    ids = [str(m.message["Message-ID"]) for m in sqlite_desk.smtp.messages]
    assert len(ids) == len(set(ids)) == len(sqlite_desk.report_states())


def under_way(desk: WholeDesk, running: Running) -> bool:
    """Whether the run has asked the helpdesk, or has nothing to ask it."""
    return bool(desk.asked or desk.smtp.commands or running.process.poll() is not None)


def test_a_second_run_is_refused_while_the_first_lives(desk: WholeDesk, llm: LlmServer) -> None:
    first = hold(desk, llm, "catalog")
    second = desk.run()
    assert second.code == 6
    assert "another run of this desk is in progress (process" in second.err
    assert second.out == ""
    assert desk.cli("report", "resend").code == 6
    desk.helpdesk.hurry()
    assert first.outcome().code == 0
    well_again(desk)
    assert desk.run().code == 0
    desk.check_books(tickets_expected=5)


def test_a_dry_run_may_run_beside_another(sqlite_desk: WholeDesk, llm: LlmServer) -> None:
    first = hold(sqlite_desk, llm, "catalog")
    assert sqlite_desk.run("--dry-run").code == 0
    sqlite_desk.helpdesk.hurry()
    assert first.outcome().code == 0
    sqlite_desk.check_books(tickets_expected=5)


@pytest.mark.parametrize("fresh", [True, False], ids=["new-database", "known-database"])
def test_a_locked_database_is_said_and_waited_out(
    sqlite_desk: WholeDesk, tmp_path: Path, fresh: bool
) -> None:
    if not fresh:
        assert sqlite_desk.run().code == 0
    holder = sqlite3.connect(tmp_path / "desk.db")
    holder.execute("BEGIN EXCLUSIVE")
    outcome = sqlite_desk.run(LIGHT_LOCK_TIMEOUT="0.3")
    assert outcome.code == 6
    assert "is busy or away: database is locked" in outcome.err
    assert "try again in a moment" in outcome.err
    assert "Traceback" not in outcome.err
    holder.rollback()
    holder.close()
    assert sqlite_desk.run().code == 0
    sqlite_desk.check_books(tickets_expected=5)


def test_a_database_locked_mid_run_ends_it_and_the_next_carries_on(
    sqlite_desk: WholeDesk, llm: LlmServer, tmp_path: Path
) -> None:
    sqlite_desk.settings["LIGHT_LOCK_TIMEOUT"] = "1"
    running = hold(sqlite_desk, llm, "llm")
    holder = sqlite3.connect(tmp_path / "desk.db", timeout=60)
    holder.execute("BEGIN IMMEDIATE")
    llm.hurry()
    outcome = running.outcome()
    holder.rollback()
    holder.close()
    assert outcome.code == 6
    assert "database is locked" in outcome.err
    assert "Traceback" not in outcome.err
    del sqlite_desk.settings["LIGHT_LOCK_TIMEOUT"]
    assert_the_next_run_carries_on(sqlite_desk, "llm")


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("postgresql://desk:sesame@127.0.0.1:9/desk", 6, "is busy or away"),
        ("mongodb://desk:sesame@host/x", 2, "not a database address we know"),
        ("sqlite:////proc/nowhere/desk.db", 6, "cannot make the folder"),
    ],
)
def test_a_database_that_is_not_there_is_said_without_its_password(
    sqlite_desk: WholeDesk, url: str, code: int, words: str
) -> None:
    outcome = sqlite_desk.run(DATABASE_URL=url)
    assert outcome.code == code
    assert words in outcome.err
    assert "sesame" not in outcome.err
    assert sqlite_desk.asked == []


def test_a_file_that_is_no_database_is_said(sqlite_desk: WholeDesk) -> None:
    (sqlite_desk.folder / "notes.db").write_text("not a database at all, but some notes" * 100)
    outcome = sqlite_desk.run(DATABASE_URL="", REPORT_LOG_DB_PATH="notes.db")
    assert outcome.code == 6
    assert "is not a database" in outcome.err
