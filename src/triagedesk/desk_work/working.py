"""What an agent does: pull the next ticket, accept, decline, hand back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from triagedesk import placing
from triagedesk.agents import Agent
from triagedesk.assign import WorkItem
from triagedesk.assign.commitment import Commitment, next_for, why_nothing
from triagedesk.desk import Desk
from triagedesk.desk_work.finding import (
    HandedOn,
    again,
    find_agent,
    find_ticket,
    holder_of,
    names_of,
    reason_of,
    refuse_absent,
    refuse_begun,
    refuse_others,
    refuse_resolved,
)
from triagedesk.store import Transaction
from triagedesk.store.assignments import OpenWork
from triagedesk.store.lists import DeskTicket
from triagedesk.tickets import AssignmentState, ReleasedFor

#: How often the next ticket is chosen beside others, before it is chosen alone.
TRIES = 3


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """What an agent who asked for the next ticket gets."""

    #: None: nothing waits that is for them; `why` says so.
    ticket: DeskTicket | None
    why: str
    #: Who had it tentatively until now; "" for nobody, or the agent.
    taken_from: str = ""
    #: The index and its parts; None where the ticket was theirs already.
    commitment: Commitment | None = None


def next_ticket(desk: Desk, agent_id: str, *, by: str) -> Pulled:
    """Give an agent the ticket to begin now; asked again before they accept it, the same one."""
    for _ in range(TRIES):
        # Looking through all that waits takes longer than taking one: nobody waits for it.
        with desk.store.read() as transaction:
            chosen = _choose(desk, transaction, agent_id)
        if chosen.work is None:
            return Pulled(ticket=None, why=chosen.why)
        with desk.store.begin_alone() as transaction:
            if _still_holds(transaction, chosen, chosen.work):
                return _take(desk, transaction, chosen, chosen.work, by)
    with desk.store.begin_alone() as transaction:
        chosen = _choose(desk, transaction, agent_id)
        if chosen.work is None:
            return Pulled(ticket=None, why=chosen.why)
        return _take(desk, transaction, chosen, chosen.work, by)


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    """The ticket an agent should begin, as things were when it was looked for."""

    agent: Agent
    now: datetime
    why: str
    #: None: nothing waits that is for them.
    work: OpenWork | None = None
    item: WorkItem | None = None
    commitment: Commitment | None = None


def _choose(desk: Desk, transaction: Transaction, agent_id: str) -> _Chosen:
    """Look through what waits: first what is theirs for good, else what nobody has committed to."""
    now = desk.now()
    agent = find_agent(transaction, agent_id, now)
    refuse_absent(desk, agent, now)
    every = transaction.open_work()
    roster = placing.without_tentative(transaction.roster(now), every)
    me = next(other for other in roster if other.id == agent.id)
    mine = [item for item in every if item.agent_id == agent.id and _is_theirs(item)]
    if mine and me.capacity:
        # Theirs already: no capacity is asked for.
        me = replace(me, load=min(me.load, me.capacity - 1))
    choice = mine or [item for item in every if _may_be_pulled(desk, item, agent)]
    items = placing.items_of(desk, transaction, choice, now)
    names = names_of(choice)
    waiting = [replace(items[item.key], ticket_id=names[item.key]) for item in choice]
    policy, weights = desk.online.commitment, desk.assign_policy
    found = next_for(
        me,
        waiting,
        roster,
        policy=policy,
        assign_policy=weights,
        now=now,
        theirs=bool(mine),
    )
    if found is None:
        why = why_nothing(me, waiting, roster, policy=policy, assign_policy=weights, now=now)
        return _Chosen(agent=agent, now=now, why=why)
    work = next(item for item in choice if names[item.key] == found.item.ticket_id)
    return _Chosen(
        agent=agent,
        now=now,
        why=found.reason,
        work=work,
        item=items[work.key],
        commitment=found,
    )


def _still_holds(transaction: Transaction, chosen: _Chosen, work: OpenWork) -> bool:
    """Whether the agent and the ticket are as they were when it was chosen."""
    if find_agent(transaction, chosen.agent.id, chosen.now) != chosen.agent:
        return False
    declined = transaction.declined_by([work.key]).get(work.key, frozenset())
    return transaction.open_work(keys=[work.key]) == [work] and chosen.agent.id not in declined


def _take(desk: Desk, transaction: Transaction, chosen: _Chosen, work: OpenWork, by: str) -> Pulled:
    """Make a ticket its agent's for good."""
    agent, now, taken_from = chosen.agent, chosen.now, ""
    if work.agent_id == agent.id:
        transaction.commit_to(work.key, now)
    elif chosen.item:
        taken_from = work.agent_id or ""
        change = "Somebody else it is for who had asked first would have got it."
        given = placing.alone(desk, chosen.item, agent, now, why=chosen.why, change=change)
        transaction.release([work.key], now, why=ReleasedFor.PULLED, by=by)
        placing.record(desk, transaction, {work.key: given}, now, committed=True)
    if not _is_theirs(work):
        details = {"agent": agent.id, "why": chosen.why, "taken from": taken_from}
        transaction.audit("ticket pulled", work.external_id, actor=by, at=now, details=details)
    (ticket,) = transaction.desk_tickets_of([work.key])
    return Pulled(
        ticket=ticket, why=chosen.why, taken_from=taken_from, commitment=chosen.commitment
    )


