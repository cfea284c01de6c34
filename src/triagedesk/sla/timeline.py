"""Working time along the UTC time line: counted and inverted by binary search.

Times are whole microseconds since 1970 in UTC, so that nothing is ever rounded. The intervals in
which a calendar works are computed once per year and kept.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

#: Half-open: from, to.
Interval = tuple[int, int]

DAY_SECONDS = 86_400
MICROSECONDS = 1_000_000
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_FIRST_YEAR, _LAST_YEAR = 1900, 9998
#: How far ahead working time is looked for: a calendar may be closed by its own dates for years.
HORIZON_YEARS = 100


class WorkingTime(Protocol):
    """Something that can count working time."""

    def between(self, start: int, end: int) -> int:
        """Working microseconds from `start` to `end` (start <= end)."""

    def after(self, start: int, amount: int) -> int:
        """The earliest instant by which `amount` > 0 of working time has passed since `start`."""

    def intervals(self, start: int, end: int) -> Iterator[Interval]:
        """The working intervals between `start` and `end`, in order."""


class Unbroken:
    """Working time that never stops: plain arithmetic."""

    def between(self, start: int, end: int) -> int:
        """The difference."""
        return end - start

    def after(self, start: int, amount: int) -> int:
        """The sum."""
        return start + amount

    def intervals(self, start: int, end: int) -> Iterator[Interval]:
        """The whole, unless it is empty."""
        if start < end:
            yield start, end


@dataclass(frozen=True, kw_only=True, slots=True)
class _Span:
    """The working intervals of some years in a row."""

    first_year: int
    last_year: int
    #: First instant of `first_year`, and of the year after `last_year`.
    low: int
    high: int
    starts: Sequence[int]
    ends: Sequence[int]
    #: Working time of the span before each interval.
    before: Sequence[int]
    total: int

    def worked(self, at: int) -> int:
        """Working time of the span up to `at`."""
        index = bisect_right(self.starts, at) - 1
        if index < 0:
            return 0
        return self.before[index] + min(at, self.ends[index]) - self.starts[index]


class Timeline:
    """A calendar's working intervals, grown year by year as they are asked for."""

    def __init__(self, year_intervals: Callable[[int], Sequence[Interval]]) -> None:
        self._year_intervals = year_intervals
        self._years: dict[int, Sequence[Interval]] = {}
        # Replaced as a whole, never changed in place: threads at worst compute a span twice.
        self._span: _Span | None = None

    def between(self, start: int, end: int) -> int:
        """Working microseconds from `start` to `end` (start <= end)."""
        span = self._covering(start, end)
        return span.worked(end) - span.worked(start)

    def after(self, start: int, amount: int) -> int:
        """The earliest instant by which `amount` > 0 of working time has passed since `start`.

        Raises ValueError when there is not so much working time within `HORIZON_YEARS`, and then
        a further `amount`, of the start.
        """
        span = self._covering(start, start + amount)
        worked = span.worked(start) + amount
        while worked > span.total:
            last_year = _year_of(start + amount) + HORIZON_YEARS
            if span.last_year >= last_year or span.last_year >= _LAST_YEAR:
                raise ValueError(f"no working time left up to the end of {span.last_year}")
            reach = span.last_year - span.first_year + 1
            span = self._grow(span.first_year, min(span.last_year + reach, last_year))
            worked = span.worked(start) + amount
        index = bisect_left(span.before, worked) - 1
        return span.starts[index] + worked - span.before[index]

    def intervals(self, start: int, end: int) -> Iterator[Interval]:
        """The working intervals between `start` and `end`, in order."""
        span = self._covering(start, end)
        first = max(bisect_right(span.starts, start) - 1, 0)
        for low, high in zip(span.starts[first:], span.ends[first:], strict=True):
            if low >= end:
                return
            if max(low, start) < min(high, end):
                yield max(low, start), min(high, end)

    def _covering(self, start: int, end: int) -> _Span:
        span = self._span
        if span is not None and span.low <= start and end < span.high:
            return span
        return self._grow(_year_of(start), _year_of(end))

    def _grow(self, first_year: int, last_year: int) -> _Span:
        """Take the years from `first_year` to `last_year` in, next to those already there."""
        if first_year < _FIRST_YEAR or last_year > _LAST_YEAR:
            raise ValueError(f"calendars reach from {_FIRST_YEAR} to {_LAST_YEAR}")
        if (known := self._span) is not None:
            first_year = min(first_year, known.first_year)
            last_year = max(last_year, known.last_year)
        starts: list[int] = []
        ends: list[int] = []
        before: list[int] = []
        total = 0
        for year in range(first_year, last_year + 1):
            if year not in self._years:
                self._years[year] = self._year_intervals(year)
            for start, end in self._years[year]:
                if ends and ends[-1] == start:
                    ends[-1] = end
                else:
                    starts.append(start)
                    ends.append(end)
                    before.append(total)
                total += end - start
        self._span = _Span(
            first_year=first_year,
            last_year=last_year,
            low=year_start(first_year) * MICROSECONDS,
            high=year_start(last_year + 1) * MICROSECONDS,
            starts=starts,
            ends=ends,
            before=before,
            total=total,
        )
        return self._span


