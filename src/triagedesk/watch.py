"""SLA clocks of a desk: followed when something changes, struck by time, and what is done then.

    follow      clocks worked out anew, for tickets with a new status, decision or agent only
    look        what time has done since: events, found by the clock alone, each recorded once
    escalate    what the catalog entry asks for, once for each event
    tell        notices on their way out

How clocks follow from what happened stands in `clocks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from triagedesk.agents import Agent
from triagedesk.assign import WorkItem, assign_batch
from triagedesk.catalog import CatalogEntry, EscalationStep, ServiceCatalog
from triagedesk.catalog_parser import parse_catalog
from triagedesk.clocks import clocks_of, rules_of
from triagedesk.desk import Desk, RunSummary
from triagedesk.notices import Alarm, deliver_notices, notices_of
from triagedesk.priority import Priority
from triagedesk.store import Transaction
from triagedesk.store.sla_records import BoardLine, EventLine, SlaEvent, StoredClock
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


# follow


def follow(desk: Desk, catalog: ServiceCatalog) -> None:
    """Work out anew the clocks of tickets that changed, or all when the rules have."""
    rules = rules_of(desk.sla_policy, catalog)
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
