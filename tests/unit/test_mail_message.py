from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.reports import NOW, mail, workbook
from triagedesk.outbox import Attachment
from triagedesk.outbox.message import build_message, envelope_address


def parsed(message: EmailMessage) -> EmailMessage:
    return email.message_from_bytes(message.as_bytes(), policy=email.policy.default)


def built(*recipients: str, sender: str = "bot@desk.example.com") -> EmailMessage:
    return parsed(build_message(mail(), sender, recipients or ("lead@example.com",)))


def test_the_message_has_text_html_and_the_attachment() -> None:
    message = built()
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    (attached,) = message.iter_attachments()

    assert plain is not None
    assert plain.get_content().splitlines()[0] == "3 tickets ✓"
    assert html is not None
    assert "3 tickets ✓" in html.get_content()
    assert attached.get_filename() == "Bericht März.xlsx"
    assert attached.get_content_type().endswith("spreadsheetml.sheet")
    assert attached.get_content() == workbook().content


def test_the_headers_say_what_it_is_and_from_when() -> None:
    message = built("Lead <lead@example.com>", "two@example.com")

    assert message["Message-ID"] == "<run-1@desk.example.com>"
    assert parsedate_to_datetime(message["Date"]) == NOW
    assert message["Subject"] == "Tägliche Auswertung 中"
    assert message["From"] == "bot@desk.example.com"
    assert message["To"] == "Lead <lead@example.com>, two@example.com"
    assert message["Auto-Submitted"] == "auto-generated"


def test_the_message_is_ascii_with_short_lines_so_that_any_server_takes_it() -> None:
    content = build_message(mail(html="<p>" + "ü" * 5_000), "a@b.example", ["c@d.example"])

    lines = content.as_bytes().split(b"\r\n")
    assert content.as_bytes().isascii()
    assert max(map(len, lines)) <= 998
    assert b"\n" not in b"".join(lines)


def test_the_same_mail_gives_the_same_bytes() -> None:
    first = build_message(mail(), "a@b.example", ["c@d.example"]).as_bytes()

    assert build_message(mail(), "a@b.example", ["c@d.example"]).as_bytes() == first


@given(st.text(max_size=60), st.text(max_size=60))
def test_subject_and_filename_cannot_add_headers(subject: str, filename: str) -> None:
    evil = mail(
        subject=f"{subject}\r\nX-Evil: 1\r\n\r\nbody{subject}",
        attachment=Attachment(
            filename=f"{filename}\r\nX-Evil: 1", content_type="application/x", content=b""
        ),
    )
    message = parsed(build_message(evil, "a@b.example", ["c@d.example"]))

    assert "X-Evil" not in message
    assert all("X-Evil" not in part for part in message.walk())


def test_what_is_no_address_is_left_out_of_the_header() -> None:
    assert built("/srv/outbox")["To"] == "undisclosed-recipients:;"


def test_a_sender_beyond_ascii_has_its_domain_translated_in_the_message_id() -> None:
    message = build_message(mail(message_id="<r1@büro.example>"), "a@büro.example", ["c@d.example"])

    assert message["Message-ID"] == "<r1@xn--bro-hoa.example>"
    assert message["From"] == "a@xn--bro-hoa.example"


@pytest.mark.parametrize("message_id", ["", "run-1", "<run 1@x>", "<a@b>\r\nX: 1", "<a@>"])
def test_a_message_id_that_is_none_is_refused(message_id: str) -> None:
    with pytest.raises(ValueError, match="Message-ID"):
        build_message(mail(message_id=message_id), "a@b.example", ["c@d.example"])


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("lead@example.com", "lead@example.com"),
        ("The Lead <lead@example.com>", "lead@example.com"),
        ("first.last+tag@sub.example.co", "first.last+tag@sub.example.co"),
        ("lead@bücher.example", "lead@xn--bcher-kva.example"),
        ("jürgen@example.com", "jürgen@example.com"),
        ("root@localhost", "root@localhost"),
        ("bot@[127.0.0.1]", "bot@[127.0.0.1]"),
    ],
)
def test_an_address_is_taken_out_of_how_people_write_it(written: str, address: str) -> None:
    assert envelope_address(written) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nobody",
        "@example.com",
        "a@",
        "a b@example.com",
        "a@exa mple.com",
        "a@b>\r\nRCPT TO:<evil@example.com",
        "a@b\nDATA",
        "<a@b",
        '"a b"@example.com',
        "a@..",
        "\ud800@example.com",
        "a@\ud800.example",
        "x" * 65 + "@example.com",
        "a@" + "x" * 300 + ".example",
        "a@b, c@d",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|domain"):
        envelope_address(text)


@given(st.text(max_size=50))
def test_an_accepted_address_never_holds_what_ends_a_command(text: str) -> None:
    try:
        address = envelope_address(text)
    except ValueError:
        return
    assert not set(address) & set("\r\n<> \0")
