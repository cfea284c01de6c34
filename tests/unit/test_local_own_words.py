"""What a catalog calls things that the topic bank has never heard of."""

from __future__ import annotations

import numpy as np

from triagedesk.catalog import CatalogEntry, Label, Sla, SlaUnit
from triagedesk.classify.own_words import IN_DESCRIPTION, IN_NAME, OwnWords

USUAL = {"printer", "duties", "billing", "driver", "account", "and", "the", "fault"}


def entry(name: str, description: str = "") -> CatalogEntry:
    day = Sla(value=1, unit=SlaUnit.DAYS)
    return CatalogEntry(label=Label("IT", name), description=description, sla=day)


ENTRIES = [
    entry("RotaLine (driver duties)"),
    entry("VÁRIS billing", "Faults of Kundéna and VÁRIS 2026"),
    entry("Printer fault", "the printer"),
    entry("Other"),
    *(entry(f"Account {number} of the Klinik", "Klinik") for number in range(6)),
]
WORDS = OwnWords(
    ENTRIES, np.array([e.label.request_type != "Other" for e in ENTRIES]), USUAL.__contains__
)


def test_a_strange_word_of_a_name_speaks_for_its_entry_alone() -> None:
    gains = WORDS(["my leave is gone from ROTALINE", "varis, rotaline and VARIS"])
    assert gains[0].tolist() == [IN_NAME, *[0.0] * 9]
    assert gains[1].tolist() == [IN_NAME, IN_NAME, *[0.0] * 8]


def test_one_of_a_description_counts_less() -> None:
    assert WORDS(["kundena is slow"])[0].tolist() == [0.0, IN_DESCRIPTION, *[0.0] * 8]


def test_usual_words_and_those_of_many_entries_say_nothing() -> None:
    assert not WORDS(["the printer has a fault", "Klinik", "RotaLinea", "since 2026", ""]).any()


def test_residual_classes_have_no_words() -> None:
    assert not OwnWords(ENTRIES, np.zeros(len(ENTRIES), bool), USUAL.__contains__)(
        ["rotaline"]
    ).any()
