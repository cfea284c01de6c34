"""Tickets and agents from real files and a real standard input."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.helpdesk import wire_ticket
from triagedesk.errors import AgentsError, TicketsError
from triagedesk.sources.files import FileSource, read_agents_file


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.json", json.dumps({"agents": [], "tickets": [wire_ticket(7, "Drucker läuft")]})),
        ("t.JSONL", json.dumps(wire_ticket(7, "Drucker läuft"))),
        ("t.ndjson", json.dumps(wire_ticket(7, "Drucker läuft"))),
        ("t.csv", "id;subject\r\n7;Drucker läuft\r\n"),
        ("t.tsv", "id\tsubject\n7\tDrucker läuft\n"),
        ("t.yml", "- id: 7\n  subject: Drucker läuft\n"),
        ("tickets", "id,subject\n7,Drucker läuft\n"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_files_are_read_in_every_format_and_encoding(
    tmp_path: Path, name: str, content: str, encoding: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode(encoding))
    (ticket,) = FileSource(path).fetch("").tickets
    assert (ticket.source, ticket.id) == ("file", "7")
    assert ticket.short_description == "Drucker läuft"


@pytest.mark.parametrize(
    "content",
    [
        '[{"id": 7, "title": "x"}]',
        '{"id": 7, "title": "x"}\n',
        "id,title\n7,x\n",
        "- {id: 7, title: x}",
    ],
)
def test_standard_input_is_read_in_every_format(content: str) -> None:
    source = FileSource("-", name="stdin", stdin=io.BytesIO(content.encode()))
    (ticket,) = source.fetch("").tickets
    assert (ticket.source, ticket.id, ticket.short_description) == ("stdin", "7", "x")
    assert source.origin == "standard input"


def test_the_standard_input_of_a_process_is_read() -> None:
    code = (
        "from triagedesk.sources.files import FileSource\n"
        "print(FileSource('-').fetch('').tickets[0].short_description)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input="id;title\n7;läuft".encode(),
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert done.stdout.decode().strip() == "läuft"


def test_a_missing_file_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(TicketsError, match=r"There is no file .*none\.json"):
        FileSource(tmp_path / "none.json").fetch("")


def test_a_folder_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(TicketsError, match="is a folder, not a file"):
        FileSource(tmp_path).fetch("")


@pytest.mark.parametrize("path", ["a\x00b", "x" * 5000])
def test_a_path_that_cannot_be_is_refused(path: str) -> None:
    with pytest.raises(TicketsError, match="cannot be read"):
        FileSource(path).fetch("")


def test_a_file_that_cannot_be_read_says_why() -> None:
    # Opens for anyone, root included, and fails on the first read.
    with pytest.raises(TicketsError, match=r"cannot be read: Input/output error"):
        FileSource("/proc/self/mem").fetch("")


def test_a_workbook_is_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "tickets.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "")
    with pytest.raises(TicketsError, match="workbook") as caught:
        FileSource(path).fetch("")
    assert "CSV" in caught.value.hint


def test_a_file_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text("[" + " " * 1000 + "]")
    with pytest.raises(TicketsError, match="larger than 1,000 bytes"):
        FileSource(path, max_bytes=1000).fetch("")


def test_an_error_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('[\n  {"id": 1},\n  {"id": }\n]')
    with pytest.raises(TicketsError) as caught:
        FileSource(path).fetch("")
    assert "t.json" in str(caught.value)
    assert "line 3" in str(caught.value)


def test_agents_are_read_from_a_file_of_each_kind(tmp_path: Path) -> None:
    contents = {
        "a.json": '{"agents": [{"agent_id": "a", "skills": {"VPN": 8}}]}',
        "a.yaml": "agents:\n  - agent_id: a\n    skills: {VPN: 8}\n",
        "a.csv": "agent_id;skills\na;VPN:8\n",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    (first, *others) = [read_agents_file(tmp_path / name, default_capacity=3) for name in contents]
    assert all(other == first for other in others)
    assert (first[0].id, dict(first[0].skills), first[0].capacity) == ("a", {"VPN": 8}, 3)


def test_agents_that_cannot_be_read_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(AgentsError, match=r"none\.json"):
        read_agents_file(tmp_path / "none.json")
    (tmp_path / "a.json").write_text('[{"agent_id": "a", "current_load": -1}]')
    with pytest.raises(AgentsError, match=r"a\.json cannot be used, 1 problem"):
        read_agents_file(tmp_path / "a.json")
