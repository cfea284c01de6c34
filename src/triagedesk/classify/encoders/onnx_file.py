"""Writes a model in the ONNX format: as much of its protobuf as our encoders need.

Field numbers are those of onnx.proto3 (https://github.com/onnx/onnx, Apache-2.0). The `onnx`
package would bring 30 MB for these few lines.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Domain of onnxruntime's own operators.
FUSED = "com.microsoft"
#: Versions of the format, of the standard operators and of onnxruntime's.
FORMAT, STANDARD, FUSED_VERSION = 8, 17, 1

#: What goes in or comes out: name, kind of number, shape (a word: any size).
Value = tuple[str, str, Sequence[str | int]]

_KINDS = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7}
_VARINT, _BYTES, _FIXED32 = 0, 2, 5


class Graph:
    """Nodes and constants, added one by one in the order they are computed."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add a constant tensor; its name."""
        dimensions = b"".join(_number(1, size) for size in value.shape)
        kind = _number(2, _KINDS[value.dtype.name])
        data = _field(9, np.ascontiguousarray(value).tobytes())
        self._constants.append(dimensions + kind + _field(8, name.encode()) + data)
        return name

    def node(
        self,
        operator: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        *,
        domain: str = FUSED,
        attributes: Mapping[str, int | float | Sequence[int]] | None = None,
    ) -> str:
        """Add an operation; its first output. An input not given is ""."""
        content = b"".join(_field(1, name.encode()) for name in inputs)
        content += b"".join(_field(2, name.encode()) for name in outputs)
        content += _field(3, outputs[0].encode()) + _field(4, operator.encode())
        for name, value in (attributes or {}).items():
            content += _field(5, _attribute(name, value))
        self._nodes.append(content + _field(7, domain.encode()))
        return outputs[0]

    def model(self, sources: Sequence[Value], result: Value) -> bytes:
        """The whole file, with its inputs and its output."""
        graph = b"".join(_field(1, node) for node in self._nodes) + _field(2, b"encoder")
        graph += b"".join(_field(5, constant) for constant in self._constants)
        graph += b"".join(_field(11, _value(*source)) for source in sources)
        graph += _field(12, _value(*result))
        versions = b"".join(
            _field(8, _field(1, domain.encode()) + _number(2, version))
            for domain, version in (("", STANDARD), (FUSED, FUSED_VERSION))
        )
        return _number(1, FORMAT) + _field(7, graph) + versions


def _attribute(name: str, value: float | Sequence[int]) -> bytes:
    if isinstance(value, float):
        said, kind = _key(2, _FIXED32) + struct.pack("<f", value), 1
    elif isinstance(value, int):
        said, kind = _number(3, value), 2
    else:
        said, kind = b"".join(_number(8, item) for item in value), 7
    return _field(1, name.encode()) + said + _number(20, kind)


def _value(name: str, kind: str, shape: Sequence[str | int]) -> bytes:
    sizes = b"".join(
        _field(1, _number(1, size) if isinstance(size, int) else _field(2, size.encode()))
        for size in shape
    )
    typed = _number(1, _KINDS[kind]) + _field(2, sizes)
    return _field(1, name.encode()) + _field(2, _field(1, typed))


def _field(number: int, content: bytes) -> bytes:
    return _key(number, _BYTES) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _key(number, _VARINT) + _varint(value)


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:  # noqa: PLR2004 (seven bits a byte)
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
