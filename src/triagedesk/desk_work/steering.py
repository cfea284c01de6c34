"""What a lead does: reassign, compare candidates, send somebody away, rebalance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from triagedesk import placing
from triagedesk.agents import Agent, Availability
from triagedesk.assign import WorkItem
from triagedesk.assign.score import closed_reason
from triagedesk.desk import Desk
from triagedesk.desk_work.finding import (
    HandedOn,
    again,
    conflict,
    find_agent,
    find_ticket,
    holder_of,
    reason_of,
    refuse_resolved,
    work_of,
)
from triagedesk.store import Transaction
from triagedesk.store.assignments import OpenWork
from triagedesk.store.lists import DeskTicket
from triagedesk.tickets import AssignmentState, Candidate, Exclusion, ReleasedFor


def reassign(
    desk: Desk,
    ticket_id: str,
    to: str,
    *,
    by: str,
    reason: str = "",
    anyway: bool = False,
    source: str = "",
) -> DeskTicket:
    """Give a ticket to an agent of one's own choice; `anyway` also when they are away or full."""
    now, note = desk.now(), reason_of(reason)
    with desk.store.begin_alone() as transaction:
        item = find_ticket(transaction, ticket_id, source)
        refuse_resolved(item)
        agent = find_agent(transaction, to, now, argument="to")
        holding = item.triaged.holding if item.triaged else None
        if holder_of(item) == agent.id and holding:
            if holding.state is not AssignmentState.TENTATIVE:
                return item
        elif not anyway and (closed := closed_reason(agent, now, desk.assign_policy)):
            what = f"{agent.name} takes no new work now: {closed}"
            raise conflict("to", what, hint="say so if they shall have it anyway")
        work = work_of(transaction, item)
        items = placing.items_of(desk, transaction, [work], now)
        why = f"{by} gave this to {agent.name}{f': {note}' if note else ''}."
        change = f"{by} decided it; the desk's own order is among the candidates."
        given = placing.alone(desk, items[item.key], agent, now, why=why, change=change)
        transaction.release([item.key], now, why=ReleasedFor.REASSIGNED, by=by, note=note)
        placing.record(desk, transaction, {item.key: given}, now, committed=True, by=by)
        details = {"from": work.agent_id, "to": agent.id, "reason": note}
        transaction.audit("ticket reassigned", item.ticket.id, actor=by, at=now, details=details)
        return again(transaction, item)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Whom a ticket could go to."""

    ticket: DeskTicket
    #: Best first; the one who has it is among them, as if they had not.
    candidates: tuple[Candidate, ...]
    #: Why others could not have it.
    exclusions: tuple[Exclusion, ...]


def candidates(desk: Desk, ticket_id: str, *, most: int = 10, source: str = "") -> Choice:
    """The best agents for a ticket as things are, by score, and why the others are not among them.

    Reads only. Raises ConflictError for a ticket that is resolved or on hold.
    """
    from triagedesk.assign.ranking import rank  # noqa: PLC0415 (loads numpy)

    now = desk.now()
    with desk.store.read() as transaction:
        item = find_ticket(transaction, ticket_id, source)
        refuse_resolved(item)
        work = work_of(transaction, item)
        items = placing.items_of(desk, transaction, [work], now)
        roster = [
            replace(agent, load=max(0, agent.load - (agent.id == work.agent_id)))
            for agent in transaction.roster(now)
        ]
    ranked, excluded = rank(items[item.key], roster, policy=desk.assign_policy, now=now)
    return Choice(ticket=item, candidates=ranked[:most], exclusions=excluded)


def set_availability(
    desk: Desk, agent_id: str, availability: Availability, *, by: str
) -> tuple[Agent, list[HandedOn]]:
    """Say whether an agent takes work. Who goes hands back what they have not begun, at once.

    Returns the agent, and what was handed back with who has it now. Who comes back gets what
    waits in the queue and suits them.
    """
    now = desk.now()
    with desk.store.begin_alone() as transaction:
        known = find_agent(transaction, agent_id)
        if known.availability is availability:
            return find_agent(transaction, agent_id, now), []
        transaction.welcome([replace(known, availability=availability)], now)
        details = {"availability": availability.value}
        transaction.audit("availability set", known.id, actor=by, at=now, details=details)
        if availability is Availability.AVAILABLE:
            queue = transaction.open_work(unheld=True)
            _place_or_leave(desk, transaction, queue, now)
            handed: list[HandedOn] = []
        else:
            why = ReleasedFor(availability.value)
            handed = _hand_on(desk, transaction, known.id, why=why, by=by, now=now)
        return find_agent(transaction, agent_id, now), handed


def _hand_on(
    desk: Desk, transaction: Transaction, agent_id: str, *, why: ReleasedFor, by: str, now: datetime
) -> list[HandedOn]:
    """Give what an agent has not begun to others, or to the queue."""
    work = [item for item in transaction.open_work(agent_id=agent_id) if not _is_begun(item)]
    keys = [item.key for item in work]
    transaction.release(keys, now, why=why, by=by)
    given = placing.place(desk, transaction, work, now)
    for item in work:
        details = {"from": agent_id, "to": given[item.key].agent_id, "why": why.value}
        transaction.audit("ticket handed on", item.external_id, actor=by, at=now, details=details)
    return [
        HandedOn(ticket=ticket, from_agent=agent_id, to_agent=holder_of(ticket))
        for ticket in transaction.desk_tickets_of(keys)
    ]


def _place_or_leave(
    desk: Desk, transaction: Transaction, queue: Sequence[OpenWork], now: datetime
) -> int:
    """Give those of a queue that somebody has room for; a deferral that stands is not repeated.

    Returns how many went to somebody.
    """
    items = placing.items_of(desk, transaction, queue, now)
    given = placing.batch(desk, transaction, items, now)
    taken = {key: assignment for key, assignment in given.items() if assignment.agent_id}
    placing.record(desk, transaction, taken, now)
    return len(taken)


def take_up(desk: Desk) -> int:
    """Give out what waits in the queue and can go by now; how many tickets went to somebody.

    What waited for somebody whose shift has begun goes to them, and what can wait no longer to
    others.
    """
    now = desk.now()
    with desk.store.read() as transaction:
        # Most of the time nothing has changed: nobody who writes is kept waiting for that.
        if not any(_takes_new(agent, now, desk) for agent in transaction.roster(now)):
            return 0
        queue = transaction.open_work(unheld=True)
        items = placing.items_of(desk, transaction, queue, now)
        given = placing.batch(desk, transaction, items, now)
    keys = [key for key, assignment in given.items() if assignment.agent_id]
    if not keys:
        return 0
    with desk.store.begin_alone() as transaction:
        still = [item for item in transaction.open_work(keys=keys) if item.agent_id is None]
        return _place_or_leave(desk, transaction, still, now)


def _takes_new(agent: Agent, now: datetime, desk: Desk) -> bool:
    return not closed_reason(agent, now, desk.assign_policy)


def rebalance(desk: Desk, *, by: str = "desk") -> list[HandedOn]:
    """Move work that nobody has begun to where it is done sooner; the queue goes out too.

    What a person gave to somebody stays theirs. Desks that commit early do this every few minutes.
    """
    from triagedesk.assign.rebalance import rebalance as moves_of  # noqa: PLC0415 (loads the solver)

    now = desk.now()
    with desk.store.begin_alone() as transaction:
        every = {str(item.key): item for item in transaction.open_work()}
        movable = [item for item in every.values() if _may_move(item)]
        items = placing.items_of(desk, transaction, movable, now)
        unstarted: dict[str, list[WorkItem]] = {}
        for item in movable:
            if item.agent_id:
                unstarted.setdefault(item.agent_id, []).append(items[item.key])
        queue = [items[item.key] for item in movable if item.agent_id is None]
        roster = transaction.roster(now)
        moves = moves_of(unstarted, queue, roster, policy=desk.assign_policy, now=now)
        agents = {agent.id: agent for agent in roster}
        for move in moves:
            work = every[move.item.ticket_id]
            transaction.release([work.key], now, why=ReleasedFor.REBALANCED, by=by, note=move.why)
            if move.to_agent is None:
                placing.place(desk, transaction, [work], now)
            else:
                given = placing.alone(
                    desk,
                    move.item,
                    agents[move.to_agent],
                    now,
                    why=move.why,
                    change="Work that its agent has begun is not moved.",
                )
                placing.record(desk, transaction, {work.key: given}, now)
            details = {"from": move.from_agent, "to": move.to_agent, "why": move.why}
            transaction.audit("ticket moved", work.external_id, actor=by, at=now, details=details)
        keys = [every[move.item.ticket_id].key for move in moves]
        tickets = {ticket.key: ticket for ticket in transaction.desk_tickets_of(keys)}
    return [
        HandedOn(
            ticket=tickets[key], from_agent=move.from_agent or "", to_agent=holder_of(tickets[key])
        )
        for key, move in zip(keys, moves, strict=True)
    ]


def _may_move(item: OpenWork) -> bool:
    return item.holding is None or not (item.holding.accepted_at or item.holding.given_by)


def _is_begun(item: OpenWork) -> bool:
    return item.holding is not None and item.holding.accepted_at is not None
