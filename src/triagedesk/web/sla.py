"""SLA: what is overdue, what is due next, and how well targets were kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time

from starlette.responses import Response
from starlette.routing import BaseRoute

from triagedesk.store.insights import KeptTargets
from triagedesk.web import charts
from triagedesk.web.changes import since
from triagedesk.web.charts import Chart, Line
from triagedesk.web.periods import PERIODS, Period, period_of
from triagedesk.web.texts import Texts
from triagedesk.web.visits import Visit, view

#: Targets shown in each list.
_MOST = 15
#: Categories drawn; all of them stand in the table.
_DRAWN = 4


def sla(visit: Visit) -> Response:
    """The SLA board."""
    period = period_of(visit.query, visit.now)
    first = datetime.combine(period.first, time(), UTC)
    with visit.store.read() as transaction:
        rev = transaction.newest_change()
        counts = transaction.queue_counts(visit.now)
        overdue = transaction.due_targets(before=visit.now, most=_MOST)
        following = transaction.due_targets(after=visit.now, most=_MOST)
        kept = transaction.kept_targets(first, visit.now)
    return visit.render(
        "sla.html",
        rev=rev,
        counts=counts,
        overdue=overdue,
        following=following,
        periods=tuple(PERIODS),
        period=period,
        kept=sum(one.met for one in kept),
        ended=sum(one.met + one.missed for one in kept),
        compliance=compliance(kept, period, visit.t) if kept else None,
    )


def changes(visit: Visit) -> Response:
    """Tell the browser to ask for the board anew when anything changed."""
    rev = visit.rev()
    if rev == since(visit):
        return visit.nothing_new(rev)
    return Response(status_code=205, headers={"X-Rev": str(rev)})


def compliance(kept: Sequence[KeptTargets], period: Period, t: Texts) -> Chart:
    """The share of targets that were met over time: all, and the categories with most of them."""
    by_category: dict[str, list[KeptTargets]] = defaultdict(list)
    for one in kept:
        by_category[one.category].append(one)
    ordered = sorted(by_category, key=lambda name: (-_ended(by_category[name]), name))
    drawn = [Line(name=t("sla_view.all"), points=_points(kept, period))]
    drawn += [
        Line(name=name or t("sla_view.no_category"), points=_points(by_category[name], period))
        for name in ordered[:_DRAWN]
    ]
    starts = [t.short_day(day) for day in period.starts()]
    title = t("sla_view.compliance")
    return Chart(
        title=title,
        svg=charts.lines(
            title, drawn, below=(starts[0], starts[len(starts) // 2], t("today")), percent=t.percent
        ),
        columns=tuple(t(f"sla_view.{name}") for name in ("category", "met", "missed", "share")),
        rows=tuple(
            _row(name, by_category[name] if name is not None else kept, t)
            for name in (None, *ordered)
        ),
    )


def _row(name: str | None, kept: Sequence[KeptTargets], t: Texts) -> tuple[str, ...]:
    met, missed = sum(one.met for one in kept), sum(one.missed for one in kept)
    shown = t("sla_view.all") if name is None else name or t("sla_view.no_category")
    return (shown, t.number(met), t.number(missed), t.percent(met / (met + missed), 1))


def _points(kept: Sequence[KeptTargets], period: Period) -> tuple[tuple[float, float | None], ...]:
    met: Mapping[int, int] = _by_span(kept, period, "met")
    missed: Mapping[int, int] = _by_span(kept, period, "missed")
    points = []
    for span in range(period.spans):
        ended = met.get(span, 0) + missed.get(span, 0)
        points.append((period.middle(span), met.get(span, 0) / ended if ended else None))
    return tuple(points)


def _by_span(kept: Sequence[KeptTargets], period: Period, field: str) -> dict[int, int]:
    found: dict[int, int] = defaultdict(int)
    for one in kept:
        found[period.span_of(one.day)] += getattr(one, field)
    return found


def _ended(kept: Sequence[KeptTargets]) -> int:
    return sum(one.met + one.missed for one in kept)


ROUTES: list[BaseRoute] = [view("/sla", sla), view("/sla/changes", changes)]
