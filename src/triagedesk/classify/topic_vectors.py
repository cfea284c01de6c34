"""The topic bank's texts as vectors: a byte a number on disk, unpacked where they are needed."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triagedesk.classify.encoders import Embedded

Floats = NDArray[np.float32]

#: In place of a similarity that has been counted, or that there is none of.
TAKEN = np.float32(-2)


class Vectors(Mapping[str, Floats]):
    """Vectors by encoder, unpacked when first asked for; zeros for what an encoder did not read."""

    def __init__(
        self,
        arrays: Mapping[str, NDArray[Any]],
        read: Mapping[str, NDArray[np.bool_]],
        rows: NDArray[np.int64] | None = None,
    ) -> None:
        """`read` says which of all texts an encoder read; `rows` are those wanted, or all."""
        self._arrays, self.read, self._rows = arrays, read, rows
        self._unpacked: dict[str, Floats] = {}

    def __getitem__(self, name: str) -> Floats:
        if name not in self._unpacked:
            self._unpacked[name] = self._unpack(name)
        return self._unpacked[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.read)

    def __len__(self) -> int:
        return len(self.read)

    def of(self, rows: NDArray[np.int64]) -> Vectors:
        """The vectors of some of the texts."""
        return Vectors(self._arrays, self.read, rows)

    def _unpack(self, name: str) -> Floats:
        packed, scale, read = (
            self._arrays[f"part_{name}"],
            self._arrays[f"scale_{name}"],
            self.read,
        )
        rows = np.arange(len(read[name])) if self._rows is None else self._rows
        there = read[name][rows]
        place = (np.cumsum(read[name]) - 1)[rows[there]]
        vectors = np.zeros((len(rows), packed.shape[1]), np.float32)
        vectors[there] = packed[place] * scale[place, None]
        return vectors


class Group:
    """Texts that belong to topics, several each or none, as vectors."""

    def __init__(self, embedded: Embedded, sizes: Sequence[int]) -> None:
        self.embedded = embedded
        self.sizes = np.array(sizes)
        #: Topics that have a text, and where the texts of each begin.
        self._filled = np.flatnonzero(self.sizes)
        self._starts = (np.cumsum(self.sizes) - self.sizes)[self._filled]

    @property
    def owners(self) -> NDArray[np.int64]:
        """The topic of each text."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def best(self, near: Floats) -> Floats:
        """Rows of texts -> rows of topics, by the nearest text of each."""
        return self._by_topic(np.maximum.reduceat(near, self._starts, axis=0), -1.0)

    def mean(self, near: Floats) -> Floats:
        """Rows of texts -> rows of topics, by the mean of each."""
        total = np.add.reduceat(near, self._starts, axis=0)
        return self._by_topic(total / self.sizes[self._filled, None], 0.0)

    def nearest(self, near: Floats, count: int) -> Floats:
        """Columns of texts -> columns of topics, by the mean of the nearest `count` of each."""
        return mean_of_tops(self.tops(near, count))

    def tops(self, near: Floats, count: int) -> Floats:
        """The nearest `count` of each topic: count x rows x topics, `TAKEN` where it has fewer."""
        out = np.full((count, len(near), len(self.sizes)), TAKEN, np.float32)
        for place in range(count if len(self._filled) else 0):
            best = np.maximum.reduceat(near, self._starts, axis=1)
            out[place][:, self._filled] = best
            if place < count - 1:
                same = near == np.repeat(best, self.sizes[self._filled], axis=1)
                near = np.where(same, TAKEN, near)
        return out

    def _by_topic(self, rows: Floats, nothing: float) -> Floats:
        out = np.full((len(self.sizes), rows.shape[1]), nothing, np.float32)
        out[self._filled] = rows
        return out


def mean_of_tops(tops: Floats) -> Floats:
    """Rows x topics: the mean of what `Group.tops` found."""
    there = tops > TAKEN
    total = np.where(there, tops, 0).sum(axis=0)
    return np.asarray(total / np.maximum(there.sum(axis=0), 1), np.float32)


def nearest_of(groups: Sequence[Floats]) -> Floats:
    """The same of several groups' tops: the nearest of all of them, as many as of each."""
    count = len(groups[0])
    return mean_of_tops(np.sort(np.concatenate(groups), axis=0)[-count:])


def packed(
    texts: Sequence[str],
    read: Mapping[str, NDArray[np.bool_]],
    encode: Callable[[Sequence[str], str], Floats],
) -> dict[str, NDArray[Any]]:
    """Vectors as bytes with a scale each; `encode` gives those of texts by an encoder."""

    def encoded(name: str) -> Floats:
        return encode([texts[row] for row in np.flatnonzero(read[name]).tolist()], name)

    arrays: dict[str, NDArray[Any]] = {}
    # Encoders leave the interpreter to others while they compute: two cores take half the time.
    with ThreadPoolExecutor() as threads:
        found = dict(zip(read, threads.map(encoded, read), strict=True))
    for name, vectors in found.items():
        scale = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), 1e-6) / 127
        arrays[f"part_{name}"] = np.rint(vectors / scale).astype(np.int8)
        arrays[f"scale_{name}"] = scale[:, 0].astype(np.float32)
    return arrays


def cached_key(path: Path) -> str:
    """What the cached vectors were made from; "" without a cache."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return bytes(archive["key"]).decode()
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return ""


def read_cache(path: Path, key: str) -> dict[str, NDArray[Any]] | None:
    """What was cached under that key; None where there is none."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            if bytes(archive["key"]).decode() != key:
                return None
            return {name: archive[name] for name in archive.files if name != "key"}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
