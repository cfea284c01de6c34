"""`triagedesk evaluate`: a labelled file through one policy or two, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from triagedesk.catalog import ServiceCatalog
from triagedesk.classify import Classifier
from triagedesk.classify.cascade import Cascade
from triagedesk.classify.corrections import Correction
from triagedesk.classify.evaluate import Case, Evaluation, running
from triagedesk.classify.evaluate.compare import Comparison, compare
from triagedesk.classify.evaluate.document import from_document
from triagedesk.classify.evaluate.figures import Cost, Figures, figures_of
from triagedesk.cleaning import excerpt
from triagedesk.desk import Progress, Silence
from triagedesk.errors import InputError, Problem, TicketsError
from triagedesk.formats import load_json
from triagedesk.labelled import Labelled, read_labelled
from triagedesk.sources.files import read_text, shown_path
from triagedesk.yamlsafe import FormatError

#: Ways of deciding that a policy may name, with what each asks.
WAYS = {
    "local": "the local model alone",
    "llm": "the language model alone",
    "llm-cascade": "the local model, then the language model for what it is unsure of",
}
_LEAST_PRECISION = 0.5


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How tickets are to be decided."""

    #: A key of WAYS.
    way: str
    #: The promised precision, 0.5 to below 1.
    precision: float

    @property
    def name(self) -> str:
        """As `--compare` takes it."""
        return f"{self.way},precision={self.precision:g}"


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """What one call of `triagedesk evaluate` wants."""

    file: str
    #: File or URL; "": SERVICE_CATALOG_URL, and without that the labels found in the file.
    catalog: str = ""
    text_column: str = ""
    label_column: str = ""
    #: Go on without the rows whose label the catalog does not have.
    skip_unknown: bool = False
    #: 0: zero-shot.
    folds: int = 0
    curve: bool = True
    #: 0: all.
    limit: int = 0
    seed: int = 0
    with_llm: bool = False
    #: Two policies or earlier JSON files; empty: the one policy of `with_llm`.
    compare: tuple[str, ...] = ()
    #: Per million tokens.
    price_in: float | None = None
    price_out: float | None = None


@dataclass(frozen=True, kw_only=True)
class Makers:
    """What makes the stages of a policy; the composition root's part."""

    #: (promised precision, corrections) -> the local model, with what it lacks in plain words.
    local: Callable[[float, Sequence[Correction]], tuple[Classifier, tuple[str, ...]]]
    #: The language model; raises SettingsError when none is configured.
    llm: Callable[[], Classifier]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """An evaluation with its figures."""

    evaluation: Evaluation
    figures: Figures
    cost: Cost


@dataclass(frozen=True, kw_only=True)
class EvaluatedFile:
    """All that `triagedesk evaluate` found out."""

    labelled: Labelled
    #: One policy, or the two compared.
    measured: tuple[Measured, ...]
    comparison: Comparison | None = None


def evaluate_file(
    options: EvaluateOptions,
    *,
    catalog: ServiceCatalog | None,
    makers: Makers,
    precision: float,
    progress: Progress | None = None,
) -> EvaluatedFile:
    """Evaluate a labelled file. Raises InputError for what the person asking can mend."""
    _check_options(options)
    origin = shown_path(options.file)
    labelled = read_labelled(
        read_text(options.file, error=TicketsError),
        origin=origin,
        catalog=catalog,
        text_column=options.text_column,
        label_column=options.label_column,
    )
    _check_labels(labelled, skip_unknown=options.skip_unknown)
    cases = running.sample(labelled.cases, options.limit, seed=options.seed)
    if options.folds > len(cases):
        raise InputError(f"{len(cases)} tickets cannot be divided into {options.folds} folds")
    bench = _Bench(
        options=options,
        cases=cases,
        catalog=labelled.catalog,
        makers=makers,
        progress=progress or Silence(),
    )
    evaluations = [
        side if isinstance(side, Evaluation) else bench.evaluate(side, timed=not position)
        for position, side in enumerate(_sides(options, precision))
    ]
    comparison = compare(*evaluations, seed=options.seed) if options.compare else None
    return EvaluatedFile(
        labelled=labelled,
        measured=tuple(_measured(evaluation, options) for evaluation in evaluations),
        comparison=comparison,
    )


def _check_options(options: EvaluateOptions) -> None:
    if options.folds == 1 or options.folds < 0:
        raise InputError(f"--folds {options.folds}: at least 2, or leave it out for zero-shot")
    if options.limit < 0:
        raise InputError(f"--limit {options.limit}: it counts tickets, so from 1 on")
    if options.seed < 0:
        raise InputError(f"--seed {options.seed}: a number from 0 on")
    for name, price in (("--price-in", options.price_in), ("--price-out", options.price_out)):
        if price is not None and not 0 <= price < 1e9:  # noqa: PLR2004 (also refuses NaN)
            raise InputError(f"{name} {price:g}: a price per million tokens, 0 or more")
    if (options.price_in is None) != (options.price_out is None):
        raise InputError("--price-in and --price-out go together")


