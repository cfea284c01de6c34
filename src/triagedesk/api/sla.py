"""`/v1/sla`: what is next to breach."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query, Request
from pydantic import BaseModel, Field

from triagedesk import watch
from triagedesk.api.common import Limit, answers, service_of
from triagedesk.api.problems import Json
from triagedesk.api.rendering import time_of
from triagedesk.api.routing import router
from triagedesk.store.sla_records import BoardLine

sla = router("sla")


class TargetOut(BaseModel):
    """One target of one ticket."""

    ticket_id: str
    source: str
    priority: Literal["P1", "P2", "P3", "P4"]
    short_description: str
    agent_name: str
    target: Literal["response", "resolution", "group"]
    due_at: datetime | None = Field(description="Null: on hold, or no deadline.")
    seconds_left: int | None = Field(description="Negative when overdue.")
    state: Literal["running", "at_risk", "breached", "paused", "met", "missed", "no_deadline"]


class BoardOut(BaseModel):
    """Targets, next to breach first."""

    targets: list[TargetOut]


@sla.get("/sla", operation_id="readSla", response_model=BoardOut, responses=answers())
def read_sla(
    request: Request,
    limit: Limit = 50,
    everything: Annotated[bool, Query(description="With targets that were met or missed.")] = False,
) -> Json:
    """SLA targets that run, next to breach first; nothing is escalated by looking."""
    desk = service_of(request).desk
    lines, now = watch.board(desk, most=limit, everything=everything), desk.now()
    return Json({"targets": [_line(line, now) for line in lines]})


def _line(line: BoardLine, now: datetime) -> dict[str, object]:
    standing = line.standing
    left = standing.due_at - (standing.stopped_at or now) if standing.due_at else None
    return {
        "ticket_id": line.ticket_id,
        "source": line.source,
        "priority": f"P{line.priority}",
        "short_description": line.subject,
        "agent_name": line.agent,
        "target": standing.target,
        "due_at": time_of(standing.due_at),
        "seconds_left": None if left is None else int(left.total_seconds()),
        "state": standing.state(now).value,
    }
