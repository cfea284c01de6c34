"""Anthropic's own protocol over HTTP: answers, faults, keys, and the package missing."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.llm_cases import LAPTOP, OTHER, PASSWORD, VPN, catalog, ticket, tickets
from support.llm_server import LlmServer
from triagedesk.classify import StageResult
from triagedesk.classify.llm import LlmClassifier
from triagedesk.classify.llm.providers import model_for

RIGHT = {"1": LAPTOP, "2": PASSWORD, "3": VPN, "4": OTHER}
KEY = "sk-ant-test-key"
#: Answers by schema; streamed, since pydantic-ai allows it all the tokens the model can write.
STREAMED = {"model": "claude-haiku-4-5"}
#: The same in one piece.
WHOLE = STREAMED | {"max_output_tokens": 4000}
#: One that pydantic-ai does not know, asked by tool.
UNKNOWN = {"model": "claude-of-tomorrow"}
#: One that always thinks first and takes no temperature.
THINKS = {"model": "claude-opus-5-5"}


@pytest.fixture
def llm() -> Iterator[LlmServer]:
    with LlmServer(key=KEY) as server:
        yield server


class Desk:
    """A classifier against the server, with its waits recorded instead of slept.

    A `timeout` of its own holds until it first waits: a busy machine may be slow as well.
    """

    def __init__(
        self, server: LlmServer, *steps: str, model: str = STREAMED["model"], **more: Any
    ) -> None:
        server.script(*steps)
        self.waits: list[float] = []
        given: dict[str, Any] = {"api_key": KEY, "base_url": server.root_url}
        self.classifier = LlmClassifier(f"anthropic:{model}", sleep=self._wait, **given | more)

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        settings = self.classifier._caller._settings
        settings["timeout"] = settings["request_timeout"] = 60.0

    def run(self) -> StageResult:
        return self.classifier.classify(tickets(), catalog())


def labels(result: StageResult) -> dict[str, object]:
    return {i: a.label for i, a in result.answers.items()}


@pytest.mark.parametrize("options", [STREAMED, WHOLE, UNKNOWN, THINKS])
def test_every_kind_of_model_gives_the_right_labels_in_one_request(
    llm: LlmServer, options: dict[str, Any]
) -> None:
    result = Desk(llm, **options).run()
    assert labels(result) == RIGHT
    (request,) = llm.requests
    assert request.path.split("?")[0] == "/v1/messages"
    assert request.body["model"] == options["model"]
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert result.usage.calls == 1
    assert result.usage.input_tokens == len(json.dumps(request.body)) // 4
    assert result.usage.output_tokens > 10


def test_the_schema_is_closed_and_the_catalog_is_in_the_system_prompt(llm: LlmServer) -> None:
    Desk(llm).run()
    Desk(llm, **UNKNOWN).run()
    by_schema, by_tool = llm.requests
    assert by_schema.body["output_config"]["format"]["type"] == "json_schema"
    assert "tools" not in by_schema.body
    assert "output_config" not in by_tool.body
    assert by_tool.body["tool_choice"] == {"type": "any"}
    for request in (by_schema, by_tool):
        assert request.schema is not None
        item = request.schema["properties"]["answers"]["items"]
        assert item["properties"]["label"]["enum"] == ["L01", "L02", "L03", "L04", "NONE"]
        assert "VPN and remote access" in request.system
        assert "VPN drops" not in request.system


@pytest.mark.parametrize("options", [STREAMED, UNKNOWN])
def test_the_catalog_is_cached_between_the_calls_of_a_run(
    llm: LlmServer, options: dict[str, Any]
) -> None:
    result = Desk(llm, **options, batch_size=2).run()
    assert labels(result) == RIGHT
    first, second = (request.body for request in llm.requests)
    assert first["system"][-1]["cache_control"]["type"] == "ephemeral"
    # The cache holds only while nothing before the tickets differs.
    for part in ("system", "tools", "output_config"):
        assert first.get(part) == second.get(part)
    assert "cache_control" not in json.dumps(first["messages"])


def test_a_single_call_pays_for_no_cache(llm: LlmServer) -> None:
    Desk(llm).run()
    assert "cache_control" not in json.dumps(llm.requests[0].body)


@pytest.mark.parametrize("options", [STREAMED, WHOLE, UNKNOWN])
@pytest.mark.parametrize(
    ("step", "requests", "waits"),
    [
        ("status:429:7", 2, [7.0]),
        ("status:429", 2, [1.0]),
        ("status:529", 2, [1.0]),
        ("status:500", 2, [1.0]),
        ("status:504", 2, [1.0]),
        ("drop", 2, [1.0]),
        ("html", 2, [1.0]),
        ("garbage", 2, [1.0]),
        ("empty", 2, []),
        ("prose", 2, []),
        ("broken", 2, []),
        ("missing:1", 2, []),
        ("truncate:2", 3, []),
        ("truncate:0", 3, []),
        ("context", 3, []),
        ("status:413", 3, []),
        ("filter", 3, []),
        ("thinks", 1, []),
    ],
)
def test_one_fault_costs_no_answer(
    llm: LlmServer, options: dict[str, Any], step: str, requests: int, waits: list[float]
) -> None:
    desk = Desk(llm, step, **options)
    assert labels(desk.run()) == RIGHT
    # Exactly so many: the SDK below does not retry by itself on top.
    assert len(llm.requests) == requests
    assert desk.waits == waits


@pytest.mark.parametrize(
    ("step", "waits"),
    [("midway:529", [1.0]), ("midway:429", [1.0]), ("midway:500", [1.0]), ("midway:0", [])],
)
def test_a_stream_that_breaks_off_is_asked_for_again(
    llm: LlmServer, step: str, waits: list[float]
) -> None:
    desk = Desk(llm, step)
    assert labels(desk.run()) == RIGHT
    assert [request.body["stream"] for request in llm.requests] == [True, True]
    assert desk.waits == waits


@pytest.mark.parametrize("options", [STREAMED, WHOLE])
@pytest.mark.parametrize("step", ["slow:30", "drip:30"])
def test_a_slow_server_is_cut_off_and_asked_again(
    llm: LlmServer, options: dict[str, Any], step: str
) -> None:
    desk = Desk(llm, step, timeout=0.6, **options)
    assert labels(desk.run()) == RIGHT
    assert desk.waits == [1.0], "as after any failure that passes"
    assert len(llm.requests) <= 2


@pytest.mark.parametrize("options", [STREAMED, UNKNOWN])
@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        (["status:429:2"] * 3, "the server's rate limit was reached (HTTP 429)"),
        (["status:529"] * 3, "the server failed (HTTP 529)"),
        (["truncate:0"] * 3, "the reply was cut off at its length limit"),
        (["filter"] * 3, "the provider's content filter stopped the answer"),
        (["status:413"] * 3, "the request was too large for the server (HTTP 413)"),
        (["context"] * 3, "the tickets did not fit into the model's context (HTTP 400)"),
        (["status:401"], "the API key was refused (HTTP 401)"),
        (["status:403"], "the API key was refused (HTTP 403)"),
        (["quota"], "the account's quota is used up (HTTP 400)"),
        (["status:402"], "the account's quota is used up (HTTP 402)"),
        (
            ["status:404"],
            "the server does not know the model, or the base URL is wrong (HTTP 404)",
        ),
    ],
)
def test_a_fault_that_stays_is_a_reason_on_every_ticket(
    llm: LlmServer, options: dict[str, Any], steps: list[str], reason: str
) -> None:
    result = Desk(llm, *steps, **options).run()
    assert result.answers == {}
    assert result.failures == dict.fromkeys("1234", reason)
    assert len(llm.requests) == len(steps)


def test_a_refused_key_ends_the_calls(llm: LlmServer) -> None:
    result = Desk(llm, api_key="sk-ant-wrong", batch_size=1, parallel=1).run()
    assert result.failures == dict.fromkeys("1234", "the API key was refused (HTTP 401)")
    assert len(llm.requests) == 1


def test_a_server_that_takes_no_schema_is_asked_by_tool_and_remembered(llm: LlmServer) -> None:
    desk = Desk(llm, *["noschema"] * 9, batch_size=2, parallel=1)
    assert labels(desk.run()) == RIGHT
    forms = [("output_config" in r.body, "tools" in r.body) for r in llm.requests]
    assert forms == [(True, False), (False, True), (False, True)]


def test_what_filtered_and_cut_off_replies_cost_is_counted(llm: LlmServer) -> None:
    filtered = Desk(llm, "filter").run()
    cut = Desk(llm, "truncate:0").run()
    for result, requests in ((filtered, llm.requests[:3]), (cut, llm.requests[3:])):
        assert result.usage.calls == len(requests) == 3
        assert result.usage.input_tokens == sum(len(json.dumps(r.body)) // 4 for r in requests)


@pytest.mark.parametrize(("options", "sent"), [(STREAMED, 0.0), (UNKNOWN, 0.0), (THINKS, None)])
def test_a_temperature_is_sent_to_the_models_that_take_one(
    llm: LlmServer, options: dict[str, Any], sent: float | None
) -> None:
    assert labels(Desk(llm, **options).run()) == RIGHT
    assert llm.requests[0].body.get("temperature") == sent


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/", "/v1/messages"])
def test_a_base_url_may_name_more_than_the_server(llm: LlmServer, end: str) -> None:
    assert labels(Desk(llm, base_url=llm.root_url + end).run()) == RIGHT


def test_a_claude_name_alone_is_anthropics_and_with_a_server_that_servers(llm: LlmServer) -> None:
    hosted = model_for("claude-haiku-4-5", api_key=KEY)
    assert (hosted.system, hosted.base_url) == ("anthropic", "https://api.anthropic.com")
    classifier = LlmClassifier("claude-haiku-4-5", api_key=KEY, base_url=llm.url)
    assert labels(classifier.classify(tickets(), catalog())) == RIGHT
    assert llm.requests[0].path == "/v1/chat/completions"


@pytest.mark.parametrize(
    ("name", "variable", "server"),
    [
        ("claude-haiku-4-5", "ANTHROPIC_BASE_URL", "https://api.anthropic.com"),
        ("gemini-2.5-flash", "GOOGLE_GEMINI_BASE_URL", "https://generativelanguage.googleapis.com"),
        ("gpt-4.1", "OPENAI_BASE_URL", "https://api.openai.com/v1"),
    ],
)
def test_an_address_left_in_the_environment_gets_no_key(
    monkeypatch: pytest.MonkeyPatch, name: str, variable: str, server: str
) -> None:
    monkeypatch.setenv(variable, "http://elsewhere.invalid")
    assert str(model_for(name, api_key=KEY).base_url).rstrip("/") == server


def test_no_key_of_the_environment_is_sent_to_somebody_elses_server(
    llm: LlmServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-from-environment")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-from-environment")
    llm.key = ""
    assert labels(Desk(llm, api_key="").run()) == RIGHT
    assert "from-environment" not in str(llm.requests[0].headers)


def test_neither_key_nor_ticket_text_reaches_a_log_or_a_reason(
    llm: LlmServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = ticket("s", "My password is hunter2-laptop")
    refused = Desk(llm, api_key="sk-ant-refused").classifier.classify([secret], catalog())
    failed = Desk(llm, "status:400", "midway:500").classifier.classify([secret], catalog())
    assert len(llm.requests) == 3 + 1
    printed = capfd.readouterr()
    told = caplog.text + printed.out + printed.err + str(refused) + str(failed.failures)
    assert caplog.text
    for words in ("sk-ant", "hunter2"):
        assert words not in told


def python(code: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Code in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LLM_")}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment | more,
    )


def test_a_missing_package_ends_a_run_with_what_to_install(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["anthropic"] = None  # from here on, importing it fails as if it were not there
sys.argv = ["triagedesk", "run"]
from triagedesk.cli import main
main()
"""
    done = python(code, tmp_path, LLM_MODEL_NAME="claude-haiku-4-5", LLM_API_KEY=KEY)
    assert done.returncode == 2
    words = " ".join(done.stderr.split())
    assert "needs the package `anthropic`, which is not installed" in words
    assert 'pip install "triagedesk[anthropic]"' in words
    assert "Traceback" not in done.stderr
    assert KEY not in done.stdout + done.stderr


def test_a_package_too_old_to_be_used_is_named_too(tmp_path: Path) -> None:
    # One without anything that pydantic-ai imports from it.
    (tmp_path / "anthropic.py").write_text("__version__ = '0.1'\n", encoding="utf-8")
    code = f"""
from triagedesk.classify.llm.providers import model_for
from triagedesk.errors import SettingsError
try:
    model_for("anthropic:claude-haiku-4-5", api_key={KEY!r})
except SettingsError as error:
    print(error.problems[0].what, error.hint)
"""
    done = python(code, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "too old" in done.stdout
    assert "triagedesk[anthropic]" in done.stdout
