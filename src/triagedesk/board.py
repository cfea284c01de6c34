"""The roster laid out once and kept, so that a single ticket finds its agent at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from triagedesk.agents import Agent
from triagedesk.assign import AssignPolicy, BatchAssignment, WorkItem
from triagedesk.assign.score import fold

if TYPE_CHECKING:  # numpy is for desks that assign
    from triagedesk.assign.tentative import TentativeBoard


class LiveBoard:
    """A board that follows the roster: only what changed since it was last asked is laid out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._board: TentativeBoard | None = None
        self._policy: AssignPolicy | None = None
        self._seen: dict[str, Agent] = {}

    def place(
        self, item: WorkItem, roster: Sequence[Agent], *, policy: AssignPolicy, now: datetime
    ) -> BatchAssignment:
        """Who should get one ticket: what a batch of it alone would answer."""
        with self._lock:
            board = self._following(roster, policy)
            given = board.place(item, now)
            if given.agent_id is not None:
                self._seen[given.agent_id] = board.agent(given.agent_id)
        known = {fold(skill) for agent in roster for skill in agent.skills}
        missing = {need.skill for need in item.needs if fold(need.skill) not in known}
        return BatchAssignment(
            assignments=(given,),
            objective=given.score,
            bound=given.score,
            gap=0.0,
            method=board.method,
            skill_gaps=tuple(sorted(missing)),
        )

    def _following(self, roster: Sequence[Agent], policy: AssignPolicy) -> TentativeBoard:
        """The board with the roster as it is now."""
        from triagedesk.assign.tentative import TentativeBoard  # noqa: PLC0415 (loads numpy)

        if self._board is None or self._policy is not policy:
            self._board, self._policy = TentativeBoard(roster, policy), policy
            self._seen = {agent.id: agent for agent in roster}
            return self._board
        for agent in roster:
            before = self._seen.get(agent.id)
            if before is not agent and before != agent:
                self._board.update(agent)
            self._seen[agent.id] = agent
        if len(self._seen) > len(roster):
            for agent_id in self._seen.keys() - {agent.id for agent in roster}:
                self._board.remove(agent_id)
                del self._seen[agent_id]
        return self._board
