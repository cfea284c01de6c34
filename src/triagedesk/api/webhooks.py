"""`POST /v1/webhooks/tickets`: tickets that a helpdesk sends by itself, signed, accepted at once.

What is accepted is in the database before it is answered, and is worked off by workers. Signed as
standardwebhooks.com says: `webhook-id`, `webhook-timestamp` (at most five minutes old), and
`webhook-signature`, HMAC-SHA256 with WEBHOOK_SECRET. A delivery that is sent again is known by its
`webhook-id`.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Body, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, TypeAdapter
from standardwebhooks import Webhook, WebhookVerificationError
from standardwebhooks.webhooks import EmptyWebhookSecretError
from starlette.responses import Response

from triagedesk.api.body import StrictRequest, check_content_type
from triagedesk.api.common import answers, jobs_of, service_of
from triagedesk.api.problems import ApiProblem, Json
from triagedesk.api.routing import Handler
from triagedesk.api.wire import MOST_TICKETS, NewTicket, NewTickets
from triagedesk.errors import Problem, SettingsError
from triagedesk.settings import Settings
from triagedesk.tickets import Ticket

if TYPE_CHECKING:
    from triagedesk.api.service import Service

_DELIVERY = re.compile(r"[!-~]{1,255}")
_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_JSON = TypeAdapter(Ticket)
_EXAMPLE = {"id": "INC-2041", "short_description": "VPN drops every ten minutes"}


class SignedRoute(APIRoute):
    """An operation whose requests are signed; nothing of a body is read before that is checked."""

    def get_route_handler(self) -> Handler:
        """The handler behind the check."""
        original = super().get_route_handler()

        async def handle(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            strict.state.actor = "webhook"
            body = await strict.body()
            check_signature(service_of(strict), strict, body)
            check_content_type(strict)
            return await original(strict)

        return handle


webhooks = APIRouter(prefix="/v1", tags=["webhooks"], route_class=SignedRoute)


class Event(BaseModel):
    """A ticket, or several, in an envelope as webhooks often have it; the rest of it is ignored."""

    data: NewTicket | NewTickets


class AcceptedOut(BaseModel):
    """What was accepted."""

    delivery: str
    tickets: int
    new: int = Field(description="0: the delivery was sent before.")
    state: Literal["accepted"]


Sent = Annotated[
    NewTicket
    | NewTickets
    | Annotated[list[NewTicket], Field(min_length=1, max_length=MOST_TICKETS)]
    | Event,
    Body(
        openapi_examples={
            "one": {"summary": "One ticket", "value": _EXAMPLE},
            "event": {
                "summary": "An event that tells of it",
                "value": {"type": "ticket.created", "data": _EXAMPLE},
            },
        }
    ),
]


@webhooks.post(
    "/webhooks/tickets",
    operation_id="receiveTickets",
    status_code=202,
    response_model=AcceptedOut,
    responses=answers(body=True),
    openapi_extra={"x-scope": "write"},
)
async def receive_tickets(request: Request, given: Sent) -> Json:
    """Accept tickets, new or changed; they are triaged in the order they came.

    One delivery works once, however often it is sent. Of a ticket that is there already the
    later content counts. While the database is away: 503 with Retry-After, to be sent again.
    """
    service = service_of(request)
    wanted = _tickets(given)
    rows = [
        (_JSON.dump_python(ticket.as_ticket(), mode="json"), ticket.status is None)
        for ticket in wanted
    ]
    delivery = request.headers["webhook-id"]
    new = await asyncio.wrap_future(service.letterbox.put(delivery, rows))
    if new:
        jobs_of(request).wake()
    accepted = {"delivery": delivery, "tickets": len(rows), "new": new, "state": "accepted"}
    return Json(accepted, status_code=202)


def _tickets(given: Any) -> list[NewTicket]:
    if isinstance(given, Event):
        given = given.data
    if isinstance(given, NewTickets):
        return given.tickets
    return given if isinstance(given, list) else [given]


def check_signature(service: Service, request: Request, body: bytes) -> None:
    """Raise ApiProblem (401, 403) for what nobody with the secret has signed just now."""
    senders = senders_of(service.settings)
    if not senders:
        raise ApiProblem(
            403, "No webhook is expected here.", hint="set WEBHOOK_SECRET, and give it the sender"
        )
    headers = {name: request.headers.get(name, "") for name in _HEADERS}
    if not _DELIVERY.fullmatch(headers["webhook-id"]):
        raise ApiProblem(401, "webhook-id must be 1 to 255 visible ASCII characters")
    reason = ""
    for sender in senders:
        try:
            sender.verify(body, headers, json_parse=False)
        except WebhookVerificationError as error:
            reason = str(error)
        except ValueError:
            # What is no base64, no UTF-8 or no signature at all.
            reason = "No matching signature found"
        else:
            return
    raise ApiProblem(401, f"The webhook cannot be verified: {reason}.")


def senders_of(settings: Settings) -> list[Webhook]:
    """Those who may send, by their secrets. Raises SettingsError for a secret that is none."""
    try:
        return [Webhook(secret) for secret in settings.webhook_secret.get_secret_value().split()]
    except (ValueError, EmptyWebhookSecretError) as error:
        hint = "make one: echo whsec_$(head -c 24 /dev/urandom | base64)"
        problem = Problem(where="WEBHOOK_SECRET", what="is not base64 after whsec_", hint=hint)
        raise SettingsError(problems=[problem]) from error
