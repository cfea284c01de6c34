"""What people correct is kept, takes effect, contradicts visibly, and can be taken back."""

from __future__ import annotations

import json

from support.desk import WholeDesk, desk, report_path, sheet, sqlite_desk
from triagedesk import app
from triagedesk.catalog import Label
from triagedesk.tickets import DecidedBy

__all__ = ["desk", "sqlite_desk"]

LAPTOP = Label("Hardware", "Broken laptop")
PRINTER = Label("Hardware", "Printer jam")


def correct(desk: WholeDesk, ticket: str, label: Label, by: str = "kim") -> str:
    outcome = desk.cli(
        "correct",
        ticket,
        "--category",
        label.request_category,
        "--type",
        label.request_type,
        "--by",
        by,
    )
    assert outcome.code == 0, outcome.text
    return outcome.text


def test_a_correction_is_the_tickets_decision_from_now_on(desk: WholeDesk) -> None:
    assert desk.run().code == 0
    said = correct(desk, "T-5", LAPTOP)
    assert "Ticket T-5 is Hardware / Broken laptop" in said

    outcome = desk.run()
    rows = {row["id"]: row for row in sheet(report_path(outcome, desk.folder))}
    assert (rows["T-5"]["request_type"], rows["T-5"]["decided by"]) == ("Broken laptop", "human")
    assert (rows["T-5"]["sla_value"], rows["T-5"]["sla_unit"]) == (2, "days")
    [decided] = [t for t in desk.triaged() if t.ticket.id == "T-5"]
    assert decided.classification.decided_by is DecidedBy.HUMAN
    assert not decided.classification.needs_review
    desk.check_books(tickets_expected=5)


def test_names_are_matched_in_any_case_and_kept_as_the_catalog_spells_them(
    desk: WholeDesk,
) -> None:
    desk.run()
    said = correct(desk, "T-5", Label("HARDWARE", "printer  JAM"))
    assert "Hardware / Printer jam" in said


def test_a_label_outside_the_catalog_is_refused_and_changes_nothing(desk: WholeDesk) -> None:
    desk.run()
    before = desk.contents()
    outcome = desk.cli("correct", "T-5", "--category", "Hardware", "--type", "Coffee machine")
    assert outcome.code == 2
    assert "Hardware / Coffee machine is not in the Service Catalog" in outcome.text
    assert "Broken laptop, Printer jam" in outcome.text
    assert desk.contents() == before


def test_an_unknown_ticket_is_refused(desk: WholeDesk) -> None:
    desk.run()
    outcome = desk.cli("correct", "T-99", "--category", "Hardware", "--type", "Printer jam")
    assert outcome.code == 2
    assert "there is no ticket 'T-99'" in outcome.text


def test_a_contradiction_is_shown_and_the_newer_stands(desk: WholeDesk) -> None:
    desk.run()
    assert "the newer answer stands" not in correct(desk, "T-5", LAPTOP, by="kim")
    said = correct(desk, "T-5", PRINTER, by="lee")
    assert "kim said Hardware / Broken laptop of the same text" in said
    assert "the newer answer stands" in said


def test_history_is_learned_as_one_lesson_that_can_be_taken_back(desk: WholeDesk) -> None:
    (desk.folder / "history.csv").write_text(
        "id,short_description,request_category,request_type\n"
        "1,Notebook fell down the stairs,Hardware,Broken laptop\n"
        "2,Paper stuck again,Hardware,Printer jam\n"
        "3,Need a parking card,Facilities,Parking\n"
    )
    outcome = desk.cli("learn", "history.csv", "--by", "kim")
    assert outcome.code == 0, outcome.text
    assert "Learned from 2 corrections" in outcome.text
    assert "ticket 3: Facilities / Parking is not in the Service Catalog" in outcome.text
    with desk.store() as store, store.read() as transaction:
        [lesson] = transaction.lessons()
        assert {c.label for c in transaction.corrections()} == {LAPTOP, PRINTER}

    assert desk.cli("corrections", "undo", lesson.id).code == 0
    with desk.store() as store, store.read() as transaction:
        assert transaction.corrections() == []
        assert transaction.lessons()[0].undone
    again = desk.cli("corrections", "undo", lesson.id)
    assert again.code == 2
    assert "no lesson" in again.text
    assert "undone" in desk.cli("corrections", "list").out


def test_a_taken_back_correction_teaches_nothing(sqlite_desk: WholeDesk) -> None:
    sqlite_desk.run()
    correct(sqlite_desk, "T-5", LAPTOP)
    correct(sqlite_desk, "T-4", PRINTER)
    with sqlite_desk.store() as store:
        with store.read() as transaction:
            first, second = transaction.lessons()
        with store.begin() as transaction:
            transaction.undo_lesson(first.id, second.made_at)
        learned = app.corrections(store)
    assert [(c.label, c.made_by, c.text.splitlines()[0]) for c in learned] == [
        (PRINTER, "kim", "Hello there")
    ]


def test_a_correction_of_a_real_ticket_changes_the_same_words_and_nothing_far_away(
    sqlite_desk: WholeDesk,
) -> None:
    """Through the real local model: the one slow test of the loop."""
    sqlite_desk.helpdesk.tickets = [
        {"id": "A", "short_description": "The blue box by the lift hums", "long_description": ""},
        {"id": "B", "short_description": "Printer jam on floor 3", "long_description": ""},
    ]
    assert sqlite_desk.real("run", "--no-email").code == 0
    assert (
        sqlite_desk.real("correct", "A", "--category", "Access", "--type", "VPN account").code == 0
    )
    sqlite_desk.helpdesk.tickets += [
        {"id": "C", "short_description": "the blue box by the lift  HUMS", "long_description": ""},
        {"id": "D", "short_description": "Printer jam on floor 4", "long_description": ""},
    ]
    assert sqlite_desk.real("run", "--no-email").code == 0
    decided = {t.ticket.id: t.classification for t in sqlite_desk.triaged()}
    assert decided["C"].label == Label("Access", "VPN account")
    assert decided["C"].decided_by is DecidedBy.CORRECTION
    assert decided["D"].label == PRINTER

    outcome = sqlite_desk.real("explain", "C", "--json")
    assert outcome.code == 0, outcome.text
    why = json.loads(outcome.out)
    assert why["label"] == "Access / VPN account"
    assert why["nearest"][0]["ticket"] == "A"
    assert why["nearest"][0]["likeness"] > 0.9
    assert why["alternatives"]
    assert "a person answered the same text in ticket A" in why["notes"]
