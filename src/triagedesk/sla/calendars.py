"""Business calendars: when a desk works."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property, lru_cache, partial
from itertools import pairwise
from zoneinfo import ZoneInfo

from triagedesk.errors import CalendarError, Problem
from triagedesk.sla.timeline import (
    DAY_SECONDS,
    MICROSECONDS,
    Interval,
    Timeline,
    Unbroken,
    WorkingTime,
    year_intervals,
    year_start,
)

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
#: Where a new calendar is tried; any year would do.
_SAMPLE_YEAR = 2024
_LEAP_YEAR = 2024
_DAY_HOURS = 24


@dataclass(frozen=True, kw_only=True)
class Window:
    """Working hours on the clock on the wall, in seconds since the midnight they begin after."""

    #: 0 up to 86,399.
    opens: int
    #: Past 86,400 for a window over midnight; it belongs to the weekday it begins on.
    closes: int

    def __str__(self) -> str:
        opens, closes = _clock(self.opens), _clock(self.closes)
        if self.closes <= DAY_SECONDS:
            return f"{opens}-{closes}"
        return f"{opens}-{_clock(self.closes - DAY_SECONDS)}+1"


@dataclass(frozen=True, kw_only=True)
class Holidays:
    """The public holidays of a country, or of one subdivision, from the package `holidays`."""

    #: ISO 3166-1 code, e.g. `DE`.
    country: str
    #: ISO 3166-2 code without the country, e.g. `BY`; "" for the holidays all have.
    subdivision: str = ""

    def __str__(self) -> str:
        return "-".join(filter(None, (self.country, self.subdivision)))


@dataclass(frozen=True, kw_only=True)
class OwnDate:
    """A date on which a desk works other hours than its week says, or not at all."""

    month: int
    day: int
    #: None for every year.
    year: int | None = None
    #: Within the date, never over midnight; none for a date on which the desk is closed.
    windows: tuple[Window, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """When a desk works. Raises CalendarError for one that cannot be or never does.

    An instant is working time when the clock on the wall says so: holidays and own dates hold
    from midnight to midnight, whatever window began the day before.
    """

    name: str
    #: IANA name, e.g. `Europe/Berlin`.
    zone: str
    #: Seven weekdays from Monday.
    week: tuple[tuple[Window, ...], ...]
    holidays: tuple[Holidays, ...] = ()
    #: A date of one year comes before the same date of every year, both before holidays.
    own_dates: tuple[OwnDate, ...] = ()
    #: What one day of an SLA in days counts; None for the mean of the week's working days.
    hours_per_day: float | None = None

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise CalendarError(problems=problems)

    @cached_property
    def day(self) -> timedelta:
        """One working day, to the second: what an SLA of one day counts on this calendar."""
        if self.hours_per_day is not None:
            return timedelta(seconds=round(self.hours_per_day * 3600))
        per_weekday = [sum(w.closes - w.opens for w in windows) for windows in self.week]
        worked = [seconds for seconds in per_weekday if seconds]
        return timedelta(seconds=round(sum(worked) / len(worked)))

    @cached_property
    def day_microseconds(self) -> int:
        """One working day as a whole number."""
        return self.day // timedelta(microseconds=1)

    @cached_property
    def working_time(self) -> WorkingTime:
        """This calendar's working time, ready to be counted."""
        whole_week = all(hours == ((0, DAY_SECONDS),) for hours in self._hours_by_weekday)
        if whole_week and not self.holidays and not self.own_dates:
            return Unbroken()
        zone = ZoneInfo(self.zone)
        return Timeline(partial(year_intervals, zone=zone, open_on=self.open_on))

    def open_on(self, day: date) -> tuple[Interval, ...]:
        """The working hours of a date on the wall, in seconds since its midnight."""
        for key in ((day.year, day.month, day.day), (None, day.month, day.day)):
            if key in self._own_hours:
                return self._own_hours[key]
        if any(day in public_holidays(rule, day.year) for rule in self.holidays):
            return ()
        return self._hours_by_weekday[day.weekday()]

    @cached_property
    def _hours_by_weekday(self) -> tuple[tuple[Interval, ...], ...]:
        """The week's windows, those over midnight cut in two; touching ones joined."""
        hours: list[list[Interval]] = [[] for _ in WEEKDAYS]
        for weekday, windows in enumerate(self.week):
            for window in windows:
                hours[weekday].append((window.opens, min(window.closes, DAY_SECONDS)))
                if window.closes > DAY_SECONDS:
                    hours[(weekday + 1) % 7].append((0, window.closes - DAY_SECONDS))
        return tuple(_joined(day) for day in hours)

    @cached_property
    def _own_hours(self) -> Mapping[tuple[int | None, int, int], tuple[Interval, ...]]:
        return {
            (own.year, own.month, own.day): _joined([(w.opens, w.closes) for w in own.windows])
            for own in self.own_dates
        }


def _joined(hours: Sequence[Interval]) -> tuple[Interval, ...]:
    """Hours in order, touching ones joined."""
    joined: list[Interval] = []
    for opens, closes in sorted(hours):
        if joined and joined[-1][1] >= opens:
            joined[-1] = (joined[-1][0], max(joined[-1][1], closes))
        else:
            joined.append((opens, closes))
    return tuple(joined)


