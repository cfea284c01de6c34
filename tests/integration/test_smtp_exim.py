"""The same deliveries against Exim: what real servers do, not what our own server imagines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.exim import Exim, exim_is_missing
from support.reports import mail, workbook
from support.services import require
from support.smtp import PASSWORD, USERNAME
from triagedesk.outbox import Attachment
from triagedesk.outbox.smtp import SmtpChannel

LEAD = "lead@desk.example.com"


@pytest.fixture(scope="module")
def exim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exim]:
    require(not exim_is_missing(), exim_is_missing())
    with Exim(tmp_path_factory.mktemp("exim")) as running:
        yield running


def channel_to(exim: Exim, **fields: Any) -> SmtpChannel:
    values: dict[str, Any] = {
        "host": "localhost",
        "port": exim.port,
        "sender": "bot@desk.example.com",
        "recipients": (LEAD,),
        "username": USERNAME,
        "password": PASSWORD,
        "timeout": 60.0,
        "ca_file": exim.certificates.ca,
    }
    return SmtpChannel(**values | fields)


def test_a_report_arrives_whole(exim: Exim) -> None:
    sent = mail(message_id="<whole@desk.example.com>")
    outcomes = channel_to(exim).send(sent, (LEAD, "two@desk.example.com"))

    assert all(outcome.delivered for outcome in outcomes.values())
    arrived = [m for m in exim.messages(2) if m["Message-ID"] == sent.message_id]
    assert {m["Envelope-to"] for m in arrived} <= {
        LEAD,
        "two@desk.example.com",
        f"{LEAD}, two@desk.example.com",
        f"{LEAD},\n two@desk.example.com",
    }
    assert arrived
    (attached,) = arrived[0].iter_attachments()
    assert attached.get_filename() == "Bericht März.xlsx"
    assert attached.get_content() == workbook().content
    assert arrived[0]["Subject"] == sent.subject


def test_each_recipient_has_an_outcome_of_its_own(exim: Exim) -> None:
    names = ("reject", "full", "lead", "drop", "after")
    recipients = tuple(f"{name}@desk.example.com" for name in names)
    outcomes = channel_to(exim).send(mail(message_id="<own@desk.example.com>"), recipients)
    short = {name: outcomes[f"{name}@desk.example.com"] for name in names}

    assert short["lead"].delivered
    assert short["after"].delivered
    assert "550 5.1.1 no such user" in short["reject"].error
    assert "452 4.2.2 mailbox full" in short["full"].error
    assert "550 5.3.2 closing" in short["drop"].error
    assert [name for name in names if short[name].permanent] == ["reject", "drop"]


def test_a_greylisted_report_is_taken_the_second_time(exim: Exim) -> None:
    grey = "grey@desk.example.com"
    first = channel_to(exim).send(mail(message_id="<grey@desk.example.com>"), (grey,))
    second = channel_to(exim).send(mail(message_id="<grey@desk.example.com>"), (grey,))

    assert (first[grey].delivered, first[grey].permanent, first[grey].try_again) == (
        False,
        False,
        True,
    )
    assert second[grey].delivered


def test_refused_content_is_permanent(exim: Exim) -> None:
    outcome = channel_to(exim).send(mail(subject="REFUSE this"), (LEAD,))[LEAD]

    assert "554 5.7.1 content refused" in outcome.error
    assert outcome.permanent


def test_a_wrong_password_is_temporary_and_names_the_settings(exim: Exim) -> None:
    outcome = channel_to(exim, password="wrong").send(mail(), (LEAD,))[LEAD]

    assert "535" in outcome.error
    assert "EMAIL_PASSWORD" in outcome.error
    assert not outcome.permanent
    assert "wrong" not in outcome.error


def test_no_sign_in_at_all_is_temporary_and_names_the_settings(exim: Exim) -> None:
    outcome = channel_to(exim, username="", password="").send(mail(), (LEAD,))[LEAD]

    assert "530 5.7.0 Authentication required" in outcome.error
    assert "EMAIL_PASSWORD" in outcome.error
    assert not outcome.permanent


def test_a_report_over_the_servers_limit_is_permanent(exim: Exim, tmp_path: Path) -> None:
    large = mail(
        attachment=Attachment(
            filename="large.xlsx", content_type="application/x", content=bytes(11_000_000)
        )
    )
    outcome = channel_to(exim).send(large, (LEAD,))[LEAD]

    assert "10.5 MB at most" in outcome.error
    assert outcome.permanent
