"""The same layers in 8-bit integers by onnxruntime: twice as fast, a cosine of 0.999 to the floats.

Both sides of each matrix product are rounded to 256 steps. The steps are fixed beforehand, from
sample tickets, so that a vector hangs on its text alone. Two things keep them fine. Columns with
a wide range are narrowed and the matrix's rows widened by as much (SmoothQuant, Xiao et al. 2022),
which changes nothing but the rounding. And the sixteen neurons of each layer that fire widest, a
few of them ten times as wide as the rest, stay in floats.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triagedesk.classify.encoders.bert import HEADS, WIDTH, Bert, Dense, Floats, Layer, Norm, unit
from triagedesk.classify.encoders.onnx_file import Graph, Value

#: What it adds to the version of an encoder.
IN_INTEGERS = ":8"
#: How much of a column's range goes into the matrix; 0.5 to 0.8 did about as well.
NARROWING = 0.65
#: What a range met on the sample tickets is widened by; beyond that numbers are cut.
MARGIN = 1.1
#: The least value GELU has.
LEAST_GELU = -0.17
#: Tokens read at once: more no longer fit the cache.
TOGETHER = 256
#: Neurons of a layer that stay in floats.
IN_FLOATS = 16
#: Cosine to the floats below which this machine's integers are not trusted: processors without
#: the instructions for them (VNNI) may overflow.
FAITHFUL = 0.99

_log = logging.getLogger(__name__)

Ranges = Sequence[dict[str, Floats]]


def available() -> bool:
    """Whether onnxruntime is installed."""
    return importlib.util.find_spec("onnxruntime") is not None


class Integers:
    """A `Bert` in integers; `read` as there."""

    def __init__(self, floats: Bert, ranges: Ranges) -> None:
        """`ranges` has each layer's widest value met in each column, by matrix."""
        self._first = floats.first
        self._session = session(graph(floats, ranges))

    def read(self, words: Floats, lengths: Sequence[int]) -> Floats:
        """Unit vectors, one row a text; texts about equally long, side by side, are read faster."""
        x = self._first(words, lengths)
        sums = np.empty((len(lengths), WIDTH), np.float32)
        start = 0
        for rows in _together(lengths):
            sizes = np.array(lengths[rows])
            there = np.arange(sizes.max()) < sizes[:, None]
            padded = np.zeros((*there.shape, WIDTH), np.float32)
            padded[there] = x[start : start + sizes.sum()]
            given = {"x": padded, "there": there.astype(np.int32)}
            (read,) = self._session.run(None, given)
            sums[rows] = np.einsum("tlw,tl->tw", read, there.astype(np.float32))
            start += int(sizes.sum())
        return unit(sums)


def _together(lengths: Sequence[int]) -> Iterator[slice]:
    """Neighbours that are read at once: TOGETHER tokens at most, padding included."""
    start = 0
    for end in range(1, len(lengths) + 1):
        if end == len(lengths) or (end + 1 - start) * max(lengths[start : end + 1]) > TOGETHER:
            yield slice(start, end)
            start = end


def in_integers(floats: Bert, samples: Callable[[], tuple[Floats, list[int]]]) -> Bert | Integers:
    """The fast reader, or the floats where onnxruntime is not there or rounds badly here.

    `samples` are the vocabulary's vectors and lengths of some usual texts, which show how wide each
    column gets.
    """
    if not available():
        return floats
    words, lengths = samples()
    ranges: list[dict[str, Floats]] = [{} for _ in floats.layers]
    expected = floats.read(words, lengths, ranges)
    fast = Integers(floats, ranges)
    alike = float((fast.read(words, lengths) * expected).sum(axis=1).min())
    if alike < FAITHFUL:
        _log.warning(
            "this processor rounds 8-bit products too coarsely (cosine %.3f): "
            "the sentence encoder goes on in floats, at half the speed",
            alike,
        )
        return floats
    return fast


def graph(floats: Bert, ranges: Ranges) -> bytes:
    """The layers as an ONNX model: token vectors, and which are there -> those after the layers."""
    made = Graph()
    x = "x"
    for number, (layer, seen) in enumerate(zip(floats.layers, ranges, strict=True)):
        x = _LayerWriter(made, f"{number}.").layer(x, layer, seen)
    sources: list[Value] = [
        ("x", "float32", ["texts", "tokens", WIDTH]),
        ("there", "int32", ["texts", "tokens"]),
    ]
    return made.model(sources, (x, "float32", ["texts", "tokens", WIDTH]))


