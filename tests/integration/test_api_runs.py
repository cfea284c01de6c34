"""Long work as a run: accepted, followed, stopped, taken up again; reports; a clean end."""

from __future__ import annotations

import io
import signal
import threading
import time
from collections.abc import Iterator
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


def test_a_large_batch_is_a_run(server: ApiServer) -> None:
    body = a_large_batch()
    response = server.client.post("/v1/ticket-assignment", json=body)
    assert response.status_code == 202
    run = response.json()
    assert response.headers["location"] == f"/v1/runs/{run['id']}"
    assert (run["kind"], run["total"]) == ("assignment", len(body["tickets"]))
    steps = set()
    while not run["finished_at"]:
        run = server.get(response.headers["location"])
        steps.add(run["step"])
    assert (run["state"], run["error"]) == ("done", "")
    assert run["summary"]["assigned"] == len(body["tickets"])
    assert steps & {"Classifying", "Assigning"}
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


def test_a_run_can_be_stopped_between_chunks(server: ApiServer) -> None:
    run = server.post("/v1/ticket-assignment", a_large_batch(8000))
    wait_for(lambda: server.get(f"/v1/runs/{run['id']}")["done"] > 0)
    assert server.client.post(f"/v1/runs/{run['id']}/cancel").status_code == 202
    run = server.finished(run["id"])
    assert run["state"] == "cancelled"
    # What was decided stays decided; the rest is as it would be after a fetch.
    page = server.get("/v1/tickets?limit=1")
    assert page["tickets"]


def test_a_run_started_twice_is_refused(server: ApiServer) -> None:
    big = server.post("/v1/ticket-assignment", a_large_batch(4000))
    first = server.client.post("/v1/runs")
    second = server.client.post("/v1/runs")
    assert (first.status_code, second.status_code) == (202, 409)
    assert second.headers["location"] == first.headers["location"]
    server.finished(big["id"])
    assert server.finished(first.json()["id"])["state"] == "done"


def test_a_killed_server_leaves_a_run_to_the_next_one(tmp_path: Path, store_url: str) -> None:
    assert ended_by(signal.SIGKILL, tmp_path, store_url) == -9


def test_a_stopped_server_leaves_a_run_to_the_next_one(tmp_path: Path, store_at: str) -> None:
    assert ended_by(signal.SIGTERM, tmp_path, store_at) == 143


def ended_by(number: int, tmp_path: Path, store_url: str) -> int:
    """End a server in the middle of a run, see another finish it; the first one's exit code."""
    body = a_large_batch(SYNC_TICKETS + 1000)
    with ApiServer.running(tmp_path, store_url) as first:
        run = first.post("/v1/ticket-assignment", body)
        wait_for(lambda: first.get(f"/v1/runs/{run['id']}")["done"] > 0)
        code = first.stop(number)
    with ApiServer.running(tmp_path, store_url) as second:
        finished = second.finished(run["id"])
        assert finished["state"] == "done"
        assert finished["summary"]["assigned"] == len(body["tickets"])
        assert sum(second.loads()[f"big-{n}"] for n in range(3)) == len(body["tickets"])
    return code


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_ends_cleanly_and_finishes_what_is_in_hand(
    server: ApiServer, tmp_path: Path, store_at: str, number: int, code: int
) -> None:
    answers: list[httpx.Response] = []
    body = a_large_batch(SYNC_TICKETS)
    thread = threading.Thread(
        target=lambda: answers.append(server.client.post("/v1/ticket-assignment", json=body))
    )
    thread.start()
    watcher = server.client_with()
    wait_for(lambda: "requests_in_hand 2.0" in watcher.get("/metrics").text)
    assert server.stop(number) == code
    thread.join(60)
    assert answers[0].status_code == 200
    assert len(answers[0].json()["assignments"]) == SYNC_TICKETS
    listed = run_command(tmp_path, store_at, "report", "list")
    assert listed.returncode == 0
    assert "Traceback" not in "".join(server.said)


def test_it_is_not_ready_before_the_models_are(tmp_path: Path, store_at: str) -> None:
    # The real command line: the real model takes its time.
    server = ApiServer.start(tmp_path, store_at, module="triagedesk")
    try:
        wait_for(lambda: server.url)
        seen: list[int] = []
        give_up = time.monotonic() + 100
        while (not seen or seen[-1] != 200) and time.monotonic() < give_up:
            try:
                seen.append(server.client.get("/readyz").status_code)
            except httpx.HTTPError:
                continue
        assert (seen[0], seen[-1]) == (503, 200)
        answer = server.post("/v1/ticket-assignment", DATASET)
        given = {item["ticket_id"]: item["assigned_agent_id"] for item in answer["assignments"]}
        assert (given["TKT-0"], given["TKT-1"]) == ("vera", "paul")
    finally:
        server.close()
