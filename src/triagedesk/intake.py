"""Tickets that come by themselves, over the API: the way of a batch without fetching and report.

`take_in` keeps what it decides, `preview` keeps nothing. Both give every ticket back, in the
batch's order; a ticket the desk has dealt with already stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from triagedesk import pipeline, placing, watch
from triagedesk.agents import Agent
from triagedesk.assign import AssignPolicy, WorkItem, assign_batch
from triagedesk.catalog import ServiceCatalog
from triagedesk.desk import Desk, RunSummary
from triagedesk.store import Transaction
from triagedesk.store.lists import DeskTicket
from triagedesk.tickets import Assignment, ReceivedTicket, Status, Ticket, TriagedTicket

#: The source of tickets that nobody fetched.
SOURCE = "api"


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Tickets, and the agents to give them to."""

    #: Of the source `SOURCE`, each id once.
    tickets: tuple[Ticket, ...]
    #: Ids of tickets that came without a status: they keep the one the desk knows.
    without_status: frozenset[str] = frozenset()
    #: None: the desk's own roster.
    agents: tuple[Agent, ...] | None = None
    #: Agents' loads are those that came with them, also where the desk knows better.
    loads_given: bool = False


def take_in(
    desk: Desk, batch: Batch, catalog: ServiceCatalog, summary: RunSummary
) -> list[DeskTicket]:
    """Keep, classify, prioritise and assign a batch; what has been dealt with is left alone."""
    now, run_id = desk.now(), summary.run_id
    ids = [ticket.id for ticket in batch.tickets]
    with desk.store.begin_alone() as transaction:
        _take_on_agents(desk, transaction, batch)
        known = transaction.desk_tickets_from(SOURCE, ids)
        todo = [ticket for ticket in _as_known(batch, known) if not _is_settled(ticket, known)]
        if todo:
            transaction.record_intake(run_id, now)
            transaction.receive(run_id, SOURCE, todo, (), now)
    if todo:
        pipeline.triage(desk, summary, catalog)
        if batch.agents is None:
            pipeline.assign(desk, summary, catalog)
        else:
            _assign_among(desk, summary, batch.agents)
        watch.follow(desk, catalog)
        with desk.store.read() as transaction:
            known = transaction.desk_tickets_from(SOURCE, ids)
    return [known[id_] for id_ in ids]


def _take_on_agents(desk: Desk, transaction: Transaction, batch: Batch) -> None:
    """Put a batch's agents on the roster; first seen, or when so asked, with the load given."""
    if not batch.agents:
        return
    transaction.welcome(batch.agents, desk.now())
    if batch.loads_given:
        standing = {agent.id: agent.load for agent in transaction.roster()}
        for agent in batch.agents:
            if agent.load != standing[agent.id]:
                transaction.add_load(agent.id, agent.load - standing[agent.id], desk.now())


def _as_known(batch: Batch, known: Mapping[str, DeskTicket]) -> list[Ticket]:
    """Tickets that came without a status with the one they have here."""
    return [
        replace(ticket, status=known[ticket.id].status)
        if ticket.id in known and ticket.id in batch.without_status
        else ticket
        for ticket in batch.tickets
    ]


def _is_settled(ticket: Ticket, known: Mapping[str, DeskTicket]) -> bool:
    """Whether the desk has decided about just this ticket, and someone has it or nobody should."""
    found = known.get(ticket.id)
    if found is None or found.triaged is None or found.status is not ticket.status:
        return False
    given = found.triaged.assignment
    return found.ticket.content_hash == ticket.content_hash and (
        ticket.status is not Status.OPEN or bool(given and given.agent_id)
    )


def _assign_among(desk: Desk, summary: RunSummary, agents: Sequence[Agent]) -> None:
    """Step 6 for agents that came with the tickets: skills are read against theirs alone."""
    ids = {agent.id for agent in agents}
    with desk.store.read() as transaction:
        waiting = transaction.unassigned(summary.run_id)
    desk.progress.start("Assigning", len(waiting))
    items = _work_among(desk, waiting, agents)
    with desk.store.begin_alone() as transaction:
        now = desk.now()
        still = [t for t in transaction.unassigned(summary.run_id) if t.key in items]
        items = {triaged.key: items[triaged.key] for triaged in still}
        items = placing.with_past(desk, transaction, items, placing.matters_of(still), now)
        batch = assign_batch(
            list(items.values()),
            [agent for agent in transaction.roster(now) if agent.id in ids],
            policy=_at_once(desk.assign_policy),
            now=now,
            time_limit=desk.assign_time_limit,
        )
        given = {
            triaged.key: assignment
            for triaged, assignment in zip(still, batch.assignments, strict=True)
            # A deferral that stands is not recorded anew.
            if assignment.agent_id or triaged.assignment is None
        }
        placing.record(desk, transaction, given, now, run_id=summary.run_id)
        placing.interrupt(desk, transaction, list(given), now)
    summary.assigned_now = sum(1 for assignment in given.values() if assignment.agent_id)
    summary.assign_method, summary.assign_gap = batch.method, batch.gap
    summary.skill_gaps = batch.skill_gaps
    desk.progress.advance(len(waiting))


