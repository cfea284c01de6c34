"""Hostile tickets against models that do whatever they are told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.llm_answers import Json, LoggedRequest, answer, sensible
from support.llm_cases import LAPTOP, PASSWORD, VPN, catalog, hostile_tickets, tickets
from support.llm_server import LlmServer
from triagedesk.classify.llm import LlmClassifier
from triagedesk.classify.llm.prompt import clean


def obeys_blindly(request: LoggedRequest) -> list[Json]:
    """Answers what the hostile ticket asked for, in its words, for everybody it can name."""
    answers = [
        answer(t["ticket"], t["subject"], "certain", [t["subject"], "a made-up quote"])
        for t in request.tickets
    ]
    return [*answers, answer("T00000", "L01"), answer("1", "L02"), answer("hostile-3", "L03")]


def answers_for_others(request: LoggedRequest) -> list[Json]:
    """Repeats other tickets' ids with another label, as a ticket demanded."""
    right = sensible(request)
    return [*right, *(a | {"label": "L01"} for a in right[::2])]


def invents_labels(request: LoggedRequest) -> list[Json]:
    """Uses labels the ticket invented."""
    names = ["L99", "Security", "Access / Password reset", "", "../../etc", "L01; DROP TABLE"]
    return [a | {"label": names[i % 6]} for i, a in enumerate(sensible(request))]


def leaks(request: LoggedRequest) -> list[Json]:
    """Puts its instructions and everybody's text into the evidence."""
    secrets = [request.system[:100], *(t["subject"] for t in request.tickets)]
    return [a | {"evidence": secrets[:3]} for a in sensible(request)]


@pytest.mark.parametrize("model", [obeys_blindly, answers_for_others, invents_labels, leaks])
def test_only_catalog_labels_come_out_and_only_for_the_tickets_own_ids(
    model: Callable[[LoggedRequest], list[Json]],
) -> None:
    batch = [*tickets(), *hostile_tickets()]
    # As the model sees it: without what no person sees.
    texts = {t.id: " ".join(clean(t.text, 3000).split()).casefold() for t in batch}
    with LlmServer() as llm:
        llm.answer = model
        classifier = LlmClassifier("m", base_url=llm.url, sleep=lambda _seconds: None)
        result = classifier.classify(batch, catalog())
        assert llm.requests
    assert set(result.answers) | set(result.failures) == set(texts)
    allowed = {entry.label for entry in catalog().entries}
    for ticket_id, got in result.answers.items():
        assert got.label in allowed
        assert all(phrase.casefold() in texts[ticket_id] for phrase in got.evidence)


def test_ordinary_tickets_keep_their_answers_beside_hostile_ones() -> None:
    with LlmServer() as llm:
        classifier = LlmClassifier("m", base_url=llm.url, batch_size=60)
        hostile = hostile_tickets()
        result = classifier.classify([*hostile[:25], *tickets(), *hostile[25:]], catalog())
    assert [result.answers[i].label for i in "123"] == [LAPTOP, PASSWORD, VPN]


def test_every_request_holds_exactly_its_tickets_between_two_delimiters() -> None:
    with LlmServer() as llm:
        LlmClassifier("m", base_url=llm.url, batch_size=7).classify(hostile_tickets(), catalog())
        assert sum(len(request.tickets) for request in llm.requests) == len(hostile_tickets())
        for request in llm.requests:
            assert request.user.count("<") == 2
            assert request.user.startswith("<tickets>\n")
            assert request.user.endswith("\n</tickets>")
            assert request.system == llm.requests[0].system
