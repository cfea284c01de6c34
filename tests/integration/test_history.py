"""A history of closed tickets is read a line at a time, and learned whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from pathlib import Path

import pytest

from support.desk import WholeDesk, sqlite_desk
from triagedesk.catalog import CatalogEntry, Label, ServiceCatalog, Sla, SlaUnit
from triagedesk.errors import TicketsError
from triagedesk.learning import MOST_NOTED
from triagedesk.sources.files import read_ticket_text
from triagedesk.sources.history import closed_tickets
from triagedesk.studying import Study
from triagedesk.tickets import BrokenTicket, Ticket

__all__ = ["sqlite_desk"]

LAPTOP = Label("Hardware", "Broken laptop")
CATALOG = ServiceCatalog(
    entries=(CatalogEntry(label=LAPTOP, sla=Sla(value=8, unit=SlaUnit.HOURS)),), version="one"
)
ROW = {
    "id": 7,
    "subject": "Drucker läuft\u2028nicht",
    "body": "Zeile 1\nZeile 2, „so“",
    "request_category": "Hardware",
    "request_type": "Broken laptop",
}


def as_csv(delimiter: str, end: str, begin: str = "") -> str:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(ROW)
    writer.writerow(ROW.values())
    writer.writerow([*ROW.values(), "one too many"])
    return begin + file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "encoding"),
    [
        ("h.csv", as_csv(",", "\n"), "utf-8"),
        ("h.csv", as_csv(";", "\r\n", "sep=;\r\n\r\n"), "utf-8-sig"),
        ("h.tsv", as_csv("\t", "\r"), "utf-16"),
        ("history", as_csv("|", "\n", "\n\n"), "utf-8"),
        ("h.jsonl", json.dumps(ROW, ensure_ascii=False) + "\r\n\r\n{cut off", "utf-8"),
        ("history", json.dumps(ROW) + '\n{"id": 8}\n', "utf-8"),
        ("h.json", json.dumps({"tickets": [ROW, 4]}, indent=1), "utf-16"),
        ("h.yaml", json.dumps([ROW, {"id": "9"}]), "utf-8"),
    ],
)
def test_reading_line_by_line_gives_what_reading_all_gives(
    tmp_path: Path, name: str, content: str, encoding: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode(encoding))
    found = list(closed_tickets(path))
    whole = read_ticket_text(content, source="history", origin=name)
    assert [item for item in found if isinstance(item, Ticket)] == list(whole.tickets)
    assert [item for item in found if isinstance(item, BrokenTicket)] == list(whole.broken)
    assert len(found) == 2
    assert found == list(closed_tickets("-", stdin=io.BytesIO(content.encode(encoding))))


def test_windows_text_is_read_as_such(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_bytes(("id,subject\n1,plain\n" + "2,Drucker läuft\n").encode("cp1252"))
    (_, second) = closed_tickets(path)
    assert isinstance(second, Ticket)
    assert second.short_description == "Drucker läuft"


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("h.csv", 'id,subject\n1,a\n2,"open\n3,c\n', "line 3"),
        ("h.csv", "number,subject\n1,a\n", "line 1"),
        ("h.jsonl", "<html>\n<body>\n", "No line of"),
        ("h.json", '{"id": ', "line 1"),
        ("h.csv", "PK\x03\x04", "workbook"),
    ],
)
def test_what_cannot_be_read_names_the_place(
    tmp_path: Path, name: str, content: str, complaint: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(TicketsError) as error:
        list(closed_tickets(tmp_path / name))
    assert complaint in f"{error.value} {getattr(error.value, 'problems', ())}"


def test_a_pipe_that_is_too_long_is_refused() -> None:
    with pytest.raises(TicketsError, match="larger than 20 bytes"):
        list(closed_tickets("-", max_bytes=20, stdin=io.BytesIO(b"id,subject\n1,abcdefghij\n")))


def test_a_mistake_on_the_last_line_leaves_nothing_behind(sqlite_desk: WholeDesk) -> None:
    rows = "".join(f"{n},Lid of {n} broke,Hardware,Broken laptop\n" for n in range(1200))
    path = sqlite_desk.folder / "history.csv"
    path.write_text(f'id,subject,request_category,request_type\n{rows}x,"never closed\n')
    assert sqlite_desk.cli("corrections", "list").code == 0
    before = sqlite_desk.contents()
    outcome = sqlite_desk.cli("learn", "history.csv")
    assert outcome.code == 2
    assert "line 1202: not CSV: unexpected end of data" in outcome.text
    # The catalog was read, and is kept; nothing else.
    assert sqlite_desk.contents() | {"catalogs": []} == before


def test_a_history_through_a_pipe_is_learned_and_long_complaints_are_counted(
    sqlite_desk: WholeDesk,
) -> None:
    unknown = "".join(f"u{n},Parking,Facilities,Parking\n" for n in range(MOST_NOTED + 50))
    text = (
        "id,subject,request_category,request_type\n"
        "1,Lid broke,Hardware,Printer jam\n"
        "2,Lid broke,Hardware,Broken laptop\n"
        "3,Paper jam,Hardware,Broken laptop\n"
        "3,Paper jam again,Hardware,Printer jam\n"
        "2,Lid broke,Hardware,Broken laptop\n"
    )
    first = sqlite_desk.cli("learn", "-", "--by", "kim", stdin=text + unknown)
    assert first.code == 0, first.text
    assert "Learned from 3 corrections" in first.text
    assert "number 3: id 3 comes again at position 3 with other content" in first.text
    assert "the newer answer stands" not in first.text
    assert f"and {MOST_NOTED + 51 - 10} more" in first.text
    again = sqlite_desk.cli(
        "learn",
        "-",
        stdin=text.replace("2,Lid broke,Hardware", "9,Lid broke,Access").replace(
            "Access,Broken laptop", "Access,VPN account"
        ),
    )
    assert "kim said Hardware / Broken laptop of the same text" in again.text


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(lines: int) -> int:
        path = tmp_path / f"{lines}.csv"
        with path.open("w") as file:
            file.write("id,subject,body,request_category,request_type\n")
            for n in range(lines):
                file.write(f"{n},Lid {n},{'The hinge broke. ' * 30}{n},Hardware,Broken laptop\n")
        tracemalloc.start()
        with Study(closed_tickets(path), CATALOG) as study:
            assert sum(1 for _ in study) == lines
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    small = peak(200)
    # 0.7 MB of text more; the digests of a line take 48 bytes.
    assert peak(1_600) - small < 250_000
