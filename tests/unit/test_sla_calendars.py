"""Calendars from YAML: what is read, what is refused and where."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta

import pytest

from triagedesk.catalog import CatalogEntry, Label, Sla, SlaUnit
from triagedesk.errors import CalendarError
from triagedesk.sla import (
    ALWAYS,
    Calendar,
    OwnDate,
    SlaPolicy,
    Window,
    due_at,
    elapsed,
    parse_sla_policy,
)

HOUR = timedelta(hours=1)


def office(**changes: str) -> Calendar:
    parts = {"zone": "Europe/Berlin", "hours": "{mon-fri: 09:00-17:00}"} | changes
    lines = [f"    {key}: {value}" for key, value in parts.items()]
    return parse_sla_policy("\n".join(["calendars:", "  office:", *lines])).named("office")


def problems(text: str) -> list[str]:
    with pytest.raises(CalendarError) as caught:
        parse_sla_policy(text)
    return [str(problem) for problem in caught.value.problems]


def entry(category: str = "Hardware", calendar: str = "") -> CatalogEntry:
    sla = Sla(value=1, unit=SlaUnit.DAYS)
    return CatalogEntry(label=Label(category, "Repair"), sla=sla, calendar=calendar)


def test_no_file_means_24x7() -> None:
    policy = parse_sla_policy("")
    assert policy == SlaPolicy()
    assert policy.calendar(entry()) is ALWAYS
    assert policy.calendar(None) is ALWAYS


def test_an_entry_chooses_its_calendar_then_its_category_then_the_desk() -> None:
    policy = parse_sla_policy(
        """
        default: Day
        categories: {Security: 24x7}
        calendars:
          Day: {zone: UTC, hours: {mon-fri: 09:00-17:00}}
          Night: {zone: UTC, hours: {mon-fri: 22:00-06:00}}
        """
    )
    assert policy.calendar(entry()).name == "Day"
    assert policy.calendar(entry("SECURITY")) is ALWAYS
    assert policy.calendar(entry("Security", " night ")).name == "Night"
    assert [p.what for p in policy.problems([entry(), entry(calendar="dusk")])] == [
        "no calendar is called 'dusk'"
    ]
    with pytest.raises(CalendarError, match="no calendar is called 'dusk'"):
        policy.calendar(entry(calendar="dusk"))


def test_rules_of_the_clock_are_read() -> None:
    policy = parse_sla_policy(
        """
        pause_on: [on_hold, waiting for vendor]
        stop_on: closed
        warn_at: [0.9, 0.5]
        groups: {Network Team: {value: 2, unit: days}}
        """
    )
    assert policy.pause_on == ("on_hold", "waiting for vendor")
    assert policy.stop_on == ("closed",)
    assert policy.warn_at == (0.5, 0.9)
    assert policy.group_targets == {"network team": Sla(value=2, unit=SlaUnit.DAYS)}


def test_the_version_changes_with_what_is_said_not_with_its_layout() -> None:
    one = parse_sla_policy("calendars: {a: {zone: UTC, hours: {mon: 09:00-17:00}}}")
    same = parse_sla_policy("calendars:\n  a:\n    hours: {mon: ['9:00-17:00']}\n    zone: UTC")
    other = parse_sla_policy("calendars: {a: {zone: UTC, hours: {mon: 09:00-17:01}}}")
    assert one.version == same.version
    assert one.version != other.version != parse_sla_policy("").version


@pytest.mark.parametrize(
    ("hours", "weekly"),
    [
        ("{mon-fri: 09:00-17:00}", 40),
        ("{monday: [08:00-12:00, 13:00-17:30], Tue: 10:00-11:00}", 9.5),
        ("{fri-mon: 22:00-06:00}", 32),
        ("{sun: 22:00-06:00, mon: 06:00-07:00}", 9),
        ("{mon: 17:00-09:00+1}", 16),
        ("{mon: 00:00-24:00, tue: closed, wed: []}", 24),
        ("{mon: '09:00 – 10:00:30'}", 1 + 30 / 3600),
        ("24x7", 168),
    ],
)
def test_hours_of_a_week(hours: str, weekly: float) -> None:
    monday = datetime(2026, 6, 1, tzinfo=UTC)
    calendar = office(hours=hours)
    assert elapsed(monday, monday + timedelta(days=7), calendar) == weekly * HOUR


@pytest.mark.parametrize(
    ("hours", "extra", "day"),
    [
        ("24x7", {}, 24),
        ("{mon-fri: 09:00-17:00}", {}, 8),
        ("{mon-thu: 08:00-17:00, fri: 08:00-12:00}", {}, 8),
        ("{mon-fri: 09:00-17:00, sat: 10:00-12:00}", {}, 7),
        ("{mon-fri: 09:00-17:00, sat: 10:00-12:00}", {"hours_per_day": "7.5"}, 7.5),
        ("{mon-fri: 22:00-06:00}", {}, 8),
    ],
)
def test_a_working_day_is_the_mean_of_the_week(
    hours: str, extra: dict[str, str], day: float
) -> None:
    assert office(hours=hours, **extra).day == day * HOUR


def test_public_holidays_are_not_worked_and_those_of_a_subdivision_only_there() -> None:
    epiphany = datetime(2026, 1, 6, tzinfo=UTC)
    for region, worked in (("DE", 8), ("DE-BY", 0), ("[US, de-by]", 0)):
        calendar = office(holidays=region)
        assert elapsed(epiphany, epiphany + timedelta(days=1), calendar) == worked * HOUR
    named = office(holidays="{subdivision: BY, country: DE}")
    assert elapsed(epiphany, epiphany + timedelta(days=1), named) == timedelta(0)


def test_a_holiday_observed_on_another_day_is_not_worked() -> None:
    # 1 January 2022 was a Saturday.
    friday = datetime(2021, 12, 31, tzinfo=UTC)
    calendar = office(zone="America/New_York", holidays="US")
    assert elapsed(friday, friday + timedelta(days=1), calendar) == timedelta(0)


def test_holidays_in_a_row_and_a_closed_week_are_skipped() -> None:
    calendar = office(holidays="DE-BY", closed="[12-24, 2026-12-28..2026-12-31]")
    start = datetime(2026, 12, 23, 15, 30, tzinfo=UTC)
    # Half an hour left on the 23rd; the 1st is a Friday and a holiday.
    assert due_at(start, HOUR, calendar) == datetime(2027, 1, 4, 8, 30, tzinfo=UTC)


def test_own_dates_come_before_holidays_and_one_year_before_every_year() -> None:
    calendar = office(
        holidays="DE", closed="[2027-06-01]", special="{12-25: 10:00-12:00, 06-01: 09:00-10:00}"
    )
    for day, worked in (
        (datetime(2026, 12, 25, tzinfo=UTC), 2),
        (datetime(2026, 6, 1, tzinfo=UTC), 1),
        (datetime(2027, 6, 1, tzinfo=UTC), 0),
    ):
        assert elapsed(day, day + timedelta(days=1), calendar) == worked * HOUR


def test_a_holiday_cuts_a_night_shift_at_midnight() -> None:
    calendar = office(hours="{mon-sun: 22:00-06:00}", closed="[2026-06-03]", zone="UTC")
    start = datetime(2026, 6, 2, 12, tzinfo=UTC)
    end = datetime(2026, 6, 4, 12, tzinfo=UTC)
    # 22:00 to midnight on the 2nd, midnight to 06:00 on the 4th.
    assert elapsed(start, end, calendar) == 8 * HOUR


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"zone": "Europe/Atlantis"}, "line 3, calendars.office.zone: unknown time zone"),
        ({"zone": "../../etc/passwd"}, "line 3, calendars.office.zone: unknown time zone"),
        ({"zone": "Europe"}, "line 3, calendars.office.zone: unknown time zone"),
        ({"hours": "{mon: [09:00-12:00, 11:00-13:00]}"}, "monday 11:00-13:00 overlaps monday"),
        ({"hours": "{sun: 22:00-06:00, mon: 05:00-06:00}"}, "monday 05:00-06:00 overlaps sunday"),
        ({"hours": "{mon: 17:00-09:00}"}, "line 4, calendars.office.hours.mon: '17:00-09:00' ends"),
        ({"hours": "{mon: 09:00-09:00}"}, "ends before it starts"),
        ({"hours": "{mon: 24:00-09:00}"}, "no such time of day"),
        ({"hours": "{mon: 09:60-10:00}"}, "no such time of day"),
        ({"hours": "{mon: 09:00-10:00+1}"}, "longer than 24 hours"),
        ({"hours": "{mon: 9-5}"}, "'9-5' is no window"),
        ({"hours": "{mon: 5}"}, "'5' is no window"),
        ({"hours": "{montag: 09:00-17:00}"}, "'montag' is no weekday"),
        ({"hours": "{mon-fri: 09:00-17:00, wed: 10:00-11:00}"}, "wednesday is given twice"),
        ({"hours": "{}"}, "no working time at all"),
        ({"hours": "{mon: closed}"}, "no working time at all"),
        ({"hours": "[1]"}, "a list where names with values belong"),
        ({"holidays": "XX"}, "line 5, calendars.office.holidays: no holidays are known for 'XX'"),
        ({"holidays": "DE-XX"}, "known in DE: BB"),
        ({"holidays": "Germany, Bavaria"}, "is no country"),
        ({"closed": "[2026-02-29]"}, "'2026-02-29' is no date"),
        ({"closed": "[tomorrow]"}, "'tomorrow' is no date"),
        ({"closed": "[2026-12-24, 2026-12-24]"}, "2026-12-24 is given twice"),
        ({"closed": "[2026-03-02..2026-03-01]"}, "ends before it starts"),
        ({"closed": "[12-24..12-31]"}, "needs its year"),
        ({"special": "{2026-03-02: 22:00-02:00}"}, "is not within the date"),
        ({"special": "{2026-03-02: [09:00-12:00, 11:00-13:00]}"}, "overlaps another"),
        ({"hours_per_day": "0"}, "0 is not between 0 and 24"),
        ({"hours_per_day": "eight"}, "'eight' where a number belongs"),
        ({"timezone": "UTC"}, "'timezone' is not known here"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(changes: dict[str, str], message: str) -> None:
    with pytest.raises(CalendarError) as caught:
        office(**changes)
    assert message in str(caught.value)


def test_a_calendar_whose_every_working_day_is_closed_is_refused() -> None:
    # Every Christmas Day, whatever the weekday.
    days = [f"{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 32)]
    real = [
        day for day in days if day not in ("02-30", "02-31", "04-31", "06-31", "09-31", "11-31")
    ]
    with pytest.raises(CalendarError, match="no working time is left"):
        office(closed=f"[{', '.join(real)}]")


def test_every_mistake_is_reported_at_once() -> None:
    found = problems(
        "default: nowhere\n"
        "warn_at: [2]\n"
        "groups: {Net: {value: -1, unit: hours}}\n"
        "calendars:\n"
        "  24x7: {zone: UTC, hours: 24x7}\n"
        "  a: {hours: {mon: 25:00-26:00}}\n"
        "surprise: 1\n"
    )
    for expected in (
        "line 1, default: no calendar is called 'nowhere'",
        "line 2, warn_at",
        "line 3, groups.Net: is no target",
        "line 5, calendars.24x7: a calendar of this name cannot be defined",
        "line 6, calendars.a: zone is missing",
        "line 6, calendars.a.hours.mon",
        "line 7, calendars file: 'surprise' is not known",
    ):
        assert any(expected in problem for problem in found), expected


@pytest.mark.parametrize("text", ["{", "- 1", "calendars: 3", "a: &a [*a]", "x" * 1_100_000])
def test_a_text_that_is_no_policy_is_refused(text: str) -> None:
    assert problems(text)


def test_a_calendar_made_by_hand_is_checked_too() -> None:
    day = (Window(opens=9 * 3600, closes=17 * 3600),)
    with pytest.raises(CalendarError, match="6 weekdays, not 7"):
        Calendar(name="short", zone="UTC", week=(day,) * 6)
    with pytest.raises(CalendarError, match="there is no date 02-30"):
        Calendar(name="odd", zone="UTC", week=(day,) * 7, own_dates=(OwnDate(month=2, day=30),))


def test_a_calendar_survives_pickling_and_compares_by_what_it_says() -> None:
    calendar = office(holidays="DE")
    start = datetime(2026, 3, 2, tzinfo=UTC)
    before = due_at(start, HOUR, calendar)
    copy = pickle.loads(pickle.dumps(calendar))
    assert copy == calendar == office(holidays="DE")
    assert hash(copy) == hash(calendar)
    assert due_at(start, HOUR, copy) == before
