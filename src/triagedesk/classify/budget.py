"""A language model within a day's budget: what it uses is recorded as it is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from triagedesk.catalog import ServiceCatalog
from triagedesk.classify import Classifier, StageResult, Usage
from triagedesk.classify.cascade import Progress, ReportsProgress
from triagedesk.tickets import Classification, Ticket


class Ledger(Protocol):
    """Remembers what language models used, over runs and processes."""

    def usage_today(self) -> Usage:
        """What was used since midnight UTC."""

    def record(self, model: str, usage: Usage, tickets: int) -> None:
        """Add what was just used to answer so many tickets."""


@dataclass(frozen=True, kw_only=True)
class Prices:
    """What a million tokens cost, in the desk's currency; 0 is unknown."""

    input: float = 0.0
    output: float = 0.0

    def of(self, usage: Usage) -> float:
        """What was used in money."""
        return (usage.input_tokens * self.input + usage.output_tokens * self.output) / 1_000_000


@dataclass(frozen=True, kw_only=True)
class Budgeted:
    """A `Classifier` that stops asking once the day's tokens are used up.

    With a limit, in tokens or in money, tickets are asked one batch after the other, so that at
    most the call under way goes beyond it.
    """

    model: Classifier
    ledger: Ledger
    #: Tokens in and out per day (UTC); 0 is no limit.
    daily_tokens: int = 0
    #: The same in money by `prices`.
    daily_cost: float = 0.0
    prices: Prices = Prices()
    #: Tickets between two looks at the ledger where there is a limit.
    batch_size: int = 20

    @property
    def name(self) -> str:
        """The model's stage name."""
        return self.model.name

    @property
    def version(self) -> str:
        """The model's version: a budget changes no answer."""
        return self.model.version

    def classify(self, tickets: Sequence[Ticket], catalog: ServiceCatalog) -> StageResult:
        """Classify tickets (distinct ids) for as long as the budget lasts."""
        return self.classify_with_progress(tickets, catalog, lambda _done, _total: None)

    def classify_with_progress(
        self,
        tickets: Sequence[Ticket],
        catalog: ServiceCatalog,
        on_progress: Progress,
    ) -> StageResult:
        """Classify, calling `on_progress(done, total)` after every call."""
        answers: dict[str, Classification] = {}
        failures: dict[str, str] = {}
        usage = Usage()
        limited = self.daily_tokens or self.daily_cost
        size = self.batch_size if limited else max(1, len(tickets))
        for start in range(0, len(tickets), size):
            batch = tickets[start : start + size]
            if limited and (reason := self._used_up()):
                failures |= {ticket.id: reason for ticket in tickets[start:]}
                break
            onwards = partial(_report, on_progress, start, len(tickets))
            result = self._ask(batch, catalog, onwards)
            if result.usage.calls:
                self.ledger.record(self.model.version, result.usage, len(result.answers))
            answers |= result.answers
            failures |= result.failures
            usage += result.usage
            on_progress(start + len(batch), len(tickets))
        return StageResult(answers=answers, failures=failures, usage=usage)

    def _ask(
        self, batch: Sequence[Ticket], catalog: ServiceCatalog, on_progress: Progress
    ) -> StageResult:
        if isinstance(self.model, ReportsProgress):
            return self.model.classify_with_progress(batch, catalog, on_progress)
        return self.model.classify(batch, catalog)

    def _used_up(self) -> str:
        """Which budget is used up, in words; "" while neither is."""
        used = self.ledger.usage_today()
        tokens = used.input_tokens + used.output_tokens
        if self.daily_tokens and tokens >= self.daily_tokens:
            return f"today's budget of {self.daily_tokens} tokens is used up"
        if self.daily_cost and self.prices.of(used) >= self.daily_cost:
            return f"today's budget of {self.daily_cost:.2f} in money is used up"
        return ""


def _report(on_progress: Progress, before: int, total: int, done: int, _of: int) -> None:
    """Report a batch's progress as that of all batches."""
    on_progress(before + done, total)
