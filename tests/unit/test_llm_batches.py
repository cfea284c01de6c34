"""How a batch of tickets becomes calls: with a stand-in for the calls, without any network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from support.llm_cases import LAPTOP, OTHER, PASSWORD, VPN, catalog, ticket, tickets
from triagedesk.classify import Usage
from triagedesk.classify.llm import LlmClassifier, MemoryCache
from triagedesk.classify.llm.calls import Arrived, Ask, CallFailed, Fault, Reply
from triagedesk.classify.llm.prompt import Prompt
from triagedesk.tickets import DecidedBy, Ticket

Step = Callable[[Prompt], Reply | CallFailed]
COST = Usage(calls=1, input_tokens=100, output_tokens=10)


class StubCaller:
    """Answers each prompt by the next step; without steps it answers rightly."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.prompts: list[Prompt] = []
        self.waves: list[int] = []
        self.sessions = 0

    @contextmanager
    def session(self, *, several: bool = False) -> Iterator[Ask]:
        self.sessions += 1
        yield self._ask

    def _ask(self, prompts: Sequence[Prompt], arrived: Arrived) -> list[Reply | CallFailed]:
        self.waves.append(len(prompts))
        self.prompts.extend(prompts)
        replies = [(self.steps.pop(0) if self.steps else right)(prompt) for prompt in prompts]
        for position, reply in enumerate(replies):
            if isinstance(reply, Reply):
                arrived(position, reply)
        return replies


def right(prompt: Prompt, *, leave_out: int = 0, truncated: bool = False) -> Reply:
    answers: list[dict[str, Any]] = []
    for call_id, question in prompt.questions.items():
        text = question.text.casefold()
        label = next(
            (name for word, name in WORDS.items() if word in text and name in question.allowed),
            OTHER,
        )
        answers.append(
            {
                "ticket": call_id,
                "label": prompt.book.codes[label],
                "confidence": "likely",
                "evidence": [question.subject],
                "impact": "unstated",
                "urgency": "unstated",
            }
        )
    kept = answers[: len(answers) - leave_out]
    return Reply(text=json.dumps({"answers": kept}), truncated=truncated, usage=COST)


WORDS = {"laptop": LAPTOP, "password": PASSWORD, "vpn": VPN}


def prose(_prompt: Prompt) -> Reply:
    return Reply(text="Done!", truncated=False, usage=COST)


def failing(
    fault: Fault = Fault.TEMPORARY, *, retry_after: float | None = None, reason: str = "it failed"
) -> Step:
    return lambda _prompt: CallFailed(fault=fault, reason=reason, retry_after=retry_after)


class Desk:
    """A classifier over a stub, with its waits."""

    def __init__(self, *steps: Step, **options: Any) -> None:
        self.stub = StubCaller(*steps)
        self.waits: list[float] = []
        self.classifier = LlmClassifier(
            "stub", base_url="http://stub.invalid", sleep=self.waits.append, **options
        )
        self.classifier.__dict__["_caller"] = self.stub

    def labels(self, some: Sequence[Ticket]) -> dict[str, object]:
        self.result = self.classifier.classify(some, catalog())
        return {i: a.label for i, a in self.result.answers.items()}


RIGHT = {"1": LAPTOP, "2": PASSWORD, "3": VPN, "4": OTHER}


def test_a_batch_is_one_call_and_says_who_decided() -> None:
    desk = Desk()
    assert desk.labels(tickets()) == RIGHT
    answer = desk.result.answers["3"]
    assert desk.stub.waves == [1]
    assert (answer.decided_by, answer.model, answer.confidence) == (DecidedBy.LLM, "stub", 0.85)
    assert answer.model_version.startswith("prompt:")
    assert answer.evidence == ("VPN drops every hour",)
    assert not answer.needs_review
    assert desk.result.usage == COST


def test_no_tickets_no_call() -> None:
    desk = Desk()
    assert desk.labels([]) == {}
    assert desk.stub.sessions == 0


def test_batches_hold_no_more_than_the_batch_size() -> None:
    desk = Desk(batch_size=3, parallel=1)
    desk.labels([ticket(str(i), f"laptop {i}") for i in range(8)])
    assert [len(p.questions) for p in desk.stub.prompts] == [3, 3, 2]
    assert desk.result.usage.calls == 3


def test_the_delay_is_kept_between_calls_and_makes_them_one_at_a_time() -> None:
    desk = Desk(batch_size=1, delay_between_batches=2.5)
    desk.labels(tickets())
    assert desk.waits == [2.5, 2.5, 2.5]
    assert desk.stub.waves == [1, 1, 1, 1]


def test_without_a_delay_calls_run_side_by_side_up_to_the_limit() -> None:
    desk = Desk(batch_size=1, parallel=3)
    assert desk.labels(tickets()) == RIGHT
    assert desk.stub.waves == [3, 1]


