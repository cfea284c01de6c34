"""A run's bar moves as tickets are answered, and never back."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagedesk import app, pipeline
from triagedesk.catalog import ServiceCatalog
from triagedesk.classify import StageResult
from triagedesk.classify.cascade import Progress
from triagedesk.desk import Counted, Silence
from triagedesk.tickets import Ticket


class Bar(Silence):
    def __init__(self) -> None:
        self.steps: list[int] = []

    def advance(self, count: int) -> None:
        self.steps.append(count)


@given(st.lists(st.integers(min_value=0, max_value=300), max_size=20))
def test_steps_go_forward_and_add_up_to_the_part(done: list[int]) -> None:
    bar = Bar()
    counted = Counted(bar, 200)
    for number in [*done, 200]:
        counted.up_to(number, 200)
    assert all(step > 0 for step in bar.steps)
    assert sum(bar.steps) == 200


def test_a_classifier_that_says_how_far_it_is_is_listened_to() -> None:
    class Talking:
        name, version = "local", "1"

        def classify(self, tickets: Sequence[Ticket], catalog: ServiceCatalog) -> StageResult:
            raise AssertionError("asked without progress")

        def classify_with_progress(
            self, tickets: Sequence[Ticket], catalog: ServiceCatalog, on_progress: Progress
        ) -> StageResult:
            for done in range(1, len(tickets) + 1):
                on_progress(done, len(tickets))
            return StageResult()

    bar = Bar()
    asked = [Ticket(source="t", id=str(n), short_description=f"ticket {n}") for n in range(3)]
    catalog = ServiceCatalog(entries=(), version="none")
    pipeline.classify(Talking(), asked, catalog, Counted(bar, 3).up_to)
    assert bar.steps == [1, 1, 1]


def test_all_calls_of_a_process_share_one_pace() -> None:
    assert app.pace(7) is app.pace(7)
    assert app.pace(0) is None
    reserve = getattr(app.pace(7), "reserve", None)
    assert reserve is not None
    assert reserve() == pytest.approx(0.0)
