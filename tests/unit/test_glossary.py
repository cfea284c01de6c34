"""Reading other languages word by word."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagedesk.classify.glossary import (
    FOLDER,
    LONGEST,
    Glossary,
    glossaries,
    parse,
    read_by_glossary,
)

GERMAN = Glossary(
    "de",
    parse(
        "drucker = printer\npatrone = cartridge\nfunktioniert nicht = does not work\n"
        "der, die, das = the\nleer = empty\nmelden, meldet = reports\nist = is\nurlaub = vacation\n"
        "antrag = request\nunterlage = document\nsich = -\n"
    ),
)
FRENCH = Glossary(
    "fr",
    parse(
        "imprimante = printer\nimprimer = print\nne fonctionne plus = no longer works\n"
        "l' = -\nd' = of\nencre = ink\nréseau = network\nplus = more\n"
    ),
)


def in_english(text: str) -> str:
    return read_by_glossary(text).english


def said(glossary: Glossary, text: str) -> str:
    return " ".join(glossary.read(text.split())[0])


def test_an_expression_goes_before_its_words() -> None:
    assert said(FRENCH, "imprimante ne fonctionne plus") == "printer no longer works"
    assert said(FRENCH, "plus") == "more"


def test_a_compound_is_read_by_its_parts() -> None:
    assert said(GERMAN, "Die Druckerpatrone ist leer") == "the printer cartridge is empty"
    assert said(GERMAN, "Urlaubsantrag") == "vacation request"


def test_a_part_that_adds_nothing_leaves_the_other_whole() -> None:
    german = Glossary("de", parse("haupt = -\nzwei faktor, zweifaktor = two-factor\ncode = code\n"))
    assert said(german, "Hauptcode Zweifaktorcode") == "code two-factor code"


@pytest.mark.parametrize("word", ["imprimantes", "Imprimantes"])
def test_another_ending_is_the_same_word(word: str) -> None:
    assert said(FRENCH, word) == "printer"


def test_what_lacks_its_accents_is_known() -> None:
    assert said(FRENCH, "reseau") == "network"


def test_a_letter_and_its_accent_written_apart_are_one() -> None:
    text = "Não consigo entrar, a impressão não sai"
    assert "print" in in_english(text)
    assert in_english(unicodedata.normalize("NFD", text)) == in_english(text)


def test_the_nearest_ending_decides_between_two_words() -> None:
    assert said(FRENCH, "imprimer") == "print"
    assert said(FRENCH, "imprimerez") == "print"


def test_what_adds_nothing_is_left_out_and_what_is_unknown_stays() -> None:
    assert said(GERMAN, "meldet sich bei Quorvex") == "reports bei Quorvex"


def test_a_name_within_a_sentence_is_not_translated() -> None:
    assert said(FRENCH, "imprimante Encrelle") == "printer Encrelle"


def test_how_much_is_known_counts_words_alone() -> None:
    assert GERMAN.read(["drucker", ",", "17", "xyzzy"])[1] == 0.5


@pytest.mark.parametrize("line", ["drucker printer", "= printer", "drucker = ", "** = star"])
def test_a_line_that_is_no_entry_is_named(line: str) -> None:
    with pytest.raises(ValueError, match=r"de\.txt, line 2"):
        parse(f"patrone = cartridge\n{line}\n", "de.txt")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Der Drucker im Lager druckt nur leere Seiten", {"printer", "warehouse", "empty"}),
        ("L'imprimante de l'accueil ne fonctionne plus", {"printer", "reception"}),
        ("No puedo entrar, olvidé mi contraseña", {"password"}),
        ("Esqueci a minha palavra-passe e a conta está bloqueada", {"password", "account"}),
        ("Ho dimenticato la password e il mio conto è bloccato", {"forgotten", "locked"}),
        ("Mijn beeldscherm is zwart en de muis werkt niet", {"monitor", "black", "mouse"}),
    ],
)
def test_each_language_is_read_by_its_own_glossary(text: str, words: set[str]) -> None:
    assert words <= set(in_english(text).lower().replace(".", " ").split())


def test_a_text_is_told_its_language() -> None:
    assert read_by_glossary("De printer in het magazijn doet het niet meer").language == "nl"
    assert read_by_glossary("Não consigo entrar no sistema desde ontem").language == "pt"


def test_a_language_without_a_glossary_is_not_read() -> None:
    assert in_english("Nie mogę się zalogować, drukarka zablokowana, proszę o pomoc") == ""
    assert in_english("...") == ""
    assert in_english("") == ""


def test_every_glossary_is_large_and_in_order() -> None:
    assert set(glossaries()) == {"de", "es", "fr", "it", "nl", "pt"}
    for path in FOLDER.glob("*.txt"):
        entries = parse(path.read_text(encoding="utf-8"), path.name)
        assert len(entries) > 10_000
        assert all(source == source.lower() for source in entries)
        assert max(len(english.split()) for english in entries.values()) <= 5


@given(st.text(max_size=200))
def test_any_text_can_be_asked(text: str) -> None:
    assert len(in_english(text)) < 40 * (len(text) + 1)


def test_hostile_words_take_no_longer() -> None:
    texts = ["druckerpatrone" * 300, "d" * LONGEST, "der " * 5_000, "l'" * 5_000, "é" * 5_000]
    before = time.process_time()
    for text in texts:
        GERMAN.read([text])
        in_english(text)
    assert time.process_time() - before < 5
