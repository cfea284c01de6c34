"""The phrases that decided are those whose loss hurts, quoted as the ticket has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from triagedesk.classify.occlusion import PARTS, PHRASES, deciding_phrases


class Model:
    """Sure in proportion to what a text still holds."""

    def __init__(self, **worth: float) -> None:
        self.worth = worth
        self.batches: list[int] = []

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.batches.append(len(texts))
        said = [text.lower() for text in texts]
        odds = [sum(w for word, w in self.worth.items() if word in text) for text in said]
        return np.array(odds, np.float32)


LONG = (
    "Good morning, since the move to the new building on Friday nobody in our team can print. "
    "The Printer on the third floor shows a paper jam although there is none; we have switched it "
    "off and on again. It is needed for the invoices of this week, so please come by soon."
)


def test_the_phrase_that_matters_is_found_in_a_long_text_and_stands_first() -> None:
    found = deciding_phrases(LONG, Model(printer=3.0, jam=2.0, invoices=0.5))
    assert "Printer" in found[0].phrase
    assert any("jam" in item.phrase for item in found)
    assert not any("invoices" in item.phrase for item in found)
    assert all(item.phrase in LONG for item in found)
    assert found[0].loss == 3.0


def test_a_text_is_read_in_few_batches_of_bounded_size() -> None:
    model = Model(printer=3.0)
    deciding_phrases(LONG * 20, model)
    assert len(model.batches) <= 3
    # Parts are cut once more where clauses end, unless that makes too many.
    assert max(model.batches) <= 2 * PARTS


def test_no_phrase_is_named_where_none_by_itself_matters() -> None:
    assert deciding_phrases(LONG, Model(absent=3.0)) == ()
    assert deciding_phrases("help", Model(help=3.0)) == ()


def test_a_phrase_ends_where_its_sentence_ends() -> None:
    found = deciding_phrases("The VPN fails. Screen is fine.", Model(vpn=2.0, screen=1.9))
    assert [item.phrase for item in found] == ["VPN", "Screen"]


def test_words_that_say_nothing_are_no_reason() -> None:
    assert deciding_phrases("it is not the", Model(the=5.0)) == ()


@given(st.text(alphabet="ab .,\n'é", max_size=300))
def test_phrases_are_quoted_word_for_word_whatever_the_text(text: str) -> None:
    found = deciding_phrases(text, Model(a=1.0, b=2.0, ab=3.0))
    assert len(found) <= PHRASES
    assert all(item.phrase in text and item.loss > 0 for item in found)
