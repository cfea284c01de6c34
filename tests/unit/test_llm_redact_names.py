"""Names of people leave the house as placeholders, in seven languages; words stay words."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagedesk.classify import names
from triagedesk.classify.names import People
from triagedesk.classify.redact import Redaction


@pytest.fixture(autouse=True)
def without_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a desk without Faker: what is found here is found everywhere."""
    monkeypatch.setattr(names, "listed_names", lambda: (frozenset(), frozenset()))


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Hi Anna, the VPN is down", "Hi [NAME-1], the VPN is down"),
        ("Dear Ms. Thornbury-Okafor\nno sound", "Dear Ms. [NAME-1]\nno sound"),
        ("It hangs.\n\nKind regards,\nJ. Smith", "It hangs.\n\nKind regards,\n[NAME-1]"),
        ("It hangs. Thanks, Priya", "It hangs. Thanks, [NAME-1]"),
        ("My name is Tom Ward and I forgot", "My name is [NAME-1] and I forgot"),
        ("From: Vandelay, Art", "From: [NAME-1], Art"),
        ("Reported by: Maria del Carmen Ruiz", "Reported by: [NAME-1]"),
        ("account for our new hire Lena Ortmann", "account for our new hire [NAME-1]"),
        ("Sehr geehrter Herr von Ahnen,", "Sehr geehrter Herr [NAME-1],"),
        ("Frau Öztürk kommt nicht rein", "Frau [NAME-1] kommt nicht rein"),
        ("Mit freundlichen Grüßen\nJürgen Groß", "Mit freundlichen Grüßen\n[NAME-1]"),
        ("ich heiße Klara und", "ich heiße [NAME-1] und"),
        ("Bonjour Hélène,", "Bonjour [NAME-1],"),
        ("je m'appelle Zoé Lefèvre", "je m'appelle [NAME-1]"),
        ("Cordialement\nThéo d'Arcy", "Cordialement\n[NAME-1]"),
        ("Hola Begoña: no puedo", "Hola [NAME-1]: no puedo"),
        ("Un saludo,\nÍñigo Etxeberria", "Un saludo,\n[NAME-1]"),
        ("il collega Renzo Tramaglino", "il collega [NAME-1]"),
        ("Distinti saluti\nLucia Mondella", "Distinti saluti\n[NAME-1]"),
        ("Obrigada\nInês Gonçalves", "Obrigada\n[NAME-1]"),
        ("Geachte mevrouw De Wit", "Geachte mevrouw [NAME-1]"),
        ("Met vriendelijke groet,\nJoost van den Vondel", "Met vriendelijke groet,\n[NAME-1]"),
    ],
)
def test_a_name_where_names_stand_becomes_a_placeholder(text: str, hidden: str) -> None:
    redaction = Redaction()
    assert redaction.hide(text) == hidden
    assert redaction.restore(hidden) == text


@pytest.mark.parametrize(
    "text",
    [
        "Hello team, Outlook crashes",
        "Hi all, since Monday the printer jams",
        "Hello, Scanner does not work",
        "Thanks. Printing still fails in Building 7",
        "Dear Helpdesk, please reset my password",
        "Thank you\nThis is urgent",
        "Danke im Voraus",
        "Sehr geehrte Damen und Herren, mein Drucker streikt",
        "Bonjour, Je ne peux pas ouvrir Excel",
        "Hola, No puedo entrar en SAP",
        "VPN Down In Whole Office",
        "Mark all as read does not work and will not",
    ],
)
def test_words_that_only_stand_there_stay(text: str) -> None:
    assert Redaction().hide(text) == text


def test_whom_the_desk_knows_is_found_wherever_they_are_named() -> None:
    people = People(["Edsger Dijkstra", "Will Page"])
    text = "ask edsger dijkstra or Edsger; it will page me. Will Page knows"
    hidden = Redaction(people).hide(text)
    assert hidden == "ask [NAME-1] or [NAME-2]; it will page me. [NAME-3] knows"


def test_a_mail_address_gives_its_owner_away_in_the_rest_of_the_text() -> None:
    hidden = Redaction().hide("Write to ngozi.adeyemi@x.example. Ngozi cannot log in.")
    assert hidden == "Write to [MAIL-1]. [NAME-1] cannot log in."


def test_a_name_met_once_is_hidden_where_it_stands_alone() -> None:
    hidden = Redaction().hide("Ravindra has no sound.\nRegards\nRavindra Jadeja")
    assert hidden == "[NAME-1] has no sound.\nRegards\n[NAME-2]"


def test_lists_of_names_find_those_without_a_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = (frozenset({"Giulia", "Mark", "Grant"}), frozenset({"Bianchi", "Twain"}))
    monkeypatch.setattr(names, "listed_names", lambda: lists)
    text = "Reset Giulia Bianchi and Giulia, not Mark Twain. Grant Access to Mark Done"
    hidden = Redaction().hide(text)
    assert hidden == "Reset [NAME-1] and [NAME-2], not [NAME-3]. Grant Access to Mark Done"


@given(st.text(alphabet="ABab éÖ.,\n[]NAME-1Hi Mr:", max_size=200))
def test_what_was_hidden_comes_back_whatever_the_text(text: str) -> None:
    redaction = Redaction(People(["Ab Ba", "Aab éb"]))
    assert redaction.restore(redaction.hide(text)) == text


@pytest.mark.parametrize(
    "piece", ["Hi A", "Mr ", "Aa ", "A.", "Thanks\n", "from: ", "a'b-", "Aa.Bb@"]
)
def test_long_runs_of_one_piece_are_not_slow(piece: str) -> None:
    started = time.thread_time()
    Redaction(People(["Aa Bb"])).hide(piece * 4000)
    assert time.thread_time() - started < 2
