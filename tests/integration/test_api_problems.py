"""Whatever is wrong with a request is answered with problem details that say where and what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from support.api_server import ApiServer, wait_for

URL = "/v1/ticket-assignment"
JSON = {"Content-Type": "application/json"}
LIMIT = 200_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    folder = tmp_path_factory.mktemp("api")
    url = f"sqlite:///{folder / 'desk.db'}"
    with ApiServer.running(folder, url, API_MAX_BODY=str(LIMIT)) as running:
        yield running


def a_problem(response: httpx.Response, status: int) -> Any:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert (body["status"], body["type"]) == (status, "about:blank")
    assert body["title"]
    assert body["detail"]
    return body


def an_agent(**fields: Any) -> dict[str, Any]:
    return {"agents": [{"agent_id": "a", **fields}], "tickets": []}


def a_ticket(**fields: Any) -> dict[str, Any]:
    return {"tickets": [{"ticket_id": "1", "title": "x", **fields}]}


@pytest.mark.parametrize(
    ("body", "path", "value"),
    [
        (an_agent(skills={"Linux": 11}), "$.agents[0].skills.Linux", 11),
        (an_agent(skills={"Linux": 0}), "$.agents[0].skills.Linux", 0),
        (an_agent(skills={"A b": "7"}), '$.agents[0].skills["A b"]', "7"),
        (an_agent(skills={"Linux": True}), "$.agents[0].skills.Linux", True),
        (an_agent(skills={"linux": 1, "Linux": 2}), "$.agents[0].skills", "Linux"),
        (an_agent(skills=["Linux"]), "$.agents[0].skills", '["Linux"]'),
        (an_agent(current_load=-1), "$.agents[0].current_load", -1),
        (an_agent(current_load=1.5), "$.agents[0].current_load", 1.5),
        (an_agent(capacity=-3), "$.agents[0].capacity", -3),
        (an_agent(availability_status="dancing"), "$.agents[0].availability_status", "dancing"),
        (an_agent(experience_level="senior"), "$.agents[0].experience_level", "senior"),
        (an_agent(shoe_size=44), "$.agents[0].shoe_size", 44),
        ({"agents": [{}], "tickets": []}, "$.agents[0].agent_id", None),
        ({"agents": {}, "tickets": []}, "$.agents", "{}"),
        ({"agents": None}, "$.tickets", None),
        (a_ticket(title=None), "$.tickets[0].title", None),
        (a_ticket(title=5), "$.tickets[0].title", 5),
        (a_ticket(ticket_id=""), "$.tickets[0].ticket_id", ""),
        (a_ticket(ticket_id=" "), "$.tickets[0].ticket_id", ""),
        (a_ticket(ticket_id=7), "$.tickets[0].ticket_id", 7),
        (a_ticket(status="lost"), "$.tickets[0].status", "lost"),
        (a_ticket(priority="P5"), "$.tickets[0].priority", "P5"),
        (a_ticket(creation_timestamp="soon"), "$.tickets[0].creation_timestamp", "soon"),
        (a_ticket(creation_timestamp=-5), "$.tickets[0].creation_timestamp", -5),
        (a_ticket(colour="red"), "$.tickets[0].colour", "red"),
        ({"tickets": [None]}, "$.tickets[0]", None),
        ({"tickets": "many"}, "$.tickets", "many"),
        ({"tickets": [], "load_source": "moon"}, "$.load_source", "moon"),
        ([], "$", "[]"),
        ("text", "$", "text"),
    ],
)
def test_a_fault_is_named_with_its_path_and_value(
    server: ApiServer, body: Any, path: str, value: Any
) -> None:
    found = a_problem(server.client.post(URL, json=body), 422)
    assert (found["errors"][0]["path"], found["errors"][0]["value"]) == (path, value)
    assert found["errors"][0]["in"] == "body"


def test_ids_given_twice_are_all_named(server: ApiServer) -> None:
    body = {
        "agents": [{"agent_id": "a"}, {"agent_id": " a"}],
        "tickets": [{"ticket_id": "1", "title": "x"}, {"ticket_id": "1", "title": "y"}],
    }
    found = a_problem(server.client.post(URL, json=body), 422)
    assert [fault["path"] for fault in found["errors"]] == [
        "$.agents[1].agent_id",
        "$.tickets[1].ticket_id",
    ]


def test_many_faults_are_counted_and_not_all_named(server: ApiServer) -> None:
    body = {"tickets": [{"ticket_id": str(n), "title": None} for n in range(500)]}
    found = a_problem(server.client.post(URL, json=body), 422)
    assert (len(found["errors"]), found["errors_in_all"]) == (100, 500)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"not json", 400),
        (b'{"tickets": "\xff"}', 400),
        (json.dumps({"tickets": []}).encode("utf-16"), 400),
        (b"[" * 50_000 + b"]" * 50_000, 400),
        (b'{"tickets":' + b"[" * 400 + b"]" * 400 + b"}", 422),
        (b'{"tickets": ' + b"9" * 5000 + b"}", 400),
        (b'{"tickets": [{"ticket_id": "1", "title": "\\ud800"}]}', 422),
        (b'{"\\ud800": 1, "tickets": []}', 422),
        (b"", 422),
    ],
)
def test_what_is_no_json_is_refused(server: ApiServer, content: bytes, status: int) -> None:
    a_problem(server.client.post(URL, content=content, headers=JSON), status)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_none_is_found(server: ApiServer, number: str) -> None:
    content = f'{{"agents": [{{"agent_id": "a", "experience_level": {number}}}], "tickets": []}}'
    found = a_problem(server.client.post(URL, content=content, headers=JSON), 422)
    fault = found["errors"][0]
    assert (fault["path"], fault["value"]) == ("$.agents[0].experience_level", number)


def test_a_number_too_large_for_a_double_is_refused(server: ApiServer) -> None:
    content = '{"agents": [{"agent_id": "a", "experience_level": 1e999}], "tickets": []}'
    a_problem(server.client.post(URL, content=content, headers=JSON), 422)


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", ""],
)
def test_another_type_or_charset_is_refused(server: ApiServer, content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = server.client.post(URL, content=b'{"tickets": []}', headers=headers)
    a_problem(response, 415)


@pytest.mark.parametrize("stated", [True, False])
def test_a_body_over_the_limit_is_refused(server: ApiServer, stated: bool) -> None:
    content = b" " * (LIMIT + 1)
    body: Any = content if stated else iter([content])
    found = a_problem(server.client.post(URL, content=body, headers=JSON), 413)
    assert "200,000 bytes" in found["detail"]


def test_a_body_at_the_limit_is_read(server: ApiServer) -> None:
    content = b'{"tickets": []}'.ljust(LIMIT)
    assert server.client.post(URL, content=content, headers=JSON).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/tickets/nobody", 404),
        ("GET", "/v1/tickets/a%00b", 404),
        ("GET", "/v1/tickets/%FF", 404),
        ("GET", "/v1/tickets/nobody/decision", 404),
        ("POST", "/v1/tickets/nobody/resolve", 404),
        ("POST", "/v1/tickets/nobody/reopen", 404),
        ("GET", "/v1/agents/nobody", 404),
        ("DELETE", "/v1/agents/nobody", 404),
        ("GET", "/v1/runs/none", 404),
        ("GET", "/v1/runs/none/assignments", 404),
        ("POST", "/v1/runs/none/cancel", 404),
        ("GET", "/v1/reports/none", 404),
        ("GET", "/v1/reports/none/file", 404),
        ("DELETE", "/v1/tickets", 405),
        ("PATCH", "/v1/agents/a", 405),
        ("GET", "/v1/tickets?limit=0", 422),
        ("GET", "/v1/tickets?limit=many", 422),
        ("GET", "/v1/tickets?cursor=%ff", 422),
        ("GET", "/v1/tickets?cursor=eA", 422),
        ("GET", "/v1/runs?cursor=AA", 422),
        ("GET", "/v1/runs?cursor=a", 422),
        ("GET", "/v1/tickets?status=lost", 422),
        ("GET", "/v1/tickets?priority=5", 422),
        ("GET", "/v1/tickets?needs_review=perhaps", 422),
        ("GET", "/v1/agents?availability=dancing", 422),
    ],
)
def test_other_failures_are_problems_too(
    server: ApiServer, method: str, path: str, status: int
) -> None:
    response = server.client.request(method, path)
    a_problem(response, status)
    if status == 405:
        assert method not in response.headers["allow"]
        assert "GET" in response.headers["allow"]


def test_a_catalog_that_cannot_be_used_is_the_servers_fault(tmp_path: Path) -> None:
    tmp_path.joinpath("catalog.yaml").write_text("nonsense: [")
    broken = ApiServer.start(tmp_path, f"sqlite:///{tmp_path / 'desk.db'}")
    try:
        wait_for(lambda: broken.url)
        wait_for(lambda: "Service Catalog" in broken.client.get("/readyz").text)
        a_problem(broken.client.get("/readyz"), 503)
        a_problem(broken.client.post(URL, json={"tickets": []}), 503)
        assert broken.client.get("/healthz").status_code == 200
    finally:
        broken.close()
