"""The local classifier on public labelled sets, beside TF-IDF + logistic regression.

    python benchmarks/classify.py --data DIR [--sets banking77,hwu64] [--shots 10,all] [--limit N]
                                  [--draws N]

DIR (or TRIAGEDESK_DATA) holds a folder per set with train.csv and test.csv (columns text, label);
a set without test.csv is split 85/15 by a fixed seed. Test rows are only ever classified. Where
oos_test.csv lies beside, with texts that belong to no label, `auroc` says how well they are told
from test rows by the model's own measure of familiarity, and `stray` how many would go alone.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from triagedesk.catalog import CatalogEntry, Label, ServiceCatalog, Sla, SlaUnit
from triagedesk.classify.corrections import Correction
from triagedesk.classify.local import LocalClassifier
from triagedesk.tickets import Ticket

SETS = ("banking77", "clinc150", "hwu64", "it_service_tickets")
PROMISE = 0.95
SEED = 0
Row = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One line of the table."""

    accuracy: float
    macro_f1: float
    ece: float
    #: Share answered without a person, and how many of those were right.
    kept: float
    kept_right: float
    seconds: float
    per_second: float
    #: Area under the ROC curve of telling test rows from those of no label, and the share of the
    #: latter answered without a person.
    auroc: float = float("nan")
    stray: float = float("nan")


def read(path: Path) -> list[Row]:
    csv.field_size_limit(10**9)
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["text"], row["label"]) for row in csv.DictReader(file)]


def load(folder: Path) -> tuple[list[Row], list[Row]]:
    train = read(folder / "train.csv")
    if (folder / "test.csv").exists():
        return train, read(folder / "test.csv")
    order = np.random.default_rng(SEED).permutation(len(train))
    cut = int(len(train) * 0.85)
    return [train[i] for i in sorted(order[:cut])], [train[i] for i in sorted(order[cut:])]


def choose(train: Sequence[Row], shots: str, draw: int = SEED) -> list[Row]:
    """`all`, `10` per class drawn at random, or `first500` as they come."""
    if shots == "all":
        return list(train)
    if shots.startswith("first"):
        return list(train[: int(shots.removeprefix("first"))])
    random = np.random.default_rng(draw)
    labels = sorted({label for _, label in train})
    chosen: list[Row] = []
    for label in labels:
        rows = [row for row in train if row[1] == label]
        chosen += [rows[i] for i in random.permutation(len(rows))[: int(shots)]]
    return chosen


def catalog_of(labels: Sequence[str]) -> ServiceCatalog:
    sla = Sla(value=8, unit=SlaUnit.HOURS)
    entries = [
        CatalogEntry(label=Label("Requests", label.replace("_", " ")), sla=sla) for label in labels
    ]
    return ServiceCatalog(entries=tuple(entries), version="-".join(labels))


def strangers_of(folder: Path) -> list[Row]:
    """Rows that belong to no label, if the set has any."""
    path = folder / "oos_test.csv"
    return read(path) if path.exists() else []


def ours(
    train: Sequence[Row], test: Sequence[Row], labels: Sequence[str], strangers: Sequence[Row] = ()
) -> Figures:
    def name(label: str) -> Label:
        return Label("Requests", label.replace("_", " "))

    catalog = catalog_of(labels)
    tickets = tickets_of(test)
    started = time.process_time()
    corrections = [Correction(text=text, label=name(label)) for text, label in train]
    classifier = LocalClassifier(corrections=corrections, promised_precision=PROMISE)
    classifier.threshold(catalog)
    fitted = time.process_time()
    answers = classifier.classify(tickets, catalog).answers
    done = time.process_time()
    wanted = [name(label) for _, label in test]
    found = [answers[ticket.id] for ticket in tickets]
    right = np.array([a.label == w for a, w in zip(found, wanted, strict=True)])
    confidence = np.array([a.confidence for a in found])
    kept = np.array([not a.needs_review for a in found])
    told, stray = float("nan"), float("nan")
    if strangers:
        foreign = tickets_of(strangers)
        told = auroc(
            classifier.familiarity(tickets, catalog), classifier.familiarity(foreign, catalog)
        )
        said = classifier.classify(foreign, catalog).answers.values()
        stray = float(np.mean([not a.needs_review for a in said]))
    return Figures(
        accuracy=float(right.mean()),
        macro_f1=macro_f1([str(w) for w in wanted], [str(a.label) for a in found]),
        ece=ece(confidence, right),
        kept=float(kept.mean()),
        kept_right=float(right[kept].mean()) if kept.any() else float("nan"),
        seconds=fitted - started,
        per_second=len(test) / (done - fitted),
        auroc=told,
        stray=stray,
    )


