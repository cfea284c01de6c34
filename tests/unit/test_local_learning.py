"""The numerics under the stack."""

from __future__ import annotations

import numpy as np
import pytest

from triagedesk.classify import fitting
from triagedesk.classify.fitting import Fitted, Lessons, fit_lessons
from triagedesk.classify.lexical import Lexical
from triagedesk.classify.logistic import fit
from triagedesk.classify.nearest import nearness
from triagedesk.classify.sparse import Mixed, Sparse
from triagedesk.classify.stack import Stack

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


def test_keeping_full_columns_whole_changes_no_product() -> None:
    random = np.random.default_rng(0)
    filled = np.where(np.arange(30) % 3 == 0, 0.9, 0.01)
    dense = np.where(random.random((60, 30)) < filled, random.random((60, 30)), 0)
    dense = dense.astype(np.float32)
    rows, columns = np.nonzero(dense)
    mixed = Mixed(Sparse(rows=rows, columns=columns, values=dense[rows, columns], shape=(60, 30)))
    other = random.random((60, 4)).astype(np.float32)
    assert np.allclose(mixed @ other[:30], dense @ other[:30], atol=1e-4)
    assert np.allclose(mixed.transposed_times(other), dense.T @ other, atol=1e-4)


def test_a_fit_that_sets_out_from_another_ends_where_it_would_alone() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 8)).astype(np.float32)
    y = (x @ random.normal(size=(8, 3))).argmax(axis=1)
    start = fit(x[:90], y[:90], 3, strength=5.0, steps=60)
    alone = fit(x, y, 3, strength=5.0, steps=400)
    warm = fit(x, y, 3, strength=5.0, steps=400, start=start)
    assert np.abs(np.exp(alone(x)) - np.exp(warm(x))).max() < 0.01


def test_rows_of_words_have_unit_length() -> None:
    _, matrix = Lexical.fitted(TEXTS)
    lengths = np.bincount(matrix.rows, matrix.values**2, minlength=len(TEXTS))
    assert np.allclose(lengths, 1, atol=1e-4)


def test_an_unknown_word_adds_no_column() -> None:
    lexical, matrix = Lexical.fitted(TEXTS)
    assert lexical(["zzzz"]).shape == (1, matrix.shape[1])
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


def stack(fitted: Fitted) -> Stack:
    taught = lessons()
    vectors = np.vstack([taught.vectors, taught.catalog_vectors])
    return Stack(fitted, vectors, np.concatenate([Y, taught.catalog_classes]), len(Y))


def test_what_is_learned_is_the_same_each_time() -> None:
    one, two = fit_lessons(lessons()), fit_lessons(lessons())
    assert one.right.mean() > 0.9
    assert all(np.array_equal(a, two.arrays()[name]) for name, a in one.arrays().items())


def test_what_was_put_aside_answers_as_before() -> None:
    taught, fitted = lessons(), fit_lessons(lessons())
    again = Fitted.from_arrays(fitted.arrays())
    before = stack(fitted)(taught.vectors, TEXTS, taught.zero_shot)
    assert np.array_equal(before, stack(again)(taught.vectors, TEXTS, taught.zero_shot))
    assert (before.argmax(axis=1) == Y).all()
    assert np.allclose(np.exp(before).sum(axis=1), 1, atol=1e-4)


def test_of_many_corrections_a_quarter_is_left_out_and_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fitting, "FEW", 20)
    fitted = fit_lessons(lessons())
    assert len(fitted.right) == 6
    assert fitted.right.all()


def test_a_text_is_compared_with_the_nearest_few_and_never_with_itself() -> None:
    taught = lessons().vectors
    likeness = taught @ taught.T
    np.fill_diagonal(likeness, -9)
    rows = np.arange(4, 9)
    expected = np.sort(likeness[rows], axis=1)[:, -3:].mean(axis=1)
    assert np.allclose(nearness(taught, taught, rows), expected, atol=1e-6)
    assert nearness(taught, taught)[0] > expected.max()
    assert nearness(taught[:1], taught[:1], np.array([0])).tolist() == [0]


@pytest.mark.parametrize(
    ("answers", "disagree", "enough"),
    [
        (1000, [], 1000),
        (90, [], 0),
        (150, [149], 149),
        (1000, [300], 1000),
        (1500, [300, 400, 700], 400),
        (4000, [300, 2500], 4000),
    ],
)
def test_a_first_look_may_disagree_once_and_once_in_a_thousand(
    answers: int, disagree: list[int], enough: int
) -> None:
    confidence = np.linspace(1, 0.5, answers).astype(np.float32)
    same = np.ones(answers, bool)
    same[disagree] = False
    least = fitting._sure(confidence, same)
    assert int((confidence >= least).sum()) == enough
