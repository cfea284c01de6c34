"""Matrices of words: mostly zeros, with some columns that hardly are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

#: Cells gathered at once in a sparse product: bounds memory.
_CELLS = 4_000_000
#: A column with more than this share of cells filled is cheaper to multiply whole.
_FULL = 0.02
#: Cells of the part that is kept whole, at most (4 bytes each).
_WHOLE_CELLS = 60_000_000


@dataclass(frozen=True, kw_only=True)
class Sparse:
    """A matrix by its cells, ordered by row."""

    rows: Ints
    columns: Ints
    values: Floats
    #: Rows and columns.
    shape: tuple[int, int]

    def __matmul__(self, dense: Floats) -> Floats:
        out = np.zeros((self.shape[0], dense.shape[1]), np.float32)
        step = max(1, _CELLS // dense.shape[1])
        for start in range(0, len(self.rows), step):
            rows = self.rows[start : start + step]
            first = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
            cells = dense[self.columns[start : start + step]]
            cells *= self.values[start : start + step, None]
            out[rows[first]] += np.add.reduceat(cells, first, axis=0)
        return out

    @property
    def transposed(self) -> Sparse:
        """Rows and columns swapped."""
        order = np.argsort(self.columns, kind="stable")
        return Sparse(
            rows=self.columns[order],
            columns=self.rows[order],
            values=self.values[order],
            shape=(self.shape[1], self.shape[0]),
        )

    def take(self, keep: NDArray[np.bool_]) -> Sparse:
        """The rows where `keep` is true, in their order."""
        new_row = np.cumsum(keep) - 1
        cells = keep[self.rows]
        return Sparse(
            rows=new_row[self.rows[cells]],
            columns=self.columns[cells],
            values=self.values[cells],
            shape=(int(keep.sum()), self.shape[1]),
        )


class Mixed:
    """The same products as `Sparse`, two to three times as fast: full columns as one block."""

    def __init__(self, matrix: Sparse) -> None:
        rows, self._width = matrix.shape
        self.shape = matrix.shape
        filled = np.bincount(matrix.columns, minlength=self._width)
        most = _WHOLE_CELLS // max(1, rows)
        ranked = np.argsort(-filled, kind="stable")[:most]
        self._whole = np.sort(ranked[filled[ranked] > _FULL * rows])
        place = np.full(self._width, -1, np.int64)
        place[self._whole] = np.arange(len(self._whole))
        at = place[matrix.columns]
        whole = at >= 0
        self._block = np.zeros((rows, len(self._whole)), np.float32)
        self._block[matrix.rows[whole], at[whole]] = matrix.values[whole]
        self._rest = Sparse(
            rows=matrix.rows[~whole],
            columns=matrix.columns[~whole],
            values=matrix.values[~whole],
            shape=matrix.shape,
        )
        self._rest_transposed = self._rest.transposed

    def __matmul__(self, dense: Floats) -> Floats:
        out = self._rest @ dense
        out += self._block @ dense[self._whole]
        return out

    def transposed_times(self, dense: Floats) -> Floats:
        """The product of this matrix, rows and columns swapped, with another."""
        out = self._rest_transposed @ dense
        out[self._whole] += self._block.T @ dense
        return out
