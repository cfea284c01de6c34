"""The Universal Sentence Encoder's layers in 8-bit integers by onnxruntime: 2.5 times as fast.

Its three branches look at two, three and five tokens side by side. A token is rounded once, before
it is laid into the windows it is seen through; `integers` says how the rounding is kept fine.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triagedesk.classify.encoders.bert import Floats
from triagedesk.classify.encoders.integers import FAITHFUL, Writer, narrowing, session
from triagedesk.classify.encoders.onnx_file import Graph, Value

#: Tokens a window spans, and how many of them stand before the one it is about.
BRANCHES = ((2, 0), (3, 1), (5, 2))
_BEFORE = 2
#: Numbers of a token's vector, of a branch's, and of both together.
TOKEN, BRANCH = 512, 256
JOINED = TOKEN + len(BRANCHES) * BRANCH

_log = logging.getLogger(__name__)

#: How wide each column gets, by branch and layer; and of the tokens' vectors.
Ranges = dict[str, Floats]


def read_in_integers(backend: Any, samples: Sequence[Sequence[int]]) -> bool:
    """Have the package's numpy backend read by onnxruntime; False where that rounds badly here.

    `samples` are the tokens of some usual texts, which show how wide each column gets.
    """
    count = sum(map(len, samples))
    expected, found = (np.empty((len(samples), TOKEN), np.float32) for _ in range(2))
    backend._encode_batch(samples, count, expected)  # noqa: SLF001 (the package has no way in)
    fast = UseIntegers(backend, ranges(backend, samples))
    fast.encode_batch(samples, count, found)
    alike = float((found * expected).sum(axis=1).min())
    if alike < FAITHFUL:
        _log.warning(
            "this processor rounds 8-bit products too coarsely (cosine %.3f): "
            "the multilingual encoder goes on in floats, at less than half the speed",
            alike,
        )
        return False
    backend._encode_batch = fast.encode_batch  # noqa: SLF001 (as above)
    return True


class UseIntegers:
    """What the package's backend does with the tokens of some texts, in integers."""

    def __init__(self, backend: Any, seen: Ranges) -> None:
        self._floats = backend
        self._session = session(graph(backend, seen))

    def encode_batch(self, group: Sequence[Sequence[int]], count: int, out: Floats) -> None:
        """Write the unit vectors of texts, given as tokens (`count` in all), into `out`."""
        floats = self._floats
        tokens, starts, lengths = _laid_out(group, count)
        given = {"tokens": token_vectors(floats, tokens)}
        for branch, around in enumerate(_windows(floats, starts, lengths, count)):
            given[f"around{branch}"] = np.ascontiguousarray(around)
        (read,) = self._session.run(None, given)
        # From here on there is one row a text: too little to be worth it.
        sizes = lengths.astype(np.float32)[:, None]
        mean = np.add.reduceat(read, starts, axis=0) @ floats.cnn_W + sizes * floats.cnn_b
        mean /= np.sqrt(sizes)
        first = np.maximum(mean @ floats.d0, 0)
        second = np.maximum(mean @ floats.p1 + first @ floats.d1, 0)
        third = np.maximum(second @ floats.d2, 0)
        last = np.tanh(second @ floats.p3 + third @ floats.d3)
        squares = np.einsum("ij,ij->i", last, last)[:, None]
        out[:] = last / np.sqrt(np.maximum(squares, floats.eps))


def token_vectors(floats: Any, tokens: NDArray[np.int64]) -> Floats:
    """The vocabulary's vectors, which the package keeps in steps of each of its parts."""
    part = tokens % len(floats.scale)
    vectors = floats.table[tokens].astype(np.float32)
    vectors *= floats.scale[part, None]
    vectors += floats.lo[part, None]
    return np.asarray(vectors, np.float32)


def ranges(floats: Any, samples: Sequence[Sequence[int]]) -> Ranges:
    """How wide each column gets while these texts are read."""
    count = sum(map(len, samples))
    tokens, starts, lengths = _laid_out(samples, count)
    vectors = token_vectors(floats, tokens)
    seen = {"tokens": np.abs(vectors).max(axis=0)}
    mixed = _normalised(
        vectors @ floats.proj_W + floats.proj_b, floats.ln_g_all, floats.ln_b_all, floats.eps
    )
    for branch, around in enumerate(_windows(floats, starts, lengths, count)):
        x = mixed[:, branch * BRANCH : (branch + 1) * BRANCH]
        there = np.vstack([x, np.zeros((1, BRANCH), np.float32)])
        window = there[around].reshape(count, -1)
        h = np.maximum(window @ floats.w1[branch] + floats.b1[branch], 0) + x
        seen[f"{branch}.first"] = np.abs(x).max(axis=0)
        seen[f"{branch}.second"] = np.abs(h).max(axis=0)
    return seen


