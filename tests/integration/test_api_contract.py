"""The OpenAPI document is the contract: every example works, and schemathesis finds nothing."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from support.api_server import ApiServer
from triagedesk.store.keys import SCOPES

#: Operations that every path parameter of an example stands for.
PATHS = {
    "ticket_id": "TKT-EXAMPLE",
    "agent_id": "cy",
    "run_id": "",
    "report_id": "",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    folder = tmp_path_factory.mktemp("api")
    with ApiServer.running(folder, f"sqlite:///{folder / 'desk.db'}") as running:
        yield running


@pytest.fixture(scope="module")
def document(server: ApiServer) -> Any:
    return server.get("/openapi.json")


def operations(document: Any) -> list[tuple[str, str, Any]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


#: Where requests are signed and need no key: tests/integration/test_engine_webhooks.py.
SIGNED = "/v1/webhooks/"


def test_every_operation_says_what_it_does_and_needs(document: Any) -> None:
    names = set()
    for method, path, operation in operations(document):
        assert operation["summary"], path
        assert operation["operationId"] not in names
        names.add(operation["operationId"])
        if path in ("/healthz", "/readyz"):
            continue
        assert operation["description"] or path == "/metrics"
        assert operation["x-scope"] in SCOPES
        signed = path.startswith(SIGNED)
        keys: list[dict[str, list[str]]] = (
            [{"signature": []}] if signed else [{"bearer": []}, {"apiKey": []}, {}]
        )
        assert operation["security"] == keys
        problems = [code for code in operation["responses"] if int(code) >= 400]
        assert {"401", "403", "422", "503"} <= set(problems)
        for code in problems:
            assert list(operation["responses"][code]["content"]) == ["application/problem+json"]
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]
            assert content["examples"], f"{method} {path} has no example"


def test_every_example_works_on_a_running_server(server: ApiServer, document: Any) -> None:
    run = server.finished(server.post("/v1/runs", None)["id"])
    assert run["state"] == "done", run
    places = {
        **PATHS,
        "run_id": run["id"],
        "report_id": server.get("/v1/reports")["reports"][0]["id"],
    }
    server.post("/v1/tickets", {"id": "TKT-EXAMPLE", "short_description": "Password"})
    sent = 0
    for method, path, operation in operations(document):
        if path.startswith(SIGNED):
            continue
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        for name, example in sorted(body.get("examples", {}).items()):
            if (method, path) == ("post", "/v1/agents"):
                server.client.delete(f"/v1/agents/{example['value']['agent_id']}")
            if example["value"].get("agent_id") == "ann":
                # What she does with a ticket, she does with one of hers.
                places["ticket_id"] = f"TKT-{sent}"
                ticket = {"id": places["ticket_id"], "short_description": "Password"}
                server.post("/v1/tickets", ticket)
                hers = {"to": "ann", "anyway": True}
                server.post(f"/v1/tickets/{places['ticket_id']}/reassign", hers)
            address = path.format(**places)
            response = server.client.request(method, address, json=example["value"])
            assert response.status_code in (200, 201, 202), f"{path} {name}: {response.text}"
            sent += 1
    assert sent >= 9


#: What is sent there must name something that exists, which no schema can say.
NAMES_ONLY = ("/v1/tickets/{ticket_id}/correction",)


def _mean_it(case: Any, number: int, mode: GenerationMode) -> None:
    """Replace what is valid by its schema but has to come from the server, or be new each time."""
    if mode is GenerationMode.NEGATIVE:
        return
    for kind in ("agents", "tickets"):
        items = case.body.get(kind) if isinstance(case.body, dict) else None
        for place, item in enumerate(items or ()):
            for name in {"id", "agent_id", "ticket_id"} & set(item):
                item[name] = f"{item[name][:180]}-{number}-{place}"
            if "skills" in item:
                # Spelt alike but for case they are one skill, which no schema can say.
                item["skills"] = {name.casefold(): level for name, level in item["skills"].items()}
    if "cursor" in (case.query or {}):
        case.query["cursor"] = ""
    if "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = secrets.token_hex()


@pytest.mark.timeout(300)
def test_schemathesis_finds_nothing(server: ApiServer) -> None:
    loaded: Any = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    found = [
        explore(result.ok(), mode, server.url)
        for result in loaded.get_all_operations()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    ]
    failures = [failure for _, failure in found if failure]
    assert not failures, "\n\n".join(failures)
    assert sum(tried for tried, _ in found) > 500


def explore(operation: Any, mode: GenerationMode, url: str) -> tuple[int, str]:
    """How many requests were sent to an operation, and what is wrong with an answer."""
    tried = 0

    @seed(4711)
    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def finds_nothing(case: Any) -> None:
        nonlocal tried
        tried += 1
        _mean_it(case, tried, mode)
        excluded = [positive_data_acceptance] if operation.path in NAMES_ONLY else []
        case.call_and_validate(base_url=url, timeout=100, excluded_checks=excluded)

    try:
        finds_nothing()
    except Unsatisfiable:
        # Nothing can be wrong with an operation that takes nothing.
        return tried, ""
    except (AssertionError, BaseExceptionGroup) as error:
        return tried, f"{mode} {operation.label}: {error}"
    return tried, ""
