"""Agents: who has how much, what they can do, who takes work; and what went to whom when not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.responses import Response
from starlette.routing import BaseRoute

from triagedesk import desk_work
from triagedesk.agents import Agent, Availability
from triagedesk.cleaning import clean_name
from triagedesk.errors import InputError
from triagedesk.store.queue import QueueFilter
from triagedesk.web.changes import since
from triagedesk.web.queue import Line
from triagedesk.web.rendering import address
from triagedesk.web.visits import Visit, action, view

#: Over or under the mean from this share of capacity on.
_FAR = 0.15
#: Skills shown in the list, and tickets on an agent's page.
_SKILLS, _MOST = 4, 100
#: How long it is shown what an agent handed back.
_RECENT = timedelta(days=1)
_SORTS = ("name", "load", "free")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """An agent as the list shows them."""

    agent: Agent
    #: Share of their capacity that is taken; more than 1 when overloaded.
    used: float
    #: `over`, `under` or "": against the mean of those who take work.
    against: str
    #: Best first.
    skills: tuple[tuple[str, int], ...]
    #: Whether their shift is over now.
    is_off_shift: bool
    #: Its place as text that sorts alike, for desk.js.
    order: str


@dataclass(frozen=True, kw_only=True)
class Team:
    """All agents, sorted, and how full they are."""

    standings: tuple[Standing, ...]
    #: Load over capacity of those who take work; 0.0 when nobody does.
    mean: float
    load: int
    capacity: int

    def count(self, name: str) -> int:
        """Agents of an availability, or over or under the mean."""
        return sum(name in (one.agent.availability, one.against) for one in self.standings)


def team_of(roster: Sequence[Agent], now: datetime, *, sort: str = "name") -> Team:
    """The agents with how much of each is taken, against the mean of those who take work."""
    working = [agent for agent in roster if agent.availability is Availability.AVAILABLE]
    capacity = sum(agent.capacity for agent in working)
    load = sum(agent.load for agent in working)
    mean = load / capacity if capacity else 0.0
    found = [_standing(agent, mean, now, sort) for agent in roster]
    found.sort(key=lambda one: one.order)
    return Team(standings=tuple(found), mean=mean, load=load, capacity=capacity)


def _standing(agent: Agent, mean: float, now: datetime, sort: str) -> Standing:
    used = agent.load / agent.capacity if agent.capacity else float(agent.load > 0)
    against = "over" if used > mean + _FAR else "under" if used < mean - _FAR else ""
    free = agent.capacity - agent.load
    measure = {"load": round(10_000 - 1000 * used), "free": 50_000 - free}.get(sort, 0)
    ended = agent.shift_ends_at is not None and agent.shift_ends_at <= now
    skills = sorted(agent.skills.items(), key=lambda skill: (-skill[1], skill[0]))
    return Standing(
        agent=agent,
        used=used,
        against=against if agent.availability is Availability.AVAILABLE else "",
        skills=tuple(skills),
        is_off_shift=ended,
        order=f"{max(0, measure):06}.{agent.name.casefold()}.{agent.id}",
    )


def agents(visit: Visit) -> Response:
    """The team."""
    with visit.store.read() as transaction:
        rev = transaction.newest_change()
        roster = transaction.roster(visit.now)
    sort = _sort(visit)
    team = team_of(roster, visit.now, sort=sort)
    return visit.render("agents.html", team=team, sort=sort, sorts=_SORTS, most=_SKILLS, rev=rev)


def agents_changes(visit: Visit) -> Response:
    """The team again, when anything changed: rows that stayed as they were are left alone."""
    seen = since(visit)
    with visit.store.read() as transaction:
        rev = transaction.newest_change()
        if rev == seen:
            return visit.nothing_new(rev)
        roster = transaction.roster(visit.now)
    team = team_of(roster, visit.now, sort=_sort(visit))
    return visit.rows("agents_rows.html", rev, team=team, most=_SKILLS, sort=_sort(visit))


def agent(visit: Visit, agent_id: str) -> Response:
    """One agent: what they have, what they can do, what they handed back."""
    with visit.store.read() as transaction:
        rev = transaction.newest_change()
        found = desk_work.find_agent(transaction, agent_id, visit.now)
        team = team_of(transaction.roster(visit.now), visit.now)
        queue = transaction.queue(QueueFilter(agent=found.id), visit.now, most=_MOST)
        handed = transaction.handed_back(found.id, visit.now - _RECENT)
    standing = next(one for one in team.standings if one.agent.id == found.id)
    return visit.render(
        "agent.html",
        standing=standing,
        mean=team.mean,
        lines=[Line(place=place, item=item) for place, item in queue],
        handed=handed,
        rev=rev,
    )


def availability(visit: Visit) -> Response:
    """Say for an agent whether they take work; who goes hands back what they have not begun."""
    word, _, name = visit.form.get("set", "").partition(" ")
    agent_id = clean_name(name)
    try:
        wanted = Availability.of(word)
    except ValueError as error:
        raise InputError(str(error)) from error
    _agent, handed = desk_work.set_availability(visit.desk, agent_id, wanted, by=visit.actor)
    if visit.form.get("back") == "list" and not handed:
        return visit.go("/agents", did="availability", sort=_sort(visit))
    did = "handed_back" if handed else "availability"
    return visit.go(address("/agents", agent_id), did=did)


def _sort(visit: Visit) -> str:
    given = visit.query.get("sort", "") or visit.form.get("sort", "")
    return given if given in _SORTS else "name"


ROUTES: list[BaseRoute] = [
    view("/agents", agents),
    view("/agents-changes", agents_changes),
    view("/agents/{agent_id:path}", agent),
    action("/agents-availability", availability, role="lead"),
]
