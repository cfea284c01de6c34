"""Calls to a model begin no faster than the desk allows, however many ask at once."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagedesk.classify.llm.pace import WINDOW, CallsPerMinute, Unhurried


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_so_many_calls_begin_at_once_and_the_next_waits_for_the_window() -> None:
    clock = Clock()
    pace = CallsPerMinute(3, clock)
    assert [pace.reserve() for _ in range(4)] == [0.0, 0.0, 0.0, WINDOW]
    clock.now += 10
    assert pace.reserve() == WINDOW - 10


def test_after_a_quiet_minute_nobody_waits() -> None:
    clock = Clock()
    pace = CallsPerMinute(1, clock)
    assert pace.reserve() == 0.0
    clock.now += WINDOW
    assert pace.reserve() == 0.0


@given(
    st.integers(min_value=1, max_value=4),
    st.lists(st.floats(min_value=0, max_value=50), min_size=1, max_size=30),
)
def test_no_minute_ever_holds_more_calls_than_allowed(calls: int, pauses: list[float]) -> None:
    clock = Clock()
    pace = CallsPerMinute(calls, clock)
    begun: list[float] = []
    for pause in pauses:
        clock.now += pause
        begun.append(clock.now + pace.reserve())
    for i in range(calls, len(begun)):
        assert begun[i] - begun[i - calls] >= WINDOW - 1e-6


def test_threads_share_one_pace() -> None:
    pace = CallsPerMinute(5, Clock())
    waits: list[float] = []
    threads = [threading.Thread(target=lambda: waits.append(pace.reserve())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == sorted([0.0, WINDOW, 2 * WINDOW, 3 * WINDOW] * 5)


def test_without_a_limit_nobody_waits() -> None:
    assert Unhurried().reserve() == 0.0


def test_less_than_one_call_a_minute_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        CallsPerMinute(0)
