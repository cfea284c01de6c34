"""A day's budget is a hard stop, and what is used is recorded as it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from support.llm_cases import LAPTOP, catalog, ticket
from triagedesk.catalog import ServiceCatalog
from triagedesk.classify import StageResult, Usage
from triagedesk.classify.budget import Budgeted, Prices
from triagedesk.tickets import Classification, DecidedBy, Ticket


class Model:
    """Answers everything for 100 tokens a call."""

    name = "llm"
    version = "m/1"

    def __init__(self) -> None:
        self.lots: list[int] = []

    def classify(self, tickets: Sequence[Ticket], catalog: ServiceCatalog) -> StageResult:
        self.lots.append(len(tickets))
        answer = Classification(label=LAPTOP, confidence=0.9, decided_by=DecidedBy.LLM)
        usage = Usage(calls=1, input_tokens=90, output_tokens=10)
        return StageResult(answers={t.id: answer for t in tickets}, usage=usage)


class Book:
    """A ledger in memory."""

    def __init__(self, tokens: int = 0) -> None:
        self.tokens = tokens
        self.lines: list[tuple[str, int, int]] = []

    def usage_today(self) -> Usage:
        return Usage(input_tokens=self.tokens)

    def record(self, model: str, usage: Usage, tickets: int) -> None:
        self.tokens += usage.input_tokens + usage.output_tokens
        self.lines.append((model, usage.calls, tickets))


SOME = [ticket(str(i), f"laptop {i}") for i in range(10)]


def test_without_a_limit_everything_is_asked_at_once_and_recorded() -> None:
    model, book = Model(), Book()
    result = Budgeted(model=model, ledger=book).classify(SOME, catalog())
    assert (model.lots, len(result.answers)) == ([10], 10)
    assert book.lines == [("m/1", 1, 10)]


def test_the_limit_stops_before_the_next_batch_and_says_why() -> None:
    model, book = Model(), Book()
    budgeted = Budgeted(model=model, ledger=book, daily_tokens=150, batch_size=3)
    result = budgeted.classify(SOME, catalog())
    assert model.lots == [3, 3]
    assert list(result.answers) == list("012345")
    assert set(result.failures) == set("6789")
    assert "today's budget of 150 tokens is used up" in result.failures["9"]
    assert result.usage.calls == 2


def test_what_was_used_before_counts() -> None:
    model = Model()
    spent = Book(tokens=150)
    result = Budgeted(model=model, ledger=spent, daily_tokens=150).classify(SOME, catalog())
    assert model.lots == []
    assert len(result.failures) == 10


def test_answers_from_the_cache_cost_nothing_and_are_not_recorded() -> None:
    class Cached(Model):
        def classify(self, tickets: Sequence[Ticket], catalog: ServiceCatalog) -> StageResult:
            return StageResult(answers=super().classify(tickets, catalog).answers)

    book = Book()
    Budgeted(model=Cached(), ledger=book).classify(SOME, catalog())
    assert book.lines == []


def test_a_limit_in_money_counts_what_goes_in_and_what_comes_out() -> None:
    model, book = Model(), Book()
    # 90 in and 10 out; the book of these tests counts all as sent.
    prices = Prices(input=1000.0, output=10_000.0)
    assert prices.of(Usage(input_tokens=90, output_tokens=10)) == pytest.approx(0.19)
    budgeted = Budgeted(model=model, ledger=book, daily_cost=0.15, prices=prices, batch_size=3)
    result = budgeted.classify(SOME, catalog())
    assert model.lots == [3, 3]
    assert result.failures["9"] == "today's budget of 0.15 in money is used up"


def test_progress_moves_with_every_call_of_the_model() -> None:
    class Talking(Model):
        def classify_with_progress(
            self,
            tickets: Sequence[Ticket],
            catalog: ServiceCatalog,
            on_progress: Callable[[int, int], None],
        ) -> StageResult:
            for done in range(1, len(tickets) + 1):
                on_progress(done, len(tickets))
            return self.classify(tickets, catalog)

    for limit in (0, 10_000):
        seen: list[tuple[int, int]] = []

        def note(done: int, total: int, seen: list[tuple[int, int]] = seen) -> None:
            seen.append((done, total))

        budgeted = Budgeted(model=Talking(), ledger=Book(), daily_tokens=limit, batch_size=4)
        budgeted.classify_with_progress(SOME, catalog(), note)
        assert sorted(set(seen)) == [(done, 10) for done in range(1, 11)]
        assert seen == sorted(seen)
