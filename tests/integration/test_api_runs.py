"""Long work as a run: accepted, followed, stopped, taken up again; reports; a clean end."""

from __future__ import annotations

import io
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import openpyxl
import pytest

from support.api_server import DATASET, ApiServer, run_command, wait_for
from triagedesk.api.wire import SYNC_TICKETS


@pytest.fixture
def store_at(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'desk.db'}"


@pytest.fixture
def server(tmp_path: Path, store_at: str) -> Iterator[ApiServer]:
    with ApiServer.running(tmp_path, store_at) as running:
        yield running


@pytest.fixture
def gated(tmp_path: Path, store_at: str) -> Iterator[ApiServer]:
    """A server that classifies nothing until `go_on`."""
    with gated_server(tmp_path, store_at, 0) as running:
        yield running


def gated_server(tmp_path: Path, store_at: str, most: int) -> AbstractContextManager[ApiServer]:
    """One where so many chunks pass, and others wait."""
    module = "support.slow_models"
    return ApiServer.running(tmp_path, store_at, module=module, GATE=str(most))


def go_on(tmp_path: Path) -> None:
    """Let everything pass."""
    (tmp_path / "go-on").touch()


def a_large_batch(count: int = SYNC_TICKETS + 1) -> dict[str, Any]:
    agents = [
        {"agent_id": f"big-{n}", "skills": {"Printer": 5, "VPN": 5}, "capacity": count}
        for n in range(3)
    ]
    tickets = [
        {"ticket_id": f"B-{n}", "title": f"{('Printer', 'VPN')[n % 2]} case {n}"}
        for n in range(count)
    ]
    return {"agents": agents, "tickets": tickets}


def test_a_large_batch_is_a_run(gated: ApiServer, tmp_path: Path) -> None:
    server, body = gated, a_large_batch()
    response = server.client.post("/v1/ticket-assignment", json=body)
    assert response.status_code == 202
    run = response.json()
    assert response.headers["location"] == f"/v1/runs/{run['id']}"
    assert (run["kind"], run["total"]) == ("assignment", len(body["tickets"]))
    wait_for(lambda: server.get(response.headers["location"])["step"] == "Classifying")
    go_on(tmp_path)
    run = server.finished(run["id"])
    assert (run["state"], run["error"]) == ("done", "")
    assert run["summary"]["assigned"] == len(body["tickets"])
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        path = f"/v1/runs/{run['id']}/assignments?limit=500&cursor={cursor}"
        page = server.get(path)
        seen += [item["ticket_id"] for item in page["assignments"]]
        assert page["unassigned"] == []
        cursor = page["next"]
    assert sorted(seen) == sorted(ticket["ticket_id"] for ticket in body["tickets"])
    assert sum(server.loads()[f"big-{n}"] for n in range(3)) == len(body["tickets"])
    again = server.post("/v1/ticket-assignment", body)
    assert server.finished(again["id"])["summary"]["assigned_now"] == 0


def test_a_run_goes_the_whole_way_and_its_report_can_be_had(server: ApiServer) -> None:
    started = server.client.post("/v1/runs")
    assert started.status_code == 202
    run = server.finished(started.json()["id"])
    assert (run["kind"], run["state"]) == ("desk", "done")
    assert run["summary"]["fetched"] == 5
    report = server.get("/v1/reports")["reports"][0]
    assert report["run_id"] == run["id"]
    assert server.get(f"/v1/reports/{report['id']}") == report
    file = server.client.get(f"/v1/reports/{report['id']}/file")
    assert "attachment" in file.headers["content-disposition"]
    workbook = openpyxl.load_workbook(io.BytesIO(file.content))
    assert workbook["Tickets"].max_row == 6
    sent = server.post(f"/v1/reports/{report['id']}/resend", {"to": ["deputy@example.com"]})
    assert sent["state"] == "sent"
    assert [copy["recipient"] for copy in sent["deliveries"]] == ["deputy@example.com"]
    assert [item["id"] for item in server.get("/v1/runs")["runs"]] == [run["id"]]
    over = server.client.post(f"/v1/runs/{run['id']}/cancel")
    assert over.status_code == 409


