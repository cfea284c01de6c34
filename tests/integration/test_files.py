"""Files are written whole or not at all."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from triagedesk.errors import OutputError
from triagedesk.files import write_file

# Writes one of two contents after the other for as long as it lives.
WRITER = """
import sys
from pathlib import Path
from triagedesk.files import write_file
while True:
    for letter in (b"a", b"b"):
        write_file(Path(sys.argv[1]), letter * 3_000_000)
"""


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "report.xlsx"
    write_file(path, b"one")
    assert path.read_bytes() == b"one"
    write_file(path, b"")
    assert path.read_bytes() == b""
    assert os.listdir(path.parent) == ["report.xlsx"]  # noqa: PTH208 - names, not paths


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_who_may_read_it_is_what_the_umask_says(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_file(tmp_path / "report.xlsx", b"one")
    finally:
        os.umask(before)
    assert (tmp_path / "report.xlsx").stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("old", [None, b"the old report"])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, old: bytes | None) -> None:
    path = tmp_path / "report.xlsx"
    if old is not None:
        path.write_bytes(old)
    with largest_file(1000), pytest.raises(OutputError) as caught:
        write_file(path, bytes(100_000))
    assert caught.value.message == f"cannot write {path}: File too large"
    assert caught.value.exit_code == 5
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == ([] if old is None else [old])


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file" / "report.xlsx", tmp_path / "file" / "below" / "report.xlsx"):
        with pytest.raises(OutputError) as caught:
            write_file(path, b"one")
        assert caught.value.message == f"cannot write {path}: {path.parent} is not a folder"
        assert caught.value.hint


def test_a_folder_in_the_files_place_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "report.xlsx"
    (path / "below").mkdir(parents=True)
    with pytest.raises(OutputError, match="Is a directory"):
        write_file(path, b"one")
    assert list(tmp_path.iterdir()) == [path]


def test_the_longest_name_a_folder_takes_will_do(tmp_path: Path) -> None:
    path = tmp_path / f"{'ä' * 125}.xlsx"
    write_file(path, b"one")
    assert path.read_bytes() == b"one"


def test_readers_of_a_writer_that_is_killed_see_whole_files_only(tmp_path: Path) -> None:
    path = tmp_path / "report.xlsx"
    seen = set()
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)]) as writer:
            give_up = time.monotonic() + 60
            while not path.exists() and time.monotonic() < give_up:
                time.sleep(0.01)
            for _ in range(30):
                content = path.read_bytes()
                seen.add((content[:1], content.count(content[:1]), len(content)))
            writer.kill()
        content = path.read_bytes()
        seen.add((content[:1], content.count(content[:1]), len(content)))
    assert seen <= {(b"a", 3_000_000, 3_000_000), (b"b", 3_000_000, 3_000_000)}
