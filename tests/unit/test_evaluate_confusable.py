"""Catalog entries a classifier cannot tell apart."""

from __future__ import annotations

from support.evaluations import A, Scripted, a_catalog
from triagedesk.catalog import Label
from triagedesk.classify.confusable import bare, find_confusable

MAIL, POST, REST = (
    Label("Mail", "E-mail Issue"),
    Label("Mail", "Mail Problem"),
    Label("Mail", "Other"),
)


def test_a_near_rival_is_found_once_for_both_sides() -> None:
    catalog = a_catalog(A, MAIL, POST)
    model = Scripted(
        {
            "Account": [(A, 0.98), (MAIL, 0.01)],
            "E-mail Issue": [(MAIL, 0.8), (POST, 0.15)],
            "Mail Problem": [(POST, 0.6), (MAIL, 0.4)],
        }
    )

    (found,) = find_confusable(catalog, model)
    assert (found.label, found.rival, round(found.odds, 2)) == (POST, MAIL, 0.67)
    assert found.what == "Mail / Mail Problem: by its name it is close to Mail / E-mail Issue"
    said = "\n".join(found.proposals)
    assert "neither has a description" in said
    assert "both say mail" in said
    assert "examples to Mail Problem and E-mail Issue" in said


def test_an_entry_read_as_another_is_the_worst() -> None:
    catalog = a_catalog(A, MAIL, POST, descriptions={A: "Letters", MAIL: "Letters to the boss"})
    model = Scripted(
        {
            "Account": [(A, 0.9)],
            "E-mail Issue": [(POST, 0.7), (MAIL, 0.2)],
            "Letters": [(A, 0.5), (MAIL, 0.1)],
        }
    )

    worst, other = find_confusable(catalog, model)
    assert "would be taken for" in worst.what
    assert (other.label, other.kind) == (A, "description")
    said = "\n".join(other.proposals)
    assert "only E-mail Issue speaks of mail, issue, boss" in said
    assert "both say letters" in said


def test_an_example_counts_only_when_it_is_lost() -> None:
    catalog = a_catalog(A, MAIL, examples={A: ("no mail today", "locked out")})
    model = Scripted(
        {
            "Account": [(A, 0.9)],
            "E-mail Issue": [(MAIL, 0.9)],
            "no mail today": [(MAIL, 0.8), (A, 0.1)],
            "locked out": [(A, 0.5), (MAIL, 0.4)],
        }
    )

    (found,) = find_confusable(catalog, model)
    assert (found.kind, found.text) == ("example", "no mail today")
    assert "move the example there" in found.proposals[0]
    # An example would match itself, so the classifier does not see any.
    assert "locked out" in {ticket.short_description for ticket in model.seen}


def test_residual_entries_are_left_out() -> None:
    catalog = a_catalog(MAIL, REST)
    model = Scripted({"E-mail Issue": [(REST, 0.9), (MAIL, 0.1)]})

    assert find_confusable(catalog, model) == ()
    assert [ticket.short_description for ticket in model.seen] == ["E-mail Issue"]
    assert bare(catalog) == (MAIL,)


def test_the_same_name_twice_is_told_apart_by_category() -> None:
    one, two = Label("Devices", "Fault"), Label("Software", "fault")
    model = Scripted({"Fault": [(two, 0.5), (one, 0.5)], "fault": [(two, 0.5), (one, 0.5)]})

    (found,) = find_confusable(a_catalog(one, two), model)
    assert "both have the same name" in found.proposals[0]
    assert "Devices / Fault and Software / fault" in found.proposals[-1]


def test_a_classifier_without_answers_finds_nothing() -> None:
    assert find_confusable(a_catalog(A, MAIL), Scripted({})) == ()
