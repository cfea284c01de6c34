"""The report as a mail: subject, plain text and HTML, from templates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from triagedesk.cleaning import clean_name, excerpt
from triagedesk.errors import Problem, SettingsError
from triagedesk.report import (
    Figures,
    ReportRow,
    is_at_risk,
    is_breached,
    sla_state,
    target_state,
)
from triagedesk.report.summary import category_lines, decided_by_lines, priority_lines, sla_lines
from triagedesk.tickets import BrokenTicket

#: Categories named in the mail; the workbook has more.
_CATEGORIES_SHOWN = 6
_BROKEN_SHOWN = 5
_MAX_SUBJECT_PART = 150
_MAX_SUBJECT_LINE = 90


class ComposedMail(NamedTuple):
    """A report's words."""

    subject: str
    text: str
    html: str


class UrgentLine(NamedTuple):
    """One line of the list of tickets that cannot wait."""

    priority: str
    id: str
    short_description: str
    due: str
    #: `breached`, `at risk` or "".
    state: str
    agent: str


def subject_of(title: str, candidate_name: str = "") -> str:
    """`<title> - <name>`, or the title alone; always one line without control characters."""
    parts = [_one_line(title, _MAX_SUBJECT_PART), _one_line(candidate_name, _MAX_SUBJECT_PART)]
    return " - ".join(part for part in parts if part)


def compose(
    *,
    figures: Figures,
    created_at: datetime,
    title: str,
    candidate_name: str = "",
    codebase_url: str = "",
    time_zone: str = "UTC",
    broken: Sequence[BrokenTicket] = (),
) -> ComposedMail:
    """The mail that carries a report with these figures.

    Raises SettingsError for a `codebase_url` that is not http or https: it becomes a link.
    """
    zone = ZoneInfo(time_zone)
    values = {
        "title": _one_line(title, _MAX_SUBJECT_PART),
        "created": f"{created_at.astimezone(zone):%Y-%m-%d %H:%M %Z}",
        "zone": time_zone,
        "figures": figures,
        "priorities": priority_lines(figures),
        "sla": sla_lines(figures),
        "decided_by": decided_by_lines(figures),
        "categories": category_lines(figures, _CATEGORIES_SHOWN),
        "urgent": [_urgent_line(row, created_at, zone) for row in figures.urgent],
        "more_urgent": figures.urgent_total - len(figures.urgent),
        "broken": [
            (_one_line(item.id, 40) or f"number {item.position + 1}", _one_line(item.reason, 200))
            for item in broken[:_BROKEN_SHOWN]
        ],
        "broken_total": len(broken),
        "codebase_url": _web_address(codebase_url),
    }
    templates = _templates()
    return ComposedMail(
        subject=subject_of(title, candidate_name),
        text=templates.get_template("report.txt").render(values),
        html=templates.get_template("report.html").render(values),
    )


def _urgent_line(row: ReportRow, now: datetime, zone: ZoneInfo) -> UrgentLine:
    state = "breached" if is_breached(row, now) else "at risk" if is_at_risk(row, now) else ""
    response = target_state(row, "response", now) is sla_state(row, now)
    due = row.response_due if response and row.clocks else row.due
    return UrgentLine(
        priority=row.priority.name,
        id=_one_line(row.id, 40),
        short_description=_one_line(row.short_description, _MAX_SUBJECT_LINE),
        due=f"{due.astimezone(zone):%Y-%m-%d %H:%M}" if due else "no deadline",
        state=state,
        agent=_one_line(row.agent, 60),
    )


def _one_line(text: str, limit: int) -> str:
    return excerpt(clean_name(text[: 4 * limit]), limit=limit)


def _web_address(url: str) -> str:
    """`url` if it may become a link; a `javascript:` one may not."""
    url = url.strip()
    if not url:
        return ""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or url != clean_name(url):
        problem = Problem(
            where="CODEBASE_URL",
            what=f"{excerpt(url, limit=80)!r} is not a web address",
            hint="it has to begin with http:// or https://",
        )
        raise SettingsError(problems=[problem])
    return url


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("triagedesk.report"),
        autoescape=select_autoescape(["html"], default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
