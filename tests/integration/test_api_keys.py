"""Who gets in: keys, scopes, loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.api_server import ApiServer, run_command
from triagedesk.store import Store
from triagedesk.store.keys import digest_of
from triagedesk.store.tables import api_keys


@pytest.fixture
def store_at(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'desk.db'}"


@pytest.fixture
def server(tmp_path: Path, store_at: str) -> Iterator[ApiServer]:
    with ApiServer.running(tmp_path, store_at) as running:
        yield running


def make_key(folder: Path, store_at: str, name: str, *scopes: str) -> str:
    arguments = [part for scope in scopes for part in ("--scope", scope)]
    done = run_command(folder, store_at, "key", "create", name, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_scopes_say_what_a_key_may_do(server: ApiServer, tmp_path: Path, store_at: str) -> None:
    assert "open to everyone on this machine" in "".join(server.said)
    assert server.client.get("/v1/tickets").status_code == 200
    keys = {
        scope: make_key(tmp_path, store_at, f"the {scope} one", scope)
        for scope in ("read", "write", "admin")
    }
    allowed = {}
    for scope, key in keys.items():
        client = server.client_with(Authorization=f"Bearer {key}")
        allowed[scope] = [
            client.get("/v1/tickets").status_code,
            client.post("/v1/ticket-assignment", json={"tickets": []}).status_code,
            client.post("/v1/agents", json={"agent_id": scope}).status_code,
        ]
    assert allowed == {
        "read": [200, 403, 403],
        "write": [200, 200, 403],
        "admin": [200, 200, 201],
    }
    header = server.client_with(X_API_Key=keys["read"])
    assert header.get("/v1/agents").status_code == 200
    # From the first key on nobody gets in without one, running server or not.
    refused = server.client.get("/v1/tickets")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert refused.headers["content-type"] == "application/problem+json"
    assert server.client.get("/healthz").status_code == 200
    assert server.client.get("/readyz").status_code == 200
    assert server.client.get("/metrics").status_code == 401


def test_a_revoked_key_is_refused_at_once(server: ApiServer, tmp_path: Path, store_at: str) -> None:
    key = make_key(tmp_path, store_at, "ci")
    client = server.client_with(Authorization=f"Bearer {key}")
    assert client.get("/v1/tickets").status_code == 200
    assert run_command(tmp_path, store_at, "key", "revoke", "ci").returncode == 0
    assert client.get("/v1/tickets").status_code == 401
    # Not open again: somebody meant it to be closed.
    assert server.client.get("/v1/tickets").status_code == 401
    assert run_command(tmp_path, store_at, "key", "revoke", "ci").returncode == 2
    listed = run_command(tmp_path, store_at, "key", "list").stdout
    assert "ci" in listed
    assert "revoked" in listed
    assert key not in listed


def test_the_key_itself_is_not_kept(tmp_path: Path, store_at: str) -> None:
    key = make_key(tmp_path, store_at, "ci", "admin")
    store = Store.open(store_at)
    with store.read() as transaction:
        row = transaction.connection.execute(api_keys.select()).one()
    store.close()
    assert len(key) > 43
    assert row.digest == digest_of(key)
    assert key not in repr(row)
    assert key.encode() not in (tmp_path / "desk.db").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create", "ci", "--scope", "everything"), "everything"),
        (("create", ""), "1 to 100"),
        (("create", "two\nlines"), "one line"),
        (("revoke", "nobody"), "nobody"),
    ],
)
def test_a_wrong_key_command_is_refused(
    tmp_path: Path, store_at: str, arguments: tuple[str, ...], words: str
) -> None:
    done = run_command(tmp_path, store_at, "key", *arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_a_name_in_use_is_refused_until_it_is_revoked(tmp_path: Path, store_at: str) -> None:
    make_key(tmp_path, store_at, "ci")
    assert run_command(tmp_path, store_at, "key", "create", "ci").returncode == 2
    assert run_command(tmp_path, store_at, "key", "revoke", "ci").returncode == 0
    make_key(tmp_path, store_at, "ci")


def test_it_does_not_start_for_other_machines_without_a_key(tmp_path: Path, store_at: str) -> None:
    done = run_command(tmp_path, store_at, "serve", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 2
    assert "there is no API key" in done.stderr
    assert "triagedesk key create" in done.stderr


def test_with_a_key_it_starts_for_other_machines(tmp_path: Path, store_at: str) -> None:
    key = make_key(tmp_path, store_at, "ci")
    with ApiServer.running(tmp_path, store_at, "--host", "0.0.0.0") as server:
        assert server.client.get("/v1/tickets").status_code == 401
        client = server.client_with(Authorization=f"Bearer {key}")
        assert client.get("/v1/tickets").status_code == 200
        assert "open to everyone" not in "".join(server.said)


def test_a_port_in_use_is_said(tmp_path: Path, store_at: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run_command(tmp_path, store_at, "serve", "--port", port)
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1 port {port}" in done.stderr


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": "localhost"}, 200),
        ({"Host": "[::1]:8000"}, 200),
    ],
)
def test_an_open_server_listens_to_no_web_page(
    shared: ApiServer, headers: dict[str, str], status: int
) -> None:
    assert shared.client.get("/v1/tickets", headers=headers).status_code == status


@pytest.mark.parametrize("header", ["Bearer x", "Basic eDp5", "bearer tdk_\xff"])
def test_a_key_that_is_none_is_refused(shared: ApiServer, header: str) -> None:
    headers = [(b"Authorization", header.encode("latin-1"))]
    expected = 401 if header.lower().startswith("bearer ") and header.split()[1:] else 200
    response = shared.client.get("/v1/tickets", headers=headers)
    assert response.status_code == expected


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    folder = tmp_path_factory.mktemp("api")
    with ApiServer.running(folder, f"sqlite:///{folder / 'desk.db'}") as running:
        yield running
