"""The last days that a view of figures is about, and how they are cut into equal spans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

#: Days to choose from, and into how many spans each is cut.
PERIODS = {7: 7, 30: 6, 90: 6}
_DEFAULT = 30


@dataclass(frozen=True, kw_only=True)
class Period:
    """The last `days` days, today included (UTC)."""

    days: int
    today: date

    @property
    def first(self) -> date:
        """Its first day."""
        return self.today - timedelta(days=self.days - 1)

    @property
    def spans(self) -> int:
        """Into how many parts it is cut."""
        return PERIODS[self.days]

    def span_of(self, day: date) -> int:
        """Which part a day is in, from 0 on."""
        return min((day - self.first).days * self.spans // self.days, self.spans - 1)

    def middle(self, span: int) -> float:
        """Where the middle of a part is, as a share of the whole."""
        return (span + 0.5) / self.spans

    def starts(self) -> list[date]:
        """The first day of each part."""
        size = self.days // self.spans
        return [self.first + timedelta(days=size * span) for span in range(self.spans)]


def period_of(query: Mapping[str, str], now: datetime) -> Period:
    """The period an address asks for; thirty days where it does not."""
    given = query.get("days", "")
    days = int(given) if given in {str(one) for one in PERIODS} else _DEFAULT
    return Period(days=days, today=now.date())
