"""Reading agents from JSON, YAML or CSV: all of them, or every problem at once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from triagedesk.agents import DEFAULT_CAPACITY, Agent, Availability, Shift
from triagedesk.cleaning import clean_name, excerpt
from triagedesk.errors import AgentsError, CalendarError, Problem
from triagedesk.formats import (
    Format,
    Unreadable,
    load_json,
    load_json_lines,
    load_table,
    load_yaml,
)
from triagedesk.sla.loading import read_week
from triagedesk.timestamps import parse_timestamp
from triagedesk.words import whole_number
from triagedesk.yamlsafe import FormatError

#: The longest id, name, skill or group, in characters.
MAX_NAME = 300
_MOST = 1_000_000

# What a roster's fields may be called, the hackathon's names first.
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "id": ("agent_id", "id"),
    "name": ("name",),
    "skills": ("skills",),
    "load": ("current_load", "load"),
    "capacity": ("capacity", "max_load"),
    "availability": ("availability_status", "availability", "status"),
    "experience": ("experience_level", "experience"),
    "groups": ("groups", "assignment_groups", "group"),
    "email": ("email",),
    "shift_ends_at": ("shift_ends_at",),
    "shift": ("shift", "hours"),
}
_EXPERIENCE_WORDS = {
    "trainee": 0.0,
    "junior": 1.0,
    "mid": 3.0,
    "intermediate": 3.0,
    "senior": 6.0,
    "lead": 8.0,
    "principal": 10.0,
    "expert": 10.0,
}
_SHIFT_HINT = "e.g. {time_zone: Europe/Berlin, hours: {mon-fri: 09:00-17:00}}"
#: A day will do to see whether a shift can be.
_ANY_DAY = datetime(2024, 1, 1, tzinfo=UTC)
_Field = TypeVar("_Field")


def parse_agents(
    text: str,
    *,
    origin: str,
    format: str,  # noqa: A002 - the word people look for
    default_capacity: int = DEFAULT_CAPACITY,
) -> tuple[Agent, ...]:
    """Read agents from a text in `json`, `jsonl`, `yaml` or `csv`.

    JSON and YAML hold a list or `{"agents": [...]}`; CSV has a column `skills` such as
    `Linux:7; VPN:8`. Raises one AgentsError that lists every problem with its place.
    """
    problems: list[Problem] = []
    places: list[str] | None = None
    data: Any
    try:
        match Format(format):
            case Format.JSON:
                data = load_json(text)
            case Format.YAML:
                data, repeated = load_yaml(text)
                problems.extend(repeated)
            case Format.CSV | Format.JSONL as kind:
                rows = load_table(text).rows if kind is Format.CSV else load_json_lines(text)
                data = [row.value for row in rows]
                places = [f"line {row.line}, " for row in rows]
    except FormatError as error:
        raise _refusal(origin, [error.problem]) from error
    return _read(data, places, problems, origin, default_capacity)


def agents_of(
    data: object, *, origin: str, default_capacity: int = DEFAULT_CAPACITY
) -> tuple[Agent, ...]:
    """Read agents from decoded JSON: a list, or `{"agents": [...]}`. Raises AgentsError."""
    return _read(data, None, [], origin, default_capacity)


def _read(
    data: object,
    places: Sequence[str] | None,
    problems: list[Problem],
    origin: str,
    default_capacity: int,
) -> tuple[Agent, ...]:
    items = data.get("agents") if isinstance(data, dict) else data
    if not isinstance(items, list):
        what = f"not a list: {excerpt(items, limit=60)}"
        raise _refusal(origin, [Problem(where="agents", what=what)])
    agents: list[Agent] = []
    seen: dict[str, str] = {}
    for position, item in enumerate(items):
        place = places[position] if places else f"agents[{position}]."
        reader = _Reader(item=item, place=place, problems=problems)
        agent = reader.agent(default_capacity)
        if agent.id and agent.id in seen:
            reader.problem("id", f"{excerpt(agent.id)} is also the id of {seen[agent.id]}")
        seen.setdefault(agent.id, place.rstrip(" .,"))
        agents.append(agent)
    if problems:
        raise _refusal(origin, problems)
    return tuple(agents)


def _refusal(origin: str, problems: Sequence[Problem]) -> AgentsError:
    found = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    return AgentsError(f"The agents from {origin} cannot be used, {found}:", problems=problems)


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Reads one agent and collects what is wrong with it."""

    item: Any
    #: What comes before a field in the place of a problem, e.g. `agents[3].` or `line 4, `.
    place: str
    problems: list[Problem]
    #: Field -> the name it was given under.
    names: dict[str, str] = field(default_factory=dict)

    def agent(self, default_capacity: int) -> Agent:
        """The agent; where something was wrong, with the field's default."""
        if not isinstance(self.item, dict):
            reason = self.item.reason if isinstance(self.item, Unreadable) else excerpt(self.item)
            where = self.place.rstrip(" .,")
            self.problems.append(Problem(where=where, what=f"not an agent: {reason}"))
            return Agent(id="", name="", skills={})
        agent_id = self.get("id", _text, "")
        if not agent_id and "id" not in self.names:
            self.problem("id", "is missing")
        return Agent(
            id=agent_id,
            name=self.get("name", _text, agent_id),
            skills=self.skills(),
            load=self.get("load", _count, 0),
            capacity=self.get("capacity", _count, default_capacity),
            availability=self.get("availability", Availability.of, Availability.AVAILABLE),
            experience=self.get("experience", _experience, 0.0),
            groups=self.get("groups", _names, ()),
            email=self.get("email", _text, ""),
            shift_ends_at=self.get("shift_ends_at", _time, None),
            shift=self.shift(),
        )

    def problem(self, key: str, what: str, hint: str = "") -> None:
        """Note a problem with a field."""
        name = self.names.get(key, _FIELDS.get(key, (key,))[0])
        self.problems.append(Problem(where=f"{self.place}{name}", what=what, hint=hint))

    def raw(self, key: str) -> Any:
        """The field under whichever name it has; None when it is not there, or blank in a CSV."""
        for name in _FIELDS[key]:
            value = self.item.get(name)
            if value is not None and not (value == "" and key not in ("id", "name")):
                self.names[key] = name
                return value
        return None

    def get(self, key: str, read: Callable[[Any], _Field], default: _Field) -> _Field:
        """One field read; its default when it is not there or wrong (noted)."""
        value = self.raw(key)
        if value is None:
            return default
        try:
            return read(value)
        except ValueError as error:
            self.problem(key, f"{excerpt(value, limit=60) or 'it'} is {error}")
            return default

    def shift(self) -> Shift | None:
        """Weekly hours; None when there are none or they are wrong (noted)."""
        value = self.raw("shift")
        if value is None:
            return None
        shift, problems = shift_of(value)
        for problem in problems:
            where = problem.where.replace("shift", self.names["shift"], 1)
            self.problems.append(replace(problem, where=f"{self.place}{where}"))
        return shift

    def skills(self) -> Mapping[str, int]:
        """Skill -> proficiency; wrong ones are noted and left out."""
        value = self.raw("skills")
        pairs = _pairs(value) if isinstance(value, str) else value
        if pairs is None:
            return {}
        if not isinstance(pairs, dict):
            self.problem("skills", f"not a mapping: {excerpt(value, limit=60)}", "name: 1-10")
            return {}
        skills: dict[str, int] = {}
        known: set[str] = set()
        for name, proficiency in pairs.items():
            skill = clean_name(str(name))
            if not skill or len(skill) > MAX_NAME:
                self.problem("skills", f"a skill's name has 1 to {MAX_NAME} characters")
            elif skill.casefold() in known:
                self.problem(f"skills.{excerpt(skill)}", "is there twice")
            else:
                try:
                    skills[skill] = _proficiency(proficiency)
                except ValueError as error:
                    shown = excerpt(proficiency, limit=60)
                    self.problem(f"skills.{excerpt(skill)}", f"{shown or 'it'} is {error}")
            known.add(skill.casefold())
        return skills


