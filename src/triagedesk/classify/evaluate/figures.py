"""Figures out of outcomes: pure functions over numbers, each with its source."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triagedesk.catalog import Label
from triagedesk.classify import Usage
from triagedesk.classify.evaluate import Evaluation, Outcome, labels_in_use

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: The two-sided 95 % point of the normal distribution.
Z95 = 1.959963984540054
#: Bins of the calibration error.
BINS = 15
#: Points kept of a coverage-precision curve.
CURVE_POINTS = 101
#: Precisions for which the coverage in hindsight is given.
TARGETS = (0.90, 0.95, 0.98, 0.99)


@dataclass(frozen=True, kw_only=True)
class Share:
    """`count` of `total`, with its 95 % interval."""

    count: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share itself, 0-1; 0 of nothing."""
        return self.count / self.total if self.total else 0.0


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """How one label fares."""

    label: Label
    #: Tickets that truly have it.
    support: int
    #: Tickets it was answered for.
    answered: int
    right: int

    @property
    def precision(self) -> float:
        """Right among those answered so; 0 when it never was (as scikit-learn)."""
        return self.right / self.answered if self.answered else 0.0

    @property
    def recall(self) -> float:
        """Found among those that truly have it; 0 when none has."""
        return self.right / self.support if self.support else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall: 2tp / (support + answered)."""
        both = self.support + self.answered
        return 2 * self.right / both if both else 0.0


@dataclass(frozen=True, kw_only=True)
class Confused:
    """A true label and what was answered in its place."""

    truth: Label
    #: None: nothing was answered.
    answer: Label | None
    count: int
    #: Of the tickets that truly have the label, 0-1.
    share: float


@dataclass(frozen=True, kw_only=True)
class CoveragePoint:
    """Had everything at least this confident been decided without a person."""

    threshold: float
    #: Share of all tickets.
    coverage: float
    #: Share right among these.
    precision: float


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Tickets of about the same confidence."""

    count: int
    #: Mean confidence.
    confidence: float
    #: Share right.
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What language-model calls cost, and what asking it everything would."""

    usage: Usage
    #: Tickets handed to the language model, of how many.
    asked: int
    total: int
    #: Per million tokens, in whatever currency; None: not given.
    price_in: float | None = None
    price_out: float | None = None

    @property
    def tokens_per_1000(self) -> tuple[float, float]:
        """Input and output tokens per 1,000 tickets."""
        return self._tokens(self.total)

    @property
    def llm_only_tokens_per_1000(self) -> tuple[float, float] | None:
        """The same, had every ticket been asked about: those asked, scaled up; None: none was."""
        return self._tokens(self.asked) if self.asked else None

    @property
    def per_1000(self) -> float | None:
        """Money per 1,000 tickets; None without prices."""
        return self._money(self.tokens_per_1000)

    @property
    def llm_only_per_1000(self) -> float | None:
        """Money per 1,000 tickets had every ticket been asked about; None when not known."""
        tokens = self.llm_only_tokens_per_1000
        return self._money(tokens) if tokens else None

    @property
    def saved(self) -> float | None:
        """Share of the language model's cost that the cascade saves, 0-1; None: not known.

        Each ticket asked costs the same on average, so it is the share not asked.
        """
        return 1 - self.asked / self.total if self.asked and self.total else None

    def _tokens(self, tickets: int) -> tuple[float, float]:
        scale = 1000 / tickets if tickets else 0.0
        return self.usage.input_tokens * scale, self.usage.output_tokens * scale

    def _money(self, tokens: tuple[float, float]) -> float | None:
        if self.price_in is None or self.price_out is None:
            return None
        return (tokens[0] * self.price_in + tokens[1] * self.price_out) / 1e6


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Everything counted from one evaluation."""

    accuracy: Share
    macro_f1: float
    classes: tuple[ClassFigures, ...]
    #: Most frequent first.
    confused: tuple[Confused, ...]
    coverage: tuple[CoveragePoint, ...]
    #: Target precision -> the largest coverage that kept it, in hindsight; 0 when none did.
    hindsight: tuple[tuple[float, float], ...]
    #: Decided without a person, of all.
    alone: Share
    #: Right among those decided without a person.
    alone_right: Share
    #: Expected calibration error, 0-1.
    ece: float
    bins: tuple[Bin, ...]
    #: Tickets a second; None when no time was taken.
    throughput: float | None


