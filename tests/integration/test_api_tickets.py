"""Tickets and agents over the API, from creating to explaining."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from support.api_server import ApiServer, wait_for


@pytest.fixture
def server(tmp_path: Path, store_url: str) -> Iterator[ApiServer]:
    with ApiServer.running(tmp_path, store_url) as running:
        yield running


@pytest.fixture
def sqlite_server(tmp_path: Path) -> Iterator[ApiServer]:
    with ApiServer.running(tmp_path, f"sqlite:///{tmp_path / 'desk.db'}") as running:
        yield running


def create(server: ApiServer, *subjects: str, start: int = 1) -> list[Any]:
    body = {
        "tickets": [
            {"id": f"N-{number}", "short_description": subject}
            for number, subject in enumerate(subjects, start)
        ]
    }
    made: list[Any] = server.post("/v1/tickets", body)["tickets"]
    return made


def test_a_ticket_goes_the_whole_way(server: ApiServer) -> None:
    body = {
        "id": "INC/7 ü",
        "short_description": "Reset my password please",
        "created_at": "2026-01-05T09:00:00+01:00",
        "requester_email": "kim@example.com",
    }
    response = server.client.post("/v1/tickets", json=body)
    assert response.status_code == 201
    ticket = response.json()
    assert ticket["classification"]["request_type"] == "Reset password"
    assert (ticket["sla"]["value"], ticket["sla"]["unit"]) == (4, "hours")
    assert ticket["sla"]["resolution_due_at"] == "2026-01-05T12:00:00Z"
    assert ticket["priority"]["priority"] in ("P1", "P2", "P3", "P4")
    assert ticket["assignment"]["agent_id"] == "ann"
    assert response.headers["location"] == "/v1/tickets/" + quote("INC/7 ü", safe="")
    assert server.get(response.headers["location"]) == ticket
    again = server.client.post("/v1/tickets", json=body)
    assert (again.status_code, again.json()) == (200, ticket)
    other = server.client.post("/v1/tickets", json={**body, "short_description": "Other"})
    assert other.status_code == 409
    assert other.json()["errors"][0]["path"] == "$.id"


def test_what_arrives_filled_stays(sqlite_server: ApiServer) -> None:
    ticket = sqlite_server.post(
        "/v1/tickets",
        {
            "id": "F-1",
            "short_description": "Reset my password please",
            "request_category": "Hardware",
            "request_type": "Printer jam",
            "sla": {"value": 3, "unit": "days"},
            "priority": "P1",
        },
    )
    assert ticket["classification"]["request_type"] == "Printer jam"
    assert ticket["classification"]["decided_by"] == "source"
    assert (ticket["sla"]["value"], ticket["sla"]["unit"]) == (3, "days")
    assert ticket["priority"]["priority"] == "P1"


def test_of_many_with_one_clash_none_is_kept(sqlite_server: ApiServer) -> None:
    create(sqlite_server, "VPN account for a colleague")
    body = {
        "tickets": [
            {"id": "N-2", "short_description": "Printer jam"},
            {"id": "N-1", "short_description": "changed"},
        ]
    }
    response = sqlite_server.client.post("/v1/tickets", json=body)
    assert response.status_code == 409
    assert response.json()["errors"][0]["path"] == "$.tickets[1].id"
    assert sqlite_server.client.get("/v1/tickets/N-2").status_code == 404


def test_resolving_releases_the_load_and_reopening_takes_it_again(server: ApiServer) -> None:
    create(server, "Printer jam on floor 3")
    before = server.loads()
    for _ in range(2):
        assert server.post("/v1/tickets/N-1/resolve", None)["status"] == "resolved"
    assert server.loads()["cy"] == before["cy"] - 1
    for _ in range(2):
        ticket = server.post("/v1/tickets/N-1/reopen", None)
        assert (ticket["status"], ticket["assignment"]["agent_id"]) == ("open", "cy")
    assert server.loads() == before
    history = server.get("/v1/tickets/N-1/decision")["history"]["assignments"]
    assert [held["released_at"] is None for held in history] == [False, True]


def test_a_correction_decides_and_teaches(server: ApiServer) -> None:
    create(server, "Hello there", "Reset my password please")
    ticket = server.get("/v1/tickets/N-1")
    assert ticket["classification"]["needs_review"] is True
    label = {"request_category": "hardware", "request_type": "broken  laptop"}
    answer = server.post("/v1/tickets/N-1/correction", label)
    assert answer["ticket"]["classification"]["request_type"] == "Broken laptop"
    assert answer["ticket"]["classification"]["decided_by"] == "human"
    assert answer["ticket"]["classification"]["needs_review"] is False
    assert answer["ticket"]["sla"]["unit"] == "days"
    assert answer["lesson"]
    decisions = server.get("/v1/tickets/N-1/decision")["history"]["decisions"]
    assert [past["in_force"] for past in decisions] == [False, True]
    wrong = server.client.post(
        "/v1/tickets/N-1/correction", json={**label, "request_type": "Nothing of the kind"}
    )
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["path"] == "$.request_type"


def test_a_decision_gives_all_of_it(sqlite_server: ApiServer) -> None:
    create(sqlite_server, "Printer jam on floor 3")
    sqlite_server.client.put("/v1/agents/bob/availability", json={"availability_status": "away"})
    create(sqlite_server, "Another printer jam", start=2)
    decision = sqlite_server.get("/v1/tickets/N-2/decision")
    given = decision["assignment"]
    assert given["agent_id"] == "cy"
    assert {"match", "urgency", "load"} <= set(given["parts"])
    assert {"reason": "away", "agent_ids": ["bob"], "count": 1} in given["exclusions"]
    assert given["rationale"]
    assert given["would_change"]
    assert decision["classification"]["alternatives"]
    assert decision["priority"]["evidence"]
    assert all(decision[name] for name in ("input_hash", "catalog_version", "policy_version"))
    first = sqlite_server.get("/v1/tickets/N-1/decision")["assignment"]
    assert (first["runner_up"]["agent_id"], first["margin"] > 0) == ("bob", True)


def test_lists_are_filtered_and_read_page_by_page(server: ApiServer) -> None:
    create(server, *(f"Printer jam {n}" for n in range(7)), "Hello there", "VPN account down")
    server.post("/v1/tickets/N-3/resolve", None)

    def ids(query: str) -> list[str]:
        return [ticket["id"] for ticket in server.get(f"/v1/tickets?{query}")["tickets"]]

    assert ids("limit=2") == ["N-9", "N-8"]
    assert ids("status=resolved") == ["N-3"]
    assert ids("needs_review=true") == ["N-8"]
    assert ids("category=Access&type=VPN+account") == ["N-9"]
    assert ids("priority=P1") == []
    assert ids("agent=nobody") == []
    assert "N-3" in ids("agent=")
    assert set(ids("agent=cy") + ids("agent=ann") + ids("agent=bob")) == {
        f"N-{n}" for n in (1, 2, 4, 5, 6, 7, 8, 9)
    }
    seen: list[str] = []
    page = server.get("/v1/tickets?limit=4")
    while True:
        seen += [ticket["id"] for ticket in page["tickets"]]
        if not page["next"]:
            break
        page = server.get(f"/v1/tickets?limit=4&cursor={page['next']}")
    assert seen == [f"N-{n}" for n in range(9, 0, -1)]
    link = server.client.get("/v1/tickets?limit=4").headers["link"]
    assert 'rel="next"' in link


def test_agents_come_and_go(server: ApiServer) -> None:
    body = {"agent_id": "dee", "name": "Dee", "skills": {"SAP_Basis": 8}, "current_load": 3}
    response = server.client.post("/v1/agents", json=body)
    assert (response.status_code, response.headers["location"]) == (201, "/v1/agents/dee")
    assert response.json()["load"] == 3
    assert server.client.post("/v1/agents", json=body).status_code == 409
    # A skill nobody foresaw routes tickets at once.
    assert create(server, "SAP basis patch")[0]["assignment"]["agent_id"] == "dee"
    assert server.get("/v1/agents/dee")["load"] == 4
    put = server.client.put("/v1/agents/dee", json={"name": "Dee D.", "capacity": 9})
    assert (put.json()["name"], put.json()["load"], put.json()["skills"]) == ("Dee D.", 4, {})
    put = server.client.put("/v1/agents/dee", json={"name": "Dee", "current_load": 7})
    assert put.json()["load"] == 7
    away = server.client.put(
        "/v1/agents/dee/availability", json={"availability_status": "On Leave"}
    )
    # What they have not begun is with somebody else by now.
    assert (away.json()["availability_status"], away.json()["load"]) == ("offline", 6)
    assert [a["agent_id"] for a in server.get("/v1/agents?availability=offline")["agents"]] == [
        "dee"
    ]
    assert server.client.delete("/v1/agents/dee").status_code == 204
    assert server.client.get("/v1/agents/dee").status_code == 404
    assert server.get("/v1/tickets/N-1")["assignment"]["agent_id"] != "dee"
    page = server.get("/v1/agents?limit=2")
    rest = server.get(f"/v1/agents?limit=2&cursor={page['next']}")
    assert [a["agent_id"] for a in page["agents"] + rest["agents"]] == ["ann", "bob", "cy"]


def test_a_request_with_an_idempotency_key_is_carried_out_once(server: ApiServer) -> None:
    body = {"agent_id": "eve", "name": "Eve"}
    headers = {"Idempotency-Key": "4711"}
    first = server.client.post("/v1/agents", json=body, headers=headers)
    again = server.client.post("/v1/agents", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    other = server.client.post("/v1/agents", json={"agent_id": "eva"}, headers=headers)
    assert other.status_code == 422
    assert other.json()["errors"][0]["path"] == "Idempotency-Key"
    # What was refused may be mended and sent again.
    headers = {"Idempotency-Key": "4712"}
    assert server.client.post("/v1/agents", json={}, headers=headers).status_code == 422
    mended = server.client.post("/v1/agents", json={"agent_id": "eli"}, headers=headers)
    assert mended.status_code == 201


def test_the_catalog_comes_with_a_validator(sqlite_server: ApiServer) -> None:
    response = sqlite_server.client.get("/v1/catalog")
    assert len(response.json()["entries"]) == 5
    headers = {"If-None-Match": response.headers["etag"]}
    assert sqlite_server.client.get("/v1/catalog", headers=headers).status_code == 304


def test_what_is_next_to_breach_comes_first(sqlite_server: ApiServer) -> None:
    create(sqlite_server, "VPN account for a colleague", "Reset my password please")
    targets = sqlite_server.get("/v1/sla")["targets"]
    assert [target["ticket_id"] for target in targets] == ["N-2", "N-1"]
    assert targets[0]["state"] == "running"


def test_what_happens_is_counted(sqlite_server: ApiServer) -> None:
    create(sqlite_server, "Printer jam")
    text = sqlite_server.client.get("/metrics").text
    assert "triagedesk_tickets_total 1.0" in text
    assert 'method="POST",route="/v1/tickets",status="201"} 1.0' in text


def test_the_documentation_needs_no_other_server(sqlite_server: ApiServer) -> None:
    page = sqlite_server.client.get("/docs").text
    assert "https://" not in page
    assert "//cdn" not in page
    bundle = sqlite_server.client.get("/static-offline-docs/swagger-ui-bundle.js")
    assert bundle.status_code == 200
    root = sqlite_server.client.get("/")
    assert (root.status_code, root.headers["location"]) == (303, "/queue")


def test_agents_of_the_file_are_there_from_the_start(sqlite_server: ApiServer) -> None:
    wait_for(lambda: sqlite_server.loads() == {"ann": 0, "bob": 0, "cy": 2})
