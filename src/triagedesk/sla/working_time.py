"""Due dates and elapsed working time, exact to the microsecond."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from triagedesk.catalog import Sla, SlaUnit
from triagedesk.sla.calendars import Calendar
from triagedesk.sla.timeline import Interval

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: Longer targets are a slip of the pen; they are refused, and so nothing is searched for long.
LONGEST_TARGET = timedelta(days=36_525)
_LONGEST = LONGEST_TARGET // _MICROSECOND
_HOUR = timedelta(hours=1) // _MICROSECOND

Target = Sla | timedelta


@dataclass(frozen=True, kw_only=True)
class Pause:
    """A time in which the clock stood still; half-open."""

    started_at: datetime
    #: None while it still does.
    ended_at: datetime | None = None

    def __post_init__(self) -> None:
        start = microseconds(self.started_at, "started_at of a pause")
        if self.ended_at is not None and microseconds(self.ended_at, "ended_at of a pause") < start:
            raise ValueError(f"a pause ends ({self.ended_at}) before it starts ({self.started_at})")


@dataclass(frozen=True, kw_only=True)
class DueDates:
    """When a ticket must be answered and resolved; None where nothing is promised."""

    response_due_at: datetime | None
    resolution_due_at: datetime | None


def length(target: Target, calendar: Calendar) -> timedelta:
    """How much working time a target is; days are the calendar's own. Raises ValueError."""
    return timedelta(microseconds=amount(target, calendar))


def amount(target: Target, calendar: Calendar) -> int:
    """A target in microseconds: whole numbers, since a million due dates go through here."""
    if isinstance(target, timedelta):
        found = target // _MICROSECOND
    elif target.unit == SlaUnit.DAYS:
        found = target.value * calendar.day_microseconds
    else:
        found = target.value * _HOUR
    if not 0 <= found <= _LONGEST:
        shown = target if isinstance(target, timedelta) else f"{target.value} {target.unit}"
        raise ValueError(f"an SLA of {shown} is not between nothing and 100 years")
    return found


def due_at(
    start: datetime, target: Target, calendar: Calendar, pauses: Sequence[Pause] = ()
) -> datetime | None:
    """The earliest instant by which the target's working time has passed since `start`.

    None for a target of 0 (no deadline), and while a pause without an end keeps the clock from
    getting there.
    """
    remaining = amount(target, calendar)
    if not remaining:
        return None
    work = calendar.working_time
    at = microseconds(start, "start")
    for pause_start, pause_end in _merged(pauses, from_=at) if pauses else ():
        available = work.between(at, pause_start)
        if remaining <= available:
            break
        if pause_end is None:
            return None
        remaining -= available
        at = pause_end
    return moment(work.after(at, remaining))


def due_after(start: datetime, worked: int, calendar: Calendar) -> datetime:
    """The earliest instant by which so many microseconds have been worked since `start`."""
    return moment(calendar.working_time.after(microseconds(start, "start"), worked))


def due_dates(
    start: datetime,
    *,
    response: Sla | None,
    resolution: Sla | None,
    calendar: Calendar,
    pauses: Sequence[Pause] = (),
) -> DueDates:
    """Both due dates of a ticket."""
    return DueDates(
        response_due_at=due_at(start, response, calendar, pauses) if response else None,
        resolution_due_at=due_at(start, resolution, calendar, pauses) if resolution else None,
    )


def warn_at(
    start: datetime,
    target: Target,
    calendar: Calendar,
    fraction: float,
    pauses: Sequence[Pause] = (),
) -> datetime | None:
    """When a fraction (0 < fraction <= 1) of the target has been used up; None as for `due_at`."""
    if not 0 < fraction <= 1:
        raise ValueError(f"a warning at {fraction} of an SLA is not within 0 to 1")
    whole = length(target, calendar)
    part = max(whole * fraction, _MICROSECOND) if whole else whole
    return due_at(start, part, calendar, pauses)


