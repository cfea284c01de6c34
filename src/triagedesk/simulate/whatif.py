"""What-if: a roster with somebody more or less, another skill, another shift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from triagedesk.agents import Agent, Shift
from triagedesk.assign.records import WorkItem
from triagedesk.assign.score import fold, levels_of
from triagedesk.errors import AgentsError, InputError, Problem

BEST_LEVEL = 10
MOST_ADDED = 100


def add_agents(
    roster: Sequence[Agent], number: int, items: Sequence[WorkItem], *, like: str = ""
) -> tuple[Agent, ...]:
    """The roster with agents more, who know and work what `like` does.

    Without `like` they are copies of those whose skills these tickets need most, one each.
    """
    if not 0 <= number <= MOST_ADDED:
        what = f"{number} is not a number from 0 to {MOST_ADDED}"
        raise InputError(
            "So many agents cannot be added.", problems=[Problem(where="agents", what=what)]
        )
    models = [_find(roster, like)] if like else _most_needed(roster, items)
    if not models:
        raise AgentsError("There is nobody whom a new agent could be like.")
    ids = {agent.id for agent in roster}
    free = (f"new-{place}" for place in range(1, 10**6) if f"new-{place}" not in ids)
    added = [_copy(models[place % len(models)], next(free), place + 1) for place in range(number)]
    return (*roster, *added)


def _copy(agent: Agent, id_: str, place: int) -> Agent:
    return replace(agent, id=id_, name=f"New {place} (like {agent.name})", load=0)


def _most_needed(roster: Sequence[Agent], items: Sequence[WorkItem]) -> list[Agent]:
    """Agents by how much of what is needed they know, most first."""
    needed: Counter[str] = Counter()
    for item in items:
        for need in item.needs:
            needed[fold(need.skill)] += need.weight  # type: ignore[assignment]  # halves count too
    worth = {
        agent.id: sum(needed[skill] * level for skill, level in levels_of(agent).items())
        for agent in roster
    }
    return sorted(roster, key=lambda agent: (-worth[agent.id], agent.id))


def without(roster: Sequence[Agent], agent_id: str) -> tuple[Agent, ...]:
    """The roster without somebody."""
    gone = _find(roster, agent_id)
    return tuple(agent for agent in roster if agent.id != gone.id)


def with_skill(roster: Sequence[Agent], agent_id: str, skill: str, level: int) -> tuple[Agent, ...]:
    """The roster with an agent who knows a skill this well; 0 takes it from them."""
    if not (0 <= level <= BEST_LEVEL and skill.strip()):
        what = f"{skill or 'the skill'} at {level} is not a skill from 0 to {BEST_LEVEL}"
        raise AgentsError(problems=[Problem(where=f"agents[{agent_id}].skills", what=what)])
    agent = _find(roster, agent_id)
    skills = {name: known for name, known in agent.skills.items() if fold(name) != fold(skill)}
    if level:
        skills[skill.strip()] = level
    return tuple(_changed(roster, replace(agent, skills=skills)))


def with_shift(roster: Sequence[Agent], agent_id: str, shift: Shift) -> tuple[Agent, ...]:
    """The roster with an agent who works at other times."""
    return tuple(_changed(roster, replace(_find(roster, agent_id), shift=shift)))


def _changed(roster: Sequence[Agent], changed: Agent) -> Iterator[Agent]:
    return (changed if agent.id == changed.id else agent for agent in roster)


def _find(roster: Sequence[Agent], wanted: str) -> Agent:
    """An agent by id, else by name where only one has it."""
    found = [agent for agent in roster if agent.id == wanted]
    found = found or [agent for agent in roster if fold(agent.name) == fold(wanted)]
    if len(found) != 1:
        what = "two have this name: use the id" if found else "nobody on the roster has this id"
        raise AgentsError(problems=[Problem(where=f"agents[{wanted}]", what=what)])
    return found[0]
