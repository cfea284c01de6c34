"""The assignment as a min-cost flow, solved by OR-Tools, and the agents' prices out of it.

    class --> agent --> slots --> sink      a fit pair costs -worth, a slot its load
    class --> pool  --> agent               falling back costs 2w; where no skill is needed, 0
    class --> sink                          staying without an agent costs 4w

Slot costs rise with each slot, so the cheapest flow fills them in order and is integral. A pool
is one group's agents, which keeps the fallback at one arc a class instead of one an agent.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from triagedesk.assign.score import deferral_cost, slot_cost
from triagedesk.assign.tables import Floats, Ints
from triagedesk.assign.worth import Worth

#: Whole units of cost in 1.0 of score.
UNITS = 1_000_000
#: OR-Tools multiplies costs by the number of nodes: the product has to stay below 2^63.
COST_LIMIT = 1 << 60
#: Finest steps in which experience is compared.
EXPERIENCE_STEPS = 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class TieBreak:
    """What each agent's slots cost less by, in parts of a unit, so that ties are broken."""

    #: Parts that a unit of cost is split into.
    parts: int
    bonus: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """One flow problem: some or all tickets, some or all pairs, agents with their slots."""

    worth: Worth
    #: Tickets of each class that are in the problem.
    count: Ints
    #: Pairs that are in the problem, by rising class and agent.
    rows: Ints
    columns: Ints
    #: Slots: whose they are (rising) and what they cost (rising for each agent), in score.
    slot_agent: Ints
    slot_cost: Floats
    tie_break: TieBreak

    @cached_property
    def value(self) -> Floats:
        """What each pair is worth, in score."""
        return self.worth.pairs(self.rows, self.columns)[2]

    def cost(self, score: Floats) -> Ints:
        """Score as parts of a unit of cost."""
        return np.rint(score * UNITS).astype(np.int64) * self.tie_break.parts

    def slot_costs(self) -> Ints:
        """The cost of each slot, ties broken."""
        return self.cost(self.slot_cost) - self.tie_break.bonus[self.slot_agent]


@dataclass(frozen=True, kw_only=True, eq=False)
class Flow:
    """The cheapest flow through a network, in tickets."""

    #: Through each pair of the network.
    pair: Ints
    #: From each class into its pool, and unassigned.
    pooled: Ints
    deferred: Ints
    #: From pools to agents: group, agent, tickets.
    pool_group: Ints
    pool_agent: Ints
    pool: Ints
    #: Tickets each agent gets.
    taken: Ints


def slots(worth: Worth, offered: Ints, share: float = 1.0) -> tuple[Ints, Floats]:
    """Slots of the agents and their costs; with a share below 1 each stands for 1/share slots."""
    agents = np.repeat(np.arange(len(offered)), offered)
    number = np.arange(len(agents)) - np.repeat(np.cumsum(offered) - offered, offered)
    load = worth.roster.load[agents] + (number + 0.5) / share - 0.5
    return agents, slot_cost(load, worth.roster.capacity[agents].astype(np.float64), worth.policy)


def tie_break(worth: Worth, tickets: int) -> TieBreak:
    """Experience breaks ties, then the smaller id, and neither does anything else.

    All tickets together gain less than one unit by it, whoever they go to. Costs must stay below
    COST_LIMIT: where the batch is too large for it ids are left out, and experience is compared
    in fewer steps.
    """
    nodes = len(worth.classes) + 2 * len(worth.roster.open) + 2
    dearest = deferral_cost(float(worth.classes.weight.max(initial=1.0)), worth.policy)
    most = COST_LIMIT // (nodes * int(max(dearest, worth.policy.load) * UNITS))
    experience = worth.roster.experience_rank
    ids = np.arange(len(experience))[::-1]
    bonus = experience * (tickets * len(ids) + 1) + ids
    if tickets * int(bonus.max(initial=0)) >= most:
        highest = int(experience.max(initial=0))
        steps = min(highest, EXPERIENCE_STEPS, max(0, most - 1) // max(1, tickets))
        bonus = experience * steps // max(1, highest)
    return TieBreak(parts=tickets * int(bonus.max(initial=0)) + 1, bonus=bonus)


def solve_flow(network: Network) -> Flow:
    """The cheapest flow; it always exists, since every ticket may stay unassigned."""
    # OR-Tools takes .3 s to import; only a desk that assigns needs it.
    from ortools.graph.python import min_cost_flow  # noqa: PLC0415

    worth, count = network.worth, network.count
    classes, agents = len(worth.classes), len(worth.roster.open)
    group, pool_number = np.unique(worth.classes.group, return_inverse=True)
    pool_of, pool_agent = np.nonzero(worth.classes.members[group])
    first_pool, sink = classes + agents, classes + agents + len(group)
    every = np.arange(classes)
    room = np.bincount(network.slot_agent, minlength=agents)
    tail = [network.rows, every, every, pool_of + first_pool, network.slot_agent + classes]
    head = [
        network.columns + classes,
        np.full(classes, sink),
        pool_number + first_pool,
        pool_agent + classes,
        np.full(len(network.slot_agent), sink),
    ]
    capacity = [
        np.minimum(count[network.rows], room[network.columns]),
        count,
        count,
        room[pool_agent],
        np.ones(len(network.slot_agent), np.int64),
    ]
    cost = [
        -network.cost(network.value),
        network.cost(worth.classes.deferral),
        network.cost(worth.classes.fallback),
        np.zeros(len(pool_of), np.int64),
        network.slot_costs(),
    ]
    solver = min_cost_flow.SimpleMinCostFlow()
    solver.add_arcs_with_capacity_and_unit_cost(
        np.concatenate(tail).astype(np.int32),
        np.concatenate(head).astype(np.int32),
        np.concatenate(capacity).astype(np.int64),
        np.concatenate(cost).astype(np.int64),
    )
    solver.set_nodes_supplies(every.astype(np.int32), count.astype(np.int64))
    solver.set_node_supply(int(sink), -int(count.sum()))
    status = solver.solve()
    if status != solver.OPTIMAL:
        # Not reachable with costs below COST_LIMIT and a deferral arc for every ticket.
        raise ArithmeticError(f"min-cost flow ended with {status}")
    ends = np.cumsum([len(part) for part in tail])
    flow = solver.flows(np.arange(ends[-1], dtype=np.int32))
    pair, deferred, pooled, pool, filled = np.split(np.asarray(flow, np.int64), ends[:-1])
    return Flow(
        pair=pair,
        pooled=pooled,
        deferred=deferred,
        pool_group=group[pool_of],
        pool_agent=pool_agent,
        pool=pool,
        taken=np.bincount(network.slot_agent, weights=filled, minlength=agents).astype(np.int64),
    )
