"""One target of one ticket, followed through holds, changes and re-opening."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache

from triagedesk.catalog import Sla
from triagedesk.sla.calendars import Calendar
from triagedesk.sla.working_time import amount, due_after, elapsed, length, microseconds

_MICROSECOND = timedelta(microseconds=1)


class SlaState(StrEnum):
    """Where a target stands at some time."""

    #: Nothing is promised: no target, or a target of 0.
    NO_DEADLINE = "no_deadline"
    RUNNING = "running"
    PAUSED = "paused"
    AT_RISK = "at_risk"
    BREACHED = "breached"
    #: Stopped in time.
    MET = "met"
    #: Stopped too late.
    MISSED = "missed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """A time in which the clock ran, on one calendar."""

    started_at: datetime
    #: None while it still runs.
    ended_at: datetime | None
    calendar: Calendar


@dataclass(frozen=True, kw_only=True, slots=True)
class SlaClock:
    """A target's clock; each event gives a new clock, and `due_at` follows from all of them.

    The time used stays used when the target changes: only what is left changes. When the calendar
    changes, hours used stay hours, and of a target in days the days used stay days. Events come
    in the order of time: an earlier one raises ValueError; one that changes nothing is ignored.
    The same clock serves response (stopped by the first answer), resolution, and an agreement
    with an assignment group (started by the assignment).
    """

    target: Sla | None
    calendar: Calendar
    #: In the order of time; pauses are the gaps between them.
    stretches: tuple[Stretch, ...]
    #: When it was stopped: answered or resolved.
    stopped_at: datetime | None = None

    @classmethod
    def start(cls, at: datetime, target: Sla | None, calendar: Calendar) -> SlaClock:
        """A clock that runs from `at`."""
        microseconds(at, "start")
        first = Stretch(started_at=at, ended_at=None, calendar=calendar)
        return cls(target=target, calendar=calendar, stretches=(first,))

    @property
    def running(self) -> bool:
        """Neither on hold nor stopped."""
        return self.stretches[-1].ended_at is None

    def pause(self, at: datetime) -> SlaClock:
        """The ticket went on hold."""
        self._check(at)
        if self.running:
            return self._halt(at)
        return replace(self, stopped_at=None) if self.stopped_at is not None else self

    def resume(self, at: datetime) -> SlaClock:
        """The ticket came back from hold, or was re-opened; the time between does not count."""
        self._check(at)
        if self.running:
            return self
        return replace(self._run(at), stopped_at=None)

    def stop(self, at: datetime) -> SlaClock:
        """The promise was kept, in time or not: answered or resolved."""
        self._check(at)
        if self.stopped_at is not None:
            return self
        halted = self._halt(at) if self.running else self
        return replace(halted, stopped_at=at)

    def retarget(self, target: Sla | None) -> SlaClock:
        """Another target applies, as if it always had."""
        return replace(self, target=target)

    def move(self, at: datetime, calendar: Calendar) -> SlaClock:
        """From `at` on the clock runs on another calendar."""
        self._check(at)
        moved = replace(self, calendar=calendar)
        if calendar == self.calendar or not self.running:
            return moved
        return moved._halt(at)._run(at)  # noqa: SLF001 - a clock's own steps

    def used(self, now: datetime) -> timedelta:
        """Working time counted up to `now`, in terms of the calendar of the day."""
        if self.target is None or not self.target.value:
            parts = (elapsed(start, end, calendar) for start, end, calendar in self._spans(now))
            return sum(parts, timedelta(0))
        whole = amount(self.target, self.calendar)
        return _times(whole, self._share_used(self.target, now)) * _MICROSECOND

    def slack(self, now: datetime) -> timedelta | None:
        """Working time left at `now`, negative once it is used up; None without a deadline."""
        if self.target is None or not self.target.value:
            return None
        return length(self.target, self.calendar) - self.used(now)

    def due_at(self, *, fraction: float = 1.0) -> datetime | None:
        """When the target, or a fraction of it for a warning, is used up.

        None without a deadline, and while a clock that is on hold or stopped has not got there.
        """
        if self.target is None or not self.target.value:
            return None
        left = _exactly(fraction)
        for stretch in self.stretches:
            whole = amount(self.target, stretch.calendar)
            due = due_after(stretch.started_at, _times(whole, left), stretch.calendar)
            if stretch.ended_at is None or due <= stretch.ended_at:
                return due
            used = elapsed(stretch.started_at, stretch.ended_at, stretch.calendar)
            left -= Fraction(used // _MICROSECOND, whole)
        return None

    def due_if_resumed(self, at: datetime) -> datetime | None:
        """When it would be due if it were resumed at `at`; the due date itself while it runs."""
        return self.due_at() or self.resume(at).due_at()

    def state(self, now: datetime, *, warn_at: float = 0.75) -> SlaState:
        """Where it stands at `now`; at risk from the fraction `warn_at` of the target on."""
        if self.target is None or not self.target.value:
            return SlaState.NO_DEADLINE
        due = self.due_at()
        if self.stopped_at is not None and not _before(now, self.stopped_at):
            late = due is not None and _before(due, self.stopped_at)
            return SlaState.MISSED if late else SlaState.MET
        if due is not None and _before(due, now):
            return SlaState.BREACHED
        if not self.running:
            return SlaState.PAUSED
        warning = self.due_at(fraction=warn_at)
        at_risk = warning is not None and not _before(now, warning)
        return SlaState.AT_RISK if at_risk else SlaState.RUNNING

    def _share_used(self, target: Sla, now: datetime) -> Fraction:
        """The share of the target used up by `now`; past 1 when it is overdue."""
        shares = (
            Fraction(
                elapsed(start, end, calendar) // _MICROSECOND,
                amount(target, calendar),
            )
            for start, end, calendar in self._spans(now)
        )
        return sum(shares, Fraction(0))

    def _spans(self, now: datetime) -> Iterable[tuple[datetime, datetime, Calendar]]:
        """The times it ran up to `now`."""
        for stretch in self.stretches:
            if not _before(stretch.started_at, now):
                return
            end = stretch.ended_at
            yield (
                stretch.started_at,
                now if end is None or _before(now, end) else end,
                stretch.calendar,
            )

    def _halt(self, at: datetime) -> SlaClock:
        last = replace(self.stretches[-1], ended_at=at)
        return replace(self, stretches=(*self.stretches[:-1], last))

    def _run(self, at: datetime) -> SlaClock:
        following = Stretch(started_at=at, ended_at=None, calendar=self.calendar)
        return replace(self, stretches=(*self.stretches, following))

    def _check(self, at: datetime) -> None:
        last = self.stretches[-1]
        before = last.ended_at or last.started_at
        if self.stopped_at is not None:
            before = self.stopped_at
        if microseconds(at, "event") < microseconds(before, "the event before"):
            raise ValueError(f"{at.isoformat()} is before the clock's last event ({before})")


def follow_statuses(
    clock: SlaClock,
    changes: Sequence[tuple[datetime, str]],
    *,
    pause_on: Collection[str] = ("on_hold",),
    stop_on: Collection[str] = ("resolved",),
) -> SlaClock:
    """The clock after the ticket's status changes, oldest first: (when, new status)."""
    for at, status in changes:
        if status in stop_on:
            clock = clock.stop(at)
        elif status in pause_on:
            clock = clock.pause(at)
        else:
            clock = clock.resume(at)
    return clock


@lru_cache(maxsize=256)
def _exactly(fraction: float) -> Fraction:
    if not 0 < fraction <= 1:
        raise ValueError(f"a warning at {fraction} of an SLA is not within 0 to 1")
    return Fraction(fraction)


def _times(whole: int, share: Fraction) -> int:
    """A share of a time, rounded up to the microsecond so that it is certainly reached."""
    return -(-whole * share.numerator // share.denominator)


def _before(one: datetime, other: datetime) -> bool:
    # In UTC: two times of one zone are compared by the clock on the wall alone.
    return microseconds(one, "time") < microseconds(other, "time")
