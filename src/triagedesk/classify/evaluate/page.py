"""The report as one HTML page: nothing loaded from anywhere, a table behind each chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from triagedesk.catalog import Label
from triagedesk.classify.evaluate import Evaluation, charts, labels_in_use, wording
from triagedesk.classify.evaluate.compare import Comparison
from triagedesk.classify.evaluate.figures import (
    Cost,
    Figures,
    confusion_matrix,
    promise_kept,
    wilson,
)

#: Labels of the confusion matrix drawn; a larger one is a table of pairs only.
MOST_IN_MATRIX = 30
#: Lines of long tables; the JSON has all.
MOST_CONFUSED, MOST_CHANGED, MOST_WRONG = 40, 60, 40
#: A coverage-precision curve starts at so many tickets: a precision of three says nothing.
_FEW = 10


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What was evaluated."""

    origin: str
    #: Which catalog, in words.
    catalog: str
    #: Rows that could not be read.
    set_aside: int
    #: Rows whose label the catalog does not have.
    left_out: int
    made_at: datetime


#: An evaluation with its figures and cost.
Side = tuple[Evaluation, Figures, Cost]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of the confusion matrix."""

    count: int
    #: Of the row, 0-1: how strongly it is coloured.
    share: float
    #: True on the diagonal.
    right: bool
    title: str


@dataclass(frozen=True, kw_only=True)
class MatrixRow:
    """A true label's answers."""

    number: int
    name: str
    cells: tuple[Cell, ...]


