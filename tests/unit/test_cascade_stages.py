from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from support.llm_cases import LAPTOP, OTHER, PASSWORD, VPN, catalog, ticket, tickets
from triagedesk.catalog import Label, ServiceCatalog
from triagedesk.classify import StageResult, Usage
from triagedesk.classify.cascade import Cascade, Progress
from triagedesk.errors import ModelFilesMissing
from triagedesk.priority import Level
from triagedesk.tickets import Alternative, Classification, DecidedBy, Ticket


def says(label: Label | None, confidence: float, **more: Any) -> Classification:
    by = more.pop("decided_by", DecidedBy.LOCAL)
    return Classification(label=label, confidence=confidence, decided_by=by, **more)


def sure(label: Label) -> Classification:
    return says(label, 0.97)


def unsure(label: Label | None, confidence: float = 0.4, **more: Any) -> Classification:
    return says(label, confidence, needs_review=True, **more)


def opinion(label: Label | None, confidence: float = 0.85, **more: Any) -> Classification:
    return says(label, confidence, decided_by=DecidedBy.LLM, **more)


class Stage:
    def __init__(
        self,
        name: str,
        answers: Mapping[str, Classification] = {},
        failures: Mapping[str, str] = {},
        *,
        error: BaseException | None = None,
    ) -> None:
        self.name = name
        self.version = f"{name}-1"
        self.answers = answers
        self.failures = failures
        self.error = error
        self.asked: list[list[str]] = []

    def classify(self, tickets: Sequence[Ticket], catalog: ServiceCatalog) -> StageResult:
        assert catalog.entries
        self.asked.append([t.id for t in tickets])
        if self.error:
            raise self.error
        ids = {t.id for t in tickets}
        return StageResult(
            answers={k: v for k, v in self.answers.items() if k in ids},
            failures={k: v for k, v in self.failures.items() if k in ids},
            usage=Usage(calls=1),
        )


class TalkingStage(Stage):
    def classify_with_progress(
        self, tickets: Sequence[Ticket], catalog: ServiceCatalog, on_progress: Progress
    ) -> StageResult:
        for done in range(len(tickets) + 1):
            on_progress(done, len(tickets))
        return self.classify(tickets, catalog)


LOCAL = {"1": sure(LAPTOP), "2": unsure(VPN), "3": unsure(VPN), "4": unsure(OTHER)}


def run(local: Stage, llm: Stage | None = None, **options: Any) -> StageResult:
    return Cascade(local, llm, **options).classify(tickets(), catalog())


def test_without_a_language_model_the_local_answers_stand() -> None:
    result = run(Stage("local", LOCAL))
    assert result.answers == LOCAL
    assert result.failures == {}


def test_only_what_the_local_model_is_unsure_of_goes_further() -> None:
    llm = Stage("llm", {"2": opinion(PASSWORD)})
    run(Stage("local", LOCAL), llm)
    assert llm.asked == [["2", "3", "4"]]


def test_nothing_unsure_means_no_second_call() -> None:
    llm = Stage("llm")
    run(Stage("local", {i: sure(LAPTOP) for i in "1234"}), llm)
    assert llm.asked == []


def test_a_confident_opinion_decides_and_keeps_the_local_suggestion_as_alternative() -> None:
    local = unsure(VPN, 0.4, alternatives=(Alternative(label=PASSWORD, probability=0.3),))
    llm = opinion(PASSWORD, 0.95, evidence=("password",), impact=Level.LOW)
    answer = run(Stage("local", {**LOCAL, "2": local}), Stage("llm", {"2": llm})).answers["2"]
    assert (answer.label, answer.decided_by, answer.confidence) == (PASSWORD, DecidedBy.LLM, 0.95)
    assert not answer.needs_review
    assert answer.evidence == ("password",)
    assert answer.alternatives == (Alternative(label=VPN, probability=0.4),)


def test_an_opinion_at_the_threshold_stands_but_an_unsure_one_stays_for_review() -> None:
    llm = Stage("llm", {"2": opinion(PASSWORD, 0.5, needs_review=True)})
    local = Stage("local", {**LOCAL, "2": unsure(VPN, 0.6)})
    answer = run(local, llm, threshold=0.5).answers["2"]
    assert (answer.label, answer.needs_review) == (PASSWORD, True)


def test_below_the_threshold_the_likelier_suggestion_stands_for_review() -> None:
    local = Stage("local", {**LOCAL, "2": unsure(VPN, 0.7), "3": unsure(VPN, 0.3)})
    llm = Stage("llm", {i: opinion(PASSWORD, 0.5, urgency=Level.HIGH) for i in "23"})
    answers = run(local, llm).answers
    assert (answers["2"].label, answers["2"].decided_by) == (VPN, DecidedBy.LOCAL)
    assert answers["2"].notes == ("the language model leaned to Access / Password reset",)
    assert answers["2"].alternatives == (Alternative(label=PASSWORD, probability=0.5),)
    assert answers["2"].urgency is Level.HIGH
    assert (answers["3"].label, answers["3"].decided_by) == (PASSWORD, DecidedBy.LLM)
    assert answers["2"].needs_review
    assert answers["3"].needs_review


