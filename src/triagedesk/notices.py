"""Notices: the short mails that escalation sends, one to each recipient for all that happened.

They are put into the store with the events they tell of, and go out at least once: a notice cut
off between handing over and recording is repeated with the same Message-ID.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from triagedesk.cleaning import clean_name, excerpt
from triagedesk.desk import Desk, Letterhead, RunSummary
from triagedesk.outbox import Channel, DeliveryOutcome, Mail
from triagedesk.store.sla_records import Notice, SlaEvent
from triagedesk.tickets import TriagedTicket

#: Tickets a notice names; the others are counted.
MOST_NAMED = 50
_MAX_SUBJECT = 90
_WORDS = {"at_risk": "at risk", "breached": "breached"}


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """An event somebody is to be told of."""

    event: SlaEvent
    ticket: TriagedTicket
    notify: tuple[str, ...]
    #: What was done besides, in words.
    done: tuple[str, ...] = ()


def notices_of(alarms: Sequence[Alarm], *, letterhead: Letterhead, now: datetime) -> list[Notice]:
    """One notice for each recipient; the same alarms give the same Message-ID."""
    recipients = sorted({address for alarm in alarms for address in alarm.notify})
    return [
        _notice(recipient, [a for a in alarms if recipient in a.notify], letterhead, now)
        for recipient in recipients
    ]


def _notice(
    recipient: str, alarms: Sequence[Alarm], letterhead: Letterhead, now: datetime
) -> Notice:
    zone = ZoneInfo(letterhead.time_zone)
    told = [_lines(alarm, zone) for alarm in alarms[:MOST_NAMED]]
    more = f"... and {len(alarms) - MOST_NAMED} more." if len(alarms) > MOST_NAMED else ""
    end = "`triagedesk sla` shows every SLA that runs, next to breach first."
    blocks = ["\n".join([first, *(f"    {line}" for line in rest)]) for first, *rest in told]
    items = "".join(
        f"<li><strong>{escape(first)}</strong><br>{'<br>'.join(map(escape, rest))}</li>"
        for first, *rest in told
    )
    return Notice(
        message_id=f"<sla-{_fingerprint(recipient, alarms)}@{letterhead.domain}>",
        recipient=recipient,
        subject=_subject(alarms, letterhead.title),
        text="\n\n".join(part for part in (*blocks, more, end) if part) + "\n",
        html=f"<ul>{items}</ul><p>{escape(more)}</p><p>{escape(end)}</p>",
        created_at=now,
    )


def _fingerprint(recipient: str, alarms: Sequence[Alarm]) -> str:
    """Names what is told to whom, whatever the words."""
    told = sorted(
        f"{a.ticket.ticket.source} {a.ticket.ticket.id} {a.event.target} {a.event.kind} "
        f"{a.event.happened_at.isoformat()}"
        for a in alarms
    )
    return hashlib.sha256("\n".join([recipient, *told]).encode()).hexdigest()[:32]


def _subject(alarms: Sequence[Alarm], title: str) -> str:
    """`SLA breached: INC7 - Desk`, or how many of which kind."""
    if len(alarms) == 1:
        (alarm,) = alarms
        what = f"SLA {_word(alarm.event)}: {_one_line(alarm.ticket.ticket.id, 60)}"
    else:
        kinds = [_word(alarm.event) for alarm in alarms]
        counts = [f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds), reverse=True)]
        what = f"SLA: {', '.join(counts)}"
    return f"{what} - {_one_line(title, 100)}"


def _word(event: SlaEvent) -> str:
    return _WORDS.get(event.kind) or f"{float(event.kind):.0%} used"


def _lines(alarm: Alarm, zone: ZoneInfo) -> list[str]:
    """What a notice says about one ticket."""
    ticket, event = alarm.ticket.ticket, alarm.event
    holder = alarm.ticket.assignment
    agent = (holder.agent_name or holder.agent_id or "") if holder else ""
    due = f"{event.due_at.astimezone(zone):%Y-%m-%d %H:%M %Z}" if event.due_at else "on hold"
    named = f"{_one_line(ticket.id, 60)} {_one_line(ticket.short_description, _MAX_SUBJECT)}"
    lines = [
        f"{alarm.ticket.priority.priority.name} {named}",
        f"{event.target} {_word(event)}, due {due}; agent: {_one_line(agent, 60) or 'none'}",
    ]
    return [*lines, *([f"done: {', '.join(alarm.done)}"] if alarm.done else [])]


def _one_line(text: str, limit: int) -> str:
    return excerpt(clean_name(text[: 4 * limit]), limit=limit)


def deliver_notices(desk: Desk, summary: RunSummary) -> None:
    """Send what waits, oldest first; what does not go out now is tried again by the next run."""
    channel = desk.channel
    if desk.dry_run or channel is None:
        return
    with desk.store.read() as transaction:
        waiting = transaction.notices("pending", "parked")
    for notice in waiting:
        if notice.state == "parked" and notice.fingerprint == channel.fingerprint:
            # Refused for good by a mail server that is still set up the same.
            continue
        outcome = _deliver(desk, channel, notice)
        if outcome.delivered:
            summary.notified += 1
            continue
        summary.notes.append(f"the notice to {notice.recipient} was not sent: {outcome.error}")
        if not outcome.permanent:
            # The server is away or busy: the others would only wait for it too.
            return


def _deliver(desk: Desk, channel: Channel, notice: Notice) -> DeliveryOutcome:
    """Hand one notice over and record what became of it."""
    mail = Mail(
        message_id=notice.message_id,
        subject=notice.subject,
        text=notice.text,
        html=notice.html,
        created_at=notice.created_at,
    )
    with desk.shield():
        outcome = channel.send(mail, (notice.recipient,))[notice.recipient]
        state = "parked" if outcome.permanent else "pending"
        tried = replace(
            notice,
            state="delivered" if outcome.delivered else state,
            fingerprint=channel.fingerprint,
            attempts=notice.attempts + 1,
            error=outcome.error,
            attempted_at=desk.now(),
        )
        with desk.store.begin() as transaction:
            transaction.save_notice(tried)
    return outcome
