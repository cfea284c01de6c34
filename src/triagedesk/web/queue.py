"""The queue: open tickets, the most urgent first, with filters that the address holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import BaseRoute

from triagedesk.cleaning import clean_name
from triagedesk.store.lists import DeskTicket
from triagedesk.store.queue import NEVER, Place, QueueFilter
from triagedesk.web.visits import Visit, view

#: Tickets on one page.
PAGE = 50
_LONGEST = 200
_STATUSES = ("open", "waiting", "on_hold", "resolved")
_NAMES = ("q", "status", "p", "agent", "category", "source", "sla", "review")
_SLA = ("breached", "at_risk")


@dataclass(frozen=True, kw_only=True)
class Line:
    """A ticket in the queue."""

    place: Place
    item: DeskTicket

    @property
    def order(self) -> str:
        """Its place as text that sorts alike, for desk.js."""
        return order_of(self.place)


def order_of(place: Place) -> str:
    """A place as text that sorts alike; also what a page's address says after which to go on."""
    return f"{place.priority}.{place.due_at:%Y%m%d%H%M%S%f}.{place.key:012d}"


def place_of(order: str) -> Place | None:
    """The place such text means; None for none."""
    parts = order.split(".")
    try:
        priority, due, key = parts
        at = datetime.strptime(f"{due}+0000", "%Y%m%d%H%M%S%f%z")
        return Place(int(priority[:2]), min(at, NEVER), int(key[:15]))
    except ValueError:
        return None


def wanted_of(query: Mapping[str, str]) -> QueueFilter:
    """The filter that an address holds; what it does not know is left out."""

    def one(name: str) -> str:
        return clean_name(query.get(name, ""))[:_LONGEST]

    status, sla, priority = one("status"), one("sla"), one("p")
    agent = {"": None, "-": ""}.get(one("agent"), one("agent"))
    return QueueFilter(
        words=one("q"),
        status=status if status in _STATUSES else "open",
        priority=int(priority) if priority in ("1", "2", "3", "4") else None,
        agent=agent,
        request_category=one("category"),
        source=one("source"),
        sla=sla if sla in _SLA else "",
        needs_review=one("review") == "1",
    )


def given_of(query: Mapping[str, str]) -> dict[str, str]:
    """What of an address filters the queue, by name; "" where it does not."""
    return {name: query.get(name, "")[:_LONGEST] for name in _NAMES}


def filled(given: Mapping[str, str]) -> dict[str, str]:
    """Those that filter."""
    return {name: value for name, value in given.items() if value}


def queue(visit: Visit) -> Response:
    """The queue."""
    wanted, given = wanted_of(visit.query), given_of(visit.query)
    after = place_of(visit.query.get("after", ""))
    with visit.store.read() as transaction:
        # First the number, then the list: what changes in between is sent again.
        rev = transaction.newest_change()
        found = transaction.queue(wanted, visit.now, after=after, most=PAGE + 1)
        counted = visit.page.counted(transaction, rev, visit.now)
        agents = [(agent.id, agent.name) for agent, _active in _agents(transaction)]
    lines = [Line(place=place, item=item) for place, item in found[:PAGE]]
    following = ""
    if len(found) > PAGE:
        following = "/queue?" + urlencode({**filled(given), "after": lines[-1].order})
    return visit.render(
        "queue.html",
        lines=lines,
        counts=counted.counts,
        wanted=wanted,
        given=given,
        filters=filled(given),
        choices={
            "agents": sorted(agents, key=lambda one: one[1].casefold()),
            "categories": counted.categories,
            "sources": counted.sources,
        },
        rev=rev,
        after=visit.query.get("after", ""),
        following=following,
        live="/changes?" + urlencode(filled(given) | bounds(lines, after, following)),
    )


def bounds(lines: Sequence[Line], after: Place | None, following: str) -> dict[str, str]:
    """Between which places the page's tickets are, where it does not show all there are."""
    found = {}
    if after is not None:
        found["after"] = order_of(after)
    if following:
        found["upto"] = lines[-1].order
    return found


def _agents(transaction: Any) -> list[tuple[Any, bool]]:
    return list(transaction.known_agents().values())


ROUTES: list[BaseRoute] = [view("/queue", queue, name="queue")]
