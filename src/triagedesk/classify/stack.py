"""What is learned from corrections: opinions, weighed by how well each did on unseen ones.

The opinions are zero-shot, logistic regression on sentence vectors, logistic regression on words,
the nearest corrected tickets and how frequent a class is. The regressions are fitted now and then
(`fitting`); the nearest tickets and the frequencies are always those of now.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from triagedesk.classify.fitting import Fitted, class_frequency, stacked, weighed
from triagedesk.classify.logistic import log_softmax
from triagedesk.classify.nearest import neighbours

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Stack:
    """The opinions over the corrections that stand now."""

    def __init__(self, fitted: Fitted, vectors: Floats, y: Ints, corrections: int) -> None:
        """`vectors` and classes `y` of the corrections, so many, then of the catalog's rows."""
        self._fitted, self._vectors, self._y = fitted, vectors, y
        self._classes = len(fitted.by_vectors.bias)
        self._frequency = class_frequency(y[:corrections], self._classes)
        #: Confidence from which the first look suffices; above 1 when it never does.
        self.first_look_suffices = fitted.first_look_suffices

    def first_look(self, quick_vectors: Floats, texts: Sequence[str]) -> Floats:
        """Log probabilities from the quick vectors and words alone."""
        fitted = self._fitted
        parts = [fitted.by_quick(quick_vectors), fitted.by_words(fitted.lexical(texts))]
        return log_softmax(weighed(np.stack(parts, axis=-1), fitted.quick_weights))

    def __call__(self, vectors: Floats, texts: Sequence[str], zero_shot: Floats) -> Floats:
        """Log probabilities, one row a ticket, one column a class."""
        fitted = self._fitted
        opinions = stacked(
            zero_shot,
            fitted.by_vectors(vectors),
            fitted.by_words(fitted.lexical(texts)),
            neighbours(vectors, self._vectors, self._y, self._classes),
            frequency=self._frequency,
        )
        return log_softmax(weighed(opinions, fitted.weights))
