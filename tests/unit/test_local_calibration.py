"""Thresholds from a promised precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagedesk.classify.calibration import (
    ENOUGH,
    MARGIN,
    UNFAMILIAR,
    measured,
    unfamiliar_below,
    unmeasured,
)


def test_too_few_corrections_leave_the_threshold_cautious_and_say_so() -> None:
    few = measured(0.95, np.full(5, 0.99, np.float32), np.ones(5, bool))
    assert few.value == unmeasured(0.95, 5).value > 0.95
    assert few.measured_on == 0
    assert f"5 of {ENOUGH}" in few.reason


def test_the_threshold_lets_through_what_kept_the_promise() -> None:
    confidence = np.linspace(1, 0, 200).astype(np.float32)
    right = confidence > 0.5
    found = measured(0.95, confidence, right)
    kept = confidence >= found.value
    assert right[kept].mean() >= 0.95
    assert kept.mean() > 0.45


def test_nothing_passes_when_no_confidence_keeps_the_promise() -> None:
    random = np.random.default_rng(1)
    found = measured(0.95, random.random(300).astype(np.float32), random.random(300) < 0.5)
    assert found.value > 1
    assert "no confidence reaches" in found.reason


@pytest.mark.parametrize("promised", [0.8, 0.9, 0.95, 0.99])
def test_a_higher_promise_never_lowers_the_threshold(promised: float) -> None:
    confidence = np.linspace(1, 0, 500).astype(np.float32)
    right = np.random.default_rng(0).random(500) < confidence
    assert measured(promised, confidence, right).value >= measured(0.7, confidence, right).value


@given(st.integers(100, 400), st.integers(0, 2**32 - 1))
def test_the_promise_holds_on_what_was_measured(size: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    confidence = np.sort(random.random(size).astype(np.float32))[::-1].copy()
    right = random.random(size) < confidence
    found = measured(0.9, confidence, right)
    kept = confidence >= found.value
    assert not kept.any() or right[kept].mean() >= 0.9 + MARGIN - 2 / max(1, kept.sum())


def test_the_least_familiar_corrections_say_what_is_unfamiliar() -> None:
    familiar = np.linspace(0, 1, 500).astype(np.float32)
    assert (familiar < unfamiliar_below(familiar)).mean() == UNFAMILIAR
    assert unfamiliar_below(familiar[: ENOUGH - 1]) == float("-inf")
