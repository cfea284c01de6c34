"""A real OpenAI-compatible server, llama.cpp, with a tiny model that knows nothing.

What it says is noise; that it can say nothing but what the catalog allows is the point.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.light_models import LightClassifier
from support.llm_cases import catalog, ticket, tickets
from support.tiny_model import KEY, TinyServer, tiny_server
from triagedesk.classify.cascade import Cascade
from triagedesk.classify.llm import LlmClassifier, prompt
from triagedesk.priority import Level
from triagedesk.tickets import DecidedBy

LABELS = {entry.label for entry in catalog().entries}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyServer]:
    with tiny_server(Path(tmp_path_factory.mktemp("tiny"))) as running:
        yield running


def classifier(server: TinyServer, *, key: str = KEY, batch_size: int = 1) -> LlmClassifier:
    return LlmClassifier(
        "tiny-random",
        api_key=key,
        base_url=server.url,
        batch_size=batch_size,
        parallel=2,
        max_output_tokens=400,
        timeout=200,
        sleep=lambda _seconds: None,
    )


@pytest.fixture
def no_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for no free text, in which a model of noise never finds an end."""
    monkeypatch.setattr(prompt, "MAX_EVIDENCE", 0)


@pytest.mark.usefixtures("no_quotes")
def test_a_model_of_noise_can_only_answer_from_the_closed_list(server: TinyServer) -> None:
    result = classifier(server).classify(tickets(), catalog())
    assert not result.failures
    assert set(result.answers) == {"1", "2", "3", "4"}
    for answer in result.answers.values():
        assert answer.label is None or answer.label in LABELS
        assert answer.decided_by is DecidedBy.LLM
        assert {answer.impact, answer.urgency} <= {None, *Level}
    assert result.usage.calls == 4
    assert result.usage.input_tokens > 1000
    assert result.usage.output_tokens > 40


@pytest.mark.usefixtures("no_quotes")
def test_a_ticket_bound_to_a_category_gets_a_label_of_it_or_none(server: TinyServer) -> None:
    bound = [
        replace(ticket(str(i), f"Something is wrong {i}"), request_category="Network")
        for i in range(3)
    ]
    result = classifier(server).classify(bound, catalog())
    assert not result.failures
    labels = {answer.label for answer in result.answers.values() if answer.label}
    assert {label.request_category for label in labels} <= {"Network"}


def test_an_answer_without_an_end_is_refused_and_the_local_suggestion_stands(
    server: TinyServer,
) -> None:
    """Phrases copied from the ticket are free text: noise fills it until it is cut off.

    The server then hands on what there is, or fails where it is not even text.
    """
    cascade = Cascade(LightClassifier(), classifier(server))
    asked = [ticket("1", "Zzzz"), ticket("2", "Qqqq")]
    result = cascade.classify(asked, catalog())
    assert not result.failures
    for answer in result.answers.values():
        assert answer.needs_review
        assert answer.label in LABELS
        assert answer.decided_by is DecidedBy.LOCAL
        assert answer.notes[-1].startswith("the language model did not answer (")


def test_a_refused_key_is_said_once_and_not_tried_again(server: TinyServer) -> None:
    result = classifier(server, key="another").classify(tickets(), catalog())
    assert not result.answers
    assert {"the API key was refused (HTTP 401)"} == set(result.failures.values())


def test_tickets_too_long_for_the_model_are_told_apart_from_faults(server: TinyServer) -> None:
    model = LlmClassifier(
        "tiny-random",
        api_key=KEY,
        base_url=server.url,
        max_characters=12_000,
        max_retries=0,
        timeout=200,
    )
    result = model.classify([ticket("1", "Long", "word " * 4000)], catalog())
    assert "context" in result.failures["1"] or "accept" in result.failures["1"]
