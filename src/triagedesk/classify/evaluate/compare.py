"""Two policies on the same tickets: paired counts, an exact test, an interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from triagedesk.catalog import Label
from triagedesk.classify.evaluate import Evaluation, Outcome
from triagedesk.errors import InputError

#: Resamples of the bootstrap.
RESAMPLES = 10_000

#: What is compared: a name, and whether it holds for an outcome.
ASPECTS: tuple[tuple[str, Callable[[Outcome], bool]], ...] = (
    ("right", lambda outcome: outcome.right),
    ("decided without a person", lambda outcome: outcome.alone),
    ("decided without a person, and wrong", lambda outcome: outcome.alone and not outcome.right),
)


@dataclass(frozen=True, kw_only=True)
class Paired:
    """How often something holds under each of two policies, ticket by ticket."""

    #: What is counted, e.g. `right`.
    what: str
    both: int
    only_first: int
    only_second: int
    neither: int
    #: Two-sided, exact.
    p_value: float
    #: 95 % interval of `difference`.
    low: float
    high: float

    @property
    def total(self) -> int:
        """Tickets compared."""
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def first(self) -> float:
        """Share under the first policy, 0-1."""
        return (self.both + self.only_first) / self.total if self.total else 0.0

    @property
    def second(self) -> float:
        """Share under the second policy, 0-1."""
        return (self.both + self.only_second) / self.total if self.total else 0.0

    @property
    def difference(self) -> float:
        """Second less first."""
        return (self.only_second - self.only_first) / self.total if self.total else 0.0


@dataclass(frozen=True, kw_only=True)
class Changed:
    """A ticket the two policies answer differently."""

    ticket_id: str
    subject: str
    truth: Label
    first: Label | None
    second: Label | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two evaluations side by side."""

    first: Evaluation
    second: Evaluation
    #: One for each of ASPECTS.
    paired: tuple[Paired, ...]
    #: In the first evaluation's order.
    changed: tuple[Changed, ...]
    #: Tickets that only one of them has, or whose truth differs.
    left_out: int


def compare(first: Evaluation, second: Evaluation, *, seed: int) -> Comparison:
    """Pair two evaluations by ticket. Raises InputError when they have no ticket in common."""
    others = {outcome.ticket_id: outcome for outcome in second.outcomes}
    pairs = [
        (outcome, others[outcome.ticket_id])
        for outcome in first.outcomes
        if outcome.ticket_id in others
        and others[outcome.ticket_id].truth == outcome.truth
        and others[outcome.ticket_id].subject == outcome.subject
    ]
    if not pairs:
        raise InputError(
            f"{first.policy} and {second.policy} have no ticket in common",
            hint="evaluate both on the same file, with the same --limit and --seed",
        )
    changed = tuple(
        Changed(
            ticket_id=a.ticket_id,
            subject=a.subject,
            truth=a.truth,
            first=a.answer,
            second=b.answer,
        )
        for a, b in pairs
        if a.answer != b.answer
    )
    return Comparison(
        first=first,
        second=second,
        paired=tuple(
            paired(what, [(holds(a), holds(b)) for a, b in pairs], seed=seed)
            for what, holds in ASPECTS
        ),
        changed=changed,
        left_out=len(first.outcomes) + len(second.outcomes) - 2 * len(pairs),
    )


def paired(what: str, pairs: Sequence[tuple[bool, bool]], *, seed: int) -> Paired:
    """Counts, test and interval for something that holds or not, under first and second."""
    both = sum(a and b for a, b in pairs)
    only_first = sum(a and not b for a, b in pairs)
    only_second = sum(b and not a for a, b in pairs)
    low, high = bootstrap(only_first, only_second, len(pairs), seed=seed)
    return Paired(
        what=what,
        both=both,
        only_first=only_first,
        only_second=only_second,
        neither=len(pairs) - both - only_first - only_second,
        p_value=mcnemar(only_first, only_second),
        low=low,
        high=high,
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p of McNemar's exact test (Psychometrika 12, 1947): binomial on the discordant.

    Twice the smaller tail of Binomial(only_first + only_second, 1/2), at most 1. The terms are
    summed as logarithms, so that 100,000 tickets neither overflow nor take long.
    """
    n, k = only_first + only_second, min(only_first, only_second)
    if n == 0:
        return 1.0
    logs = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2)
        for i in range(k + 1)
    ]
    largest = max(logs)
    tail = math.exp(largest) * math.fsum(math.exp(log - largest) for log in logs)
    return min(1.0, 2 * tail)


def bootstrap(
    only_first: int, only_second: int, total: int, *, seed: int, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """95 % percentile interval of the paired difference (Efron, Annals of Statistics 7, 1979).

    Drawing tickets with replacement and counting is drawing the three counts (first only, second
    only, no difference) from a multinomial distribution; that is what is done.
    """
    if total == 0:
        return 0.0, 0.0
    same = total - only_first - only_second
    drawn = np.random.default_rng(seed).multinomial(
        total, [only_first / total, only_second / total, same / total], size=resamples
    )
    differences = (drawn[:, 1] - drawn[:, 0]) / total
    low, high = np.quantile(differences, [0.025, 0.975])
    return float(low), float(high)
