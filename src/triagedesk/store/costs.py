"""Queries about what language models were paid for."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import func, insert, select

from triagedesk.store.queries import Queries
from triagedesk.store.tables import model_calls


@dataclass(frozen=True, kw_only=True)
class ModelUse:
    """What one model did on one day (UTC)."""

    day: date
    model: str
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    #: Tickets it answered.
    tickets: int = 0


class CostQueries(Queries):
    """Queries about what language models were paid for."""

    def record_model_use(
        self,
        model: str,
        *,
        calls: int,
        input_tokens: int,
        output_tokens: int,
        tickets: int,
        now: datetime,
    ) -> None:
        """Add to what a model has used."""
        self.connection.execute(
            insert(model_calls).values(
                at=now,
                model=model,
                calls=calls,
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                tickets=tickets,
            )
        )

    def tokens_since(self, moment: datetime) -> tuple[int, int]:
        """Tokens in, and tokens out, of every model from `moment` on."""
        totals = (func.sum(model_calls.c.input_tokens), func.sum(model_calls.c.output_tokens))
        query = select(*(func.coalesce(total, 0) for total in totals))
        sent, received = self.connection.execute(query.where(model_calls.c.at >= moment)).one()
        return int(sent), int(received)

    def model_use(self, since: datetime) -> list[ModelUse]:
        """What each model used on each day from `since` on, oldest day first."""
        query = select(model_calls).where(model_calls.c.at >= since).order_by(model_calls.c.at)
        use: dict[tuple[date, str], ModelUse] = defaultdict()
        for row in self.connection.execute(query):
            key = (row.at.date(), row.model)
            before = use.get(key) or ModelUse(day=key[0], model=key[1])
            use[key] = replace(
                before,
                calls=before.calls + row.calls,
                input_tokens=before.input_tokens + row.input_tokens,
                output_tokens=before.output_tokens + row.output_tokens,
                tickets=before.tickets + row.tickets,
            )
        return [use[key] for key in sorted(use)]
