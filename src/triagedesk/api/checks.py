"""Checks of a body that a schema cannot make."""

from __future__ import annotations

from collections.abc import Sequence

from triagedesk.api.problems import Fault, not_valid
from triagedesk.api.wire import AgentFields, NewAgent
from triagedesk.cleaning import clean_name


def unique(kind: str, field: str, ids: Sequence[str]) -> list[Fault]:
    """A fault for each id that came before."""
    first: dict[str, int] = {}
    faults = []
    for place, id_ in enumerate(ids):
        if id_ in first:
            faults.append(
                Fault(
                    where="body",
                    path=f"$.{kind}[{place}].{field}",
                    detail=f"is also the id of $.{kind}[{first[id_]}]",
                    value=id_,
                )
            )
        first.setdefault(id_, place)
    return faults


def check_agents(agents: Sequence[NewAgent]) -> list[Fault]:
    """Faults that a schema cannot find: ids twice, one skill under two spellings."""
    faults = unique("agents", "agent_id", [clean_name(agent.agent_id) for agent in agents])
    for place, agent in enumerate(agents):
        faults += skill_faults(agent, f"$.agents[{place}]")
    return faults


def skill_faults(agent: AgentFields, path: str) -> list[Fault]:
    """A fault for each skill that is there twice, spelt alike but for case and spaces."""
    known: set[str] = set()
    faults = []
    for skill in agent.skills:
        name = clean_name(skill).casefold()
        if name in known:
            what = f"the skill {name} is there twice"
            faults.append(Fault(where="body", path=f"{path}.skills", detail=what, value=skill))
        known.add(name)
    return faults


def refuse(faults: Sequence[Fault]) -> None:
    """Raise ApiProblem (422) when there are faults."""
    if faults:
        raise not_valid(faults)
