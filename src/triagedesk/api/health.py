"""`/healthz`, `/readyz`, `/metrics`, and where `/` leads."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse

from triagedesk.api.auth import authorise
from triagedesk.api.common import answers, jobs_of, service_of
from triagedesk.api.metrics import CONTENT_TYPE_LATEST
from triagedesk.api.problems import ApiProblem, Json

health = APIRouter(tags=["health"])


class HealthOut(BaseModel):
    """The server is there."""

    status: Literal["ok"]


@health.get("/healthz", operation_id="health", response_model=HealthOut)
async def healthz() -> Json:
    """Whether the process answers; nothing else is looked at."""
    return Json({"status": "ok"})


@health.get(
    "/readyz",
    operation_id="readiness",
    response_model=HealthOut,
    responses={503: answers()[503]},
)
def readyz(request: Request) -> Json:
    """Whether requests can be served: models loaded, database and workers there."""
    service = service_of(request)
    service.metrics.ready.set(0)
    if service.not_ready:
        raise ApiProblem(503, f"Not ready: {service.not_ready}", headers={"Retry-After": "1"})
    trouble = jobs_of(request).trouble
    if trouble:
        raise ApiProblem(503, f"Not ready: {trouble}", headers={"Retry-After": "1"})
    with service.quick_store.read() as transaction:
        transaction.has_keys()
    service.metrics.ready.set(1)
    return Json({"status": "ok"})


@health.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses={
        200: {
            "content": {"text/plain": {"schema": {"type": "string"}}},
            "description": "Prometheus's text format.",
        },
        **answers(),
    },
    openapi_extra={"x-scope": "read"},
)
async def metrics(request: Request) -> Response:
    """What has been counted since the server started."""
    service = service_of(request)
    await run_in_threadpool(
        authorise, service.store, request, "read", open_without_keys=service.open
    )
    return Response(service.metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@health.get("/", include_in_schema=False)
async def root() -> RedirectResponse:
    """Until there is a page: the documentation."""
    return RedirectResponse("/docs", status_code=307)
