"""An agent's own desk: what they have, what to take next, and whether they take work."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import BaseRoute

from triagedesk import desk_work
from triagedesk.agents import Availability
from triagedesk.errors import ConflictError
from triagedesk.store.queue import QueueFilter
from triagedesk.web.queue import Line
from triagedesk.web.visits import Visit, action, view

#: Tickets shown.
_MOST = 100


def mine(visit: Visit) -> Response:
    """The desk of the agent who is signed in."""
    me = visit.person.agent_id
    if not me:
        return visit.render("mine.html", agent=None, lines=[], rev=0, why="")
    with visit.store.read() as transaction:
        rev = transaction.newest_change()
        agent = desk_work.find_agent(transaction, me, visit.now)
        found = transaction.queue(QueueFilter(agent=agent.id), visit.now, most=_MOST)
    lines = [Line(place=place, item=item) for place, item in found]
    why = visit.query.get("why", "")[:500]
    return visit.render("mine.html", agent=agent, lines=lines, rev=rev, why=why)


def next_ticket(visit: Visit) -> Response:
    """Give the agent the ticket to begin now."""
    pulled = desk_work.next_ticket(visit.desk, _me(visit), by=visit.actor)
    if pulled.ticket is None:
        return visit.go("/mine", why=pulled.why)
    return visit.go(f"/tickets/{pulled.ticket.key}", did="pulled")


def availability(visit: Visit) -> Response:
    """Say whether the agent takes work."""
    wanted = Availability.of(visit.form.get("availability", ""))
    desk_work.set_availability(visit.desk, _me(visit), wanted, by=visit.actor)
    return visit.go("/mine", did="availability")


def _me(visit: Visit) -> str:
    if not visit.person.agent_id:
        raise ConflictError(visit.t("mine.no_agent"))
    return visit.person.agent_id


ROUTES: list[BaseRoute] = [
    view("/mine", mine),
    action("/mine/next", next_ticket),
    action("/mine/availability", availability),
]
