"""The fallback when time is short: the best agent for each ticket in turn, then single moves."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from triagedesk.assign.score import slot_cost
from triagedesk.assign.tables import Floats, Ints, Singles
from triagedesk.assign.worth import BLOCK_CELLS, Worth

#: A move must gain more than this, so that rounding never moves a ticket to and fro.
LEAST_GAIN = 1e-6
#: What the longest experience adds here: less than any difference that counts.
EXPERIENCE_BONUS = 1e-8
MOST_PASSES = 50


def assign_greedily(worth: Worth, agent: Ints, deadline: float) -> Ints:
    """Open agent of each ticket by position in `classes.order`, -1 for none.

    It begins with those in `agent`. Tickets without one choose in order of work. Then tickets
    move one by one where that gains, until none does or `deadline` (of `time.perf_counter`) has
    passed. The first part always runs to its end: no ticket is left out while an agent of its
    group has room.
    """
    desk = _Desk(worth, agent)
    for places, rows, table in _in_order_of_work(worth):
        for place, row in zip(places.tolist(), rows.tolist(), strict=True):
            if desk.agent[place] < 0:
                desk.give(place, table[row])
    for _ in range(MOST_PASSES):
        moves = 0
        for places, rows, table in _in_order_of_work(worth):
            if time.perf_counter() > deadline:
                return desk.agent
            for which in desk.restless(places, table[rows]).tolist():
                moves += desk.give(int(places[which]), table[rows[which]])
        if not moves:
            break
    return desk.agent


class _Desk:
    """Who has what so far, and what the next slot of each agent costs."""

    def __init__(self, worth: Worth, agent: Ints) -> None:
        classes, roster = worth.classes, worth.roster
        rows = np.repeat(np.arange(len(classes)), classes.count)
        self.agent = agent.copy()
        self._unassigned = -classes.deferral[rows]
        taken = np.bincount(agent[agent >= 0], minlength=len(roster.open))
        self._room = roster.room - taken
        self._step = worth.policy.load / roster.capacity
        bonus = EXPERIENCE_BONUS / max(1, int(roster.experience_rank.max(initial=0)))
        first = slot_cost(roster.load + taken, roster.capacity, worth.policy)
        self._slot = first - roster.experience_rank * bonus
        #: The same, or infinite where there is no slot.
        self._next = np.where(self._room > 0, self._slot, np.inf)

    def give(self, place: int, worth: Singles) -> bool:
        """Give a ticket to the agent where it gains most; say whether that is a change."""
        net = worth - self._next
        now = int(self.agent[place])
        if now >= 0:
            net[now] = worth[now] - self._slot[now] + self._step[now] + LEAST_GAIN
        best = int(net.argmax())
        if best == now or net[best] <= self._unassigned[place]:
            return False
        if now >= 0:
            self._count(now, -1)
        self._count(best, 1)
        self.agent[place] = best
        return True

    def _count(self, agent: int, tickets: int) -> None:
        self._room[agent] -= tickets
        self._slot[agent] += tickets * self._step[agent]
        self._next[agent] = self._slot[agent] if self._room[agent] > 0 else np.inf

    def restless(self, places: Ints, worth: Singles) -> Ints:
        """Which of these tickets would gain by a move as things are."""
        now = self.agent[places]
        there = worth[np.arange(len(places)), now] - (self._slot - self._step)[now]
        there = np.where(now >= 0, there, self._unassigned[places])
        best: Floats = (worth - self._next).max(axis=1)
        return np.nonzero(best > there + LEAST_GAIN)[0]


def _in_order_of_work(worth: Worth) -> Iterator[tuple[Ints, Ints, Singles]]:
    """Places of tickets in `classes.order`, the row of each in a table, and the table."""
    classes = worth.classes
    class_of = np.repeat(np.arange(len(classes)), classes.count)
    work = np.argsort(classes.rank, kind="stable")
    step = max(1, BLOCK_CELLS // max(1, len(worth.roster.open)))
    for start in range(0, len(work), step):
        places = work[start : start + step]
        rows, row_of = np.unique(class_of[places], return_inverse=True)
        yield places, row_of, worth.open_table(rows)
