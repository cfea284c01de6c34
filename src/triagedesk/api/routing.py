"""What every operation does before and after its own work: key, body, Idempotency-Key."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from triagedesk.api.auth import authorise
from triagedesk.api.body import StrictRequest, check_content_type
from triagedesk.api.problems import ApiProblem, invalid

if TYPE_CHECKING:
    from triagedesk.api.service import Service

#: The scope an operation needs, in the OpenAPI document.
SCOPE = "x-scope"
_KEY = re.compile(r"[!-~]{1,255}")
_KEPT_HEADERS = ("content-type", "location", "retry-after")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def router(noun: str) -> APIRouter:
    """A router for the operations on one noun."""
    return APIRouter(prefix="/v1", tags=[noun], route_class=DeskRoute)


def needs(scope: str) -> dict[str, Any]:
    """For `openapi_extra`: the operation needs this scope and not the usual one."""
    return {SCOPE: scope}


def scope_of(route: APIRoute) -> str:
    """The scope an operation needs: `read` to look, `write` to change, or what it says."""
    usual = "read" if set(route.methods or ()) <= {"GET", "HEAD"} else "write"
    return str((route.openapi_extra or {}).get(SCOPE, usual))


class DeskRoute(APIRoute):
    """An operation of the API."""

    def get_route_handler(self) -> Handler:
        """The handler with what comes before and after."""
        original, scope = super().get_route_handler(), scope_of(self)
        reads_body, is_post = self.body_field is not None, "POST" in (self.methods or ())

        async def handle(request: Request) -> Response:
            service: Service = request.app.state.service
            strict = StrictRequest(request.scope, request.receive)
            strict.state.actor = await run_in_threadpool(
                authorise, service.store, request, scope, open_without_keys=service.open
            )
            body = await strict.body() if reads_body or is_post else b""
            if reads_body and body:
                check_content_type(strict)
            key = request.headers.get("idempotency-key")
            if key is None or not is_post:
                return await original(strict)
            return await _once(service, strict, original, key, body)

        return handle


async def _once(
    service: Service, request: Request, original: Handler, key: str, body: bytes
) -> Response:
    """Carry a request out once; repeat the answer to whoever asks again with the same key."""
    if not _KEY.fullmatch(key):
        what = "must be 1 to 255 visible ASCII characters without spaces"
        raise invalid("Idempotency-Key", what, key, where="header")
    actor = request.state.actor
    asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    fingerprint = hashlib.sha256(asked + body).hexdigest()
    kept = await run_in_threadpool(_claim, service, actor, key, fingerprint)
    if kept is not None:
        return kept
    try:
        response = await original(request)
    except BaseException:
        await run_in_threadpool(_drop, service, actor, key)
        raise
    await run_in_threadpool(_keep, service, actor, key, response)
    return response


def _claim(service: Service, actor: str, key: str, fingerprint: str) -> Response | None:
    with service.store.begin_alone() as transaction:
        kept = transaction.claim_answer(actor, key, fingerprint, service.desk.now())
    if kept is None:
        return None
    if kept.fingerprint != fingerprint:
        raise invalid("Idempotency-Key", "was used for another request", key, where="header")
    if kept.status is None:
        raise ApiProblem(
            409,
            "A request with this Idempotency-Key is being carried out.",
            headers={"Retry-After": "1"},
        )
    headers = {**kept.headers, "Idempotency-Replayed": "true"}
    return Response(kept.body, kept.status, headers)


def _keep(service: Service, actor: str, key: str, response: Response) -> None:
    """Keep what succeeded; what was refused may be mended and sent again under the same key."""
    with service.store.begin() as transaction:
        if response.status_code >= 400:  # noqa: PLR2004 (where HTTP's failures begin)
            transaction.drop_answer(actor, key)
            return
        headers = {n: response.headers[n] for n in _KEPT_HEADERS if n in response.headers}
        transaction.keep_answer(actor, key, response.status_code, headers, bytes(response.body))


def _drop(service: Service, actor: str, key: str) -> None:
    with service.store.begin() as transaction:
        transaction.drop_answer(actor, key)
