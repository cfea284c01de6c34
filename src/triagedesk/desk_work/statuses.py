"""What becomes of a ticket: resolved, on hold, open again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from triagedesk import learning, pipeline, placing, watch
from triagedesk.agents import Availability
from triagedesk.assign.commitment import next_for
from triagedesk.catalog import ServiceCatalog
from triagedesk.catalog_parser import parse_catalog
from triagedesk.desk import Desk, RunSummary
from triagedesk.desk_work.finding import (
    again,
    find_ticket,
    holder_of,
    is_begun,
    refuse_resolved,
)
from triagedesk.store import Transaction
from triagedesk.store.lists import DeskTicket
from triagedesk.tickets import ReleasedFor, Status


def resolve(desk: Desk, ticket_id: str, *, by: str, source: str = "") -> DeskTicket:
    """Mark a ticket as resolved: its agent's load falls, and the queue moves up."""
    item, moved = _set_status(desk, ticket_id, source, Status.RESOLVED, deed="resolved", by=by)
    return _followed(desk, item) if moved else item


def hold(desk: Desk, ticket_id: str, *, by: str, source: str = "") -> DeskTicket:
    """Put a ticket on hold: nobody can work on it now, and the clocks of its SLA stand still."""
    item, moved = _set_status(desk, ticket_id, source, Status.ON_HOLD, deed="put on hold", by=by)
    return _followed(desk, item) if moved else item


def unhold(desk: Desk, ticket_id: str, *, by: str, source: str = "") -> DeskTicket:
    """Go on with a ticket that was on hold; one that nobody has goes to somebody."""
    item, moved = _set_status(desk, ticket_id, source, Status.OPEN, deed="taken off hold", by=by)
    return _followed(desk, item) if moved else item


def reopen(desk: Desk, ticket_id: str, *, by: str, source: str = "") -> DeskTicket:
    """Open a resolved ticket again: it is assigned anew. One not resolved stays as it is."""
    item, moved = _set_status(desk, ticket_id, source, Status.OPEN, deed="reopened", by=by)
    return _followed(desk, item) if moved else item


#: Statuses from which a deed leads on; from others it is refused, or there is nothing to do.
_BEGINS_AT = {
    "resolved": (Status.OPEN, Status.ON_HOLD),
    "put on hold": (Status.OPEN,),
    "taken off hold": (Status.ON_HOLD,),
    "reopened": (Status.RESOLVED,),
}


def _set_status(
    desk: Desk, ticket_id: str, source: str, status: Status, *, deed: str, by: str
) -> tuple[DeskTicket, bool]:
    """Give a ticket another status; whether there was anything to do."""
    now = desk.now()
    with desk.store.begin_alone() as transaction:
        item = find_ticket(transaction, ticket_id, source)
        if deed in ("put on hold", "taken off hold"):
            refuse_resolved(item)
        if item.status not in _BEGINS_AT[deed]:
            return item, False
        if status is Status.RESOLVED:
            transaction.release([item.key], now, why=ReleasedFor.RESOLVED, by=by)
        transaction.change_status(replace(item.ticket, status=status, updated_at=now), now)
        transaction.audit(f"ticket {deed}", item.ticket.id, actor=by, at=now)
        agent_id = holder_of(item)
        if status is Status.RESOLVED and agent_id:
            _move_up(desk, transaction, agent_id, now)
        elif status is Status.OPEN:
            _go_on(desk, transaction, item, now)
        return again(transaction, item), True


def _go_on(desk: Desk, transaction: Transaction, item: DeskTicket, now: datetime) -> None:
    """Give a ticket that is open again to somebody, unless it has somebody who is there."""
    work = transaction.open_work(keys=[item.key])
    holder = holder_of(item)
    if holder and not is_begun(item):
        agent = transaction.agent_on_duty(holder)
        if agent and agent.availability is not Availability.AVAILABLE:
            transaction.release([item.key], now, why=ReleasedFor(agent.availability.value))
            holder = None
    if not holder:
        placing.place(desk, transaction, work, now)


def _move_up(desk: Desk, transaction: Transaction, agent_id: str, now: datetime) -> None:
    """Give an agent who has a free slot the ticket that presses most of those nobody has."""
    queue = transaction.open_work(unheld=True)
    roster = transaction.roster(now)
    agent = next((other for other in roster if other.id == agent_id), None)
    if not queue or agent is None:
        return
    items = placing.items_of(desk, transaction, queue, now)
    found = next_for(
        agent,
        list(items.values()),
        roster,
        policy=desk.online.commitment,
        assign_policy=desk.assign_policy,
        now=now,
    )
    if found:
        placing.place(
            desk, transaction, [i for i in queue if str(i.key) == found.item.ticket_id], now
        )


def _followed(desk: Desk, item: DeskTicket) -> DeskTicket:
    """A ticket whose status changed, dealt with where it had not been, its clocks up to date."""
    catalog: ServiceCatalog | None
    if item.status is Status.OPEN and (item.triaged is None or item.triaged.assignment is None):
        catalog = learning.load_catalog(desk)
        summary = RunSummary(run_id=desk.new_id(), started_at=desk.now())
        with desk.store.begin() as transaction:
            transaction.record_intake(summary.run_id, desk.now())
            transaction.put_into_run(summary.run_id, [item.key])
        pipeline.triage(desk, summary, catalog)
        pipeline.assign(desk, summary, catalog)
    else:
        catalog = _last_catalog(desk)
    if catalog:
        watch.follow(desk, catalog)
    with desk.store.read() as transaction:
        return again(transaction, item)


def _last_catalog(desk: Desk) -> ServiceCatalog | None:
    """The catalog of the last run."""
    with desk.store.read() as transaction:
        last = transaction.last_catalog(desk.catalog_source.origin)
    return _parsed(last.text, last.origin) if last else None


@lru_cache(maxsize=4)
def _parsed(text: str, origin: str) -> ServiceCatalog:
    return parse_catalog(text, origin=origin)