def shift_of(value: object) -> tuple[Shift | None, list[Problem]]:
    """A shift from `{time_zone, hours: {mon-fri: "09:00-17:00"}}`, or every problem with it.

    Text is read as a cell of a CSV file: `Europe/Berlin mon-fri 09:00-17:00`.
    """
    if isinstance(value, str):
        value = _shift_parts(value)
    if not isinstance(value, dict):
        return None, [
            Problem(
                where="shift", what=f"not a shift: {excerpt(value, limit=60)}", hint=_SHIFT_HINT
            )
        ]
    problems = [
        Problem(where=f"shift.{excerpt(str(key), limit=60)}", what="is not known", hint=_SHIFT_HINT)
        for key in value
        if key not in ("time_zone", "hours")
    ]
    zone = value.get("time_zone", "UTC")
    if not isinstance(zone, str) or not zone.strip():
        what = f"unknown time zone {excerpt(zone, limit=60)}"
        problems.append(Problem(where="shift.time_zone", what=what))
    week, wrong = read_week(value.get("hours"), "shift.hours")
    problems += wrong
    if problems:
        return None, problems
    shift = Shift(time_zone=str(zone).strip(), week=week)
    try:
        shift.ends_at(_ANY_DAY)
    except CalendarError as error:
        return None, [
            replace(
                p, where=p.where.replace("calendars.shift", "shift").replace(".zone", ".time_zone")
            )
            for p in error.problems
        ]
    return shift, []


