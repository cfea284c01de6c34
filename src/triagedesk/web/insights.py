"""Insights: what came, who decided, how right that was, and who carries how much."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from starlette.responses import Response
from starlette.routing import BaseRoute

from triagedesk.agents import Agent, Availability
from triagedesk.store.insights import Answered
from triagedesk.web import charts
from triagedesk.web.charts import Bar, Chart, Line
from triagedesk.web.periods import PERIODS, Period, period_of
from triagedesk.web.texts import Texts
from triagedesk.web.visits import Visit, view

_BARS = 12
_HOURS = 24
#: Calibration: a bin is drawn from so many answers on.
_BIN, _ENOUGH = 10, 5
#: Who decides, in the order of the cascade.
_DECIDERS = ("source", "correction", "local", "llm", "human")


def insights(visit: Visit) -> Response:
    """The figures of the last days."""
    period = period_of(visit.query, visit.now)
    since = datetime.combine(period.first, time(), UTC)
    with visit.store.read() as transaction:
        volume = transaction.volume_by_category(since)
        hours = transaction.volume_by_hour(since)
        decided = transaction.decided_by(since)
        answered = transaction.answered(since)
        resolved = transaction.resolved_by_agent(since)
        roster = transaction.roster()
    t = visit.t
    drawn = [
        by_category(volume, t) if volume else None,
        by_hour(hours, ZoneInfo(visit.settings.time_zone), t) if hours else None,
        deciders(decided, t) if decided else None,
        accuracy(answered, period, t) if answered else None,
        calibration(answered, t) if len(answered) >= _ENOUGH else None,
        utilisation(roster, resolved, t) if roster else None,
    ]
    return visit.render(
        "insights.html",
        period=period,
        periods=tuple(PERIODS),
        figures=[figure for figure in drawn if figure],
        received=sum(volume.values()),
        answered=len(answered),
        right=sum(one.right for one in answered),
    )


def by_category(volume: Mapping[str, int], t: Texts) -> Chart:
    """Tickets by category, the most frequent first."""
    title, shown = t("insights.by_category"), dict(list(volume.items())[:_BARS])
    rest = sum(volume.values()) - sum(shown.values())
    found = [
        Bar(name=name or t("insights.no_category"), parts=(count,), shown=t.number(count))
        for name, count in shown.items()
    ]
    if rest:
        found.append(Bar(name=t("insights.rest"), parts=(rest,), shown=t.number(rest)))
    return Chart(
        title=title,
        svg=charts.bars(title, found),
        columns=(t("insights.category"), t("insights.tickets")),
        rows=tuple(
            (name or t("insights.no_category"), t.number(count)) for name, count in volume.items()
        ),
    )


def by_hour(hours: Mapping[datetime, int], zone: ZoneInfo, t: Texts) -> Chart:
    """Tickets by hour of the day in the desk's zone."""
    counts = [0] * _HOURS
    for hour, count in hours.items():
        counts[hour.astimezone(zone).hour] += count
    title = t("insights.by_hour")
    return Chart(
        title=title,
        note=t("insights.by_hour_note", zone=zone.key),
        svg=charts.columns(title, [(f"{hour}", n) for hour, n in enumerate(counts)], every=3),
        columns=(t("insights.hour"), t("insights.tickets")),
        rows=tuple((f"{hour:02}:00", t.number(count)) for hour, count in enumerate(counts)),
    )


def deciders(decided: Mapping[tuple[str, bool], int], t: Texts) -> Chart:
    """Who decided: each stage of the cascade, people, and what still waits for them."""
    counts = {name: decided.get((name, False), 0) for name in _DECIDERS}
    counts["review"] = sum(count for (_, waits), count in decided.items() if waits)
    whole = sum(counts.values())
    title = t("insights.decided")
    return Chart(
        title=title,
        svg=charts.shares(
            title,
            [(t(f"insights.by.{n}"), count) for n, count in counts.items()],
            percent=t.percent,
        ),
        columns=(t("insights.decided_by"), t("insights.tickets"), t("insights.share")),
        rows=tuple(
            (t(f"insights.by.{name}"), t.number(count), t.percent(count / whole, 1))
            for name, count in counts.items()
        ),
    )


