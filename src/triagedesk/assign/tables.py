"""Array types, and what numpy lacks or does slowly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


def distinct(keys: Ints) -> Ints:
    """Each key once, rising; `np.unique` hashes first, which is several times slower."""
    keys = np.sort(keys)
    return keys[runs(keys)]


def runs(keys: Ints) -> Ints:
    """Where each run of equal keys begins."""
    changes = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=changes[1:])
    return np.nonzero(changes)[0]


def places(start: Ints, length: Ints) -> Ints:
    """start, start + 1, ... for each range, one after the other."""
    ends = np.cumsum(length)
    return np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(start - ends + length, length)
