"""Charts as numbers: where lines, dots, bars and ticks lie in an SVG; the template draws them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

#: The drawing, in SVG units, and the room its axes take.
WIDTH, HEIGHT = 560, 340
LEFT, RIGHT, TOP, BOTTOM = 68, 18, 14, 46
#: Dots are drawn on lines with at most so many points.
_MOST_DOTS = 40
#: Share of an axis that a tick's number needs.
_TICK_ROOM = 0.1


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A mark on an axis."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A point, with what it says when pointed at."""

    x: float
    y: float
    radius: float
    title: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """Points joined, of the n-th policy (0 or 1)."""

    series: int
    name: str
    #: SVG `points`.
    points: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart of lines over two axes."""

    title: str
    #: What it shows, for those who cannot see it.
    description: str
    x_name: str
    y_name: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    #: A dashed line for comparison, as SVG `points`; "" for none, with its name.
    guide: str = ""
    guide_name: str = ""


@dataclass(frozen=True, kw_only=True)
class Series:
    """What a line is drawn from: x, y, weight (0-1, the dot's area) and title of each point."""

    name: str
    points: Sequence[tuple[float, float, float, str]]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """The values an axis spans; a logarithmic one is by log(1 + value)."""

    name: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Where a value lies between the axis's ends, 0-1."""
        if self.logarithmic:
            low, high, value = (math.log1p(v) for v in (self.low, self.high, value))
        else:
            low, high = self.low, self.high
        return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.0


def percent_axis(name: str, low: float = 0.0) -> Axis:
    """An axis of shares from about `low` to 1, with round ticks."""
    step = 0.1 if low >= 0.5 else 0.2  # noqa: PLR2004 (half the range: twice the detail)
    low = math.floor(low / step + 1e-9) * step
    count = round((1 - low) / step)
    ticks = tuple((low + i * step, f"{100 * (low + i * step):.0f}%") for i in range(count + 1))
    return Axis(name=name, low=low, high=1.0, ticks=ticks)


def count_axis(name: str, values: Sequence[int]) -> Axis:
    """A logarithmic axis with a tick at the values there is room for, the last first."""
    axis = Axis(name=name, low=min(values), high=max(values), ticks=(), logarithmic=True)
    shown: list[int] = []
    for value in reversed(values):
        if not shown or axis.share(shown[-1]) - axis.share(value) >= _TICK_ROOM:
            shown.append(value)
    return replace(axis, ticks=tuple((value, f"{value:,}") for value in reversed(shown)))


def chart(
    title: str,
    description: str,
    x: Axis,
    y: Axis,
    series: Sequence[Series],
    *,
    guide: Sequence[tuple[float, float]] = (),
    guide_name: str = "",
) -> Chart:
    """A chart ready to be drawn."""
    return Chart(
        title=title,
        description=description,
        x_name=x.name,
        y_name=y.name,
        x_ticks=tuple(Tick(at=_x(x, value), text=text) for value, text in x.ticks),
        y_ticks=tuple(Tick(at=_y(y, value), text=text) for value, text in y.ticks),
        lines=tuple(_line(i, one, x, y) for i, one in enumerate(series) if one.points),
        guide=_points([(_x(x, a), _y(y, b)) for a, b in guide]),
        guide_name=guide_name,
    )


def _line(number: int, series: Series, x: Axis, y: Axis) -> Line:
    placed = [(_x(x, a), _y(y, b), weight, title) for a, b, weight, title in series.points]
    dots = tuple(
        # The area, not the radius, stands for the weight.
        Dot(x=a, y=b, radius=round(2.5 + 5.5 * math.sqrt(weight), 1), title=title)
        for a, b, weight, title in placed
    )
    return Line(
        series=number,
        name=series.name,
        points=_points([(a, b) for a, b, _, _ in placed]),
        dots=dots if len(dots) <= _MOST_DOTS else (),
    )


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in places)


def _x(axis: Axis, value: float) -> float:
    return round(LEFT + axis.share(value) * (WIDTH - LEFT - RIGHT), 1)


def _y(axis: Axis, value: float) -> float:
    return round(HEIGHT - BOTTOM - axis.share(value) * (HEIGHT - TOP - BOTTOM), 1)
