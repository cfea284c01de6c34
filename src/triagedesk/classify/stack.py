"""What is learned from corrections: four opinions, weighed by how well each did on unseen ones.

The opinions are zero-shot, logistic regression on sentence vectors, logistic regression on words
and the nearest corrected tickets. Each is asked about corrections it was not fitted on (out of
fold); weights, and thereby calibration, are fitted on those answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triagedesk.classify.lexical import Lexical
from triagedesk.classify.logistic import (
    Logistic,
    Sparse,
    fit,
    log_softmax,
    minimise,
)

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

#: Weights of zero-shot, vectors, words, neighbours and class frequency before anything is learned
#: about them, with some corrections per class; and with next to none.
PRIOR = np.array([0.3, 1.2, 0.4, 0.3, 0.1], np.float32)
COLD = np.array([0.8, 0.1, 0.1, 0.6, 0.02], np.float32)
#: How many corrections' worth of evidence the prior weights are.
PRIOR_STRENGTH = 5.0
#: Corrections per class from which PRIOR holds, and from which fitted weights are trusted fully.
WARM, TRUSTED = 1.0, 6.0
#: Inverse penalties: vectors (the looser one when there is little), words.
VECTOR_STRENGTHS, WORD_STRENGTH = (3.0, 30.0), 20.0
VECTOR_STEPS, WORD_STEPS = 60, 30
#: Corrections per class from which both penalties are tried.
ENOUGH_TO_CHOOSE = 8
NEIGHBOURS, NEIGHBOUR_STEEPNESS, NEIGHBOUR_FLOOR = 10, 20.0, 0.02
#: Weights of quick vectors and words in the first look, before anything is learned about them.
QUICK_PRIOR = np.array([1.2, 0.4], np.float32)
#: How often the first look must agree with the whole stack, measured on at least so many.
AGREEMENT, ENOUGH_AGREED = 0.995, 100
#: Up to so many rows words are fitted in compact form, with so many features at most.
COMPACT_UP_TO, COMPACT_FEATURES = 2_500, 800
#: Up to so many corrections five folds, then three.
FEW = 3_000


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """Corrected tickets and the catalog's own words, ready to learn from."""

    #: Unit vectors of the tickets, and their texts.
    vectors: Floats
    texts: Sequence[str]
    #: The vectors of the quick encoders alone.
    quick_vectors: Floats
    #: Zero-shot logits, one column a class.
    zero_shot: Floats
    #: Class of each ticket.
    classes: Ints
    #: Catalog rows used as extra examples: vectors, texts, classes.
    catalog_vectors: Floats
    catalog_quick_vectors: Floats
    catalog_texts: Sequence[str]
    catalog_classes: Ints


