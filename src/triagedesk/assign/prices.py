"""Agents' prices: what one more slot of an agent would be worth to the batch.

Prices come out of a cheapest flow as its duals. For any prices at all, `upper_bound` is a score
that no assignment can beat (Lagrange): with the right prices it meets the score of the best one,
which proves it best without trying the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from triagedesk.assign.flow import UNITS, Flow, Network
from triagedesk.assign.score import slot_cost
from triagedesk.assign.tables import Floats, Ints, Singles
from triagedesk.assign.worth import Worth

FAR = 1 << 61
#: Passes after which prices are good enough; fewer than a hundred were ever needed in trials.
MOST_PASSES = 2000


def agent_prices(network: Network, flow: Flow, guess: Floats | None = None) -> Floats:
    """Prices under which every ticket of the flow is where it gains most.

    A ticket with agent a gains worth - price(a). The highest such prices are found from above,
    lowering an agent's price as long as one of their tickets would gain more elsewhere; then the
    lowest that are not below `guess` from there, raising an agent's price as long as a ticket
    would gain more with them (both Bellman-Ford). Without a guess the lowest of all come out,
    which are too low where pairs that were left out would pay more.
    """
    graph = _Graph(network, flow)
    lowest, highest = _slot_prices(network, flow)
    unit = UNITS * network.tie_break.parts
    if guess is not None:
        highest = graph.settled(highest, graph.lowered, FAR)
        units = np.rint(guess * unit).astype(np.int64)
        lowest = np.maximum(lowest, np.minimum(units, highest))
    return graph.settled(lowest, graph.raised, -FAR) / unit


def _slot_prices(network: Network, flow: Flow) -> tuple[Ints, Ints]:
    """Between which costs of slots each agent's price must be.

    Not below the last slot taken, nor above the first left; an agent who has not been given
    anything costs their first slot, one whose slots are all taken may cost anything.
    """
    agents = len(flow.taken)
    offered = np.bincount(network.slot_agent, minlength=agents)
    cost = np.append(network.slot_costs(), 0)
    start = np.cumsum(offered) - offered
    last = np.where(offered > 0, cost[start + np.maximum(flow.taken - 1, 0)], 0)
    left = flow.taken < offered
    return last, np.where(left, cost[np.where(left, start + flow.taken, 0)], FAR)


class _Graph:
    """Who could give work to whom: classes to agents and pools, pools to agents.

    Givers are the classes and then the pools, takers the agents and then the pools. A pool gains
    what it does not pay: its gain as a giver is less its price as a taker.
    """

    def __init__(self, network: Network, flow: Flow) -> None:
        worth = network.worth
        classes, self._agents = len(worth.classes), len(flow.taken)
        groups, pool = np.unique(worth.classes.group, return_inverse=True)
        self._pools = len(groups)
        self._giver = np.concatenate(
            [network.rows, np.arange(classes), classes + np.searchsorted(groups, flow.pool_group)]
        )
        self._taker = np.concatenate([network.columns, self._agents + pool, flow.pool_agent])
        fallback = network.cost(worth.classes.fallback)
        self._value = np.concatenate(
            [network.cost(network.value), -fallback, np.zeros(len(flow.pool), np.int64)]
        )
        used = np.nonzero(np.concatenate([flow.pair, flow.pooled, flow.pool]))[0]
        self._used_giver, self._used_taker = self._giver[used], self._taker[used]
        self._used_value = self._value[used]
        unassigned = -network.cost(worth.classes.deferral)
        self._least = self._with_pools(np.where(flow.deferred > 0, unassigned, FAR), FAR)
        self._most = self._with_pools(unassigned, -FAR)

    def _with_pools(self, values: Ints, pools: int) -> Ints:
        return np.append(values, np.full(self._pools, pools, np.int64))

    def settled(self, price: Ints, step: Callable[[Ints], Ints], pools: int) -> Ints:
        """Agents' prices when a step no longer changes any."""
        price = self._with_pools(price, pools)
        for _ in range(MOST_PASSES):
            before, price = price, step(price)
            if np.array_equal(before, price):
                break
        return price[: self._agents]

    def raised(self, price: Ints) -> Ints:
        """Prices raised where a ticket would gain more than where it is."""
        gain, price = self._least.copy(), price.copy()
        pools = slice(self._agents, None)
        np.minimum.at(gain, self._used_giver, self._used_value - price[self._used_taker])
        gain[-self._pools :] = np.minimum(gain[-self._pools :], -price[pools])
        np.maximum.at(price, self._taker, self._value - gain[self._giver])
        price[pools] = np.maximum(price[pools], -gain[-self._pools :])
        return price

    def lowered(self, price: Ints) -> Ints:
        """Prices lowered where a ticket that is there would gain more elsewhere."""
        gain, price = self._most.copy(), price.copy()
        pools = slice(self._agents, None)
        np.maximum.at(gain, self._giver, self._value - price[self._taker])
        gain[-self._pools :] = np.maximum(gain[-self._pools :], -price[pools])
        np.minimum.at(price, self._used_taker, self._used_value - gain[self._used_giver])
        price[pools] = np.minimum(price[pools], -gain[-self._pools :])
        return price


