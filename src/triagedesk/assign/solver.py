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

from triagedesk.assign.flow import Flow, Network, slots, solve_flow, tie_break
from triagedesk.assign.greedy import assign_greedily
from triagedesk.assign.prices import agent_prices, outside_gain, price_out, strongest
from triagedesk.assign.score import slot_cost
from triagedesk.assign.tables import Flags, Floats, Ints, distinct, places, runs
from triagedesk.assign.worth import Worth

EXACT, GREEDY = "min-cost flow", "greedy with relocation"

#: Pairs up to which all of them go into one flow.
ALL_PAIRS = 500_000
#: Pairs kept for each class of a large batch, and how many are added to a class at a time.
KEPT, ADDED = 24, 8
#: A class of more tickets than this keeps all its pairs: it needs as many agents.
MANY = 2
#: How many times more slots are offered of an agent who fills all that were.
MORE = 8
#: Tickets of a large batch that guess the prices.
SAMPLE = 8_000
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
    """The best assignment, or the best found within about `time_limit` seconds."""
    deadline = math.inf if time_limit is None else time.perf_counter() + time_limit
    nobody = np.full(len(worth.classes.order), -1, np.int64)
    if not len(worth.classes) or not len(worth.roster.open):
        price = np.zeros(len(worth.roster.open))
        return _solution(worth, nobody, price, -math.inf, EXACT)
    found, finished = _solve_exactly(worth, deadline)
    if found is not None and finished:
        return found
    agent = assign_greedily(worth, nobody if found is None else found.agent, deadline)
    taken = np.bincount(agent[agent >= 0], minlength=len(worth.roster.open))
    price = last_slot_cost(worth, taken)
    bound = price_out(worth, price, np.full(len(worth.classes), np.inf), 1).bound
    return _solution(worth, agent, price, min(bound, found.bound if found else bound), GREEDY)


def _solution(worth: Worth, agent: Ints, price: Floats, bound: float, method: str) -> Solution:
    score = objective(worth, agent)
    return Solution(
        agent=agent, price=price, objective=score, bound=max(score, bound), method=method
    )


def _solve_exactly(worth: Worth, deadline: float) -> tuple[Solution | None, bool]:
    """The best assignment by rounds of flow and pricing, and whether time sufficed to prove it."""
    found: Solution | None = None
    if not _in_time(worth, _pairs_to_begin_with(worth), deadline):
        return found, False
    rows, columns, guess = _first_pairs(worth)
    offered = _fair_offer(worth, len(worth.classes.order))
    for _ in range(MOST_ROUNDS):
        if not _in_time(worth, len(rows), deadline):
            break
        network = _network(worth, rows, columns, offered)
        flow = solve_flow(network)
        price = agent_prices(network, flow, guess)
        kept = np.full(len(worth.classes), np.inf)
        if guess is not None:
            guess, kept = price, _kept_gain(network, price)
        pricing = price_out(worth, price, kept, ADDED)
        found = _solution(worth, deal(network, flow), price, pricing.bound, EXACT)
        short = (flow.taken >= offered) & (offered < worth.roster.room)
        good = not len(pricing.rows) or gap(found.objective, found.bound) < GOOD_GAP
        if good and not short.any():
            return found, True
        offered = np.where(short, np.minimum(worth.roster.room, MORE * offered), offered)
        rows = np.concatenate([rows, pricing.rows])
        columns = np.concatenate([columns, pricing.columns])
        rows, columns = _joined(len(offered), rows, columns)
    return found, False


def _in_time(worth: Worth, pairs: int, deadline: float) -> bool:
    """Whether a flow, which cannot be interrupted, is likely to end before the deadline."""
    seconds = (pairs + len(worth.classes.order)) * SECONDS_PER_PAIR
    return time.perf_counter() + seconds <= deadline


