"""`triagedesk serve` as a process with light models, and a client for it.

with ApiServer.running(folder, store_url) as server:
    assert server.client.get("/v1/tickets").status_code == 200
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import httpx2 as httpx

from support.desk import AGENTS, CATALOG, TESTS, wire_tickets

_SERVING = re.compile(r"Serving on (http://\S+)")


@dataclass(kw_only=True)
class ApiServer:
    """A server under way."""

    process: subprocess.Popen[str]
    #: What it wrote to standard error, line by line.
    said: list[str] = field(default_factory=list)
    #: Its address, once it listens.
    url: str = ""
    _clients: list[httpx.Client] = field(default_factory=list)
    _listener: threading.Thread = field(default_factory=threading.Thread)

    @classmethod
    @contextmanager
    def running(
        cls,
        folder: Path,
        store_url: str,
        *arguments: str,
        module: str = "support.light_models",
        **settings: str,
    ) -> Iterator[Self]:
        """A server that is ready, stopped at the end."""
        server = cls.start(folder, store_url, *arguments, module=module, **settings)
        try:
            server.wait_until_ready()
            yield server
        finally:
            server.close()

    @classmethod
    def start(
        cls,
        folder: Path,
        store_url: str,
        *arguments: str,
        module: str = "support.light_models",
        **settings: str,
    ) -> Self:
        """A server that starts."""
        process = subprocess.Popen(
            [sys.executable, "-m", module, "serve", "--port", "0", *arguments],
            cwd=folder,
            env=environment(folder, store_url, settings),
            stderr=subprocess.PIPE,
            text=True,
        )
        server = cls(process=process)
        server._listener = threading.Thread(target=server._listen, daemon=True)
        server._listener.start()
        return server

    def close(self) -> None:
        """End it, whatever it does, and let everything go."""
        self.process.kill()
        self.process.wait(60)
        for client in self._clients:
            client.close()
        self._listener.join()
        assert self.process.stderr
        self.process.stderr.close()

    def _listen(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.said.append(line)
            found = _SERVING.search(line)
            if found:
                self.url = found[1]

    @cached_property
    def client(self) -> httpx.Client:
        """A client without a key."""
        return self.client_with()

    def client_with(self, **headers: str) -> httpx.Client:
        """A client that sends these headers, `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        client = httpx.Client(base_url=self.url, headers=named, timeout=100, trust_env=False)
        self._clients.append(client)
        return client

    def wait_until_ready(self) -> None:
        """Until it answers /readyz."""
        wait_for(lambda: self.url or self.process.poll() is not None)
        assert self.url, "".join(self.said)
        wait_for(lambda: self.client.get("/readyz").status_code == 200)

    def post(self, path: str, body: object, **options: Any) -> Any:
        """What a POST answers; it must succeed."""
        response = self.client.post(path, json=body, **options)
        assert response.status_code < 300, response.text
        return response.json()

    def get(self, path: str) -> Any:
        """What a GET answers; it must succeed."""
        response = self.client.get(path)
        assert response.status_code == 200, response.text
        return response.json()

    def loads(self) -> dict[str, int]:
        """Agent id -> load."""
        return {agent["agent_id"]: agent["load"] for agent in self.get("/v1/agents")["agents"]}

    def finished(self, run_id: str) -> Any:
        """A run, once it is over."""
        wait_for(lambda: self.get(f"/v1/runs/{run_id}")["finished_at"])
        return self.get(f"/v1/runs/{run_id}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(100)


def environment(folder: Path, store_url: str, settings: Mapping[str, str] = {}) -> dict[str, str]:
    """Settings of a desk whose tickets, catalog and agents lie in `folder`."""
    files = {
        "tickets.json": json.dumps(wire_tickets(5)),
        "catalog.yaml": CATALOG,
        "agents.json": json.dumps(AGENTS),
    }
    for name, text in files.items():
        if not (folder / name).exists():
            (folder / name).write_text(text)
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {
        **kept,
        "PYTHONPATH": str(TESTS),
        "HELPDESK_API_URL": "tickets.json",
        "SERVICE_CATALOG_URL": "catalog.yaml",
        "AGENTS_FILE": "agents.json",
        "DATABASE_URL": store_url,
        "EMAIL_RECIPIENT": "lead@example.com",
        **settings,
    }


def run_command(folder: Path, store_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A `triagedesk` command beside the server."""
    return subprocess.run(
        [sys.executable, "-m", "support.light_models", *arguments],
        cwd=folder,
        env=environment(folder, store_url),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def wait_for(happened: Callable[[], object], seconds: float = 100) -> None:
    """Wait until something is so."""
    give_up = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < give_up, "it did not happen in time"
        time.sleep(0.05)


#: Agents and tickets as a client sends them, all of which somebody can do.
DATASET: dict[str, Any] = {
    "agents": [
        {
            "agent_id": "vera",
            "name": "Vera",
            "skills": {"VPN": 8, "Password": 3},
            "current_load": 1,
            "availability_status": "Available",
            "experience_level": 7,
        },
        {
            "agent_id": "paul",
            "name": "Paul",
            "skills": {"Printer": 9},
            "current_load": 0,
            "availability_status": "Available",
            "experience_level": 2,
        },
    ],
    "tickets": [
        {
            "ticket_id": f"TKT-{number}",
            "title": title,
            "description": "",
            "creation_timestamp": 1767600000 + number,
        }
        for number, title in enumerate(
            ("VPN  is down", "Printer jams", "Forgot password", "VPN slow", "Printer offline")
        )
    ],
}
