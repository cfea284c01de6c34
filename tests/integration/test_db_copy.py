"""`triagedesk db copy`: a desk moved to another database, whole or not at all."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert, select, update

from support.desk import WholeDesk, open_desk, wait_until, wire_tickets
from support.postgres import PostgresServer
from support.services import LONG
from triagedesk.errors import StoreError
from triagedesk.store import Store, copying, queries
from triagedesk.store.copying import copy_desk
from triagedesk.store.tables import jobs, metadata, model_answers, reports, runs, tickets


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[WholeDesk]:
    """A desk on SQLite that has done a run, and has been corrected."""
    with open_desk(tmp_path, f"sqlite:///{tmp_path / 'desk.db'}") as opened:
        assert opened.run().code == 0
        named = ("--category", "Access", "--type", "VPN account")
        assert opened.cli("correct", "T-1", *named).code == 0
        yield opened


@pytest.fixture
def target(postgres_server: PostgresServer) -> Iterator[str]:
    with postgres_server.empty_database() as url:
        yield url


def rows(url: str) -> dict[str, list[str]]:
    """Every row of every table, but for who is at work."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {
            # PostgreSQL orders the keys of a document its own way.
            table.name: sorted(
                json.dumps(dict(row), default=repr, sort_keys=True)
                for row in connection.execute(table.select()).mappings()
            )
            for table in metadata.sorted_tables
            if table.name != "leases"
        }
    engine.dispose()
    return found


def test_a_desk_goes_on_in_the_other_database(desk: WholeDesk, target: str) -> None:
    outcome = desk.cli("db", "copy", "--to", target)
    assert outcome.code == 0, outcome.text
    assert "Every row is the same there." in outcome.out
    assert rows(target) == rows(desk.store_url)
    desk.store_url = desk.settings["DATABASE_URL"] = target
    desk.helpdesk.tickets[:] = wire_tickets(9)
    assert desk.run().code == 0
    desk.check_books(tickets_expected=9)


def test_it_goes_there_and_back(desk: WholeDesk, target: str, tmp_path: Path) -> None:
    back = f"sqlite:///{tmp_path / 'back.db'}"
    assert desk.cli("db", "copy", "--to", target).code == 0
    assert desk.cli("db", "copy", "--to", back, DATABASE_URL=target).code == 0
    assert rows(back) == rows(desk.store_url)


def test_a_null_in_a_document_is_told_from_none_at_all(desk: WholeDesk, target: str) -> None:
    with desk.store() as store, store.begin() as transaction:
        run = insert(runs).values(started_at=runs_started(transaction), state="done")
        transaction.connection.execute(run.values(id="none"))
        transaction.connection.execute(run.values(id="null", summary=None))
    assert desk.cli("db", "copy", "--to", target).code == 0
    without = select(runs.c.id).where(runs.c.summary.is_(None), runs.c.id.in_(("none", "null")))
    for url in (desk.store_url, target):
        store = Store.open(url)
        with store.read() as transaction:
            assert list(transaction.connection.scalars(without)) == ["none"]
        store.close()


def runs_started(transaction: object) -> object:
    """When the desk's first run started."""
    return transaction.connection.scalar(select(runs.c.started_at))  # type: ignore[attr-defined] # a Transaction


def test_a_database_with_rows_is_refused(desk: WholeDesk, target: str) -> None:
    assert desk.cli("db", "copy", "--to", target).code == 0
    before = rows(target)
    again = desk.cli("db", "copy", "--to", target)
    assert again.code == 6
    assert "is not empty" in again.err
    assert rows(target) == before


def test_what_the_other_database_cannot_hold_leaves_nothing_there(
    desk: WholeDesk, target: str
) -> None:
    with desk.store() as store, store.begin() as transaction:
        transaction.connection.execute(
            update(tickets).where(tickets.c.external_id == "T-2").values(requester="nu\0l")
        )
    outcome = desk.cli("db", "copy", "--to", target)
    assert outcome.code == 6
    assert "the table tickets cannot be copied" in outcome.err
    assert "Traceback" not in outcome.err
    assert not any(rows(target).values())


