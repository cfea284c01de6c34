"""Reports on their way out: mail servers that are down, refuse, or drop; unsent ones first."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.desk import (
    DEPUTY,
    LEAD,
    Outcome,
    WholeDesk,
    desk,
    report_path,
    sqlite_desk,
    wire_tickets,
)
from support.llm_server import LlmServer
from support.smtp import USERNAME, Fault

__all__ = ["desk", "sqlite_desk"]
BOTH = f"{LEAD}, {DEPUTY}"


def ids_of(desk: WholeDesk) -> list[str]:
    """Ids of all reports, oldest first."""
    return [report["id"] for report in desk.cli("report", "list", "--json").json]


def attachment(desk: WholeDesk, position: int = -1) -> bytes:
    """The workbook in a message the mail server took."""
    (attached,) = desk.smtp.messages[position].message.iter_attachments()
    content: bytes = attached.get_content()
    return content


def message_ids(desk: WholeDesk) -> list[str]:
    return [str(received.message["Message-ID"]) for received in desk.smtp.messages]


def test_a_report_that_could_not_be_sent_goes_first_and_asks_nobody_else(desk: WholeDesk) -> None:
    with LlmServer() as llm:
        desk.settings |= {"LLM_MODEL_NAME": "some-model", "LLM_BASE_URL": llm.url}
        desk.smtp.stop()
        first = desk.run()
        assert first.code == 4
        assert "is unsent: the next run will resend it" in first.text
        assert report_path(first, desk.folder).is_file()
        assert desk.asked == ["/tickets", "/catalog.yaml"]
        assert llm.requests, "one ticket has nothing in common with the catalog"

        desk.smtp.start()
        desk.helpdesk.clear()
        llm.requests.clear()
        second = desk.run()
        assert second.code == 0
        assert "1 report had not been sent. Nothing was fetched" in second.text
        assert f"Sent to {LEAD}." in second.text
        assert desk.asked == []
        assert llm.requests == []
        (received,) = desk.smtp.messages
        assert (received.encrypted, received.username) == (True, USERNAME)
        assert {"STARTTLS", "AUTH ***"} <= set(desk.smtp.commands)

        desk.helpdesk.tickets += wire_tickets(1, start=6)
        third = desk.run()
        assert third.code == 0
        assert desk.asked == ["/tickets", "/catalog.yaml"]
        assert "6 (1 new, 5 known)" in third.text
        assert len(desk.smtp.messages) == 2
        desk.check_books(tickets_expected=6)


def test_the_mail_is_complete(sqlite_desk: WholeDesk) -> None:
    outcome = sqlite_desk.run()
    (received,) = sqlite_desk.smtp.messages
    message = received.message
    assert message["Subject"] == "Triage - Ada"
    assert received.recipients == (LEAD,)
    assert attachment(sqlite_desk) == report_path(outcome, sqlite_desk.folder).read_bytes()
    bodies = [message.get_body((kind,)) for kind in ("plain", "html")]
    assert all(b and "https://git.example.com/triagedesk" in b.get_content() for b in bodies)


@pytest.mark.parametrize("count", [2, 3])
def test_several_unsent_reports_go_out_oldest_first(desk: WholeDesk, count: int) -> None:
    for _ in range(count):
        assert desk.run("--no-email").code == 0
    reports = ids_of(desk)
    desk.smtp.stop()
    for report in reversed(reports):
        assert desk.cli("report", "resend", report).code == 4
    assert desk.report_states() == ["unsent"] * count
    desk.smtp.start()
    desk.helpdesk.clear()

    outcome = desk.run()

    assert outcome.code == 0
    assert f"{count} reports had not been sent" in outcome.text
    assert message_ids(desk) == [f"<{report}@example.com>" for report in reports]
    assert desk.asked == []


def test_an_unsent_report_whose_file_is_gone_is_rebuilt_byte_for_byte(desk: WholeDesk) -> None:
    desk.smtp.stop()
    path = report_path(desk.run(), desk.folder)
    before = path.read_bytes()
    path.unlink()
    desk.smtp.start()

    assert desk.run().code == 0

    assert path.read_bytes() == before
    assert attachment(desk) == before


def test_a_damaged_file_of_the_same_size_is_replaced(sqlite_desk: WholeDesk) -> None:
    sqlite_desk.smtp.stop()
    path = report_path(sqlite_desk.run(), sqlite_desk.folder)
    before = path.read_bytes()
    path.write_bytes(bytes(len(before)))
    sqlite_desk.smtp.start()
    assert sqlite_desk.run().code == 0
    assert path.read_bytes() == before


def test_a_report_is_sent_again_on_request_with_its_own_id(desk: WholeDesk) -> None:
    desk.run()
    (report,) = ids_of(desk)

    outcome = desk.cli("report", "resend", report)

    assert outcome.code == 0
    assert f"Sent to {LEAD}" in outcome.text
    assert len(set(message_ids(desk))) == 1
    assert len(desk.smtp.messages) == 2


def test_resend_without_an_id_sends_all_that_is_unsent(sqlite_desk: WholeDesk) -> None:
    sqlite_desk.smtp.stop()
    sqlite_desk.run()
    assert sqlite_desk.cli("report", "resend").code == 4
    sqlite_desk.smtp.start()
    assert sqlite_desk.cli("report", "resend").code == 0
    assert sqlite_desk.report_states() == ["sent"]
    assert sqlite_desk.cli("report", "resend").code == 0
    assert len(sqlite_desk.smtp.messages) == 1


def test_a_report_can_be_sent_to_somebody_else(desk: WholeDesk) -> None:
    desk.smtp.script(Fault(at="RCPT", match=LEAD, reply="550 5.1.1 no such mailbox"))
    desk.run()
    (report,) = ids_of(desk)
    others = ["--to", DEPUTY, "--to", "third@example.com"]

    outcome = desk.cli("report", "resend", report, *others)

    assert outcome.code == 0
    assert [m.recipients for m in desk.smtp.messages] == [(DEPUTY, "third@example.com")]
    desk.helpdesk.clear()
    assert desk.run().code == 4, "the new report is for the lead again"
    assert desk.asked == ["/tickets", "/catalog.yaml"]


def test_a_discarded_report_blocks_no_run_and_stays_in_the_list(desk: WholeDesk) -> None:
    desk.smtp.stop()
    desk.run()
    (report,) = ids_of(desk)
    assert desk.cli("report", "discard", report).code == 0
    desk.smtp.start()

    outcome = desk.run()

    assert outcome.code == 0
    assert desk.asked == ["/tickets", "/catalog.yaml"] * 2
    assert desk.report_states() == ["discarded", "sent"]


def test_report_list_says_what_became_of_every_copy(sqlite_desk: WholeDesk) -> None:
    assert "No report yet" in sqlite_desk.cli("report", "list").text
    sqlite_desk.smtp.script(Fault(at="RCPT", match=DEPUTY, reply="550 5.1.1 no such mailbox"))
    sqlite_desk.run(EMAIL_RECIPIENT=BOTH)
    (listed,) = sqlite_desk.cli("report", "list", "--json").json
    assert listed["state"] == "unsent"
    assert [(c["recipient"], c["state"]) for c in listed["deliveries"]] == [
        (DEPUTY, "parked"),
        (LEAD, "delivered"),
    ]
    shown = sqlite_desk.cli("report", "list").text
    assert all(word in shown for word in (LEAD, DEPUTY, "parked", "no such mailbox"))


def test_report_build_writes_the_same_decisions_and_sends_nothing(sqlite_desk: WholeDesk) -> None:
    from support.desk import sheet

    written = report_path(sqlite_desk.run(), sqlite_desk.folder)
    (report,) = ids_of(sqlite_desk)
    for arguments in ([], [report]):
        again = sqlite_desk.folder / f"again{len(arguments)}.xlsx"
        outcome = sqlite_desk.cli("report", "build", *arguments, "--output", again.name)
        assert outcome.code == 0
        assert sheet(again) == sheet(written)
    assert len(sqlite_desk.smtp.messages) == 1
    assert sqlite_desk.report_states() == ["sent"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("resend", "nope"),
        ("resend", "nope", "--to", DEPUTY),
        ("discard", "nope"),
        ("build", "nope"),
    ],
)
def test_an_unknown_report_is_wrong_input(
    sqlite_desk: WholeDesk, arguments: tuple[str, ...]
) -> None:
    outcome = sqlite_desk.cli("report", *arguments)
    assert outcome.code == 2
    assert "there is no" in outcome.err
    assert "report list" in outcome.err


def test_report_build_before_any_run_is_wrong_input(sqlite_desk: WholeDesk) -> None:
    outcome = sqlite_desk.cli("report", "build")
    assert outcome.code == 2
    assert "there is no run" in outcome.err


def assert_unsent(outcome: Outcome, words: str) -> None:
    assert outcome.code == 4
    assert words in outcome.text
    assert f"Not sent to {LEAD}" in outcome.text


def test_a_refused_sign_in_is_said_and_mended_by_the_right_password(desk: WholeDesk) -> None:
    assert_unsent(desk.run(EMAIL_PASSWORD="wrong"), "check EMAIL_USERNAME and EMAIL_PASSWORD")
    assert len(desk.naps) == 1, "the same password need not be tried again and again"
    assert desk.run().code == 0
    assert len(desk.smtp.messages) == 1


def test_a_temporary_refusal_is_tried_again_at_once(desk: WholeDesk) -> None:
    desk.smtp.script(Fault(at="RCPT", reply="451 4.7.1 greylisted", times=2))
    outcome = desk.run()
    assert outcome.code == 0
    assert desk.naps == [0.0, 2.0, 5.0]
    assert len(desk.smtp.messages) == 1


def test_a_lasting_temporary_refusal_leaves_the_report_to_the_next_run(desk: WholeDesk) -> None:
    desk.smtp.script(Fault(at="RCPT", reply="452 4.2.2 mailbox full"))
    assert_unsent(desk.run(), "452 4.2.2 mailbox full")
    desk.smtp.script()
    assert desk.run().code == 0
    assert len(desk.smtp.messages) == 1


def test_a_permanent_refusal_parks_the_report_and_the_next_run_names_the_ways_out(
    desk: WholeDesk,
) -> None:
    desk.smtp.script(Fault(at="DOT", reply="554 5.7.1 looks like spam"))
    assert_unsent(desk.run(), "554 5.7.1 looks like spam")
    (report,) = ids_of(desk)
    desk.helpdesk.clear()
    tried = len(desk.smtp.commands)
    desk.smtp.script()

    outcome = desk.run()

    assert_unsent(outcome, "554 5.7.1 looks like spam")
    assert f"triagedesk report resend {report} --to ADDRESS" in outcome.text
    assert f"triagedesk report discard {report}" in outcome.text
    assert desk.asked == []
    assert len(desk.smtp.commands) == tried, "the same server would refuse again"


def test_a_parked_report_is_tried_again_when_the_settings_change(desk: WholeDesk) -> None:
    desk.smtp.script(Fault(at="MAIL", match="desk@", reply="550 5.7.1 not your address"))
    assert_unsent(desk.run(), "550 5.7.1 not your address")

    outcome = desk.run(EMAIL_SENDER="other@example.com")

    assert outcome.code == 0
    assert [m.sender for m in desk.smtp.messages] == ["other@example.com"]
    assert desk.report_states() == ["sent"]


def test_removing_the_refused_recipient_settles_the_report(desk: WholeDesk) -> None:
    desk.smtp.script(Fault(at="RCPT", match=DEPUTY, reply="550 5.1.1 no such mailbox"))
    assert desk.run(EMAIL_RECIPIENT=BOTH).code == 4

    assert desk.run(EMAIL_RECIPIENT=LEAD).code == 0

    assert desk.report_states() == ["sent"]
    desk.helpdesk.clear()
    assert desk.run(EMAIL_RECIPIENT=LEAD).code == 0
    assert desk.asked == ["/tickets", "/catalog.yaml"]


def test_one_of_two_recipients_refused_keeps_the_other_from_getting_it_twice(
    desk: WholeDesk,
) -> None:
    desk.settings["EMAIL_RECIPIENT"] = BOTH
    desk.smtp.script(Fault(at="RCPT", match=DEPUTY, reply="452 4.2.2 mailbox full"))
    outcome = desk.run()
    assert outcome.code == 4
    assert f"Not sent to {DEPUTY}" in outcome.text
    desk.smtp.script()

    assert desk.run().code == 0

    assert [m.recipients for m in desk.smtp.messages] == [(LEAD,), (DEPUTY,)]
    assert len(set(message_ids(desk))) == 1


def test_resending_by_hand_spares_those_who_have_it(desk: WholeDesk) -> None:
    desk.settings["EMAIL_RECIPIENT"] = BOTH
    desk.smtp.script(Fault(at="RCPT", match=DEPUTY, reply="550 5.1.1 no such mailbox"))
    assert desk.run().code == 4
    desk.smtp.script()
    [report] = ids_of(desk)

    assert desk.cli("report", "resend", report).code == 0
    assert [m.recipients for m in desk.smtp.messages] == [(LEAD,), (DEPUTY,)]

    assert desk.cli("report", "resend", report).code == 0, "sent: once more, to everyone"
    assert [m.recipients for m in desk.smtp.messages][2:] == [(LEAD, DEPUTY)]


def test_a_connection_lost_during_data_loses_and_doubles_nothing(desk: WholeDesk) -> None:
    desk.smtp.script(Fault(at="BODY", drop=True, times=1))
    # A small message is on its way as a whole before the drop is felt: then it may have arrived,
    # and the repeat is left to the next run.
    if desk.run().code == 4:
        assert desk.run().code == 0
    assert len(desk.smtp.messages) == 1
    assert desk.report_states() == ["sent"]


def test_a_server_that_always_drops_during_data_leaves_the_report_unsent(desk: WholeDesk) -> None:
    desk.smtp.script(Fault(at="BODY", drop=True))
    assert desk.run().code == 4
    assert desk.smtp.messages == []
    desk.smtp.script()
    assert desk.run().code == 0
    assert len(desk.smtp.messages) == 1


def test_a_connection_lost_after_the_final_dot_doubles_only_under_the_same_id(
    desk: WholeDesk,
) -> None:
    desk.smtp.script(Fault(at="DOT", drop=True, times=1))
    first = desk.run()
    assert_unsent(first, "it may have arrived")
    assert len(desk.smtp.messages) == 1, "not tried again within the run"

    assert desk.run().code == 0

    assert len(desk.smtp.messages) == 2
    assert len(set(message_ids(desk))) == 1
    assert attachment(desk, 0) == attachment(desk, 1)


def test_a_report_kept_without_mail_settings_is_an_eml_file(sqlite_desk: WholeDesk) -> None:
    without = dict.fromkeys(
        ("EMAIL_SMTP_HOST", "EMAIL_SMTP_PORT", "EMAIL_USERNAME", "EMAIL_PASSWORD"), ""
    )
    outcome = sqlite_desk.run(**without)
    assert outcome.code == 0
    (mail,) = (sqlite_desk.folder / "out" / "outbox").glob("*.eml")
    assert b"Subject: Triage - Ada" in mail.read_bytes()
    assert sqlite_desk.smtp.messages == []


def test_a_second_report_to_the_same_file_replaces_it(sqlite_desk: WholeDesk) -> None:
    fixed = Path("fixed.xlsx")
    for _ in range(2):
        sqlite_desk.run("--report", str(fixed))
        assert (sqlite_desk.folder / fixed).read_bytes() == attachment(sqlite_desk)
