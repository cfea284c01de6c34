"""From a promised precision to a threshold: measured on answers the model had not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

#: Aimed at above the promise, because what was measured has noise of its own.
MARGIN = 0.02
#: Corrections needed before a threshold is believed, and how many it must let through.
ENOUGH, ENOUGH_KEPT = 100, 30
#: Share of corrections, the least familiar, like which a ticket is for people to see.
UNFAMILIAR = 0.02
#: Before that: added to the promise. Zero-shot must also know the entry (see `zeroshot.known`).
UNMEASURED_MARGIN = 0.02


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """The least confidence that needs no person."""

    value: float
    #: Corrections it was measured on; 0 before there are enough.
    measured_on: int
    #: Why it is what it is, for the desk lead.
    reason: str


def unmeasured(promised: float, corrections: int) -> Threshold:
    """The cautious threshold of a desk with too few corrections to measure."""
    have = f"{corrections} of {ENOUGH} corrections so far" if corrections else "no corrections yet"
    return Threshold(
        value=min(0.999, promised + UNMEASURED_MARGIN * (1 - promised) / 0.05),
        measured_on=0,
        reason=f"precision not yet measured at this desk ({have})",
    )


def measured(promised: float, confidence: Floats, right: NDArray[np.bool_]) -> Threshold:
    """The lowest threshold that kept the promise, with a margin, on unseen corrections."""
    if len(right) < ENOUGH:
        return unmeasured(promised, len(right))
    order = np.argsort(-confidence, kind="stable")
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    aim = min(promised + MARGIN, (1 + promised) / 2)
    good = np.flatnonzero(precision >= aim)
    good = good[good + 1 >= min(ENOUGH_KEPT, len(order))]
    on = f"measured on {len(right)} corrections"
    if len(good) == 0:
        return Threshold(
            value=1.01,
            measured_on=len(right),
            reason=f"no confidence reaches the promised precision of {promised:.0%} ({on})",
        )
    value = float(np.floor(confidence[order[good[-1]]] * 1000) / 1000)
    kept = (good[-1] + 1) / len(order)
    reason = (
        f"threshold {value:.2f} for a precision of {promised:.0%}, lets {kept:.0%} through ({on})"
    )
    return Threshold(value=value, measured_on=len(right), reason=reason)


def unfamiliar_below(familiar: Floats) -> float:
    """How familiar a ticket must be to need no person, by how familiar corrections were unseen.

    The threshold above is measured on tickets of the catalog. One that belongs to none of its
    entries is in no such measure; it is told by being unlike what was answered before.
    """
    if len(familiar) < ENOUGH:
        return float("-inf")
    return float(np.quantile(familiar, UNFAMILIAR))
