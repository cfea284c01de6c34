"""Fitting the opinions that corrections teach, and how much each is worth.

Each opinion is asked about corrections it was not fitted on (out of fold); weights, and thereby
calibration, are fitted on those answers. The same lessons give the same model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triagedesk.classify.lexical import Lexical
from triagedesk.classify.logistic import Logistic, fit, log_softmax, minimise
from triagedesk.classify.nearest import familiarity, nearness, neighbours
from triagedesk.classify.sparse import Sparse

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Marks = NDArray[np.bool_]

#: Changes whenever the same corrections may give another model.
FIT_VERSION = "5"
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
#: Weights of quick vectors and words in the first look, before anything is learned about them.
QUICK_PRIOR = np.array([1.2, 0.4], np.float32)
#: Disagreements of the first look with the whole stack that are borne: a share of few answers
#: measured, of many a share and one more. Measured on at least so many.
BORNE_OF_FEW, BORNE, ENOUGH_AGREED = 0.005, 0.001, 100
#: Up to so many rows words are fitted in compact form, with so many features at most.
COMPACT_UP_TO, COMPACT_FEATURES = 2_500, 800
#: Up to so many corrections each is asked out of fold; beyond, a quarter of them are enough.
FEW, FOLDS, LEFT_OUT = 3_000, 5, 4


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


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What was learned, as plain arrays: it can be put aside and taken up again unchanged."""

    by_vectors: Logistic
    by_words: Logistic
    #: By the quick encoders' vectors alone.
    by_quick: Logistic
    lexical: Lexical
    #: Of zero-shot, vectors, words, neighbours and class frequency.
    weights: Floats
    #: Of quick vectors and words in the first look.
    quick_weights: Floats
    #: Confidence from which the first look suffices; above 1 when it never does.
    first_look_suffices: float
    #: Corrections asked out of fold: the confidence of the answer, and whether it was right.
    confidence: Floats
    right: Marks
    #: How familiar they were (see `familiarity`), by all vectors and by the quick ones alone.
    familiar: Floats
    quick_familiar: Floats
    #: How often nearly identical corrections say the same.
    agreement: float = 0.95

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything there is to keep, by name."""
        models = {"vectors": self.by_vectors, "words": self.by_words, "quick": self.by_quick}
        kept = {f"{name}.weights": model.weights for name, model in models.items()}
        return {
            **kept,
            **{f"{name}.bias": model.bias for name, model in models.items()},
            "lexical.kept": self.lexical.kept,
            "lexical.rarity": self.lexical.rarity,
            "weights": self.weights,
            "quick_weights": self.quick_weights,
            "first_look_suffices": np.array(self.first_look_suffices),
            "confidence": self.confidence,
            "right": self.right,
            "familiar": self.familiar,
            "quick_familiar": self.quick_familiar,
            "agreement": np.array(self.agreement),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Fitted:
        """What `arrays` put aside; raises KeyError when something is missing."""

        def model(name: str) -> Logistic:
            return Logistic(weights=arrays[f"{name}.weights"], bias=arrays[f"{name}.bias"])

        return cls(
            by_vectors=model("vectors"),
            by_words=model("words"),
            by_quick=model("quick"),
            lexical=Lexical(arrays["lexical.kept"], arrays["lexical.rarity"]),
            weights=arrays["weights"],
            quick_weights=arrays["quick_weights"],
            first_look_suffices=float(arrays["first_look_suffices"]),
            confidence=arrays["confidence"],
            right=arrays["right"],
            familiar=arrays["familiar"],
            quick_familiar=arrays["quick_familiar"],
            agreement=float(arrays["agreement"]),
        )


@dataclass(frozen=True, kw_only=True)
class _Round:
    """One fit on some corrections, asked about others. The catalog's rows are always seen."""

    seen: Marks
    asked: Marks


def fit_lessons(lessons: Lessons) -> Fitted:
    """Fit every opinion, and what each is worth."""
    return _Fitting(lessons).result()


