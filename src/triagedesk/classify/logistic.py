"""Multinomial logistic regression in numpy, over dense vectors and over sparse n-grams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triagedesk.classify.sparse import Mixed, Sparse

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

#: Pairs of steps L-BFGS remembers.
_MEMORY = 6
_LINE_SEARCH_STEPS = 12


def log_softmax(logits: Floats) -> Floats:
    """Rows as log probabilities."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), np.float32)


def minimise(
    objective: Callable[[Floats], tuple[float, Floats]], start: Floats, steps: int
) -> Floats:
    """L-BFGS (Nocedal and Wright, algorithm 7.4) with backtracking; deterministic."""
    x, (value, gradient) = start, objective(start)
    first = float(np.linalg.norm(gradient)) + 1e-12
    moves: list[tuple[Floats, Floats]] = []
    for _ in range(steps):
        direction = _two_loops(gradient, moves)
        slope = float(gradient @ direction)
        if slope >= 0:
            direction, slope, moves = -gradient, -float(gradient @ gradient), []
        length = 1.0 if moves else min(1.0, 1.0 / first)
        for _ in range(_LINE_SEARCH_STEPS):
            candidate = x + np.float32(length) * direction
            new_value, new_gradient = objective(candidate)
            if new_value <= value + 1e-4 * length * slope:
                break
            length /= 2
        move, change = candidate - x, new_gradient - gradient
        if float(move @ change) > 1e-10:  # noqa: PLR2004 (curvature worth remembering)
            moves = [*moves, (move, change)][-_MEMORY:]
        gain = value - new_value
        x, value, gradient = candidate, new_value, new_gradient
        if abs(gain) < 1e-6 * max(1.0, abs(value)) or np.linalg.norm(gradient) < 1e-4 * first:
            break
    return x


def _two_loops(gradient: Floats, moves: list[tuple[Floats, Floats]]) -> Floats:
    direction = -gradient
    factors = []
    for move, change in reversed(moves):
        factor = float(move @ direction) / float(change @ move)
        factors.append(factor)
        direction = direction - np.float32(factor) * change
    if moves:
        move, change = moves[-1]
        direction = direction * np.float32(float(move @ change) / float(change @ change))
    for (move, change), factor in zip(moves, reversed(factors), strict=True):
        back = float(change @ direction) / float(change @ move)
        direction = direction + np.float32(factor - back) * move
    return np.asarray(direction, np.float32)


@dataclass(frozen=True, kw_only=True)
class Logistic:
    """A fitted model: log probabilities of the classes."""

    #: Features x classes.
    weights: Floats
    bias: Floats

    def __call__(self, x: Floats | Sparse | Mixed) -> Floats:
        """Log probabilities, one row a row of `x`."""
        return log_softmax(np.asarray(x @ self.weights, np.float32) + self.bias)


def fit(
    x: Floats | Sparse,
    y: Ints,
    classes: int,
    *,
    strength: float,
    steps: int,
    start: Logistic | None = None,
) -> Logistic:
    """Fit with an L2 penalty of 1/strength on the weights; every row counts the same.

    `start` is where to set out from: a model of nearly the same rows saves most of the steps.
    """
    features = x.shape[1]
    matrix = x if isinstance(x, np.ndarray) else Mixed(x)
    rows = np.arange(len(y))
    penalty = np.float32(1 / strength)

    def objective(flat: Floats) -> tuple[float, Floats]:
        table = flat.reshape(features + 1, classes)
        logs = log_softmax(np.asarray(matrix @ table[:-1], np.float32) + table[-1])
        loss = -float(logs[rows, y].sum())
        errors = np.exp(logs)
        errors[rows, y] -= 1
        gradient = np.empty_like(table)
        if isinstance(matrix, Mixed):
            gradient[:-1] = matrix.transposed_times(errors)
        else:
            gradient[:-1] = matrix.T @ errors
        gradient[:-1] += penalty * table[:-1]
        gradient[-1] = errors.sum(axis=0)
        loss += 0.5 * float(penalty) * float((table[:-1] ** 2).sum())
        return loss, gradient.ravel()

    table = np.zeros((features + 1, classes), np.float32)
    if start is not None:
        table[:-1], table[-1] = start.weights, start.bias
    table = minimise(objective, table.ravel(), steps).reshape(features + 1, classes)
    return Logistic(weights=table[:-1].copy(), bias=table[-1].copy())
