"""`/v1/tickets`: create, list, read, correct, and why it was decided so; `work` is the rest."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Body, Query, Request
from pydantic import Discriminator, Tag

from triagedesk import learning
from triagedesk.api import examples
from triagedesk.api.answers import (
    CorrectionOut,
    DecisionOut,
    RunOut,
    TicketOut,
    TicketPage,
    TicketsOut,
)
from triagedesk.api.assignment import accept
from triagedesk.api.checks import refuse, unique
from triagedesk.api.common import (
    Cursor,
    Limit,
    SourceName,
    TicketId,
    actor_of,
    answers,
    cursor_of,
    find_ticket,
    key_of,
    page,
    service_of,
)
from triagedesk.api.jobs import tickets_batch
from triagedesk.api.problems import ApiProblem, Fault, Json, not_valid
from triagedesk.api.rendering import decision_out, ticket_out
from triagedesk.api.routing import router
from triagedesk.api.wire import (
    SYNC_TICKETS,
    CorrectionGiven,
    NewTicket,
    NewTickets,
    PriorityName,
    StatusName,
)
from triagedesk.catalog import Label
from triagedesk.cleaning import clean_name
from triagedesk.desk import RunSummary
from triagedesk.intake import SOURCE, take_in
from triagedesk.priority import Priority
from triagedesk.store.lists import TicketFilter
from triagedesk.tickets import Status

tickets = router("tickets")


def _shape(body: Any) -> str:
    return "many" if isinstance(body, dict) and "tickets" in body else "one"


OneOrMany = Annotated[
    Annotated[NewTicket, Tag("one")] | Annotated[NewTickets, Tag("many")],
    Discriminator(_shape),
    Body(openapi_examples=examples.TICKETS),
]


@tickets.post(
    "/tickets",
    operation_id="createTickets",
    status_code=201,
    response_model=TicketOut | TicketsOut,
    responses={
        200: {
            "model": TicketOut | TicketsOut,
            "description": "Nothing new: the desk has them already, with this very content.",
        },
        202: {
            "model": RunOut,
            "description": f"More than {SYNC_TICKETS} tickets: accepted as a run; see `Location`.",
        },
        **answers(409, 502, body=True),
    },
)
def create_tickets(request: Request, given: OneOrMany) -> Json:
    """Triage one ticket, or several together: classify, SLA, prioritise, assign.

    A ticket the desk has already, with the same content, is answered as it stands; with other
    content it is refused (409), and so is the whole request.
    """
    service = service_of(request)
    wanted = NewTickets(tickets=[given]) if isinstance(given, NewTicket) else given
    batch = tickets_batch(wanted)
    ids = [ticket.id for ticket in batch.tickets]
    refuse(unique("tickets", "id", ids))
    with service.store.read() as transaction:
        known = transaction.desk_tickets_from(SOURCE, ids)
    clashes = [
        Fault(
            where="body",
            path=f"$.tickets[{place}].id" if isinstance(given, NewTickets) else "$.id",
            detail="the desk has a ticket of this id with other content",
            value=ticket.id,
        )
        for place, ticket in enumerate(batch.tickets)
        if ticket.id in known and known[ticket.id].ticket.content_hash != ticket.content_hash
    ]
    if clashes:
        raise ApiProblem(409, f"{clashes[0].path}: {clashes[0].detail}", faults=clashes)
    if len(ids) > SYNC_TICKETS:
        return accept(request, "tickets", wanted.model_dump_json(exclude_unset=True), len(ids))
    summary = RunSummary(run_id=service.new_id(), started_at=service.desk.now())
    items = take_in(service.desk, batch, service.catalog(), summary)
    service.metrics.tickets.inc(len(items))
    status = 200 if len(known) == len(ids) else 201
    if isinstance(given, NewTickets):
        return Json({"tickets": [ticket_out(item) for item in items]}, status_code=status)
    # The id may hold anything that a path may not.
    headers = {"Location": f"/v1/tickets/{quote(ids[0], safe='')}"}
    return Json(ticket_out(items[0]), status_code=status, headers=headers)


@tickets.get("/tickets", operation_id="listTickets", response_model=TicketPage, responses=answers())
def list_tickets(  # noqa: PLR0917 (query parameters, which FastAPI passes by name)
    request: Request,
    status: Annotated[StatusName | None, Query()] = None,
    priority: Annotated[PriorityName | None, Query()] = None,
    needs_review: Annotated[
        bool | None, Query(description="The review queue, or all but it.")
    ] = None,
    agent: Annotated[
        str | None, Query(max_length=300, description="Who has it; empty: nobody.")
    ] = None,
    category: Annotated[str, Query(max_length=300, description="request_category")] = "",
    type: Annotated[str, Query(max_length=300, description="request_type")] = "",  # noqa: A002 (the name clients use)
    source: Annotated[str, Query(max_length=200)] = "",
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Json:
    """Tickets, newest first."""
    wanted = TicketFilter(
        status=Status(status) if status else None,
        priority=Priority[priority] if priority else None,
        needs_review=needs_review,
        agent=None if agent is None else clean_name(agent),
        request_category=clean_name(category),
        request_type=clean_name(type),
        source=clean_name(source),
    )
    with service_of(request).store.read() as transaction:
        found = transaction.desk_tickets(wanted, before=key_of(cursor), most=limit + 1)
    following = cursor_of(found[limit - 1].key) if len(found) > limit else None
    return page(request, "tickets", [ticket_out(item) for item in found[:limit]], following)


@tickets.get(
    "/tickets/{ticket_id}",
    operation_id="readTicket",
    response_model=TicketOut,
    responses=answers(404, 409),
)
def read_ticket(request: Request, ticket_id: TicketId, source: SourceName = "") -> Json:
    """One ticket and what the desk has decided about it."""
    with service_of(request).store.read() as transaction:
        return Json(ticket_out(find_ticket(transaction, ticket_id, source)))


@tickets.get(
    "/tickets/{ticket_id}/decision",
    operation_id="explainTicket",
    response_model=DecisionOut,
    responses=answers(404, 409),
)
def explain_ticket(request: Request, ticket_id: TicketId, source: SourceName = "") -> Json:
    """Why a ticket is what it is and with whom it is: every number, every reason, the history."""
    with service_of(request).store.read() as transaction:
        item = find_ticket(transaction, ticket_id, source)
        decisions = transaction.past_decisions(item.key)
        assignments = transaction.past_assignments(item.key)
    return Json(decision_out(item, decisions, assignments))


@tickets.post(
    "/tickets/{ticket_id}/correction",
    operation_id="correctTicket",
    response_model=CorrectionOut,
    responses=answers(404, 409, 502, body=True),
)
def correct_ticket(
    request: Request,
    ticket_id: TicketId,
    given: Annotated[CorrectionGiven, Body(openapi_examples=examples.CORRECTION)],
    source: SourceName = "",
) -> Json:
    """Say what a ticket really is: its decision from now on, and what the desk learns from."""
    service = service_of(request)
    label = Label(clean_name(given.request_category), clean_name(given.request_type))
    with service.store.read() as transaction:
        item = find_ticket(transaction, ticket_id, source)
        newest = transaction.desk_tickets_called(item.ticket.id)[0]
    if newest.key != item.key:
        raise ApiProblem(409, "a newer ticket of another source has this id; correct that one")
    catalog = service.catalog()
    if catalog.match(*label) is None:
        raise _not_in_catalog(given, known=bool(catalog.candidates(label.request_category, "")))
    learned, _ = learning.correct(service.desk, item.ticket.id, label, by=actor_of(request))
    with service.store.read() as transaction:
        ticket = ticket_out(find_ticket(transaction, ticket_id, source))
    contradicted = len(learned.contradicted)
    return Json({"ticket": ticket, "lesson": learned.lesson, "contradicted": contradicted})


def _not_in_catalog(given: CorrectionGiven, *, known: bool) -> ApiProblem:
    """The name at fault: the type when the category is one, else the category."""
    if known:
        path, value = "$.request_type", given.request_type
    else:
        path, value = "$.request_category", given.request_category
    what = "is not in the Service Catalog; see GET /v1/catalog"
    return not_valid([Fault(where="body", path=path, detail=what, value=value)])
