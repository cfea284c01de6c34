"""What several operations share: parameters, cursors, documented answers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel
from starlette.requests import Request

from triagedesk.api.body import SLASH
from triagedesk.api.jobs import Jobs
from triagedesk.api.problems import ApiProblem, Fault, Json, invalid
from triagedesk.api.service import Service
from triagedesk.cleaning import clean_name, excerpt
from triagedesk.errors import ConflictError, NotFoundError
from triagedesk.store import Transaction
from triagedesk.store.lists import DeskTicket

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_WORDS = {
    400: "The body cannot be read.",
    401: "No API key, or not a valid one.",
    403: "The API key may not do this.",
    404: "There is no such thing.",
    409: "It does not fit what is there.",
    413: "The body is too large.",
    415: "The body is not JSON in UTF-8.",
    421: "Without API keys only this machine may ask.",
    422: "The request is not valid; `errors` says where and what.",
    502: "The helpdesk, the catalog server, the mail server or the model failed.",
    503: "The database is busy, or the server cannot serve; try again.",
}
#: What any operation may answer, and what those with a body may answer besides.
_ALWAYS, _WITH_BODY = (401, 403, 421, 422, 503), (400, 413, 415)

Limit = Annotated[int, Query(ge=1, le=500, description="The most to send in one answer.")]
Cursor = Annotated[
    str, Query(max_length=300, description="`next` of the page before; empty for the first.")
]
TicketId = Annotated[str, Path(min_length=1, max_length=600, description="The ticket's id.")]
SourceName = Annotated[
    str,
    Query(max_length=200, description="Where it came from, when several sources have this id."),
]
AgentId = Annotated[str, Path(min_length=1, max_length=600, description="The agent's id.")]
RunId = Annotated[str, Path(min_length=1, max_length=100, description="The run's id.")]
ReportId = Annotated[str, Path(min_length=1, max_length=100, description="The report's id.")]


def answers(*statuses: int, body: bool = False) -> dict[int | str, dict[str, Any]]:
    """Documents the problems an operation may answer with."""
    every = sorted({*statuses, *_ALWAYS, *(_WITH_BODY if body else ())})
    return {code: {"description": _WORDS[code], "content": _PROBLEM} for code in every}


def example(value: object) -> dict[str, Any]:
    """An example of a success, for the document."""
    return {"content": {"application/json": {"example": value}}}


def service_of(request: Request) -> Service:
    """What the server works with."""
    service: Service = request.app.state.service
    return service


def jobs_of(request: Request) -> Jobs:
    """The server's jobs."""
    jobs: Jobs = request.app.state.jobs
    return jobs


def actor_of(request: Request) -> str:
    """Who asks."""
    return str(request.state.actor)


def id_of(given: str) -> str:
    """An id from a path as the desk keeps it."""
    return clean_name(given.replace(SLASH, "/"))


def find_ticket(transaction: Transaction, given: str, source: str) -> DeskTicket:
    """The ticket an operation is about. Raises ApiProblem (404, 409)."""
    name = id_of(given)
    found = transaction.desk_tickets_called(name, clean_name(source))
    if not found:
        raise ApiProblem(404, f"there is no ticket {excerpt(name)!r}")
    if len(found) > 1:
        sources = ", ".join(sorted(item.ticket.source for item in found))
        raise ApiProblem(
            409, f"several tickets have the id {excerpt(name)!r}", hint=f"add ?source= of {sources}"
        )
    return found[0]


@contextmanager
def refusals(given: BaseModel | None) -> Iterator[None]:
    """Tell which field of the body a deed was refused for, with its value."""
    try:
        yield
    except (NotFoundError, ConflictError) as error:
        sent = given.model_dump() if given else {}
        faults = [
            Fault(where="body", path=f"$.{p.where}", detail=p.what, value=sent[p.where])
            for p in error.problems
            if p.where in sent
        ]
        status = 404 if isinstance(error, NotFoundError) else 409
        more: dict[str, Any] = {"hint": error.hint} if error.hint else {}
        raise ApiProblem(status, error.message, faults=faults, **more) from error


def cursor_of(mark: object) -> str:
    """Where the next page begins, as clients get it."""
    return base64.urlsafe_b64encode(str(mark).encode()).decode().rstrip("=")


def mark_of(cursor: str) -> str:
    """What a cursor stands for. Raises ApiProblem (422)."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        mark = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        mark = "\0"
    # An id never holds what a database could refuse.
    if mark != clean_name(mark):
        raise invalid("cursor", "is not one this API gave out", cursor, where="query")
    return mark


def key_of(cursor: str) -> int | None:
    """A ticket's number from a cursor. Raises ApiProblem (422)."""
    mark = mark_of(cursor)
    if not mark:
        return None
    # A number that no database holds is no number of ours.
    if not (mark.isascii() and mark.isdigit() and len(mark) < 18):  # noqa: PLR2004
        raise invalid("cursor", "is not one this API gave out", cursor, where="query")
    return int(mark)


def page(request: Request, name: str, items: list[Any], following: str | None) -> Json:
    """A page of a list, with a Link to the next one."""
    headers = {}
    if following:
        address = request.url.include_query_params(cursor=following)
        headers["Link"] = f'<{address}>; rel="next"'
    return Json({name: items, "next": following}, headers=headers)
