"""all-MiniLM-L6-v2 (Apache-2.0) in numpy: English sentences -> unit vectors of 384 numbers.

Tokens of a batch are laid end to end, so that no time goes into padding; only attention is done
text by text. Weights are 8-bit in memory for the vocabulary, 32-bit floats for the layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triagedesk.classify.encoders.wordpiece import WordPiece

WIDTH = 384
LAYERS, HEADS = 6, 12
#: Tokens a text is cut to; what the model was trained with.
LONGEST = 128
#: Tokens per batch: enough to keep the matrix products busy, few enough to stay in cache.
BATCH_TOKENS = 1024

Floats = NDArray[np.float32]
_GELU_SLICE = 16_384


@dataclass(frozen=True, kw_only=True)
class _Norm:
    weight: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        x = x - x.mean(axis=-1, keepdims=True)
        variance = np.einsum("ij,ij->i", x, x) / np.float32(x.shape[1])
        x *= (1 / np.sqrt(variance + np.float32(1e-12)))[:, None]
        x *= self.weight
        x += self.bias
        return x


@dataclass(frozen=True, kw_only=True)
class _Dense:
    weight: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        y = x @ self.weight
        y += self.bias
        return y


@dataclass(frozen=True, kw_only=True)
class _Layer:
    attention_in: _Dense
    attention_out: _Dense
    attention_norm: _Norm
    inner: _Dense
    outer: _Dense
    outer_norm: _Norm

    def __call__(self, x: Floats, starts: Sequence[int]) -> Floats:
        attended = self.attention_out(_attend(self.attention_in(x), starts))
        attended += x
        x = self.attention_norm(attended)
        y = self.outer(_gelu(self.inner(x)))
        y += x
        return self.outer_norm(y)


class MiniLm:
    """The encoder; `encode` is a pure function of the text."""

    name = "minilm"
    width = WIDTH

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as archive:
            stored = {name: archive[name] for name in archive.files}
        self.version = bytes(stored["version"]).decode()
        self._tokenizer = WordPiece(bytes(stored["vocabulary"]).decode().splitlines())
        self._rows = stored["embeddings.word_embeddings.weight#int8"]
        self._row_scales = stored["embeddings.word_embeddings.weight#scale"].astype(np.float32)
        kind = _array(stored, "embeddings.token_type_embeddings.weight")[0]
        self._positions = _array(stored, "embeddings.position_embeddings.weight") + kind
        self._norm = _norm(stored, "embeddings.LayerNorm")
        self._layers = [_layer(stored, f"encoder.layer.{i}.") for i in range(LAYERS)]

    def tokens(self, text: str) -> list[int]:
        """The token numbers the model reads, start and end marks included."""
        return self._tokenizer.encode(text, LONGEST)

    def encode(self, texts: Sequence[str]) -> Floats:
        """Unit vectors, one row a text; similar meaning gives a high dot product."""
        tokens = [self.tokens(text) for text in texts]
        vectors = np.zeros((len(texts), WIDTH), np.float32)
        batch: list[int] = []
        size = 0
        for index in sorted(range(len(texts)), key=lambda i: len(tokens[i])):
            batch.append(index)
            size += len(tokens[index])
            if size >= BATCH_TOKENS:
                vectors[batch] = self._encode_batch([tokens[i] for i in batch])
                batch, size = [], 0
        if batch:
            vectors[batch] = self._encode_batch([tokens[i] for i in batch])
        return vectors

    def _encode_batch(self, batch: Sequence[Sequence[int]]) -> Floats:
        lengths = [len(tokens) for tokens in batch]
        flat = np.concatenate([np.asarray(tokens) for tokens in batch])
        positions = np.concatenate([np.arange(length) for length in lengths])
        starts = np.concatenate([[0], np.cumsum(lengths)])
        x = self._rows[flat].astype(np.float32)
        x *= self._row_scales[flat]
        x += self._positions[positions]
        x = self._norm(x)
        bounds = starts.tolist()
        for layer in self._layers:
            x = layer(x, bounds)
        # Mean over a text's tokens; the mean's length does not matter, it is made 1.
        sums = np.add.reduceat(x, starts[:-1], axis=0)
        return _unit(sums)


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


def _gelu(x: Floats) -> Floats:
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


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9), np.float32)


def _array(stored: dict[str, NDArray[Any]], name: str) -> Floats:
    if f"{name}#int8" not in stored:
        return np.asarray(stored[name], np.float32)
    scale = stored[f"{name}#scale"].astype(np.float32)
    return np.asarray(stored[f"{name}#int8"] * scale, np.float32)


def _norm(stored: dict[str, NDArray[Any]], name: str) -> _Norm:
    return _Norm(weight=_array(stored, f"{name}.weight"), bias=_array(stored, f"{name}.bias"))


def _dense(stored: dict[str, NDArray[Any]], name: str) -> _Dense:
    return _Dense(
        weight=np.ascontiguousarray(_array(stored, f"{name}.weight").T),
        bias=_array(stored, f"{name}.bias"),
    )


def _layer(stored: dict[str, NDArray[Any]], prefix: str) -> _Layer:
    parts = [_dense(stored, f"{prefix}attention.self.{part}") for part in ("query", "key", "value")]
    # The scaling of attention by 1/sqrt(depth) is put into the query's weights once.
    scale = np.float32((WIDTH // HEADS) ** -0.5)
    weights = [parts[0].weight * scale, parts[1].weight, parts[2].weight]
    biases = [parts[0].bias * scale, parts[1].bias, parts[2].bias]
    return _Layer(
        attention_in=_Dense(
            weight=np.ascontiguousarray(np.hstack(weights)), bias=np.concatenate(biases)
        ),
        attention_out=_dense(stored, f"{prefix}attention.output.dense"),
        attention_norm=_norm(stored, f"{prefix}attention.output.LayerNorm"),
        inner=_dense(stored, f"{prefix}intermediate.dense"),
        outer=_dense(stored, f"{prefix}output.dense"),
        outer_norm=_norm(stored, f"{prefix}output.LayerNorm"),
    )
