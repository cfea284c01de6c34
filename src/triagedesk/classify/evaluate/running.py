"""Asking a classifier about cases: as it is, or cross-fitted with corrections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from triagedesk.catalog import Label, ServiceCatalog
from triagedesk.classify import Classifier, StageResult, Usage
from triagedesk.classify.corrections import Correction, text_key
from triagedesk.classify.evaluate import Case, CurvePoint, Evaluation, Outcome
from triagedesk.cleaning import excerpt
from triagedesk.errors import TriagedeskError
from triagedesk.tickets import Ticket

#: Corrections after which the learning curve is measured, as far as there are so many.
STEPS = (0, 10, 25, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
#: Held-out tickets a point of the learning curve is measured on, at most, over all folds.
CURVE_TICKETS = 1_000
#: Tickets asked together: for progress.
CHUNK = 200
#: Most notes kept of an evaluation.
MOST_NOTES = 10

#: Called with how many tickets have been answered since the last call.
Advance = Callable[[int], None]


class Watched:
    """A language-model stage, and what was asked of it and what it failed at."""

    def __init__(self, stage: Classifier) -> None:
        self._stage = stage
        #: Tickets handed to it.
        self.asked = 0
        #: Failure -> tickets it left without an answer.
        self.failures: dict[str, int] = {}

    @property
    def name(self) -> str:
        """The stage's name."""
        return self._stage.name

    @property
    def version(self) -> str:
        """The stage's version."""
        return self._stage.version

    def classify(self, tickets: Sequence[Ticket], catalog: ServiceCatalog) -> StageResult:
        """Pass on, and keep count; a stage that fails as a whole fails for each ticket."""
        self.asked += len(tickets)
        try:
            result = self._stage.classify(tickets, catalog)
        except TriagedeskError as error:
            result = StageResult(failures=dict.fromkeys((t.id for t in tickets), error.message))
        for reason in result.failures.values():
            self.failures[reason] = self.failures.get(reason, 0) + 1
        return result


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A classifier ready to answer."""

    classifier: Classifier
    #: The language model within it, where there is one.
    llm: Watched | None = None
    #: What is missing, in plain words.
    missing: tuple[str, ...] = ()


#: Makes a contestant that has learnt from these corrections; ready means models are loaded.
Learn = Callable[[Sequence[Correction]], Contestant]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure, and how."""

    policy: str
    #: The promised precision the contestants run with.
    promised: float
    #: 0: zero-shot; else each part is answered having learnt from the others.
    folds: int = 0
    seed: int = 0
    #: False when models have met these texts before, and their memory would flatter the time.
    timed: bool = True


def run(
    cases: Sequence[Case],
    catalog: ServiceCatalog,
    plan: Plan,
    *,
    learn: Learn,
    clock: Callable[[], float],
    advance: Advance = lambda _count: None,
) -> Evaluation:
    """Answers to all cases; no ticket is answered by what has learnt from its own text."""
    parts = fold_of(cases, plan.folds, seed=plan.seed) if plan.folds else [0] * len(cases)
    asking = _Asking(catalog=catalog, clock=clock, advance=advance)
    answers: dict[str, Outcome] = {}
    for fold in sorted(set(parts)):
        known = [case for case, part in zip(cases, parts, strict=True) if part != fold]
        held_out = [case for case, part in zip(cases, parts, strict=True) if part == fold]
        contestant = learn(as_corrections(known) if plan.folds else ())
        answers |= {o.ticket_id: o for o in asking.outcomes(contestant, held_out, fold)}
    return Evaluation(
        policy=plan.policy,
        version=asking.version,
        promised=plan.promised,
        outcomes=tuple(answers[case.ticket.id] for case in cases),
        labels=tuple(entry.label for entry in catalog.entries),
        catalog_version=catalog.version,
        folds=plan.folds,
        seed=plan.seed,
        seconds=asking.seconds if plan.timed else 0.0,
        usage=asking.usage,
        asked=asking.asked,
        notes=tuple(asking.notes),
    )


