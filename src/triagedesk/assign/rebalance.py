"""Moving work that nobody has started yet, where that is worth it.

Everything unstarted is assigned anew as one batch in which leaving a ticket where it is gains
something. What comes out is the best there is after the cost of moving: every move pays for itself
or makes another pay, and a desk that has just been rebalanced moves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from triagedesk.agents import Agent
from triagedesk.assign.knowledge import is_present
from triagedesk.assign.records import AssignPolicy, WorkItem
from triagedesk.assign.score import closed_reason, fold, is_here, levels_of, need_strength
from triagedesk.assign.wording import waits
from triagedesk.errors import AgentsError, Problem

if TYPE_CHECKING:  # numpy is for desks that assign
    from triagedesk.assign.waiting import Patience

#: What a move must gain, in score: as much as a fifth of a full match of a P4 ticket.
WORTH_IT = 0.2


@dataclass(frozen=True, kw_only=True)
class Move:
    """A ticket that changes hands."""

    item: WorkItem
    #: Agent id; None for a ticket that nobody had.
    from_agent: str | None
    #: Agent id; None for one handed back to the queue, as nobody can take it.
    to_agent: str | None
    #: One sentence.
    why: str


@dataclass(frozen=True, kw_only=True)
class _Desk:
    policy: AssignPolicy
    now: datetime
    #: How many tickets each agent has not begun.
    unstarted: Mapping[str, int]
    keeps_groups: bool
    patience: Patience


def rebalance(
    unstarted: Mapping[str, Sequence[WorkItem]],
    unassigned: Sequence[WorkItem],
    roster: Sequence[Agent],
    *,
    policy: AssignPolicy,
    now: datetime,
    gain: float = WORTH_IT,
) -> list[Move]:
    """Which unstarted tickets should change hands, in order of work.

    `unstarted` is what each agent has and has not begun, counted in their load; what they have
    begun is in their load only. Agents who are away or off shift hand back what they have not
    begun; so does, under scarcity, who has something less urgent than what waits. Raises
    AgentsError for work of agents not on the roster.
    """
    _check(unstarted, roster)
    agents = {agent.id: agent for agent in roster}
    has = {item.ticket_id: id_ for id_ in sorted(unstarted) for item in unstarted[id_]}
    items = [item for id_ in sorted(unstarted) for item in unstarted[id_]] + list(unassigned)
    given, patience = _assign_anew(
        items, _freed(unstarted, roster), has, policy=policy, now=now, gain=gain
    )
    desk = _Desk(
        patience=patience,
        policy=policy,
        now=now,
        unstarted={id_: len(mine) for id_, mine in unstarted.items()},
        keeps_groups=any(agent.groups for agent in roster),
    )
    moves = []
    for item, to_agent in given:
        from_agent = has.get(item.ticket_id)
        if to_agent == from_agent:
            continue
        before = agents[from_agent] if from_agent is not None else None
        if to_agent is None and before is not None and _keeps(before, item, desk):
            continue
        after = agents[to_agent] if to_agent is not None else None
        why = _why(item, before, after, desk)
        moves.append(Move(item=item, from_agent=from_agent, to_agent=to_agent, why=why))
    return moves


def _check(unstarted: Mapping[str, Sequence[WorkItem]], roster: Sequence[Agent]) -> None:
    known = {agent.id: agent.load for agent in roster}
    problems = []
    for id_, items in sorted(unstarted.items()):
        if id_ not in known:
            problems.append(Problem(where=f"agents[{id_}]", what="is not on the roster"))
        elif len(items) > known[id_]:
            what = f"{known[id_]} is less than the {len(items)} tickets they have not begun"
            problems.append(Problem(where=f"agents[{id_}].load", what=what))
    if problems:
        raise AgentsError(problems=problems)


def _freed(unstarted: Mapping[str, Sequence[WorkItem]], roster: Sequence[Agent]) -> list[Agent]:
    """The agents without what they have not begun."""
    return [replace(agent, load=agent.load - len(unstarted.get(agent.id, ()))) for agent in roster]


def _assign_anew(
    items: Sequence[WorkItem],
    roster: Sequence[Agent],
    has: Mapping[str, str],
    *,
    policy: AssignPolicy,
    now: datetime,
    gain: float,
) -> tuple[list[tuple[WorkItem, str | None]], Patience]:
    """Each ticket, in order of work, with the agent who should have it; and who waits."""
    # numpy and the solver are loaded by desks that assign, not by `triagedesk --help`.
    from triagedesk.assign.classes import read_classes, work_order  # noqa: PLC0415
    from triagedesk.assign.roster import read_roster  # noqa: PLC0415
    from triagedesk.assign.solver import solve  # noqa: PLC0415
    from triagedesk.assign.waiting import Patience, floor_of  # noqa: PLC0415
    from triagedesk.assign.worth import Worth  # noqa: PLC0415

    table = read_roster(roster, now, policy)
    staying = {ticket_id: (agent_id, gain) for ticket_id, agent_id in has.items()}
    patience = Patience(floor_of(table), policy, now)
    classes = read_classes(items, table, policy, staying, patience)
    solution = solve(Worth(roster=table, classes=classes, policy=policy))
    agents: dict[int, str | None] = {
        position: table.open[column].id if column >= 0 else None
        for position, column in zip(classes.order.tolist(), solution.agent.tolist(), strict=True)
    }
    return [(items[position], agents[position]) for position in work_order(items)], patience


def _keeps(agent: Agent, item: WorkItem, desk: _Desk) -> bool:
    """Whether an agent who takes nothing new may keep a ticket that nobody else can take.

    Of one who does take new work it would be in the way of something more urgent.
    """
    begun_only = replace(agent, load=agent.load - desk.unstarted.get(agent.id, 0))
    return bool(closed_reason(begun_only, desk.now, desk.policy)) and not _reason(agent, item, desk)


def _why(item: WorkItem, before: Agent | None, after: Agent | None, desk: _Desk) -> str:
    """One sentence on a move."""
    if before is None:
        # What nobody had goes to somebody, or it has not moved.
        return f"To {after.name if after else 'nobody'}: nobody had it, and there is room now."
    reason = _reason(before, item, desk)
    if not reason and before.load > before.capacity:
        reason = f"{before.load} of {before.capacity} open"
    if after is None:
        return f"Back to the queue: {_handed_back(item, before, reason, desk)}"
    start = f"From {before.name} to {after.name}"
    if reason:
        return f"{start}: {before.name} cannot begin it ({reason})."
    return f"{start}: {_gain(item, before, after, desk)}."


def _handed_back(item: WorkItem, before: Agent, reason: str, desk: _Desk) -> str:
    """Why a ticket goes back to the queue."""
    wait = desk.patience.wait(item)
    if reason:
        gone = f"{before.name} cannot keep it ({reason})"
        return f"{gone}. {waits(wait)}" if wait else f"{gone}, and nobody else can take it."
    if wait and not _knows(before, item):
        return f"{before.name} does not know {wait.skill}. {waits(wait)}"
    return f"it makes room with {before.name} for what is more urgent."


def _knows(agent: Agent, item: WorkItem) -> bool:
    levels = levels_of(agent)
    return any(fold(need.skill) in levels for need in item.needs)


def _gain(item: WorkItem, before: Agent, after: Agent, desk: _Desk) -> str:
    own, other = _strongest(before, item, desk.policy), _strongest(after, item, desk.policy)
    if other[0] > own[0]:
        return f"{other[2]} {other[1]}/10 instead of {own[1]}/10"
    if after.load / after.capacity < before.load / before.capacity:
        shares = f"{after.load} of {after.capacity} instead of {before.load} of {before.capacity}"
        return f"more room, {shares} open"
    return f"it makes room for work that suits {before.name} better"


def _reason(agent: Agent, item: WorkItem, desk: _Desk) -> str:
    """Why an agent cannot begin a ticket at all; empty when they can."""
    if agent.id in item.declined_by:
        return "declined it earlier"
    if desk.keeps_groups and fold(item.group) and fold(item.group) not in map(fold, agent.groups):
        return f"not in {item.group}"
    if is_here(agent):
        return is_here(agent)
    return "" if is_present(agent, desk.now) else "shift is over"


def _strongest(agent: Agent, item: WorkItem, policy: AssignPolicy) -> tuple[float, int, str]:
    """Strength x proficiency, proficiency and name of the needed skill that counts most."""
    levels = levels_of(agent)
    known = [
        (need_strength(need, policy) * levels.get(fold(need.skill), 0), need.skill)
        for need in item.needs
    ]
    if not known:
        return 0.0, 0, ""
    value, skill = max(known)
    return value, levels.get(fold(skill), 0), skill
