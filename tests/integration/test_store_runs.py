"""The store's contract about runs, catalogs, cursors, leases, audit and answers paid for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from support.records import NOW
from triagedesk.store import Store
from triagedesk.store.runs import StoredCatalog
from triagedesk.store.tables import audit_log, runs

LATER = NOW + timedelta(minutes=5)
CATALOG = StoredCatalog(
    version="v1",
    origin="https://catalog.example.com/a.yaml",
    text="service_catalog: {}\n",
    etag='"abc"',
    last_modified="Mon, 05 Jan 2026 09:00:00 GMT",
    loaded_at=NOW,
)


def run_rows(store: Store) -> dict[str, Any]:
    with store.read() as transaction:
        rows = transaction.connection.execute(select(runs)).mappings()
        return {row["id"]: row for row in rows}


def test_the_newest_run_is_the_last_that_ended_well(store: Store) -> None:
    with store.begin() as transaction:
        assert transaction.newest_run() is None
        for minutes, (run_id, state) in enumerate(
            (("a", "done"), ("b", "done"), ("c", "failed"), ("d", "running"))
        ):
            transaction.start_run(run_id, NOW + timedelta(minutes=minutes))
            if state != "running":
                transaction.finish_run(run_id, state, {"total": minutes}, LATER)
    with store.read() as transaction:
        assert transaction.newest_run() == "b"
        assert transaction.has_run("d")
        assert not transaction.has_run("e")
    rows = run_rows(store)
    assert (rows["b"]["summary"], rows["b"]["finished_at"]) == ({"total": 1}, LATER)


def test_a_run_that_was_cut_off_has_failed_when_the_next_begins(store: Store) -> None:
    with store.begin() as transaction:
        transaction.start_run("a", NOW)
        transaction.start_run("b", LATER)
    rows = run_rows(store)
    assert (rows["a"]["state"], rows["a"]["finished_at"]) == ("failed", LATER)
    assert (rows["b"]["state"], rows["b"]["finished_at"]) == ("running", None)


def test_the_last_good_catalog_is_kept_per_origin(store: Store) -> None:
    newer = replace(CATALOG, version="v2", etag="", loaded_at=LATER)
    other = replace(CATALOG, version="v3", origin="file.yaml", loaded_at=LATER)
    with store.begin() as transaction:
        assert transaction.last_catalog(CATALOG.origin) is None
        for catalog in (CATALOG, newer, other):
            transaction.save_catalog(catalog)
    with store.read() as transaction:
        assert transaction.last_catalog(CATALOG.origin) == newer
        assert transaction.last_catalog("file.yaml") == other
        assert transaction.last_catalog("elsewhere") is None


def test_a_catalog_that_comes_back_is_the_last_one_again(store: Store) -> None:
    back = replace(CATALOG, etag='"new"', loaded_at=LATER)
    with store.begin() as transaction:
        transaction.save_catalog(CATALOG)
        transaction.save_catalog(replace(CATALOG, version="v2", loaded_at=NOW + timedelta(1)))
        transaction.save_catalog(replace(back, loaded_at=NOW + timedelta(2)))
    with store.read() as transaction:
        found = transaction.last_catalog(CATALOG.origin)
    assert found == replace(back, loaded_at=NOW + timedelta(2))


def test_each_source_has_its_cursor(store: Store) -> None:
    with store.begin() as transaction:
        assert transaction.cursor("webhook") == ""
        transaction.move_cursor("webhook", "41", NOW)
        transaction.move_cursor("webhook", "42", LATER)
        transaction.move_cursor("file", "x", NOW)
    with store.read() as transaction:
        assert (transaction.cursor("webhook"), transaction.cursor("file")) == ("42", "x")


def test_a_lease_is_extended_and_ended_by_its_holder_only(store: Store) -> None:
    with store.begin() as transaction:
        assert transaction.lease("run") is None
        transaction.take_lease("run", "host-a", NOW)
        assert not transaction.extend_lease("run", "host-b", LATER)
        transaction.end_lease("run", "host-b")
        assert transaction.lease("run") == ("host-a", NOW)
        assert transaction.extend_lease("run", "host-a", LATER)
        assert transaction.lease("run") == ("host-a", LATER)
        assert transaction.lease("other") is None
        transaction.take_lease("run", "host-b", NOW)
        assert transaction.lease("run") == ("host-b", NOW)
        transaction.end_lease("run", "host-b")
        assert transaction.lease("run") is None


def test_the_audit_log_keeps_every_line_in_order(store: Store) -> None:
    lines: list[dict[str, Any] | None] = [{"to": ["a@example.com"]}, None, {"n": 3}]
    for details in lines:
        with store.begin() as transaction:
            transaction.audit("report resent", "run-1", actor="cli", at=NOW, details=details)
    with store.read() as transaction:
        rows = transaction.connection.execute(select(audit_log).order_by(audit_log.c.id)).all()
    assert [row.details for row in rows] == lines
    assert {(row.at, row.actor, row.action, row.subject) for row in rows} == {
        (NOW, "cli", "report resent", "run-1")
    }


def test_models_answers_are_kept_and_overwritten(store: Store) -> None:
    keys = [f"{number:064x}" for number in range(1100)]
    with store.begin() as transaction:
        assert transaction.model_answers(keys) == {}
        transaction.keep_model_answers({keys[0]: "first", "other": "other"}, NOW)
        transaction.keep_model_answers({key: f"answer {key} 🙂" for key in keys}, LATER)
        transaction.keep_model_answers({}, LATER)
    with store.read() as transaction:
        assert transaction.model_answers(keys) == {key: f"answer {key} 🙂" for key in keys}
        assert transaction.model_answers(["other", "unknown"]) == {"other": "other"}
        assert transaction.model_answers([]) == {}
