"""What a desk has agreed about its SLAs: which calendar, what pauses the clock, when to warn."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version as package_version

from triagedesk.catalog import CatalogEntry, Sla, normalise
from triagedesk.errors import CalendarError, Problem
from triagedesk.sla.calendars import ALWAYS, Calendar


@dataclass(frozen=True, kw_only=True)
class SlaPolicy:
    """A desk's calendars and the rules of its clocks; without any, everything is 24×7."""

    #: By normalised name; the 24×7 calendar is always there.
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    #: For everything that names no calendar.
    default: Calendar = ALWAYS
    #: Normalised request_category -> calendar.
    categories: Mapping[str, Calendar] = field(default_factory=dict)
    #: Statuses on which the clock stands still.
    pause_on: tuple[str, ...] = ("on_hold",)
    #: Statuses that stop it.
    stop_on: tuple[str, ...] = ("resolved",)
    #: Fractions of a target at which to warn, ascending; at risk from the first one on.
    warn_at: tuple[float, ...] = (0.75,)
    #: Normalised assignment group -> how long it may hold a ticket.
    group_targets: Mapping[str, Sla] = field(default_factory=dict)

    def named(self, name: str) -> Calendar:
        """The calendar of that name, "" for the default. Raises CalendarError."""
        key = normalise(name)
        if not key:
            return self.default
        if key == ALWAYS.name:
            return ALWAYS
        if key not in self.calendars:
            raise CalendarError(f"no calendar is called {name[:80]!r}", hint=self._known())
        return self.calendars[key]

    def calendar(self, entry: CatalogEntry | None) -> Calendar:
        """The calendar a catalog entry's SLA runs on: its own, its category's, the default."""
        if entry is None:
            return self.default
        if entry.calendar:
            return self.named(entry.calendar)
        return self.categories.get(normalise(entry.label.request_category), self.default)

    def problems(self, entries: Iterable[CatalogEntry]) -> list[Problem]:
        """Catalog entries that name a calendar which does not exist."""
        known = {"", ALWAYS.name, *self.calendars}
        return [
            Problem(
                where=str(entry.label),
                what=f"no calendar is called {entry.calendar[:80]!r}",
                hint=self._known(),
            )
            for entry in entries
            if normalise(entry.calendar) not in known
        ]

    @cached_property
    def version(self) -> str:
        """A hash of what it says and of the holidays' data; due dates follow from nothing else."""
        named = {ALWAYS.name: ALWAYS, **self.calendars}
        content = {
            "calendars": {name: asdict(named[name]) for name in sorted(named)},
            "default": self.default.name,
            "categories": {key: self.categories[key].name for key in sorted(self.categories)},
            "pause_on": self.pause_on,
            "stop_on": self.stop_on,
            "warn_at": self.warn_at,
            "groups": {key: asdict(self.group_targets[key]) for key in sorted(self.group_targets)},
        }
        if any(calendar.holidays for calendar in named.values()):
            content["holidays"] = package_version("holidays")
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def _known(self) -> str:
        names = sorted(calendar.name for calendar in self.calendars.values())
        return f"known: {', '.join([ALWAYS.name, *names])}"
