"""SLA clocks of tickets: started with a decision, and worked out anew from all that happened.

Response is answered by the first agent who is given the ticket, or by its status leaving "open",
whichever comes first: docs/sla.md says why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache
from operator import itemgetter

from triagedesk.catalog import CatalogEntry, EscalationRule, ServiceCatalog, Sla, normalise
from triagedesk.errors import CalendarError
from triagedesk.sla import Calendar, SlaClock, SlaPolicy, follow_statuses
from triagedesk.sla.working_time import amount, due_after
from triagedesk.store import Transaction
from triagedesk.store.sla_records import (
    Moment,
    StoredClock,
    WatchedTicket,
    looked_at_from,
    next_look,
)
from triagedesk.tickets import Status, TriagedTicket


def rules_of(policy: SlaPolicy, catalog: ServiceCatalog) -> str:
    """A hash of all that clocks follow besides what happens to their tickets."""
    return hashlib.sha256(f"{policy.version} {catalog.version}".encode()).hexdigest()


# start


def start_clocks(
    transaction: Transaction,
    decided: Sequence[TriagedTicket],
    numbers: Mapping[int, int],
    *,
    catalog: ServiceCatalog,
    policy: SlaPolicy,
    now: datetime,
) -> None:
    """Start the clocks of decided tickets; of those with a past they are followed later.

    `numbers` are the decisions' by ticket key.
    """
    new, rules = transaction.without_past(numbers), rules_of(policy, catalog)
    clocks = (
        clock
        for item in decided
        if item.key in new
        for clock in first_clocks(item, numbers[item.key], catalog, policy, now, rules)
    )
    transaction.start_clocks(clocks)
    transaction.follow_later([item.key for item in decided if item.key not in new])


def first_clocks(  # noqa: PLR0917 (as `clocks_of`, whose short cut it is)
    triaged: TriagedTicket,
    decision_key: int,
    catalog: ServiceCatalog,
    policy: SlaPolicy,
    now: datetime,
    rules_version: str,
) -> Iterator[StoredClock]:
    """What `clocks_of` says of a ticket to which nothing has happened yet, in a third of the time.

    No group has it, so no group's clock runs.
    """
    label = triaged.classification.label
    entry = catalog.match(*label) if label else None
    calendar = policy.calendar(entry)
    escalation = entry.escalation if entry else ()
    # In UTC all that follows is quicker.
    start = (triaged.ticket.created_at or triaged.received_at).astimezone(UTC)
    promised = (
        ("response", entry.response if entry else None, triaged.response_due_at),
        ("resolution", triaged.sla, triaged.resolution_due_at),
    )
    for target, sla, decided_due in promised:
        if sla is None or not sla.value:
            continue
        whole = amount(sla, calendar)
        due = decided_due or due_after(start, whole, calendar)
        warnings = [
            # Rounded up, so that it is certainly reached.
            (kind, due_after(start, -(-whole * share.numerator // share.denominator), calendar))
            for kind, share in _shares(target, policy.warn_at, escalation)
        ]
        moments = tuple(sorted([*warnings, ("breached", due)], key=itemgetter(1, 0)))
        until = dict(moments)
        yield StoredClock(
            ticket_key=triaged.key,
            target=target,
            decision_key=decision_key,
            group="",
            started_at=start,
            sla=sla,
            calendars=((start, calendar.name),),
            due_at=due,
            warn_at=until.get("at_risk"),
            paused=False,
            stopped_at=None,
            breached=due < now,
            moments=moments,
            # No warning comes after the breach.
            next_at=looked_at_from(*moments[0]),
            rules_version=rules_version,
        )


@lru_cache(maxsize=1024)
def _shares(
    target: str, warn_at: tuple[float, ...], escalation: tuple[EscalationRule, ...]
) -> tuple[tuple[str, Fraction], ...]:
    """The kinds of warning about a target, and the exact share of it that each comes at."""
    return tuple((kind, Fraction(share)) for kind, share in _warnings(target, warn_at, escalation))


# follow


def clocks_of(
    ticket: WatchedTicket,
    catalog: ServiceCatalog,
    policy: SlaPolicy,
    now: datetime,
    rules_version: str,
) -> Iterator[StoredClock]:
    """A ticket's clocks as they stand at `now`: one for each target that is promised."""
    entry = catalog.match(*ticket.label)
    calendar = policy.calendar(entry)
    group = normalise(entry.assignment_group) if entry else ""
    promised = {
        "response": entry.response if entry else None,
        "resolution": ticket.sla,
        "group": policy.group_targets.get(group),
    }
    for target, sla in promised.items():
        before = ticket.clocks.get(target)
        if target == "response" and before and before.decision_key == ticket.decision_key:
            # What was promised when it was decided stays, whatever the catalog says by now.
            sla = before.sla  # noqa: PLW2901 - the promise of this target
        start = _start_of(target, ticket, before, group)
        if sla is None or not sla.value or start is None:
            continue
        mine = before if before and before.started_at == start else None
        moves = mine.calendars if mine else ((start, calendar.name),)
        if moves[-1][1] != calendar.name:
            moves = (*moves, (max(now, moves[-1][0]), calendar.name))
        clock = _clock_of(target, ticket, sla, _calendars(moves, calendar, policy), policy)
        moments = _moments(clock, target, entry, policy)
        # One that was stopped in time keeps the due date it had.
        until = dict(moments)
        due = until.get("breached")
        if clock.stopped_at is not None:
            due = clock.due_if_resumed(clock.stopped_at)
        yield StoredClock(
            ticket_key=ticket.key,
            target=target,
            decision_key=ticket.decision_key,
            group=group if target == "group" else "",
            started_at=start,
            sla=sla,
            calendars=moves,
            due_at=due,
            warn_at=until.get("at_risk"),
            paused=not clock.running and clock.stopped_at is None,
            stopped_at=clock.stopped_at,
            breached=due is not None and due < (clock.stopped_at or now),
            moments=moments,
            next_at=next_look(moments, None),
            rules_version=None if clock.stopped_at else rules_version,
        )


