"""SLA clocks of a desk: followed when something changes, struck by time, and what is done then.

    start_clocks  of tickets that are new, in the transaction that decides about them
    follow      clocks worked out anew, for tickets with a new status, decision or agent only
    look        what time has done since: events, found by the clock alone, each recorded once
    escalate    what the catalog entry asks for, once for each event
    tell        notices on their way out

Response is answered by the first agent who is given the ticket, or by its status leaving "open",
whichever comes first: docs/sla.md says why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter

from triagedesk.agents import Agent
from triagedesk.assign import WorkItem, assign_batch
from triagedesk.catalog import (
    CatalogEntry,
    EscalationRule,
    EscalationStep,
    Label,
    ServiceCatalog,
    Sla,
    normalise,
)
from triagedesk.catalog_parser import parse_catalog
from triagedesk.desk import Desk, RunSummary
from triagedesk.errors import CalendarError
from triagedesk.notices import Alarm, deliver_notices, notices_of
from triagedesk.priority import Priority
from triagedesk.sla import Calendar, SlaClock, SlaPolicy, follow_statuses
from triagedesk.store import Transaction
from triagedesk.store.sla_records import (
    BoardLine,
    EventLine,
    Moment,
    SlaEvent,
    StoredClock,
    WatchedTicket,
    next_look,
)
from triagedesk.tickets import Assignment, ReleasedFor, Status, TriagedTicket

#: Tickets or clocks dealt with in one transaction.
CHUNK = 500


def watch(desk: Desk, summary: RunSummary, catalog: ServiceCatalog) -> None:
    """Before assigning: clocks up to date, events recorded, and what they call for done."""
    desk.progress.start("Watching SLAs", None)
    follow(desk, catalog)
    summary.sla_events += look(desk)
    escalate(desk, summary, catalog)


def settle(desk: Desk, summary: RunSummary, catalog: ServiceCatalog) -> None:
    """After assigning: the clocks of what was given away, and notices out."""
    follow(desk, catalog)
    deliver_notices(desk, summary)


# start


def start_clocks(
    desk: Desk,
    transaction: Transaction,
    decided: Sequence[TriagedTicket],
    numbers: Mapping[int, int],
    catalog: ServiceCatalog,
) -> None:
    """Start the clocks of decided tickets; of those with a past they are followed later.

    `numbers` are the decisions' by ticket key.
    """
    new, now, rules = transaction.without_past(numbers), desk.now(), _rules(desk, catalog)
    clocks = [
        clock
        for item in decided
        if item.key in new
        for clock in clocks_of(
            _as_new(item, numbers[item.key]), catalog, desk.sla_policy, now, rules
        )
    ]
    transaction.start_clocks(clocks)
    transaction.follow_later([item.key for item in decided if item.key not in new])


def _as_new(triaged: TriagedTicket, decision_key: int) -> WatchedTicket:
    """A ticket to which nothing has happened yet."""
    return WatchedTicket(
        key=triaged.key,
        # In UTC all that follows is quicker.
        started_at=(triaged.ticket.created_at or triaged.received_at).astimezone(UTC),
        decision_key=decision_key,
        decided_at=triaged.decided_at,
        label=triaged.classification.label or Label("", ""),
        sla=triaged.sla,
        changes=(),
        first_assigned_at=None,
        assigned_at=None,
        clocks={},
    )


def _rules(desk: Desk, catalog: ServiceCatalog) -> str:
    return hashlib.sha256(f"{desk.sla_policy.version} {catalog.version}".encode()).hexdigest()


# follow


def follow(desk: Desk, catalog: ServiceCatalog) -> None:
    """Work out anew the clocks of tickets that changed, or all when the rules have."""
    rules = _rules(desk, catalog)
    with desk.store.begin_alone() as transaction:
        transaction.mark_outdated(rules)
    taken = 1
    while taken:
        with desk.store.begin_alone() as transaction:
            taken, watched = transaction.take_stale(CHUNK)
            now = desk.now()
            clocks = [
                clock
                for ticket in watched
                for clock in clocks_of(ticket, catalog, desk.sla_policy, now, rules)
            ]
            transaction.save_clocks([ticket.key for ticket in watched], clocks)


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


# look


def look(desk: Desk) -> int:
    """Record what time has done since somebody looked last; returns how many events are new."""
    new, now = 0, desk.now()
    struck = True
    while struck:
        with desk.store.begin_alone() as transaction:
            clocks = transaction.struck(now, CHUNK)
            new += transaction.record_events(clocks, now)
        struck = bool(clocks)
    return new


# escalate


def escalate(desk: Desk, summary: RunSummary, catalog: ServiceCatalog) -> None:
    """Do what catalog entries ask for about events that no run has dealt with."""
    claimed = True
    while claimed:
        with desk.store.begin_alone() as transaction:
            events = transaction.claim_events(desk.now(), CHUNK)
            _escalate(desk, transaction, summary, catalog, events)
        claimed = bool(events)


def _escalate(
    desk: Desk,
    transaction: Transaction,
    summary: RunSummary,
    catalog: ServiceCatalog,
    events: Sequence[SlaEvent],
) -> None:
    """Escalate some events, in the transaction that claimed them."""
    keys = [event.ticket_key for event in events]
    tickets = {triaged.key: triaged for triaged in transaction.triaged_of(keys)}
    clocks = {(c.ticket_key, c.target): c for c in transaction.clocks_of(keys)}
    promoted, freed, alarms = set[int](), set[int](), list[Alarm]()
    outcomes = dict[int, tuple[list[str], str | None]]()
    for event in events:
        key, triaged = event.ticket_key, tickets.get(event.ticket_key)
        if triaged is None or not _still_stands(event, clocks.get((key, event.target))):
            continue
        steps, notify = _asked_for(event, catalog.match(*triaged.classification.label or ("", "")))
        done: list[str] = []
        if EscalationStep.RAISE_PRIORITY in steps and triaged.priority.priority > Priority.P1:
            triaged = raised(triaged, event, desk.now())
            promoted.add(key)
            done.append(f"priority raised to {triaged.priority.priority.name}")
        holder = triaged.assignment if triaged.ticket.status is Status.OPEN else None
        taken_from = holder.agent_id if holder and EscalationStep.REASSIGN in steps else None
        if holder and taken_from:
            triaged = replace(triaged, assignment=None)
            freed.add(key)
            done.append(f"taken from {holder.agent_name or taken_from}")
        if notify:
            alarms.append(Alarm(event=event, ticket=triaged, notify=notify, done=tuple(done)))
            done.append(f"notice to {', '.join(notify)}")
        tickets[key] = triaged
        outcomes[event.id] = done, taken_from
        summary.escalated += bool(done)
    transaction.record_done(outcomes)
    transaction.release(sorted(freed), desk.now(), why=ReleasedFor.ESCALATED)
    transaction.put_into_run(summary.run_id, sorted(promoted | freed))
    transaction.decide(summary.run_id, [tickets[key] for key in sorted(promoted)])
    for notice in notices_of(alarms, letterhead=desk.letterhead, now=desk.now()):
        transaction.add_notice(notice)


def _still_stands(event: SlaEvent, clock: StoredClock | None) -> bool:
    """Whether the clock still says so: the ticket may have been resolved, or got more time."""
    if clock is None or clock.stopped_at is not None:
        return False
    return (event.kind, event.happened_at) in clock.moments


def _asked_for(
    event: SlaEvent, entry: CatalogEntry | None
) -> tuple[set[EscalationStep], tuple[str, ...]]:
    """The steps of all rules that an event meets, each once, and whom to notify."""
    rules = [
        rule
        for rule in (entry.escalation if entry else ())
        if rule.when == event.kind and rule.target == event.target
    ]
    steps = {step for rule in rules for step in rule.steps}
    return steps, tuple(dict.fromkeys(address for rule in rules for address in rule.notify))


def raised(triaged: TriagedTicket, event: SlaEvent, now: datetime) -> TriagedTicket:
    """The ticket one priority higher, with the event as evidence."""
    name = {"resolution": "SLA", "response": "response SLA"}.get(event.target, "group SLA")
    words = {"at_risk": f"{name} at risk", "breached": f"{name} breached"}
    evidence = f"raised: {words.get(event.kind) or f'{float(event.kind):.0%} of the {name} used'}"
    priority = replace(
        triaged.priority,
        priority=Priority(triaged.priority.priority - 1),
        evidence=(*triaged.priority.evidence, evidence),
    )
    return replace(triaged, priority=priority, decided_at=now)


# reassign


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Tickets that escalation took from somebody, given to others."""

    #: By ticket key.
    given: Mapping[int, Assignment]
    #: The roster with the load these bring.
    roster: tuple[Agent, ...]