def year_intervals(
    year: int, zone: ZoneInfo, open_on: Callable[[date], Sequence[Interval]]
) -> list[Interval]:
    """The working intervals of a year (UTC, microseconds), in order, touching ones merged.

    An instant is working time exactly when the clock on the wall, read in `zone`, is within one
    of the seconds `open_on` gives for the date on the wall. So an hour that DST skips is worked by
    nobody, and an hour that DST repeats is worked twice.
    """
    found: list[Interval] = []
    for low, high, offset in _steady_offsets(year, zone):
        local_low, local_high = low + offset, high + offset
        for day in range(local_low // DAY_SECONDS, (local_high - 1) // DAY_SECONDS + 1):
            midnight = day * DAY_SECONDS
            for opens, closes in open_on(date.fromordinal(_EPOCH_ORDINAL + day)):
                start = max(midnight + opens, local_low) - offset
                end = min(midnight + closes, local_high) - offset
                if start >= end:
                    continue
                if found and found[-1][1] == start:
                    start = found.pop()[0]
                found.append((start, end))
    return [(start * MICROSECONDS, end * MICROSECONDS) for start, end in found]


def year_start(year: int) -> int:
    """Seconds from 1970 to the first instant of a year, UTC."""
    return (date(year, 1, 1).toordinal() - _EPOCH_ORDINAL) * DAY_SECONDS


def _year_of(at: int) -> int:
    # Nearly right is enough to choose years; the exact bounds are compared in microseconds.
    day = at // MICROSECONDS // DAY_SECONDS + _EPOCH_ORDINAL
    if not date.min.toordinal() <= day <= date.max.toordinal():
        raise ValueError(f"calendars reach from {_FIRST_YEAR} to {_LAST_YEAR}")
    return date.fromordinal(day).year


def _steady_offsets(year: int, zone: ZoneInfo) -> Iterator[tuple[int, int, int]]:
    """The stretches of a UTC year without a clock change: from, to, offset; in seconds."""
    low, end = year_start(year), year_start(year + 1)
    offset = _offset(low, zone)
    for probe in range(low + DAY_SECONDS, end + DAY_SECONDS, DAY_SECONDS):
        at = min(probe, end - 1)
        if (new := _offset(at, zone)) != offset:
            change = _change_between(max(low, at - DAY_SECONDS), at, zone)
            yield low, change, offset
            low, offset = change, new
    yield low, end, offset


def _change_between(low: int, high: int, zone: ZoneInfo) -> int:
    """The first second at which the offset of `high` holds; `low` has another one."""
    wanted = _offset(high, zone)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(middle, zone) == wanted:
            high = middle
        else:
            low = middle
    return high


def _offset(at: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(at, UTC).astimezone(zone).utcoffset()
    # A ZoneInfo always has one, whole seconds.
    return 0 if offset is None else offset.days * DAY_SECONDS + offset.seconds
