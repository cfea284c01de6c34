"""Workers in processes of their own: work is shared, taken over, stopped, taken up, upgraded."""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.desk import Running, WholeDesk, desk, open_desk, sqlite_desk
from support.engine_desk import office
from support.postgres import PostgresServer
from support.services import LONG

__all__ = ["desk", "sqlite_desk"]


def test_a_run_is_shared_and_what_a_killed_worker_had_is_taken_over(desk: WholeDesk) -> None:
    with office(desk) as works:
        works.tickets(1200)
        works.hire(GATE="2")
        works.hire(GATE="2")
        run_id = works.begin()
        leader = works.under_way(run_id).worker
        number = int(leader.partition("/")[2].partition("@")[0])
        assert len(works.names()) == 2
        works.workers[number - 1].kill()
        works.open_gate()
        run = works.over(run_id)
        assert (run.state, run.error) == ("done", "")
        assert run.worker != leader
        assert run.summary
        assert (run.summary["fetched"], run.summary["decided"]) == (1200, 1200)
        desk.check_books(tickets_expected=1200)
        assert desk.report_states() == ["sent"]
        assert len(desk.smtp.messages) == 1
        # Stopped, a worker ends cleanly and gives its name back.
        left = next(worker for worker in works.workers if worker.process.poll() is None)
        left.signal(signal.SIGTERM)
        assert left.outcome().code == 143
        assert works.names() == set()


def test_a_run_is_cancelled_between_chunks_and_taken_up_again(sqlite_desk: WholeDesk) -> None:
    with office(sqlite_desk) as works:
        works.tickets(1000)
        works.hire(GATE="2", SCHEDULE_RUN="0 0 1 1 *")
        run_id = works.begin()
        refused = sqlite_desk.cli("runs", "begin")
        assert (refused.code, f"the run {run_id} is not over" in refused.err) == (2, True)
        works.under_way(run_id)
        cancelled = sqlite_desk.cli("runs", "cancel", run_id)
        assert (cancelled.code, "It stops after" in cancelled.out) == (0, True)
        works.open_gate()
        run = works.over(run_id)
        assert run.state == "cancelled"
        kept = run.done
        assert 0 < kept < 1000
        assert sqlite_desk.cli("runs", "cancel", run_id).code == 2
        listed = sqlite_desk.cli("runs", "list")
        assert run_id in listed.out
        assert "cancelled" in listed.out
        assert sqlite_desk.cli("runs", "resume", run_id).code == 0
        again = works.over(run_id)
        assert again.state == "done"
        assert again.summary
        assert again.summary["decided"] == 1000 - kept, "what was decided stayed decided"
        assert works.run(run_id)["attempt"] == 2
        sqlite_desk.check_books(tickets_expected=1000)
        assert sqlite_desk.cli("runs", "resume", run_id).code == 2
        assert "clean-up" not in sqlite_desk.cli("runs", "list").out


def test_ticks_that_were_missed_are_caught_up_once(sqlite_desk: WholeDesk) -> None:
    # Hourly, and half an hour from the next time.
    minute = (datetime.now(UTC) - timedelta(minutes=30)).minute
    with sqlite_desk.store() as store, store.begin() as transaction:
        transaction.take_tick("desk", None, datetime.now(UTC) - timedelta(days=3))
    with office(sqlite_desk) as works:
        worker = works.hire(SCHEDULE_RUN=f"{minute} * * * *")

        def runs() -> list[str]:
            with sqlite_desk.store() as store, store.read() as transaction:
                return [job.state for job in transaction.job_list() if job.kind == "desk"]

        works.until(lambda: "done" in runs())
        with sqlite_desk.store() as store, store.read() as transaction:
            last = transaction.last_tick("desk")
        assert last
        assert (last.minute, last.second) == (minute, 0)
        assert datetime.now(UTC) - last < timedelta(hours=1), "none is left to be caught up"
        worker.signal(signal.SIGTERM)
        assert worker.outcome().code == 143
        assert runs() == ["done"], "once, however many were missed"
    sqlite_desk.check_books(tickets_expected=5)


