"""The numerics under the stack."""

from __future__ import annotations

import numpy as np
import pytest

from triagedesk.classify.lexical import Lexical
from triagedesk.classify.logistic import Sparse, fit, log_softmax
from triagedesk.classify.stack import Lessons, Stack

TEXTS = [f"{word} number {i}" for i in range(12) for word in ("printer jam", "vpn tunnel")]
Y = np.array([i % 2 for i in range(24)])


def test_logistic_regression_agrees_with_scikit_learn() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 8)).astype(np.float32)
    y = (x @ random.normal(size=(8, 3))).argmax(axis=1)
    ours = np.exp(fit(x, y, 3, strength=5.0, steps=400)(x))
    theirs = linear_model.LogisticRegression(C=5.0, max_iter=2000, tol=1e-8).fit(x, y)
    assert np.abs(ours - theirs.predict_proba(x)).max() < 0.01


def test_a_sparse_product_is_the_dense_product() -> None:
    random = np.random.default_rng(0)
    dense = np.where(random.random((7, 9)) < 0.3, random.random((7, 9)), 0).astype(np.float32)
    rows, columns = np.nonzero(dense)
    sparse = Sparse(rows=rows, columns=columns, values=dense[rows, columns], shape=(7, 9))
    other = random.random((9, 4)).astype(np.float32)
    assert np.allclose(sparse @ other, dense @ other, atol=1e-5)
    assert np.allclose(sparse.transposed @ other[:7], dense.T @ other[:7], atol=1e-5)
    keep = np.array([True, False, True, True, False, False, True])
    assert np.allclose(sparse.take(keep) @ other, dense[keep] @ other, atol=1e-5)


def test_rows_of_words_have_unit_length() -> None:
    matrix = Lexical(TEXTS).matrix
    lengths = np.bincount(matrix.rows, matrix.values**2, minlength=len(TEXTS))
    assert np.allclose(lengths, 1, atol=1e-4)


def test_an_unknown_word_adds_no_column() -> None:
    lexical = Lexical(TEXTS)
    assert lexical(["zzzz"]).shape == (1, lexical.matrix.shape[1])
    assert len(lexical(["zzzz"]).rows) == 0


def lessons() -> Lessons:
    random = np.random.default_rng(0)
    centres = np.eye(2, 16, dtype=np.float32)
    vectors = centres[Y] + 0.2 * random.normal(size=(24, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Lessons(
        vectors=vectors,
        quick_vectors=vectors[:, :8],
        texts=TEXTS,
        zero_shot=np.zeros((24, 2), np.float32),
        classes=Y,
        catalog_vectors=centres,
        catalog_quick_vectors=centres[:, :8],
        catalog_texts=["printer", "vpn"],
        catalog_classes=np.array([0, 1]),
    )


def test_the_stack_learns_and_is_the_same_each_time() -> None:
    one, two = Stack(lessons()), Stack(lessons())
    assert (one.out_of_fold.argmax(axis=1) == Y).mean() > 0.9
    assert np.array_equal(one.out_of_fold, two.out_of_fold)
    assert np.array_equal(one.weights, two.weights)
    assert np.allclose(np.exp(log_softmax(one.out_of_fold)).sum(axis=1), 1, atol=1e-4)