def _fair_offer(worth: Worth, tickets: int) -> Ints:
    """How many slots of each agent to begin with: about twice a fair share.

    A slot that nobody will fill is not worth a node; agents who fill theirs are offered more.
    """
    agents = len(worth.roster.open)
    return np.minimum(worth.roster.room, 2 * -(-tickets // agents) + 64)


def _network(worth: Worth, rows: Ints, columns: Ints, offered: Ints) -> Network:
    slot_agent, slot_costs = slots(worth, offered)
    return Network(
        worth=worth,
        count=worth.classes.count,
        rows=rows,
        columns=columns,
        slot_agent=slot_agent,
        slot_cost=slot_costs,
        tie_break=tie_break(worth, len(worth.classes.order)),
    )


def gap(score: float, bound: float) -> float:
    """How far a score may be from the best, relative."""
    return max(0.0, bound - score) / max(1.0, abs(score))


def _all_pairs(worth: Worth) -> int:
    """How many fit pairs there are, at most."""
    holders = (worth.roster.proficiency > 0).sum(axis=1)
    return int(holders[worth.classes.skill].sum()) + len(worth.classes.affinity)


def _pairs_to_begin_with(worth: Worth) -> int:
    pairs = _all_pairs(worth)
    return pairs if pairs <= ALL_PAIRS else min(pairs, KEPT * len(worth.classes))


def _first_pairs(worth: Worth) -> tuple[Ints, Ints, Floats | None]:
    """The pairs to begin with, and the prices they were chosen by; None when these are all."""
    every = np.ones(len(worth.classes), np.bool_)
    if _all_pairs(worth) <= ALL_PAIRS:
        return *_best_pairs(worth, every, np.zeros(len(worth.roster.open)), None), None
    guess = _guessed_prices(worth)
    few = worth.classes.count <= MANY
    few_pairs = _best_pairs(worth, few, guess, KEPT)
    many_pairs = _best_pairs(worth, ~few, guess, None)
    rows, columns = (np.concatenate(parts) for parts in zip(few_pairs, many_pairs, strict=True))
    return *_joined(len(guess), rows, columns), guess


def _best_pairs(worth: Worth, which: Flags, price: Floats, most: int | None) -> tuple[Ints, Ints]:
    """Of some classes, the `most` fit pairs with highest worth less price, or all."""
    rows, columns = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for block in worth.blocks():
        some = block[which[block]]
        if len(some):
            table = worth.fit_table(some) - price.astype(np.float32)
            row, column = strongest(table, most or len(price))
            rows.append(some[row])
            columns.append(column)
    return _joined(len(price), np.concatenate(rows), np.concatenate(columns))


def _guessed_prices(worth: Worth) -> Floats:
    """Prices of a small desk: every n-th ticket, and as much smaller a room for each agent."""
    classes, roster = worth.classes, worth.roster
    step = max(1, len(classes.order) // SAMPLE)
    sample = np.repeat(np.arange(len(classes)), classes.count)[step // 2 :: step]
    count = np.bincount(sample, minlength=len(classes))
    offered = _fair_offer(worth, len(classes.order))
    first = slot_cost(roster.load + 0.4 * offered, roster.capacity, worth.policy)
    rows, columns = _best_pairs(worth, count > 0, first, 4 * KEPT)
    smaller = np.maximum(1, np.rint(offered / step)).astype(np.int64)
    slot_agent, slot_costs = slots(worth, smaller, 1 / step)
    network = Network(
        worth=worth,
        count=count,
        rows=rows,
        columns=columns,
        slot_agent=slot_agent,
        slot_cost=slot_costs,
        tie_break=tie_break(worth, len(sample)),
    )
    return agent_prices(network, solve_flow(network))


def _joined(agents: int, rows: Ints, columns: Ints) -> tuple[Ints, Ints]:
    """Pairs once each, by rising class and agent."""
    key = distinct(rows * agents + columns)
    return key // agents, key % agents


def _kept_gain(network: Network, price: Floats) -> Floats:
    """What a ticket of each class gains at most by what is in the network."""
    gain = outside_gain(network.worth, price)
    if len(network.rows):
        start = runs(network.rows)
        best = np.maximum.reduceat(network.value - price[network.columns], start)
        rows = network.rows[start]
        gain[rows] = np.maximum(gain[rows], best)
    return gain


def deal(network: Network, flow: Flow) -> Ints:
    """Tickets to agents: within a class, older tickets to better agents; -1 for none.

    Better is the higher match, then the smaller id. Tickets in a pool are dealt in order of work
    to the agents with least load first.
    """
    worth, classes, value = network.worth, network.worth.classes, network.value
    used = np.nonzero(flow.pair)[0]
    used = used[np.lexsort((network.columns[used], -value[used], network.rows[used]))]
    agent = np.full(len(classes.order), -1, np.int64)
    given = np.repeat(network.columns[used], flow.pair[used])
    by_pair = np.bincount(network.rows[used], flow.pair[used], len(classes)).astype(np.int64)
    agent[places(classes.start[:-1], by_pair)] = given
    pooled = places(classes.start[:-1] + by_pair, flow.pooled)
    number = np.repeat(np.arange(len(classes)), flow.pooled)
    for group in np.unique(classes.group[number]):
        mine = pooled[classes.group[number] == group]
        sent = (flow.pool_group == group) & (flow.pool > 0)
        # An agent's pool tickets take their last slots; the emptiest agents come first.
        whose, tickets = flow.pool_agent[sent], flow.pool[sent]
        first = worth.roster.load[whose] + flow.taken[whose] - tickets
        whose, load = np.repeat(whose, tickets), places(first, tickets)
        cost = slot_cost(load, worth.roster.capacity[whose], worth.policy)
        agent[mine[np.argsort(classes.rank[mine])]] = whose[np.lexsort((whose, cost))]
    return agent


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
    unassigned = classes.deferral[rows[~given]]
    return float(value.sum() - load.sum() - unassigned.sum())
