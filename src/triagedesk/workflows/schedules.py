"""What happens by the clock: which ticks are due. A tick missed is caught up once, not each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter

from triagedesk.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A kind of job that begins by the clock."""

    kind: str
    #: Cron expression: minute hour day month weekday.
    cron: str = ""
    time_zone: str = "UTC"
    #: Without a cron expression: minutes from one tick to the next.
    every: int = 0

    def due(self, last: datetime, now: datetime) -> datetime | None:
        """The latest tick after `last` and not after `now`; None when there is none.

        Cron's own hours: one that a change to summer time leaves out is made up for, one that
        comes twice in autumn ticks once.
        """
        if not self.cron:
            length = 60 * self.every
            tick = datetime.fromtimestamp(now.timestamp() // length * length, UTC)
            return tick if tick > last else None
        # The tick of this very second counts: the one before is looked for from just after it.
        here = (now + timedelta(microseconds=1)).astimezone(ZoneInfo(self.time_zone))
        if self.cron.split()[1].startswith("*"):
            found: datetime = croniter(self.cron, here).get_prev(datetime)
        else:
            # Hours by name are those on the wall, where one hour comes twice or not at all.
            wall: datetime = croniter(self.cron, here.replace(tzinfo=None)).get_prev(datetime)
            found = min(wall.replace(tzinfo=here.tzinfo), here)
        return found.astimezone(UTC) if found > last else None


def schedules_of(settings: Settings) -> list[Schedule]:
    """The schedules of a desk."""
    zone = settings.schedule_time_zone or settings.time_zone
    found = [
        Schedule(kind="watch", cron="* * * * *"),
        Schedule(kind="clean-up", cron="17 3 * * *", time_zone=zone),
    ]
    if settings.rebalance_minutes:
        found.append(Schedule(kind="rebalance", every=settings.rebalance_minutes))
    if settings.schedule_run:
        found.append(Schedule(kind="desk", cron=settings.schedule_run, time_zone=zone))
    return found
