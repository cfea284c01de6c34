"""The local classifier as a whole, with the encoders installed here."""

from __future__ import annotations

import tracemalloc
from functools import partial
from pathlib import Path

import pytest

from support.desk_catalogs import catalog, entry, needs_weights, ticket
from support.services import LONG
from triagedesk.agents import SkillNeed
from triagedesk.catalog import Label, ServiceCatalog
from triagedesk.classify import local
from triagedesk.classify.corrections import Correction
from triagedesk.classify.local import LocalClassifier
from triagedesk.classify.skills import SkillReader, humanise
from triagedesk.classify.topic_file import PHRASES
from triagedesk.classify.topics import TopicBank
from triagedesk.tickets import Classification, DecidedBy

CATALOG = catalog()
PRINTER = Label("Hardware", "Printer Problem")


@pytest.fixture(scope="module")
def classifier() -> LocalClassifier:
    return LocalClassifier()


def answer(classifier: LocalClassifier, text: str, **more: str) -> Classification:
    return classifier.classify([ticket(text, **more)], CATALOG).answers["1"]


@needs_weights
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("I cannot remember my password", "Password Reset"),
        ("new phone, authenticator app shows no codes", "MFA Reset"),
        ("tunnel to the office drops when working from home", "VPN Connection Issue"),
        ("Drucker druckt nicht", "Printer Problem"),
        ("Je ne me souviens plus de mon mot de passe", "Password Reset"),
        ("o notebook não liga mais", "Laptop Repair"),
        ("got a strange mail asking for my bank details", "Report Phishing Email"),
        ("Anna starts in sales on 1 May, please prepare everything", "New Employee Setup"),
        ("projector in the meeting room shows no picture", "Other Hardware Request"),
    ],
)
def test_tickets_are_understood_without_a_single_correction(
    classifier: LocalClassifier, text: str, kind: str
) -> None:
    found = answer(classifier, text)
    assert found.label is not None
    assert found.label.request_type == kind
    assert found.decided_by is DecidedBy.LOCAL
    assert found.model_version == classifier.version
    assert len(found.alternatives) == 3


@needs_weights
def test_what_is_unsure_goes_to_review_and_says_it_was_not_measured(
    classifier: LocalClassifier,
) -> None:
    found = answer(classifier, "something is wrong here")
    assert found.needs_review
    assert any("not yet measured at this desk" in note for note in found.notes)


def test_evidence_stands_in_the_ticket(classifier: LocalClassifier) -> None:
    text = "Printer on floor 3\nHi, the PRINTER has a paper jam again. Thanks, Bob"
    found = answer(classifier, text)
    assert found.evidence
    assert all(phrase in text for phrase in found.evidence)


def test_only_candidates_are_answered(classifier: LocalClassifier) -> None:
    found = answer(classifier, "printer jam", request_category="network")
    assert found.label is not None
    assert found.label.request_category == "Network"
    none = answer(classifier, "printer jam", request_category="Gardening")
    assert none.label is None
    assert none.needs_review


@pytest.mark.parametrize("text", ["", " \n ", "\x00", "?!"])
def test_a_ticket_without_words_goes_to_review(classifier: LocalClassifier, text: str) -> None:
    found = answer(classifier, text)
    assert found.label is None
    assert found.needs_review


@pytest.mark.parametrize(
    "text", ["x" * 1_000_000, "🙈 " * 5000 + "printer", "a\x00b\x07 vpn", "\ud800 vpn"]
)
def test_hostile_text_gets_an_answer(classifier: LocalClassifier, text: str) -> None:
    assert 0 <= answer(classifier, text).confidence <= 1


def test_an_empty_catalog_is_a_failure_in_words(classifier: LocalClassifier) -> None:
    result = classifier.classify([ticket("vpn")], ServiceCatalog(entries=(), version="0"))
    assert result.failures == {"1": "the Service Catalog is empty"}