class _Fitting:
    """The lessons, and what all fits of them share."""

    def __init__(self, lessons: Lessons) -> None:
        self._lessons = lessons
        self._y = lessons.classes
        self._classes = lessons.zero_shot.shape[1]
        self._all_y = np.concatenate([lessons.classes, lessons.catalog_classes])
        self._rounds = _rounds(lessons.classes)
        #: Corrections that are asked out of fold.
        self._asked = np.logical_or.reduce([part.asked for part in self._rounds])

    def result(self) -> Fitted:
        """Fit everything."""
        lessons = self._lessons
        y = self._y[self._asked]
        vectors = np.vstack([lessons.vectors, lessons.catalog_vectors])
        by_vectors, vectors_out = self._fit_vectors(vectors)
        lexical, by_words, words_out = self._fit_words()
        near = neighbours(vectors, vectors, self._all_y, self._classes, np.flatnonzero(self._asked))
        frequency = class_frequency(self._y, self._classes)
        opinions = stacked(
            lessons.zero_shot[self._asked], vectors_out, words_out, near, frequency=frequency
        )
        weights = _weigh(opinions, y, len(self._y) / self._classes)
        chances = np.exp(log_softmax(weighed(opinions, weights)))
        by_quick, quick_weights, suffices, first = self._fit_first_look(words_out, chances)
        return Fitted(
            by_vectors=by_vectors,
            by_words=by_words,
            by_quick=by_quick,
            lexical=lexical,
            weights=weights,
            quick_weights=quick_weights,
            first_look_suffices=suffices,
            confidence=chances.max(axis=1),
            right=chances.argmax(axis=1) == y,
            familiar=self._familiar(lessons.vectors, chances),
            quick_familiar=self._familiar(lessons.quick_vectors, first),
        )

    def _familiar(self, vectors: Floats, chances: Floats) -> Floats:
        """How familiar the corrections asked are to all others."""
        nearest = nearness(vectors, vectors, np.flatnonzero(self._asked))
        return familiarity(nearest, np.log(chances.max(axis=1)))

    def _out_of_fold(
        self, x: Floats, strength: float, starts: Sequence[Logistic | None]
    ) -> tuple[list[Logistic], Floats]:
        """The rounds' models, and their answers about what they had not seen."""
        out = np.zeros((len(self._y), self._classes), np.float32)
        models: list[Logistic] = []
        for part, start in zip(self._rounds, starts, strict=True):
            seen = self._with_catalog(part.seen)
            models.append(self._dense(x[seen], self._all_y[seen], strength, start))
            out[part.asked] = models[-1](x[: len(self._y)][part.asked])
        return models, out[self._asked]

    def _fit_vectors(self, x: Floats) -> tuple[Logistic, Floats]:
        """Fit with the penalty that does best out of fold; those answers too."""
        enough = len(self._y) / self._classes >= ENOUGH_TO_CHOOSE
        tried: list[tuple[float, float, list[Logistic], Floats]] = []
        # A round's model may set out from one with another penalty: both saw the same.
        starts: Sequence[Logistic | None] = [None] * len(self._rounds)
        for strength in VECTOR_STRENGTHS if enough else VECTOR_STRENGTHS[-1:]:
            starts, out = self._out_of_fold(x, strength, starts)
            y = self._y[self._asked]
            scaled = log_softmax(out * _temperature(out, y))
            loss = -float(scaled[np.arange(len(y)), y].mean())
            tried.append((loss, strength, list(starts), out))
        _, strength, models, out = min(tried, key=lambda attempt: attempt[:2])
        return self._dense(x, self._all_y, strength, models[0]), out

    def _fit_first_look(
        self, words_out: Floats, chances: Floats
    ) -> tuple[Logistic, Floats, float, Floats]:
        """The first look's model and weights, when it says what the whole does, and its answers."""
        lessons = self._lessons
        x = np.vstack([lessons.quick_vectors, lessons.catalog_quick_vectors])
        strength = VECTOR_STRENGTHS[-1]
        models, out = self._out_of_fold(x, strength, [None] * len(self._rounds))
        opinions = np.stack([out, words_out], axis=-1)
        weights = _fit_weights(opinions, self._y[self._asked], QUICK_PRIOR)
        first = np.exp(log_softmax(weighed(opinions, weights)))
        same = first.argmax(axis=1) == chances.argmax(axis=1)
        model = self._dense(x, self._all_y, strength, models[0])
        return model, weights, _sure(first.max(axis=1), same), first

    def _dense(self, x: Floats, y: Ints, strength: float, start: Logistic | None) -> Logistic:
        return fit(x, y, self._classes, strength=strength, steps=VECTOR_STEPS, start=start)

    def _fit_words(self) -> tuple[Lexical, Logistic, Floats]:
        lessons = self._lessons
        lexical, matrix = Lexical.fitted([*lessons.texts, *lessons.catalog_texts])
        dense, back = _compact(matrix) if matrix.shape[0] <= COMPACT_UP_TO else (None, None)
        out = np.zeros((len(self._y), self._classes), np.float32)
        start: Logistic | None = None
        for number, part in enumerate(self._rounds):
            seen = self._with_catalog(part.seen)
            asked = np.concatenate([part.asked, np.zeros(len(seen) - len(part.asked), bool)])
            if dense is None:
                model = self._words(matrix.take(seen), seen)
                out[part.asked] = model(matrix.take(asked))
            else:
                model = self._words(dense[seen], seen)
                out[part.asked] = model(dense[asked])
            start = model if number == 0 else start
        every = np.ones(len(self._all_y), bool)
        by_words = self._words(matrix if dense is None else dense, every, start)
        if back is not None:
            # From the compact features back to words, so that new texts need no detour.
            weights = matrix.transposed @ (back @ by_words.weights)
            by_words = Logistic(weights=weights, bias=by_words.bias)
        return lexical, by_words, out[self._asked]

    def _words(self, x: Floats | Sparse, rows: Marks, start: Logistic | None = None) -> Logistic:
        y = self._all_y[rows]
        return fit(x, y, self._classes, strength=WORD_STRENGTH, steps=WORD_STEPS, start=start)

    def _with_catalog(self, rows: Marks) -> Marks:
        return np.concatenate([rows, np.ones(len(self._lessons.catalog_classes), bool)])


