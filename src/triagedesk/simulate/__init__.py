"""Replay and what-if: an arrival history worked through by a roster, under one rule or several.

`simulate` reads top to bottom. `records` says what goes in and comes out, `world` lays it out as
arrays, `floor` lets things happen, `push` and `pull` are the rules, `figures` counts. Random are
only the handling times, and these are the same for every rule and every roster (common random
numbers), so that small differences show after few replications.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from triagedesk.simulate.records import (
    MOST_REPLICATIONS,
    OFFICE_HOURS,
    Estimate,
    Outcome,
    Replication,
    Rule,
    Scenario,
)

if TYPE_CHECKING:
    from triagedesk.simulate.floor import Floor, Rules
    from triagedesk.simulate.world import World

__all__ = [
    "MOST_REPLICATIONS",
    "OFFICE_HOURS",
    "Estimate",
    "Outcome",
    "Replication",
    "Rule",
    "Scenario",
    "simulate",
]

#: Hours between two rounds of rebalancing.
ROUND = 5 / 60


def simulate(
    cases: Sequence[tuple[str, Rule, Scenario]], *, replications: int = 10, seed: int = 0
) -> list[Outcome]:
    """What each named rule on its scenario comes to; compared with the first.

    The scenarios may differ in their rosters; with the same tickets they share handling times.
    Raises InputError for a scenario that cannot be.
    """
    from triagedesk.simulate.figures import fewer_breaches, figures  # noqa: PLC0415 (numpy)
    from triagedesk.simulate.world import build  # noqa: PLC0415

    replications = max(1, min(replications, MOST_REPLICATIONS))
    outcomes: list[Outcome] = []
    worlds: dict[int, World] = {}
    for name, rule, scenario in cases:
        if id(scenario) not in worlds:
            worlds[id(scenario)] = build(scenario)
        world = worlds[id(scenario)]
        found = tuple(_replay(world, scenario, rule, seed, n) for n in range(replications))
        first = outcomes[0].replications if outcomes else None
        outcomes.append(
            Outcome(
                name=name,
                rule=rule,
                agents=len(scenario.roster),
                replications=found,
                figures=figures(found),
                fewer_breaches=None if first is None else fewer_breaches(first, found, seed),
            )
        )
    return outcomes


def _replay(world: World, scenario: Scenario, rule: Rule, seed: int, number: int) -> Replication:
    """One pass through the history."""
    import numpy as np  # noqa: PLC0415 (slow to import)

    from triagedesk.assign.index import HOUR  # noqa: PLC0415
    from triagedesk.simulate.figures import replication  # noqa: PLC0415
    from triagedesk.simulate.floor import Floor  # noqa: PLC0415

    random = np.random.default_rng([seed, number])
    spread = np.sqrt(np.log1p(scenario.variation**2))
    # The mean of a log-normal is exp(mu + sigma^2 / 2): this one's is 1.
    drawn = np.exp(random.normal(-(spread**2) / 2, spread, len(world.ids)))
    floor = Floor(world, world.actual * drawn)
    floor.run(rules_of(rule, floor, scenario), every=ROUND if rule is Rule.REBALANCE else 0.0)
    return replication(floor, scenario.warm_up / HOUR)


def rules_of(rule: Rule, floor: Floor, scenario: Scenario) -> Rules:
    """What decides on a floor."""
    from triagedesk.simulate.pull import Pull  # noqa: PLC0415 (numpy)
    from triagedesk.simulate.push import Push  # noqa: PLC0415

    given_on_arrival = (Rule.ROUND_ROBIN, Rule.LEAST_LOADED, Rule.SCORE, Rule.REBALANCE)
    decides = Push if rule in given_on_arrival else Pull
    return decides(floor, scenario, rule)
