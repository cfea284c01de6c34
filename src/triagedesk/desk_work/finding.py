"""Tickets and agents by the names people call them, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from triagedesk.agents import Agent
from triagedesk.assign.score import closed_reason
from triagedesk.cleaning import clean_name, clean_text, excerpt
from triagedesk.desk import Desk
from triagedesk.errors import ConflictError, InputError, NotFoundError, Problem
from triagedesk.store import Transaction
from triagedesk.store.assignments import OpenWork
from triagedesk.store.lists import DeskTicket
from triagedesk.tickets import Status

#: The longest reason somebody may give, in characters.
LONGEST_REASON = 2000


@dataclass(frozen=True, kw_only=True)
class HandedOn:
    """A ticket that changed hands."""

    ticket: DeskTicket
    from_agent: str
    #: None: it waits in the queue.
    to_agent: str | None


def find_ticket(transaction: Transaction, ticket_id: str, source: str = "") -> DeskTicket:
    """The ticket of that id; raises ConflictError when several sources have one."""
    name = clean_name(ticket_id)
    found = transaction.desk_tickets_called(name, clean_name(source))
    if not found:
        what = f"there is no ticket {excerpt(name)!r}"
        raise NotFoundError(what, problems=[Problem(where="ticket_id", what=what)])
    if len(found) > 1:
        sources = ", ".join(sorted(item.ticket.source for item in found))
        raise conflict(
            "ticket_id", f"several tickets have the id {excerpt(name)!r}", f"name one of {sources}"
        )
    return found[0]


def find_agent(
    transaction: Transaction,
    agent_id: str,
    now: datetime | None = None,
    *,
    argument: str = "agent_id",
) -> Agent:
    """An agent on the roster; with `now`, their shift as it is then."""
    name = clean_name(agent_id)
    agent = transaction.agent_on_duty(name, now)
    if agent:
        return agent
    what = f"there is no agent {excerpt(name)!r}"
    raise NotFoundError(what, problems=[Problem(where=argument, what=what)])


def holder_of(item: DeskTicket) -> str | None:
    """Id of the agent who has a ticket."""
    given = item.triaged.assignment if item.triaged else None
    return given.agent_id if given else None


def is_begun(item: DeskTicket) -> bool:
    """Whether the agent who has a ticket works on it."""
    holding = item.triaged.holding if item.triaged else None
    return holding is not None and holding.accepted_at is not None


def reason_of(text: str) -> str:
    """A reason somebody gave, cleaned, on one line; raises InputError for a long one."""
    reason = " ".join(clean_text(text).split())
    if len(reason) > LONGEST_REASON:
        what = f"longer than {LONGEST_REASON} characters"
        raise InputError(f"the reason is {what}", problems=[Problem(where="reason", what=what)])
    return reason


def again(transaction: Transaction, item: DeskTicket) -> DeskTicket:
    """The ticket as it is by now."""
    (found,) = transaction.desk_tickets_of([item.key])
    return found


def work_of(transaction: Transaction, item: DeskTicket) -> OpenWork:
    """A ticket as open work; refuses one that has not been dealt with, or is on hold."""
    work = transaction.open_work(keys=[item.key])
    if not work:
        waits = "is on hold" if item.status is Status.ON_HOLD else "has not been dealt with yet"
        raise conflict("ticket_id", f"ticket {excerpt(item.ticket.id)!r} {waits}")
    return work[0]


def names_of(work: Iterable[OpenWork]) -> dict[int, str]:
    """What people call tickets, by key; with the source where two have one id."""
    seen: dict[str, int] = {}
    names: dict[int, str] = {}
    for item in work:
        name = item.external_id
        if name in seen:
            name = f"{item.external_id} ({item.source})"
        seen[name] = item.key
        names[item.key] = name
    return names


def conflict(argument: str, what: str, hint: str = "") -> ConflictError:
    """A refusal that names the argument at fault."""
    return ConflictError(what, problems=[Problem(where=argument, what=what)], hint=hint)


def refuse_resolved(item: DeskTicket) -> None:
    """Refuse what has been resolved."""
    if item.status is Status.RESOLVED:
        what = f"ticket {excerpt(item.ticket.id)!r} is resolved"
        raise conflict("ticket_id", what, "reopen it first")


def refuse_others(item: DeskTicket, agent: Agent) -> None:
    """Refuse what is not this agent's."""
    holder = holder_of(item)
    if holder == agent.id:
        return
    who = f"{excerpt(holder)} has it" if holder else "nobody has it"
    raise conflict("agent_id", f"ticket {excerpt(item.ticket.id)!r} is not {agent.name}'s: {who}")


def refuse_begun(item: DeskTicket, agent: Agent) -> None:
    """Refuse what its agent works on already."""
    if is_begun(item):
        what = f"{agent.name} has begun ticket {excerpt(item.ticket.id)!r}"
        raise conflict("ticket_id", what, "hand it back instead")


def refuse_absent(desk: Desk, agent: Agent, now: datetime) -> None:
    """Refuse new work for somebody who is away or off shift; being full is another matter."""
    with_room = replace(agent, load=0, capacity=max(1, agent.capacity))
    if closed := closed_reason(with_room, now, desk.assign_policy):
        raise conflict("agent_id", f"{agent.name} takes no new work now: {closed}")
