"""Whether what is promised holds on labelled sets that are not part of the project.

TRIAGEDESK_DATA names their folder, as for benchmarks/classify.py. Only training rows are read:
some are learned from, others asked about.
"""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path

import numpy as np
import pytest

from support.desk_catalogs import needs_weights, ticket
from support.services import LONG
from triagedesk.catalog import CatalogEntry, Label, ServiceCatalog, Sla, SlaUnit
from triagedesk.classify.corrections import Correction
from triagedesk.classify.local import LocalClassifier

PROMISE = 0.95
LEARNED, ASKED = 10, 20
SETS = ("banking77", "clinc150", "hwu64")


def rows_of(name: str) -> dict[str, list[str]]:
    """Training texts by label, in an order fixed by a seed."""
    folder = os.environ.get("TRIAGEDESK_DATA")
    if not folder:
        pytest.skip("TRIAGEDESK_DATA does not say where labelled sets are")
    texts: dict[str, list[str]] = {}
    with (Path(folder) / name / "train.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            texts.setdefault(row["label"], []).append(row["text"])
    random = np.random.default_rng(7)
    return {
        label: [texts[label][i] for i in random.permutation(len(texts[label]))]
        for label in sorted(texts)
    }


def chance_of_so_few(right: int, asked: int, promised: float) -> float:
    """P(at most `right` of `asked`) where each is right with the promised probability."""

    def log_chance(k: int) -> float:
        ways = math.lgamma(asked + 1) - math.lgamma(k + 1) - math.lgamma(asked - k + 1)
        return ways + k * math.log(promised) + (asked - k) * math.log1p(-promised)

    return math.fsum(math.exp(log_chance(k)) for k in range(right + 1))


@LONG
@needs_weights
@pytest.mark.parametrize("name", SETS)
def test_what_goes_alone_is_right_as_often_as_promised(name: str) -> None:
    rows = rows_of(name)
    labels = {label: Label("Requests", label.replace("_", " ")) for label in rows}
    sla = Sla(value=8, unit=SlaUnit.HOURS)
    entries = tuple(CatalogEntry(label=label, sla=sla) for label in labels.values())
    catalog = ServiceCatalog(entries=entries, version=name)
    learned = [(t, label) for label, texts in rows.items() for t in texts[:LEARNED]]
    asked = [(t, lab) for lab, texts in rows.items() for t in texts[LEARNED : LEARNED + ASKED]]
    classifier = LocalClassifier(
        corrections=[Correction(text=text, label=labels[label]) for text, label in learned],
        promised_precision=PROMISE,
    )
    tickets = [ticket(text, number) for number, (text, _) in enumerate(asked)]
    answers = classifier.classify(tickets, catalog).answers
    alone = [
        answers[one.id].label == labels[label]
        for one, (_, label) in zip(tickets, asked, strict=True)
        if not answers[one.id].needs_review
    ]
    assert len(alone) > len(asked) / 3
    assert chance_of_so_few(sum(alone), len(alone), PROMISE) > 0.01
