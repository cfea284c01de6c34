"""Classifying: a cascade of classifiers, cheapest first, each able to abstain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from triagedesk.catalog import ServiceCatalog
from triagedesk.tickets import Classification, Ticket


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a language model was paid for."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """What one stage says about a batch; each ticket is in at most one of the two."""

    #: Ticket id -> answer.
    answers: Mapping[str, Classification] = field(default_factory=dict)
    #: Ticket id -> why this stage has no answer, in words for the desk lead.
    failures: Mapping[str, str] = field(default_factory=dict)
    usage: Usage = Usage()


class Classifier(Protocol):
    """One stage of the cascade."""

    @property
    def name(self) -> str:
        """What the stage is called in decisions, e.g. `local`."""

    @property
    def version(self) -> str:
        """Changes whenever its answers may."""

    def classify(self, tickets: Sequence[Ticket], catalog: ServiceCatalog) -> StageResult:
        """Classify tickets (distinct ids) into labels that `catalog.candidates` allows each."""
