"""A language model within a day's budget: what it uses is recorded as it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from triagedesk.catalog import ServiceCatalog
from triagedesk.classify import Classifier, StageResult, Usage
from triagedesk.tickets import Classification, Ticket


class Ledger(Protocol):
    """Remembers what language models used, over runs and processes."""

    def tokens_today(self) -> int:
        """Tokens in and out since midnight UTC."""

    def record(self, model: str, usage: Usage, tickets: int) -> None:
        """Add what was just used to answer so many tickets."""


@dataclass(frozen=True, kw_only=True)
class Budgeted:
    """A `Classifier` that stops asking once the day's tokens are used up.

    With a limit, tickets are asked one batch after the other, so that at most the call under way
    goes beyond it.
    """

    model: Classifier
    ledger: Ledger
    #: Tokens in and out per day (UTC); 0 is no limit.
    daily_tokens: int = 0
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
        on_progress: Callable[[int, int], None],
    ) -> StageResult:
        """Classify, calling `on_progress(done, total)` after every batch."""
        answers: dict[str, Classification] = {}
        failures: dict[str, str] = {}
        usage = Usage()
        size = self.batch_size if self.daily_tokens else max(1, len(tickets))
        for start in range(0, len(tickets), size):
            batch = tickets[start : start + size]
            if self.daily_tokens and self.ledger.tokens_today() >= self.daily_tokens:
                reason = f"today's budget of {self.daily_tokens} tokens is used up"
                failures |= {ticket.id: reason for ticket in tickets[start:]}
                break
            result = self.model.classify(batch, catalog)
            if result.usage.calls:
                self.ledger.record(self.model.version, result.usage, len(result.answers))
            answers |= result.answers
            failures |= result.failures
            usage += result.usage
            on_progress(start + len(batch), len(tickets))
        return StageResult(answers=answers, failures=failures, usage=usage)
