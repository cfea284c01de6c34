"""The HTML page: whole, escaped, and free of anything from elsewhere."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from support.evaluations import A, B, C, an_evaluation, an_outcome
from triagedesk.catalog import Label
from triagedesk.classify.evaluate import CurvePoint, Evaluation
from triagedesk.classify.evaluate.charts import Axis, Series, chart, count_axis, percent_axis
from triagedesk.classify.evaluate.compare import Comparison, compare
from triagedesk.classify.evaluate.figures import Cost, figures_of
from triagedesk.classify.evaluate.page import Side, Subject, page

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}&amp;'
VOID = {"meta"}


class Reader(HTMLParser):
    """Checks that elements nest, and collects them."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def side(evaluation: Evaluation) -> Side:
    cost = Cost(usage=evaluation.usage, asked=evaluation.asked, total=len(evaluation.outcomes))
    return evaluation, figures_of(evaluation), cost


def rendered(*evaluations: Evaluation, origin: str = "history.csv") -> Reader:
    comparison: Comparison | None = (
        compare(evaluations[0], evaluations[1], seed=0) if len(evaluations) > 1 else None
    )
    subject = Subject(
        origin=origin,
        catalog="a catalog",
        set_aside=1,
        left_out=2,
        made_at=datetime(2026, 1, 5, 9, tzinfo=UTC),
    )
    reader = Reader()
    reader.feed(page(subject, [side(e) for e in evaluations], comparison))
    reader.close()
    assert reader.open == []
    return reader


def some(policy: str = "local", wrong: int = 4, **fields: object) -> Evaluation:
    outcomes = [
        an_outcome(i, (A, B, C)[i % 3], A if i < wrong else (A, B, C)[i % 3], confidence=i / 30)
        for i in range(30)
    ]
    return an_evaluation(outcomes, policy=policy, **fields)


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    reader = rendered(some(curve=(CurvePoint(corrections=0, right=1, total=2),)))

    assert not [
        tag for tag, _ in reader.tags if tag in ("script", "link", "img", "iframe", "object")
    ]
    for _, attributes in reader.tags:
        assert not {"src", "href", "srcset", "data", "onload", "onclick"} & set(attributes)
    assert any("default-src 'none'" in (a.get("content") or "") for _, a in reader.tags)
    assert "url(" not in reader.text
    assert "@import" not in reader.text


def test_every_chart_has_a_title_a_description_and_a_table_behind_it() -> None:
    reader = rendered(
        some(
            curve=(
                CurvePoint(corrections=0, right=1, total=2),
                CurvePoint(corrections=9, right=2, total=2),
            )
        )
    )
    charts = [a for tag, a in reader.tags if tag == "svg" and a.get("class") == "chart"]
    ids = {a["id"] for _, a in reader.tags if "id" in a}

    assert len(charts) == 3
    for attributes in charts:
        assert attributes["role"] == "img"
        assert set((attributes["aria-labelledby"] or "").split()) <= ids
    assert sum(tag == "summary" for tag, _ in reader.tags) >= 3


def test_hostile_labels_subjects_and_names_stay_text() -> None:
    evil = Label(HOSTILE, HOSTILE)
    outcomes = [an_outcome(i, evil, (A, None)[i % 2], subject=HOSTILE) for i in range(3)]
    one = an_evaluation(outcomes, policy=HOSTILE, notes=(HOSTILE,), version=HOSTILE)
    other = an_evaluation([an_outcome(0, evil, evil, subject=HOSTILE)], policy="b")

    for reader in (rendered(one, origin=HOSTILE), rendered(one, other, origin=HOSTILE)):
        assert not [tag for tag, _ in reader.tags if tag in ("script", "img")]
        assert not [a for _, a in reader.tags if any(name.startswith("on") for name in a)]
        assert "{{ 7*7 }}" in reader.text
        assert "49&amp;" not in reader.text


def test_two_policies_are_side_by_side_with_the_test() -> None:
    reader = rendered(some("first way", wrong=20), some("second way", wrong=2))

    assert "second way is more accurate" in reader.text
    assert "Answered differently" in reader.text
    assert len([a for tag, a in reader.tags if tag == "polyline" and a["class"] == "line s1"]) == 2


def test_policies_with_the_same_answers_show_their_labels_once() -> None:
    reader = rendered(some("first way"), some("second way"))

    assert "Both policies gave every ticket the same label" in reader.text
    assert len(re.findall("What is confused", reader.text)) == 1


@pytest.mark.parametrize("labels", [2, 40])
def test_a_matrix_is_drawn_while_it_can_be_read(labels: int) -> None:
    names = [Label("Many", f"type {i:02}") for i in range(labels)]
    reader = rendered(an_evaluation([an_outcome(i, n, names[0]) for i, n in enumerate(names)]))

    assert any(a.get("class") == "matrix" for _, a in reader.tags) == (labels <= 30)


def test_a_page_of_one_ticket_holds() -> None:
    assert "100.0%" in rendered(an_evaluation([an_outcome(0, A, A)])).text


def test_points_lie_within_the_drawing() -> None:
    drawn = chart(
        "t",
        "d",
        count_axis("n", [0, 10, 1_000]),
        percent_axis("p", 0.73),
        [Series(name="s", points=[(0, -1, 0, ""), (10, 0.8, 1, ""), (1_000, 2, 0.5, "")])],
    )
    pairs = [tuple(map(float, p.split(","))) for p in drawn.lines[0].points.split()]

    assert all(0 <= x <= 560 and 0 <= y <= 340 for x, y in pairs)
    assert drawn.y_ticks[0].text == "70%"
    assert [tick.text for tick in drawn.x_ticks] == ["0", "10", "1,000"]


def test_ticks_of_a_count_axis_do_not_run_into_one_another() -> None:
    axis: Axis = count_axis("n", [0, 10, 25, 50, 100, 133])

    assert [text for _, text in axis.ticks] == ["0", "10", "25", "50", "133"]