def class_frequency(y: Ints, classes: int) -> Floats:
    """Log share of each class among the corrections, with one more imagined for each."""
    counts = np.bincount(y, minlength=classes)
    return np.log((counts + 1) / (len(y) + classes)).astype(np.float32)


def stacked(*parts: Floats, frequency: Floats) -> Floats:
    """The opinions side by side, in the order of their weights."""
    same = np.broadcast_to(frequency, parts[0].shape)
    return np.stack([*parts, same], axis=-1).astype(np.float32)


def weighed(opinions: Floats, weights: Floats) -> Floats:
    """The opinions, along the last axis, as one."""
    # np.dot and not @, which looks at the processor's floating point flags: on rows as short as
    # these it once reported an invalid value where the same numbers are sound every other time, as
    # BLAS makes it do now and then (https://github.com/numpy/numpy/issues/24067).
    flat = opinions.reshape(-1, opinions.shape[-1])
    return np.asarray(np.dot(flat, weights).reshape(opinions.shape[:-1]), np.float32)


def _weigh(opinions: Floats, y: Ints, per_class: float) -> Floats:
    """Weights of the opinions by likelihood, held to the prior the fewer corrections there are.

    Raises FloatingPointError for an opinion that is no number, which none may be.
    """
    if not np.isfinite(opinions).all():
        raise FloatingPointError("an opinion about corrections is no finite number")
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
        chances = log_softmax(weighed(opinions, weights))
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
    counted = np.arange(1, len(order) + 1)
    good = np.flatnonzero(
        np.cumsum(~same[order]) <= np.minimum(BORNE_OF_FEW * counted, 1 + BORNE * counted)
    )
    if len(good) == 0 or good[-1] + 1 < ENOUGH_AGREED:
        return 2.0
    return float(confidence[order[good[-1]]])


def _temperature(logs: Floats, y: Ints) -> np.float32:
    weight = _fit_weights(logs[:, :, None], y, np.ones(1, np.float32))
    return np.float32(weight[0])


def _rounds(y: Ints) -> list[_Round]:
    """Five folds, so that each correction is asked; of many, one part left out and asked."""
    fold = _folds(y, FOLDS if len(y) < FEW else LEFT_OUT)
    asked = range(int(fold.max()) + 1) if len(y) < FEW else range(1)
    return [_Round(seen=fold != number, asked=fold == number) for number in asked]


def _folds(y: Ints, folds: int) -> Ints:
    """Fold of each row, each class spread evenly; the same rows give the same folds."""
    random = np.random.default_rng(0)
    out = np.zeros(len(y), np.int64)
    for kind in np.unique(y):
        rows = random.permutation(np.flatnonzero(y == kind))
        out[rows] = (np.arange(len(rows)) + int(random.integers(folds))) % folds
    # Fold numbers without gaps, so that no fold is empty.
    return np.asarray(np.unique(out, return_inverse=True)[1], np.int64)
