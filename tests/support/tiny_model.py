"""A real llama.cpp server with a tiny model of random weights: it tests the protocol, not answers.

Its grammar holds the model to the JSON schema asked for; what it says within that is noise. As a
process: `python -m support.tiny_model FOLDER`; it prints its address and serves until it is ended.
"""

from __future__ import annotations

import importlib
import importlib.util
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from support.services import require

KEY = "key-of-the-tiny-model"
#: Tokens of prompt and answer together; a byte is a token.
CONTEXT = 8192
_WIDTH, _LAYERS, _HEADS, _INNER = 64, 2, 4, 128
#: Numbers of the GGUF format, version 3.
_UINT32, _FLOAT32, _BOOL, _STRING, _ARRAY, _INT32 = 4, 6, 7, 8, 9, 5
_ALIGNMENT = 32


@dataclass(frozen=True, kw_only=True)
class TinyServer:
    """A server that is up."""

    #: For LLM_BASE_URL.
    url: str


@contextmanager
def tiny_server(folder: Path) -> Iterator[TinyServer]:
    """Start the server in a process of its own; skips where xllamacpp is not installed."""
    require(importlib.util.find_spec("xllamacpp"), "xllamacpp is not installed")
    with subprocess.Popen(
        [sys.executable, "-m", "support.tiny_model", str(folder)],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            lines = (line.strip() for line in process.stdout)
            address = next((line for line in lines if line.startswith("http")), "")
            assert address, "the server did not start"
            yield TinyServer(url=f"{address}/v1")
        finally:
            process.kill()


def write_tiny_model(path: Path) -> None:
    """Write a llama model of about 1 MB: random weights, bytes for words."""
    tokens = [b"<unk>", b"<s>", b"</s>", *(f"<0x{i:02X}>".encode() for i in range(256))]
    kinds = [2, 3, 3, *[6] * 256]
    letters = ["\u2581", *map(chr, range(33, 127))]
    scores = [0.0] * len(tokens) + [-float(i) for i in range(len(letters))]
    tokens += [letter.encode() for letter in letters]
    kinds += [1] * len(letters)
    fields = [
        _text("general.architecture", "llama"),
        _text("general.name", "tiny-random"),
        *(
            _number(f"llama.{name}", value)
            for name, value in {
                "context_length": CONTEXT,
                "embedding_length": _WIDTH,
                "block_count": _LAYERS,
                "feed_forward_length": _INNER,
                "attention.head_count": _HEADS,
                "attention.head_count_kv": _HEADS,
                "rope.dimension_count": _WIDTH // _HEADS,
                "vocab_size": len(tokens),
            }.items()
        ),
        _key("llama.attention.layer_norm_rms_epsilon", _FLOAT32) + struct.pack("<f", 1e-5),
        _text("tokenizer.ggml.model", "llama"),
        _array("tokenizer.ggml.tokens", _STRING, [_string(token) for token in tokens]),
        _array("tokenizer.ggml.scores", _FLOAT32, [struct.pack("<f", s) for s in scores]),
        _array("tokenizer.ggml.token_type", _INT32, [struct.pack("<i", k) for k in kinds]),
        _number("tokenizer.ggml.unknown_token_id", 0),
        _number("tokenizer.ggml.bos_token_id", 1),
        _number("tokenizer.ggml.eos_token_id", 2),
        _key("tokenizer.ggml.add_bos_token", _BOOL) + b"\x01",
        _text(
            "tokenizer.chat_template",
            "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:",
        ),
    ]
    path.write_bytes(_file(fields, _tensors(len(tokens))))


def _tensors(words: int) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    random = np.random.default_rng(0)

    def noise(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return (random.standard_normal(shape) * 0.05).astype(np.float32)

    ones = np.ones(_WIDTH, np.float32)
    tensors = {
        "token_embd.weight": noise(words, _WIDTH),
        "output_norm.weight": ones,
        "output.weight": noise(words, _WIDTH),
    }
    for layer in range(_LAYERS):
        block = f"blk.{layer}."
        tensors |= {f"{block}{name}.weight": ones for name in ("attn_norm", "ffn_norm")}
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensors[f"{block}{name}.weight"] = noise(_WIDTH, _WIDTH)
        for name in ("ffn_gate", "ffn_up"):
            tensors[f"{block}{name}.weight"] = noise(_INNER, _WIDTH)
        tensors[f"{block}ffn_down.weight"] = noise(_WIDTH, _INNER)
    return tensors


def _file(
    fields: list[bytes],
    tensors: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]],
) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(fields)) + b"".join(fields)
    data = b""
    for name, tensor in tensors.items():
        shape = tensor.shape[::-1]
        head += _string(name.encode()) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        head += struct.pack("<IQ", 0, len(data))
        data += tensor.tobytes()
        data += bytes(-len(data) % _ALIGNMENT)
    return head + bytes(-len(head) % _ALIGNMENT) + data


def _string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def _key(name: str, kind: int) -> bytes:
    return _string(name.encode()) + struct.pack("<I", kind)


def _text(name: str, value: str) -> bytes:
    return _key(name, _STRING) + _string(value.encode())


def _number(name: str, value: int) -> bytes:
    return _key(name, _UINT32) + struct.pack("<I", value)


def _array(name: str, kind: int, items: list[bytes]) -> bytes:
    return _key(name, _ARRAY) + struct.pack("<IQ", kind, len(items)) + b"".join(items)


def _serve(folder: Path) -> None:
    # By name: it comes without types, and not everywhere.
    xllamacpp: Any = importlib.import_module("xllamacpp")

    path = folder / "tiny.gguf"
    write_tiny_model(path)
    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(path)
    wanted.n_ctx, wanted.n_parallel = 2 * CONTEXT, 2
    wanted.cpuparams.n_threads = 1
    wanted.hostnames, wanted.port = ["127.0.0.1"], 0
    wanted.api_keys = [KEY]
    wanted.use_jinja = True
    server = xllamacpp.Server(wanted)
    print(server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
