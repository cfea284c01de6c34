"""Figures of a simulation, and how sure they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

import numpy as np

from triagedesk.simulate.floor import Floor
from triagedesk.simulate.records import Estimate, Replication

#: Quantiles of Student's t at 97.5 %, by degrees of freedom from 1 on.
_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
_NORMAL = 1.96
_RESAMPLES = 2000
_FIGURES = ("wait_hours", "resolved_p95_hours", "utilisation", "busiest", "idlest", "unfinished")


def replication(floor: Floor, warm_up: float) -> Replication:
    """What a run came to, of the tickets that arrive after `warm_up` hours."""
    world = floor.world
    counted = world.arrives >= warm_up
    finished = np.where(np.isnan(floor.finished), world.ends, floor.finished)
    begun = np.where(np.isnan(floor.begun), world.ends, floor.begun)
    promised = counted & np.isfinite(world.due)
    late = finished > world.due
    by_priority = {
        priority: float(late[promised & (world.priority == priority)].mean())
        for priority in range(1, 5)
        if (promised & (world.priority == priority)).any()
    }
    share = floor.worked / np.maximum(world.staffed, 1e-9)
    share = share[world.staffed > 0]
    return Replication(
        breached=float(late[promised].mean()) if promised.any() else None,
        breached_by_priority=by_priority,
        wait_hours=float((begun - world.arrives)[counted].mean()),
        resolved_p95_hours=float(np.percentile((finished - world.arrives)[counted], 95)),
        utilisation=float(floor.worked.sum() / max(world.staffed.sum(), 1e-9)),
        busiest=float(share.max(initial=0.0)),
        idlest=float(share.min()) if len(share) else 0.0,
        unfinished=int(np.isnan(floor.finished[counted]).sum()),
        interruptions=floor.interruptions,
    )


def estimate(values: Sequence[float]) -> Estimate:
    """The mean with its 95 % confidence interval; a single value is its own."""
    mean = fmean(values)
    if len(values) < 2:  # noqa: PLR2004 - one value has no spread
        return Estimate(mean=mean, low=mean, high=mean)
    freedom = len(values) - 1
    quantile = _T[freedom - 1] if freedom <= len(_T) else _NORMAL
    half = quantile * stdev(values) / math.sqrt(len(values))
    return Estimate(mean=mean, low=mean - half, high=mean + half)


def figures(replications: Sequence[Replication]) -> dict[str, Estimate]:
    """Every figure with its interval; what no replication has is left out."""
    found = {}
    breached = [one.breached for one in replications if one.breached is not None]
    if breached:
        found["breached"] = estimate(breached)
    for priority in range(1, 5):
        known = [
            one.breached_by_priority[priority]
            for one in replications
            if priority in one.breached_by_priority
        ]
        if known:
            found[f"breached_p{priority}"] = estimate(known)
    for name in (*_FIGURES, "interruptions"):
        found[name] = estimate([float(getattr(one, name)) for one in replications])
    return found


def fewer_breaches(
    base: Sequence[Replication], other: Sequence[Replication], seed: int
) -> Estimate | None:
    """By what share fewer tickets breach than in the base, over paired replications.

    The interval is a percentile bootstrap over the pairs; None where nothing breached in the base.
    """
    pairs = [
        (one.breached, two.breached)
        for one, two in zip(base, other, strict=True)
        if one.breached is not None and two.breached is not None
    ]
    if not pairs or not sum(before for before, _ in pairs):
        return None
    table = np.array(pairs)
    totals = table.sum(axis=0)
    random = np.random.default_rng(seed)
    drawn = table[random.integers(len(table), size=(_RESAMPLES, len(table)))].sum(axis=1)
    drawn = drawn[drawn[:, 0] > 0]
    low, high = np.percentile(1 - drawn[:, 1] / drawn[:, 0], [2.5, 97.5])
    return Estimate(mean=float(1 - totals[1] / totals[0]), low=float(low), high=float(high))
