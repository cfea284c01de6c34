"""`/v1/catalog`: the Service Catalog in force."""

from __future__ import annotations

from typing import Literal

from fastapi import Request, Response
from pydantic import BaseModel

from triagedesk.api.common import answers, service_of
from triagedesk.api.problems import Json
from triagedesk.api.routing import router
from triagedesk.catalog import CatalogEntry, Sla

catalog = router("catalog")


class TargetOut(BaseModel):
    """A time target; 0 is no deadline."""

    value: int
    unit: Literal["hours", "days"]


class EntryOut(BaseModel):
    """A request type."""

    request_category: str
    request_type: str
    sla: TargetOut
    response: TargetOut | None
    description: str
    examples: list[str]
    skills: list[str]
    assignment_group: str
    default_impact: Literal["high", "medium", "low"] | None
    calendar: str


class CatalogOut(BaseModel):
    """The Service Catalog; the version changes with what it says."""

    version: str
    origin: str
    entries: list[EntryOut]


@catalog.get(
    "/catalog",
    operation_id="readCatalog",
    response_model=CatalogOut,
    responses={304: {"description": "It is the one named in If-None-Match."}, **answers(502)},
)
def read_catalog(request: Request) -> Response:
    """Every request type with its SLA, skills and group."""
    found = service_of(request).catalog()
    headers = {"ETag": f'"{found.version}"'}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    # The place it came from may hold credentials in its query.
    origin = found.origin.partition("?")[0]
    entries = [_entry(entry) for entry in found.entries]
    document = {"version": found.version, "origin": origin, "entries": entries}
    return Json(document, headers=headers)


def _entry(entry: CatalogEntry) -> dict[str, object]:
    return {
        "request_category": entry.label.request_category,
        "request_type": entry.label.request_type,
        "sla": _target(entry.sla),
        "response": _target(entry.response) if entry.response else None,
        "description": entry.description,
        "examples": list(entry.examples),
        "skills": list(entry.skills),
        "assignment_group": entry.assignment_group,
        "default_impact": entry.default_impact.name.lower() if entry.default_impact else None,
        "calendar": entry.calendar,
    }


def _target(sla: Sla) -> dict[str, object]:
    return {"value": sla.value, "unit": sla.unit.value}