@pytest.mark.parametrize("size", [1, 2, 500])
def test_catalogs_of_any_size_work(classifier: LocalClassifier, size: int) -> None:
    names = [("Things", f"Thing {i}") for i in range(size)]
    found = classifier.classify([ticket("thing 1 is broken")], catalog(names)).answers["1"]
    assert found.label is None or found.label.request_category == "Things"


@needs_weights
def test_descriptions_and_examples_are_read(classifier: LocalClassifier) -> None:
    entries = (
        entry("A", "Form 12", description="Requests about salary and payslips"),
        entry("A", "Form 13", examples=("the coffee machine is broken", "no milk in the kitchen")),
    )
    forms = ServiceCatalog(entries=entries, version="forms")
    tickets = [ticket("my payslip is wrong", 1), ticket("coffee machine leaks", 2)]
    answers = classifier.classify(tickets, forms).answers
    assert [a.label and a.label.request_type for a in answers.values()] == ["Form 12", "Form 13"]


@needs_weights
def test_what_fits_nothing_stays_empty_without_a_residual_class(
    classifier: LocalClassifier,
) -> None:
    narrow = catalog([("Access", "Password Reset"), ("Network", "VPN Connection Issue")])
    found = classifier.classify([ticket("the soup was far too salty")], narrow).answers["1"]
    assert found.label is None
    assert found.alternatives


def test_the_same_inputs_give_the_same_answers(classifier: LocalClassifier) -> None:
    tickets = [ticket(f"printer {i} jammed and the vpn is slow", i) for i in range(30)]
    assert classifier.classify(tickets, CATALOG) == LocalClassifier().classify(tickets, CATALOG)


def test_a_correction_answers_the_same_text_next_time() -> None:
    text = "the thing on floor nine blinks"
    taught = LocalClassifier(corrections=[Correction(text=text, label=PRINTER, ticket_id="T7")])
    found = answer(taught, "The THING on floor nine  blinks")
    assert found.label == PRINTER
    assert found.decided_by is DecidedBy.CORRECTION
    assert "T7" in found.notes[0]
    assert taught.version != LocalClassifier().version


@needs_weights
def test_a_correction_changes_near_identical_tickets_and_nothing_far_away() -> None:
    text = "label machine at gate 4 prints nothing since Monday"
    plain = LocalClassifier()
    taught = LocalClassifier(
        corrections=[Correction(text=text, label=Label("Hardware", "Other Hardware Request"))]
    )
    near = "label machine at gate 5 prints nothing since Monday"
    assert answer(taught, near).label == Label("Hardware", "Other Hardware Request")
    far = [
        "forgot my password", "vpn drops all the time", "phishing mail from my bank",
        "new colleague starts monday", "wifi is slow in room 3", "laptop battery dead",
    ]  # fmt: skip
    for words in far:
        assert answer(taught, words).label == answer(plain, words).label


def test_a_correction_the_catalog_no_longer_has_is_set_aside() -> None:
    gone = Correction(text="old thing", label=Label("Hardware", "Fax"))
    taught = LocalClassifier(corrections=[gone])
    assert taught.set_aside(CATALOG) == (gone,)
    found = answer(taught, "old thing")
    assert found.label != gone.label
    assert found.decided_by is DecidedBy.LOCAL


@needs_weights
def test_many_corrections_teach_a_desks_own_words() -> None:
    words = {"blorf": "Printer Problem", "quux": "Wi-Fi Issue", "zibble": "Laptop Repair"}
    places = ("Rome", "Oslo", "Bonn", "Lima", "Bern", "Kyiv", "Nice", "Turin")
    by_type = {e.label.request_type: e.label for e in CATALOG.entries}
    corrections = [
        Correction(text=f"our {word} in {place} acts up again, item {i}", label=by_type[kind])
        for i, place in enumerate(places)
        for word, kind in words.items()
    ]
    taught = LocalClassifier(corrections=corrections)
    for word, kind in words.items():
        found = answer(taught, f"{word} trouble reported by the Paris office")
        assert found.label == by_type[kind]


SMALL_BANK = """
fields: {hardware: [Hardware], access: [Accounts]}
topics:
  - {name: printer, field: hardware, called: [Printing], wider: [Device], resolvers: [print]}
  - {name: password, field: access, called: [Password Reset], wider: [Login], resolvers: [accounts]}
"""


