"""Figures in words, the same on the terminal and on the page."""

from __future__ import annotations

from collections.abc import Iterator

from triagedesk.catalog import Label
from triagedesk.classify.evaluate import Evaluation
from triagedesk.classify.evaluate.compare import Comparison
from triagedesk.classify.evaluate.figures import Cost, Figures, Share, promise_kept

#: A p below this counts as no chance finding.
SIGNIFICANT = 0.05
_TINY_P = 0.001


def headline(evaluation: Evaluation, figures: Figures, cost: Cost) -> Iterator[tuple[str, str]]:
    """The main figures of an evaluation, name and words."""
    yield "Tickets", f"{len(evaluation.outcomes):,}"
    yield "Learnt from", _learnt(evaluation)
    yield "Accuracy", share_words(figures.accuracy)
    yield "Macro-F1", percent(figures.macro_f1)
    yield "Decided without a person", share_words(figures.alone)
    yield "Right among these", promise_words(figures, evaluation.promised)
    yield "Calibration error (ECE)", percent(figures.ece)
    yield "Coverage in hindsight", hindsight_words(figures)
    if evaluation.curve:
        yield "Learning curve", curve_words(evaluation)
    if figures.throughput:
        yield "Throughput", f"{figures.throughput:,.0f} tickets/s"
    yield "Language model", cost_words(cost)


def share_words(share: Share) -> str:
    """`84.0% (95%: 81.2–86.5; 840 of 1,000)`."""
    if not share.total:
        return "none"
    between = f"{100 * share.low:.1f}–{100 * share.high:.1f}"
    return f"{percent(share.value)} (95%: {between}; {share.count:,} of {share.total:,})"


def promise_words(figures: Figures, promised: float) -> str:
    """The precision of what was decided alone, against the promise."""
    kept = promise_kept(figures.alone_right, promised)
    if not figures.alone_right.total:
        return kept
    return f"{share_words(figures.alone_right)}; promised {percent(promised)}: {kept}"


def hindsight_words(figures: Figures) -> str:
    """`62.0% at 95%, …`: the coverage a threshold chosen on these very tickets would have had."""
    return ", ".join(f"{percent(c)} at {target:.0%}" for target, c in figures.hindsight)


def curve_words(evaluation: Evaluation) -> str:
    """`0: 41%, 100: 59%, …`."""
    return ", ".join(f"{p.corrections:,}: {100 * p.right / p.total:.0f}%" for p in evaluation.curve)


def cost_words(cost: Cost) -> str:
    """Calls, tokens and money per 1,000 tickets, and what the cascade saves."""
    if not cost.asked:
        return "not asked, costs nothing"
    if not cost.usage.input_tokens + cost.usage.output_tokens:
        return f"asked about {cost.asked:,} of {cost.total:,} tickets; no tokens reported"
    tokens = "{:,.0f} tokens in and {:,.0f} out".format(*cost.tokens_per_1000)
    said = [f"asked about {cost.asked:,} of {cost.total:,} tickets in {cost.usage.calls:,} calls"]
    per_1000 = f"{cost.per_1000:.4g} ({tokens})" if cost.per_1000 is not None else tokens
    said.append(f"{per_1000} per 1,000 tickets")
    if cost.saved and cost.llm_only_tokens_per_1000:
        only = "{:,.0f} tokens in and {:,.0f} out".format(*cost.llm_only_tokens_per_1000)
        if cost.llm_only_per_1000 is not None:
            only = f"{cost.llm_only_per_1000:.4g} ({only})"
        said.append(f"saves {percent(cost.saved)} of about {only} for asking about every ticket")
    return "; ".join(said)


def verdict(comparison: Comparison) -> str:
    """What the paired test on accuracy says, in a sentence or two."""
    right = comparison.paired[0]
    first, second = comparison.first.policy, comparison.second.policy
    if first == second:
        first, second = "the first", "the second"
    counts = (
        f"only {first} was right on {right.only_first:,}, only {second} on {right.only_second:,} "
        f"of {right.total:,} tickets"
    )
    left_out = (
        f" {comparison.left_out:,} tickets that only one of them has are left out."
        if comparison.left_out
        else ""
    )
    if right.only_first == right.only_second:
        return f"No difference in accuracy: {counts}.{left_out}"
    better = second if right.difference > 0 else first
    p = f"McNemar's exact test: p {p_words(right.p_value, sign=True)}"
    if right.p_value < SIGNIFICANT:
        return f"{better} is more accurate: {counts} ({p}).{left_out}"
    return f"The difference in accuracy may be chance: {counts} ({p}).{left_out}"


def label_name(label: Label | None) -> str:
    """A label as people read it; a flat catalog's has no category."""
    if label is None:
        return "nothing"
    return str(label) if label.request_category else label.request_type


def percent(value: float) -> str:
    """`84.3%`."""
    return f"{100 * value:.1f}%"


def points(value: float) -> str:
    """`+1.2`: percentage points, signed."""
    return f"{100 * value:+.1f}"


def p_words(value: float, *, sign: bool = False) -> str:
    """A p-value to the digits that matter."""
    if value < _TINY_P:
        return f"< {_TINY_P}"
    return f"{'= ' if sign else ''}{value:.3f}"


def _learnt(evaluation: Evaluation) -> str:
    if not evaluation.folds:
        return "nothing (zero-shot)"
    return f"the other tickets, cross-fitted in {evaluation.folds} folds (seed {evaluation.seed})"
