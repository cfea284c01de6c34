"""What people do with tickets, over the API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.api_server import ApiServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    folder = tmp_path_factory.mktemp("work")
    with ApiServer.running(folder, f"sqlite:///{folder / 'desk.db'}") as running:
        yield running


@pytest.fixture(autouse=True)
def _as_at_first(server: ApiServer) -> Iterator[None]:
    """Everybody is there, and nothing is open."""
    yield
    for ticket in server.get("/v1/tickets?limit=500")["tickets"]:
        server.post(f"/v1/tickets/{ticket['id']}/resolve", None)
    for agent in ("ann", "bob", "cy"):
        server.post(f"/v1/agents/{agent}/availability", {"availability_status": "available"})


def create(server: ApiServer, id_: str, **fields: Any) -> Any:
    body = {"id": id_, "short_description": "Reset my password please", **fields}
    return server.post("/v1/tickets", body)


def problem(server: ApiServer, path: str, body: object, **options: Any) -> Any:
    response = server.client.post(path, json=body, **options)
    assert response.headers["content-type"] == "application/problem+json", response.text
    found = response.json()
    assert found["status"] == response.status_code
    return found


def whats(server: ApiServer, id_: str) -> list[str]:
    return [event["what"] for event in server.get(f"/v1/tickets/{id_}/history")["events"]]


def test_a_ticket_is_pulled_accepted_and_resolved(server: ApiServer) -> None:
    made = create(server, "W-1")
    assert (made["assignment"]["agent_id"], made["assignment"]["state"]) == ("ann", "tentative")
    first = server.post("/v1/agents/ann/next", None)
    assert first["ticket"]["id"] == "W-1"
    assert first["ticket"]["assignment"]["state"] == "committed"
    assert first["index"]["value"] > 0
    assert first["why"].startswith("Ann begins W-1")
    again = server.post("/v1/agents/ann/next", None)
    assert again["ticket"] == first["ticket"]
    for _ in range(2):
        accepted = server.post("/v1/tickets/W-1/accept", {"agent_id": "ann"})
        assert accepted["assignment"]["state"] == "accepted"
    server.post("/v1/tickets/W-1/resolve", None)
    assert whats(server, "W-1") == [
        "received",
        "decided",
        "tentative",
        "committed",
        "accepted",
        "resolved",
    ]
    nothing = server.post("/v1/agents/ann/next", None)
    assert nothing == {
        "ticket": None,
        "why": "Nothing is waiting.",
        "taken_from": "",
        "index": None,
    }


def test_what_is_declined_goes_on_and_the_history_says_why(server: ApiServer) -> None:
    create(server, "W-2")
    handed = server.post("/v1/tickets/W-2/decline", {"agent_id": "ann", "reason": "no access"})
    assert (handed["from_agent_id"], handed["to_agent_id"] == "ann") == ("ann", False)
    events = server.get("/v1/tickets/W-2/history")["events"]
    (declined,) = [event for event in events if event["what"] == "declined"]
    assert (declined["agent_id"], declined["note"]) == ("ann", "no access")
    past = server.get("/v1/tickets/W-2/decision")["history"]["assignments"]
    assert next((held["released_why"], held["note"]) for held in past) == ("declined", "no access")
    choice = server.get("/v1/tickets/W-2/candidates")
    assert "ann" not in [candidate["agent_id"] for candidate in choice["candidates"]]
    assert {"reason": "declined it", "agent_ids": ["ann"], "count": 1} in choice["exclusions"]


def test_who_goes_away_hands_back_and_the_answer_says_what(server: ApiServer) -> None:
    create(server, "W-3")
    create(server, "W-4")
    server.post("/v1/tickets/W-3/accept", {"agent_id": "ann"})
    answer = server.post("/v1/agents/ann/availability", {"availability_status": "Lunch"})
    assert answer["agent"]["availability_status"] == "away"
    assert answer["agent"]["load"] == 1
    (handed,) = answer["handed_back"]
    assert (handed["ticket"]["id"], handed["from_agent_id"]) == ("W-4", "ann")
    # Only Ann knows it, and its SLA leaves time for lunch.
    assert handed["to_agent_id"] is None
    why = handed["ticket"]["assignment"]["rationale"]
    assert why.startswith("Waits until ")
    assert "Ann (8/10, away)" in why
    refused = problem(server, "/v1/agents/ann/next", None)
    assert (refused["status"], refused["detail"]) == (409, "Ann takes no new work now: away")


def test_a_lead_reassigns_and_holds(server: ApiServer) -> None:
    create(server, "W-5")
    body = {"to": "cy", "reason": "knows the customer"}
    given = server.post("/v1/tickets/W-5/reassign", body)["assignment"]
    assert (given["agent_id"], given["state"], given["given_by"]) == ("cy", "committed", "local")
    assert "knows the customer" in given["rationale"]
    held = server.post("/v1/tickets/W-5/hold", None)
    assert (held["status"], held["sla"]["resolution_due_at"]) == ("on_hold", None)
    on = server.post("/v1/tickets/W-5/unhold", None)
    assert on["status"] == "open"
    assert on["sla"]["resolution_due_at"]


@pytest.mark.parametrize(
    ("path", "body", "status", "fault"),
    [
        ("/v1/tickets/NO/accept", {"agent_id": "ann"}, 404, None),
        ("/v1/tickets/NO/hold", None, 404, None),
        ("/v1/agents/eve/next", None, 404, None),
        ("/v1/tickets/W-6/accept", {"agent_id": "eve"}, 404, ("$.agent_id", "eve")),
        ("/v1/tickets/W-6/accept", {"agent_id": "bob"}, 409, ("$.agent_id", "bob")),
        ("/v1/tickets/W-6/accept", {}, 422, ("$.agent_id", None)),
        ("/v1/tickets/W-6/decline", {"agent_id": "ann"}, 422, ("$.reason", None)),
        ("/v1/tickets/W-6/decline", {"agent_id": "ann", "reason": "--"}, 422, ("$.reason", "--")),
        ("/v1/tickets/W-6/reassign", {"to": "eve"}, 404, ("$.to", "eve")),
        ("/v1/tickets/W-6/reassign", {"to": 7}, 422, ("$.to", 7)),
        ("/v1/tickets/W-6/hand-back", {"agent_id": "cy"}, 409, ("$.agent_id", "cy")),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(
    server: ApiServer, path: str, body: object, status: int, fault: tuple[str, Any] | None
) -> None:
    create(server, "W-6")
    server.post("/v1/tickets/W-6/reopen", None)
    server.post("/v1/tickets/W-6/reassign", {"to": "ann", "anyway": True})
    found = problem(server, path, body)
    assert found["status"] == status
    faults = [(item["path"], item["value"]) for item in found.get("errors", [])]
    assert faults == ([fault] if fault else [])


def test_what_is_resolved_is_left_alone(server: ApiServer) -> None:
    create(server, "W-7")
    server.post("/v1/tickets/W-7/resolve", None)
    found = problem(server, "/v1/tickets/W-7/accept", {"agent_id": "ann"})
    assert (found["status"], found["hint"]) == (409, "reopen it first")
    assert server.client.get("/v1/tickets/W-7/candidates").status_code == 409


def test_next_with_an_idempotency_key_gives_one_ticket_however_often(server: ApiServer) -> None:
    create(server, "W-8")
    create(server, "W-9")
    headers = {"Idempotency-Key": "next-1"}
    first = server.client.post("/v1/agents/ann/next", headers=headers).json()
    server.post(f"/v1/tickets/{first['ticket']['id']}/accept", {"agent_id": "ann"})
    again = server.client.post("/v1/agents/ann/next", headers=headers)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first


def test_weekly_hours_come_back_as_they_were_sent(server: ApiServer) -> None:
    shift = {
        "time_zone": "Europe/Berlin",
        "hours": {"mon-tue": "09:00-17:00", "wed": "22:00-06:00"},
    }
    body = {"agent_id": "night", "name": "Night", "shift": shift}
    agent = server.post("/v1/agents", body)
    assert agent["shift"]["hours"] == {
        "monday": ["09:00-17:00"],
        "tuesday": ["09:00-17:00"],
        "wednesday": ["22:00-06:00+1"],
    }
    put = server.client.put("/v1/agents/night", json={"shift": agent["shift"]})
    assert put.json()["shift"] == agent["shift"]
    wrong = {**shift, "hours": {"mon": "9 to 5"}}
    found = problem(server, "/v1/agents", {**body, "shift": wrong})
    assert found["errors"][0]["path"] == "$.shift.hours"
    server.client.delete("/v1/agents/night")