def test_identical_texts_are_asked_once() -> None:
    desk = Desk()
    same = [ticket(str(i), "VPN  is down", requester_email=f"{i}@x.example") for i in range(5)]
    assert set(desk.labels(same).values()) == {VPN}
    assert len(desk.stub.prompts[0].questions) == 1


def test_the_same_text_is_never_paid_for_twice() -> None:
    cache = MemoryCache()
    first, second = Desk(cache=cache), Desk(cache=cache)
    assert first.labels(tickets()) == second.labels(tickets()) == RIGHT
    assert second.stub.prompts == []
    assert second.result.usage == Usage()
    assert first.result.answers == second.result.answers


def test_another_catalog_version_model_or_temperature_is_asked_again() -> None:
    cache = MemoryCache()
    Desk(cache=cache).labels(tickets())
    warmer = Desk(cache=cache, temperature=0.7)
    warmer.labels(tickets())
    assert len(warmer.stub.prompts) == 1
    newer = Desk(cache=cache)
    newer.classifier.classify(tickets(), catalog(version="v2"))
    assert len(newer.stub.prompts) == 1


def test_a_broken_cache_entry_is_asked_again() -> None:
    class Broken(MemoryCache):
        def get(self, keys: Sequence[str]) -> dict[str, str]:
            return dict.fromkeys(keys, "{]")

    assert Desk(cache=Broken()).labels(tickets()) == RIGHT


def test_the_memory_cache_drops_the_oldest() -> None:
    cache = MemoryCache(limit=2)
    cache.put({"a": "1", "b": "2"})
    cache.put({"c": "3"})
    assert cache.get(["a", "b", "c"]) == {"b": "2", "c": "3"}


def test_what_a_reply_leaves_out_is_asked_once_more_by_itself() -> None:
    desk = Desk(lambda p: right(p, leave_out=1))
    assert desk.labels(tickets()) == RIGHT
    assert [len(p.questions) for p in desk.stub.prompts] == [4, 1]


def test_left_out_twice_is_a_failure_of_that_ticket_only() -> None:
    desk = Desk(lambda p: right(p, leave_out=1), lambda p: right(p, leave_out=1))
    assert desk.labels(tickets()) == {k: v for k, v in RIGHT.items() if k != "4"}
    assert desk.result.failures == {"4": "the reply left this ticket out, twice"}


def test_temporary_faults_are_retried_with_growing_waits() -> None:
    desk = Desk(failing(), failing())
    assert desk.labels(tickets()) == RIGHT
    assert desk.waits == [1.0, 2.0]


def test_what_the_server_asks_to_wait_is_waited() -> None:
    desk = Desk(failing(retry_after=17.0))
    assert desk.labels(tickets()) == RIGHT
    assert desk.waits == [17.0]


def test_the_delay_between_batches_is_kept_before_a_retry_too() -> None:
    desk = Desk(failing(retry_after=0.0), delay_between_batches=4.0)
    desk.labels(tickets())
    assert desk.waits == [4.0]


def test_a_wait_beyond_reason_ends_the_calls() -> None:
    desk = Desk(failing(retry_after=3600.0, reason="slow down"), batch_size=2, parallel=1)
    assert desk.labels(tickets()) == {}
    assert len(desk.stub.prompts) == 1
    assert set(desk.result.failures.values()) == {"slow down, and it asks to wait 3600 s"}


def test_a_batch_that_keeps_failing_does_not_stop_the_next() -> None:
    desk = Desk(*[failing()] * 3, batch_size=2, parallel=1)
    assert desk.labels(tickets()) == {"3": VPN, "4": OTHER}
    assert desk.result.failures == {"1": "it failed", "2": "it failed"}


def test_after_three_failed_batches_in_a_row_the_server_counts_as_down() -> None:
    desk = Desk(*[failing()] * 100, batch_size=1, parallel=1, max_retries=0)
    desk.labels([ticket(str(i), f"laptop {i}") for i in range(10)])
    assert len(desk.stub.prompts) == 3
    assert "not asked any more after 3 failed batches" in desk.result.failures["9"]


def test_a_model_that_only_talks_is_not_paid_for_ever() -> None:
    desk = Desk(*[prose] * 100, batch_size=1, parallel=1)
    desk.labels([ticket(str(i), f"laptop {i}") for i in range(10)])
    assert len(desk.stub.prompts) == 6
    assert len(desk.result.failures) == 10


def test_hard_tickets_in_good_batches_do_not_count_as_a_server_that_is_down() -> None:
    def without_last(prompt: Prompt) -> Reply:
        return right(prompt, leave_out=1)

    desk = Desk(*[without_last] * 100, batch_size=2, parallel=4)
    desk.labels([ticket(str(i), f"laptop {i}") for i in range(20)])
    assert len(desk.result.answers) == len(desk.result.failures) == 10


