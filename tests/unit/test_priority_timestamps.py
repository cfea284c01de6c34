"""Timestamps as helpdesks write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triagedesk.timestamps import parse_timestamp

SECONDS = 1_757_827_200
MOMENT = datetime(2025, 9, 14, 5, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        SECONDS,
        float(SECONDS),
        str(SECONDS),
        f" {SECONDS}.0 ",
        SECONDS * 10**3,
        SECONDS * 10**6,
        SECONDS * 10**9,
        str(SECONDS * 10**3),
        "2025-09-14T05:20:00Z",
        "2025-09-14T05:20Z",
        "2025-09-14 05:20:00",
        "2025-09-14 05:20:00 UTC",
        "20250914T052000Z",
        "2025-09-14T07:20:00+02:00",
        "2025-09-14T07:20:00.000+0200",
        MOMENT,
        MOMENT.astimezone(ZoneInfo("Asia/Tokyo")),
        datetime(2025, 9, 14, 5, 20),  # noqa: DTZ001 - on purpose
    ],
)
def test_one_moment_in_many_spellings(value: object) -> None:
    found = parse_timestamp(value)
    assert found == MOMENT
    assert found.tzinfo is UTC


def test_a_time_without_a_zone_is_of_the_zone_assumed() -> None:
    zone = ZoneInfo("Europe/Berlin")
    assert parse_timestamp("2025-09-14T07:20", assume=zone) == MOMENT
    assert parse_timestamp("2025-09-14T05:20Z", assume=zone) == MOMENT
    assert parse_timestamp(SECONDS, assume=zone) == MOMENT
    day = datetime(2025, 9, 13, 22, tzinfo=UTC)
    assert parse_timestamp("2025-09-14", assume=zone) == day
    assert parse_timestamp("20250914", assume=zone) == day
    assert parse_timestamp("2025-09-14", assume=timezone(timedelta(hours=2))) == day


def test_fractions_are_kept() -> None:
    half = MOMENT + timedelta(milliseconds=500)
    for value in (SECONDS + 0.5, SECONDS * 1000 + 500, f"{SECONDS}.5", "2025-09-14T05:20:00.5Z"):
        assert parse_timestamp(value) == half


def test_small_numbers_are_seconds() -> None:
    assert parse_timestamp(0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert parse_timestamp(100) < parse_timestamp(200)


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        None,
        "",
        "  ",
        "yesterday",
        "14.09.2025",
        float("nan"),
        float("inf"),
        -1,
        "-5",
        10**10,
        10**14 - 1,
        10**30,
        10**5000,
        "9" * 5000,
        "1e9",
        "٢٠٢٥",
        "2025-13-01",
        "2025-02-29",
        "1969-12-31T23:59:59Z",
        "2200-01-01",
        "9999-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00+12:00",
        "2025-09-14T05:20:00" + "0" * 100,
        [],
        {"a": 1},
        b"2025",
    ],
    ids=lambda value: "" if isinstance(value, int | str) else None,
)
def test_anything_else_is_refused_in_a_short_message(value: object) -> None:
    with pytest.raises(ValueError, match="is no t") as caught:
        parse_timestamp(value)
    assert len(str(caught.value)) < 140


@settings(deadline=None)
@given(st.datetimes(min_value=datetime(1974, 1, 1), max_value=datetime(2199, 12, 31)))  # noqa: DTZ001 - bounds
def test_every_unit_gives_the_same_moment(naive: datetime) -> None:
    at = naive.replace(tzinfo=UTC)
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    micro = since // timedelta(microseconds=1)
    assert parse_timestamp(micro) == at
    assert parse_timestamp(micro * 1000) == at
    assert parse_timestamp(at.isoformat()) == at
    assert parse_timestamp(micro // 1000) == at.replace(microsecond=at.microsecond // 1000 * 1000)
    assert parse_timestamp(micro // 10**6) == at.replace(microsecond=0)


@settings(deadline=None)
@given(st.one_of(st.text(max_size=80), st.integers(), st.floats(), st.none(), st.binary()))
def test_anything_is_a_time_or_a_value_error(value: object) -> None:
    try:
        found = parse_timestamp(value)
    except ValueError:
        return
    assert 1970 <= found.year < 2200
    assert found.tzinfo is UTC
