"""Calendars and SLA rules from YAML, every mistake at once and with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from triagedesk.catalog import Sla, SlaUnit, normalise
from triagedesk.errors import CalendarError, Problem
from triagedesk.sla.calendars import (
    ALWAYS,
    WEEKDAYS,
    Calendar,
    Holidays,
    OwnDate,
    Window,
)
from triagedesk.sla.policy import SlaPolicy
from triagedesk.sla.timeline import DAY_SECONDS
from triagedesk.yamlsafe import FormatError, YamlLimits, YamlNode, parse_yaml

_LIMITS = YamlLimits(size=1_000_000, depth=8, values=50_000)
_TIME = r"(\d{1,2}):(\d{2})(?::(\d{2}))?"
_WINDOW = re.compile(rf"{_TIME} ?[-–] ?{_TIME}(\+1)?", re.ASCII)
_DATE = re.compile(r"(?:(\d{4})-)?(\d{2})-(\d{2})", re.ASCII)
_REGION = re.compile(r"([A-Za-z]{2,3})(?:-([A-Za-z0-9 ]{1,40}))?", re.ASCII)
#: Longer windows over midnight are more often hours written the wrong way round.
_LONGEST_NIGHT = 12 * 3600
_LONGEST_TARGET = 10_000
_LEAP_YEAR = 2024
_LONGEST_CODE = 3
_LONGEST_CLOSURE = timedelta(days=366)
_WINDOW_HINT = "e.g. 09:00-17:00; 22:00-06:00 is over midnight"


def parse_sla_policy(text: str) -> SlaPolicy:
    """Read a desk's calendars and SLA rules. Raises CalendarError with every problem's place."""
    try:
        document = parse_yaml(text, limits=_LIMITS)
    except FormatError as error:
        raise CalendarError(problems=[error.problem]) from error
    reader = _Reader(problems=list(document.problems))
    policy = reader.policy(document.root)
    if reader.problems or policy is None:
        raise CalendarError(problems=reader.problems)
    return policy


def read_week(hours: object, at: str) -> tuple[tuple[tuple[Window, ...], ...], list[Problem]]:
    """Windows by weekday from plain values such as `{"mon-fri": "09:00-17:00"}`; what is wrong."""
    reader = _Reader()
    week = reader.week(_without_lines(hours), at)
    if not reader.problems and not any(week):
        reader.problems.append(Problem(where=at, what="no working time at all"))
    problems = [replace(p, where=p.where.removeprefix("line 0, ")) for p in reader.problems]
    return week, problems


def _without_lines(value: object) -> YamlNode:
    if isinstance(value, dict):
        return YamlNode({str(key): _without_lines(item) for key, item in value.items()}, 0)
    if isinstance(value, list):
        return YamlNode([_without_lines(item) for item in value], 0)
    return YamlNode(value, 0)


@dataclass(kw_only=True)
class _Reader:
    """Reads nodes and collects what is wrong with them."""

    problems: list[Problem] = field(default_factory=list)

    def policy(self, root: YamlNode) -> SlaPolicy | None:
        """The whole document."""
        keys = (
            "calendars", "default", "categories", "pause_on", "stop_on", "warn_at", "groups",
        )  # fmt: skip
        parts = self.mapping(root, "calendars file", known=keys)
        calendars: dict[str, Calendar] = {}
        for name, node in self.mapping(parts.get("calendars"), "calendars").items():
            calendar = self.calendar(name, node)
            if calendar is not None:
                calendars[normalise(name)] = calendar
        known = {ALWAYS.name: ALWAYS, **calendars}
        groups = {
            normalise(name): self.target(node, f"groups.{name}")
            for name, node in self.mapping(parts.get("groups"), "groups").items()
        }
        categories = {
            normalise(name): self.named(node, f"categories.{name}", known)
            for name, node in self.mapping(parts.get("categories"), "categories").items()
        }
        default = parts.get("default")
        rules: dict[str, Any] = {}
        for key in ("pause_on", "stop_on"):
            if key in parts:
                rules[key] = tuple(self.texts(parts[key], key))
        if "warn_at" in parts:
            rules["warn_at"] = tuple(self.fractions(parts["warn_at"]))
        return SlaPolicy(
            calendars=calendars,
            default=self.named(default, "default", known) if default else ALWAYS,
            categories=categories,
            group_targets=groups,
            **rules,
        )

    def calendar(self, name: str, node: YamlNode) -> Calendar | None:
        """One calendar; None when it cannot be made."""
        at = f"calendars.{name[:80]}"
        before = len(self.problems)
        if not normalise(name) or normalise(name) == ALWAYS.name:
            self.wrong(node, at, "a calendar of this name cannot be defined", "take another name")
        keys = ("zone", "hours", "holidays", "closed", "special", "hours_per_day")
        parts = self.mapping(node, at, known=keys)
        for key in ("zone", "hours"):
            if key not in parts:
                self.wrong(node, at, f"{key} is missing")
        calendar = {
            "name": " ".join(name.split()),
            "zone": self.text(parts["zone"], f"{at}.zone") if "zone" in parts else "UTC",
            "week": self.week(parts.get("hours"), f"{at}.hours"),
            "holidays": tuple(self.holidays(parts.get("holidays"), f"{at}.holidays")),
            "own_dates": (
                *self.closed(parts.get("closed"), f"{at}.closed"),
                *self.special(parts.get("special"), f"{at}.special"),
            ),
            "hours_per_day": self.number(parts.get("hours_per_day"), f"{at}.hours_per_day"),
        }
        if len(self.problems) > before:
            return None
        try:
            return Calendar(**calendar)  # type: ignore[arg-type]  # a dict has one value type
        except CalendarError as error:
            # The record knows the path of what is wrong; the line is that of the nearest part.
            for problem in error.problems:
                part = parts.get(problem.where.removeprefix(f"{at}.").partition(".")[0], node)
                self.wrong(part, problem.where, problem.what, problem.hint)
            return None

    def week(self, node: YamlNode | None, at: str) -> tuple[tuple[Window, ...], ...]:
        """Windows by weekday; the keys are weekdays or ranges of them, `24x7` is every hour."""
        if node is not None and node.value == ALWAYS.name:
            return ALWAYS.week
        week: list[tuple[Window, ...] | None] = [None] * len(WEEKDAYS)
        for key, value in self.mapping(node, at).items():
            days = _weekdays(key)
            if not days:
                self.wrong(value, at, f"{key[:80]!r} is no weekday", "e.g. monday, mon or mon-fri")
            windows = tuple(self.windows(value, f"{at}.{key[:80]}"))
            for day in days:
                if week[day] is not None:
                    self.wrong(value, at, f"{WEEKDAYS[day]} is given twice")
                week[day] = windows
        return tuple(windows or () for windows in week)

    def windows(self, node: YamlNode, at: str) -> Iterator[Window]:
        """One window or a list; `closed` or an empty list is none."""
        if isinstance(node.value, str) and normalise(node.value) == "closed":
            return
        for item in node.value if isinstance(node.value, list) else [node]:
            window = self.window(item, at)
            if window is not None:
                yield window

    def window(self, node: YamlNode, at: str) -> Window | None:
        """`09:00-17:00`, over midnight `22:00-06:00`, of any length `17:00-09:00+1`."""
        match = _WINDOW.fullmatch(node.value.strip()) if isinstance(node.value, str) else None
        if match is None:
            self.wrong(node, at, f"{_shown(node)} is no window", _WINDOW_HINT)
            return None
        hours, minutes, seconds, *rest = match.groups()
        opens = _seconds(hours, minutes, seconds)
        closes = _seconds(*rest[:3])
        if opens is None or closes is None or opens == DAY_SECONDS:
            self.wrong(node, at, f"{_shown(node)} has no such time of day", _WINDOW_HINT)
            return None
        over_midnight = closes < opens and closes + DAY_SECONDS - opens <= _LONGEST_NIGHT
        if rest[3] or over_midnight:
            closes += DAY_SECONDS
        elif closes <= opens:
            hint = f"add +1 if it really ends the next day: {node.value.strip()}+1"
            self.wrong(node, at, f"{_shown(node)} ends before it starts", hint)
            return None
        if closes - opens > DAY_SECONDS:
            self.wrong(node, at, f"{_shown(node)} is longer than 24 hours")
            return None
        return Window(opens=opens, closes=closes)

    def holidays(self, node: YamlNode | None, at: str) -> Iterator[Holidays]:
        """`DE`, `DE-BY`, `{country: DE, subdivision: BY}`, or a list of them."""
        if node is None or node.value is None:
            return
        for item in node.value if isinstance(node.value, list) else [node]:
            if isinstance(item.value, dict):
                parts = self.mapping(item, at, known=("country", "subdivision"))
                named = parts.get("country"), parts.get("subdivision")
                text = "-".join(self.text(part, at) for part in named if part is not None)
            else:
                text = self.text(item, at)
            match = _REGION.fullmatch(text)
            if match:
                # Codes are short and in capitals; `Augsburg` is a name.
                part = match[2] or ""
                part = part.upper() if len(part) <= _LONGEST_CODE else part
                yield Holidays(country=match[1].upper(), subdivision=part)
            elif text:
                self.wrong(item, at, f"{text[:80]!r} is no country", "e.g. DE or DE-BY")

    def closed(self, node: YamlNode | None, at: str) -> Iterator[OwnDate]:
        """Dates `2026-12-24`, every year `12-24`, from-to `2026-12-24..2027-01-01`."""
        for item in self.items(node, at):
            text = self.text(item, at)
            first, dots, last = text.partition("..")
            if not dots:
                own = self.own_date(item, first, at)
                if own is not None:
                    yield own
                continue
            days = [self.whole_date(item, part, at) for part in (first, last)]
            if days[0] is None or days[1] is None:
                continue
            if not timedelta(0) <= days[1] - days[0] <= _LONGEST_CLOSURE:
                self.wrong(item, at, f"{text[:80]} ends before it starts or is over a year")
                continue
            for number in range(days[0].toordinal(), days[1].toordinal() + 1):
                day = date.fromordinal(number)
                yield OwnDate(year=day.year, month=day.month, day=day.day)

    def special(self, node: YamlNode | None, at: str) -> Iterator[OwnDate]:
        """Other hours by date, as in `closed` but without ranges."""
        for key, value in self.mapping(node, at).items():
            own = self.own_date(value, key, at)
            windows = tuple(self.windows(value, f"{at}.{key[:80]}"))
            if own is not None:
                yield OwnDate(year=own.year, month=own.month, day=own.day, windows=windows)

    def own_date(self, node: YamlNode, text: str, at: str) -> OwnDate | None:
        """A date of one year or of every year."""
        match = _DATE.fullmatch(text.strip())
        if match is not None:
            year, month, day = (int(part) if part else None for part in match.groups())
            if _exists(year, month or 0, day or 0):
                return OwnDate(year=year, month=month or 0, day=day or 0)
        hint = "e.g. 2026-12-24, or 12-24 for every year"
        self.wrong(node, at, f"{text[:80]!r} is no date", hint)
        return None

    def whole_date(self, node: YamlNode, text: str, at: str) -> date | None:
        """A date of one year."""
        own = self.own_date(node, text, at)
        if own is not None and own.year is None:
            self.wrong(node, at, f"{text.strip()} needs its year here")
        return date(own.year, own.month, own.day) if own and own.year else None

    def target(self, node: YamlNode, at: str) -> Sla:
        """`{value: 4, unit: hours}`, as in the Service Catalog."""
        parts = self.mapping(node, at, known=("value", "unit"))
        value = parts["value"].value if "value" in parts else None
        unit = parts["unit"].value if "unit" in parts else None
        whole = isinstance(value, int) and not isinstance(value, bool)
        if whole and 0 <= int(value or 0) <= _LONGEST_TARGET and unit in tuple(SlaUnit):
            return Sla(value=int(value or 0), unit=SlaUnit(unit))
        self.wrong(node, at, "is no target", "e.g. {value: 4, unit: hours}")
        return Sla(value=0, unit=SlaUnit.HOURS)

    def fractions(self, node: YamlNode) -> list[float]:
        """Fractions of a target, ascending."""
        found = {self.number(item, "warn_at") or 0.0 for item in self.items(node, "warn_at")}
        if not found or not all(0 < fraction < 1 for fraction in found):
            self.wrong(node, "warn_at", f"{_shown(node)} are no fractions", "e.g. [0.5, 0.75]")
        return sorted(found)

    def named(self, node: YamlNode, at: str, known: dict[str, Calendar]) -> Calendar:
        """A calendar by its name."""
        name = self.text(node, at)
        if normalise(name) in known:
            return known[normalise(name)]
        names = ", ".join(calendar.name for calendar in known.values())
        self.wrong(node, at, f"no calendar is called {name[:80]!r}", f"known: {names}")
        return ALWAYS

    def mapping(
        self, node: YamlNode | None, at: str, *, known: tuple[str, ...] = ()
    ) -> dict[str, YamlNode]:
        """A mapping's parts; nothing for a missing one."""
        if node is None or node.value is None:
            return {}
        if not isinstance(node.value, dict):
            self.wrong(node, at, f"{_shown(node)} where names with values belong")
            return {}
        for key, value in node.value.items():
            if known and key not in known:
                self.wrong(value, at, f"{key[:80]!r} is not known here", f"known: {known}")
        return node.value

    def items(self, node: YamlNode | None, at: str) -> list[YamlNode]:
        """A list's items; a single value is a list of one."""
        if node is None or node.value is None:
            return []
        if isinstance(node.value, dict):
            self.wrong(node, at, "names with values where a list belongs")
            return []
        return node.value if isinstance(node.value, list) else [node]

    def texts(self, node: YamlNode, at: str) -> list[str]:
        """A list of texts."""
        return [self.text(item, at) for item in self.items(node, at)]

    def text(self, node: YamlNode, at: str) -> str:
        """A text; "" with a problem noted for anything else."""
        if isinstance(node.value, str) and node.value.strip():
            return node.value.strip()
        self.wrong(node, at, f"{_shown(node)} where a text belongs")
        return ""

    def number(self, node: YamlNode | None, at: str) -> float | None:
        """A number, or None where there is none."""
        if node is None or node.value is None:
            return None
        if isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return float(node.value)
        self.wrong(node, at, f"{_shown(node)} where a number belongs")
        return None

    def wrong(self, node: YamlNode, at: str, what: str, hint: str = "") -> None:
        """Note a problem."""
        self.problems.append(Problem(where=f"line {node.line}, {at}", what=what, hint=hint))