def assign_elsewhere(
    desk: Desk,
    items: Mapping[int, WorkItem],
    taken_from: Mapping[int, Sequence[str]],
    roster: Sequence[Agent],
) -> Elsewhere:
    """Give tickets that were taken from somebody to the best of the others.

    Where nobody else with the skill has room the ticket is not in the answer: the next step may
    give it back to the one who had it, since late and with someone is better than with nobody.
    """
    given: dict[int, Assignment] = {}
    agents = {agent.id: agent for agent in roster}
    known = {skill.casefold() for agent in roster for skill in agent.skills}
    for without in sorted({tuple(taken_from[key]) for key in items if key in taken_from}):
        keys = [key for key in items if tuple(taken_from.get(key, ())) == without]
        others = [agent for agent in agents.values() if agent.id not in without]
        batch = assign_batch(
            [items[key] for key in keys],
            others,
            policy=desk.assign_policy,
            now=desk.now(),
            time_limit=desk.assign_time_limit,
        )
        names = " and ".join(agents[id_].name if id_ in agents else id_ for id_ in without)
        for key, assignment in zip(keys, batch.assignments, strict=True):
            needed = any(need.skill.strip().casefold() in known for need in items[key].needs)
            lacks = assignment.skill_gap or "fallback" in assignment.parts
            if assignment.agent_id is None or (needed and lacks):
                continue
            taker = agents[assignment.agent_id]
            agents[taker.id] = replace(taker, load=taker.load + 1)
            why = f"{assignment.rationale} It was taken from {names} by escalation."
            given[key] = replace(assignment, rationale=why)
    return Elsewhere(given=given, roster=tuple(agents.values()))


# show


def board(desk: Desk, *, most: int | None, everything: bool) -> list[BoardLine]:
    """Every target that runs, next to breach first; clocks and events are brought up to date."""
    look_again(desk)
    with desk.store.read() as transaction:
        return transaction.board(most=most, everything=everything)


def event_lines(desk: Desk, *, most: int | None) -> list[EventLine]:
    """What happened, newest first; events are brought up to date."""
    look_again(desk)
    with desk.store.read() as transaction:
        return transaction.event_lines(most)


def look_again(desk: Desk) -> None:
    """Bring clocks and events up to date by the catalog of the last run; nothing is escalated."""
    origin = desk.catalog_source.origin
    with desk.store.read() as transaction:
        last = transaction.last_catalog(origin)
    if last:
        follow(desk, parse_catalog(last.text, origin=origin))
    look(desk)
