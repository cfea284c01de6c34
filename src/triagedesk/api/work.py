"""What people do with tickets: accept, decline, hand back, reassign, hold, resolve, reopen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Body, Query, Request

from triagedesk import desk_work
from triagedesk.api import examples
from triagedesk.api.answers import ChoiceOut, HandedOnOut, StoryOut, TicketOut
from triagedesk.api.common import (
    SourceName,
    TicketId,
    actor_of,
    answers,
    find_ticket,
    id_of,
    refusals,
    service_of,
)
from triagedesk.api.problems import Json
from triagedesk.api.rendering import choice_out, event_out, handed_out, ticket_out
from triagedesk.api.routing import router
from triagedesk.api.wire import AgentNamed, Declined, HandedBack, Reassigned
from triagedesk.store.lists import DeskTicket

work = router("tickets")


@work.post(
    "/tickets/{ticket_id}/accept",
    operation_id="acceptTicket",
    response_model=TicketOut,
    responses=answers(404, 409, body=True),
)
def accept_ticket(
    request: Request,
    ticket_id: TicketId,
    given: Annotated[AgentNamed, Body(openapi_examples=examples.ACCEPT)],
    source: SourceName = "",
) -> Json:
    """Begin the work on a ticket one has. Accepted twice is accepted."""
    with refusals(given):
        item = desk_work.accept(
            service_of(request).desk,
            id_of(ticket_id),
            given.agent_id,
            by=actor_of(request),
            source=source,
        )
    return Json(ticket_out(item))


@work.post(
    "/tickets/{ticket_id}/decline",
    operation_id="declineTicket",
    response_model=HandedOnOut,
    responses=answers(404, 409, body=True),
)
def decline_ticket(
    request: Request,
    ticket_id: TicketId,
    given: Annotated[Declined, Body(openapi_examples=examples.DECLINE)],
    source: SourceName = "",
) -> Json:
    """Refuse a ticket before the work on it begins: it goes on, and never comes back to them."""
    with refusals(given):
        handed = desk_work.decline(
            service_of(request).desk,
            id_of(ticket_id),
            given.agent_id,
            given.reason,
            by=actor_of(request),
            source=source,
        )
    return Json(handed_out(handed))


@work.post(
    "/tickets/{ticket_id}/hand-back",
    operation_id="handTicketBack",
    response_model=HandedOnOut,
    responses=answers(404, 409, body=True),
)
def hand_ticket_back(
    request: Request,
    ticket_id: TicketId,
    given: Annotated[HandedBack, Body(openapi_examples=examples.HAND_BACK)],
    source: SourceName = "",
) -> Json:
    """Give a ticket up, begun or not: it goes to somebody else, or waits in the queue."""
    with refusals(given):
        handed = desk_work.hand_back(
            service_of(request).desk,
            id_of(ticket_id),
            given.agent_id,
            given.reason,
            by=actor_of(request),
            source=source,
        )
    return Json(handed_out(handed))


@work.post(
    "/tickets/{ticket_id}/reassign",
    operation_id="reassignTicket",
    response_model=TicketOut,
    responses=answers(404, 409, body=True),
)
def reassign_ticket(
    request: Request,
    ticket_id: TicketId,
    given: Annotated[Reassigned, Body(openapi_examples=examples.REASSIGN)],
    source: SourceName = "",
) -> Json:
    """Give a ticket to an agent of one's own choice; nobody pulls it away from them."""
    with refusals(given):
        item = desk_work.reassign(
            service_of(request).desk,
            id_of(ticket_id),
            given.to,
            by=actor_of(request),
            reason=given.reason,
            anyway=given.anyway,
            source=source,
        )
    return Json(ticket_out(item))


@work.post(
    "/tickets/{ticket_id}/hold",
    operation_id="holdTicket",
    response_model=TicketOut,
    responses=answers(404, 409),
)
def hold_ticket(request: Request, ticket_id: TicketId, source: SourceName = "") -> Json:
    """Put a ticket on hold: nobody can work on it now, and its SLA clock stands still."""
    return _moved(request, desk_work.hold, ticket_id, source)


@work.post(
    "/tickets/{ticket_id}/unhold",
    operation_id="unholdTicket",
    response_model=TicketOut,
    responses=answers(404, 409),
)
def unhold_ticket(request: Request, ticket_id: TicketId, source: SourceName = "") -> Json:
    """Go on with a ticket that was on hold. One that is open stays as it is."""
    return _moved(request, desk_work.unhold, ticket_id, source)


@work.post(
    "/tickets/{ticket_id}/resolve",
    operation_id="resolveTicket",
    response_model=TicketOut,
    responses=answers(404, 409),
)
def resolve_ticket(request: Request, ticket_id: TicketId, source: SourceName = "") -> Json:
    """Mark a ticket as resolved: its agent's load falls. Resolved twice is resolved."""
    return _moved(request, desk_work.resolve, ticket_id, source)


@work.post(
    "/tickets/{ticket_id}/reopen",
    operation_id="reopenTicket",
    response_model=TicketOut,
    responses=answers(404, 409, 502),
)
def reopen_ticket(request: Request, ticket_id: TicketId, source: SourceName = "") -> Json:
    """Open a resolved ticket again: it is assigned anew. One not resolved stays as it is."""
    return _moved(request, desk_work.reopen, ticket_id, source)


@work.get(
    "/tickets/{ticket_id}/candidates",
    operation_id="listCandidates",
    response_model=ChoiceOut,
    responses=answers(404, 409),
)
def list_candidates(
    request: Request,
    ticket_id: TicketId,
    source: SourceName = "",
    limit: Annotated[int, Query(ge=1, le=500, description="The most to send.")] = 10,
) -> Json:
    """The best agents for an open ticket as things are, with scores, and why others are not."""
    with refusals(None):
        choice = desk_work.candidates(
            service_of(request).desk, id_of(ticket_id), most=limit, source=source
        )
    return Json(choice_out(choice))


@work.get(
    "/tickets/{ticket_id}/history",
    operation_id="readHistory",
    response_model=StoryOut,
    responses=answers(404, 409),
)
def read_history(request: Request, ticket_id: TicketId, source: SourceName = "") -> Json:
    """What became of a ticket, oldest first: decided, assigned, accepted, declined, and by whom."""
    with service_of(request).store.read() as transaction:
        item = find_ticket(transaction, ticket_id, source)
        events = [event_out(event) for event in desk_work.story(transaction, item)]
    return Json({"ticket_id": item.ticket.id, "source": item.ticket.source, "events": events})


def _moved(request: Request, deed: Callable[..., DeskTicket], ticket_id: str, source: str) -> Json:
    """A ticket with another status."""
    with refusals(None):
        item = deed(service_of(request).desk, id_of(ticket_id), by=actor_of(request), source=source)
    return Json(ticket_out(item))