def test_an_upgrade_carries_on_what_the_version_before_began_and_back(
    sqlite_desk: WholeDesk,
) -> None:
    more = sqlite_desk.folder / "steps-more"
    with office(sqlite_desk) as works:
        works.tickets(600)
        old = works.hire(GATE="2")
        first = works.begin()
        works.under_way(first)
        old.kill()
        works.open_gate()
        new = works.hire(GATE="2", NEXT="patch")
        assert works.over(first).state == "done"
        assert not more.exists(), "begun in the old way, it went on in the old way"
        works.tickets(1200)
        works.close_gate()
        second = works.begin()
        works.under_way(second)
        assert more.read_text() == f"{second}\n"
        new.kill()
        works.hire()
        run = works.over(second)
        assert run.state == "done", "a version that does not know the step begins the run anew"
        assert run.attempt == 2
    sqlite_desk.check_books(tickets_expected=1200)


def test_a_version_that_cannot_read_the_engines_records_strands_no_run(
    sqlite_desk: WholeDesk,
) -> None:
    with office(sqlite_desk) as works:
        works.tickets(600)
        old = works.hire(GATE="2")
        run_id = works.begin()
        works.under_way(run_id)
        old.kill()
        works.hire(NEXT="break")
        run = works.over(run_id)
        assert (run.state, run.attempt) == ("done", 2)
        assert run.worker.endswith("@2")
    sqlite_desk.check_books(tickets_expected=600)


@LONG
def test_the_engines_records_may_be_thrown_away(sqlite_desk: WholeDesk, tmp_path: Path) -> None:
    with office(sqlite_desk) as works:
        works.tickets(600)
        old = works.hire(GATE="2")
        run_id = works.begin()
        works.under_way(run_id)
        old.kill()
        for file in tmp_path.glob("desk.db-engine*"):
            file.unlink()
        works.hire()
        assert works.over(run_id).state == "done"
    sqlite_desk.check_books(tickets_expected=600)


def freeze_between_transactions(worker: Running, folder: Path) -> None:
    """Freeze a process where it does not keep SQLite's one lock from all others."""
    for _ in range(100):
        worker.signal(signal.SIGSTOP)
        try:
            for name in ("desk.db", "desk.db-engine"):
                with closing(sqlite3.connect(folder / name, timeout=0)) as connection:
                    connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            worker.signal(signal.SIGCONT)
            time.sleep(0.05)
        else:
            return
    raise AssertionError("it always holds the lock")


@LONG
@pytest.mark.timeout(300)
def test_a_frozen_worker_that_wakes_up_after_others_took_over_doubles_nothing(
    sqlite_desk: WholeDesk, tmp_path: Path
) -> None:
    with office(sqlite_desk) as works:
        works.tickets(1200)
        frozen = works.hire(SLOW="0.5")
        run_id = works.begin()
        works.under_way(run_id, 400)
        freeze_between_transactions(frozen, tmp_path)
        works.hire(SLOW="0.5")
        began = time.monotonic()
        run = works.over(run_id, seconds=120)
        assert time.monotonic() - began < 75
        frozen.signal(signal.SIGCONT)
        works.until(lambda: len(works.names()) == 2)
        assert run.state == "done"
        # It works on, as a process like any other.
        again = works.over(works.begin())
        assert (again.state, works.job(run_id)) == ("done", run)
    sqlite_desk.check_books(tickets_expected=1200)
    sent = [str(mail.message["Message-ID"]) for mail in sqlite_desk.smtp.messages]
    assert len(sent) == len(set(sent)) == 2, "one of each run"


@LONG
@pytest.mark.timeout(300)
def test_a_run_goes_on_when_the_database_server_is_back(tmp_path: Path) -> None:
    with (
        PostgresServer.running() as database,
        database.database() as url,
        open_desk(tmp_path, url) as served,
        office(served) as works,
    ):
        works.tickets(1200)
        works.hire(SLOW="0.5")
        run_id = works.begin()
        works.under_way(run_id, 200)
        database.stop()
        time.sleep(5)
        database.start()
        run = works.over(run_id, seconds=150)
        assert (run.state, run.error) == ("done", "")
        served.check_books(tickets_expected=1200)
        assert len(served.smtp.messages) == 1
        works.dismiss()
