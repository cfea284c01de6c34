"""How many due dates and elapsed times a second: a year of tickets on several calendars.

Run: python benchmarks/sla.py [--count 1000000]. CPU seconds of one core; the first call, which
computes the year's intervals, is timed apart. "Walking" is the plain day-by-day way for comparison.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from triagedesk.catalog import Sla, SlaUnit
from triagedesk.sla import ALWAYS, Calendar, Pause, due_at, elapsed, parse_sla_policy

POLICY = """
calendars:
  office: {zone: Europe/Berlin, hours: {mon-fri: 08:00-17:00}, holidays: DE-BY}
  two windows: {zone: America/New_York, hours: {mon-fri: [08:00-12:00, 13:00-17:30]}, holidays: US}
  night: {zone: Asia/Tokyo, hours: {mon-sat: 22:00-06:00}, holidays: JP}
"""
START = datetime(2026, 1, 1, tzinfo=UTC)
TARGET = Sla(value=8, unit=SlaUnit.HOURS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    count = parser.parse_args().count
    draw = random.Random(1)
    starts = [START + timedelta(seconds=draw.randrange(365 * 86_400)) for _ in range(count)]
    policy = parse_sla_policy(POLICY)
    print(f"{'calendar':<14}{'what':<24}{'calls':>10}{'CPU s':>8}{'calls/s':>12}")
    for calendar in (ALWAYS, *policy.calendars.values()):
        report(calendar, "first call", 1, timed(partial(due_at, START, TARGET, calendar)))
        ends = [due_at(start, TARGET, calendar) or start for start in starts]
        report(calendar, "due_at", count, timed(partial(due_all, starts, calendar)))
        report(calendar, "elapsed", count, timed(partial(spent, starts, ends, calendar)))
        few = starts[: count // 10]
        report(calendar, "due_at with 2 pauses", len(few), timed(partial(due_held, few, calendar)))
    office = policy.named("office")
    few = starts[: max(count // 1000, 10)]
    report(office, "walking day by day", len(few), timed(partial(walk_all, few, office)))
    wrong = sum(walked(start, office) != due_at(start, TARGET, office) for start in few)
    print(f"{len(few)} due dates compared with walking: {wrong} differ")


def due_all(starts: list[datetime], calendar: Calendar) -> None:
    for start in starts:
        due_at(start, TARGET, calendar)


def spent(starts: list[datetime], ends: list[datetime], calendar: Calendar) -> None:
    for start, end in zip(starts, ends, strict=True):
        elapsed(start, end, calendar)


def due_held(starts: list[datetime], calendar: Calendar) -> None:
    hour = timedelta(hours=1)
    for start in starts:
        pauses = (
            Pause(started_at=start + hour, ended_at=start + 3 * hour),
            Pause(started_at=start + 30 * hour, ended_at=start + 50 * hour),
        )
        due_at(start, TARGET, calendar, pauses)


def walk_all(starts: list[datetime], calendar: Calendar) -> None:
    for start in starts:
        walked(start, calendar)


def walked(start: datetime, calendar: Calendar) -> datetime:
    """The due date by walking over the days, reading each one's hours."""
    zone, left = ZoneInfo(calendar.zone), timedelta(hours=TARGET.value)
    day = start.astimezone(zone).date() - timedelta(days=1)
    while True:
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        for opens, closes in calendar.open_on(day):
            # On the wall first, then in UTC: so a clock change is where it belongs.
            low = (midnight + timedelta(seconds=opens)).astimezone(UTC)
            high = (midnight + timedelta(seconds=closes)).astimezone(UTC)
            low = max(low, start)
            if low + left <= high:
                return low + left
            left -= max(high - low, timedelta(0))
        day += timedelta(days=1)


def timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def report(calendar: Calendar, what: str, calls: int, seconds: float) -> None:
    rate = calls / seconds if seconds else 0
    print(f"{calendar.name:<14}{what:<24}{calls:>10,}{seconds:>8.3f}{rate:>12,.0f}")


if __name__ == "__main__":
    main()
