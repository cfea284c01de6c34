"""Small desks for the tests of assigning: builders, random desks, and the best by trying all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from triagedesk.agents import Agent, Availability, SkillNeed
from triagedesk.assign import AssignPolicy, BatchAssignment, WorkItem
from triagedesk.priority import Priority
from triagedesk.tickets import Assignment

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SKILLS = ("Linux", "VPN", "SAP_Basis")


def agent(name: str, skills: dict[str, int] | None = None, **fields: object) -> Agent:
    """An agent whose id is their name in small letters."""
    return Agent(id=name.lower().replace(" ", "-"), name=name, skills=skills or {}, **fields)  # type: ignore[arg-type]  # fields of Agent by keyword


def needs(*skills: str) -> tuple[SkillNeed, ...]:
    """The first skill as primary, the others as secondary."""
    return tuple(
        SkillNeed(skill=skill, weight=0.5 if place else 1.0) for place, skill in enumerate(skills)
    )


def item(
    ticket_id: str, *skills: str, priority: int = 3, age: float = 1, **fields: object
) -> WorkItem:
    """A ticket that needs these skills, `age` hours old."""
    return WorkItem(
        ticket_id=ticket_id,
        title=f"title of {ticket_id}",
        priority=Priority(priority),
        needs=needs(*skills),
        created_at=NOW - timedelta(hours=age),
        **fields,  # type: ignore[arg-type]  # fields of WorkItem by keyword
    )


def by_ticket(batch: BatchAssignment) -> dict[str, Assignment]:
    """The assignments by ticket id."""
    return {assignment.ticket_id: assignment for assignment in batch.assignments}


@st.composite
def rosters(draw: st.DrawFn, most: int = 4) -> list[Agent]:
    """A few agents, of whom some are away or full, with and without groups."""
    with_groups = draw(st.booleans())
    agents = []
    for number in range(draw(st.integers(0, most))):
        capacity = draw(st.integers(0, 5))
        agents.append(
            Agent(
                id=f"a{number}",
                name=f"Agent {number}",
                skills=draw(st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 10))),
                load=draw(st.integers(0, 4)),
                capacity=capacity,
                availability=draw(st.sampled_from([Availability.AVAILABLE] * 4 + [*Availability])),
                experience=draw(st.sampled_from([0.0, 1.0, 5.0])),
                groups=tuple(draw(st.sets(st.sampled_from("NS")))) if with_groups else (),
            )
        )
    return agents


@st.composite
def batches(draw: st.DrawFn, agents: Sequence[Agent], most: int = 5) -> list[WorkItem]:
    """A few tickets for these agents."""
    return [
        WorkItem(
            ticket_id=f"t{number}",
            title="",
            priority=draw(st.sampled_from(Priority)),
            needs=tuple(
                SkillNeed(
                    skill=skill,
                    weight=draw(st.sampled_from([0.5, 1.0])),
                    confidence=draw(st.sampled_from([0.6, 1.0])),
                )
                for skill in sorted(draw(st.sets(st.sampled_from([*SKILLS, "Unknown"]))))
            ),
            created_at=NOW - timedelta(minutes=draw(st.integers(0, 5))),
            group=draw(st.sampled_from(["", "", "N", "S", "X"])),
            affinity=draw(
                st.dictionaries(
                    st.sampled_from([agent.id for agent in agents] or ["nobody"]),
                    st.sampled_from([0.5, 1.0]),
                    max_size=1,
                )
            ),
        )
        for number in range(draw(st.integers(0, most)))
    ]


@st.composite
def desks(draw: st.DrawFn, agents: int = 4, tickets: int = 5) -> tuple[list[WorkItem], list[Agent]]:
    """Tickets and agents."""
    roster = draw(rosters(agents))
    return draw(batches(roster, tickets)), roster


def options(
    ticket: WorkItem, agents: Sequence[Agent], policy: AssignPolicy
) -> list[tuple[int | None, float]]:
    """Who may take a ticket and what that is worth, by the words of the design, one by one."""
    urgency = policy.urgency[ticket.priority - 1]
    known = {need.skill for need in ticket.needs} & {s for agent in agents for s in agent.skills}
    keeps_groups = any(agent.groups for agent in agents)
    found: list[tuple[int | None, float]] = [(None, -policy.deferral * urgency)]
    for number, one in enumerate(agents):
        if one.availability is not Availability.AVAILABLE or one.load >= one.capacity:
            continue
        if keeps_groups and ticket.group and ticket.group not in one.groups:
            continue
        terms = [
            need.weight * need.confidence * one.skills.get(need.skill, 0) for need in ticket.needs
        ]
        total = sum(need.weight * need.confidence for need in ticket.needs)
        match = 0.75 * max(terms) / 10 + 0.25 * sum(terms) / (10 * total) if terms else 0.0
        worth = urgency * (match + policy.affinity * ticket.affinity.get(one.id, 0.0))
        if known and not max(terms):
            worth -= policy.fallback * urgency
        found.append((number, worth))
    return found


def score_of(
    items: Sequence[WorkItem],
    agents: Sequence[Agent],
    chosen: Sequence[str | None],
    policy: AssignPolicy,
) -> float:
    """The objective of an assignment, ticket by ticket; fails on one that is not allowed."""
    loads = [agent.load for agent in agents]
    numbers = {agent.id: number for number, agent in enumerate(agents)}
    total = 0.0
    for ticket, agent_id in zip(items, chosen, strict=True):
        number = None if agent_id is None else numbers[agent_id]
        total += dict(options(ticket, agents, policy))[number]
        if number is not None:
            total -= policy.load * (loads[number] + 0.5) / agents[number].capacity
            loads[number] += 1
            assert loads[number] <= agents[number].capacity
    return total


def best_by_trying(
    items: Sequence[WorkItem], agents: Sequence[Agent], policy: AssignPolicy
) -> tuple[float, float]:
    """The highest objective of all assignments, and the most experience that comes with it."""
    choices = [options(ticket, agents, policy) for ticket in items]
    loads = [agent.load for agent in agents]

    def best(place: int) -> tuple[float, float]:
        if place == len(choices):
            return 0.0, 0.0
        found = []
        for number, worth in choices[place]:
            if number is None:
                rest, experience = best(place + 1)
                found.append((worth + rest, experience))
            elif loads[number] < agents[number].capacity:
                cost = policy.load * (loads[number] + 0.5) / agents[number].capacity
                loads[number] += 1
                rest, experience = best(place + 1)
                loads[number] -= 1
                found.append((worth - cost + rest, experience + agents[number].experience))
        highest = max(score for score, _ in found)
        return highest, max(e for score, e in found if score > highest - 1e-7)

    return best(0)
