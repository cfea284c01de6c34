"""What presses on a simulated desk: the index of tickets for an agent, as arrays."""

from __future__ import annotations

import numpy as np

from triagedesk.assign.index import CommitmentPolicy, index_value
from triagedesk.assign.tables import Floats, Ints
from triagedesk.simulate.world import World

#: Orders of work by which ties are broken: later tickets have higher numbers.
PRIORITY_STEP = 10.0**9


def index_of(
    world: World, policy: CommitmentPolicy, now: float, tickets: Ints, agent: int
) -> Floats:
    """The index of tickets for an agent (assign.index)."""
    kind = world.kind[tickets]
    expected, sla = world.expected[tickets], world.sla[tickets]
    own = expected * world.factor[kind, agent]
    best = expected * world.best_factor[kind]
    slack = world.pressing_due[tickets] - now - own
    pressing = np.exp(-np.maximum(slack, 0.0) / (policy.decay * sla))
    pressing[slack < 0] = policy.overdue
    aging = policy.aging * (now - world.arrives[tickets]) / sla
    weight = np.array([0.0, *policy.urgency])[world.priority[tickets]]
    value: Floats = weight * index_value(1.0, pressing, aging, best, own)
    return value


def most_pressing(world: World, tickets: Ints, value: Floats) -> int:
    """The ticket of the highest value; of equals the more urgent, then the older."""
    tied = tickets[value == value.max()]
    order = world.priority[tied] * PRIORITY_STEP + tied
    return int(tied[order.argmin()])
