"""The language model over HTTP, with every fault a server can have."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from support.llm_cases import LAPTOP, OTHER, PASSWORD, VPN, catalog, ticket, tickets
from support.llm_server import LlmServer, LoggedRequest, answer, sensible
from support.ports import silent_port
from triagedesk.classify import StageResult
from triagedesk.classify.llm import LlmClassifier

RIGHT = {"1": LAPTOP, "2": PASSWORD, "3": VPN, "4": OTHER}


@pytest.fixture
def llm() -> Iterator[LlmServer]:
    with LlmServer() as server:
        yield server


class Desk:
    """A classifier against the server, with its waits recorded instead of slept.

    A `timeout` of its own holds until it first waits: a busy machine may be slow as well.
    """

    def __init__(self, server: LlmServer, *steps: str, **options: Any) -> None:
        server.script(*steps)
        self.server = server
        self.waits: list[float] = []
        given: dict[str, Any] = {"api_key": "sk-test-key", "base_url": server.url}
        self.classifier = LlmClassifier("test-model", sleep=self._wait, **given | options)

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        settings = self.classifier._caller._settings
        settings["timeout"] = settings["request_timeout"] = 60.0

    def run(self) -> StageResult:
        return self.classifier.classify(tickets(), catalog())


def labels(result: StageResult) -> dict[str, object]:
    return {i: a.label for i, a in result.answers.items()}


def test_a_sensible_server_gives_the_right_labels_in_one_request(llm: LlmServer) -> None:
    result = Desk(llm).run()
    assert labels(result) == RIGHT
    (request,) = llm.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer sk-test-key"
    assert request.body["temperature"] == 0.0
    assert request.body["model"] == "test-model"
    assert result.usage.calls == 1
    assert result.usage.input_tokens > 100
    assert result.usage.output_tokens > 10


def test_the_schema_goes_over_the_wire_closed_and_bounded(llm: LlmServer) -> None:
    Desk(llm).run()
    schema = llm.requests[0].schema
    assert schema is not None
    answers = schema["properties"]["answers"]
    assert answers["minItems"] == answers["maxItems"] == 4
    assert answers["items"]["properties"]["label"]["enum"] == ["L01", "L02", "L03", "L04", "NONE"]


@pytest.mark.parametrize(
    ("step", "requests", "waits"),
    [
        ("status:429:7", 2, [7.0]),
        ("status:429", 2, [1.0]),
        ("status:500", 2, [1.0]),
        ("status:502", 2, [1.0]),
        ("status:503:3", 2, [3.0]),
        ("status:529", 2, [1.0]),
        ("status:408", 2, [1.0]),
        ("drop", 2, [1.0]),
        ("html", 2, [1.0]),
        ("garbage", 2, [1.0]),
        ("empty", 2, [1.0]),
        ("prose", 2, []),
        ("broken", 2, []),
        ("shape", 2, []),
        ("unknown", 2, []),
        ("repeat", 2, []),
        ("missing:1", 2, []),
        ("missing:4", 2, []),
        ("truncate:2", 3, []),
        ("truncate:0", 3, []),
        ("context", 3, []),
        ("filter", 3, []),
        ("noschema", 2, []),
        ("fenced", 1, []),
        ("shuffle", 1, []),
        ("foreign", 1, []),
    ],
)
def test_one_fault_costs_no_answer(
    llm: LlmServer, step: str, requests: int, waits: list[float]
) -> None:
    desk = Desk(llm, step)
    assert labels(desk.run()) == RIGHT
    # Exactly so many: the SDK below does not retry by itself on top.
    assert len(llm.requests) == requests
    assert desk.waits == waits


@pytest.mark.parametrize("step", ["slow:30", "drip:30"])
def test_a_slow_server_is_cut_off_and_asked_again(llm: LlmServer, step: str) -> None:
    desk = Desk(llm, step, timeout=0.6)
    assert labels(desk.run()) == RIGHT
    assert desk.waits == [1.0], "as after any failure that passes"
    assert len(llm.requests) <= 2


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        (["status:429:2"] * 3, "the server's rate limit was reached (HTTP 429)"),
        (["status:500"] * 3, "the server failed (HTTP 500)"),
        (["drop"] * 3, "no connection to the server"),
        (["html"] * 3, "the server's answer made no sense"),
        (["prose"] * 2, "the reply was not the JSON asked for, twice"),
        (["unknown"] * 2, "the reply named a label that is not allowed for this ticket, twice"),
        (["repeat"] * 2, "the reply named this ticket more than once, twice"),
        (["missing:9"] * 2, "the reply left this ticket out, twice"),
        (["truncate:0"] * 3, "the reply was cut off at its length limit"),
        (["filter"] * 3, "the provider's content filter stopped the answer"),
        (["status:401"], "the API key was refused (HTTP 401)"),
        (["status:403"], "the API key was refused (HTTP 403)"),
        (["quota"], "the account's quota is used up (HTTP 429)"),
        (
            ["status:404"],
            "the server does not know the model, or the base URL is wrong (HTTP 404)",
        ),
    ],
)
def test_a_fault_that_stays_is_a_reason_on_every_ticket(
    llm: LlmServer, steps: list[str], reason: str
) -> None:
    result = Desk(llm, *steps).run()
    assert result.answers == {}
    assert result.failures == dict.fromkeys("1234", reason)
    assert len(llm.requests) == len(steps)


def test_a_refused_key_ends_the_calls(llm: LlmServer) -> None:
    llm.key = "another"
    result = Desk(llm, batch_size=1, parallel=1).run()
    assert set(result.failures) == set("1234")
    assert len(llm.requests) == 1


def test_a_server_that_takes_no_schema_is_asked_by_tool_and_remembered(llm: LlmServer) -> None:
    desk = Desk(llm, *["noschema"] * 9, batch_size=2, parallel=1)
    assert labels(desk.run()) == RIGHT
    forms = [("response_format" in r.body, "tools" in r.body) for r in llm.requests]
    assert forms == [(True, False), (False, True), (False, True)]


def test_a_server_that_takes_no_forms_at_all_is_asked_in_words(llm: LlmServer) -> None:
    desk = Desk(llm, *["noforms"] * 9, batch_size=2, parallel=1)
    assert labels(desk.run()) == RIGHT
    assert len(llm.requests) == 4
    assert not {"response_format", "tools"} & set(llm.requests[-1].body)


def test_a_request_refused_for_good_is_tried_in_every_form_and_then_in_halves(
    llm: LlmServer,
) -> None:
    desk = Desk(llm, *["status:400"] * 50, parallel=1)
    result = desk.run()
    assert set(result.failures.values()) == {"the server did not accept the request (HTTP 400)"}
    assert len(llm.requests) == 9


def test_one_failed_batch_leaves_the_others_alone(llm: LlmServer) -> None:
    desk = Desk(llm, *["status:500"] * 3, batch_size=2, parallel=1)
    result = desk.run()
    assert labels(result) == {"3": VPN, "4": OTHER}
    assert set(result.failures) == {"1", "2"}


def test_a_server_that_is_not_there_is_a_reason() -> None:
    with silent_port() as port:
        url = f"http://127.0.0.1:{port}/v1"
        classifier = LlmClassifier("m", base_url=url, sleep=lambda _seconds: None)
        result = classifier.classify(tickets(), catalog())
    assert result.failures == dict.fromkeys("1234", "no connection to the server")


def test_the_delay_between_batches_is_real_time(llm: LlmServer) -> None:
    classifier = LlmClassifier("m", base_url=llm.url, batch_size=2, delay_between_batches=0.3)
    classifier.classify(tickets(), catalog())
    first, second = llm.requests
    assert second.at - first.at >= 0.3


def test_calls_run_side_by_side_only_without_a_delay(llm: LlmServer) -> None:
    together = threading.Barrier(4)

    def when_all_have_asked(request: LoggedRequest) -> list[dict[str, Any]]:
        together.wait(60)
        return sensible(request)

    llm.answer = when_all_have_asked
    assert labels(Desk(llm, batch_size=1, parallel=4).run()) == RIGHT
    assert len(llm.requests) == 4


def test_several_threads_may_share_a_classifier(llm: LlmServer) -> None:
    desk, results = Desk(llm), list[StageResult]()
    threads = [threading.Thread(target=lambda: results.append(desk.run())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [labels(result) for result in results] == [RIGHT] * 4


def test_neither_key_nor_ticket_text_reaches_a_log(
    llm: LlmServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    llm.key = "another"
    Desk(llm, "ok").run()
    llm.key = ""
    secret = ticket("s", "My password is hunter2-laptop")
    Desk(llm, "status:500", "ok").classifier.classify([secret], catalog())
    gemini = LlmClassifier("google:gemini-2.5-flash", base_url=llm.root_url, api_key="sk-test-key")
    gemini.classify([secret], catalog())
    assert len(llm.requests) == 4
    assert "sk-test-key" not in caplog.text
    assert "hunter2" not in caplog.text


def test_no_key_of_the_environment_is_sent_to_somebody_elses_server(
    llm: LlmServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.invalid")
    assert labels(Desk(llm, api_key="").run()) == RIGHT
    assert "sk-from-environment" not in str(llm.requests[0].headers)


def test_gemini_speaks_its_own_protocol(llm: LlmServer) -> None:
    llm.key = "g-key"
    llm.script("status:503", "shuffle")
    waits: list[float] = []
    classifier = LlmClassifier(
        "google:gemini-2.5-flash", api_key="g-key", base_url=llm.root_url, sleep=waits.append
    )
    result = classifier.classify(tickets(), catalog())
    assert labels(result) == RIGHT
    assert waits == [1.0]
    assert len(llm.requests) == 2
    assert llm.requests[1].path == "/v1beta/models/gemini-2.5-flash:generateContent"
    assert "g-key" not in llm.requests[1].path
    assert llm.requests[1].schema is not None
    assert result.usage.input_tokens > 100


def test_a_long_batch_over_several_calls_asks_each_text_once(llm: LlmServer) -> None:
    many = [ticket(str(i), f"VPN drops, number {i % 50}") for i in range(200)]
    classifier = LlmClassifier("m", base_url=llm.url, batch_size=20)
    result = classifier.classify(many, catalog())
    assert set(labels(result).values()) == {VPN}
    assert len(result.answers) == 200
    assert len(llm.requests) == 3
    classifier.classify(many, catalog())
    assert len(llm.requests) == 3


def test_personal_data_stays_in_the_house_when_so_set(llm: LlmServer) -> None:
    desk = Desk(llm, redact=True)
    llm.answer = lambda request: [
        answer(t["ticket"], "L03", "certain", ["VPN of [MAIL-1]"]) for t in request.tickets
    ]
    two = [ticket(name, f"VPN of {name}@mail.example fails") for name in ("ann", "bob")]
    result = desk.classifier.classify(two, catalog())
    (request,) = llm.requests
    assert "@" not in request.user
    # The two differ in nothing that was sent: one question, the evidence each one's own.
    assert len(request.tickets) == 1
    assert result.answers["ann"].evidence == ("VPN of ann@mail.example",)
    assert result.answers["bob"].evidence == ("VPN of bob@mail.example",)


def test_a_base_url_that_names_the_call_itself_works_too(llm: LlmServer) -> None:
    assert labels(Desk(llm, base_url=f"{llm.url}/chat/completions").run()) == RIGHT


@pytest.mark.parametrize(
    ("name", "temperature"),
    [
        ("o3-mini", None),
        ("gpt-5", None),
        ("gpt-5.1", 0.0),
        ("gpt-5.5", None),
        ("gpt-4.1", 0.0),
        ("qwen/qwen3-32b", 0.0),
        ("deepseek-r1", 0.0),
    ],
)
def test_a_temperature_is_sent_to_the_models_that_take_one(
    llm: LlmServer, name: str, temperature: float | None
) -> None:
    classifier = LlmClassifier(name, base_url=llm.url, max_output_tokens=4000)
    assert labels(classifier.classify(tickets(), catalog())) == RIGHT
    assert llm.requests[0].body.get("temperature") == temperature


def test_every_request_takes_a_turn_and_waits_for_it(llm: LlmServer) -> None:
    class Pace:
        taken = 0

        def reserve(self) -> float:
            self.taken += 1
            return 0.1 if self.taken > 1 else 0.0

    pace = Pace()
    started = time.monotonic()
    # Four batches side by side, and one is asked again in another form.
    result = Desk(llm, "noschema", batch_size=1, parallel=4, pace=pace).run()
    assert labels(result) == RIGHT
    assert pace.taken == len(llm.requests) > 4
    assert time.monotonic() - started >= 0.1


def test_no_name_the_desk_knows_leaves_the_house_and_evidence_has_it_again(
    llm: LlmServer,
) -> None:
    desk = Desk(llm, redact=True, people=lambda: ["Ottoline Fairweather"])
    asked = ticket(
        "1",
        "Laptop of Ottoline does not start",
        "Dear Rupert,\nwrite to her or to\nWinifred Blythe",
        requester_email="winifred.blythe@desk.example",
    )
    result = desk.classifier.classify([asked], catalog())
    sent = json.dumps(llm.requests[0].body)
    for name in ("Ottoline", "Rupert", "Winifred", "Blythe"):
        assert name not in sent
    assert "[NAME-1]" in sent
    assert result.answers["1"].label == RIGHT["1"]
    assert not any("NAME" in phrase for phrase in result.answers["1"].evidence)