def test_without_weights_it_still_classifies_and_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without weights the bank's vectors are not kept, and the whole of it takes half a minute.
    path = tmp_path / "bank.yaml"
    path.write_text(SMALL_BANK, encoding="utf-8")
    (tmp_path / PHRASES).mkdir()
    phrases = "# printer\npaper is jammed\n# password\nforgot my password\n"
    (tmp_path / PHRASES / "en.txt").write_text(phrases, encoding="utf-8")
    monkeypatch.setattr(local, "TopicBank", partial(TopicBank, path=path))
    bare = LocalClassifier(model_dir=tmp_path)
    assert any("MiniLM is not installed" in words for words in bare.missing)
    found = bare.classify([ticket("printer paper jam")], CATALOG).answers["1"]
    assert found.label == PRINTER


@needs_weights
def test_what_was_corrected_in_english_holds_in_other_languages() -> None:
    names = {
        "Blue": ["coffee machine leaks", "no coffee beans left", "the coffee machine is dirty"],
        "Green": ["my payslip is wrong", "overtime missing on the payslip", "salary came too late"],
        "Red": ["my parking space is taken", "barrier of the garage stuck", "no parking permit"],
    }
    vague = catalog([("Team", name) for name in names])
    taught = LocalClassifier(
        corrections=[
            Correction(text=text, label=Label("Team", name))
            for name, said in names.items()
            for text in said
        ]
    )
    asked = {
        "La macchina del caffè perde acqua da ieri": "Blue",
        "Mijn loonstrook klopt niet, de overuren ontbreken": "Green",
        "Otra vez hay un coche en mi plaza de aparcamiento": "Red",
        "Na minha folha de vencimento faltam as horas extraordinárias": "Green",
        "Die Schranke der Tiefgarage geht nicht auf, mein Parkplatz ist nicht erreichbar": "Red",
        "Il n'y a plus de café dans la machine de l'étage": "Blue",
    }
    answers = taught.classify([ticket(text, text) for text in asked], vague).answers
    assert {text: str(answers[text].label) for text in asked} == {
        text: f"Team / {name}" for text, name in asked.items()
    }


def test_an_impossible_promise_is_refused() -> None:
    with pytest.raises(ValueError, match="promised_precision"):
        LocalClassifier(promised_precision=1.0)


@pytest.mark.parametrize("count", [3_000, pytest.param(10_000, marks=LONG)])
def test_memory_stays_flat_over_thousands_of_tickets(
    classifier: LocalClassifier, count: int
) -> None:
    tickets = [ticket(f"printer {i} is jammed", i) for i in range(count)]
    classifier.classify(tickets[:500], CATALOG)
    tracemalloc.start()
    for start in range(0, len(tickets), 1_000):
        result = classifier.classify(tickets[start : start + 1_000], CATALOG)
        assert len(result.answers) == 1_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60e6


SKILLS = ["VPN_Troubleshooting", "Printer_Repair", "Kältetechnik", "SAP_Basis", "Microsoft_365"]


@needs_weights
@pytest.mark.parametrize(
    ("text", "skill"),
    [
        ("VPN drops\ncannot reach the office from home", "VPN_Troubleshooting"),
        ("paper jam\nthe copier on floor 2 is stuck", "Printer_Repair"),
        ("Klimaanlage im Serverraum kühlt nicht mehr", "Kältetechnik"),
        ("transport into the productive SAP system failed", "SAP_Basis"),
        ("outlook asks for my password again and again", "Microsoft_365"),
    ],
)
def test_skills_are_read_from_meaning(text: str, skill: str) -> None:
    needs = SkillReader().needs([text], SKILLS)[0]
    assert needs[0].skill == skill
    assert needs[0].weight == 1
    assert all(need.weight == 0.5 for need in needs[1:])