def learning_curve(
    cases: Sequence[Case],
    catalog: ServiceCatalog,
    plan: Plan,
    *,
    learn: Learn,
    advance: Advance = lambda _count: None,
) -> tuple[CurvePoint, ...]:
    """Accuracy on held-out cases after 0, 10, 25 … corrections, summed over the folds.

    In each fold the corrections come in one seeded order and the held-out tickets stay the same,
    so that points differ by what was learnt only.
    """
    parts = fold_of(cases, plan.folds, seed=plan.seed)
    asking = _Asking(catalog=catalog, clock=lambda: 0.0, advance=advance)
    sizes = curve_steps(min(len(cases) - parts.count(fold) for fold in set(parts)))
    right, total = dict.fromkeys(sizes, 0), 0
    for fold in sorted(set(parts)):
        known = [case for case, part in zip(cases, parts, strict=True) if part != fold]
        held_out = [case for case, part in zip(cases, parts, strict=True) if part == fold]
        rng = np.random.default_rng([plan.seed, fold])
        known = [known[i] for i in rng.permutation(len(known))]
        held_out = held_out[: max(1, CURVE_TICKETS // plan.folds)]
        total += len(held_out)
        for size in sizes:
            contestant = learn(as_corrections(known[:size]))
            found = asking.outcomes(contestant, held_out, fold)
            right[size] += sum(outcome.right for outcome in found)
    return tuple(CurvePoint(corrections=s, right=right[s], total=total) for s in sizes)


def curve_steps(available: int) -> tuple[int, ...]:
    """The steps there are corrections for, and all of them as the last."""
    steps = [step for step in STEPS if step < available]
    return (*steps, available)


def as_corrections(cases: Sequence[Case]) -> tuple[Correction, ...]:
    """Cases as a desk would have corrected them."""
    return tuple(
        Correction(text=case.ticket.text, label=case.truth, ticket_id=case.ticket.id)
        for case in cases
    )


def fold_of(cases: Sequence[Case], folds: int, *, seed: int) -> list[int]:
    """The part, from 1, each case is held out in: seeded, each label spread over all parts.

    Cases whose texts a model reads alike stay in one part: an answer remembered is no answer.
    """
    groups: dict[str, list[int]] = {}
    for position, case in enumerate(cases):
        groups.setdefault(text_key(case.ticket.text), []).append(position)
    by_label: dict[Label, list[list[int]]] = {}
    for positions in groups.values():
        by_label.setdefault(cases[positions[0]].truth, []).append(positions)
    rng = np.random.default_rng(seed)
    parts = [0] * len(cases)
    dealt = 0
    for label in sorted(by_label):
        # Dealt on from where the last label ended, or small labels would all fall into part 1.
        for i in rng.permutation(len(by_label[label])):
            for position in by_label[label][i]:
                parts[position] = dealt % folds + 1
            dealt += 1
    return parts


def sample(cases: Sequence[Case], limit: int, *, seed: int) -> tuple[Case, ...]:
    """At most `limit` cases drawn with the seed, in the file's order; 0 means all."""
    if not limit or len(cases) <= limit:
        return tuple(cases)
    chosen = np.random.default_rng(seed).permutation(len(cases))[:limit]
    return tuple(cases[i] for i in sorted(chosen.tolist()))


class _Asking:
    """Asks contestants and adds up what it took."""

    def __init__(
        self, *, catalog: ServiceCatalog, clock: Callable[[], float], advance: Advance
    ) -> None:
        self._catalog, self._clock, self._advance = catalog, clock, advance
        self.version = ""
        self.seconds = 0.0
        self.usage = Usage()
        self.asked = 0
        self.notes: dict[str, None] = {}

    def outcomes(self, contestant: Contestant, cases: Sequence[Case], fold: int) -> list[Outcome]:
        """One outcome a case, in order."""
        found: list[Outcome] = []
        for start in range(0, len(cases), CHUNK):
            chunk = cases[start : start + CHUNK]
            began = self._clock()
            result = contestant.classifier.classify([c.ticket for c in chunk], self._catalog)
            self.seconds += self._clock() - began
            self.usage += result.usage
            found += [_outcome(case, result, fold) for case in chunk]
            self._advance(len(chunk))
        self._add_up(contestant)
        # Each fold's model has a version of its own; the first stands for them.
        self.version = self.version or contestant.classifier.version
        return found

    def _add_up(self, contestant: Contestant) -> None:
        notes = list(contestant.missing)
        if contestant.llm:
            self.asked += contestant.llm.asked
            notes += [
                f"the language model had no answer for {count} of {contestant.llm.asked} tickets: "
                f"{excerpt(reason)}"
                for reason, count in contestant.llm.failures.items()
            ]
        self.notes.update(dict.fromkeys(notes[: MOST_NOTES - len(self.notes)]))


def _outcome(case: Case, result: StageResult, fold: int) -> Outcome:
    answer = result.answers.get(case.ticket.id)
    label = answer.label if answer else None
    return Outcome(
        ticket_id=case.ticket.id,
        where=case.where,
        subject=_subject(case.ticket),
        truth=case.truth,
        answer=label,
        confidence=answer.confidence if answer and label else 0.0,
        alone=bool(answer and label and not answer.needs_review),
        decided_by=answer.decided_by.value if answer else "",
        fold=fold,
    )


def _subject(ticket: Ticket) -> str:
    return excerpt(ticket.short_description or ticket.long_description, limit=120)
