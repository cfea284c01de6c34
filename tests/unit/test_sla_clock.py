"""Due dates at awkward times, and one target's clock through its events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from triagedesk.catalog import Sla, SlaUnit
from triagedesk.sla import (
    ALWAYS,
    Calendar,
    Pause,
    SlaClock,
    SlaState,
    Window,
    at_risk,
    breached,
    counted,
    due_at,
    due_dates,
    elapsed,
    follow_statuses,
    slack,
    warn_at,
)

HOUR = timedelta(hours=1)
NINE_TO_FIVE = (Window(opens=9 * 3600, closes=17 * 3600),)
OFFICE = Calendar(name="office", zone="UTC", week=(NINE_TO_FIVE,) * 5 + ((), ()))
MONDAY = datetime(2026, 6, 1, 9, tzinfo=UTC)


def hours(value: int) -> Sla:
    return Sla(value=value, unit=SlaUnit.HOURS)


def days(value: int) -> Sla:
    return Sla(value=value, unit=SlaUnit.DAYS)


def berlin(*windows: tuple[int, int]) -> Calendar:
    day = tuple(Window(opens=opens * 3600, closes=closes * 3600) for opens, closes in windows)
    return Calendar(name="berlin", zone="Europe/Berlin", week=(day,) * 7)


def test_an_hour_the_clocks_skip_is_worked_by_nobody() -> None:
    night = datetime(2026, 3, 29, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    assert elapsed(night, night + timedelta(days=1), berlin((1, 5))) == 3 * HOUR
    # Wholly within the hour that does not exist: next day.
    assert due_at(night, HOUR, berlin((2, 3))) == datetime(2026, 3, 30, 1, tzinfo=UTC)


def test_an_hour_the_clocks_repeat_is_worked_twice() -> None:
    night = datetime(2026, 10, 25, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    assert elapsed(night, night + timedelta(days=1), berlin((1, 5))) == 5 * HOUR
    assert counted(night, night + timedelta(days=1), berlin((2, 3))) == [
        (datetime(2026, 10, 25, 0, tzinfo=UTC), datetime(2026, 10, 25, 2, tzinfo=UTC))
    ]


def test_two_times_in_the_repeated_hour_are_told_apart() -> None:
    first = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    second = first.replace(fold=1)
    assert elapsed(first, second, ALWAYS) == HOUR
    assert slack(second, first, hours(2), ALWAYS) == HOUR
    assert breached(second, first, timedelta(minutes=30), ALWAYS)


def test_a_target_of_zero_is_no_deadline() -> None:
    for target in (hours(0), days(0), timedelta(0)):
        assert due_at(MONDAY, target, OFFICE) is None
        assert warn_at(MONDAY, target, OFFICE, 0.5) is None
        assert slack(MONDAY, MONDAY, target, OFFICE) is None
        assert not breached(MONDAY + 999 * HOUR, MONDAY, target, OFFICE)
        assert not at_risk(MONDAY + 999 * HOUR, MONDAY, target, OFFICE)


def test_both_due_dates_come_together() -> None:
    both = due_dates(MONDAY, response=hours(1), resolution=days(1), calendar=OFFICE)
    assert both.response_due_at == MONDAY + HOUR
    assert both.resolution_due_at == MONDAY + 8 * HOUR
    neither = due_dates(MONDAY, response=None, resolution=hours(0), calendar=OFFICE)
    assert neither.response_due_at is None
    assert neither.resolution_due_at is None


def test_seconds_and_microseconds_are_kept() -> None:
    start = MONDAY + timedelta(microseconds=1)
    assert due_at(start, hours(8), OFFICE) == MONDAY + timedelta(days=1, microseconds=1)
    assert elapsed(start, MONDAY + 2 * HOUR, OFFICE) == 2 * HOUR - timedelta(microseconds=1)


def test_breach_and_risk_begin_when_they_should() -> None:
    due = MONDAY + 8 * HOUR
    second = timedelta(seconds=1)
    assert not breached(due, MONDAY, days(1), OFFICE)
    assert breached(due + second, MONDAY, days(1), OFFICE)
    assert not at_risk(MONDAY + 6 * HOUR - second, MONDAY, days(1), OFFICE)
    assert at_risk(MONDAY + 6 * HOUR, MONDAY, days(1), OFFICE)
    assert at_risk(due, MONDAY, days(1), OFFICE)
    assert not at_risk(due + second, MONDAY, days(1), OFFICE)
    assert warn_at(MONDAY, days(1), OFFICE, 0.5) == MONDAY + 4 * HOUR


def test_slack_goes_negative_in_working_time() -> None:
    assert slack(MONDAY - HOUR, MONDAY, hours(4), OFFICE) == 4 * HOUR
    assert slack(MONDAY + HOUR, MONDAY, hours(4), OFFICE) == 3 * HOUR
    assert slack(MONDAY + timedelta(days=1), MONDAY, hours(4), OFFICE) == -4 * HOUR


def test_overlapping_pauses_count_once_and_in_any_order() -> None:
    pauses = [
        Pause(started_at=MONDAY + 3 * HOUR, ended_at=MONDAY + 5 * HOUR),
        Pause(started_at=MONDAY + HOUR, ended_at=MONDAY + 4 * HOUR),
        Pause(started_at=MONDAY - 9 * HOUR, ended_at=MONDAY - 8 * HOUR),
    ]
    assert elapsed(MONDAY, MONDAY + 8 * HOUR, OFFICE, pauses) == 4 * HOUR
    assert due_at(MONDAY, hours(2), OFFICE, pauses) == MONDAY + 6 * HOUR


def test_while_a_pause_has_no_end_there_is_no_due_date_behind_it() -> None:
    still = [Pause(started_at=MONDAY + 2 * HOUR)]
    assert due_at(MONDAY, hours(3), OFFICE, still) is None
    assert due_at(MONDAY, hours(2), OFFICE, still) == MONDAY + 2 * HOUR
    assert slack(MONDAY + 99 * HOUR, MONDAY, hours(3), OFFICE, still) == HOUR


@pytest.mark.parametrize(
    "call",
    [
        lambda naive: due_at(naive, hours(1), OFFICE),
        lambda naive: elapsed(MONDAY, naive, OFFICE),
        lambda naive: slack(naive, MONDAY, hours(1), OFFICE),
        lambda naive: breached(naive, MONDAY, hours(1), OFFICE),
        lambda naive: Pause(started_at=naive),
        lambda naive: SlaClock.start(naive, hours(1), OFFICE),
        lambda naive: SlaClock.start(MONDAY, hours(1), OFFICE).pause(naive),
    ],
)
def test_a_time_without_a_zone_is_refused(call) -> None:  # type: ignore[no-untyped-def]  # lambdas
    with pytest.raises(ValueError, match="has no time zone: 2026-06-01T10:00:00"):
        call(datetime(2026, 6, 1, 10))  # noqa: DTZ001 - on purpose


def test_an_end_before_its_start_is_refused() -> None:
    with pytest.raises(ValueError, match="is before the start"):
        elapsed(MONDAY, MONDAY - HOUR, OFFICE)
    with pytest.raises(ValueError, match="before it starts"):
        Pause(started_at=MONDAY, ended_at=MONDAY - HOUR)
    with pytest.raises(ValueError, match="before the clock's last event"):
        SlaClock.start(MONDAY, hours(1), OFFICE).pause(MONDAY - HOUR)


@pytest.mark.parametrize("target", [hours(-1), hours(10**9), days(10**30), timedelta(-1)])
def test_a_target_beyond_reason_is_refused(target: Sla | timedelta) -> None:
    for calendar in (OFFICE, ALWAYS):
        with pytest.raises(ValueError, match="not between nothing and 100 years"):
            due_at(MONDAY, target, calendar)


def test_a_due_date_past_the_calendar_is_refused_and_never_searched_for_ever() -> None:
    last = datetime(9998, 12, 30, tzinfo=UTC)
    with pytest.raises(ValueError, match="reach from 1900 to 9998"):
        due_at(last, days(30), OFFICE)
    with pytest.raises(ValueError, match="year 9999"):
        due_at(datetime(9999, 12, 30, tzinfo=UTC), days(30), ALWAYS)


def test_a_clock_pauses_resumes_stops_and_goes_on() -> None:
    clock = SlaClock.start(MONDAY, hours(4), OFFICE)
    assert clock.due_at() == MONDAY + 4 * HOUR
    held = clock.pause(MONDAY + HOUR)
    assert held.due_at() is None
    assert held.state(MONDAY + 90 * HOUR) == SlaState.PAUSED
    assert held.due_if_resumed(MONDAY + 3 * HOUR) == MONDAY + 6 * HOUR
    back = held.resume(MONDAY + 3 * HOUR)
    assert back.due_at() == MONDAY + 6 * HOUR
    done = back.stop(MONDAY + 5 * HOUR)
    assert done.state(MONDAY + 99 * HOUR) == SlaState.MET
    assert done.slack(MONDAY + 99 * HOUR) == HOUR
    again = done.resume(MONDAY + timedelta(days=1))
    assert again.due_at() == MONDAY + timedelta(days=1) + HOUR
    late = again.stop(MONDAY + timedelta(days=1) + 2 * HOUR)
    assert late.state(late.stopped_at or MONDAY) == SlaState.MISSED


def test_a_clock_says_where_it_stands() -> None:
    clock = SlaClock.start(MONDAY, hours(4), OFFICE)
    second = timedelta(seconds=1)
    assert clock.state(MONDAY) == SlaState.RUNNING
    assert clock.state(MONDAY + 3 * HOUR) == SlaState.AT_RISK
    assert clock.state(MONDAY + 2 * HOUR, warn_at=0.5) == SlaState.AT_RISK
    assert clock.state(MONDAY + 4 * HOUR) == SlaState.AT_RISK
    assert clock.state(MONDAY + 4 * HOUR + second) == SlaState.BREACHED
    assert clock.due_at(fraction=0.75) == MONDAY + 3 * HOUR
    held_late = clock.pause(MONDAY + 5 * HOUR)
    assert held_late.state(MONDAY + 6 * HOUR) == SlaState.BREACHED
    assert held_late.due_at() == MONDAY + 4 * HOUR
    for target in (None, hours(0)):
        free = clock.retarget(target)
        assert free.state(MONDAY + 99 * HOUR) == SlaState.NO_DEADLINE
        assert free.due_at() is None
        assert free.slack(MONDAY) is None
        assert free.used(MONDAY + 3 * HOUR) == 3 * HOUR


def test_what_changes_nothing_is_ignored() -> None:
    clock = SlaClock.start(MONDAY, hours(4), OFFICE)
    assert clock.resume(MONDAY + HOUR) == clock
    held = clock.pause(MONDAY + HOUR)
    assert held.pause(MONDAY + 2 * HOUR) == held
    done = held.stop(MONDAY + 2 * HOUR)
    assert done.stop(MONDAY + 3 * HOUR) == done
    assert clock.move(MONDAY + HOUR, OFFICE) == clock


def test_a_changed_target_keeps_the_time_used() -> None:
    clock = SlaClock.start(MONDAY, hours(8), OFFICE)
    now = MONDAY + 6 * HOUR
    assert clock.retarget(hours(4)).due_at() == MONDAY + 4 * HOUR
    assert clock.retarget(hours(4)).slack(now) == -2 * HOUR
    assert clock.retarget(days(2)).due_at() == MONDAY + timedelta(days=1) + 8 * HOUR


def test_a_changed_calendar_keeps_hours_as_hours_and_days_as_days() -> None:
    noon = MONDAY + 3 * HOUR
    in_hours = SlaClock.start(MONDAY, hours(4), ALWAYS).move(noon, OFFICE)
    assert in_hours.used(noon) == 3 * HOUR
    assert in_hours.due_at() == noon + HOUR
    # Half of a 24-hour day used: half of an eight-hour day is left.
    evening = MONDAY + 12 * HOUR
    in_days = SlaClock.start(MONDAY, days(1), ALWAYS).move(evening, OFFICE)
    assert in_days.used(evening) == 4 * HOUR
    assert in_days.slack(evening) == 4 * HOUR
    assert in_days.due_at() == MONDAY + timedelta(days=1) + 4 * HOUR
    on_hold = SlaClock.start(MONDAY, hours(4), OFFICE).pause(noon).move(noon, ALWAYS)
    assert on_hold.resume(evening).due_at() == evening + HOUR


def test_a_clock_follows_statuses() -> None:
    clock = SlaClock.start(MONDAY, hours(8), OFFICE)
    changes = [
        (MONDAY + 1 * HOUR, "in progress"),
        (MONDAY + 2 * HOUR, "on_hold"),
        (MONDAY + 3 * HOUR, "open"),
        (MONDAY + 4 * HOUR, "resolved"),
        (MONDAY + 5 * HOUR, "on_hold"),
        (MONDAY + 6 * HOUR, "open"),
    ]
    followed = follow_statuses(clock, changes)
    assert followed.used(MONDAY + 7 * HOUR) == 4 * HOUR
    assert followed.stopped_at is None
    vendor = follow_statuses(
        clock, [(MONDAY + HOUR, "vendor"), (MONDAY + 2 * HOUR, "closed")],
        pause_on=("vendor",), stop_on=("closed",),
    )  # fmt: skip
    assert vendor.used(MONDAY + 9 * HOUR) == HOUR
    assert vendor.stopped_at == MONDAY + 2 * HOUR
