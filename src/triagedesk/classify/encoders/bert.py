"""The forward pass of BERT-like encoders in numpy: token vectors -> one vector a text.

Tokens of a batch are laid end to end, so that no time goes into padding; only attention is done
text by text. Matrices are packed in 8 or 4 bits and unpacked to 32-bit floats here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH, HEADS = 384, 12
#: Tokens per batch: enough to keep the matrix products busy, few enough to stay in cache.
BATCH_TOKENS = 1024
#: Weights that share a scale where they are packed in 4 bits.
BLOCK = 32

Floats = NDArray[np.float32]
Stored = Mapping[str, NDArray[Any]]
_GELU_SLICE = 16_384


@dataclass(frozen=True, kw_only=True)
class Norm:
    """Layer normalisation."""

    weight: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        """Each row with mean 0 and variance 1, weighted and shifted."""
        x = x - x.mean(axis=-1, keepdims=True)
        variance = np.einsum("ij,ij->i", x, x) / np.float32(x.shape[1])
        x *= (1 / np.sqrt(variance + np.float32(1e-12)))[:, None]
        x *= self.weight
        x += self.bias
        return x


@dataclass(frozen=True, kw_only=True)
class Dense:
    """A matrix, one row an input, and what is added."""

    weight: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        """The product and what is added."""
        y = x @ self.weight
        y += self.bias
        return y


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer: attention, then two matrices with GELU between."""

    #: Query, key and value side by side; the query's scaling is within.
    attention_in: Dense
    attention_out: Dense
    attention_norm: Norm
    inner: Dense
    outer: Dense
    outer_norm: Norm

    def __call__(
        self, x: Floats, bounds: Sequence[int], seen: dict[str, Floats] | None = None
    ) -> Floats:
        """The next layer's input; `seen` is told the widest value of each column met."""
        _note(seen, "attention_in", x)
        attended = _attend(self.attention_in(x), bounds)
        _note(seen, "attention_out", attended)
        attended = self.attention_out(attended)
        attended += x
        x = self.attention_norm(attended)
        _note(seen, "inner", x)
        between = gelu(self.inner(x))
        _note(seen, "outer", between)
        y = self.outer(between)
        y += x
        return self.outer_norm(y)


class Beginning:
    """What stands before the layers."""

    def __init__(self, stored: Stored) -> None:
        kind = unpacked(stored, "embeddings.token_type_embeddings.weight")[0]
        self._positions = unpacked(stored, "embeddings.position_embeddings.weight") + kind
        self._norm = _norm(stored, "embeddings.LayerNorm")

    def __call__(self, words: Floats, lengths: Sequence[int]) -> Floats:
        """The first layer's input from the vocabulary's vectors of texts laid end to end."""
        positions = np.concatenate([np.arange(length) for length in lengths])
        return self._norm(words + self._positions[positions])


class Bert:
    """The layers; `read` is a pure function of each text's token vectors."""

    def __init__(self, stored: Stored) -> None:
        # Apart from the layers, so that who reads those otherwise need not keep them.
        self.first = Beginning(stored)
        self.layers = list(layers(stored))

    def read(
        self, words: Floats, lengths: Sequence[int], seen: list[dict[str, Floats]] | None = None
    ) -> Floats:
        """Unit vectors, one row a text."""
        x = self.first(words, lengths)
        bounds = [0, *np.cumsum(lengths).tolist()]
        for number, layer in enumerate(self.layers):
            x = layer(x, bounds, None if seen is None else seen[number])
        # Mean over a text's tokens; the mean's length does not matter, it is made 1.
        return unit(np.add.reduceat(x, bounds[:-1], axis=0))


def layers(stored: Stored) -> list[Layer]:
    """The layers out of the packed arrays."""
    count = len({name.split(".")[2] for name in stored if name.startswith("encoder.layer.")})
    return [_layer(stored, f"encoder.layer.{number}.") for number in range(count)]


def batches(lengths: Sequence[int]) -> list[list[int]]:
    """Texts by length, in groups of BATCH_TOKENS and a little more."""
    groups: list[list[int]] = []
    size = BATCH_TOKENS
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if size >= BATCH_TOKENS:
            groups.append([])
            size = 0
        groups[-1].append(index)
        size += lengths[index]
    return groups