def _is_theirs(item: OpenWork) -> bool:
    """Whether a ticket is its agent's for good and waits for them."""
    return item.holding is not None and item.holding.state is AssignmentState.COMMITTED


def _may_be_pulled(desk: Desk, item: OpenWork, agent: Agent) -> bool:
    """Whether a ticket waits for whoever is free first."""
    if item.holding is None or item.agent_id == agent.id:
        return item.holding is None or item.holding.state is AssignmentState.TENTATIVE
    return not desk.online.commits_early and item.holding.state is AssignmentState.TENTATIVE


def accept(desk: Desk, ticket_id: str, agent_id: str, *, by: str, source: str = "") -> DeskTicket:
    """Begin the work on a ticket one has."""
    now = desk.now()
    with desk.store.begin_alone() as transaction:
        item = find_ticket(transaction, ticket_id, source)
        refuse_resolved(item)
        agent = find_agent(transaction, agent_id, now)
        refuse_others(item, agent)
        if item.triaged and item.triaged.holding and not item.triaged.holding.accepted_at:
            transaction.accept(item.key, now)
            details = {"agent": agent.id}
            transaction.audit("ticket accepted", item.ticket.id, actor=by, at=now, details=details)
        return again(transaction, item)


def decline(
    desk: Desk, ticket_id: str, agent_id: str, reason: str, *, by: str, source: str = ""
) -> HandedOn:
    """Refuse a ticket before the work on it begins: it never comes back to this agent."""
    return _give_up(
        desk, ticket_id, agent_id, reason, why=ReleasedFor.DECLINED, by=by, source=source
    )


def hand_back(
    desk: Desk, ticket_id: str, agent_id: str, reason: str, *, by: str, source: str = ""
) -> HandedOn:
    """Give a ticket up, begun or not: it goes to somebody else, or waits in the queue."""
    return _give_up(
        desk, ticket_id, agent_id, reason, why=ReleasedFor.HANDED_BACK, by=by, source=source
    )


def _give_up(
    desk: Desk,
    ticket_id: str,
    agent_id: str,
    reason: str,
    *,
    why: ReleasedFor,
    by: str,
    source: str,
) -> HandedOn:
    now, note = desk.now(), reason_of(reason)
    with desk.store.begin_alone() as transaction:
        item = find_ticket(transaction, ticket_id, source)
        refuse_resolved(item)
        agent = find_agent(transaction, agent_id, now)
        if holder_of(item) != agent.id and transaction.last_release(item.key) == (agent.id, why):
            return HandedOn(ticket=item, from_agent=agent.id, to_agent=holder_of(item))
        refuse_others(item, agent)
        if why is ReleasedFor.DECLINED and item.triaged and item.triaged.holding:
            refuse_begun(item, agent)
        work = transaction.open_work(keys=[item.key])
        transaction.release([item.key], now, why=why, by=by, note=note)
        details = {"agent": agent.id, "reason": note}
        transaction.audit(f"ticket {why}", item.ticket.id, actor=by, at=now, details=details)
        # A ticket on hold waits until it is open again.
        kept_from = {item.key: frozenset({agent.id})}
        placing.place(desk, transaction, work, now, kept_from=kept_from)
        item = again(transaction, item)
    return HandedOn(ticket=item, from_agent=agent.id, to_agent=holder_of(item))