class Stack:
    """The fitted opinions and their weights."""

    def __init__(self, lessons: Lessons) -> None:
        self.classes = lessons.zero_shot.shape[1]
        y = lessons.classes
        self._all_y = np.concatenate([y, lessons.catalog_classes])
        self._vectors = np.vstack([lessons.vectors, lessons.catalog_vectors])
        counts = np.bincount(y, minlength=self.classes)
        self._frequency = np.log((counts + 1) / (len(y) + self.classes)).astype(np.float32)
        folds = _folds(y, 5 if len(y) < FEW else 3)
        vectors_out = self._fit_vectors(lessons, folds)
        words_out = self._fit_words(lessons, folds)
        neighbours_out = self._neighbours(lessons.vectors, leave_out=True)
        opinions = self._opinions(lessons.zero_shot, vectors_out, words_out, neighbours_out)
        self.weights = self._weigh(opinions, y)
        #: Log probabilities of each correction's classes by models that had not seen it.
        self.out_of_fold = log_softmax(opinions @ self.weights)
        self._fit_first_look(lessons, folds, words_out)

    def first_look(self, quick_vectors: Floats, texts: Sequence[str]) -> Floats:
        """Log probabilities from the quick vectors and words alone."""
        parts = [self._by_quick(quick_vectors), self._by_words(self._lexical(texts))]
        return log_softmax(np.stack(parts, axis=-1) @ self._quick_weights)

    def __call__(self, vectors: Floats, texts: Sequence[str], zero_shot: Floats) -> Floats:
        """Log probabilities, one row a ticket, one column a class."""
        opinions = self._opinions(
            zero_shot,
            self._by_vectors(vectors),
            self._by_words(self._lexical(texts)),
            self._neighbours(vectors),
        )
        return log_softmax(opinions @ self.weights)

    def _opinions(self, *parts: Floats) -> Floats:
        frequency = np.broadcast_to(self._frequency, parts[0].shape)
        return np.stack([*parts, frequency], axis=-1).astype(np.float32)

    def _fit_vectors(self, lessons: Lessons, folds: Ints) -> Floats:
        """Fit with the penalty that does best out of fold; return those answers."""
        per_class = len(folds) / self.classes
        strengths = VECTOR_STRENGTHS if per_class >= ENOUGH_TO_CHOOSE else VECTOR_STRENGTHS[-1:]
        tried: list[tuple[float, float, Floats]] = []
        for strength in strengths:
            out = np.zeros((len(folds), self.classes), np.float32)
            for fold in range(int(folds.max()) + 1):
                seen = np.concatenate([folds != fold, np.ones(len(lessons.catalog_classes), bool)])
                model = self._dense(self._vectors[seen], self._all_y[seen], strength)
                out[folds == fold] = model(lessons.vectors[folds == fold])
            scaled = log_softmax(out * _temperature(out, lessons.classes))
            loss = -float(scaled[np.arange(len(folds)), lessons.classes].mean())
            tried.append((loss, strength, out))
        _, strength, out = min(tried, key=lambda attempt: attempt[:2])
        self._by_vectors = self._dense(self._vectors, self._all_y, strength)
        return out

    def _fit_first_look(self, lessons: Lessons, folds: Ints, words_out: Floats) -> None:
        """Fit the first look, and the confidence from which it says what the whole stack says."""
        x = np.vstack([lessons.quick_vectors, lessons.catalog_quick_vectors])
        catalog = np.ones(len(lessons.catalog_classes), bool)
        out = np.zeros((len(folds), self.classes), np.float32)
        for fold in range(int(folds.max()) + 1):
            seen = np.concatenate([folds != fold, catalog])
            model = self._dense(x[seen], self._all_y[seen], VECTOR_STRENGTHS[-1])
            out[folds == fold] = model(lessons.quick_vectors[folds == fold])
        self._by_quick = self._dense(x, self._all_y, VECTOR_STRENGTHS[-1])
        opinions = np.stack([out, words_out], axis=-1)
        self._quick_weights = _fit_weights(opinions, lessons.classes, QUICK_PRIOR)
        chances = np.exp(log_softmax(opinions @ self._quick_weights))
        same = chances.argmax(axis=1) == self.out_of_fold.argmax(axis=1)
        #: Confidence from which the first look suffices; above 1 when it never does.
        self.first_look_suffices = _sure(chances.max(axis=1), same)

    def _dense(self, x: Floats, y: Ints, strength: float) -> Logistic:
        return fit(x, y, self.classes, strength=strength, steps=VECTOR_STEPS)

    def _fit_words(self, lessons: Lessons, folds: Ints) -> Floats:
        self._lexical = Lexical([*lessons.texts, *lessons.catalog_texts])
        matrix = self._lexical.matrix
        dense, back = _compact(matrix) if matrix.shape[0] <= COMPACT_UP_TO else (None, None)
        out = np.zeros((len(folds), self.classes), np.float32)
        catalog = np.ones(len(lessons.catalog_classes), bool)
        for fold in range(int(folds.max()) + 1):
            seen = np.concatenate([folds != fold, catalog])
            asked = np.concatenate([folds == fold, ~catalog])
            if dense is None:
                out[folds == fold] = self._words(matrix.take(seen), seen)(matrix.take(asked))
            else:
                out[folds == fold] = self._words(dense[seen], seen)(dense[asked])
        every = np.ones(len(self._all_y), bool)
        self._by_words = self._words(matrix if dense is None else dense, every)
        if back is not None:
            # From the compact features back to words, so that new texts need no detour.
            weights = matrix.transposed @ (back @ self._by_words.weights)
            self._by_words = Logistic(weights=weights, bias=self._by_words.bias)
        return out

    def _words(self, x: Floats | Sparse, rows: NDArray[np.bool_]) -> Logistic:
        y = self._all_y[rows]
        return fit(x, y, self.classes, strength=WORD_STRENGTH, steps=WORD_STEPS)

    def _neighbours(self, queries: Floats, *, leave_out: bool = False) -> Floats:
        """Log shares of the classes among the nearest corrections, by nearness."""
        out = np.zeros((len(queries), self.classes), np.float32)
        most = min(NEIGHBOURS, len(self._all_y) - leave_out)
        for start in range(0, len(queries), 512):
            near = queries[start : start + 512] @ self._vectors.T
            rows = np.arange(len(near))
            if leave_out:
                near[rows, start + rows] = -9
            nearest = np.argpartition(-near, most - 1, axis=1)[:, :most]
            weight = np.exp(NEIGHBOUR_STEEPNESS * (np.take_along_axis(near, nearest, 1) - 1))
            np.add.at(
                out[start : start + 512],
                (np.repeat(rows, most), self._all_y[nearest].ravel()),
                weight.ravel(),
            )
        return np.asarray(
            np.log(out / (out.sum(axis=1, keepdims=True) + 1e-9) + NEIGHBOUR_FLOOR), np.float32
        )

    def _weigh(self, opinions: Floats, y: Ints) -> Floats:
        """Weights of the opinions by likelihood, held to the prior the fewer there are."""
        per_class = len(y) / self.classes
        warmth = min(1.0, per_class / WARM)
        prior = np.exp((1 - warmth) * np.log(COLD) + warmth * np.log(PRIOR)).astype(np.float32)
        fitted = _fit_weights(opinions, y, prior)
        trust = min(1.0, per_class / TRUSTED)
        mixed = trust * np.log(fitted) + (1 - trust) * np.log(prior)
        return np.asarray(np.exp(mixed), np.float32)