def figures_of(evaluation: Evaluation) -> Figures:
    """All figures of an evaluation."""
    outcomes = evaluation.outcomes
    answered = [outcome for outcome in outcomes if outcome.answer is not None]
    confidence = np.array([outcome.confidence for outcome in answered], np.float64)
    right = np.array([outcome.right for outcome in answered], bool)
    curve = coverage_curve(confidence, right, total=len(outcomes))
    bins = reliability(confidence, right)
    alone = [outcome for outcome in outcomes if outcome.alone]
    classes = per_class(outcomes)
    return Figures(
        accuracy=share(sum(outcome.right for outcome in outcomes), len(outcomes)),
        macro_f1=macro_f1(classes),
        classes=classes,
        confused=confused_pairs(outcomes),
        coverage=thinned(curve),
        hindsight=tuple((target, coverage_at(curve, target)) for target in TARGETS),
        alone=share(len(alone), len(outcomes)),
        alone_right=share(sum(outcome.right for outcome in alone), len(alone)),
        ece=calibration_error(bins),
        bins=bins,
        throughput=len(outcomes) / evaluation.seconds if evaluation.seconds > 0 else None,
    )


def share(count: int, total: int) -> Share:
    """A share with its Wilson interval."""
    low, high = wilson(count, total)
    return Share(count=count, total=total, low=low, high=high)


def wilson(count: int, total: int, z: float = Z95) -> tuple[float, float]:
    """The score interval of a share (E. B. Wilson, JASA 22, 1927); 0 to 1 for nothing."""
    if total == 0:
        return 0.0, 1.0
    p, zz = count / total, z * z / total
    middle = (p + zz / 2) / (1 + zz)
    half = z / (1 + zz) * math.sqrt(p * (1 - p) / total + zz / (4 * total))
    # At the ends the formula gives exactly p; rounding must not push it past.
    return max(0.0, min(middle - half, p)), min(1.0, max(middle + half, p))


def per_class(outcomes: Sequence[Outcome]) -> tuple[ClassFigures, ...]:
    """Figures of every label that is true or was answered, in name order."""
    support: dict[Label, int] = {}
    answered: dict[Label, int] = {}
    right: dict[Label, int] = {}
    for outcome in outcomes:
        support[outcome.truth] = support.get(outcome.truth, 0) + 1
        if outcome.answer is not None:
            answered[outcome.answer] = answered.get(outcome.answer, 0) + 1
        if outcome.right:
            right[outcome.truth] = right.get(outcome.truth, 0) + 1
    return tuple(
        ClassFigures(
            label=label,
            support=support.get(label, 0),
            answered=answered.get(label, 0),
            right=right.get(label, 0),
        )
        for label in labels_in_use(outcomes)
    )


def macro_f1(classes: Sequence[ClassFigures]) -> float:
    """Mean F1 over labels that are true or were answered, each counting the same.

    As scikit-learn's `f1_score(average="macro")`; an answer of nothing is no label of its own.
    """
    return sum(figures.f1 for figures in classes) / len(classes) if classes else 0.0


