"""The words helpdesks use for levels and priorities, and whole numbers as they write them."""

from __future__ import annotations

import re

from triagedesk.priority import Level, Priority

#: More digits than this is no count of anything on a service desk.
_MAX_DIGITS = 15
_WHOLE = re.compile(rf"[+-]?[0-9]{{1,{_MAX_DIGITS}}}", re.ASCII)
# `P2`, `2`, `2 - High`: how ServiceNow and others number their choices.
_NUMBERED = re.compile(r"p?([0-9])(?:\s*[-–:.].{0,80})?", re.ASCII | re.DOTALL)

_LEVELS = {
    "critical": Level.HIGH,
    "extensive": Level.HIGH,
    "high": Level.HIGH,
    "low": Level.LOW,
    "medium": Level.MEDIUM,
    "minor": Level.LOW,
    "moderate": Level.MEDIUM,
    "normal": Level.MEDIUM,
    "significant": Level.MEDIUM,
    "urgent": Level.HIGH,
}
_PRIORITIES = {
    "blocker": Priority.P1,
    "critical": Priority.P1,
    "high": Priority.P2,
    "highest": Priority.P1,
    "immediate": Priority.P1,
    "low": Priority.P4,
    "lowest": Priority.P4,
    "major": Priority.P2,
    "medium": Priority.P3,
    "minor": Priority.P4,
    "moderate": Priority.P3,
    "normal": Priority.P3,
    "trivial": Priority.P4,
    "urgent": Priority.P1,
}


def level_of(value: object) -> Level:
    """Impact or urgency from `high`, `2`, `1 - High` or the like; ValueError when unknown."""
    word, number = _word_and_number(value)
    if number is not None and number in tuple(Level):
        return Level(number)
    if word in _LEVELS:
        return _LEVELS[word]
    raise ValueError("not one of high, medium, low, 1, 2, 3")


def priority_of(value: object) -> Priority:
    """Priority from `P1`, `2`, `urgent`, `3 - Moderate` or the like; ValueError when unknown."""
    word, number = _word_and_number(value)
    if number is not None and number in tuple(Priority):
        return Priority(number)
    if word in _PRIORITIES:
        return _PRIORITIES[word]
    raise ValueError("not one of P1, P2, P3, P4, critical, high, medium, low")


def whole_number(value: object) -> int:
    """A whole number, quoted or not (`24`, `"24"`, `24.0`); ValueError for anything else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**_MAX_DIGITS:
        return value
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    raise ValueError("not a whole number")


def _word_and_number(value: object) -> tuple[str, int | None]:
    """A value as a lower-case word, and the number it is or begins with."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return "", None
    if isinstance(value, int | float):
        try:
            return "", whole_number(value)
        except ValueError:
            return "", None
    word = " ".join(value[:200].split()).casefold()
    numbered = _NUMBERED.fullmatch(word)
    return word, int(numbered[1]) if numbered else None