def _at_once(policy: AssignPolicy) -> AssignPolicy:
    """Whoever says which agents there are wants an answer about these, now."""
    return replace(policy, waits=False)


def _work_among(
    desk: Desk, waiting: Sequence[TriagedTicket], agents: Sequence[Agent]
) -> dict[int, WorkItem]:
    """By ticket key what there is to do, needs read from the text."""
    skills = sorted({name for agent in agents for name in agent.skills})
    texts = [triaged.ticket.text for triaged in waiting]
    read = desk.skill_reader().needs(texts, skills) if texts and skills else None
    return {
        triaged.key: WorkItem(
            ticket_id=str(triaged.key),
            title=triaged.ticket.short_description,
            priority=triaged.priority.priority,
            needs=read[place] if read else (),
            created_at=triaged.ticket.created_at or triaged.received_at,
            due_at=triaged.resolution_due_at,
            requester=triaged.ticket.requester_email,
        )
        for place, triaged in enumerate(waiting)
    }


def preview(
    desk: Desk, batch: Batch, catalog: ServiceCatalog, summary: RunSummary
) -> list[DeskTicket]:
    """What `take_in` would decide now; nothing is kept."""
    now = desk.now()
    with desk.store.read() as transaction:
        known = transaction.desk_tickets_from(SOURCE, [ticket.id for ticket in batch.tickets])
        roster = [agent.on_shift(now) for agent in _roster_for(transaction, batch)]
    # The store's numbers begin at 1: those from 0 down are free.
    received = {
        -place: ReceivedTicket(key=-place, ticket=ticket, received_at=now)
        for place, ticket in enumerate(_as_known(batch, known))
        if not _is_settled(ticket, known)
    }
    answers, summary.usage = pipeline.classify(
        desk.classifier(), [item.ticket for item in received.values()], catalog
    )
    triaged = {
        item.key: pipeline.decide(desk, item, answer, catalog)
        for item, answer in zip(received.values(), answers, strict=True)
    }
    waiting = [item for item in triaged.values() if _may_be_given(item, known)]
    given = {int(a.ticket_id): a for a in _assign_in_mind(desk, waiting, roster, batch, catalog)}
    answer = dict(known)
    for key, item in triaged.items():
        kept = _kept_assignment(item, known)
        answer[item.ticket.id] = DeskTicket(
            key=key,
            ticket=item.ticket,
            status=item.ticket.status,
            received_at=now,
            updated_at=now,
            triaged=replace(item, assignment=given.get(key, kept)),
        )
    return [answer[ticket.id] for ticket in batch.tickets]


def _roster_for(transaction: Transaction, batch: Batch) -> list[Agent]:
    """Who could take the batch, with the loads they would have."""
    standing = {agent.id: agent.load for agent in transaction.roster()}
    if batch.agents is None:
        return list(transaction.roster())
    return [
        agent if batch.loads_given else replace(agent, load=standing.get(agent.id, agent.load))
        for agent in batch.agents
    ]


def _kept_assignment(triaged: TriagedTicket, known: Mapping[str, DeskTicket]) -> Assignment | None:
    """The assignment a ticket keeps although its content changed; None when it has no agent."""
    found = known.get(triaged.ticket.id)
    given = found.triaged.assignment if found and found.triaged else None
    return given if given and given.agent_id else None


def _may_be_given(triaged: TriagedTicket, known: Mapping[str, DeskTicket]) -> bool:
    return triaged.ticket.status is Status.OPEN and not _kept_assignment(triaged, known)


def _assign_in_mind(
    desk: Desk,
    waiting: Sequence[TriagedTicket],
    roster: Sequence[Agent],
    batch: Batch,
    catalog: ServiceCatalog,
) -> Sequence[Assignment]:
    if batch.agents is None:
        skills = sorted({name for agent in roster for name in agent.skills})
        items = placing.work_of(desk, map(placing.waiting_of, waiting), skills, catalog)
    else:
        items = list(_work_among(desk, waiting, roster).values())
    return assign_batch(
        items,
        roster,
        policy=desk.assign_policy if batch.agents is None else _at_once(desk.assign_policy),
        now=desk.now(),
        time_limit=desk.assign_time_limit,
    ).assignments