def _start_of(
    target: str, ticket: WatchedTicket, before: StoredClock | None, group: str
) -> datetime | None:
    """When a clock starts: a group's when the group gets the ticket, the others with the ticket."""
    if target != "group":
        return ticket.started_at
    if before and before.group == group:
        return before.started_at
    return ticket.assigned_at


def _clock_of(
    target: str,
    ticket: WatchedTicket,
    sla: Sla,
    calendars: Sequence[tuple[datetime, Calendar]],
    policy: SlaPolicy,
) -> SlaClock:
    """A clock led through everything that happened to its ticket, in the order of time."""
    start, first = calendars[0]
    clock = SlaClock.start(start, sla, first)
    happened: list[tuple[datetime, int, str | Calendar]] = [
        (at, 0, calendar) for at, calendar in calendars[1:]
    ]
    if target == "response":
        answers = [at for at, status in ticket.changes if status is not Status.OPEN]
        answers += [ticket.first_assigned_at] if ticket.first_assigned_at else []
        happened += [(min(answers), 1, "answered")] if answers else []
    else:
        latest = start
        for at, status in ticket.changes:
            # The log's order counts: a helpdesk may date a later change earlier.
            latest = max(at, latest)
            happened.append((latest, 1, str(status)))
    for at, _order, what in sorted(happened, key=lambda event: event[:2]):
        at = max(at, start)  # noqa: PLW2901 - nothing happens before the start
        if isinstance(what, Calendar):
            clock = clock.move(at, what)
        elif what == "answered":
            clock = clock.stop(at)
        else:
            changes = [(at, what)]
            clock = follow_statuses(
                clock, changes, pause_on=policy.pause_on, stop_on=policy.stop_on
            )
    return clock


def _calendars(
    moves: Sequence[tuple[datetime, str]], calendar: Calendar, policy: SlaPolicy
) -> list[tuple[datetime, Calendar]]:
    """Calendars by name; for one the desk has given up, the present one stands in."""

    def named(name: str) -> Calendar:
        if name == calendar.name:
            return calendar
        try:
            return policy.named(name)
        except CalendarError:
            return calendar

    return [(since, named(name)) for since, name in moves]


def _moments(
    clock: SlaClock, target: str, entry: CatalogEntry | None, policy: SlaPolicy
) -> tuple[Moment, ...]:
    """What time will do to a clock if nothing else happens, and has done already.

    A clock that was stopped can only be late: nobody needs to hear that it was at risk.
    """
    due = clock.due_at()
    if clock.stopped_at is not None:
        return (("breached", due),) if due is not None and due < clock.stopped_at else ()
    warnings = _warnings(target, policy.warn_at, entry.escalation if entry else ())
    found = [(kind, clock.due_at(fraction=fraction)) for kind, fraction in warnings]
    moments = [(kind, at) for kind, at in [*found, ("breached", due)] if at is not None]
    return tuple(sorted(moments, key=itemgetter(1, 0)))


@lru_cache(maxsize=1024)
def _warnings(
    target: str, warn_at: tuple[float, ...], escalation: tuple[EscalationRule, ...]
) -> tuple[tuple[str, float], ...]:
    """The kinds of warning about a target, and the fraction of it that each comes at."""
    warnings = {"at_risk": warn_at[0]} | {f"{f:g}": f for f in warn_at[1:]}
    for rule in escalation:
        if rule.target == target and rule.fraction is not None:
            warnings.setdefault(rule.when, rule.fraction)
    return tuple(warnings.items())
