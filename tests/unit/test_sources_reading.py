"""Items of any shape -> tickets, or set aside with the reason."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.helpdesk import wire_ticket
from triagedesk.catalog import SlaUnit
from triagedesk.errors import TicketsError
from triagedesk.priority import Level, Priority
from triagedesk.sources.reading import FIELDS, find_items, read_tickets
from triagedesk.tickets import Status, Ticket


def read(*items: object) -> tuple[Ticket, ...]:
    fetched = read_tickets(items, source="webhook")
    assert fetched.broken == ()
    assert fetched.warnings == ()
    return fetched.tickets


def reasons(*items: object) -> list[str]:
    return [broken.reason for broken in read_tickets(items, source="webhook").broken]


def warned(**fields: Any) -> tuple[Ticket, str]:
    fetched = read_tickets([wire_ticket("1", **fields)], source="webhook")
    assert fetched.broken == ()
    (warning,) = fetched.warnings
    return fetched.tickets[0], warning


@pytest.mark.parametrize(
    "answer",
    [
        [{"id": 1}],
        {"data": [{"id": 1}]},
        {"data": {"requests": [{"id": 1}]}},
        {"response_code": 200, "data": {"requests": [{"id": 1}]}},
        {"requests": [{"id": 1}]},
        {"data": None, "requests": [{"id": 1}]},
        {"data": {"page": 1}, "requests": [{"id": 1}]},
        {"agents": [], "tickets": [{"id": 1}]},
        {"data": {"tickets": [{"id": 1}]}},
    ],
)
def test_every_shape_of_answer_holds_the_same_items(answer: object) -> None:
    assert find_items(answer) == [{"id": 1}]


@pytest.mark.parametrize(
    "answer", [[], {"data": []}, {"data": {"requests": []}}, {"requests": None}]
)
def test_an_empty_list_is_no_error(answer: object) -> None:
    assert find_items(answer) == []


def test_one_ticket_alone_is_a_list_of_one() -> None:
    assert find_items({"id": 1, "title": "x"}) == [{"id": 1, "title": "x"}]


@pytest.mark.parametrize(
    "answer", [{}, None, "x", 5, {"data": None}, {"data": {}}, {"requests": {}}, {"a": [1]}]
)
def test_an_answer_without_a_list_is_refused(answer: object) -> None:
    with pytest.raises(TicketsError, match="no list of tickets"):
        find_items(answer)


def test_the_webhook_shape_is_read() -> None:
    (ticket,) = read(wire_ticket("req_101", "Forgot my Okta password"))
    assert ticket == Ticket(
        source="webhook",
        id="req_101",
        short_description="Forgot my Okta password",
        long_description="I cannot log in any more.",
        requester_email="jane@example.com",
    )


@pytest.mark.parametrize(
    "item",
    [
        {"ticket_id": "7", "title": "VPN down", "description": "No tunnel."},
        {"id": 7, "subject": "VPN down", "body": "No tunnel."},
        {"id": "7", "short_description": None, "title": "VPN down", "description": "No tunnel."},
    ],
)
def test_fields_go_by_several_names(item: dict[str, Any]) -> None:
    (ticket,) = read(item)
    assert ticket.id == "7"
    assert ticket.text == "VPN down\nNo tunnel."


def test_fields_that_arrive_filled_stay() -> None:
    (ticket,) = read(
        wire_ticket(
            "1",
            request_category=" Access ",
            request_type="Reset",
            sla={"unit": "days", "value": "3"},
            status="On Hold",
            priority="P2",
            impact="1 - High",
            urgency=3,
            created_at="2025-09-14T05:20:00Z",
        )
    )
    assert (ticket.request_category, ticket.request_type) == ("Access", "Reset")
    assert (ticket.sla_value, ticket.sla_unit) == (3, SlaUnit.DAYS)
    assert (ticket.status, ticket.priority) == (Status.ON_HOLD, Priority.P2)
    assert (ticket.impact, ticket.urgency) == (Level.HIGH, Level.LOW)
    assert ticket.created_at == datetime(2025, 9, 14, 5, 20, tzinfo=UTC)


def test_a_unix_creation_timestamp_is_read() -> None:
    (ticket,) = read({"ticket_id": "1", "title": "x", "creation_timestamp": 1757827200})
    assert ticket.created_at == datetime(2025, 9, 14, 5, 20, tzinfo=UTC)


@pytest.mark.parametrize("blank", [None, "", " ", 0])
def test_blank_null_and_zero_mean_not_filled(blank: object) -> None:
    (ticket,) = read(
        {
            "id": "1",
            "title": "x",
            "request_category": blank,
            "sla": {"unit": "hours", "value": blank},
            "priority": blank,
            "impact": blank,
            "status": blank,
            "created_at": blank,
        }
    )
    assert ticket == Ticket(source="webhook", id="1", short_description="x")


def test_an_sla_in_columns_is_read() -> None:
    (ticket,) = read({"id": "1", "title": "x", "sla_value": "8", "sla_unit": "Hours"})
    assert (ticket.sla_value, ticket.sla_unit) == (8, SlaUnit.HOURS)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"sla": {"unit": "weeks", "value": 3}}, "sla"),
        ({"sla": {"unit": "", "value": 3}}, "sla"),
        ({"sla": {"unit": "hours", "value": -3}}, "sla"),
        ({"sla": {"unit": "hours", "value": "soon"}}, "sla"),
        ({"sla": "4 hours"}, "sla"),
        ({"priority": "whenever"}, "priority"),
        ({"priority": [1]}, "priority"),
        ({"impact": 9}, "impact"),
        ({"urgency": True}, "urgency"),
        ({"status": "limbo"}, "status"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"requester_email": {"mail": "x"}}, "requester_email"),
        ({"request_category": ["A"]}, "request_category"),
        ({"request_type": "x" * 501}, "request_type"),
        ({"long_description": {"html": "x"}}, "long_description"),
    ],
)
def test_an_optional_field_that_makes_no_sense_is_left_empty_with_a_warning(
    fields: dict[str, Any], field: str
) -> None:
    ticket, warning = warned(**fields)
    assert warning.startswith(f"ticket 1: {field} ")
    assert "left empty" in warning
    blank: dict[str, Any] = dict.fromkeys(fields)
    assert ticket == read(wire_ticket("1", **blank))[0]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("a text", "not an object"),
        (None, "not an object"),
        ([1], "not an object"),
        ({"title": "x"}, "no id"),
        ({"id": None, "title": "x"}, "no id"),
        ({"id": " \x00", "title": "x"}, "no id"),
        ({"id": True, "title": "x"}, "neither text nor a whole number"),
        ({"id": 1.5, "title": "x"}, "neither text nor a whole number"),
        ({"id": ["1"], "title": "x"}, "neither text nor a whole number"),
        ({"id": "x" * 201, "title": "x"}, "longer than 200"),
        ({"id": "1"}, "neither short_description nor long_description is text"),
        ({"id": "1", "title": ["x"], "body": {}}, "neither short_description"),
    ],
)
def test_what_is_no_ticket_is_set_aside_with_the_reason(item: object, reason: str) -> None:
    fetched = read_tickets([wire_ticket("good"), item], source="webhook")
    assert [t.id for t in fetched.tickets] == ["good"]
    (broken,) = fetched.broken
    assert broken.position == 1
    assert reason in broken.reason
    assert len(broken.raw) <= 500


def test_a_ticket_with_blank_texts_is_still_a_ticket() -> None:
    assert read({"id": "1", "title": "", "body": " "})[0].text == ""


def test_the_same_ticket_twice_counts_once() -> None:
    tickets = read(wire_ticket(1), wire_ticket(2), wire_ticket("1"))
    assert [t.id for t in tickets] == ["1", "2"]


def test_of_one_id_with_different_content_the_last_is_kept_and_the_others_reported() -> None:
    items = [wire_ticket(1, "old"), wire_ticket(2), wire_ticket(1, "older"), wire_ticket(1, "new")]
    fetched = read_tickets(items, source="webhook")
    assert [(t.id, t.short_description) for t in fetched.tickets][-1] == ("1", "new")
    assert len(fetched.tickets) == 2
    assert [(b.position, b.id) for b in fetched.broken] == [(0, "1"), (2, "1")]
    assert all("comes again" in b.reason for b in fetched.broken)


def test_control_characters_and_lone_surrogates_never_get_in() -> None:
    (ticket,) = read(
        wire_ticket(
            "a\x00b\n", "Bell\x07 \ud800 \ufffe x\r\ny", long_description="a\tb\r\nc\rd\x00"
        )
    )
    assert ticket.id == "a b"
    assert ticket.short_description == "Bell \ufffd  x y"
    assert ticket.long_description == "a\tb\nc\nd"
    assert ticket.content_hash


@pytest.mark.parametrize(
    "text", ["=1+1", "+49 30", "-x", "@SUM(A1)", "🔥 Drucker brennt 👩‍🚒", "http://x"]
)
def test_formulas_emoji_and_links_stay_as_they_are(text: str) -> None:
    assert read(wire_ticket("1", text))[0].short_description == text


def test_an_endless_text_is_cut_visibly() -> None:
    (ticket,) = read(wire_ticket("1", long_description="x" * 1_234_567))
    assert ticket.long_description.startswith("x" * 1_000_000)
    assert ticket.long_description.endswith("\n[cut: 234,567 characters]")


def test_a_number_as_text_is_text() -> None:
    assert read({"id": 1, "title": 404, "body": "x"})[0].short_description == "404"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("New", Status.OPEN),
        ("in_progress", Status.OPEN),
        ("Pending", Status.ON_HOLD),
        ("on-hold", Status.ON_HOLD),
        ("Closed", Status.RESOLVED),
    ],
)
def test_status_words(word: str, expected: Status) -> None:
    assert read(wire_ticket("1", status=word))[0].status is expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("P1", 1),
        ("p4", 4),
        (2, 2),
        ("3", 3),
        (3.0, 3),
        ("1 - Critical", 1),
        ("Highest", 1),
        ("HIGH", 2),
        ("Medium", 3),
        ("low", 4),
    ],
)
def test_priority_words(word: object, expected: int) -> None:
    assert read(wire_ticket("1", priority=word))[0].priority == expected


KEYS = st.sampled_from(
    [*chain.from_iterable(FIELDS.values()), "sla", "unit", "value", "data", "requests", "tickets"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(KEYS, children, max_size=6),
    max_leaves=30,
)


@settings(deadline=None)
@given(answer=JSON)
def test_any_json_is_an_answer_or_a_tickets_error(answer: object) -> None:
    try:
        items = find_items(answer)
    except TicketsError:
        return
    fetched = read_tickets(items, source="webhook")
    assert len(fetched.tickets) + len(fetched.broken) <= len(items)


@settings(deadline=None)
@given(items=st.lists(st.dictionaries(KEYS, JSON, max_size=8) | JSON, max_size=8))
def test_every_item_becomes_a_ticket_or_is_set_aside(items: list[object]) -> None:
    fetched = read_tickets(items, source="webhook")
    ids = [t.id for t in fetched.tickets]
    assert len(set(ids)) == len(ids)
    assert all(t.content_hash for t in fetched.tickets)
    assert all(b.reason and 0 <= b.position < len(items) for b in fetched.broken)
