"""Charts as SVG made here: each with its title, a description in words, and a table behind it.

Sizes are in units of a `viewBox`; `desk.css` gives colours and fonts by class, so that a chart is
right in the dark too and no style stands in the document. Text from outside is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

#: Width of every chart, in units; text is 13 of them high.
_WIDTH = 480
_LINE = 26
_LONGEST_NAME = 24

#: Writes a share of 1 as a percentage.
Percent = Callable[[float], str]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A drawing, and the same as a table."""

    title: str
    svg: Markup
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    #: What the drawing shows, where its title alone does not say.
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A horizontal bar: parts of a whole, one after the other."""

    name: str
    #: Sizes of its parts, each drawn in the colour of its place.
    parts: tuple[float, ...]
    #: What stands at its end.
    shown: str
    #: Where a mark is drawn across it; None draws none.
    mark: float | None = None


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line over time or over a scale from 0 to 1."""

    name: str
    #: (x, y) as shares of 1; a gap is a y of None.
    points: tuple[tuple[float, float | None], ...]


def bars(title: str, found: Sequence[Bar], *, most: float = 0.0) -> Markup:
    """Horizontal bars, one below the other; `most` is the value of full length."""
    names, ends = 204, 62
    room = _WIDTH - names - ends
    most = most or max((sum(bar.parts) for bar in found), default=0.0) or 1.0
    drawn = Markup("")
    for place, bar in enumerate(found):
        top = place * _LINE
        drawn += Markup('<text x="{}" y="{}" class="name">{}</text>').format(
            names - 8, top + 17, _short(bar.name)
        )
        drawn += Markup('<rect x="{}" y="{}" width="{}" height="14" rx="3" class="rail"/>').format(
            names, top + 6, room
        )
        left = 0.0
        for number, part in enumerate(bar.parts, 1):
            width = max(0.0, min(part, most - left)) / most * room
            if width:
                drawn += Markup(
                    '<rect x="{}" y="{}" width="{}" height="14" rx="3" class="c{}"/>'
                ).format(_n(names + left / most * room), top + 6, _n(max(width, 1.5)), number)
            left += part
        if bar.mark is not None:
            x = _n(names + min(bar.mark, most) / most * room)
            drawn += Markup('<path d="M{} {}v20" class="mark"/>').format(x, top + 3)
        drawn += Markup('<text x="{}" y="{}">{}</text>').format(
            _WIDTH - ends + 8, top + 17, bar.shown
        )
    return _drawing(title, max(1, len(found)) * _LINE, drawn)


def columns(title: str, found: Sequence[tuple[str, float]], *, every: int = 1) -> Markup:
    """Upright columns; each `every`th has its name below."""
    height, foot = 150, 20
    most = max((value for _, value in found), default=0.0) or 1.0
    wide = _WIDTH / max(1, len(found))
    drawn = Markup('<path d="M0 {}H{}" class="axis"/>').format(height, _WIDTH)
    for place, (name, value) in enumerate(found):
        tall = value / most * (height - 16)
        if tall:
            drawn += Markup(
                '<rect x="{}" y="{}" width="{}" height="{}" rx="2" class="c1"/>'
            ).format(_n(place * wide + 1.5), _n(height - tall), _n(wide - 3), _n(tall))
        if place % every == 0:
            drawn += Markup('<text x="{}" y="{}" class="below">{}</text>').format(
                _n((place + 0.5) * wide), height + 15, name
            )
    peak = Markup('<text x="0" y="10">{}</text>').format(_n(most))
    return _drawing(title, height + foot, drawn + peak)