def _shift_parts(text: str) -> object:
    """A shift from a cell such as `Europe/Berlin mon-thu 09:00-17:00, fri 09:00-13:00`."""
    zone, _, rest = text.strip().partition(" ")
    hours: dict[str, list[str]] = {}
    for part in re.split(r"[,;|]", rest):
        days, _, window = part.strip().partition(" ")
        hours.setdefault(days, []).append(window.strip())
    return {"time_zone": zone, "hours": hours} if rest else text


def _pairs(text: str) -> dict[str, str] | None:
    """Skills from a cell such as `Linux:7; VPN:8`; None when it is blank."""
    parts = [
        part for part in re.split(r"[;|\n]" if ";" in text else r"[,|\n]", text) if part.strip()
    ]
    if not parts:
        return None
    split = [re.split(r"[:=](?=[^:=]*$)", part, maxsplit=1) for part in parts]
    return {name: (rest[0].strip() if rest else "") for name, *rest in split}


def _text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError("not text")  # noqa: TRY004 - one kind of error for every wrong value
    text = clean_name(value)
    if not text:
        raise ValueError("empty")
    if len(text) > MAX_NAME:
        raise ValueError(f"longer than {MAX_NAME} characters")
    return text


def _names(value: object) -> tuple[str, ...]:
    items = re.split(r"[;,|]", value) if isinstance(value, str) else value
    if not isinstance(items, list):
        raise ValueError("not a list")  # noqa: TRY004 - as above
    blank = (item for item in items if not (isinstance(item, str) and not item.strip()))
    return tuple(dict.fromkeys(_text(item) for item in blank))


def _count(value: object) -> int:
    number = whole_number(value)
    if not 0 <= number <= _MOST:
        raise ValueError("negative" if number < 0 else f"more than {_MOST}")
    return number


def _proficiency(value: object) -> int:
    number = whole_number(value)
    if not 1 <= number <= 10:  # noqa: PLR2004 - the scale everybody knows
        raise ValueError("not from 1 to 10")
    return number


def _experience(value: Any) -> float:
    if isinstance(value, str) and value.strip().casefold() in _EXPERIENCE_WORDS:
        return _EXPERIENCE_WORDS[value.strip().casefold()]
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("not a number") from None
    if not math.isfinite(number) or not 0 <= number <= _MOST:
        raise ValueError("not a number from 0 on")
    return number


def _time(value: object) -> datetime | None:
    try:
        return parse_timestamp(value)
    except ValueError:
        # Said anew: the original quotes the value, which the caller does too.
        raise ValueError("no time from 1970 on, in seconds or ISO 8601") from None
