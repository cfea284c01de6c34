"""`/v1/agents`: the roster, with the loads of now."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import Body, Query, Request, Response

from triagedesk import desk_work
from triagedesk.agents import Agent, Availability
from triagedesk.api import examples
from triagedesk.api.answers import AgentOut, AgentPage, AvailabilityOut, PulledOut
from triagedesk.api.checks import refuse, skill_faults
from triagedesk.api.common import (
    AgentId,
    Cursor,
    Limit,
    actor_of,
    answers,
    cursor_of,
    id_of,
    mark_of,
    page,
    refusals,
    service_of,
)
from triagedesk.api.problems import ApiProblem, Fault, Json
from triagedesk.api.rendering import agent_out, handed_out, pulled_out
from triagedesk.api.routing import needs, router
from triagedesk.api.wire import AgentFields, AvailabilityChange, NewAgent
from triagedesk.cleaning import excerpt
from triagedesk.desk_work import HandedOn
from triagedesk.store import Transaction

agents = router("agents")


@agents.get("/agents", operation_id="listAgents", response_model=AgentPage, responses=answers())
def list_agents(
    request: Request,
    availability: Annotated[Availability | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Json:
    """Agents on the roster by id, each with the load of now."""
    after = mark_of(cursor)
    with service_of(request).store.read() as transaction:
        roster = transaction.roster(service_of(request).desk.now())
    found = [
        agent for agent in roster if agent.id > after and availability in (None, agent.availability)
    ]
    following = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return page(request, "agents", [agent_out(agent) for agent in found[:limit]], following)


@agents.post(
    "/agents",
    operation_id="createAgent",
    status_code=201,
    response_model=AgentOut,
    responses=answers(409, body=True),
    openapi_extra=needs("admin"),
)
def create_agent(
    request: Request, given: Annotated[NewAgent, Body(openapi_examples=examples.AGENT)]
) -> Json:
    """Put an agent on the roster."""
    service = service_of(request)
    refuse(skill_faults(given, "$"))
    agent = given.as_agent(given.agent_id, service.settings.agent_capacity)
    now = service.desk.now()
    with service.store.begin_alone() as transaction:
        if any(known.id == agent.id for known in transaction.roster()):
            fault = Fault(
                where="body", path="$.agent_id", detail="there is this agent", value=agent.id
            )
            raise ApiProblem(409, f"there is an agent {excerpt(agent.id)!r}", faults=[fault])
        transaction.welcome([agent], now)
        if given.current_load is not None:
            _set_load(transaction, agent.id, given.current_load, now)
        transaction.audit("agent created", agent.id, actor=actor_of(request), at=now)
        stored = _find(transaction, agent.id, now)
    headers = {"Location": f"/v1/agents/{quote(agent.id, safe='')}"}
    return Json(agent_out(stored), status_code=201, headers=headers)


@agents.get(
    "/agents/{agent_id}",
    operation_id="readAgent",
    response_model=AgentOut,
    responses=answers(404),
)
def read_agent(request: Request, agent_id: AgentId) -> Json:
    """One agent with the load of now."""
    service = service_of(request)
    with service.store.read() as transaction:
        return Json(agent_out(_find(transaction, agent_id, service.desk.now())))


@agents.put(
    "/agents/{agent_id}",
    operation_id="replaceAgent",
    response_model=AgentOut,
    responses=answers(404, body=True),
    openapi_extra=needs("admin"),
)
def replace_agent(
    request: Request,
    agent_id: AgentId,
    given: Annotated[AgentFields, Body(openapi_examples=examples.AGENT_FIELDS)],
) -> Json:
    """Say anew all there is to say of an agent; the load stays, unless `current_load` is given."""
    service = service_of(request)
    refuse(skill_faults(given, "$"))
    now = service.desk.now()
    with service.store.begin_alone() as transaction:
        known = _find(transaction, agent_id)
        agent = given.as_agent(known.id, service.settings.agent_capacity)
        transaction.welcome([replace(agent, load=known.load)], now)
        if given.current_load is not None:
            _set_load(transaction, agent.id, given.current_load, now)
        transaction.audit("agent replaced", agent.id, actor=actor_of(request), at=now)
        return Json(agent_out(_find(transaction, agent.id, now)))


@agents.put(
    "/agents/{agent_id}/availability",
    operation_id="setAvailability",
    response_model=AgentOut,
    responses=answers(404, body=True),
)
def set_availability(
    request: Request,
    agent_id: AgentId,
    given: Annotated[AvailabilityChange, Body(openapi_examples=examples.AVAILABILITY)],
) -> Json:
    """Say whether an agent takes new work; who goes hands back what they have not begun.

    POST does the same and says what was handed back.
    """
    agent, _ = _set_availability(request, agent_id, given)
    return Json(agent_out(agent))


@agents.post(
    "/agents/{agent_id}/availability",
    operation_id="changeAvailability",
    response_model=AvailabilityOut,
    responses=answers(404, body=True),
)
def change_availability(
    request: Request,
    agent_id: AgentId,
    given: Annotated[AvailabilityChange, Body(openapi_examples=examples.AVAILABILITY)],
) -> Json:
    """Say whether an agent takes new work; answers what they handed back, and who has it now.

    Who goes away or offline keeps what they have begun. Who comes back gets what waits in the
    queue and suits them.
    """
    agent, handed = _set_availability(request, agent_id, given)
    handed_back = [handed_out(item) for item in handed]
    return Json({"agent": agent_out(agent), "handed_back": handed_back})


@agents.post(
    "/agents/{agent_id}/next",
    operation_id="nextTicket",
    response_model=PulledOut,
    responses=answers(404, 409),
)
def next_ticket(request: Request, agent_id: AgentId) -> Json:
    """The ticket an agent should begin now: it is theirs from then on; accept it next.

    Asked again before it is accepted, it is the same one. `ticket` is null where nothing waits
    that is for them.
    """
    with refusals(None):
        name, by = id_of(agent_id), actor_of(request)
        return Json(pulled_out(desk_work.next_ticket(service_of(request).desk, name, by=by)))


def _set_availability(
    request: Request, agent_id: str, given: AvailabilityChange
) -> tuple[Agent, list[HandedOn]]:
    availability = Availability.of(given.availability_status)
    with refusals(None):
        return desk_work.set_availability(
            service_of(request).desk, id_of(agent_id), availability, by=actor_of(request)
        )


@agents.delete(
    "/agents/{agent_id}",
    operation_id="removeAgent",
    status_code=204,
    response_class=Response,
    responses=answers(404),
    openapi_extra=needs("admin"),
)
def remove_agent(request: Request, agent_id: AgentId) -> Response:
    """Take an agent off the roster; the tickets they have stay theirs until they are resolved."""
    service = service_of(request)
    now = service.desk.now()
    with service.store.begin_alone() as transaction:
        known = _find(transaction, agent_id)
        transaction.retire(known.id, now)
        transaction.audit("agent removed", known.id, actor=actor_of(request), at=now)
    return Response(status_code=204)


def _find(transaction: Transaction, given: str, now: datetime | None = None) -> Agent:
    """An agent as they were put on the roster; with `now`, their shift as it is then."""
    name = id_of(given)
    for agent in transaction.roster(now):
        if agent.id == name:
            return agent
    raise ApiProblem(404, f"there is no agent {excerpt(name)!r}")


def _set_load(transaction: Transaction, agent_id: str, load: int, now: datetime) -> None:
    standing = _find(transaction, agent_id).load
    if load != standing:
        transaction.add_load(agent_id, load - standing, now)