def _fit_weights(opinions: Floats, y: Ints, prior: Floats) -> Floats:
    """Positive weights by conditional likelihood, with a Gaussian prior on their logarithm."""
    rows = np.arange(len(y))
    centre = np.log(prior)

    def objective(logs: Floats) -> tuple[float, Floats]:
        weights = np.exp(logs)
        chances = log_softmax(opinions @ weights)
        away = logs - centre
        loss = -float(chances[rows, y].sum()) + 0.5 * PRIOR_STRENGTH * float(away @ away)
        expected = np.einsum("nl,nlk->k", np.exp(chances), opinions)
        gradient = (expected - opinions[rows, y].sum(axis=0)) * weights + PRIOR_STRENGTH * away
        return loss, gradient.astype(np.float32)

    found = minimise(objective, centre.astype(np.float32), 60)
    return np.asarray(np.exp(np.clip(found, -9.0, 3.0)), np.float32)


def _compact(matrix: Sparse) -> tuple[Floats, Floats]:
    """Sparse rows as dense ones with (nearly) the same dot products, and the way back.

    Penalised regression depends on dot products alone, so that it may be fitted on the leading
    eigenvectors of their matrix: the same model, many times faster while rows are few.
    """
    size = matrix.shape[0]
    products = np.zeros((size, size), np.float32)
    step = max(1, 20_000_000 // max(1, matrix.shape[1]))
    for start in range(0, size, step):
        keep = np.zeros(size, bool)
        keep[start : start + step] = True
        part = matrix.take(keep)
        dense = np.zeros((matrix.shape[1], part.shape[0]), np.float32)
        dense[part.columns, part.rows] = part.values
        products[:, start : start + step] = matrix @ dense
    values, vectors = np.linalg.eigh(products)
    kept = slice(max(0, size - COMPACT_FEATURES), size)
    roots = np.sqrt(np.maximum(values[kept], 1e-6)).astype(np.float32)
    leading = vectors[:, kept].astype(np.float32)
    return leading * roots, leading / roots


def _sure(confidence: Floats, same: NDArray[np.bool_]) -> float:
    order = np.argsort(-confidence, kind="stable")
    agreement = np.cumsum(same[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(agreement >= AGREEMENT)
    if len(good) == 0 or good[-1] + 1 < ENOUGH_AGREED:
        return 2.0
    return float(confidence[order[good[-1]]])


def _temperature(logs: Floats, y: Ints) -> np.float32:
    weight = _fit_weights(logs[:, :, None], y, np.ones(1, np.float32))
    return np.float32(weight[0])


def _folds(y: Ints, folds: int) -> Ints:
    """Fold of each row, each class spread evenly; the same rows give the same folds."""
    random = np.random.default_rng(0)
    out = np.zeros(len(y), np.int64)
    for kind in np.unique(y):
        rows = random.permutation(np.flatnonzero(y == kind))
        out[rows] = (np.arange(len(rows)) + int(random.integers(folds))) % folds
    # Fold numbers without gaps, so that no fold is empty.
    return np.asarray(np.unique(out, return_inverse=True)[1], np.int64)
