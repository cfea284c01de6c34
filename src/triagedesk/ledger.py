"""What language models answered, used and may still use, for all of a desk's processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from triagedesk.classify import Usage
from triagedesk.store import Store


@dataclass(frozen=True)
class StoredAnswers:
    """A language model's answers, kept in the store as they come."""

    store: Store

    def get(self, keys: Sequence[str]) -> Mapping[str, str]:
        """Answers by key, of those that were kept."""
        with self.store.read() as transaction:
            return transaction.model_answers(keys)

    def put(self, answers: Mapping[str, str]) -> None:
        """Keep answers by key."""
        with self.store.begin() as transaction:
            transaction.keep_model_answers(answers, datetime.now(UTC))


@dataclass(frozen=True)
class StoredLedger:
    """What language models used, kept in the store as they use it."""

    store: Store

    def usage_today(self) -> Usage:
        """Tokens since midnight UTC."""
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        with self.store.read() as transaction:
            sent, received = transaction.tokens_since(midnight)
        return Usage(input_tokens=sent, output_tokens=received)

    def record(self, model: str, usage: Usage, tickets: int) -> None:
        """Add what answering so many tickets used."""
        with self.store.begin() as transaction:
            transaction.record_model_use(
                model,
                calls=usage.calls,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                tickets=tickets,
                now=datetime.now(UTC),
            )


@dataclass(frozen=True)
class StoredPace:
    """The pace that all processes of a desk keep together, on whatever host."""

    store: Store
    calls_per_minute: int

    def reserve(self) -> float:
        """Take the next turn; returns the seconds to wait before using it."""
        with self.store.begin_alone() as transaction:
            return transaction.reserve_call("language model", self.calls_per_minute)
