"""Figures: small cases by hand, scikit-learn beside them, and what must hold for any outcomes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.evaluations import A, B, C, an_evaluation, an_outcome
from triagedesk.classify import Usage
from triagedesk.classify.evaluate import Outcome, figures

LABELS = [A, B, C]
some_outcomes = st.lists(
    st.tuples(
        st.sampled_from(LABELS),
        st.sampled_from([*LABELS, None]),
        st.sampled_from([0.1, 0.25, 0.5, 0.75, 0.9, 1.0]),
        st.booleans(),
    ),
    min_size=1,
    max_size=60,
).map(
    lambda rows: [
        an_outcome(
            i,
            truth,
            answer,
            confidence=confidence if answer else 0.0,
            alone=alone and answer is not None,
        )
        for i, (truth, answer, confidence, alone) in enumerate(rows)
    ]
)


def five() -> list[Outcome]:
    """Truth A A A B B; answered A A B B nothing."""
    pairs = [(A, A, 0.9), (A, A, 0.8), (A, B, 0.7), (B, B, 0.6), (B, None, 0.0)]
    return [
        an_outcome(i, truth, answer, confidence=confidence, alone=confidence >= 0.7)
        for i, (truth, answer, confidence) in enumerate(pairs)
    ]


def test_five_tickets_by_hand() -> None:
    found = figures.figures_of(an_evaluation(five()))

    assert (found.accuracy.count, found.accuracy.total) == (3, 5)
    a, b = found.classes
    assert (a.precision, a.recall, a.f1) == pytest.approx((1.0, 2 / 3, 0.8))
    assert (b.precision, b.recall, b.f1) == (0.5, 0.5, 0.5)
    assert found.macro_f1 == pytest.approx(0.65)
    assert found.alone.value == pytest.approx(0.6)
    assert found.alone_right.value == pytest.approx(2 / 3)
    assert [(c.truth, c.answer, c.count) for c in found.confused] == [(A, B, 1), (B, None, 1)]
    assert found.confused[1].share == pytest.approx(0.5)
    assert found.throughput == pytest.approx(2.5)


def test_the_coverage_curve_by_hand() -> None:
    found = figures.figures_of(an_evaluation(five())).coverage

    assert [(p.threshold, p.coverage) for p in found] == [
        (0.9, 0.2),
        (0.8, 0.4),
        (0.7, pytest.approx(0.6)),
        (0.6, 0.8),
    ]
    assert [p.precision for p in found] == pytest.approx([1, 1, 2 / 3, 3 / 4])
    # Nothing answered is never covered: the curve ends at 4 of 5.
    assert figures.coverage_at(found, 0.95) == pytest.approx(0.4)
    assert figures.coverage_at(found, 0.75) == pytest.approx(0.8)


def test_tickets_of_one_confidence_are_taken_or_left_together() -> None:
    curve = figures.coverage_curve(np.full(4, 0.5), np.array([True, True, False, False]), total=4)

    assert [(p.coverage, p.precision) for p in curve] == [(1.0, 0.5)]


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    rng = np.random.default_rng(1)
    curve = figures.coverage_curve(rng.random(5_000), rng.random(5_000) < 0.8, total=5_000)
    thin = figures.thinned(curve)

    assert len(thin) <= figures.CURVE_POINTS + 1
    assert (thin[0], thin[-1]) == (curve[0], curve[-1])
    assert set(thin) <= set(curve)


def test_the_wilson_interval_is_the_published_one() -> None:
    # Newcombe (Statistics in Medicine 17, 1998), table I: 81 of 263 and 15 of 148, 0 of 20.
    assert figures.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert figures.wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert figures.wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert figures.wilson(0, 0) == (0.0, 1.0)


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.2, 0.2, 0.9, 0.9])
    right = np.array([False, False, True, True])
    bins = figures.reliability(confidence, right, bins=2)

    assert [b.count for b in bins] == [2, 2]
    assert [b.confidence for b in bins] == pytest.approx([0.2, 0.9])
    assert [b.accuracy for b in bins] == [0.0, 1.0]
    assert figures.calibration_error(bins) == pytest.approx((2 * 0.2 + 2 * 0.1) / 4)


def test_bins_hold_about_the_same_number_of_tickets() -> None:
    rng = np.random.default_rng(7)
    bins = figures.reliability(rng.random(1_000), rng.random(1_000) < 0.5)

    assert len(bins) == figures.BINS
    assert all(66 <= b.count <= 67 for b in bins)


def test_perfectly_calibrated_answers_have_hardly_an_error() -> None:
    rng = np.random.default_rng(3)
    confidence = rng.random(200_000)
    bins = figures.reliability(confidence, rng.random(200_000) < confidence)

    assert figures.calibration_error(bins) < 0.01


def test_nothing_decided_alone_neither_keeps_nor_breaks_a_promise() -> None:
    assert "nothing" in figures.promise_kept(figures.share(0, 0), 0.95)
    assert figures.promise_kept(figures.share(96, 100), 0.95) == "kept"
    assert "chance" in figures.promise_kept(figures.share(93, 100), 0.95)
    assert figures.promise_kept(figures.share(70, 100), 0.95) == "broken"


def test_cost_scales_what_was_asked_to_every_ticket() -> None:
    usage = Usage(calls=2, input_tokens=40_000, output_tokens=2_000)
    cost = figures.Cost(usage=usage, asked=50, total=200, price_in=1.0, price_out=10.0)

    assert cost.tokens_per_1000 == pytest.approx((200_000, 10_000))
    assert cost.llm_only_tokens_per_1000 == pytest.approx((800_000, 40_000))
    assert cost.per_1000 == pytest.approx(0.2 + 0.1)
    assert cost.llm_only_per_1000 == pytest.approx(1.2)
    assert cost.saved == pytest.approx(0.75)


def test_without_prices_there_is_no_money_and_without_calls_no_saving() -> None:
    asked = figures.Cost(usage=Usage(calls=1, input_tokens=10), asked=5, total=10)
    never = figures.Cost(usage=Usage(), asked=0, total=10, price_in=1.0, price_out=1.0)

    assert (asked.per_1000, asked.llm_only_per_1000) == (None, None)
    assert (never.per_1000, never.saved, never.llm_only_per_1000) == (0.0, None, None)


def test_an_evaluation_of_nothing_has_figures() -> None:
    found = figures.figures_of(an_evaluation([], seconds=0.0))

    assert (found.accuracy.value, found.macro_f1, found.ece) == (0.0, 0.0, 0.0)
    assert not found.coverage
    assert found.throughput is None


@given(some_outcomes)
def test_figures_agree_with_scikit_learn(outcomes: list[Outcome]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    found = figures.figures_of(an_evaluation(outcomes))
    truth = [str(o.truth) for o in outcomes]
    answers = [str(o.answer) for o in outcomes]
    labels = sorted({*truth, *answers} - {"None"})

    assert found.accuracy.value == pytest.approx(metrics.accuracy_score(truth, answers))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        truth, answers, labels=labels, zero_division=0.0
    )
    assert [str(c.label) for c in found.classes] == labels
    assert [c.precision for c in found.classes] == pytest.approx(precision)
    assert [c.recall for c in found.classes] == pytest.approx(recall)
    assert [c.f1 for c in found.classes] == pytest.approx(f1)
    assert [c.support for c in found.classes] == list(support)
    assert found.macro_f1 == pytest.approx(np.mean(f1))
    matrix = figures.confusion_matrix(outcomes, [c.label for c in found.classes])
    expected = metrics.confusion_matrix(truth, answers, labels=[*labels, "None"])
    assert matrix.tolist() == expected[: len(labels)].tolist()


@given(some_outcomes)
def test_what_holds_for_any_outcomes(outcomes: list[Outcome]) -> None:
    found = figures.figures_of(an_evaluation(outcomes))

    weighted = sum(c.recall * c.support for c in found.classes) / len(outcomes)
    assert found.accuracy.value == pytest.approx(weighted)
    assert found.accuracy.low <= found.accuracy.value <= found.accuracy.high
    thresholds = [p.threshold for p in found.coverage]
    coverages = [p.coverage for p in found.coverage]
    assert thresholds == sorted(set(thresholds), reverse=True)
    assert coverages == sorted(set(coverages))
    if found.coverage:
        # At the far end everything answered is covered.
        assert coverages[-1] * found.coverage[-1].precision == pytest.approx(found.accuracy.value)
    assert 0 <= found.ece <= 1
    assert len(found.bins) <= figures.BINS
    answered = sum(o.answer is not None for o in outcomes)
    assert sum(b.count for b in found.bins) == answered
    assert sum(c.count for c in found.confused) == len(outcomes) - found.accuracy.count
    coverage_at = [coverage for _, coverage in found.hindsight]
    assert coverage_at == sorted(coverage_at, reverse=True)


@given(some_outcomes, st.randoms(use_true_random=False))
def test_the_order_of_tickets_changes_nothing(outcomes: list[Outcome], rng: object) -> None:
    shuffled = list(outcomes)
    rng.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis gives a random.Random

    one, other = (figures.figures_of(an_evaluation(o)) for o in (outcomes, shuffled))
    assert one.confused == other.confused
    assert one.coverage == other.coverage
    assert one.ece == pytest.approx(other.ece)