def page(subject: Subject, sides: Sequence[Side], comparison: Comparison | None = None) -> str:
    """The whole page."""
    columns = [dict(wording.headline(*side)) for side in sides]
    return (
        _environment()
        .get_template("evaluation.html")
        .render(
            subject=subject,
            sides=[_side(side) for side in sides],
            names=[evaluation.policy for evaluation, _, _ in sides],
            headline=[
                (name, [column.get(name, "") for column in columns])
                for name in dict.fromkeys(name for column in columns for name in column)
            ],
            charts=_charts(sides),
            comparison=comparison,
            same_answers=comparison is not None
            and not comparison.changed
            and not comparison.left_out,
            verdict=wording.verdict(comparison) if comparison else "",
            MOST_CONFUSED=MOST_CONFUSED,
            MOST_CHANGED=MOST_CHANGED,
            MOST_WRONG=MOST_WRONG,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("triagedesk.classify.evaluate"),
        # Always: what the file says is somebody else's text, whatever the template is called.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": wording.percent,
        "points": wording.points,
        "p": wording.p_words,
        "label": wording.label_name,
    }
    environment.globals["size"] = {
        "width": charts.WIDTH,
        "height": charts.HEIGHT,
        "left": charts.LEFT,
        "right": charts.WIDTH - charts.RIGHT,
        "top": charts.TOP,
        "bottom": charts.HEIGHT - charts.BOTTOM,
    }
    return environment


def _side(side: Side) -> dict[str, object]:
    """What the template needs of one policy."""
    evaluation, figures, cost = side
    wrong = [o for o in evaluation.outcomes if not o.right]
    return {
        "evaluation": evaluation,
        "figures": figures,
        "cost": cost,
        "promise": promise_kept(figures.alone_right, evaluation.promised),
        "classes": sorted(figures.classes, key=lambda c: (c.f1, c.label)),
        "matrix": _matrix(evaluation),
        # The surest mistakes teach most: a wrong label in the file, or two labels too alike.
        "wrong": sorted(wrong, key=lambda o: (-o.confidence, o.ticket_id))[:MOST_WRONG],
        "wrong_count": len(wrong),
    }


def _matrix(evaluation: Evaluation) -> tuple[MatrixRow, ...]:
    labels = labels_in_use(evaluation.outcomes)
    if len(labels) > MOST_IN_MATRIX:
        return ()
    counts = confusion_matrix(evaluation.outcomes, labels).tolist()
    answers: list[Label | None] = [*labels, None]
    return tuple(
        MatrixRow(
            number=number + 1,
            name=wording.label_name(truth),
            cells=tuple(
                Cell(
                    count=count,
                    share=count / max(1, sum(counts[number])),
                    right=truth == answer,
                    title=f"truly {wording.label_name(truth)}, "
                    f"answered {wording.label_name(answer)}: {count}",
                )
                for answer, count in zip(answers, counts[number], strict=True)
            ),
        )
        for number, truth in enumerate(labels)
    )


def _charts(sides: Sequence[Side]) -> dict[str, charts.Chart]:
    drawn = {"coverage": _coverage_chart(sides), "reliability": _reliability_chart(sides)}
    if any(evaluation.curve for evaluation, _, _ in sides):
        drawn["learning"] = _learning_chart(sides)
    return drawn


def _coverage_chart(sides: Sequence[Side]) -> charts.Chart:
    series = []
    lowest = 1.0
    for evaluation, figures, _ in sides:
        total = len(evaluation.outcomes)
        points = [
            (
                p.coverage,
                p.precision,
                0.0,
                f"from {p.threshold:.2f}: {_pair(p.coverage, p.precision)}",
            )
            for p in figures.coverage
            if p.coverage * total >= min(_FEW, total)
        ]
        lowest = min([lowest, *(point[1] for point in points)])
        series.append(charts.Series(name=evaluation.policy, points=points))
    promises = [evaluation.promised for evaluation, _, _ in sides]
    return charts.chart(
        "Coverage and precision",
        "Precision of the tickets decided without a person, by the share of tickets so decided.",
        charts.percent_axis("decided without a person, most confident first"),
        charts.percent_axis("right among these", low=max(0.0, lowest - 0.02)),
        series,
        # Two promises would need two guides, and the table above says both.
        guide=[(0.0, promises[0]), (1.0, promises[0])] if len(set(promises)) == 1 else (),
        guide_name=f"promised: {wording.percent(promises[0])}",
    )


def _reliability_chart(sides: Sequence[Side]) -> charts.Chart:
    series = []
    for evaluation, figures, _ in sides:
        largest = max((b.count for b in figures.bins), default=1)
        points = [
            (
                b.confidence,
                b.accuracy,
                b.count / largest,
                f"said {b.confidence:.0%}, was {b.accuracy:.0%} ({b.count} tickets)",
            )
            for b in figures.bins
        ]
        series.append(charts.Series(name=evaluation.policy, points=points))
    return charts.chart(
        "Reliability",
        "Share of right answers by how confident they were, in bins of about equal mass. "
        "On the dashed line confidence means what it says; below it, it says too much.",
        charts.percent_axis("confidence"),
        charts.percent_axis("right"),
        series,
        guide=[(0.0, 0.0), (1.0, 1.0)],
        guide_name="perfectly calibrated",
    )


def _learning_chart(sides: Sequence[Side]) -> charts.Chart:
    series = []
    for evaluation, _, _ in sides:
        points: list[tuple[float, float, float, str]] = []
        for p in evaluation.curve:
            low, high = wilson(p.right, p.total)
            title = f"{p.corrections:,} corrections: {p.right / p.total:.1%} ({low:.1%}-{high:.1%})"
            points.append((float(p.corrections), p.right / p.total, 0.1, title))
        series.append(charts.Series(name=evaluation.policy, points=points))
    steps = sorted({p.corrections for evaluation, _, _ in sides for p in evaluation.curve})
    return charts.chart(
        "Learning curve",
        "Accuracy of the local model on held-out tickets, by how many corrections it has seen.",
        charts.count_axis("corrections", steps),
        charts.percent_axis("right"),
        series,
    )


def _pair(coverage: float, precision: float) -> str:
    return f"{wording.percent(coverage)} decided, {wording.percent(precision)} of them right"
