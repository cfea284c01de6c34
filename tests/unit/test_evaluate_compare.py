"""Comparing two policies on the same tickets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.evaluations import A, B, an_evaluation, an_outcome
from triagedesk.classify.evaluate import wording
from triagedesk.classify.evaluate.compare import bootstrap, compare, mcnemar
from triagedesk.errors import InputError


def test_mcnemar_by_hand() -> None:
    # One of eight the other way: 2 * (1 + 8) / 256.
    assert mcnemar(1, 7) == pytest.approx(18 / 256)
    assert mcnemar(0, 5) == pytest.approx(2 / 32)
    assert mcnemar(4, 4) == 1.0
    assert mcnemar(0, 0) == 1.0


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_the_exact_binomial_test(first: int, second: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    p = mcnemar(first, second)

    assert 0 <= p <= 1
    assert p == mcnemar(second, first)
    if first + second:
        assert p == pytest.approx(stats.binomtest(first, first + second).pvalue, rel=1e-8)


def test_mcnemar_stands_a_hundred_thousand_tickets() -> None:
    assert mcnemar(50_000, 50_000) == pytest.approx(1.0)
    assert mcnemar(49_000, 51_000) < 1e-9


def test_the_bootstrap_is_seeded_and_holds_the_difference() -> None:
    low, high = bootstrap(10, 30, 200, seed=1)

    assert (low, high) == bootstrap(10, 30, 200, seed=1)
    assert low < 0.1 < high
    # Close to the normal approximation: 0.1 ± 1.96 * sqrt((40 - 20**2/200) / 200**2).
    assert (low, high) == pytest.approx((0.0396, 0.1604), abs=0.01)
    assert bootstrap(0, 0, 50, seed=1) == (0.0, 0.0)


def test_two_policies_are_paired_by_ticket() -> None:
    first = an_evaluation([an_outcome(0, A, A), an_outcome(1, A, B), an_outcome(2, B, B)])
    second = an_evaluation(
        [an_outcome(1, A, A, alone=True), an_outcome(0, A, A), an_outcome(2, B, None)],
        policy="llm",
    )
    found = compare(first, second, seed=0)
    right, alone, _ = found.paired

    assert (right.both, right.only_first, right.only_second, right.neither) == (1, 1, 1, 0)
    assert right.difference == 0
    assert (alone.only_first, alone.only_second) == (0, 1)
    assert [(c.ticket_id, c.first, c.second) for c in found.changed] == [
        ("T-1", B, A),
        ("T-2", B, None),
    ]


def test_tickets_that_only_one_side_has_are_counted_and_left_out() -> None:
    first = an_evaluation([an_outcome(0, A, A), an_outcome(1, A, A)])
    second = an_evaluation([an_outcome(0, A, A), an_outcome(1, B, B), an_outcome(9, A, A)])

    found = compare(first, second, seed=0)

    assert found.paired[0].total == 1
    assert found.left_out == 3
    assert "3 tickets" in wording.verdict(found)


def test_another_file_under_the_same_ids_is_refused() -> None:
    first = an_evaluation([an_outcome(0, A, A, subject="printer")])
    second = an_evaluation([an_outcome(0, A, A, subject="password")])

    with pytest.raises(InputError, match="no ticket in common"):
        compare(first, second, seed=0)


def test_the_verdict_says_whether_it_may_be_chance() -> None:
    def sides(better: int) -> str:
        first = an_evaluation([an_outcome(i, A, B) for i in range(20)], policy="one")
        second = an_evaluation(
            [an_outcome(i, A, A if i < better else B) for i in range(20)], policy="two"
        )
        return wording.verdict(compare(first, second, seed=0))

    assert "two is more accurate" in sides(10)
    assert "may be chance" in sides(3)
    assert "No difference" in sides(0)
