"""Timestamps as helpdesks write them -> aware UTC."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, tzinfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(2200, 1, 1, tzinfo=UTC)
_END_SECONDS = (_END - _EPOCH) // timedelta(seconds=1)
#: Nothing between: the years 1970 to 2199 in seconds and 1973 to 2199 in the others do not meet.
_UNITS = (
    (0, 1),
    (10**11, 10**3),
    (10**14, 10**6),
    (10**17, 10**9),
)
_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{0,12})?", re.ASCII)
_DATE_DIGITS = re.compile(r"(?:19|20|21)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")
_LONGEST = 64


def parse_timestamp(value: object, *, assume: tzinfo = UTC) -> datetime:
    """Read seconds, milli-, micro- or nanoseconds since 1970, or ISO 8601, as aware UTC.

    Numbers may be quoted. `assume` is the zone of an ISO time that names none. Raises ValueError,
    quoting the value, for anything else and for times before 1970 or after 2199.
    """
    if isinstance(value, datetime):
        return _checked(value, assume, value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no timestamp")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_number(value, value)
    if not isinstance(value, str):
        raise ValueError(f"{_shown(value)} is no timestamp")  # noqa: TRY004 - one error for all
    text = value.strip()
    if not text or len(text) > _LONGEST:
        raise ValueError(f"{_shown(value)} is no timestamp")
    if _NUMBER.fullmatch(text) and not _DATE_DIGITS.fullmatch(text):
        return _from_number(float(text) if "." in text else int(text), value)
    for suffix in (" UTC", " GMT"):
        if text.upper().endswith(suffix):
            text = text[: -len(suffix)] + "+00:00"
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{_shown(value)} is no timestamp") from None
    return _checked(parsed, assume, value)


def _from_number(number: float, value: object) -> datetime:
    """A time since 1970; its unit follows from its size."""
    for low, per_second in _UNITS:
        if low <= number < _END_SECONDS * per_second:
            if isinstance(number, int):
                return _EPOCH + timedelta(microseconds=number * 10**6 // per_second)
            return _EPOCH + timedelta(seconds=number / per_second)
    raise ValueError(f"{_shown(value)} is no time between 1970 and 2199")


def _checked(at: datetime, assume: tzinfo, value: object) -> datetime:
    """In UTC, within the years."""
    if at.utcoffset() is None:
        at = at.replace(tzinfo=assume)
    try:
        moment = at.astimezone(UTC)
    except OverflowError:
        moment = datetime.max.replace(tzinfo=UTC)
    if not _EPOCH <= moment < _END:
        raise ValueError(f"{_shown(value)} is no time between 1970 and 2199")
    return moment


def _shown(value: object) -> str:
    """A value as a message quotes it; nobody's `__repr__` is called but those of plain values."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, int | float | str | None):
        # An int of many digits would refuse to be printed.
        return repr(value)[:80] if not isinstance(value, int) or abs(value) < 10**40 else "a number"
    return f"a {type(value).__name__}"
