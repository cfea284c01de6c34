"""What must hold of the SLA clock on every calendar, against a slow and obvious reference."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triagedesk.catalog import Sla, SlaUnit
from triagedesk.errors import CalendarError
from triagedesk.sla import (
    ALWAYS,
    Calendar,
    OwnDate,
    Pause,
    SlaClock,
    Window,
    counted,
    due_at,
    elapsed,
    length,
    slack,
)

MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Pacific/Apia",
)
#: Days on which some of these zones change their clocks, a leap day, a turn of the year.
DAYS = (
    date(2026, 3, 8),
    date(2026, 3, 29),
    date(2026, 4, 5),
    date(2026, 9, 27),
    date(2026, 10, 4),
    date(2026, 10, 25),
    date(2026, 11, 1),
    date(2024, 2, 29),
    date(2026, 12, 31),
    date(2011, 12, 30),
    date(2026, 2, 15),
)


@st.composite
def weeks(draw: st.DrawFn) -> tuple[tuple[Window, ...], ...]:
    """Windows to the minute, several a day, some over midnight, never overlapping."""
    bounds = draw(st.lists(st.integers(0, 7 * 1440 - 1), min_size=2, max_size=16, unique=True))
    bounds = sorted(bounds)[: len(bounds) // 2 * 2]
    week: list[list[Window]] = [[] for _ in range(7)]
    for start, end in zip(bounds[::2], bounds[1::2], strict=True):
        day, minute = divmod(start, 1440)
        closes = min(end - day * 1440, minute + 1440)
        week[day].append(Window(opens=minute * 60, closes=closes * 60))
    return tuple(tuple(day) for day in week)


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    near = [day + timedelta(days=shift) for day in DAYS for shift in (-1, 0, 1)]
    dates = draw(st.lists(st.sampled_from(near), max_size=4, unique=True))
    hours = draw(
        st.lists(st.sampled_from([(), (Window(opens=3600, closes=4 * 3600),)]), min_size=4)
    )
    return Calendar(
        name="random",
        zone=draw(st.sampled_from(ZONES)),
        week=draw(weeks()),
        own_dates=tuple(
            OwnDate(year=day.year, month=day.month, day=day.day, windows=windows)
            for day, windows in zip(dates, hours, strict=False)
        ),
    )


@st.composite
def moments(draw: st.DrawFn) -> datetime:
    day = draw(st.sampled_from(DAYS))
    minutes = draw(st.integers(-2 * 1440, 2 * 1440))
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + minutes * MINUTE


targets = st.integers(1, 60 * 86_400 * 10**6).map(lambda number: number * MICROSECOND)


@st.composite
def pauses(draw: st.DrawFn, start: datetime) -> list[Pause]:
    found = []
    for _ in range(draw(st.integers(0, 4))):
        begin = start + draw(st.integers(-600, 4000)) * MINUTE
        found.append(Pause(started_at=begin, ended_at=begin + draw(st.integers(0, 900)) * MINUTE))
    return found


def is_working(at: datetime, calendar: Calendar) -> bool:
    """Read the clock on the wall and look it up; slow and obvious."""
    wall = at.astimezone(ZoneInfo(calendar.zone))
    second = wall.hour * 3600 + wall.minute * 60 + wall.second
    for own in calendar.own_dates:
        if (own.year, own.month, own.day) == (wall.year, wall.month, wall.day):
            return any(w.opens <= second < w.closes for w in own.windows)
    today, before = calendar.week[wall.weekday()], calendar.week[wall.weekday() - 1]
    return any(w.opens <= second < w.closes for w in today) or any(
        w.opens <= second + 86_400 < w.closes for w in before
    )


@settings(max_examples=60, deadline=None)
@given(calendars(), moments(), st.integers(0, 4000), st.data())
def test_elapsed_equals_counting_minute_by_minute(
    calendar: Calendar, start: datetime, minutes: int, data: st.DataObject
) -> None:
    held = data.draw(pauses(start))
    slowly = sum(
        is_working(at, calendar) and not any(p.started_at <= at < (p.ended_at or at) for p in held)
        for at in (start + step * MINUTE for step in range(minutes))
    )
    assert elapsed(start, start + minutes * MINUTE, calendar, held) == slowly * MINUTE


@settings(max_examples=40, deadline=None)
@given(calendars(), moments(), st.integers(1, 2000))
def test_due_at_equals_walking_minute_by_minute(
    calendar: Calendar, start: datetime, minutes: int
) -> None:
    due = due_at(start, minutes * MINUTE, calendar)
    assert due is not None
    if due - start > timedelta(days=6):
        return
    at, left = start, minutes
    while left:
        left -= is_working(at, calendar)
        at += MINUTE
    assert due == at


@settings(max_examples=200, deadline=None)
@given(calendars(), moments(), targets, st.data())
def test_elapsed_up_to_the_due_date_is_the_target(
    calendar: Calendar, start: datetime, target: timedelta, data: st.DataObject
) -> None:
    held = data.draw(pauses(start))
    due = due_at(start, target, calendar, held)
    assert due is not None
    assert elapsed(start, due, calendar, held) == target
    assert elapsed(start, due - MICROSECOND, calendar, held) < target
    assert slack(due, start, target, calendar, held) == timedelta(0)


@settings(max_examples=100, deadline=None)
@given(calendars(), moments(), st.integers(1, 30), st.sampled_from(SlaUnit))
def test_elapsed_up_to_the_due_date_is_the_sla_in_either_unit(
    calendar: Calendar, start: datetime, value: int, unit: SlaUnit
) -> None:
    sla = Sla(value=value, unit=unit)
    due = due_at(start, sla, calendar)
    assert due is not None
    assert elapsed(start, due, calendar) == length(sla, calendar)


@settings(max_examples=100, deadline=None)
@given(calendars(), moments(), st.integers(0, 10**11), targets, targets)
def test_due_dates_never_go_back_when_start_or_target_grow(
    calendar: Calendar, start: datetime, later: int, one: timedelta, other: timedelta
) -> None:
    less, more = sorted((one, other))
    first, second = due_at(start, less, calendar), due_at(start, more, calendar)
    after = due_at(start + later * MICROSECOND, less, calendar)
    assert first is not None
    assert second is not None
    assert after is not None
    assert first <= second
    assert first <= after


@settings(max_examples=100, deadline=None)
@given(calendars(), moments(), st.lists(st.integers(0, 10**12), min_size=1, max_size=5), st.data())
def test_splitting_an_interval_never_changes_its_sum(
    calendar: Calendar, start: datetime, offsets: list[int], data: st.DataObject
) -> None:
    held = data.draw(pauses(start))
    points = [start, *(start + offset * MICROSECOND for offset in sorted(offsets))]
    parts = [elapsed(low, high, calendar, held) for low, high in pairwise(points)]
    assert sum(parts, timedelta(0)) == elapsed(start, points[-1], calendar, held)


@settings(max_examples=100, deadline=None)
@given(calendars(), moments(), targets, st.integers(0, 10**11))
def test_pausing_and_resuming_at_once_changes_nothing(
    calendar: Calendar, start: datetime, target: timedelta, offset: int
) -> None:
    at = start + offset * MICROSECOND
    still = Pause(started_at=at, ended_at=at)
    assert due_at(start, target, calendar, [still]) == due_at(start, target, calendar)
    clock = SlaClock.start(start, Sla(value=9, unit=SlaUnit.HOURS), calendar)
    paused = clock.pause(at).resume(at)
    assert paused.due_at() == clock.due_at()
    assert paused.used(at + timedelta(days=3)) == clock.used(at + timedelta(days=3))


@settings(deadline=None)
@given(moments(), targets, st.data())
def test_a_calendar_of_every_hour_is_plain_arithmetic(
    start: datetime, target: timedelta, data: st.DataObject
) -> None:
    zone = data.draw(st.sampled_from(ZONES))
    # In two parts and with an own date, so that it takes the general way.
    halves = (Window(opens=0, closes=43_200), Window(opens=43_200, closes=86_400))
    own = OwnDate(year=2026, month=6, day=1, windows=halves)
    general = Calendar(name="all", zone=zone, week=(halves,) * 7, own_dates=(own,))
    for calendar in (ALWAYS, general):
        assert due_at(start, target, calendar) == start + target
        assert elapsed(start, start + target, calendar) == target


@settings(max_examples=60, deadline=None)
@given(calendars(), moments(), st.integers(0, 10**12), st.data())
def test_the_intervals_shown_are_those_counted(
    calendar: Calendar, start: datetime, offset: int, data: st.DataObject
) -> None:
    held = data.draw(pauses(start))
    end = start + offset * MICROSECOND
    shown = counted(start, end, calendar, held)
    assert sum((high - low for low, high in shown), timedelta(0)) == elapsed(
        start, end, calendar, held
    )
    assert shown == sorted(shown)
    assert all(start <= low < high <= end for low, high in shown)


@settings(max_examples=60, deadline=None)
@given(calendars(), moments(), st.lists(st.integers(0, 3000), max_size=6), st.integers(1, 40))
def test_a_clock_agrees_with_the_pauses_between_its_stretches(
    calendar: Calendar, start: datetime, minutes: list[int], hours: int
) -> None:
    target = Sla(value=hours, unit=SlaUnit.HOURS)
    clock, held = SlaClock.start(start, target, calendar), []
    points = [start + minute * MINUTE for minute in sorted(minutes)]
    for begin, end in zip(points[::2], points[1::2], strict=False):
        clock = clock.pause(begin).resume(end)
        held.append(Pause(started_at=begin, ended_at=end))
    now = start + timedelta(days=3)
    assert clock.due_at() == due_at(start, target, calendar, held)
    assert clock.used(now) == elapsed(start, now, calendar, held)
    assert clock.slack(now) == slack(now, start, target, calendar, held)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1439), st.integers(1, 2880)), max_size=4))
def test_a_calendar_is_made_or_refused_but_never_wrong(windows: list[tuple[int, int]]) -> None:
    monday = tuple(Window(opens=opens * 60, closes=closes * 60) for opens, closes in windows)
    week = (monday, *((),) * 6)
    taken = [second for w in monday for second in range(w.opens, w.closes, 60)]
    if not monday or any(w.closes <= w.opens or w.closes > w.opens + 86_400 for w in monday):
        with pytest.raises(CalendarError):
            Calendar(name="any", zone="UTC", week=week)
        return
    if len(taken) != len(set(taken)):
        with pytest.raises(CalendarError, match="overlaps"):
            Calendar(name="any", zone="UTC", week=week)
        return
    calendar = Calendar(name="any", zone="UTC", week=week)
    start = datetime(2026, 6, 1, tzinfo=UTC)
    worked = elapsed(start, start + timedelta(days=7), calendar)
    assert worked == sum(closes - opens for opens, closes in windows) * MINUTE
