from __future__ import annotations

import email
import email.policy
import errno
from email.message import EmailMessage
from pathlib import Path

import pytest

from support.reports import mail, workbook
from triagedesk.outbox import DeliveryOutcome
from triagedesk.outbox.maildir import MaildirChannel

LEAD = "lead@example.com"


def read(path: Path) -> EmailMessage:
    return email.message_from_bytes(path.read_bytes(), policy=email.policy.default)


def test_a_report_becomes_one_file_that_mail_programs_open(tmp_path: Path) -> None:
    channel = MaildirChannel(tmp_path / "outbox", sender="bot@example.com", recipients=(LEAD,))
    outcomes = channel.send(mail(), channel.recipients)

    assert outcomes == {LEAD: DeliveryOutcome(delivered=True)}
    (path,) = (tmp_path / "outbox").iterdir()
    assert path.suffix == ".eml"
    message = read(path)
    assert (message["From"], message["To"]) == ("bot@example.com", LEAD)
    (attached,) = message.iter_attachments()
    assert attached.get_content() == workbook().content


def test_the_same_report_overwrites_itself(tmp_path: Path) -> None:
    channel = MaildirChannel(tmp_path)
    channel.send(mail(text="first"), channel.recipients)
    channel.send(mail(text="second"), channel.recipients)

    (path,) = tmp_path.iterdir()
    assert path == channel.path_of(mail())
    assert "second" in path.read_text()


def test_another_report_gets_another_file(tmp_path: Path) -> None:
    channel = MaildirChannel(tmp_path)
    for message_id in ("<a/b@x>", "<a_b@x>", "<a:b@x>", "<run-2@x>"):
        channel.send(mail(message_id=message_id), channel.recipients)

    assert len(list(tmp_path.iterdir())) == 4


def test_without_recipients_the_folder_stands_for_them(tmp_path: Path) -> None:
    channel = MaildirChannel(tmp_path, sender="bot@example.com")
    outcomes = channel.send(mail(), channel.recipients)

    assert outcomes == {str(tmp_path): DeliveryOutcome(delivered=True)}
    assert read(channel.path_of(mail()))["To"] == "undisclosed-recipients:;"


@pytest.mark.parametrize("name", ["../../etc/evil", "/etc/evil", ".hidden", "a" * 400, "ä\x00"])
def test_no_message_id_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    path = MaildirChannel(tmp_path).path_of(mail(message_id=f"<{name}@x>"))

    assert path.parent == tmp_path
    assert not path.name.startswith(".")
    assert len(path.name) < 200


def test_a_folder_that_cannot_be_made_is_temporary_and_named(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file, not a folder")
    channel = MaildirChannel(tmp_path / "outbox")
    (outcome,) = channel.send(mail(), channel.recipients).values()

    assert not outcome.delivered
    assert str(channel.path_of(mail())) in outcome.error
    assert (outcome.permanent, outcome.try_again) == (False, False)


def test_a_full_disk_is_temporary_and_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    channel = MaildirChannel(tmp_path)
    monkeypatch.setattr("os.fsync", full)
    (outcome,) = channel.send(mail(), channel.recipients).values()

    assert "No space left on device" in outcome.error
    assert not outcome.permanent
    assert list(tmp_path.iterdir()) == []
