"""The best assignment of a batch, with proof of how good it is.

A small batch goes into one min-cost flow with every pair of class and agent. A large one starts
from the pairs that look best at guessed prices (by match less price: the best by match alone are
the same few agents for everybody), and is priced out until no pair left out could help.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from triagedesk.assign.flow import UNITS, Flow, Network, experience_parts, slots, solve_flow
from triagedesk.assign.greedy import assign_greedily
from triagedesk.assign.prices import agent_prices, outside_gain, price_out, strongest
from triagedesk.assign.records import AssignPolicy
from triagedesk.assign.roster import Floats, Ints
from triagedesk.assign.score import deferral_cost, slot_cost
from triagedesk.assign.worth import Worth

EXACT, GREEDY = "min-cost flow", "greedy with relocation"

#: Pairs up to which all of them go into one flow.
ALL_PAIRS = 500_000
#: Pairs kept for each class of a large batch, and how many are added to a class at a time.
KEPT, ADDED = 16, 8
MANY = 2
#: Tickets of a large batch that guess the prices.
SAMPLE = 6_000
#: Stop pricing out when the gap is below this.
GOOD_GAP = 1e-5
MOST_ROUNDS = 20
#: Seconds a flow takes per pair, on a slow machine; a flow that would not end in time is not begun.
SECONDS_PER_PAIR = 6e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """Which agent each ticket gets: by class and agent, or ticket by ticket."""

    #: Open agent of each ticket, by position in `classes.order`; -1 for none.
    agent: Ints
    #: Price of each agent's slots, in score.
    price: Floats
    objective: float
    bound: float
    method: str


def solve(worth: Worth, time_limit: float | None = None) -> Solution:
    """The best assignment, or the best found within `time_limit` seconds."""
    deadline = math.inf if time_limit is None else time.perf_counter() + time_limit
    if not len(worth.classes) or not len(worth.roster.open):
        nobody = np.full(len(worth.classes.order), -1, np.int64)
        price = np.zeros(len(worth.roster.open))
        best = objective(worth, nobody)
        return Solution(agent=nobody, price=price, objective=best, bound=best, method=EXACT)
    found = _solve_exactly(worth, deadline)
    if found is None:
        agent = assign_greedily(worth, deadline)
        taken = np.bincount(agent[agent >= 0], minlength=len(worth.roster.open))
        price = last_slot_cost(worth, taken)
        bound = price_out(worth, price, np.full(len(worth.classes), np.inf), 1).bound
        found = Solution(
            agent=agent,
            price=price,
            objective=objective(worth, agent),
            bound=bound,
            method=GREEDY,
        )
    return found


def _solve_exactly(worth: Worth, deadline: float) -> Solution | None:
    """The best assignment by rounds of flow and pricing; None when time is short."""
    tickets = int(worth.classes.count.sum())
    rows, columns, guess = _first_pairs(worth)
    room = worth.roster.room
    # More slots than anyone will fill are not worth a node each; who fills theirs is offered more.
    offered = np.minimum(room, 2 * -(-tickets // len(room)) + 64)
    parts = experience_parts(worth, tickets)
    best: Solution | None = None
    for _ in range(MOST_ROUNDS):
        if time.perf_counter() + (len(rows) + tickets) * SECONDS_PER_PAIR > deadline:
            return best
        slot_agent, slot_costs = slots(worth, offered)
        network = Network(
            worth=worth,
            count=worth.classes.count,
            rows=rows,
            columns=columns,
            slot_agent=slot_agent,
            slot_cost=slot_costs,
            parts=parts,
        )
        flow = solve_flow(network)
        price = agent_prices(network, flow, guess)
        kept = np.full(len(worth.classes), np.inf)
        if guess is not None:
            guess, kept = price, _kept_gain(network, price)
        pricing = price_out(worth, price, kept, ADDED)
        agent = deal(network, flow)
        score = objective(worth, agent)
        best = Solution(
            agent=agent,
            price=price,
            objective=score,
            bound=max(score, pricing.bound),
            method=EXACT,
        )
        short = (flow.taken >= offered) & (offered < room)
        if not short.any() and (not len(pricing.rows) or gap(score, pricing.bound) < GOOD_GAP):
            return best
        offered = np.where(short, np.minimum(room, 2 * offered), offered)
        rows, columns = _joined(
            len(room),
            np.concatenate([rows, pricing.rows]),
            np.concatenate([columns, pricing.columns]),
        )
    return best


def gap(score: float, bound: float) -> float:
    """How far a score may be from the best, relative."""
    return max(0.0, bound - score) / max(1.0, abs(score))


def _first_pairs(worth: Worth) -> tuple[Ints, Ints, Floats | None]:
    """The pairs to begin with, and the prices they were chosen by; None when these are all."""
    holders = (worth.roster.proficiency > 0).sum(axis=1)
    pairs = int(holders[worth.classes.skill].sum()) + len(worth.classes.affinity)
    guess = None if pairs <= ALL_PAIRS else _guessed_prices(worth)
    most = len(worth.roster.open) if guess is None else KEPT
    price = np.zeros(len(worth.roster.open)) if guess is None else guess
    rows, columns = [], []
    for block in worth.blocks():
        table = worth.fit_table(block) - price.astype(np.float32)
        many = worth.classes.count[block] > MANY
        for some, limit in ((~many, most), (many, len(price))):
            row, column = strongest(table[some], limit)
            rows.append(block[some][row])
            columns.append(column)
    rows, columns = _joined(len(worth.roster.open), np.concatenate(rows), np.concatenate(columns))
    return rows, columns, guess


def _guessed_prices(worth: Worth) -> Floats:
    """Prices of a small desk: every n-th ticket, and as much smaller a room for each agent."""
    tickets = len(worth.classes.order)
    step = max(1, tickets // SAMPLE)
    number = np.repeat(np.arange(len(worth.classes)), worth.classes.count)
    count = np.bincount(number[step // 2 :: step], minlength=len(worth.classes))
    rows, columns = [], []
    first = slot_cost(
        worth.roster.load + worth.roster.room * 0.4, worth.roster.capacity, worth.policy
    )
    for block in worth.blocks():
        used = block[count[block] > 0]
        if len(used):
            row, column = strongest(worth.fit_table(used) - first.astype(np.float32), 4 * KEPT)
            rows.append(used[row])
            columns.append(column)
    joined = _joined(len(worth.roster.open), np.concatenate(rows), np.concatenate(columns))
    offered = np.maximum(1, np.rint(worth.roster.room / step)).astype(np.int64)
    slot_agent, slot_costs = slots(worth, offered, 1 / step)
    network = Network(
        worth=worth,
        count=count,
        rows=joined[0],
        columns=joined[1],
        slot_agent=slot_agent,
        slot_cost=slot_costs,
    )
    return agent_prices(network, solve_flow(network))


def _joined(agents: int, rows: Ints, columns: Ints) -> tuple[Ints, Ints]:
    """Pairs once each, by rising class and agent."""
    key = np.unique(rows.astype(np.int64) * agents + columns)
    return key // agents, key % agents


def _kept_gain(network: Network, price: Floats) -> Floats:
    """What a ticket of each class gains at most by what is in the network."""
    gain = outside_gain(network.worth, price)
    _, _, worth = network.worth.pairs(network.rows, network.columns)
    if len(network.rows):
        rows, start = np.unique(network.rows, return_index=True)
        best = np.maximum.reduceat(worth - price[network.columns], start)
        gain[rows] = np.maximum(gain[rows], best)
    return gain


def deal(network: Network, flow: Flow) -> Ints:
    """Tickets to agents: within a class, older tickets to better agents; -1 for none.

    Better is the higher match, then the smaller id. Tickets in a pool are dealt in order of work
    to the agents with least load first.
    """
    worth, classes = network.worth, network.worth.classes
    _, _, value = worth.pairs(network.rows, network.columns)
    used = np.nonzero(flow.pair)[0]
    used = used[np.lexsort((network.columns[used], -value[used], network.rows[used]))]
    agent = np.full(len(classes.order), -1, np.int64)
    given = np.repeat(network.columns[used], flow.pair[used])
    by_pair = np.bincount(network.rows[used], flow.pair[used], len(classes)).astype(np.int64)
    agent[_places(classes.start[:-1], by_pair)] = given
    pooled = _places(classes.start[:-1] + by_pair, flow.pooled)
    number = np.repeat(np.arange(len(classes)), flow.pooled)
    for group in np.unique(classes.group[number]):
        mine = pooled[classes.group[number] == group]
        sent = (flow.pool_group == group) & (flow.pool > 0)
        # An agent's pool tickets take their last slots; the emptiest agents come first.
        whose, tickets = flow.pool_agent[sent], flow.pool[sent]
        first = worth.roster.load[whose] + flow.taken[whose] - tickets
        whose, load = np.repeat(whose, tickets), _places(first, tickets)
        cost = slot_cost(load, worth.roster.capacity[whose], worth.policy)
        agent[mine[np.argsort(classes.rank[mine])]] = whose[np.lexsort((whose, cost))]
    return agent


def _places(start: Ints, length: Ints) -> Ints:
    """start, start + 1, ... for each range, one after the other."""
    ends = np.cumsum(length)
    return np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(start - ends + length, length)


def last_slot_cost(worth: Worth, taken: Ints) -> Floats:
    """What the last slot taken of each agent costs; the first free one where none is taken."""
    load = worth.roster.load + np.maximum(taken - 1, 0)
    return slot_cost(load, worth.roster.capacity, worth.policy)


def objective(worth: Worth, agent: Ints) -> float:
    """The score of an assignment, as `BatchAssignment.objective` says."""
    classes, roster = worth.classes, worth.roster
    rows = np.repeat(np.arange(len(classes)), classes.count)
    given = agent >= 0
    _, _, value = worth.pairs(rows[given], agent[given])
    taken = np.bincount(agent[given], minlength=len(roster.open))
    load = taken * slot_cost(roster.load + (taken - 1) / 2, roster.capacity, worth.policy)
    unassigned = deferral_cost(classes.weight[rows[~given]], worth.policy)
    return float(value.sum() - load.sum() - unassigned.sum())
