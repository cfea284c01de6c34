"""Folders that cannot be written and disks that are full: the report is not lost for it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.desk import WholeDesk, sqlite_desk
from support.services import require

__all__ = ["sqlite_desk"]
NO_MAIL = dict.fromkeys(
    ("EMAIL_SMTP_HOST", "EMAIL_SMTP_PORT", "EMAIL_USERNAME", "EMAIL_PASSWORD"), ""
)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    done = subprocess.run(mount, check=False, capture_output=True, text=True)
    # Not `require`: no CI container may mount, and the unwritable folders below stand for it.
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        # Lazily: a test that failed may still hold files open.
        subprocess.run(["umount", "-l", str(folder)], check=True)


def below_a_file(desk: WholeDesk) -> str:
    """A folder that nobody can make, not even root."""
    (desk.folder / "file").write_text("")
    return "file/out"


def test_an_output_folder_that_cannot_be_made_does_not_hold_up_the_mail(
    sqlite_desk: WholeDesk,
) -> None:
    outcome = sqlite_desk.run(OUTPUT_DIR=below_a_file(sqlite_desk))
    assert outcome.code == 5
    assert "cannot write file/out/reports/triage-" in outcome.text
    assert "is not a folder" in outcome.text
    assert "Sent to lead@example.com" in outcome.text
    assert sqlite_desk.report_states() == ["sent"]
    assert sqlite_desk.run().code == 0
    sqlite_desk.check_books(tickets_expected=5)


def test_a_report_path_that_cannot_be_written_is_said_and_the_store_keeps_the_report(
    sqlite_desk: WholeDesk,
) -> None:
    below_a_file(sqlite_desk)
    outcome = sqlite_desk.run("--report", "file/report.xlsx", "--no-email")
    assert outcome.code == 5
    assert "cannot write file/report.xlsx: file is not a folder" in outcome.text
    assert "the store keeps the report" in outcome.text
    assert sqlite_desk.cli("report", "build", "--output", "again.xlsx").code == 0
    assert (sqlite_desk.folder / "again.xlsx").stat().st_size > 5_000
    build = sqlite_desk.cli("report", "build", "--output", "file/again.xlsx")
    assert build.code == 5
    assert "cannot write file/again.xlsx" in build.err


def test_a_decisions_file_that_cannot_be_written_is_said(sqlite_desk: WholeDesk) -> None:
    below_a_file(sqlite_desk)
    outcome = sqlite_desk.run("--decisions", "file/decisions.jsonl")
    assert outcome.code == 5
    assert "cannot write file/decisions.jsonl" in outcome.err
    assert sqlite_desk.report_states() == ["sent"]
    sqlite_desk.check_books(tickets_expected=5)


def test_an_outbox_folder_that_cannot_be_made_leaves_the_report_unsent(
    sqlite_desk: WholeDesk,
) -> None:
    outcome = sqlite_desk.run(OUTPUT_DIR=below_a_file(sqlite_desk), **NO_MAIL)
    assert outcome.code == 4
    assert "the next run will resend it" in outcome.text
    # The mail goes out; the file's own place, chosen when it was built, is still none.
    again = sqlite_desk.run(**NO_MAIL)
    assert again.code == 5
    assert "cannot write file/out/reports/" in again.text
    assert sqlite_desk.report_states() == ["sent"]
    assert len(list(sqlite_desk.folder.glob("out/outbox/*.eml"))) == 1
    assert sqlite_desk.run(**NO_MAIL).code == 0


def test_a_full_disk_leaves_nothing_half_written_and_the_report_unsent(
    sqlite_desk: WholeDesk, small_disk: Path
) -> None:
    (small_disk / "ballast").write_bytes(bytes(250_000))
    outcome = sqlite_desk.run(OUTPUT_DIR=str(small_disk), **NO_MAIL)
    assert outcome.code == 4
    assert "No space left on device" in outcome.text
    assert not [path for path in small_disk.rglob("*") if path.is_file() and path.stem != "ballast"]
    (small_disk / "ballast").unlink()
    assert sqlite_desk.run(OUTPUT_DIR=str(small_disk), **NO_MAIL).code == 0
    assert len(list(small_disk.glob("outbox/*.eml"))) == 1
    assert len(list(small_disk.glob("reports/*.xlsx"))) == 1


def test_a_full_disk_under_the_database_ends_the_run_and_the_next_carries_on(
    sqlite_desk: WholeDesk, small_disk: Path
) -> None:
    full = {"DATABASE_URL": f"sqlite:///{small_disk / 'desk.db'}"}
    outcome = sqlite_desk.run(**full)
    assert outcome.code == 6
    assert " is full" in outcome.err or "disk I/O error" in outcome.err
    assert "Traceback" not in outcome.err
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    sqlite_desk.store_url = full["DATABASE_URL"]
    assert sqlite_desk.run(**full).code == 0
    sqlite_desk.check_books(tickets_expected=5)
    assert len(sqlite_desk.smtp.messages) == 1


def test_a_read_only_output_folder_is_said_with_its_path(sqlite_desk: WholeDesk) -> None:
    require(os.geteuid() != 0 or Path("/proc/self").exists(), "no folder is read-only for root")
    # Nobody writes there, whoever they are.
    outcome = sqlite_desk.run(OUTPUT_DIR="/proc/self/fdinfo")
    assert outcome.code == 5
    assert "cannot write /proc/self/fdinfo/reports/triage-" in outcome.text
    assert sqlite_desk.report_states() == ["sent"]
