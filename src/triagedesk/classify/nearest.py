"""What the corrections nearest to a text say, and whether it is like any."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

#: Corrections that have a say, how fast it fades with distance, and the least share of a class.
NEIGHBOURS, NEIGHBOUR_STEEPNESS, NEIGHBOUR_FLOOR = 10, 20.0, 0.02
#: Corrections a text is compared with, the nearest, and what the log probability of its answer
#: counts, when it is told how familiar the text is.
COMPARED, CERTAINTY = 3, 0.2
#: Texts compared at once: bounds memory.
_BLOCK = 512


def neighbours(
    queries: Floats, known: Floats, y: Ints, classes: int, leave_out: Ints | None = None
) -> Floats:
    """Log shares of the classes among the nearest corrections, by nearness.

    With `leave_out`, the rows of `known` asked about: none is its own neighbour.
    """
    asked = queries if leave_out is None else queries[leave_out]
    out = np.zeros((len(asked), classes), np.float32)
    most = min(NEIGHBOURS, len(y) - (leave_out is not None))
    for start in range(0, len(asked), _BLOCK):
        near = asked[start : start + _BLOCK] @ known.T
        rows = np.arange(len(near))
        if leave_out is not None:
            near[rows, leave_out[start : start + _BLOCK]] = -9
        nearest = np.argpartition(-near, most - 1, axis=1)[:, :most]
        weight = np.exp(NEIGHBOUR_STEEPNESS * (np.take_along_axis(near, nearest, 1) - 1))
        np.add.at(
            out[start : start + _BLOCK],
            (np.repeat(rows, most), y[nearest].ravel()),
            weight.ravel(),
        )
    return np.asarray(
        np.log(out / (out.sum(axis=1, keepdims=True) + 1e-9) + NEIGHBOUR_FLOOR), np.float32
    )


def nearness(queries: Floats, known: Floats, leave_out: Ints | None = None) -> Floats:
    """Mean likeness of each text to the few corrections nearest to it, -1 to 1.

    With `leave_out`, the rows of `known` asked about: none is compared with itself.
    """
    asked = queries if leave_out is None else queries[leave_out]
    most = min(COMPARED, len(known) - (leave_out is not None))
    out = np.zeros(len(asked), np.float32)
    if most:
        for start in range(0, len(asked), _BLOCK):
            near = asked[start : start + _BLOCK] @ known.T
            if leave_out is not None:
                near[np.arange(len(near)), leave_out[start : start + _BLOCK]] = -9
            out[start : start + _BLOCK] = mean_of_nearest(near, most)
    return out


def mean_of_nearest(likeness: Floats, most: int = COMPARED) -> Floats:
    """The mean of each row's `most` largest."""
    most = min(most, likeness.shape[1])
    return np.asarray(np.partition(likeness, -most, axis=1)[:, -most:].mean(axis=1), np.float32)


def familiarity(nearness: Floats, certainty: Floats) -> Floats:
    """How like what the corrections know: a text of another world is like none, and told unsurely.

    `certainty` is the log probability of the likeliest class. The sum beat each part at telling
    classes that are in no correction from those that are (AUROC, five draws of three sets).
    """
    return np.asarray(nearness + np.float32(CERTAINTY) * certainty, np.float32)
