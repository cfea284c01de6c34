"""One ticket: what it is and why, with whom it is and why, its SLA, its history."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from triagedesk import desk_work, learning, relearning
from triagedesk.desk_work import TicketEvent
from triagedesk.errors import NotFoundError, TriagedeskError
from triagedesk.store import Transaction
from triagedesk.store.lists import DeskTicket
from triagedesk.store.queue import QueueFilter
from triagedesk.store.sla_records import StoredClock
from triagedesk.tickets import Assignment, AssignmentState, SlaStanding, Status
from triagedesk.web.changes import since
from triagedesk.web.texts import Texts
from triagedesk.web.visits import Visit, view

#: Agents offered when a ticket is reassigned.
_CANDIDATES = 8
#: Parts of an assignment's score that are no size of their own.
_FACTOR = "urgency"
#: What the slot cost others is no part of the sum.
_PRICE = "slot_price"
#: Parts that count as often as urgency says, those that are shown even at 0, and what 0 is.
_SKILL, _ALWAYS, _NOTHING = ("match", "affinity"), ("match", "load"), 1e-9
#: Log odds beyond which nobody counts.
_SURE = 9.0
#: Whose notes are the desk's own sentences, and of which kind.
_SAYINGS = {
    "decided": "decided",
    **dict.fromkeys(("queued", "tentative", "committed", "rebalanced"), "sentence"),
}


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A piece of a clock's time line, in thousandths of the whole."""

    start: int
    length: int
    paused: bool


@dataclass(frozen=True, kw_only=True)
class Line:
    """A clock's time line."""

    target: str
    standing: SlaStanding
    started_at: datetime
    #: In thousandths of the whole; None where it is not within it.
    due: int | None
    warn: int | None
    now: int | None
    stretches: tuple[Stretch, ...]
    sla: Any


def find(transaction: Transaction, key: int) -> DeskTicket:
    """The ticket of that number. Raises NotFoundError."""
    found = transaction.desk_tickets_of([key])
    if not found:
        raise NotFoundError(f"there is no ticket number {key}")
    return found[0]


def ticket(visit: Visit, key: int) -> Response:
    """A ticket's page."""
    return visit.render("ticket.html", **_everything(visit, key), lesson=visit.query.get("lesson"))


def ticket_changes(visit: Visit, key: int) -> Response:
    """The ticket again, when it changed."""
    seen = since(visit)
    with visit.store.read() as transaction:
        rev = transaction.newest_change()
        if rev == seen:
            return visit.nothing_new(rev)
        changed = transaction.changed_since(seen)
    if changed is not None and key not in changed:
        return visit.nothing_new(rev)
    values = _everything(visit, key)
    return visit.rows("ticket_body.html", **values)


def _everything(visit: Visit, key: int) -> dict[str, Any]:
    with visit.store.read() as transaction:
        rev = transaction.newest_change()
        item = find(transaction, key)
        events = desk_work.story(transaction, item)
        clocks = transaction.clocks_of([key])
        changes = transaction.status_log(key)
        names = {id_: agent.name for id_, (agent, _) in transaction.known_agents().items()}
    given = item.triaged.assignment if item.triaged else None
    holding = item.triaged.holding if item.triaged else None
    mine = bool(visit.person.agent_id) and desk_work.holder_of(item) == visit.person.agent_id
    return {
        "item": item,
        "rev": rev,
        "events": _told(visit, events),
        "lines": [_line(clock, changes, visit.now) for clock in clocks],
        "parts": parts_of(given) if given else [],
        "names": names,
        "may": visit.may_work_on(item),
        "mine": mine,
        "state": str(holding.state) if holding else "",
        "begun": holding is not None and holding.state is AssignmentState.ACCEPTED,
    }


def _told(visit: Visit, events: list[TicketEvent]) -> list[tuple[str, TicketEvent, str]]:
    """What happened in the viewer's words, the newest first, as people read it.

    With each the kind of saying that its note is; "" for what a person wrote.
    """
    told = []
    for event in reversed(events):
        key = f"event.{event.what.replace(' ', '_')}"
        what = visit.t(key) if visit.t.has(key) else event.what
        told.append((what, event, _SAYINGS.get(event.what, "")))
    return told


def parts_of(given: Assignment) -> list[tuple[str, float, int]]:
    """Score parts: name, number, and the length of its bar from -100 to 100.

    What match and affinity are worth is theirs times urgency; load and price count against.
    """
    weight = given.parts.get(_FACTOR, 1.0)
    sizes: list[tuple[str, float]] = []
    for name, value in given.parts.items():
        if name == _FACTOR:
            continue
        sign = 1.0 if name == "experience" else -1.0
        size = value * (weight if name in _SKILL else sign)
        if abs(size) > _NOTHING or name in _ALWAYS:
            sizes.append((name, size))
    shown = [abs(value) for name, value in sizes if name != _PRICE]
    largest = max(shown, default=0.0) or 1.0
    return [(name, value, round(100 * value / largest)) for name, value in sizes]


