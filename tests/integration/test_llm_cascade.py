"""The whole cascade with a language model over HTTP."""

from __future__ import annotations

from collections.abc import Sequence

from support.llm_cases import LAPTOP, OTHER, PASSWORD, VPN, catalog, tickets
from support.llm_server import LlmServer
from triagedesk.catalog import ServiceCatalog
from triagedesk.classify import StageResult
from triagedesk.classify.cascade import Cascade
from triagedesk.classify.llm import LlmClassifier
from triagedesk.tickets import Classification, DecidedBy, Ticket


class Local:
    """Sure of laptops, unsure of the rest, which it takes for VPN."""

    name = "local"
    version = "stub-1"

    def classify(self, tickets: Sequence[Ticket], catalog: ServiceCatalog) -> StageResult:
        assert catalog.entries
        answers = {}
        for ticket in tickets:
            known = "laptop" in ticket.text
            answers[ticket.id] = Classification(
                label=LAPTOP if known else VPN,
                confidence=0.97 if known else 0.3,
                decided_by=DecidedBy.LOCAL,
                needs_review=not known,
            )
        return StageResult(answers=answers)


def run(llm: LlmServer, *steps: str) -> StageResult:
    llm.script(*steps)
    opinion = LlmClassifier(
        "m", base_url=llm.url, batch_size=2, parallel=1, sleep=lambda _seconds: None
    )
    return Cascade(Local(), opinion).classify(tickets(), catalog())


def test_the_language_model_sees_only_what_the_local_model_is_unsure_of() -> None:
    with LlmServer() as llm:
        result = run(llm)
        assert all("laptop" not in request.user for request in llm.requests)
    got = {i: (a.label, a.decided_by.value) for i, a in result.answers.items()}
    assert got == {
        "1": (LAPTOP, "local"),
        "2": (PASSWORD, "llm"),
        "3": (VPN, "llm"),
        "4": (OTHER, "llm"),
    }
    assert result.answers["2"].alternatives[0].label == VPN
    assert result.usage.calls == 2


def test_a_failed_batch_falls_back_to_the_local_model_and_is_marked_so() -> None:
    with LlmServer() as llm:
        result = run(llm, *["status:500"] * 3)
    fallen, answered = result.answers["2"], result.answers["4"]
    assert (fallen.label, fallen.decided_by, fallen.needs_review) == (VPN, DecidedBy.LOCAL, True)
    (note,) = fallen.notes
    assert note.startswith("the language model did not answer (the server failed (HTTP 500));")
    assert answered.decided_by is DecidedBy.LLM
    assert result.failures == {}


def test_a_refused_key_costs_one_request_and_no_ticket() -> None:
    with LlmServer(key="another") as llm:
        result = run(llm)
        assert len(llm.requests) == 1
    assert set(result.answers) == set("1234")
    assert "the API key was refused" in result.answers["4"].notes[0]