def accuracy(answered: Sequence[Answered], period: Period, t: Texts) -> Chart:
    """How often people agreed, over time."""
    spans: dict[int, list[Answered]] = defaultdict(list)
    for one in answered:
        spans[period.span_of(one.said_at.date())].append(one)
    points = tuple(
        (period.middle(span), _right(spans[span]) if spans[span] else None)
        for span in range(period.spans)
    )
    title, starts = t("insights.accuracy"), [t.short_day(day) for day in period.starts()]
    return Chart(
        title=title,
        note=t("insights.accuracy_note"),
        svg=charts.lines(
            title,
            [Line(name=title, points=points)],
            percent=t.percent,
            below=(starts[0], starts[len(starts) // 2], t("today")),
        ),
        columns=(t("insights.since"), t("insights.answers"), t("insights.right")),
        rows=tuple(
            (starts[span], t.number(len(spans[span])), t.percent(_right(spans[span]), 1))
            for span in range(period.spans)
            if spans[span]
        ),
    )


def calibration(answered: Sequence[Answered], t: Texts) -> Chart:
    """Whether a confidence of 80 % is right four times in five."""
    bins: dict[int, list[Answered]] = defaultdict(list)
    for one in answered:
        bins[min(int(one.confidence * _BIN), _BIN - 1)].append(one)
    full = [bins[number] for number in sorted(bins) if len(bins[number]) >= _ENOUGH]
    title = t("insights.calibration")
    points = tuple(
        (_mean(members, lambda one: one.confidence), _right(members)) for members in full
    )
    return Chart(
        title=title,
        note=t("insights.calibration_note", n=_ENOUGH),
        svg=charts.lines(
            title,
            [Line(name=title, points=points)],
            percent=t.percent,
            below=(t.percent(0), t("insights.confidence"), t.percent(1)),
            diagonal=True,
        ),
        columns=(t("insights.confidence"), t("insights.answers"), t("insights.right")),
        rows=tuple(
            (
                f"{t.percent(number / _BIN)} – {t.percent((number + 1) / _BIN)}",
                t.number(len(bins[number])),
                t.percent(_right(bins[number]), 1),
            )
            for number in sorted(bins)
        ),
    )


def utilisation(roster: Sequence[Agent], resolved: Mapping[str, int], t: Texts) -> Chart:
    """Open work against capacity, the fullest first, with a mark at the mean."""
    ordered = sorted(roster, key=lambda agent: (-_use(agent), agent.name, agent.id))
    # As the view of agents has it: those who take work, by the room there is.
    taking = [agent for agent in roster if agent.availability is Availability.AVAILABLE]
    room = sum(agent.capacity for agent in taking)
    mean = sum(agent.load for agent in taking) / room if room else 0.0
    title = t("insights.utilisation")
    found = [
        Bar(
            name=agent.name or agent.id,
            parts=(min(_use(agent), 1.0),),
            shown=f"{t.number(agent.load)} / {t.number(agent.capacity)}",
            mark=mean,
        )
        for agent in ordered[:_BARS]
    ]
    return Chart(
        title=title,
        note=t("insights.utilisation_note", mean=t.percent(mean)),
        svg=charts.bars(title, found, most=1.0),
        columns=tuple(t(f"insights.{name}") for name in ("agent", "load", "capacity", "resolved")),
        rows=tuple(
            (
                agent.name or agent.id,
                t.number(agent.load),
                t.number(agent.capacity),
                t.number(resolved.get(agent.id, 0)),
            )
            for agent in ordered
        ),
    )


def _use(agent: Agent) -> float:
    return agent.load / agent.capacity if agent.capacity else 0.0


def _right(answered: Sequence[Answered]) -> float:
    return _mean(answered, lambda one: float(one.right))


def _mean(answered: Sequence[Answered], value: Callable[[Answered], float]) -> float:
    return sum(map(value, answered)) / len(answered)


ROUTES: list[BaseRoute] = [view("/insights", insights)]