def shares(
    title: str, found: Sequence[tuple[str, float]], *, percent: Percent = "{:.0%}".format
) -> Markup:
    """One bar of parts of a whole, with their names and percentages below."""
    whole = sum(value for _, value in found) or 1.0
    drawn, left = Markup(""), 0.0
    for number, (_, value) in enumerate(found, 1):
        width = value / whole * _WIDTH
        if value:
            drawn += Markup('<rect x="{}" y="0" width="{}" height="30" class="c{}"/>').format(
                _n(left), _n(max(width - 2, 1)), number
            )
        left += width
    for place, (name, value) in enumerate(found):
        top = 44 + place * 22
        drawn += Markup('<rect x="0" y="{}" width="14" height="14" rx="3" class="c{}"/>').format(
            top, place + 1
        )
        drawn += Markup('<text x="24" y="{}">{}</text>').format(top + 12, name)
        drawn += Markup('<text x="{}" y="{}" class="name">{}</text>').format(
            _WIDTH, top + 12, percent(value / whole)
        )
    return _drawing(title, 44 + len(found) * 22, drawn)


def lines(
    title: str,
    found: Sequence[Line],
    *,
    below: Sequence[str],
    diagonal: bool = False,
    percent: Percent = "{:.0%}".format,
) -> Markup:
    """Lines from 0 to 1 upwards; `below` names the ends and the middle of the scale."""
    left, top, wide, high = 46, 8, _WIDTH - 54, 170
    drawn = Markup("")
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = _n(top + (1 - share) * high)
        drawn += Markup('<path d="M{} {}H{}" class="grid"/>').format(left, y, left + wide)
        drawn += Markup('<text x="{}" y="{}" class="name">{}</text>').format(
            left - 6, _n(float(y) + 4), percent(share)
        )
    if diagonal:
        drawn += Markup('<path d="M{} {}L{} {}" class="mark"/>').format(
            left, top + high, left + wide, top
        )
    for number, line in enumerate(found, 1):
        drawn += _line(number, line, (left, top, wide, high))
    for place, name in enumerate(below):
        x = left + (wide * place / (len(below) - 1) if len(below) > 1 else 0)
        anchor = ("start", "end")[place > 0] if place in (0, len(below) - 1) else "middle"
        drawn += Markup('<text x="{}" y="{}" text-anchor="{}" class="plain">{}</text>').format(
            _n(x), top + high + 18, anchor, name
        )
    foot = top + high + 26
    if len(found) > 1:
        for number, line in enumerate(found, 1):
            row = foot + (number - 1) // 2 * 20
            x = left + (number - 1) % 2 * wide / 2
            drawn += Markup(
                '<rect x="{}" y="{}" width="14" height="14" rx="3" class="c{}"/>'
            ).format(_n(x), row, number)
            drawn += Markup('<text x="{}" y="{}">{}</text>').format(
                _n(x + 20), row + 12, _short(line.name)
            )
        foot += math.ceil(len(found) / 2) * 20
    return _drawing(title, foot, drawn)


def _line(number: int, line: Line, frame: tuple[float, float, float, float]) -> Markup:
    left, top, wide, high = frame
    spots = [
        (left + x * wide, top + (1 - y) * high) if y is not None else None for x, y in line.points
    ]
    path, pen = [], "M"
    for spot in spots:
        if spot is None:
            pen = "M"
            continue
        path.append(f"{pen}{_n(spot[0])} {_n(spot[1])}")
        pen = "L"
    drawn = Markup('<path d="{}" class="line l{}"/>').format("".join(path), number)
    lonely = [
        spot
        for before, spot, after in zip([None, *spots], spots, [*spots[1:], None], strict=False)
        if spot and (not before or not after or len(spots) <= _FEW)
    ]
    for x, y in lonely:
        drawn += Markup('<circle cx="{}" cy="{}" r="3.5" class="c{}"/>').format(
            _n(x), _n(y), number
        )
    return drawn


#: Up to so many points each has a dot.
_FEW = 14


def _drawing(title: str, height: float, content: Markup) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img"><title>{}</title>{}</svg>'
    ).format(_WIDTH, _n(height), title, content)


def _n(value: float) -> str:
    """A number as short as it may be."""
    return f"{value:.1f}".removesuffix(".0")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