def _check_labels(labelled: Labelled, *, skip_unknown: bool) -> None:
    if labelled.unknown and not skip_unknown:
        raise InputError(
            f"{len(labelled.unknown)} labels of {labelled.origin} cannot be found in "
            f"{labelled.catalog.origin}:",
            problems=[
                Problem(where=u.where, what=f"{excerpt(u.name)}: {u.why} ({u.count} times)")
                for u in labelled.unknown[:20]
            ],
            hint="mend the labels or the catalog, or leave these rows out with --skip-unknown",
        )
    if not labelled.cases:
        raise TicketsError(
            f"No row of {labelled.origin} has both a text and a label:",
            problems=labelled.broken[:10],
        )


def _sides(options: EvaluateOptions, precision: float) -> list[Policy | Evaluation]:
    """What is to be evaluated; an earlier JSON file is evaluated already."""
    if not options.compare:
        return [Policy(way="llm-cascade" if options.with_llm else "local", precision=precision)]
    usual = Policy(way="llm-cascade" if options.with_llm else "local", precision=precision)
    return [_side(words, usual) for words in options.compare]


def _side(words: str, usual: Policy) -> Policy | Evaluation:
    if words.endswith(".json") or Path(words).is_file():
        text = read_text(words, error=InputError)
        try:
            document = load_json(text)
        except FormatError as error:
            what = f"{shown_path(words)} cannot be read:"
            raise InputError(what, problems=[error.problem]) from error
        return from_document(document, origin=shown_path(words))
    return parse_policy(words, usual)


def parse_policy(words: str, usual: Policy) -> Policy:
    """`local`, `llm-cascade`, `precision=0.99` or `local,precision=0.99`. Raises InputError."""
    policy = usual
    for word in words.split(","):
        key, equals, value = word.strip().partition("=")
        if not equals and key in WAYS:
            policy = replace(policy, way=key)
        elif key == "precision" and _is_precision(value):
            policy = replace(policy, precision=float(value))
        else:
            raise InputError(
                f"{excerpt(word)!r} is no policy",
                hint=f"{', '.join(WAYS)}, precision=0.99, `local,precision=0.99`, "
                "or a file that `evaluate --json` wrote",
            )
    return policy


def _is_precision(value: str) -> bool:
    try:
        return _LEAST_PRECISION <= float(value) < 1
    except ValueError:
        return False


@dataclass(frozen=True, kw_only=True)
class _Bench:
    """What policies are evaluated with."""

    options: EvaluateOptions
    cases: Sequence[Case]
    catalog: ServiceCatalog
    makers: Makers
    progress: Progress

    def evaluate(self, policy: Policy, *, timed: bool) -> Evaluation:
        """One policy's answers, and its learning curve where one is wanted."""
        plan = running.Plan(
            policy=policy.name,
            promised=policy.precision,
            folds=self.options.folds,
            seed=self.options.seed,
            timed=timed and not self.options.folds,
        )
        llm = self.makers.llm() if policy.way != "local" else None
        self.progress.start(f"Asking {policy.name}", len(self.cases))
        evaluation = running.run(
            self.cases,
            self.catalog,
            plan,
            learn=lambda corrections: self.contestant(policy, corrections, llm),
            clock=time.perf_counter,
            advance=self.progress.advance,
        )
        if not self.options.folds or not self.options.curve or policy.way == "llm":
            return evaluation
        self.progress.start("Measuring the learning curve", None)
        curve = running.learning_curve(
            self.cases,
            self.catalog,
            plan,
            # The language model does not learn, and each point would be paid for.
            learn=lambda corrections: self.contestant(policy, corrections, None),
            advance=self.progress.advance,
        )
        return replace(evaluation, curve=curve)

    def contestant(
        self, policy: Policy, corrections: Sequence[Correction], llm: Classifier | None
    ) -> running.Contestant:
        """A policy's classifier, its models loaded and what there is to learn learnt."""
        watched = running.Watched(llm) if llm else None
        if policy.way == "llm" and watched:
            return running.Contestant(classifier=watched, llm=watched)
        local, missing = self.makers.local(policy.precision, corrections)
        # A catalog is prepared once, not once a ticket: that is kept out of the throughput.
        local.classify((), self.catalog)
        classifier = Cascade(local=local, llm=watched)
        return running.Contestant(classifier=classifier, llm=watched, missing=missing)


def _measured(evaluation: Evaluation, options: EvaluateOptions) -> Measured:
    return Measured(
        evaluation=evaluation,
        figures=figures_of(evaluation),
        cost=Cost(
            usage=evaluation.usage,
            asked=evaluation.asked,
            total=len(evaluation.outcomes),
            price_in=options.price_in,
            price_out=options.price_out,
        ),
    )
