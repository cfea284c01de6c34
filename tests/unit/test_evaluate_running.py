"""Asking classifiers about cases, with and without learning."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.evaluations import A, B, C, Scripted, a_case, a_catalog
from triagedesk.catalog import Label, ServiceCatalog
from triagedesk.classify import StageResult, Usage
from triagedesk.classify.corrections import Correction, text_key
from triagedesk.classify.evaluate import Case, running
from triagedesk.errors import ModelUnavailable
from triagedesk.tickets import Ticket

CASES = [a_case(i, (A, B, C)[i % 3], f"printer number {i} is on fire") for i in range(30)]
PLAN = running.Plan(policy="local", promised=0.95)


def perfect() -> Scripted:
    """Knows every case of CASES."""
    return Scripted({c.ticket.short_description: [(c.truth, 0.9)] for c in CASES})


def ticking() -> float:
    """A clock that stands still."""
    return 0.0


def test_the_truth_is_never_shown_to_a_classifier() -> None:
    classifier = perfect()
    running.run(
        CASES,
        a_catalog(A, B, C),
        PLAN,
        learn=lambda _: running.Contestant(classifier=classifier),
        clock=ticking,
    )

    assert len(classifier.seen) == len(CASES)
    for ticket in classifier.seen:
        assert (ticket.request_category, ticket.request_type) == ("", "")


def test_outcomes_come_in_the_order_of_the_file_also_across_folds() -> None:
    plan = running.Plan(policy="local", promised=0.95, folds=4, seed=3)
    found = running.run(
        CASES,
        a_catalog(A, B, C),
        plan,
        learn=lambda _: running.Contestant(classifier=perfect()),
        clock=ticking,
    )

    assert [o.ticket_id for o in found.outcomes] == [c.ticket.id for c in CASES]
    assert {o.fold for o in found.outcomes} == {1, 2, 3, 4}
    assert all(o.right and o.alone for o in found.outcomes)


def test_no_ticket_is_answered_by_what_has_learnt_its_own_text() -> None:
    doubled = [*CASES, *(a_case(100 + i, A, CASES[i].ticket.text.upper()) for i in range(10))]
    learnt: list[set[str]] = []
    asked: list[list[Ticket]] = []

    def learn(corrections: Sequence[Correction]) -> running.Contestant:
        classifier = perfect()
        learnt.append({correction.key for correction in corrections})
        asked.append(classifier.seen)
        return running.Contestant(classifier=classifier)

    plan = running.Plan(policy="local", promised=0.95, folds=3)
    running.run(doubled, a_catalog(A, B, C), plan, learn=learn, clock=ticking)

    assert len(learnt) == 3
    for known, tickets in zip(learnt, asked, strict=True):
        assert known
        assert not known & {text_key(ticket.text) for ticket in tickets}


def test_a_ticket_without_an_answer_is_wrong_and_left_to_a_person() -> None:
    found = running.run(
        CASES[:2],
        a_catalog(A, B, C),
        PLAN,
        learn=lambda _: running.Contestant(classifier=Scripted({})),
        clock=ticking,
    )

    assert [(o.answer, o.alone, o.confidence) for o in found.outcomes] == [(None, False, 0.0)] * 2


def test_what_a_language_model_is_asked_and_fails_at_is_counted() -> None:
    usage = Usage(calls=1, input_tokens=70, output_tokens=7)
    stage = Scripted(
        {CASES[0].ticket.short_description: [(A, 0.9)]},
        usage=usage,
        failures={c.ticket.short_description: "no connection" for c in CASES[1:4]},
    )
    llm = running.Watched(stage)
    found = running.run(
        CASES[:4],
        a_catalog(A, B, C),
        PLAN,
        learn=lambda _: running.Contestant(classifier=llm, llm=llm, missing=("no MiniLM",)),
        clock=ticking,
    )

    assert (found.asked, found.usage) == (4, usage)
    assert found.notes == (
        "no MiniLM",
        "the language model had no answer for 3 of 4 tickets: no connection",
    )


def test_a_language_model_that_fails_as_a_whole_is_said() -> None:
    class Away(Scripted):
        def classify(self, tickets: Sequence[Ticket], catalog: ServiceCatalog) -> StageResult:
            raise ModelUnavailable(f"nobody there for {len(tickets)} in {catalog.origin}")

    llm = running.Watched(Away({}))
    result = llm.classify([CASES[0].ticket], a_catalog(A))

    assert result.failures == {"T-0": "nobody there for 1 in test"}
    assert llm.failures == {"nobody there for 1 in test": 1}


def test_time_is_counted_for_answers_only() -> None:
    times = iter(float(i) for i in range(100))

    def evaluate(plan: running.Plan) -> float:
        return running.run(
            CASES,
            a_catalog(A, B, C),
            plan,
            learn=lambda _: running.Contestant(classifier=perfect()),
            clock=lambda: next(times),
        ).seconds

    assert evaluate(PLAN) == 1.0
    assert evaluate(running.Plan(policy="local", promised=0.95, timed=False)) == 0.0


@given(st.integers(2, 6), st.integers(0, 50), st.lists(st.sampled_from([A, B, C]), min_size=6))
def test_folds_are_even_and_each_label_is_in_as_many_as_it_can(
    folds: int, seed: int, labels: list[Label]
) -> None:
    cases = [a_case(i, label, f"text {i}") for i, label in enumerate(labels)]
    parts = running.fold_of(cases, folds, seed=seed)

    assert parts == running.fold_of(cases, folds, seed=seed)
    sizes = [parts.count(part) for part in range(1, folds + 1)]
    assert max(sizes) - min(sizes) <= 1
    for label in set(labels):
        own = [part for part, case in zip(parts, cases, strict=True) if case.truth == label]
        assert len(set(own)) == min(folds, len(own))


def test_the_learning_curve_holds_out_the_same_tickets_at_every_step() -> None:
    seen: dict[int, list[str]] = {}

    def learn(corrections: Sequence[Correction]) -> running.Contestant:
        class Remembering(Scripted):
            def classify(self, tickets: Sequence[Ticket], catalog: ServiceCatalog) -> StageResult:
                seen.setdefault(len(corrections), []).extend(t.id for t in tickets)
                return super().classify(tickets, catalog)

        known = {c.text: [(c.label, 0.9)] for c in corrections}
        return running.Contestant(classifier=Remembering(known))

    plan = running.Plan(policy="local", promised=0.95, folds=2)
    curve = running.learning_curve(CASES, a_catalog(A, B, C), plan, learn=learn)

    assert [p.corrections for p in curve] == [0, 10, 15]
    assert all(p.total == 30 for p in curve)
    assert seen[0] == seen[10] == seen[15]


def test_a_sample_is_seeded_and_in_the_order_of_the_file() -> None:
    drawn = running.sample(CASES, 10, seed=5)

    assert drawn == running.sample(CASES, 10, seed=5)
    assert drawn != running.sample(CASES, 10, seed=6)
    assert len(drawn) == 10
    assert [CASES.index(case) for case in drawn] == sorted(CASES.index(case) for case in drawn)
    assert running.sample(CASES, 0, seed=0) == tuple(CASES)


@pytest.mark.parametrize(
    ("available", "steps"), [(8, (0, 8)), (10, (0, 10)), (60, (0, 10, 25, 50, 60))]
)
def test_the_last_step_of_a_learning_curve_is_all_there_is(
    available: int, steps: tuple[int, ...]
) -> None:
    assert running.curve_steps(available) == steps


def test_corrections_carry_what_a_desk_would_have_kept() -> None:
    case: Case = a_case(1, A, "printer")

    assert running.as_corrections([case]) == (Correction(text="printer", label=A, ticket_id="T-1"),)