def elapsed(
    start: datetime, end: datetime, calendar: Calendar, pauses: Sequence[Pause] = ()
) -> timedelta:
    """The working time between `start` and `end` outside the pauses."""
    work = calendar.working_time
    parts = (work.between(low, high) for low, high in _running(start, end, pauses))
    return timedelta(microseconds=sum(parts))


def counted(
    start: datetime, end: datetime, calendar: Calendar, pauses: Sequence[Pause] = ()
) -> list[tuple[datetime, datetime]]:
    """The intervals that `elapsed` adds up: what to show when a breach is argued about."""
    return [
        (moment(low), moment(high))
        for part in _running(start, end, pauses)
        for low, high in calendar.working_time.intervals(*part)
    ]


def slack(
    now: datetime,
    start: datetime,
    target: Target,
    calendar: Calendar,
    pauses: Sequence[Pause] = (),
) -> timedelta | None:
    """The working time left at `now`, negative once it is used up; None without a deadline.

    Before `start` it is the whole target.
    """
    whole = length(target, calendar)
    if not whole:
        return None
    # Compared in UTC: two times of one zone are compared by the clock on the wall alone.
    if microseconds(now, "now") <= microseconds(start, "start"):
        return whole
    return whole - elapsed(start, now, calendar, pauses)


def breached(
    now: datetime,
    start: datetime,
    target: Target,
    calendar: Calendar,
    pauses: Sequence[Pause] = (),
) -> bool:
    """Whether the due date has passed; at the due date itself it has not."""
    due = due_at(start, target, calendar, pauses)
    return due is not None and microseconds(now, "now") > microseconds(due, "due")


def at_risk(
    now: datetime,
    start: datetime,
    target: Target,
    calendar: Calendar,
    pauses: Sequence[Pause] = (),
    *,
    fraction: float = 0.75,
) -> bool:
    """Whether `fraction` of the target has been used up and the due date has not passed."""
    warning = warn_at(start, target, calendar, fraction, pauses)
    return (
        warning is not None
        and microseconds(warning, "warning") <= microseconds(now, "now")
        and not breached(now, start, target, calendar, pauses)
    )


def microseconds(at: datetime, name: str) -> int:
    """Whole microseconds since 1970. Raises ValueError, naming the value, without a time zone."""
    if at.tzinfo is not UTC and at.utcoffset() is None:
        raise ValueError(f"{name} has no time zone: {at.isoformat()}")
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def moment(at: int) -> datetime:
    """The instant of so many microseconds since 1970, in UTC. Raises ValueError past year 9999."""
    try:
        return _EPOCH + timedelta(microseconds=at)
    except OverflowError:
        raise ValueError("due after the year 9999") from None


def _running(start: datetime, end: datetime, pauses: Sequence[Pause]) -> Iterator[Interval]:
    """The parts of an interval outside the pauses."""
    low, high = microseconds(start, "start"), microseconds(end, "end")
    if high < low:
        raise ValueError(f"the end ({end.isoformat()}) is before the start ({start.isoformat()})")
    for pause_start, pause_end in _merged(pauses, from_=low) if pauses else ():
        if pause_start >= high:
            break
        if low < pause_start:
            yield low, pause_start
        if pause_end is None:
            return
        low = max(low, pause_end)
    if low < high:
        yield low, high


def _merged(pauses: Sequence[Pause], *, from_: int) -> list[tuple[int, int | None]]:
    """Pauses after an instant, in order, overlapping and touching ones joined, none empty."""
    merged: list[tuple[int, int | None]] = []
    for pause in sorted(pauses, key=lambda p: microseconds(p.started_at, "started_at")):
        start = max(microseconds(pause.started_at, "started_at"), from_)
        end = None if pause.ended_at is None else microseconds(pause.ended_at, "ended_at")
        if end is not None and end <= start:
            continue
        if merged and (merged[-1][1] is None or start <= merged[-1][1]):
            last = merged.pop()
            start = last[0]
            end = None if end is None or last[1] is None else max(end, last[1])
        merged.append((start, end))
    return merged
