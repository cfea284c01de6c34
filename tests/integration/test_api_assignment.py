"""POST /v1/ticket-assignment against a running server: whole, stateful, explained."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from support.api_server import DATASET, ApiServer


@pytest.fixture
def server(tmp_path: Path, store_url: str) -> Iterator[ApiServer]:
    with ApiServer.running(tmp_path, store_url) as running:
        yield running


def agents_of(answer: Any) -> dict[str, str]:
    return {item["ticket_id"]: item["assigned_agent_id"] for item in answer["assignments"]}


def test_a_plain_client_works_unchanged(server: ApiServer) -> None:
    url = f"{server.url}/v1/ticket-assignment"
    answer = requests.post(url, json=DATASET, timeout=100).json()
    seen = [
        (item["ticket_id"], item["assigned_agent_id"], item["rationale"])
        for item in answer["assignments"]
    ]
    assert [ticket for ticket, _, _ in seen] == [t["ticket_id"] for t in DATASET["tickets"]]
    assert all(agent in ("vera", "paul") and rationale for _, agent, rationale in seen)
    # To the letter, although the desk keeps one space.
    assert answer["assignments"][0]["title"] == "VPN  is down"
    assert agents_of(answer) == {
        "TKT-0": "vera",
        "TKT-1": "paul",
        "TKT-2": "vera",
        "TKT-3": "vera",
        "TKT-4": "paul",
    }


def test_the_same_batch_twice_changes_nothing_the_second_time(server: ApiServer) -> None:
    first = server.post("/v1/ticket-assignment", DATASET)
    loads, runs = server.loads(), server.get("/v1/runs")["runs"]
    second = server.post("/v1/ticket-assignment", DATASET)
    assert second["assignments"] == first["assignments"]
    assert server.loads() == loads == {**loads, "vera": 1 + 3, "paul": 2}
    assert server.get("/v1/runs")["runs"] == runs
    assert (first["run_id"] != "", second["run_id"]) == (True, "")
    decision = server.get("/v1/tickets/TKT-0/decision")
    assert len(decision["history"]["assignments"]) == 1


def test_loads_are_remembered_unless_the_request_says_otherwise(server: ApiServer) -> None:
    server.post("/v1/ticket-assignment", DATASET)
    later = {
        "agents": [{**DATASET["agents"][0], "current_load": 9}],
        "tickets": [{"ticket_id": "L-1", "title": "VPN again"}],
    }
    server.post("/v1/ticket-assignment", later)
    assert server.loads()["vera"] == 5
    later["tickets"] = [{"ticket_id": "L-2", "title": "VPN and again"}]
    server.post("/v1/ticket-assignment", {**later, "load_source": "request"})
    assert server.loads()["vera"] == 10
    for ticket in ("TKT-0", "TKT-2", "TKT-3", "L-1", "L-2"):
        server.post(f"/v1/tickets/{ticket}/resolve", None)
    assert server.loads()["vera"] == 5


def test_a_dry_run_keeps_nothing(server: ApiServer) -> None:
    before = server.loads()
    answer = server.post("/v1/ticket-assignment?dry_run=true", DATASET)
    assert answer["dry_run"] is True
    assert len(answer["assignments"]) == 5
    assert server.loads() == before
    assert server.get("/v1/tickets")["tickets"] == []
    real = server.post("/v1/ticket-assignment", DATASET)
    assert agents_of(real) == agents_of(answer)


def test_tickets_alone_go_to_the_desks_own_agents(server: ApiServer) -> None:
    answer = server.post(
        "/v1/ticket-assignment", {"tickets": [{"ticket_id": "A-1", "title": "Printer jam"}]}
    )
    assert agents_of(answer) == {"A-1": "cy"}


def test_every_ticket_is_in_exactly_one_list(server: ApiServer) -> None:
    body = copy.deepcopy(DATASET)
    for agent in body["agents"]:
        agent["capacity"] = 2
    body["tickets"] += [
        {"ticket_id": "H-1", "title": "VPN", "status": "on_hold"},
        {"ticket_id": "R-1", "title": "VPN", "status": "resolved"},
    ]
    answer = server.post("/v1/ticket-assignment", body)
    listed = [item["ticket_id"] for item in answer["assignments"] + answer["unassigned"]]
    assert Counter(listed) == Counter(ticket["ticket_id"] for ticket in body["tickets"])
    assert len(answer["assignments"]) == 3
    reasons = {item["ticket_id"]: item["reason"] for item in answer["unassigned"]}
    assert "on hold" in reasons["H-1"]
    assert "resolved" in reasons["R-1"]
    assert all(reasons.values())


def test_a_deferred_ticket_is_tried_again_when_it_is_sent_again(server: ApiServer) -> None:
    body: dict[str, Any] = {
        "agents": [{"agent_id": "one", "skills": {"VPN": 5}, "capacity": 0}],
        "tickets": [{"ticket_id": "W-1", "title": "VPN"}],
    }
    assert len(server.post("/v1/ticket-assignment", body)["unassigned"]) == 1
    assert len(server.post("/v1/ticket-assignment", body)["unassigned"]) == 1
    assert len(server.get("/v1/tickets/W-1/decision")["history"]["assignments"]) == 1
    body["agents"][0]["capacity"] = 1
    assert agents_of(server.post("/v1/ticket-assignment", body)) == {"W-1": "one"}


def test_a_resolved_ticket_sent_again_stays_resolved(server: ApiServer) -> None:
    server.post("/v1/ticket-assignment", DATASET)
    server.post("/v1/tickets/TKT-1/resolve", None)
    answer = server.post("/v1/ticket-assignment", DATASET)
    assert [item["ticket_id"] for item in answer["unassigned"]] == ["TKT-1"]
    assert server.loads()["paul"] == 1


def test_a_ticket_whose_text_changes_keeps_its_agent(server: ApiServer) -> None:
    server.post("/v1/ticket-assignment", DATASET)
    body = copy.deepcopy(DATASET)
    body["tickets"][1]["title"] = "VPN instead"
    answer = server.post("/v1/ticket-assignment", body)
    assert agents_of(answer)["TKT-1"] == "paul"
    assert len(server.get("/v1/tickets/TKT-1/decision")["history"]["decisions"]) == 2


@pytest.mark.parametrize(
    ("body", "assigned", "unassigned"),
    [
        ({"tickets": []}, 0, 0),
        ({"agents": [], "tickets": []}, 0, 0),
        ({"agents": [], "tickets": [{"ticket_id": "E-1", "title": "x"}]}, 0, 1),
        (
            {
                "agents": [{"agent_id": "off", "availability_status": "on leave"}],
                "tickets": [{"ticket_id": "E-2", "title": "x"}],
            },
            0,
            1,
        ),
    ],
)
def test_where_nobody_is_there_the_answer_is_empty_but_complete(
    sqlite_server: ApiServer, body: dict[str, Any], assigned: int, unassigned: int
) -> None:
    answer = sqlite_server.post("/v1/ticket-assignment", body)
    assert (len(answer["assignments"]), len(answer["unassigned"])) == (assigned, unassigned)
    assert all(item["reason"] for item in answer["unassigned"])


@pytest.fixture(scope="module")
def sqlite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    folder = tmp_path_factory.mktemp("api")
    with ApiServer.running(folder, f"sqlite:///{folder / 'desk.db'}") as running:
        yield running
