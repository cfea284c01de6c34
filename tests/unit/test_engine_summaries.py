"""A run's summary, step by step in JSON types."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from triagedesk.classify import Usage
from triagedesk.desk import RunSummary, SentReport
from triagedesk.tickets import BrokenTicket
from triagedesk.workflows.summaries import add, additions

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def empty() -> RunSummary:
    return RunSummary(run_id="run-1", started_at=NOW)


def through_json(step: RunSummary, total: RunSummary) -> None:
    add(total, json.loads(json.dumps(additions(step))))


def test_what_steps_leave_adds_up() -> None:
    total = empty()
    fetched = empty()
    fetched.fetched, fetched.new, fetched.notes = 3, 2, ["one was odd"]
    fetched.broken = (BrokenTicket(position=2, id="T-2", reason="no id", raw="{}"),)
    chunk = empty()
    chunk.decided, chunk.usage = 200, Usage(calls=2, input_tokens=10, output_tokens=5)
    last = empty()
    last.catalog_version, last.assign_method, last.assign_gap = "abc", "flow", 0.25
    last.notes = ["and another"]
    last.reports = [SentReport(id="r", state="sent", path=Path("x.xlsx"), recipients=("a@b",))]
    for step in (fetched, chunk, chunk, last):
        through_json(step, total)
    assert (total.fetched, total.new, total.decided) == (3, 2, 400)
    assert (total.usage.calls, total.usage.input_tokens) == (4, 20)
    assert total.broken == fetched.broken
    assert total.notes == ["one was odd", "and another"]
    assert (total.catalog_version, total.assign_method, total.assign_gap) == ("abc", "flow", 0.25)
    assert total.reports == last.reports


def test_a_step_that_did_nothing_leaves_nothing() -> None:
    assert additions(empty()) == {}
    total = empty()
    add(total, {})
    assert total == empty()


def test_only_resent_is_carried_on() -> None:
    step, total = empty(), empty()
    step.only_resent = True
    through_json(step, total)
    assert total.only_resent is True