def test_where_nothing_fits_the_label_is_empty_and_for_review() -> None:
    llm = Stage("llm", {"2": opinion(None, 0.95, needs_review=True)})
    answer = run(Stage("local", LOCAL), llm).answers["2"]
    assert (answer.label, answer.needs_review) == (None, True)
    assert answer.alternatives[0].label == VPN


def test_a_failed_opinion_leaves_the_suggestion_with_the_reason() -> None:
    llm = Stage("llm", {"2": opinion(PASSWORD)}, {"3": "HTTP 500"})
    answers = run(Stage("local", LOCAL), llm).answers
    note = "the language model did not answer (HTTP 500); the local model's suggestion stands"
    assert answers["3"].label == VPN
    assert answers["3"].needs_review
    assert answers["3"].notes == (note,)
    assert "it left the ticket out" in answers["4"].notes[0]


def test_a_failed_opinion_over_an_empty_suggestion_does_not_speak_of_one() -> None:
    result = run(Stage("local", {**LOCAL, "3": unsure(None, 0.1)}), Stage("llm"))
    assert "suggestion" not in result.answers["3"].notes[0]


def test_a_stage_that_fails_as_a_whole_never_ends_the_run() -> None:
    broken = Stage("llm", error=ModelFilesMissing("no weights"))
    result = run(Stage("local", LOCAL), broken)
    assert {i: a.label for i, a in result.answers.items()} == {i: a.label for i, a in LOCAL.items()}
    assert "no weights" in result.answers["2"].notes[0]


def test_without_the_local_model_everything_goes_to_the_language_model() -> None:
    llm = Stage("llm", {"1": opinion(LAPTOP), "2": opinion(PASSWORD, 0.5)}, {"3": "HTTP 500"})
    result = run(Stage("local", error=ModelFilesMissing("no weights")), llm)
    assert result.answers["1"] == opinion(LAPTOP)
    assert result.answers["2"].needs_review
    assert result.failures["3"] == (
        "the local model did not answer (no weights), nor did the language model (HTTP 500)"
    )
    assert set(result.answers) | set(result.failures) == set("1234")


@pytest.mark.parametrize("error", [ZeroDivisionError(), KeyboardInterrupt()])
def test_bugs_and_interrupts_pass_through(error: BaseException) -> None:
    with pytest.raises(type(error)):
        run(Stage("local", LOCAL), Stage("llm", error=error))


def test_filled_tickets_are_taken_as_they_came_and_no_model_is_asked() -> None:
    filled = ticket("f", "x", request_category="access", request_type="PASSWORD reset")
    wrong = ticket("w", "x", request_category="Access", request_type="Gardening")
    local = Stage("local")
    result = Cascade(local, Stage("llm")).classify([filled, wrong], catalog())
    assert (result.answers["f"].label, result.answers["f"].decided_by) == (
        PASSWORD,
        DecidedBy.SOURCE,
    )
    assert "Gardening" in result.failures["w"]
    assert local.asked == []


def test_answers_come_in_the_order_of_the_tickets_with_the_usage_of_all_stages() -> None:
    local = Stage("local", dict(reversed(LOCAL.items())))
    result = run(local, Stage("llm", {"3": opinion(VPN)}))
    assert list(result.answers) == ["1", "2", "3", "4"]
    assert result.usage == Usage(calls=2)


def test_progress_grows_to_the_whole() -> None:
    seen: list[tuple[int, int]] = []
    run(
        Stage("local", LOCAL),
        TalkingStage("llm", {"2": opinion(VPN)}),
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == sorted(seen)
    assert seen[0] == (1, 4)
    assert seen[-1] == (4, 4)


def test_the_version_changes_with_stages_and_threshold() -> None:
    local, llm = Stage("local"), Stage("llm")
    versions = [
        Cascade(local).version,
        Cascade(local, llm).version,
        Cascade(local, llm, threshold=0.9).version,
    ]
    assert len(set(versions)) == 3


def test_alternatives_are_ranked_bounded_and_without_the_answer_itself() -> None:
    many = tuple(Alternative(label=Label("C", str(i)), probability=0.01 * i) for i in range(1, 9))
    local = unsure(VPN, 0.3, alternatives=(*many, Alternative(label=PASSWORD, probability=0.2)))
    answer = run(Stage("local", {**LOCAL, "2": local}), Stage("llm", {"2": opinion(PASSWORD)}))
    alternatives = answer.answers["2"].alternatives
    assert len(alternatives) == 5
    assert alternatives[0].label == VPN
    assert PASSWORD not in {a.label for a in alternatives}
    assert [a.probability for a in alternatives] == sorted(
        (a.probability for a in alternatives), reverse=True
    )
