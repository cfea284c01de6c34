"""Charts and the figures in them, by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagedesk.agents import Agent
from triagedesk.store.insights import Answered, KeptTargets
from triagedesk.web import charts, insights, sla
from triagedesk.web.charts import Bar, Line
from triagedesk.web.periods import PERIODS, Period, period_of
from triagedesk.web.texts import texts

NOW = datetime(2026, 3, 30, 12, tzinfo=UTC)
EN = texts("en")


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)


def widths(svg: str, of: str) -> list[float]:
    return [float(r.get("width", "")) for r in parsed(svg).iter("rect") if r.get("class") == of]


def test_names_from_outside_are_text_and_nothing_else() -> None:
    hostile = '<script>alert("x")</script>&'
    for svg in (
        charts.bars(hostile, [Bar(name=hostile, parts=(1,), shown=hostile)]),
        charts.columns(hostile, [(hostile, 1)]),
        charts.shares(hostile, [(hostile, 1)]),
        charts.lines(hostile, [Line(name=hostile, points=((0, 0),))] * 2, below=(hostile,)),
    ):
        assert [e.tag for e in parsed(svg).iter() if e.tag == "script"] == []
        assert parsed(svg).findtext("title") == hostile
        assert "style=" not in svg


def test_bars_are_as_long_as_their_values() -> None:
    svg = charts.bars(
        "T", [Bar(name="a", parts=(10,), shown="10"), Bar(name="b", parts=(5,), shown="5")]
    )
    long, short = widths(svg, "c1")
    assert long == pytest.approx(2 * short, abs=0.1)
    assert widths(svg, "rail") == [long, long]


def test_a_bar_over_the_most_ends_at_the_most() -> None:
    svg = charts.bars("T", [Bar(name="a", parts=(3, 9), shown="")], most=4.0)
    (first,), (second,) = widths(svg, "c1"), widths(svg, "c2")
    (rail,) = widths(svg, "rail")
    assert first == pytest.approx(0.75 * rail, abs=0.1)
    assert first + second == pytest.approx(rail, abs=0.2)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: charts.bars("T", []),
        lambda: charts.columns("T", []),
        lambda: charts.shares("T", []),
        lambda: charts.lines("T", [], below=()),
        lambda: charts.shares("T", [("a", 0)]),
    ],
)
def test_nothing_to_draw_is_drawn_as_nothing(draw: object) -> None:
    assert callable(draw)
    assert parsed(draw()).findtext("title") == "T"


def test_a_gap_in_a_line_stays_a_gap() -> None:
    line = Line(name="x", points=((0, 0.5), (0.5, None), (1, 1.0)))
    svg = parsed(charts.lines("T", [line], below=("a", "b")))
    (path,) = [e.get("d", "") for e in svg.iter("path") if "line" in e.get("class", "")]
    assert path.count("M") == 2
    assert "L" not in path
    assert len(list(svg.iter("circle"))) == 2


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.sampled_from(sorted(PERIODS)))
def test_every_day_of_a_period_is_in_one_of_its_spans(today: date, days: int) -> None:
    period = Period(days=days, today=today)
    spans = [period.span_of(period.first + timedelta(days=day)) for day in range(days)]
    assert spans == sorted(spans)
    assert set(spans) == set(range(period.spans))
    assert period.starts()[0] == period.first
    assert [period.span_of(start) for start in period.starts()] == list(range(period.spans))


@pytest.mark.parametrize(("given", "days"), [("7", 7), ("90", 90), ("", 30), ("8", 30), ("x", 30)])
def test_a_period_that_is_not_offered_is_thirty_days(given: str, days: int) -> None:
    assert period_of({"days": given}, NOW).days == days


def test_hours_are_those_of_the_desk_on_either_side_of_a_clock_change() -> None:
    before, after = datetime(2026, 3, 28, 8, tzinfo=UTC), datetime(2026, 3, 30, 8, tzinfo=UTC)
    chart = insights.by_hour({before: 3, after: 4}, ZoneInfo("Europe/Berlin"), EN)
    assert {row[0]: row[1] for row in chart.rows if row[1] != "0"} == {"09:00": "3", "10:00": "4"}


def test_the_rest_of_many_categories_is_one_bar_and_the_table_has_all() -> None:
    chart = insights.by_category({f"c{n}": 30 - n for n in range(20)}, EN)
    assert len(widths(chart.svg, "c1")) == 13
    assert len(chart.rows) == 20


def test_who_decided_adds_up() -> None:
    chart = insights.deciders({("local", False): 6, ("llm", False): 1, ("local", True): 3}, EN)
    assert {row[0]: row[2] for row in chart.rows if row[1] != "0"} == {
        "local model": "60.0%",
        "language model": "10.0%",
        "waits for review": "30.0%",
    }


def answer(confidence: float, *, right: bool) -> Answered:
    return Answered(decided_by="local", confidence=confidence, right=right, said_at=NOW)


def test_calibration_draws_bins_with_enough_answers_and_lists_all() -> None:
    found = [answer(0.85, right=n < 4) for n in range(5)] + [answer(1.0, right=True)]
    chart = insights.calibration(found, EN)
    assert chart.rows == (("80% – 90%", "5", "80.0%"), ("90% – 100%", "1", "100.0%"))
    assert len(list(parsed(chart.svg).iter("circle"))) == 1


def test_accuracy_is_the_share_of_answers_that_agreed() -> None:
    chart = insights.accuracy(
        [answer(0.9, right=True), answer(0.9, right=False)], Period(days=7, today=NOW.date()), EN
    )
    assert chart.rows == (("30 Mar", "2", "50.0%"),)


def test_the_fullest_agent_comes_first() -> None:
    roster = [
        Agent(id=name, name=name, skills={}, load=load, capacity=10)
        for name, load in (("ann", 2), ("bob", 12), ("cy", 4))
    ]
    chart = insights.utilisation(roster, {"ann": 7}, EN)
    assert [row[0] for row in chart.rows] == ["bob", "cy", "ann"]
    assert chart.rows[-1] == ("ann", "2", "10", "7")
    assert "60%" in chart.note


def test_compliance_has_all_categories_in_its_table() -> None:
    day = NOW.date()
    kept = [KeptTargets(day=day, category=f"c{n}", met=n, missed=1) for n in range(6)]
    chart = sla.compliance(kept, Period(days=30, today=day), EN)
    assert chart.rows[0] == ("All categories", "15", "6", "71.4%")
    assert chart.rows[1] == ("c5", "5", "1", "83.3%")
    assert len(chart.rows) == 7
    lines = [e for e in parsed(chart.svg).iter("path") if "line" in e.get("class", "")]
    assert len(lines) == 5