def test_a_run_can_be_stopped_between_chunks(tmp_path: Path, store_at: str) -> None:
    with gated_server(tmp_path, store_at, 1) as server:
        run = server.post("/v1/ticket-assignment", a_large_batch())
        wait_for(lambda: server.get(f"/v1/runs/{run['id']}")["done"] > 0)
        assert server.client.post(f"/v1/runs/{run['id']}/cancel").status_code == 202
        go_on(tmp_path)
        run = server.finished(run["id"])
        assert run["state"] == "cancelled"
        # What was decided stays decided; the rest is as it would be after a fetch.
        page = server.get("/v1/tickets?limit=1")
        assert page["tickets"]


def test_a_run_started_twice_is_refused(gated: ApiServer, tmp_path: Path) -> None:
    server = gated
    big = server.post("/v1/ticket-assignment", a_large_batch())
    first = server.client.post("/v1/runs")
    second = server.client.post("/v1/runs")
    assert (first.status_code, second.status_code) == (202, 409)
    assert second.headers["location"] == first.headers["location"]
    go_on(tmp_path)
    server.finished(big["id"])
    assert server.finished(first.json()["id"])["state"] == "done"


def test_a_killed_server_leaves_a_run_to_the_next_one(tmp_path: Path, store_url: str) -> None:
    assert ended_by(signal.SIGKILL, tmp_path, store_url) == -9


def test_a_stopped_server_leaves_a_run_to_the_next_one(tmp_path: Path, store_at: str) -> None:
    assert ended_by(signal.SIGTERM, tmp_path, store_at) == 143


def ended_by(number: int, tmp_path: Path, store_url: str) -> int:
    """End a server in the middle of a run, see another finish it; the first one's exit code."""
    body = a_large_batch()
    with gated_server(tmp_path, store_url, 1) as first:
        run = first.post("/v1/ticket-assignment", body)
        wait_for(lambda: first.get(f"/v1/runs/{run['id']}")["done"] > 0)
        first.process.send_signal(number)
        go_on(tmp_path)
        code = first.process.wait(100)
    with ApiServer.running(tmp_path, store_url) as second:
        finished = second.finished(run["id"])
        assert finished["state"] == "done"
        assert finished["summary"]["assigned"] == len(body["tickets"])
        assert sum(second.loads()[f"big-{n}"] for n in range(3)) == len(body["tickets"])
    return code


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_ends_cleanly_and_finishes_what_is_in_hand(
    gated: ApiServer, tmp_path: Path, store_at: str, number: int, code: int
) -> None:
    server, answers = gated, list[httpx.Response]()
    body = a_large_batch(SYNC_TICKETS)
    thread = threading.Thread(
        target=lambda: answers.append(server.client.post("/v1/ticket-assignment", json=body))
    )
    thread.start()
    watcher = server.client_with()
    wait_for(lambda: "requests_in_hand 2.0" in watcher.get("/metrics").text)
    server.process.send_signal(number)
    wait_for(lambda: not listens(server))
    go_on(tmp_path)
    assert server.process.wait(100) == code
    thread.join(100)
    assert answers[0].status_code == 200
    assert len(answers[0].json()["assignments"]) == SYNC_TICKETS
    listed = run_command(tmp_path, store_at, "report", "list")
    assert listed.returncode == 0
    assert "Traceback" not in "".join(server.said)


def listens(server: ApiServer) -> bool:
    """Whether a server takes a new connection."""
    address = httpx.URL(server.url)
    try:
        socket.create_connection((address.host, address.port or 0)).close()
    except ConnectionError:
        return False
    return True


def test_it_is_not_ready_before_the_models_are(tmp_path: Path, store_at: str) -> None:
    # The real command line with the real model.
    server = ApiServer.start(tmp_path, store_at, module="support.late_models")
    try:
        wait_for(lambda: server.url or server.process.poll() is not None)
        assert server.url, "".join(server.said)
        assert server.client.get("/readyz").status_code == 503
        go_on(tmp_path)
        wait_for(lambda: server.client.get("/readyz").status_code == 200, seconds=100)
        answer = server.post("/v1/ticket-assignment", DATASET)
        given = {item["ticket_id"]: item["assigned_agent_id"] for item in answer["assignments"]}
        assert (given["TKT-0"], given["TKT-1"]) == ("vera", "paul")
    finally:
        server.close()