def graph(floats: Any, seen: Ranges) -> bytes:
    """The layers as an ONNX model: vectors of tokens, and windows on them -> joined vectors."""
    made = Graph()
    whole = Writer(made, "")
    factor = narrowing(seen["tokens"], floats.proj_W)
    steps = whole.narrow_steps("mixed", "tokens", seen["tokens"], factor)
    mixed = whole.product("mixed", steps, floats.proj_W * factor[:, None], floats.proj_b)
    mixed = whole.norm("even", mixed, floats.ln_g_all, floats.ln_b_all, float(floats.eps))
    parts = [f"{branch}.x" for branch in range(len(BRANCHES))]
    made.node("Split", [mixed], parts, domain="", attributes={"axis": 1})
    for branch, part in enumerate(parts):
        writer = _BranchWriter(made, f"{branch}.")
        first, second = floats.w1[branch], floats.w2[branch]
        h = writer.layer("first", part, f"around{branch}", first, floats.b1[branch], seen)
        parts[branch] = writer.layer(
            "second", h, f"around{branch}", second, floats.b2[branch], seen
        )
    joined = made.node("Concat", ["tokens", *parts], ["joined"], domain="", attributes={"axis": 1})
    read = whole.norm("read", joined, floats.ln_g, floats.ln_b, float(floats.eps))
    sources: list[Value] = [("tokens", "float32", ["tokens", TOKEN])]
    sources += [
        (f"around{branch}", "int64", ["tokens", span]) for branch, (span, _) in enumerate(BRANCHES)
    ]
    return made.model(sources, (read, "float32", ["tokens", JOINED]))


class _BranchWriter(Writer):
    """Writes one branch."""

    def layer(  # noqa: PLR0917 (a layer's parts)
        self, name: str, x: str, around: str, weight: Floats, bias: Floats, seen: Ranges
    ) -> str:
        """`x` and what is seen of it through windows."""
        width = seen[self.name(name)]
        matrices = weight.reshape(-1, BRANCH, weight.shape[1])
        factor = narrowing(width, np.abs(matrices).max(axis=0))
        rounded, step, zero = self.narrow_steps(name, x, width, factor)
        shape = self.made.constant(self.name(f"{name}.shape"), np.array([-1, len(weight)]))
        row = self.made.constant(self.name(f"{name}.row"), np.array([1, BRANCH]))
        # What stands for no token in a window.
        nothing = self._node("Expand", [zero, row], f"{name}.nothing")
        there = self._node("Concat", [rounded, nothing], f"{name}.there", axis=0)
        window = self._node("Gather", [there, around], f"{name}.window", axis=0)
        flat = self._node("Reshape", [window, shape], f"{name}.flat")
        narrow = (matrices * factor[:, None]).reshape(weight.shape)
        found = self.product(name, (flat, step, zero), narrow, bias)
        return self._node("Add", [self._node("Relu", [found], f"{name}.over"), x], f"{name}.end")

    def _node(self, operator: str, inputs: Sequence[str], name: str, **attributes: int) -> str:
        outputs = [self.name(name)]
        return self.made.node(operator, inputs, outputs, domain="", attributes=attributes)


def _laid_out(
    group: Sequence[Sequence[int]], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """All tokens one after the other, where each text starts, and how long it is."""
    lengths = np.fromiter(map(len, group), np.int64, len(group))
    tokens = np.fromiter(chain.from_iterable(group), np.int64, count)
    return tokens, np.cumsum(lengths) - lengths, lengths


def _windows(
    floats: Any, starts: NDArray[np.int64], lengths: NDArray[np.int64], count: int
) -> Iterator[NDArray[np.int64]]:
    """For each branch the tokens each token's window shows; `count` stands for none."""
    widest = floats._window_index(starts, lengths, count)  # noqa: SLF001 (as above)
    for span, before in BRANCHES:
        yield widest[:, _BEFORE - before : _BEFORE - before + span]


def _normalised(x: Floats, weight: Floats, bias: Floats, epsilon: float) -> Floats:
    x = x - x.mean(axis=-1, keepdims=True)
    spread = np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + epsilon)
    return np.asarray(x / spread * weight + bias, np.float32)
