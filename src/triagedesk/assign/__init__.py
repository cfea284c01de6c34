"""Assigning a batch of tickets to agents: the best for all of them together, with reasons.

`assign_batch` reads top to bottom. The rules of the score are listed in `score`; `roster` and
`classes` lay agents and tickets out as tables, `worth` says what each pair is worth, `solver`
finds the best (`flow`, `prices`; `greedy` when time is short), `explain` says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from triagedesk.agents import Agent
from triagedesk.assign.records import AssignPolicy, BatchAssignment, WorkItem

__all__ = ["AssignPolicy", "BatchAssignment", "WorkItem", "assign_batch"]

DEFAULT_POLICY = AssignPolicy()


def assign_batch(
    items: Sequence[WorkItem],
    agents: Sequence[Agent],
    *,
    policy: AssignPolicy = DEFAULT_POLICY,
    now: datetime,
    time_limit: float | None = None,
) -> BatchAssignment:
    """Give every ticket to an agent, or say why it stays in the queue.

    The same items and agents give the same answer, in whatever order they come. With a
    `time_limit`, in seconds, the answer may be the greedy one and says so; explaining it takes
    about as long again. Raises TicketsError and AgentsError, naming everything that is not valid.
    """
    # numpy and the solver are loaded by desks that assign, not by `triagedesk --help`.
    from triagedesk.assign.classes import read_classes  # noqa: PLC0415
    from triagedesk.assign.explain import explain, skill_gaps  # noqa: PLC0415
    from triagedesk.assign.roster import read_roster  # noqa: PLC0415
    from triagedesk.assign.solver import gap, solve  # noqa: PLC0415
    from triagedesk.assign.waiting import Patience, floor_of  # noqa: PLC0415
    from triagedesk.assign.worth import Worth  # noqa: PLC0415

    if now.tzinfo is None:
        raise ValueError(f"now has no time zone: {now}")
    roster = read_roster(agents, now, policy)
    patience = Patience(floor_of(roster), policy, now)
    classes = read_classes(items, roster, policy, patience=patience)
    worth = Worth(roster=roster, classes=classes, policy=policy)
    solution = solve(worth, time_limit)
    return BatchAssignment(
        assignments=explain(items, worth, solution, patience),
        objective=solution.objective,
        bound=solution.bound,
        gap=gap(solution.objective, solution.bound),
        method=solution.method,
        skill_gaps=skill_gaps(items, roster),
    )
