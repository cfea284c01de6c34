"""What is due by the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from triagedesk.settings import load_settings
from triagedesk.workflows.schedules import Schedule, schedules_of


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


MORNINGS = Schedule(kind="desk", cron="0 7 * * mon-fri", time_zone="Europe/Berlin")


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [
        # 7 in Berlin is 6 UTC in winter.
        ("2026-01-05T06:00", "2026-01-05T06:00", None),
        ("2026-01-05T06:00", "2026-01-06T05:59:59", None),
        ("2026-01-05T06:00", "2026-01-06T06:00:00", "2026-01-06T06:00"),
        ("2026-01-05T06:00", "2026-01-06T06:00:01", "2026-01-06T06:00"),
        # Off for two weeks: the latest tick alone.
        ("2026-01-05T06:00", "2026-01-20T12:00", "2026-01-20T06:00"),
        # Nothing on a weekend.
        ("2026-01-09T06:00", "2026-01-11T23:00", None),
        # Summer time: 7 in Berlin is 5 UTC.
        ("2026-03-27T06:00", "2026-03-30T05:30", "2026-03-30T05:00"),
    ],
)
def test_a_tick_is_due_once_and_the_latest_only(last: str, now: str, due: str | None) -> None:
    assert MORNINGS.due(at(last), at(now)) == (at(due) if due else None)


def test_an_hour_that_comes_twice_in_autumn_ticks_once() -> None:
    assert len(ticks_of("30 2 * * *", "2026-10-24T12:00", "2026-10-25T12:00")) == 1


def ticks_of(cron: str, since: str, until: str) -> list[datetime]:
    """Every tick in Berlin between two times in UTC, looked for every five minutes."""
    schedule = Schedule(kind="desk", cron=cron, time_zone="Europe/Berlin")
    moment = last = at(since)
    ticks = []
    while moment < at(until):
        due = schedule.due(last, moment)
        if due:
            ticks.append(due)
            last = due
        moment += timedelta(minutes=5)
    return ticks


def test_an_hour_left_out_in_spring_is_made_up_for() -> None:
    assert len(ticks_of("30 2 * * *", "2026-03-28T12:00", "2026-03-29T12:00")) == 1


def test_every_hour_is_every_hour_when_one_comes_twice() -> None:
    assert len(ticks_of("0 * * * *", "2026-10-24T12:00", "2026-10-25T12:00")) == 23


def test_without_cron_a_schedule_ticks_every_so_many_minutes() -> None:
    schedule = Schedule(kind="rebalance", every=5)
    assert schedule.due(at("2026-01-05T06:00"), at("2026-01-05T06:04:59")) is None
    assert schedule.due(at("2026-01-05T06:00"), at("2026-01-05T06:17")) == at("2026-01-05T06:15")


def test_a_desk_watches_and_cleans_up_and_begins_runs_where_it_is_told_to() -> None:
    assert {s.kind for s in schedules_of(load_settings({}))} == {"watch", "clean-up"}
    given = {"SCHEDULE_RUN": "*/15 8-17 * * *", "TIME_ZONE": "Asia/Tokyo", "REBALANCE_MINUTES": "5"}
    found = {s.kind: s for s in schedules_of(load_settings(given))}
    assert (found["desk"].cron, found["desk"].time_zone) == ("*/15 8-17 * * *", "Asia/Tokyo")
    assert found["rebalance"].every == 5
    other = load_settings({**given, "SCHEDULE_TIME_ZONE": "Europe/Paris"})
    assert {s.kind: s for s in schedules_of(other)}["desk"].time_zone == "Europe/Paris"
