"""What giving a class of tickets to an agent is worth, in blocks that bound the memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from triagedesk.assign.classes import Classes
from triagedesk.assign.records import AssignPolicy
from triagedesk.assign.roster import ANY_GROUP, Roster
from triagedesk.assign.score import affinity_value, skill_match
from triagedesk.assign.tables import Flags, Floats, Ints, Singles

#: Cells of a block of classes x agents: 1 MB of singles, so that it stays in the cache.
BLOCK_CELLS = 1 << 18


@dataclass(frozen=True, kw_only=True, eq=False)
class Worth:
    """The worth of every pair of a class and an open agent, worked out when asked for.

    A pair is *fit* when the agent is in the group and has a needed skill, *open* when the agent
    is in the group. Worth is urgency x (match + affinity), less the fallback for a pair that is
    open but not fit.
    """

    roster: Roster
    classes: Classes
    policy: AssignPolicy

    def blocks(self) -> Iterator[Ints]:
        """Consecutive classes, so many that their table of classes x agents has a bounded size."""
        step = max(1, BLOCK_CELLS // max(1, len(self.roster.open)))
        for start in range(0, len(self.classes), step):
            yield np.arange(start, min(start + step, len(self.classes)))

    def fit_table(self, rows: Ints) -> Singles:
        """Worth of every fit pair of these classes (rising), -inf elsewhere.

        Pairs with affinity are in it even when they are only open, since the fallback pool does
        not know about affinity.
        """
        classes, levels = self.classes, self.roster.proficiency
        skill, strength = classes.skill[rows], classes.strength[rows, :, None].astype(np.float32)
        best = levels[skill[:, 0]] * strength[:, 0]
        total = best.copy()
        for place in range(1, skill.shape[1]):
            # Classes with most needs come first: those that have this one are the first rows.
            some = int(np.count_nonzero(strength[:, place]))
            if not some:
                break
            more = levels[skill[:some, place]] * strength[:some, place]
            np.maximum(best[:some], more, out=best[:some])
            total[:some] += more
        lacking = best <= 0
        if (classes.group[rows] != ANY_GROUP).any() or not classes.members[ANY_GROUP].all():
            lacking |= ~classes.members[classes.group[rows]]
        strengths = classes.strengths[rows, None].astype(np.float32)
        worth = skill_match(best, total, strengths, self.policy)
        worth *= classes.weight[rows, None].astype(np.float32)
        np.putmask(worth, lacking, -np.inf)
        if len(classes.affinity):
            self._add_affinity(worth, rows)
        return worth

    def open_table(self, rows: Ints) -> Singles:
        """Worth of every open pair of these classes (rising), -inf elsewhere."""
        worth = self.fit_table(rows)
        fallback = -self.classes.fallback[rows, None].astype(np.float32)
        members = self.classes.members[self.classes.group[rows]]
        np.copyto(worth, fallback, where=members & np.isneginf(worth))
        return worth

    def _add_affinity(self, worth: Singles, rows: Ints) -> None:
        classes = self.classes
        first, last = np.searchsorted(classes.affinity_row, [rows[0], rows[-1] + 1])
        owners = classes.affinity_row[first:last]
        columns = classes.affinity_column[first:last]
        known = np.isin(owners, rows) & classes.members[classes.group[owners], columns]
        owners, columns = owners[known], columns[known]
        worth[np.searchsorted(rows, owners), columns] = self.pairs(owners, columns)[2]

    def pairs(self, rows: Ints, columns: Ints) -> tuple[Floats, Floats, Floats]:
        """Match, affinity and worth of open pairs, in doubles."""
        classes = self.classes
        best = np.zeros(len(rows))
        total = np.zeros(len(rows))
        for place in range(classes.skill.shape[1]):
            level = self.roster.proficiency[classes.skill[rows, place], columns]
            term = level * classes.strength[rows, place]
            np.maximum(best, term, out=best)
            total += term
        match = skill_match(best, total, classes.strengths[rows], self.policy)
        affinity, staying = self._ties(rows, columns)
        worth = classes.weight[rows] * (match + affinity_value(affinity, self.policy)) + staying
        return match, affinity, worth - np.where(best > 0, 0.0, classes.fallback[rows])

    def _ties(self, rows: Ints, columns: Ints) -> tuple[Floats, Floats]:
        """Affinity, and what staying is worth."""
        classes = self.classes
        if not len(classes.affinity):
            return np.zeros(len(rows)), np.zeros(len(rows))
        agents = len(self.roster.open)
        known = classes.affinity_row * agents + classes.affinity_column
        asked = rows * agents + columns
        place = np.minimum(np.searchsorted(known, asked), len(known) - 1)
        tied = known[place] == asked
        return np.where(tied, classes.affinity[place], 0.0), np.where(
            tied, classes.staying[place], 0.0
        )

    def fit(self, rows: Ints, columns: Ints) -> Flags:
        """Whether open pairs are fit: the agent has a needed skill, or none is needed."""
        has = np.zeros(len(rows), np.bool_)
        for place in range(self.classes.skill.shape[1]):
            has |= self.roster.proficiency[self.classes.skill[rows, place], columns] > 0
        has |= self.classes.needs[rows] == 0
        return has
