"""Who could take one ticket, best first: for a person who wants to choose."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from triagedesk.agents import Agent
from triagedesk.assign.classes import read_classes
from triagedesk.assign.reasons import MOST_NAMED
from triagedesk.assign.records import AssignPolicy, WorkItem
from triagedesk.assign.roster import read_roster
from triagedesk.assign.score import fold, slot_cost
from triagedesk.assign.worth import Worth
from triagedesk.tickets import Candidate, Exclusion


def rank(
    item: WorkItem, agents: Sequence[Agent], *, policy: AssignPolicy, now: datetime
) -> tuple[tuple[Candidate, ...], tuple[Exclusion, ...]]:
    """Everyone who could take a ticket by score, best first, and why the others could not.

    An agent without any needed skill is among the former, with a match of 0 and a low score.
    """
    roster = read_roster(agents, now, policy)
    worth = Worth(roster=roster, classes=read_classes([item], roster, policy), policy=policy)
    net = worth.open_table(np.zeros(1, np.int64))[0].astype(np.float64)
    net -= slot_cost(roster.load, roster.capacity, policy)
    columns = np.arange(len(roster.open))
    match = worth.pairs(np.zeros(len(columns), np.int64), columns)[0]
    # Experience only ever breaks ties; ids do the rest.
    order = np.lexsort((columns, -roster.experience_rank, -np.round(net, 6)))
    ranked = tuple(
        Candidate(
            agent_id=roster.open[column].id,
            agent_name=roster.open[column].name,
            score=float(net[column]),
            match=float(match[column]),
        )
        for column in order.tolist()
        if np.isfinite(net[column])
    )
    excluded = dict(roster.closed)
    for column in columns[np.isneginf(net)].tolist():
        agent = roster.open[column]
        declined = agent.id in item.declined_by
        why = "declined it" if declined and _in_group(agent, item) else f"not in {item.group}"
        excluded[why] = (*excluded.get(why, ()), agent)
    return ranked, tuple(
        Exclusion(
            reason=why, agent_ids=tuple(agent.id for agent in who)[:MOST_NAMED], count=len(who)
        )
        for why, who in sorted(excluded.items())
    )


def _in_group(agent: Agent, item: WorkItem) -> bool:
    return not item.group or fold(item.group) in map(fold, agent.groups)
