"""The REST API: routers by noun over one desk. `create_api` makes the ASGI application.

What every operation shares stands in `routing` (key, body, Idempotency-Key), `problems` (RFC
9457), `body` (limits and strict JSON) and `auth`; `service` and `jobs` are what lives as long as
the server. Nothing here decides anything: `triagedesk.intake` and `triagedesk.pipeline` do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi_offline import FastAPIOffline

from triagedesk import __version__
from triagedesk.api.agents import agents
from triagedesk.api.assignment import assignment
from triagedesk.api.body import BodyLimit
from triagedesk.api.catalog import catalog
from triagedesk.api.health import health
from triagedesk.api.jobs import Jobs
from triagedesk.api.metrics import CountRequests
from triagedesk.api.problems import install
from triagedesk.api.reports import reports
from triagedesk.api.routing import SCOPE
from triagedesk.api.runs import runs
from triagedesk.api.service import Service
from triagedesk.api.sla import sla
from triagedesk.api.tickets import tickets
from triagedesk.api.webhooks import senders_of, webhooks
from triagedesk.api.work import work
from triagedesk.desk import Desk
from triagedesk.hosts import is_loopback
from triagedesk.settings import Settings
from triagedesk.workflows.workers import Workers

__all__ = ["create_api"]

#: Requests carried out at once; fewer than the database has connections.
_AT_ONCE = 10
_ROUTERS: tuple[APIRouter, ...] = (
    assignment,
    tickets,
    work,
    agents,
    catalog,
    sla,
    reports,
    runs,
    webhooks,
    health,
)
_ABOUT = """Takes the manual triage out of an IT service desk: classifies, prioritises and assigns
tickets, says why, and learns from every correction.

Failures are problem details (RFC 9457); `errors` names each fault by its JSON path, with the value.
POST requests may carry an `Idempotency-Key`: sent again within 24 hours they are answered the same
and carried out once. Lists are read page by page: pass `next` as `cursor`.
"""
_PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "Problem details (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "hint": {"type": "string", "description": "What to do about it."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["in", "path", "detail", "value"],
                "properties": {
                    "in": {"enum": ["body", "query", "path", "header"]},
                    "path": {"type": "string", "examples": ["$.tickets[3].title"]},
                    "detail": {"type": "string"},
                    "value": {"description": "As it was sent; long ones are cut."},
                },
            },
        },
        "errors_in_all": {"type": "integer", "description": "When not all are named."},
    },
}
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "webhook-signature",
        "description": "Standard Webhooks, with webhook-id and webhook-timestamp.",
    },
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Carried out once, however often it is sent within 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def create_api(desk: Desk, settings: Settings, *, host: str, with_workers: bool = True) -> FastAPI:
    """The API over a desk; `host` is what the server is bound to.

    Without workers, what it accepts is carried out by other processes (`triagedesk worker`).

    Requests without a key are let in only where `host` is this machine alone and no key was ever
    made.
    """
    # A secret that is none is said at the start.
    senders_of(settings)
    service = Service(desk, settings, open_without_keys=is_loopback(host))
    workers = None
    if with_workers:
        workers = Workers(service.memory, count=service.metrics.tickets.inc)
    jobs = Jobs(service, workers)

    @asynccontextmanager
    async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _AT_ONCE
        service.start(service.prepare, "models")
        jobs.start()
        try:
            yield
        finally:
            service.stopping.set()
            await anyio.to_thread.run_sync(jobs.stop)
            service.close()

    api: FastAPI = FastAPIOffline(
        redoc_url=None,
        title="Triagedesk",
        version=__version__,
        description=_ABOUT,
        lifespan=lifespan,
        redirect_slashes=False,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    api.state.service, api.state.jobs = service, jobs
    for part in _ROUTERS:
        api.include_router(part)
    install(api)
    # The outermost comes last.
    api.add_middleware(BodyLimit, limit=settings.api_max_body)
    api.add_middleware(CountRequests, metrics=service.metrics)
    api.openapi = lambda: _document(api)  # type: ignore[method-assign] # FastAPI's documented way
    return api


def _document(api: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: keys, problems and Idempotency-Key are the same everywhere."""
    if api.openapi_schema:
        return api.openapi_schema
    document = get_openapi(
        title=api.title,
        version=api.version,
        description=api.description,
        license_info=api.license_info,
        routes=api.routes,
    )
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM_SCHEMA
    components["securitySchemes"] = _SCHEMES
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path in ("/healthz", "/readyz"):
                continue
            if path.startswith("/v1/webhooks/"):
                operation["security"] = [{"signature": []}]
                continue
            operation.setdefault(SCOPE, "read" if method == "get" else "write")
            # The empty one: on this machine alone it may be open.
            operation["security"] = [{"bearer": []}, {"apiKey": []}, {}]
            if method == "post":
                operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
    api.openapi_schema = document
    return document