def _line(clock: StoredClock, changes: list[tuple[datetime, Status]], now: datetime) -> Line:
    end = max([at for at in (clock.due_at, clock.stopped_at) if at] + [now])
    whole = max(end - clock.started_at, timedelta(minutes=1)) * 1.04

    def at(moment: datetime | None) -> int | None:
        if moment is None or moment < clock.started_at:
            return None
        return min(1000, round(1000 * ((moment - clock.started_at) / whole)))

    until = min(clock.stopped_at or now, now)
    stretches = []
    for start, stop, paused in _phases(clock.started_at, until, changes):
        low, high = at(start) or 0, at(stop) or 0
        stretches.append(Stretch(start=low, length=max(high - low, 1), paused=paused))
    return Line(
        target=clock.target,
        standing=SlaStanding(
            target=clock.target,
            due_at=clock.due_at,
            warn_at=clock.warn_at,
            paused=clock.paused,
            stopped_at=clock.stopped_at,
        ),
        started_at=clock.started_at,
        due=at(clock.due_at),
        warn=at(clock.warn_at),
        now=None if clock.stopped_at else at(now),
        stretches=tuple(stretches),
        sla=clock.sla,
    )


def _phases(
    start: datetime, end: datetime, changes: list[tuple[datetime, Status]]
) -> list[tuple[datetime, datetime, bool]]:
    """Stretches of time with whether the ticket was on hold (or resolved) in them."""
    found, at, paused = [], start, False
    for changed, status in sorted(changes, key=lambda change: change[0]):
        held, moment = status is not Status.OPEN, min(max(changed, start), end)
        if held != paused:
            if moment > at:
                found.append((at, moment, paused))
            at, paused = moment, held
    if end > at:
        found.append((at, end, paused))
    return found


def correct_form(visit: Visit, key: int) -> Response:
    """Choose what a ticket really is."""
    with visit.store.read() as transaction:
        item = find(transaction, key)
    groups: dict[str, list[str]] = {}
    for entry in visit.catalog().entries:
        groups.setdefault(entry.label.request_category, []).append(entry.label.request_type)
    return visit.render("ticket_correct.html", item=item, groups=groups)


def reassign_form(visit: Visit, key: int) -> Response:
    """Choose who gets a ticket: the best with their scores, then everybody else."""
    with visit.store.read() as transaction:
        item = find(transaction, key)
        roster = transaction.roster(visit.now)
    choice, why_not = None, ""
    try:
        choice = desk_work.candidates(
            visit.desk, item.ticket.id, most=_CANDIDATES, source=item.ticket.source
        )
    except TriagedeskError as error:
        why_not = error.message
    best = {candidate.agent_id for candidate in choice.candidates} if choice else set()
    return visit.render(
        "ticket_reassign.html",
        item=item,
        holder=desk_work.holder_of(item),
        choice=choice,
        why_not=why_not,
        agents={agent.id: agent for agent in roster},
        others=sorted(
            (agent for agent in roster if agent.id not in best),
            key=lambda agent: agent.name.casefold(),
        ),
    )


def taught(visit: Visit, key: int) -> Response:
    """What correcting a ticket taught: the open tickets like it that would change."""
    with visit.store.read() as transaction:
        item = find(transaction, key)
        next_key = transaction.next_in_queue(QueueFilter(needs_review=True), visit.now, than=key)
    changes = relearning.would_change(visit.desk, item, visit.catalog())
    return visit.render("ticket_taught.html", item=item, changes=changes, next_key=next_key)


def why(visit: Visit, key: int) -> Response:
    """What speaks for a ticket's classification, asked of the model as it is now."""
    with visit.store.read() as transaction:
        item = find(transaction, key)
    said = None
    if item.triaged is not None:
        said = learning.explained(visit.desk, item.triaged, visit.catalog()).explanation
    phrases = [(one, _times(visit.t, one.loss)) for one in said.phrases] if said else []
    return visit.render("ticket_why.html", item=item, said=said, phrases=phrases)


def _times(t: Texts, loss: float) -> str:
    """How many times better odds are that would lose this much of their logarithm."""
    odds = math.exp(min(loss, _SURE))
    return t.number(odds, 1 if odds < 10 else 0)  # noqa: PLR2004 - two digits tell enough


ROUTES: list[BaseRoute] = [
    view("/tickets/{key:int}", ticket, name="ticket"),
    view("/tickets/{key:int}/changes", ticket_changes),
    view("/tickets/{key:int}/why", why),
    view("/tickets/{key:int}/correct", correct_form, role="agent"),
    view("/tickets/{key:int}/reassign", reassign_form, role="lead"),
    view("/tickets/{key:int}/taught", taught, role="agent"),
]