def tickets_of(rows: Sequence[Row]) -> list[Ticket]:
    return [Ticket(source="b", id=str(i), short_description=t) for i, (t, _) in enumerate(rows)]


def auroc(known: Sequence[float], foreign: Sequence[float]) -> float:
    """How often a known one has the higher number, ties counted half (Mann and Whitney 1947)."""
    every = np.sort(np.array(foreign))
    below = np.searchsorted(every, known, "left") + np.searchsorted(every, known, "right")
    return float(below.mean() / 2 / len(every))


def baseline(train: Sequence[Row], test: Sequence[Row]) -> Figures:
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415 (dev only)
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    started = time.process_time()
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model: Any = LogisticRegression(C=20, max_iter=300)
    model.fit(vectors.fit_transform([t for t, _ in train]), [label for _, label in train])
    fitted = time.process_time()
    chances = model.predict_proba(vectors.transform([t for t, _ in test]))
    done = time.process_time()
    found = model.classes_[chances.argmax(axis=1)]
    wanted = [label for _, label in test]
    right = np.array([a == b for a, b in zip(found, wanted, strict=True)])
    return Figures(
        accuracy=float(right.mean()),
        macro_f1=macro_f1(wanted, list(found)),
        ece=ece(chances.max(axis=1), right),
        kept=float("nan"),
        kept_right=float("nan"),
        seconds=fitted - started,
        per_second=len(test) / (done - fitted),
    )


def macro_f1(wanted: Sequence[str], found: Sequence[str]) -> float:
    scores = []
    for label in sorted(set(wanted)):
        hits = sum(w == f == label for w, f in zip(wanted, found, strict=True))
        scores.append(2 * hits / (wanted.count(label) + found.count(label)))
    return float(np.mean(scores))


def ece(confidence: Any, right: Any, bins: int = 15) -> float:
    """Expected calibration error over equal bins of confidence (Naeini et al. 2015)."""
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    total = 0.0
    for number in range(bins):
        inside = bin_of == number
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return float(total)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default=os.environ.get("TRIAGEDESK_DATA"))
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--shots", default="0,10,all")
    parser.add_argument("--limit", type=int, default=0, help="test rows, 0 for all")
    parser.add_argument("--no-baseline", action="store_true")
    parser.add_argument("--draws", type=int, default=1, help="how often so many a class are drawn")
    given = parser.parse_args()
    if not given.data:
        print("Say where the sets are: --data DIR or TRIAGEDESK_DATA", file=sys.stderr)
        return 2
    heading = f"{'set':20}{'shots':>9}{'model':>9}{'acc':>7}{'F1':>7}{'ECE':>7}{'kept':>7}"
    print(f"{heading}{'right':>7}{'fit s':>8}{'per s':>8}{'auroc':>7}{'stray':>7}", flush=True)
    for name in given.sets.split(","):
        train, test = load(Path(given.data) / name)
        test = test[:: max(1, len(test) // given.limit)] if given.limit else test
        labels = sorted({label for _, label in train})
        strangers = strangers_of(Path(given.data) / name)
        for shots in given.shots.split(","):
            reached: list[float] = []
            for draw in range(given.draws if shots.isdecimal() and shots != "0" else 1):
                chosen = [] if shots == "0" else choose(train, shots, draw)
                figures = ours(chosen, test, labels, strangers)
                reached.append(figures.accuracy)
                show(name, shots, "ours", figures)
                if chosen and not given.no_baseline:
                    show(name, shots, "tf-idf", baseline(chosen, test))
            if len(reached) > 1:
                spread = f"{np.mean(reached):.3f}, {min(reached):.3f} to {max(reached):.3f}"
                print(f"{name:20}{shots:>9}  ours, mean accuracy of {len(reached)} draws: {spread}")
    return 0


def show(name: str, shots: str, model: str, f: Figures) -> None:
    line = f"{name:20}{shots:>9}{model:>9}{f.accuracy:7.3f}{f.macro_f1:7.3f}{f.ece:7.3f}"
    line += f"{f.kept:7.3f}{f.kept_right:7.3f}{f.seconds:8.1f}{f.per_second:8.0f}"
    line += f"{f.auroc:7.3f}{f.stray:7.3f}" if not math.isnan(f.auroc) else ""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