def test_hopeless_faults_stop_at_once() -> None:
    desk = Desk(failing(Fault.HOPELESS, reason="the key was refused"), batch_size=1, parallel=1)
    assert desk.labels(tickets()) == {}
    assert len(desk.stub.prompts) == 1
    assert desk.result.failures == dict.fromkeys("1234", "the key was refused")


def test_answers_beside_a_hopeless_fault_are_kept() -> None:
    desk = Desk(right, failing(Fault.HOPELESS), right, right, batch_size=1, parallel=4)
    assert desk.labels(tickets()) == {k: v for k, v in RIGHT.items() if k != "2"}


def test_too_much_is_asked_in_halves_once() -> None:
    desk = Desk(
        failing(Fault.TOO_MUCH), right, failing(Fault.TOO_MUCH, reason="too long"), parallel=1
    )
    assert desk.labels(tickets()) == {"1": LAPTOP, "2": PASSWORD}
    assert [len(p.questions) for p in desk.stub.prompts] == [4, 2, 2]
    assert desk.result.failures == {"3": "too long", "4": "too long"}


def test_a_truncated_reply_keeps_what_is_whole_and_halves_the_rest() -> None:
    desk = Desk(lambda p: right(p, leave_out=2, truncated=True), parallel=1)
    assert desk.labels(tickets()) == RIGHT
    # Of two answers the cut may have gone through the second.
    assert [len(p.questions) for p in desk.stub.prompts] == [4, 2, 1]


def test_a_single_ticket_that_is_cut_off_fails() -> None:
    desk = Desk(lambda p: right(p, leave_out=1, truncated=True))
    assert desk.labels(tickets()[:1]) == {}
    assert desk.result.failures == {"1": "the reply was cut off at its length limit"}


def test_tickets_nobody_could_answer_are_not_sent() -> None:
    desk = Desk()
    desk.labels([ticket("empty", " "), ticket("odd", "x", request_category="Gardening")])
    assert desk.stub.prompts == []
    assert set(desk.result.failures) == {"empty", "odd"}


def test_progress_ends_at_the_whole() -> None:
    desk, seen = Desk(batch_size=1, parallel=1), list[tuple[int, int]]()
    desk.classifier.classify_with_progress(
        tickets(), catalog(), lambda done, total: seen.append((done, total))
    )
    assert seen[-1] == (4, 4)
    assert seen == sorted(seen)


def test_the_order_of_tickets_is_kept_and_the_run_repeats_exactly() -> None:
    one, two = Desk(batch_size=1), Desk(batch_size=1)
    assert list(one.labels(tickets())) == ["1", "2", "3", "4"]
    two.labels(tickets())
    assert one.result == two.result
    assert [p.user for p in one.stub.prompts] == [p.user for p in two.stub.prompts]


def test_nothing_fits_is_an_answer_for_review() -> None:
    def nothing(prompt: Prompt) -> Reply:
        text = right(prompt).text
        for code in prompt.book.labels:
            text = text.replace(f'"{code}"', '"NONE"')
        return Reply(text=text, truncated=False, usage=COST)

    desk = Desk(nothing)
    assert set(desk.labels(tickets()).values()) == {None}
    assert all(a.needs_review and a.notes for a in desk.result.answers.values())


def test_a_bug_is_not_mistaken_for_a_fault() -> None:
    def bug(_prompt: Prompt) -> Reply:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Desk(bug).labels(tickets())


def test_the_version_changes_with_whatever_changes_answers() -> None:
    versions = {
        Desk(**options).classifier.version
        for options in ({}, {"temperature": 0.5}, {"temperature": None}, {"max_characters": 500})
    }
    assert len(versions) == 4


def test_the_delay_is_kept_from_one_lot_of_tickets_to_the_next() -> None:
    desk = Desk(delay_between_batches=2.5)
    desk.labels([ticket("1", "laptop")])
    desk.labels([ticket("2", "my vpn")])
    assert desk.waits == [2.5]


def test_a_server_that_was_given_up_on_is_left_alone_for_a_minute() -> None:
    seconds = [0.0]
    desk = Desk(failing(Fault.HOPELESS, reason="the key was refused"), clock=lambda: seconds[0])
    desk.labels([ticket("1", "laptop")])
    seconds[0] = 59.0
    assert desk.labels([ticket("2", "my vpn")]) == {}
    assert desk.result.failures == {"2": "the key was refused"}
    assert len(desk.stub.prompts) == 1
    seconds[0] = 61.0
    assert desk.labels([ticket("2", "my vpn")]) == {"2": VPN}
