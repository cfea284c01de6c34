"""How agents stand to tickets once a batch is given out: chosen and runner-up, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from triagedesk.assign.score import slot_cost
from triagedesk.assign.solver import EXACT, Solution, last_slot_cost
from triagedesk.assign.tables import Floats, Ints, distinct
from triagedesk.assign.worth import Worth


@dataclass(frozen=True, kw_only=True, eq=False)
class AfterBatch:
    """The open agents once every ticket has been given out."""

    #: Tickets taken from the batch, and open work with them.
    taken: Ints
    tickets: Ints
    #: Cost of the last slot taken, or of the first where none was.
    last: Floats
    #: What one more ticket would cost: the next slot, or where none is left its price.
    next: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Each class with an agent it was dealt to, and the runner-up; -1 for none."""

    rows: Ints
    agents: Ints
    others: Ints
    #: Whether the agent has a needed skill or none is needed.
    fit: list[bool]
    #: Match, affinity and worth of the agent and of the runner-up.
    chosen: list[tuple[float, float, float]]
    other: list[tuple[float, float, float]]


def after_batch(worth: Worth, solution: Solution) -> AfterBatch:
    """What has become of the open agents."""
    roster = worth.roster
    given = solution.agent[solution.agent >= 0]
    taken = np.bincount(given, minlength=len(roster.open)).astype(np.int64)
    tickets = roster.load + taken
    further = slot_cost(tickets, roster.capacity, worth.policy)
    # The greedy fallback has no prices: full agents do not come second in it.
    full = np.maximum(further, solution.price) if solution.method == EXACT else np.inf
    return AfterBatch(
        taken=taken,
        tickets=tickets,
        last=last_slot_cost(worth, taken),
        next=np.where(tickets < roster.capacity, further, full),
    )


def loads_before(worth: Worth, solution: Solution) -> Ints:
    """Open work of each ticket's agent when its turn comes, in order of work."""
    if not len(worth.roster.open):
        return np.zeros(len(solution.agent), np.int64)
    order = np.lexsort((worth.classes.rank, solution.agent))
    agent = solution.agent[order]
    loads = np.empty(len(order), np.int64)
    loads[order] = np.arange(len(order)) - np.searchsorted(agent, agent) + worth.roster.load[agent]
    return loads


def pairs_dealt(worth: Worth, solution: Solution, after: AfterBatch) -> Pairs:
    """Every class with every agent it was dealt to, and who came second."""
    agents = len(worth.roster.open)
    rows = np.repeat(np.arange(len(worth.classes)), worth.classes.count)
    given = solution.agent >= 0
    key = distinct(rows[given] * agents + solution.agent[given])
    rows, chosen = (key // agents, key % agents) if agents else (key, key)
    fit = worth.fit(rows, chosen)
    by_skill = fit & (worth.classes.needs[rows] > 0)
    best = np.where(
        by_skill[:, None], _best_fit(worth, after.next)[rows], _best_open(worth, after.next)[rows]
    )
    others = np.where(best[:, 0] == chosen, best[:, 1], best[:, 0])
    return Pairs(
        rows=rows,
        agents=chosen,
        others=others,
        fit=fit.tolist(),
        chosen=list(zip(*(part.tolist() for part in worth.pairs(rows, chosen)), strict=True)),
        other=list(zip(*(part.tolist() for part in worth.pairs(rows, others)), strict=True)),
    )


def _best_fit(worth: Worth, price: Floats) -> Ints:
    """The two fit agents of each class with the highest worth less price; -1 for none."""
    best = np.full((len(worth.classes), 2), -1, np.int64)
    for block in worth.blocks():
        best[block] = _two_highest(worth.fit_table(block) - price)
    return best


def _best_open(worth: Worth, price: Floats) -> Ints:
    """The two cheapest agents of each class's group; -1 for none."""
    groups, number = np.unique(worth.classes.group, return_inverse=True)
    table = np.where(worth.classes.members[groups], -price, -np.inf)
    return _two_highest(table)[number]


def _two_highest(table: Floats) -> Ints:
    every = np.arange(len(table))
    columns = []
    for _ in range(2):
        column = table.argmax(axis=1) if table.shape[1] else np.zeros(len(table), np.int64)
        missing = np.isneginf(table[every, column]) if table.shape[1] else every >= 0
        columns.append(np.where(missing, -1, column))
        if table.shape[1]:
            table[every, column] = -np.inf
    return np.stack(columns, axis=1)
