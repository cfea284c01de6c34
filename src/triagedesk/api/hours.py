"""Time zones and weekly hours as clients send them."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, StringConstraints, WithJsonSchema

from triagedesk.agents_parser import shift_of
from triagedesk.sla.calendars import WEEKDAYS


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError):
        raise ValueError("is not an IANA time zone such as Europe/Berlin") from None
    return value


def _hours(value: dict[str, str | list[str]]) -> dict[str, str | list[str]]:
    """Windows by weekday; the first thing wrong is told with its weekday."""
    _, problems = shift_of({"hours": value})
    if problems:
        where = problems[0].where.removeprefix("shift.hours").lstrip(".")
        raise ValueError(f"{where}: {problems[0].what}" if where else problems[0].what)
    return value


Zone = Annotated[
    str,
    StringConstraints(max_length=100),
    AfterValidator(_zone),
    WithJsonSchema(
        {
            "description": "Any IANA name.",
            "enum": ["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo"],
            "type": "string",
        }
    ),
]
_WINDOW = r"^0[0-9]:[0-5][0-9]-1[0-9]:[0-5][0-9]$"
Hours = Annotated[
    dict[str, str | list[str]],
    AfterValidator(_hours),
    WithJsonSchema(
        {
            "description": "Hours by weekday, such as 09:00-17:00; ranges of days (mon-fri), "
            "hours over midnight (22:00-06:00) and lists of hours are understood too.",
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "properties": {day: {"type": "string", "pattern": _WINDOW} for day in WEEKDAYS},
        }
    ),
]