@needs_weights
def test_a_ticket_that_needs_no_known_skill_names_none() -> None:
    reader = SkillReader()
    assert reader.needs(["the soup was too salty", ""], SKILLS) == [(), ()]
    assert reader.needs(["vpn"], []) == [()]


@needs_weights
def test_skills_do_not_depend_on_the_order_of_names() -> None:
    reader = SkillReader()
    text = ["the printer and the vpn are both down"]
    found: list[tuple[SkillNeed, ...]] = reader.needs(text, SKILLS)
    assert found == reader.needs(text, SKILLS[::-1])


@pytest.mark.parametrize(
    ("skill", "words"),
    [
        ("VPN_Troubleshooting", "VPN Troubleshooting"),
        ("CloudAzure", "Cloud Azure"),
        ("Kältetechnik", "Kältetechnik"),
        ("SAP_Basis", "SAP Basis"),
    ],
)
def test_skill_names_are_read_as_words(skill: str, words: str) -> None:
    assert humanise(skill) == words


@needs_weights
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("my bag with the company notebook was stolen on the train", "Security Incident"),
        ("the card terminal at the till declines every card", "Point of Sale"),
        ("please order an ergonomic mouse for me", "Hardware Order"),
        ("the docking station does not detect my screens", "PC / Laptop Repair"),
        ("sap says I am not authorised for the transaction", "SAP Authorisation"),
        ("das Lagersystem bucht den Wareneingang nicht", "WMS Issue"),
    ],
)
def test_wide_and_short_names_of_entries_are_understood(
    classifier: LocalClassifier, text: str, kind: str
) -> None:
    mixed = catalog(
        [
            ("Security", "Security Incident"),
            ("Shops", "Point of Sale"),
            ("Hardware", "Hardware Order"),
            ("Hardware", "PC / Laptop Repair"),
            ("Business Systems", "SAP Authorisation"),
            ("Business Systems", "SAP Issue"),
            ("Business Systems", "WMS Issue"),
            ("General", "General Enquiry"),
        ]
    )
    found = classifier.classify([ticket(text)], mixed).answers["1"]
    assert found.label is not None
    assert found.label.request_type == kind


@needs_weights
def test_a_muddled_catalog_lets_nothing_through_before_it_is_measured(
    classifier: LocalClassifier,
) -> None:
    texts = ["please reset my password", "printer paper jam", "vpn does not connect from home"]
    tickets = [ticket(text, number) for number, text in enumerate(texts)]
    plain = classifier.classify(tickets, CATALOG).answers.values()
    assert not all(found.needs_review for found in plain)
    names = ("Hardware", "Internal Project", "Matters", "Access", "Things of the house")
    muddled = catalog([("Requests", name) for name in names])
    vague = classifier.classify(tickets, muddled).answers.values()
    assert all(found.needs_review for found in vague)


@needs_weights
def test_a_german_catalog_with_plain_names_needs_no_measuring_first(
    classifier: LocalClassifier,
) -> None:
    names = ("Kennwort zurücksetzen", "Drucker", "WLAN", "VPN und Homeoffice", "Hardware bestellen")
    german = catalog([("IT", name) for name in names])
    texts = [
        "Der Drucker zieht kein Papier ein",
        "printer paper jam",
        "ich habe mein Kennwort vergessen",
    ]
    tickets = [ticket(text, number) for number, text in enumerate(texts)]
    answers = classifier.classify(tickets, german).answers
    kinds = [found.label.request_type for found in answers.values() if found.label]
    assert kinds == ["Drucker", "Drucker", "Kennwort zurücksetzen"]
    assert not all(found.needs_review for found in answers.values())


@needs_weights
def test_a_description_names_what_an_entry_holds(classifier: LocalClassifier) -> None:
    entries = (
        entry("A", "Form 20", description="Suspicious emails, malware, lost or stolen devices."),
        entry("A", "Form 21", description="Network sockets and patching."),
        entry("A", "General Enquiry"),
    )
    forms = ServiceCatalog(entries=entries, version="forms-2")
    found = classifier.classify([ticket("my laptop was stolen from the car")], forms).answers
    assert found["1"].label == Label("A", "Form 20")
