"""`triagedesk sla`: what is next to breach, and what happened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triagedesk.cli import options

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from triagedesk.store.sla_records import BoardLine, EventLine

_STATE_STYLES = {"breached": "bold red", "missed": "red", "at risk": "yellow", "met": "green"}
_SUBJECT = 60


def sla(
    *,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="How many lines to show.")
    ] = 20,
    everything: Annotated[
        bool, typer.Option("--all", help="With targets that were met or missed, and no limit.")
    ] = False,
    events: Annotated[
        bool, typer.Option("--events", help="What happened instead, and what was done about it.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """SLAs that run, next to breach first; nothing is escalated or sent by looking."""
    settings = options.settings()
    from zoneinfo import ZoneInfo

    from triagedesk.commands import sla_board, sla_events

    zone = ZoneInfo(settings.time_zone)
    most = None if everything else limit
    document: list[dict[str, Any]]
    if events:
        happened = sla_events(settings, most)
        document = [_event_as_json(line, zone) for line in happened]
        show = _show_events
    else:
        lines, now = sla_board(settings, most, everything=everything)
        document = [_line_as_json(line, now, zone) for line in lines]
        show = _show_board
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        show(document)


def _line_as_json(line: BoardLine, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    standing = line.standing
    left = standing.due_at - (standing.stopped_at or now) if standing.due_at else None
    return {
        "priority": f"P{line.priority}",
        "ticket_id": line.ticket_id,
        "source": line.source,
        "subject": line.subject,
        "agent": line.agent,
        "target": standing.target,
        "due": _local(standing.due_at, zone),
        # negative when overdue
        "seconds_left": None if left is None else int(left.total_seconds()),
        "state": _WORDS.get(standing.state(now).value, standing.state(now).value),
    }


_WORDS = {"running": "on time", "at_risk": "at risk", "no_deadline": "no deadline"}


def _event_as_json(line: EventLine, zone: ZoneInfo) -> dict[str, Any]:
    event = line.event
    return {
        "happened": _local(event.happened_at, zone),
        "ticket_id": line.ticket_id,
        "subject": line.subject,
        "target": event.target,
        "event": event.kind,
        "due": _local(event.due_at, zone),
        # None: the next run deals with it
        "done": None if line.done is None else list(line.done),
    }


def _local(at: datetime | None, zone: ZoneInfo) -> str | None:
    return at.astimezone(zone).isoformat(timespec="seconds") if at else None


def _show_board(lines: Sequence[dict[str, Any]]) -> None:
    from rich.markup import escape

    rows = [
        (
            line["priority"],
            escape(line["ticket_id"]),
            escape(line["subject"][:_SUBJECT]),
            escape(line["agent"] or "-"),
            line["target"],
            _minute(line["due"]),
            _left(line["seconds_left"], line["state"]),
            f"[{_STATE_STYLES.get(line['state'], 'default')}]{line['state']}[/]",
        )
        for line in lines
    ]
    _table(("", "ticket", "subject", "agent", "target", "due", "left", "state"), rows)
    if not lines:
        typer.echo("No SLA runs: no open ticket has a target, or no run has been made yet.")


def _show_events(lines: Sequence[dict[str, Any]]) -> None:
    from rich.markup import escape

    rows = [
        (
            _minute(line["happened"]),
            escape(line["ticket_id"]),
            escape(line["subject"][:_SUBJECT]),
            line["target"],
            event_words(line["event"]),
            _minute(line["due"]),
            escape(_done(line["done"])),
        )
        for line in lines
    ]
    _table(("when", "ticket", "subject", "target", "event", "due", "done"), rows)
    if not lines:
        typer.echo("Nothing has been at risk or breached yet.")


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    if rows:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for header in headers:
            # A narrow terminal breaks what is long, never a time or an id.
            table.add_column(header, no_wrap=header not in ("subject", "agent", "done"))
        for row in rows:
            table.add_row(*row)
        Console(highlight=False).print(table)


def event_words(kind: str) -> str:
    """An event for a person: `at risk`, `breached`, `50% used`."""
    return {"at_risk": "at risk", "breached": "breached"}.get(kind) or f"{float(kind):.0%} used"


def _done(done: Sequence[str] | None) -> str:
    return "the next run sees to it" if done is None else ", ".join(done) or "-"


def _minute(at: str | None) -> str:
    return datetime.fromisoformat(at).strftime("%d %b %H:%M") if at else "-"


def _left(seconds: int | None, state: str) -> str:
    """`1 d 2 h`, `3 h 20 min`, `overdue by 5 min`."""
    if seconds is None or state == "paused":
        return "-"
    words = length_words(timedelta(seconds=abs(seconds)))
    if seconds < 0:
        return f"overdue by {words}" if state == "breached" else f"{words} late"
    return words if state != "met" else f"{words} early"


def length_words(length: timedelta) -> str:
    """The two largest units of a length of time, e.g. `1 d 2 h`; less than a minute is `0 min`."""
    minutes = int(length.total_seconds()) // 60
    days, rest = divmod(minutes, 24 * 60)
    hours, minutes = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
