"""Weekly shifts in a time zone, and what they mean at a moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from triagedesk.agents import Agent, Shift
from triagedesk.agents_parser import agents_of, parse_agents, shift_of
from triagedesk.assign import AssignPolicy
from triagedesk.assign.score import closed_reason
from triagedesk.errors import AgentsError

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
OFFICE = {"time_zone": "Europe/Berlin", "hours": {"mon-fri": "09:00-17:00"}}


def a_shift(value: object = OFFICE) -> Shift:
    shift, problems = shift_of(value)
    assert shift, problems
    return shift


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"))


def an_agent(shift: object = OFFICE) -> Agent:
    return agents_of([{"agent_id": "a", "name": "Ann", "shift": shift}], origin="request")[0]


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ("2026-03-27T08:59", None),
        ("2026-03-27T09:00", "2026-03-27T17:00"),
        ("2026-03-27T16:59:59", "2026-03-27T17:00"),
        ("2026-03-27T17:00", None),
        ("2026-03-28T12:00", None),
        # The clocks went forward in between: still 17:00 on the wall.
        ("2026-03-30T09:30", "2026-03-30T17:00"),
    ],
)
def test_a_shift_ends_as_the_clock_on_the_wall_says(now: str, ends: str | None) -> None:
    assert a_shift().ends_at(at(now)) == (at(ends) if ends else None)


def test_a_night_shift_over_the_clock_change_is_an_hour_shorter() -> None:
    shift = a_shift({"time_zone": "Europe/Berlin", "hours": {"sat": "22:00-06:00"}})
    start = at("2026-03-28T22:00")
    ends = shift.ends_at(start)
    assert ends == at("2026-03-29T06:00")
    assert ends - start.astimezone(UTC) == timedelta(hours=7)


def test_hours_that_touch_are_one_shift_and_a_break_is_its_end() -> None:
    hours = {"friday": ["08:00-12:00", "12:00-16:00"], "monday": ["08:00-12:00", "13:00-16:00"]}
    shift = a_shift({"time_zone": "Europe/Berlin", "hours": hours})
    assert shift.ends_at(at("2026-03-27T09:00")) == at("2026-03-27T16:00")
    assert shift.ends_at(at("2026-03-30T09:00")) == at("2026-03-30T12:00")


def test_who_is_always_there_never_runs_out_of_time() -> None:
    agent = an_agent({"hours": "24x7"}).on_shift(at("2026-03-27T09:00"))
    assert closed_reason(agent, at("2026-03-27T09:00"), AssignPolicy()) == ""


@given(
    zone=st.sampled_from(ZONES),
    opens=st.integers(0, 23),
    hours=st.integers(1, 12),
    now=st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31)),  # noqa: DTZ001 (hypothesis wants it so)
)
def test_somebody_is_on_shift_exactly_while_the_wall_clock_is_within_their_hours(
    zone: str, opens: int, hours: int, now: datetime
) -> None:
    closes = opens + hours
    window = f"{opens:02}:00-{closes % 24:02}:00" + ("+1" if closes > 24 else "")
    window = window.replace("-00:00", "-24:00") if closes == 24 else window
    shift = a_shift({"time_zone": zone, "hours": {"mon-sun": window}})
    now = now.replace(tzinfo=UTC)
    wall = now.astimezone(ZoneInfo(zone))
    second = (wall.hour * 60 + wall.minute) * 60 + wall.second + wall.microsecond / 1e6
    within = any(opens * 3600 <= second + day * 86400 < closes * 3600 for day in (0, 1))
    ends = shift.ends_at(now)
    assert (ends is not None) == within
    if ends is not None:
        # It lasts until then without a gap, and not a moment longer.
        steps = [now + (ends - now) * share / 7 for share in range(7)]
        assert all(shift.ends_at(step) == ends for step in steps)
        assert shift.ends_at(ends) is None
        assert all(before < after for before, after in pairwise([*steps, ends]))
        # A clock that is put back may lengthen it by the hour that happens twice.
        assert ends - now <= timedelta(hours=hours + 1)


def test_outside_their_hours_somebody_is_off_shift() -> None:
    agent = an_agent().on_shift(at("2026-03-28T12:00"))
    assert closed_reason(agent, at("2026-03-28T12:00"), AssignPolicy()) == "off shift"
    late = an_agent().on_shift(at("2026-03-27T16:40"))
    policy = AssignPolicy(min_shift=timedelta(minutes=45))
    assert closed_reason(late, at("2026-03-27T16:40"), policy) == "shift ends in under 45 min"
    assert closed_reason(late, at("2026-03-27T16:40"), AssignPolicy(min_shift=timedelta())) == ""


def test_an_end_stated_for_today_comes_before_the_weekly_hours() -> None:
    agent = agents_of(
        [{"agent_id": "a", "shift": OFFICE, "shift_ends_at": "2026-03-27T19:00:00Z"}],
        origin="request",
    )[0]
    assert agent.on_shift(at("2026-03-27T18:00")).shift_ends_at == at("2026-03-27T20:00")
    assert agent.on_shift(at("2026-03-30T10:00")).shift_ends_at == at("2026-03-30T17:00")


def test_without_a_shift_nothing_changes() -> None:
    agent = Agent(id="a", name="A", skills={})
    assert agent.on_shift(at("2026-03-28T12:00")) is agent


def test_an_agent_with_a_shift_comes_back_from_json_as_it_was() -> None:
    reader = TypeAdapter(Agent)
    assert reader.validate_python(reader.dump_python(an_agent(), mode="json")) == an_agent()


def test_a_cell_of_a_table_may_hold_a_shift() -> None:
    text = 'agent_id,shift\na,"Europe/Berlin mon-thu 09:00-17:00; fri 09:00-13:00"\n'
    (agent,) = parse_agents(text, origin="a.csv", format="csv")
    assert agent.shift is not None
    assert agent.shift.ends_at(at("2026-03-27T09:00")) == at("2026-03-27T13:00")


@pytest.mark.parametrize(
    ("shift", "place"),
    [
        ("soon", "agents[0].shift"),
        ("Europe/Berlin mon 9-17", "agents[0].shift.hours.mon"),
        ([], "agents[0].shift"),
        ({**OFFICE, "time_zone": "Mars/Base"}, "agents[0].shift.time_zone"),
        ({**OFFICE, "time_zone": 7}, "agents[0].shift.time_zone"),
        ({**OFFICE, "days": 5}, "agents[0].shift.days"),
        ({"hours": {"mon-fri": "17:00-09:00"}}, "agents[0].shift.hours.mon-fri"),
        ({"hours": {"someday": "09:00-17:00"}}, "agents[0].shift.hours"),
        ({"hours": {"mon": ["09:00-12:00", "11:00-17:00"]}}, "agents[0].shift.hours"),
        ({"hours": {}}, "agents[0].shift.hours"),
        ({}, "agents[0].shift.hours"),
    ],
)
def test_a_shift_that_cannot_be_is_refused_with_its_place(shift: object, place: str) -> None:
    with pytest.raises(AgentsError) as caught:
        agents_of([{"agent_id": "a", "shift": shift}], origin="request")
    assert [problem.where for problem in caught.value.problems] == [place]
