"""What clients send becomes the desk's own records; what cannot be read says why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from triagedesk.agents import Availability
from triagedesk.api.body import parse
from triagedesk.api.checks import unique
from triagedesk.api.problems import ApiProblem, json_path, shown
from triagedesk.api.wire import NewAgent, NewTicket, TicketToAssign
from triagedesk.hosts import is_loopback
from triagedesk.priority import Level, Priority
from triagedesk.tickets import Status


def test_an_agent_of_the_known_shape_is_read() -> None:
    given = NewAgent.model_validate(
        {
            "agent_id": "a-1",
            "name": "Sarah  Chen",
            "skills": {"VPN": 8.0},
            "current_load": 2,
            "availability_status": "On Leave",
            "experience_level": 7,
        }
    )
    agent = given.as_agent(given.agent_id, 20)
    assert (agent.name, dict(agent.skills), agent.load) == ("Sarah Chen", {"VPN": 8}, 2)
    assert (agent.capacity, agent.availability) == (20, Availability.OFFLINE)


@pytest.mark.parametrize(
    "stamp", [1767603600, 1767603600.0, 1767603600000, "2026-01-05T09:00:00Z", "1767603600"]
)
def test_times_come_in_seconds_or_iso(stamp: Any) -> None:
    given = TicketToAssign.model_validate(
        {"ticket_id": "1", "title": "x", "creation_timestamp": stamp}
    )
    assert given.as_ticket().created_at == datetime(2026, 1, 5, 9, tzinfo=UTC)


def test_a_ticket_is_cleaned_and_keeps_what_is_filled() -> None:
    given = NewTicket.model_validate(
        {
            "id": " T-1 ",
            "short_description": "two\nlines\x00",
            "long_description": "a\r\nb",
            "priority": "P1",
            "impact": "high",
            "status": "on_hold",
        }
    )
    ticket = given.as_ticket()
    assert (ticket.id, ticket.short_description) == ("T-1", "two lines")
    assert ticket.long_description == "a\nb"
    assert (ticket.priority, ticket.impact) == (Priority.P1, Level.HIGH)
    assert ticket.status is Status.ON_HOLD


@pytest.mark.parametrize("value", [True, "7", 7.5, None, float("nan"), 0, 11, [7]])
def test_a_proficiency_is_a_whole_number_from_1_to_10(value: object) -> None:
    with pytest.raises(ValidationError):
        NewAgent.model_validate({"agent_id": "a", "skills": {"VPN": value}})


def test_every_repeated_id_is_a_fault() -> None:
    faults = unique("tickets", "ticket_id", ["a", "b", "a", "a"])
    assert [fault.path for fault in faults] == ["$.tickets[2].ticket_id", "$.tickets[3].ticket_id"]


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        ((), "$"),
        (("tickets", 3, "title"), "$.tickets[3].title"),
        (("skills", "a b"), '$.skills["a b"]'),
        (("skills", '"'), '$.skills["\\""]'),
    ],
)
def test_a_path_is_written_as_json_path(parts: tuple[object, ...], path: str) -> None:
    assert json_path(parts) == path


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        (2**60, str(2**60)),
        ("x" * 300, "x" * 199 + "…"),
        ({"a": [1]}, '{"a": [1]}'),
    ],
)
def test_a_value_is_shown_as_it_is_or_cut(value: object, expected: object) -> None:
    assert shown(value) == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_a_number_json_lacks_is_shown_as_text(value: float) -> None:
    assert isinstance(shown(value), str)


def test_json_is_read_with_a_byte_order_mark() -> None:
    assert parse(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_where_a_number_is_none_is_found() -> None:
    with pytest.raises(ApiProblem) as caught:
        parse(b'{"a": [1, {"b": [2, NaN]}], "c": Infinity}')
    assert caught.value.faults[0].path == "$.a[1].b[1]"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("", False),
        ("localhost.example.com", False),
    ],
)
def test_loopback_is_this_machine_and_nobody_else(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