@lru_cache(maxsize=4096)
def public_holidays(rule: Holidays, year: int) -> frozenset[date]:
    """The public holidays of a year, those moved from a weekend to a weekday included."""
    from holidays import country_holidays  # noqa: PLC0415 - 80 ms only desks with holidays pay

    # A holiday of the next year can be observed in this one (1 January 2022 on a Friday).
    years = (year, year + 1)
    found = country_holidays(rule.country, subdiv=rule.subdivision or None, years=years)
    return frozenset(day for day in found if day.year == year)


def _problems(calendar: Calendar) -> Iterator[Problem]:
    """Everything wrong with a calendar, placed by its parts' names."""
    at = f"calendars.{calendar.name}"
    placed = [*_zone_problems(calendar, at), *_holiday_problems(calendar, at)]
    if len(calendar.week) != len(WEEKDAYS):
        placed.append(Problem(where=f"{at}.hours", what=f"{len(calendar.week)} weekdays, not 7"))
    else:
        placed += _week_problems(calendar, at)
    placed += _own_date_problems(calendar, at)
    if calendar.hours_per_day is not None and not 0 < calendar.hours_per_day <= _DAY_HOURS:
        what = f"{calendar.hours_per_day:g} is not between 0 and 24"
        placed.append(Problem(where=f"{at}.hours_per_day", what=what))
    yield from placed
    if not placed and not _ever_works(calendar):
        yield Problem(where=at, what="no working time is left after its holidays and own dates")


def _zone_problems(calendar: Calendar, at: str) -> Iterator[Problem]:
    try:
        ZoneInfo(calendar.zone)
    # An unknown name is a KeyError, an impossible one a ValueError, `Europe` a directory.
    except (KeyError, ValueError, OSError):
        yield Problem(
            where=f"{at}.zone",
            what=f"unknown time zone {calendar.zone[:80]!r}",
            hint="an IANA name, e.g. Europe/Berlin",
        )


def _week_problems(calendar: Calendar, at: str) -> Iterator[Problem]:
    placed: list[tuple[int, int, str]] = []
    for weekday, windows in enumerate(calendar.week):
        for window in windows:
            where = f"{at}.hours.{WEEKDAYS[weekday]}"
            if not 0 <= window.opens < window.closes <= window.opens + DAY_SECONDS:
                yield Problem(where=where, what=f"{window} is no window of up to 24 hours")
                return
            begins = weekday * DAY_SECONDS
            shown = f"{WEEKDAYS[weekday]} {window}"
            placed.append((begins + window.opens, begins + window.closes, shown))
    if not placed:
        yield Problem(where=f"{at}.hours", what="no working time at all")
        return
    placed.sort()
    # Sunday's last window may reach into Monday.
    first = placed[0]
    placed.append((first[0] + 7 * DAY_SECONDS, first[1] + 7 * DAY_SECONDS, first[2]))
    for (_, closes, one), (opens, _, other) in pairwise(placed):
        if opens < closes:
            yield Problem(where=f"{at}.hours", what=f"{other} overlaps {one}")


def _holiday_problems(calendar: Calendar, at: str) -> Iterator[Problem]:
    for rule in calendar.holidays:
        try:
            public_holidays(rule, _SAMPLE_YEAR)
        except (NotImplementedError, AttributeError, KeyError):
            # What the package raises depends on which part of the code it does not know.
            yield Problem(
                where=f"{at}.holidays",
                what=f"no holidays are known for {str(rule)[:80]!r}",
                hint=_known_subdivisions(rule.country),
            )


def _known_subdivisions(country: str) -> str:
    from holidays import list_supported_countries  # noqa: PLC0415 - as above

    known = list_supported_countries()
    if country not in known:
        return "an ISO 3166 country code, e.g. DE, or with its subdivision, e.g. DE-BY"
    return f"known in {country}: {', '.join(known[country]) or 'no subdivisions'}"


def _own_date_problems(calendar: Calendar, at: str) -> Iterator[Problem]:
    seen: set[tuple[int | None, int, int]] = set()
    for own in calendar.own_dates:
        key = (own.year, own.month, own.day)
        name = "-".join(f"{part:02}" for part in key if part is not None)
        try:
            date(own.year or _LEAP_YEAR, own.month, own.day)
        except ValueError:
            yield Problem(where=at, what=f"there is no date {name}")
        if key in seen:
            yield Problem(where=at, what=f"{name} is given twice")
        seen.add(key)
        end = 0
        for window in sorted(own.windows, key=lambda w: w.opens):
            if not 0 <= window.opens < window.closes <= DAY_SECONDS:
                yield Problem(where=f"{at}.special.{name}", what=f"{window} is not within the date")
            elif window.opens < end:
                yield Problem(where=f"{at}.special.{name}", what=f"{window} overlaps another one")
            end = window.closes


def _ever_works(calendar: Calendar) -> bool:
    """Whether a working hour follows a day chosen at will, sooner or later."""
    try:
        calendar.working_time.after(year_start(_SAMPLE_YEAR) * MICROSECONDS, 1)
    except ValueError:
        return False
    return True


def _clock(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours:02}:{minutes:02}" + (f":{seconds:02}" if seconds else "")


#: 24×7: the calendar of everything that names none.
ALWAYS = Calendar(
    name="24x7", zone="UTC", week=((Window(opens=0, closes=DAY_SECONDS),),) * len(WEEKDAYS)
)