@dataclass(frozen=True, kw_only=True, eq=False)
class Pricing:
    """What every pair of class and agent, kept or not, says to a set of prices."""

    #: No assignment scores more.
    bound: float
    #: Pairs worth adding, by rising class: they gain more than any that was kept.
    rows: Ints
    columns: Ints


def price_out(worth: Worth, price: Floats, kept: Floats, most: int) -> Pricing:
    """The upper bound under these prices, and up to `most` better pairs of each class.

    `kept` is what each class gains at most by what is already in the network.
    """
    best = outside_gain(worth, price)
    columns: list[Ints] = []
    rows: list[Ints] = []
    for block in worth.blocks():
        reduced = worth.fit_table(block) - price.astype(np.float32)
        top = reduced.max(axis=1)
        best[block] = np.maximum(best[block], top)
        better = np.nonzero(top > kept[block] + 2 / UNITS)[0]
        if len(better):
            row, column = strongest(reduced[better], most)
            rows.append(block[better[row]])
            columns.append(column)
    bound = float((best * worth.classes.count).sum()) + slots_gain(worth, price)
    empty = [np.zeros(0, np.int64)]
    return Pricing(
        bound=bound, rows=np.concatenate(rows or empty), columns=np.concatenate(columns or empty)
    )


def strongest(table: Floats | Singles, most: int) -> tuple[Ints, Ints]:
    """Rows and columns of the `most` highest finite cells of each row."""
    if table.shape[1] > most:
        column = np.argpartition(-table, most - 1, axis=1)[:, :most]
    else:
        column = np.broadcast_to(np.arange(table.shape[1]), table.shape)
    row, place = np.nonzero(np.isfinite(np.take_along_axis(table, column, axis=1)))
    return row, column[row, place]


def outside_gain(worth: Worth, price: Floats) -> Floats:
    """What a ticket of each class gains without a fit agent: through its pool or unassigned."""
    classes = worth.classes
    unassigned = -classes.deferral
    groups, number = np.unique(classes.group, return_inverse=True)
    cheapest = np.where(worth.classes.members[groups], price, np.inf).min(axis=1, initial=np.inf)
    gain: Floats = np.maximum(unassigned, -classes.fallback - cheapest[number])
    return gain


def slots_gain(worth: Worth, price: Floats) -> float:
    """What the agents would gain by selling just as many slots as pay at these prices."""
    load, capacity = worth.roster.load, worth.roster.capacity.astype(np.float64)
    room, unit = worth.roster.room, worth.policy.load
    if unit:
        sold = np.clip(np.ceil(price * capacity / unit - load - 0.5), 0, room)
    else:
        sold = np.where(price > 0, room, 0).astype(np.float64)
    # The sum of slot_cost over `sold` slots from `load` on.
    cost = sold * slot_cost(load + (sold - 1) / 2, capacity, worth.policy)
    return float((price * sold - cost).sum())
