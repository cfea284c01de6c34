"""What the page is made of as long as the server lives, and its place before the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from triagedesk.catalog import ServiceCatalog
from triagedesk.desk import Desk
from triagedesk.hosts import is_loopback
from triagedesk.settings import Settings
from triagedesk.store import Transaction
from triagedesk.store.queue import QueueCounts
from triagedesk.web import rendering, static, visits
from triagedesk.web.security import harden

if TYPE_CHECKING:
    from jinja2 import Environment

    from triagedesk.store.jobs import Job

#: How long tickets at risk are not counted anew while nothing changes.
_COUNTED_FOR = timedelta(seconds=15)

log = structlog.get_logger()

#: Answers smaller than this are not worth compressing, in bytes.
_SMALL = 700


class Jobs(Protocol):
    """Carries runs out beside the requests."""

    def accept(self, kind: str, actor: str, **options: Any) -> Job:
        """Take a job on: `desk` is a whole run."""

    def wake(self) -> None:
        """Something was accepted: begin at once."""


class Backroom(Protocol):
    """What a server works with over its whole life; the API's `Service` is one."""

    desk: Desk
    settings: Settings
    #: Why the server cannot serve yet; "" when it can.
    not_ready: str

    def catalog(self) -> ServiceCatalog:
        """The Service Catalog, its last good copy when it is away."""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What the queue is counted by."""

    #: The change up to which it holds.
    rev: int
    at: datetime
    counts: QueueCounts
    sources: tuple[str, ...]
    categories: tuple[str, ...]


class Page:
    """The page: its templates, and who is let in."""

    def __init__(self, backroom: Backroom, jobs: Jobs, *, host: str) -> None:
        self.backroom, self.jobs = backroom, jobs
        self.settings = backroom.settings
        #: Whether anybody is let in while there is no person.
        self.open = is_loopback(host)
        self._counted: Counted | None = None
        self._assets: Mapping[str, str] = static.asset_names()

    def counted(self, transaction: Transaction, rev: int, now: datetime) -> Counted:
        """What the queue is counted by; counted again after a change, and as time goes by."""
        known = self._counted
        if known is None or known.rev != rev or abs(now - known.at) > _COUNTED_FOR:
            # Two threads at once at worst count twice.
            known = self._counted = Counted(
                rev=rev,
                at=now,
                counts=transaction.queue_counts(now),
                sources=tuple(transaction.queue_sources()),
                categories=tuple(transaction.queue_categories()),
            )
        return known

    @cached_property
    def templates(self) -> Environment:
        """Templates with everything they may use."""
        return rendering.environment(self._assets)

    def application(self, routes: Sequence[BaseRoute]) -> Starlette:
        """The page as an ASGI application."""
        page = Starlette(
            routes=list(routes),
            middleware=[Middleware(GZipMiddleware, minimum_size=_SMALL)],
            exception_handlers={404: _nothing_here, 405: _nothing_here, Exception: _bug},
        )
        page.state.page = self
        return page


async def _nothing_here(request: Request, _error: Exception) -> Response:
    return await visits.not_found(request)


async def _bug(_request: Request, error: Exception) -> Response:
    # The server logs the traceback after this; nothing of it is told to the browser.
    log.error("page failed", error=type(error).__name__)
    response = PlainTextResponse(
        "Something went wrong here; the log of the server says what.\n", 500
    )
    harden(response.headers)
    return response


def in_front(page: Starlette, api: ASGIApp) -> ASGIApp:
    """One application: what the page has is the page's, everything else the API's.

    A browser that follows a wrong address to a page sees the page's words, not a JSON document.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_for_page(page, scope):
            await page(scope, receive, send)
        else:
            await api(scope, receive, send)

    return serve


#: Where the API's own addresses begin.
_OF_API = ("/v1/", "/docs", "/openapi.json", "/healthz", "/readyz", "/metrics", "/static-offline")


def _is_for_page(page: Starlette, scope: Scope) -> bool:
    if any(route.matches(scope)[0] is not Match.NONE for route in page.routes):
        return True
    path: str = scope["path"]
    if path.startswith(_OF_API) or scope["method"] != "GET":
        return False
    accept = dict(scope["headers"]).get(b"accept", b"")
    return b"text/html" in accept