def _exists(year: int | None, month: int, day: int) -> bool:
    """Whether there is such a date, in a leap year when it is of every year."""
    try:
        date(_LEAP_YEAR if year is None else year, month, day)
    except ValueError:
        return False
    return True


def _weekdays(key: str) -> list[int]:
    """The weekdays of `monday`, `Mon`, `mon-fri` or `sat-mon`; none for anything else."""
    first, dash, last = normalise(key).partition("-")
    ends = [_weekday(first.strip()), _weekday(last.strip()) if dash else _weekday(first.strip())]
    if ends[0] is None or ends[1] is None:
        return []
    return [(ends[0] + step) % 7 for step in range((ends[1] - ends[0]) % 7 + 1)]


def _weekday(name: str) -> int | None:
    fits = [day for day, full in enumerate(WEEKDAYS) if name in (full, full[:3])]
    return fits[0] if fits else None


def _seconds(hours: str, minutes: str, seconds: str | None) -> int | None:
    """Seconds since midnight, 24:00 included; None for no time of day."""
    total = int(hours) * 3600 + int(minutes) * 60 + int(seconds or 0)
    valid = int(minutes) < 60 and int(seconds or 0) < 60 and total <= DAY_SECONDS  # noqa: PLR2004 - clock
    return total if valid else None


def _shown(node: YamlNode) -> str:
    """A value as a message quotes it."""
    kinds = {dict: "a mapping", list: "a list", type(None): "nothing"}
    return kinds.get(type(node.value), repr(str(node.value)[:80]))