class Writer:
    """Writes products in integers, and what stands between them."""

    def __init__(self, made: Graph, prefix: str) -> None:
        self.made, self._prefix = made, prefix

    def steps(self, name: str, x: str, reach: tuple[float, float]) -> tuple[str, str, str]:
        """`x` in 256 steps, with the step's size and where zero is.

        `reach` is between what its numbers usually are.
        """
        low, high = (MARGIN * bound for bound in reach)
        size = np.array((high - low) / 255, np.float32)
        step = self.made.constant(self.name(f"{name}.step"), size)
        zero = np.array(round(-low / float(size)), np.uint8)
        middle = self.made.constant(self.name(f"{name}.zero"), zero)
        outputs = [self.name(f"{name}.whole")]
        whole = self.made.node("QuantizeLinear", [x, step, middle], outputs, domain="")
        return whole, step, middle

    def narrow_steps(self, name: str, x: str, seen: Floats, factor: Floats) -> tuple[str, str, str]:
        """The same of `x` with each column divided by its factor; `seen` is how wide they get."""
        narrowed = self.plain(f"{name}.narrow", "Mul", x, np.reciprocal(factor))
        reach = float((seen / factor).max())
        return self.steps(name, narrowed, (-reach, reach))

    def product(
        self, name: str, steps: tuple[str, str, str], weight: Floats, bias: Floats | None = None
    ) -> str:
        """What is in steps, times a matrix."""
        whole, step, zero = steps
        numbers, scale = self.rounded(name, weight)
        inputs = [whole, numbers, step, scale, zero]
        if bias is not None:
            inputs += ["", self.made.constant(self.name(f"{name}.bias"), bias)]
        return self.made.node("MatMulIntegerToFloat", inputs, [self.name(name)])

    def rounded(self, name: str, weight: Floats) -> tuple[str, str]:
        """A matrix in 8-bit integers, and each column's scale."""
        scale = np.maximum(np.abs(weight).max(axis=0), 1e-9) / 127
        numbers = np.round(weight / scale).astype(np.int8)
        return (
            self.made.constant(self.name(f"{name}.numbers"), numbers),
            self.made.constant(self.name(f"{name}.scale"), scale.astype(np.float32)),
        )

    def plain(self, name: str, operator: str, x: str, value: Floats) -> str:
        """A standard operation on `x` and a constant."""
        constant = self.made.constant(self.name(f"{name}.by"), value)
        return self.made.node(operator, [x, constant], [self.name(name)], domain="")

    def norm(self, name: str, x: str, weight: Floats, bias: Floats, epsilon: float) -> str:
        """Layer normalisation."""
        scale = self.made.constant(self.name(f"{name}.weight"), weight)
        shift = self.made.constant(self.name(f"{name}.shift"), bias)
        return self.made.node(
            "LayerNormalization",
            [x, scale, shift],
            [self.name(name)],
            domain="",
            attributes={"epsilon": epsilon},
        )

    def name(self, name: str) -> str:
        """A name in the model."""
        return self._prefix + name


class _LayerWriter(Writer):
    """Writes one layer."""

    def layer(self, x: str, layer: Layer, seen: dict[str, Floats]) -> str:
        attended = self._attention(x, layer.attention_in, seen["attention_in"])
        reach = float(seen["attention_out"].max())
        out = layer.attention_out
        mixed = self.product(
            "out", self.steps("out", attended, (-reach, reach)), out.weight, out.bias
        )
        h = self._norm("after", x, mixed, layer.attention_norm)
        wide = np.sort(np.argsort(-seen["outer"], kind="stable")[:IN_FLOATS])
        rest = np.setdiff1d(np.arange(len(seen["outer"])), wide)
        factor = narrowing(seen["inner"], layer.inner.weight)
        weight = layer.inner.weight[:, rest] * factor[:, None]
        inner = self.product("inner", self.narrow_steps("inner", h, seen["inner"], factor), weight)
        fired = self._gelu("fired", inner, layer.inner.bias[rest])
        reach = float(seen["outer"][rest].max())
        steps = self.steps("outer", fired, (LEAST_GELU, reach))
        outer = self.product("outer", steps, layer.outer.weight[rest], layer.outer.bias)
        return self._norm("end", self._in_floats(h, layer, wide), outer, layer.outer_norm)

    def _in_floats(self, h: str, layer: Layer, wide: NDArray[np.int64]) -> str:
        """`h` and what the neurons in floats add to it."""
        inner = self.plain("wide.inner", "MatMul", h, layer.inner.weight[:, wide])
        fired = self._gelu("wide.fired", inner, layer.inner.bias[wide])
        outer = self.plain("wide.outer", "MatMul", fired, layer.outer.weight[wide])
        return self.made.node("Add", [h, outer], [self.name("beside")], domain="")

    def _attention(self, x: str, dense: Dense, seen: Floats) -> str:
        weight, bias = dense.weight.copy(), dense.bias.copy()
        # The operator does the scaling itself.
        weight[:, :WIDTH] *= np.float32((WIDTH // HEADS) ** 0.5)
        bias[:WIDTH] *= np.float32((WIDTH // HEADS) ** 0.5)
        factor = narrowing(seen, weight)
        whole, step, zero = self.narrow_steps("mixed", x, seen, factor)
        numbers, scale = self.rounded("mixed", weight * factor[:, None])
        added = self.made.constant(self.name("mixed.bias"), bias)
        inputs = [whole, numbers, added, step, scale, "there", zero]
        heads = {"num_heads": HEADS}
        return self.made.node("QAttention", inputs, [self.name("attended")], attributes=heads)

    def _gelu(self, name: str, x: str, bias: Floats) -> str:
        added = self.made.constant(self.name(f"{name}.bias"), bias)
        return self.made.node("BiasGelu", [x, added], [self.name(name)])

    def _norm(self, name: str, x: str, y: str, norm: Norm) -> str:
        # Not SkipLayerNormalization, which does both at once: it takes twice as long.
        both = self.made.node("Add", [x, y], [self.name(f"{name}.both")], domain="")
        return self.norm(name, both, norm.weight, norm.bias, 1e-12)


def narrowing(seen: Floats, weight: Floats) -> Floats:
    """What each input column is divided by and its row of the matrix multiplied with."""
    rows = np.maximum(np.abs(weight).max(axis=1), 1e-3)
    factor = np.maximum(seen.astype(np.float32), 1e-3) ** NARROWING / rows ** (1 - NARROWING)
    return np.asarray(factor / np.exp(np.log(factor).mean()), np.float32)


def session(model: bytes) -> Any:
    """onnxruntime, ready to carry a model out."""
    # By name: the package is optional at run time, and slow to import.
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    # As many processes as cores do better than threads, and one thread always rounds alike.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def give_back_memory() -> None:
    """Return what is free to the system, where the C library keeps it: a hundred MB after a model.

    https://man7.org/linux/man-pages/man3/malloc_trim.3.html
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