def gelu(x: Floats) -> Floats:
    """GELU by its tanh form, in place, in slices that fit the cache."""
    flat = x.reshape(-1)
    for start in range(0, flat.size, _GELU_SLICE):
        part = flat[start : start + _GELU_SLICE]
        inner = part * part
        inner *= np.float32(0.044715)
        inner += np.float32(1)
        inner *= part
        inner *= np.float32(-1.5957691)
        np.minimum(inner, np.float32(60), out=inner)
        np.exp(inner, out=inner)
        inner += np.float32(1)
        part /= inner
    return x


def unit(vectors: Floats) -> Floats:
    """The same directions, of length 1."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9), np.float32)


def unpacked(stored: Stored, name: str) -> Floats:
    """A tensor as floats, however it is packed."""
    if f"{name}#int4" in stored:
        return unpack_4_bits(stored[f"{name}#int4"], stored[f"{name}#scale"])
    if f"{name}#int8" in stored:
        scale = stored[f"{name}#scale"].astype(np.float32)
        return np.asarray(stored[f"{name}#int8"] * scale, np.float32)
    return np.asarray(stored[name], np.float32)


def unpack_4_bits(packed: NDArray[np.uint8], scale: NDArray[np.float16]) -> Floats:
    """Rows of blocks (GGML's Q4_0): 16 bytes, low halves first, less 8, times the block's scale."""
    halves = packed.reshape(len(packed), -1, BLOCK // 2)
    numbers = np.concatenate([halves & 15, halves >> 4], axis=2).astype(np.float32)
    numbers -= 8
    numbers *= scale.astype(np.float32)[:, :, None]
    return numbers.reshape(len(packed), -1)


def _attend(mixed: Floats, bounds: Sequence[int]) -> Floats:
    """Multi-head attention within each text; `mixed` holds query, key and value side by side."""
    depth = WIDTH // HEADS
    out = np.empty((len(mixed), WIDTH), np.float32)
    for start, end in pairwise(bounds):
        length = end - start
        part = mixed[start:end].reshape(length, 3, HEADS, depth).transpose(1, 2, 0, 3)
        weights = part[0] @ part[1].transpose(0, 2, 1)
        weights -= weights.max(axis=-1, keepdims=True)
        np.exp(weights, out=weights)
        weights /= weights.sum(axis=-1, keepdims=True)
        out[start:end] = (weights @ part[2]).transpose(1, 0, 2).reshape(length, WIDTH)
    return out


def _note(seen: dict[str, Floats] | None, name: str, x: Floats) -> None:
    if seen is not None:
        widest = np.abs(x).max(axis=0)
        seen[name] = np.maximum(seen[name], widest) if name in seen else widest


def _norm(stored: Stored, name: str) -> Norm:
    return Norm(weight=unpacked(stored, f"{name}.weight"), bias=unpacked(stored, f"{name}.bias"))


def _dense(stored: Stored, name: str) -> Dense:
    return Dense(
        weight=np.ascontiguousarray(unpacked(stored, f"{name}.weight").T),
        bias=unpacked(stored, f"{name}.bias"),
    )


def _layer(stored: Stored, prefix: str) -> Layer:
    parts = [_dense(stored, f"{prefix}attention.self.{part}") for part in ("query", "key", "value")]
    # The scaling of attention by 1/sqrt(depth) is put into the query's weights once.
    scale = np.float32((WIDTH // HEADS) ** -0.5)
    weights = [parts[0].weight * scale, parts[1].weight, parts[2].weight]
    biases = [parts[0].bias * scale, parts[1].bias, parts[2].bias]
    return Layer(
        attention_in=Dense(
            weight=np.ascontiguousarray(np.hstack(weights)), bias=np.concatenate(biases)
        ),
        attention_out=_dense(stored, f"{prefix}attention.output.dense"),
        attention_norm=_norm(stored, f"{prefix}attention.output.LayerNorm"),
        inner=_dense(stored, f"{prefix}intermediate.dense"),
        outer=_dense(stored, f"{prefix}output.dense"),
        outer_norm=_norm(stored, f"{prefix}output.LayerNorm"),
    )
