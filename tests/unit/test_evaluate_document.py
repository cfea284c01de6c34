"""Evaluations as JSON, and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.evaluations import A, B, an_evaluation, an_outcome
from triagedesk.classify import Usage
from triagedesk.classify.evaluate import CurvePoint, Evaluation
from triagedesk.classify.evaluate.document import as_document, from_document
from triagedesk.classify.evaluate.figures import Cost, figures_of
from triagedesk.errors import InputError

EVALUATION = an_evaluation(
    [
        an_outcome(0, A, A, confidence=0.875, alone=True),
        an_outcome(1, B, None, confidence=0.0, decided_by=""),
    ],
    usage=Usage(calls=1, input_tokens=10, output_tokens=2),
    asked=1,
    curve=(CurvePoint(corrections=0, right=1, total=2),),
    notes=("something is missing",),
)


def document(evaluation: Evaluation = EVALUATION) -> dict[str, Any]:
    cost = Cost(usage=evaluation.usage, asked=evaluation.asked, total=len(evaluation.outcomes))
    made: dict[str, Any] = json.loads(
        json.dumps(as_document(evaluation, figures_of(evaluation), cost))
    )
    return made


def test_an_evaluation_comes_back_as_it_was() -> None:
    read = from_document(document(), origin="earlier.json")

    assert read.outcomes == EVALUATION.outcomes
    assert (read.usage, read.asked, read.curve) == (
        EVALUATION.usage,
        EVALUATION.asked,
        EVALUATION.curve,
    )
    assert read.policy == "local (earlier.json)"


def test_the_full_matrix_is_in_it() -> None:
    confusion = document()["figures"]["confusion"]

    assert confusion == {"labels": [list(A), list(B)], "matrix": [[1, 0, 0], [0, 0, 1]]}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("outcomes", [], "outcomes"),
        ("outcomes", [{"id": "1"}], "truth"),
        ("outcomes", "all right", "outcomes"),
        ("promised_precision", 7, "promised_precision"),
        ("cost", {"calls": -1}, "calls"),
        ("format", 99, "format 99"),
        ("kind", "triagedesk comparison", "one policy"),
    ],
)
def test_what_is_no_evaluation_is_refused_naming_the_field(
    field: str, value: object, said: str
) -> None:
    with pytest.raises(InputError) as refused:
        from_document(document() | {field: value}, origin="earlier.json")

    assert said in str(refused.value)


@pytest.mark.parametrize("other", [None, [], 3, "text"])
def test_other_json_is_refused(other: object) -> None:
    with pytest.raises(InputError):
        from_document(other, origin="earlier.json")


def test_invisible_characters_do_not_come_back_in() -> None:
    hostile = document()
    hostile["outcomes"][0]["subject"] = "fine\u202egnp.exe\x1b[31m"

    subject = from_document(hostile, origin="earlier.json").outcomes[0].subject
    assert "\x1b" not in subject
    assert "\u202e" not in subject
