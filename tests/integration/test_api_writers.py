"""Eight processes that write at once, over two servers of one desk: no update is lost."""

from __future__ import annotations

import json
import time
from collections import Counter
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from support.api_server import ApiServer

WRITERS, BATCHES, SIZE = 8, 2, 5
AGENTS = [
    {"agent_id": f"w-{n}", "skills": {"Printer": 5 + n}, "current_load": 1, "capacity": 1000}
    for n in range(3)
]


def post(client: httpx.Client, path: str, body: Any) -> Any:
    """What a POST answers; where the database was busy for too long, it is tried again."""
    response = client.post(path, json=body)
    while response.status_code == 503:
        time.sleep(0.1 * int(response.headers["retry-after"]))
        response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def write(url: str, writer: int, place: str) -> None:
    """Post batches, each twice, resolving one ticket of each; every second batch is shared."""
    answers: dict[str, str] = {}
    with httpx.Client(base_url=url, timeout=300, trust_env=False) as client:
        for number in range(BATCHES):
            # Batches of all writers meet in the tickets with an odd number.
            owner = "all" if number % 2 else str(writer)
            tickets = [
                {"ticket_id": f"{owner}-{number}-{n}", "title": f"Printer {n}"} for n in range(SIZE)
            ]
            for _ in range(2):
                body = {"agents": AGENTS, "tickets": tickets}
                listed = post(client, "/v1/ticket-assignment", body)["assignments"]
                assert len(listed) == SIZE
                for item in listed:
                    agent = item["assigned_agent_id"]
                    assert answers.setdefault(item["ticket_id"], agent) == agent
            if owner != "all":
                post(client, f"/v1/tickets/{owner}-{number}-0/resolve", None)
    Path(place).write_text(json.dumps(answers))


@pytest.mark.timeout(400)
def test_eight_writers_lose_no_update(tmp_path: Path, store_url: str) -> None:
    context = get_context("forkserver")
    # Imported once; the processes fork from there.
    context.set_forkserver_preload(["support.api_server"])
    with (
        ApiServer.running(tmp_path, store_url) as one,
        ApiServer.running(tmp_path, store_url) as other,
    ):
        places = [tmp_path / f"writer-{n}.json" for n in range(WRITERS)]
        workers = [
            context.Process(target=write, args=((one, other)[n % 2].url, n, str(place)))
            for n, place in enumerate(places)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(300)
        assert [worker.exitcode for worker in workers] == [0] * WRITERS
        given: dict[str, str] = {}
        for place in places:
            for ticket, agent in json.loads(place.read_text()).items():
                # Whoever asked, of either server, was told the same.
                assert given.setdefault(ticket, agent) == agent
        own, shared = WRITERS * BATCHES // 2 * SIZE, BATCHES // 2 * SIZE
        assert len(given) == own + shared
        resolved = {f"{n}-{b}-0" for n in range(WRITERS) for b in range(0, BATCHES, 2)}
        expected = Counter(agent for ticket, agent in given.items() if ticket not in resolved)
        loads = one.loads()
        assert {a["agent_id"]: loads[str(a["agent_id"])] for a in AGENTS} == {
            str(a["agent_id"]): 1 + expected[str(a["agent_id"])] for a in AGENTS
        }