def confused_pairs(outcomes: Sequence[Outcome]) -> tuple[Confused, ...]:
    """Every true label with what was answered instead, most frequent first, then by name."""
    counts: dict[tuple[Label, Label | None], int] = {}
    support: dict[Label, int] = {}
    for outcome in outcomes:
        support[outcome.truth] = support.get(outcome.truth, 0) + 1
        if not outcome.right:
            pair = (outcome.truth, outcome.answer)
            counts[pair] = counts.get(pair, 0) + 1
    ranked = sorted(counts.items(), key=lambda kv: (-kv[1], kv[0][0], kv[0][1] or ("", "")))
    return tuple(
        Confused(truth=truth, answer=answer, count=count, share=count / support[truth])
        for (truth, answer), count in ranked
    )


def confusion_matrix(outcomes: Sequence[Outcome], labels: Sequence[Label]) -> NDArray[np.int64]:
    """Counts by true label (rows) and answer (columns); the last column is "nothing"."""
    index = {label: i for i, label in enumerate(labels)}
    matrix = np.zeros((len(labels), len(labels) + 1), np.int64)
    for outcome in outcomes:
        column = len(labels) if outcome.answer is None else index[outcome.answer]
        matrix[index[outcome.truth], column] += 1
    return matrix


def coverage_curve(confidence: Floats, right: Flags, *, total: int) -> tuple[CoveragePoint, ...]:
    """Coverage and precision at each confidence as the threshold, highest first.

    The risk-coverage curve of El-Yaniv and Wiener (JMLR 11, 2010), with precision = 1 - risk.
    Tickets of one confidence are taken or left together. `total` counts those without an answer.
    """
    if len(confidence) == 0:
        return ()
    order = np.argsort(-confidence, kind="stable")
    ranked, hits = confidence[order], np.cumsum(right[order])
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    return tuple(
        CoveragePoint(
            threshold=float(ranked[i]),
            coverage=float(i + 1) / total,
            precision=float(hits[i]) / float(i + 1),
        )
        for i in last
    )


def thinned(
    curve: Sequence[CoveragePoint], points: int = CURVE_POINTS
) -> tuple[CoveragePoint, ...]:
    """At most about `points` of a curve, even in coverage; first and last stay."""
    if len(curve) <= points:
        return tuple(curve)
    kept: dict[int, CoveragePoint] = {}
    for point in curve:
        # The last point of each slice stands for it.
        kept[math.ceil(point.coverage * (points - 1))] = point
    return tuple(dict.fromkeys([curve[0], *kept.values()]))


def coverage_at(curve: Sequence[CoveragePoint], precision: float) -> float:
    """The largest coverage with at least that precision; 0 when there is none."""
    return max((point.coverage for point in curve if point.precision >= precision), default=0.0)


def reliability(confidence: Floats, right: Flags, bins: int = BINS) -> tuple[Bin, ...]:
    """Confidence against accuracy in up to `bins` bins of about equal mass, least confident first.

    Equal mass as in Nixon et al., "Measuring Calibration in Deep Learning" (2019). Tickets of one
    confidence stay together, since an order among them would be arbitrary; so bins may be fewer.
    """
    if len(confidence) == 0:
        return ()
    _, which, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    bin_of_value = np.minimum((middle * bins / len(confidence)).astype(np.int64), bins - 1)
    bin_of = bin_of_value[which.reshape(-1)]
    return tuple(
        Bin(
            count=int((bin_of == b).sum()),
            confidence=float(confidence[bin_of == b].mean()),
            accuracy=float(right[bin_of == b].mean()),
        )
        for b in np.unique(bin_of)
    )


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: mean gap of accuracy and confidence over bins, by mass.

    Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities" (AAAI 2015).
    """
    total = sum(b.count for b in bins)
    return sum(b.count * abs(b.accuracy - b.confidence) for b in bins) / total if total else 0.0


def promise_kept(alone_right: Share, promised: float) -> str:
    """What the tickets decided without a person say about the promise, in words."""
    if not alone_right.total:
        return "nothing was decided without a person"
    if alone_right.value >= promised:
        return "kept"
    if alone_right.high >= promised:
        return "below it, by no more than chance explains"
    return "broken"