def test_a_row_that_arrives_changed_is_noticed(
    desk: WholeDesk, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = queries.copy_rows

    def careless(connection: object, table: object, part: list[dict[str, object]]) -> None:
        spoilt = [{**row, "subject": "another"} if "subject" in row else row for row in part]
        honest(connection, table, spoilt)  # type: ignore[arg-type] # handed on

    monkeypatch.setattr(copying, "copy_rows", careless)
    with desk.store() as source:
        other = Store.open(target)
        with pytest.raises(StoreError, match="is not the same"):
            copy_desk(source, other, start=lambda *_: None, advance=lambda _: None)
        other.close()
    assert rows(target)[reports.name] == rows(target)[model_answers.name] == []


def die_copying(desk: WholeDesk, target: str, where: str) -> None:
    """Have `db copy` killed there, with no chance to tidy up."""
    running = desk._start("chaos.entry", ("db", "copy", "--to", target), {"CHAOS_KILL": where})
    assert running.outcome().code == -signal.SIGKILL


def test_a_copy_that_is_killed_leaves_nothing_and_can_be_done_again(
    desk: WholeDesk, target: str
) -> None:
    before = rows(desk.store_url)
    # Tickets and decisions are there by then, seen by nobody.
    die_copying(desk, target, "copying assignments")
    assert not any(rows(target).values())
    # What the dead one held keeps nobody from anything.
    outcome = desk.cli("db", "copy", "--to", target)
    assert outcome.code == 0, outcome.text
    assert rows(target) == rows(desk.store_url) == before


@LONG
def test_a_copy_killed_right_after_its_commit_is_whole_and_is_not_done_twice(
    desk: WholeDesk, target: str
) -> None:
    die_copying(desk, target, "committed 2")
    assert rows(target) == rows(desk.store_url)
    again = desk.cli("db", "copy", "--to", target)
    assert (again.code, "What an earlier copy left here is the whole desk" in again.text) == (
        6,
        True,
    )


@LONG
def test_what_was_in_hand_is_begun_anew_and_done_once_in_the_new_place(
    desk: WholeDesk, target: str
) -> None:
    desk.helpdesk.tickets[:] = wire_tickets(8)
    began = desk.cli("runs", "begin")
    assert began.code == 0, began.text
    in_hand = {"handed_at": datetime.now(UTC), "worker": "gone|1|1", "state": "running"}
    with desk.store() as store, store.begin() as transaction:
        (ended,) = transaction.connection.scalars(select(jobs.c.id).where(jobs.c.state == "done"))
        transaction.connection.execute(
            update(jobs).where(jobs.c.state == "queued").values(**in_hand)
        )
    before = states(desk.store_url)
    assert desk.cli("db", "copy", "--to", target).code == 0
    after = states(target)
    assert after.pop(ended) == before.pop(ended)
    assert (set(before.values()), set(after.values())) == (
        {("running", "gone|1|1")},
        {("queued", "")},
    )
    assert before.keys() == after.keys()
    desk.store_url = desk.settings["DATABASE_URL"] = target
    worker = desk.start("worker")
    wait_until(lambda: {state for state, _ in states(target).values()} == {"done"}, 60)
    worker.process.terminate()
    worker.outcome()
    desk.check_books(tickets_expected=8)


def states(url: str) -> dict[str, tuple[str, str]]:
    """State and worker of each job that people have begun."""
    engine = create_engine(url)
    with engine.connect() as connection:
        query = select(jobs.c.id, jobs.c.state, jobs.c.worker).where(jobs.c.kind == "desk")
        found = {row.id: (row.state, row.worker) for row in connection.execute(query)}
    engine.dispose()
    return found


def test_a_desk_somebody_works_at_is_not_copied(desk: WholeDesk, target: str) -> None:
    with desk.store() as store:
        from triagedesk.store.lease import hold

        with hold(store, "worker somebody"):
            outcome = desk.cli("db", "copy", "--to", target)
    assert outcome.code == 6
    assert "stop `triagedesk serve`" in outcome.err
    assert not any(rows(target).values())
