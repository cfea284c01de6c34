"""Texts in JSON, JSON lines, CSV or YAML -> tickets, or an error that names the line."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.helpdesk import wire_ticket
from triagedesk.cleaning import decode_text, excerpt
from triagedesk.errors import TicketsError
from triagedesk.formats import Format, load_table, sniff
from triagedesk.sources import Fetched
from triagedesk.sources.files import read_ticket_text
from triagedesk.sources.http import shown_address

TICKET = {"id": "7", "subject": "VPN down", "body": "No tunnel;\nsince 8:00"}


def read(text: str, origin: str = "standard input") -> Fetched:
    return read_ticket_text(text, source="file", origin=origin)


def places(text: str, origin: str) -> list[str]:
    with pytest.raises(TicketsError) as caught:
        read(text, origin)
    return [problem.where for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ("json", json.dumps([TICKET])),
        ("json", json.dumps({"data": {"requests": [TICKET]}}, indent=2)),
        ("jsonl", json.dumps(TICKET) + "\n\n"),
        ("csv", 'id,subject,body\n7,VPN down,"No tunnel;\nsince 8:00"\n'),
        ("csv", '\ufeffID;Subject;Body\r\n7;VPN down;"No tunnel;\nsince 8:00"\r\n'),
        (
            "csv",
            'sep=;\nTicket ID;Short Description;body\n7;VPN down;"No tunnel;\nsince 8:00"',
        ),
        ("csv", 'id\tsubject\tbody\n7\tVPN down\t"No tunnel;\nsince 8:00"\n'),
        (
            "yaml",
            'tickets:\n  - id: 7\n    subject: VPN down\n    body: "No tunnel;\\nsince 8:00"\n',
        ),
        ("yaml", '- id: "7"\n  subject: VPN down\n  body: "No tunnel;\\nsince 8:00"\n'),
    ],
)
def test_every_format_gives_the_same_ticket_by_ending_and_by_look(ending: str, text: str) -> None:
    by_ending = read(text, f"tickets.{ending}")
    assert by_ending == read(text)
    (ticket,) = by_ending.tickets
    assert (ticket.source, ticket.id) == ("file", "7")
    assert ticket.text == "VPN down\nNo tunnel;\nsince 8:00"
    assert by_ending.broken == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", Format.JSON),
        ('{"tickets": []}', Format.JSON),
        ('\ufeff\n {"a": 1}', Format.JSON),
        ('{"id": 1}\n{"id": 2}', Format.JSONL),
        ('{"id": 1,\n"title": x}', Format.JSON),
        ("[1, 2", Format.JSON),
        ("- id: 1", Format.YAML),
        ("tickets:\n- id: 1", Format.YAML),
        ("# list\n- id: 1", Format.YAML),
        ("---\n- id: 1", Format.YAML),
        ("", Format.YAML),
        ("id,title", Format.CSV),
        ("id;title: short", Format.CSV),
    ],
)
def test_the_format_is_told_from_the_look(text: str, expected: Format) -> None:
    assert sniff(text) is expected


@pytest.mark.parametrize("origin", ["a.json", "a.yaml", "a.jsonl", "a.csv"])
def test_a_list_without_tickets_is_no_error(origin: str) -> None:
    text = {"a.json": "[]", "a.yaml": "[]", "a.jsonl": "\n", "a.csv": "id,title\n"}[origin]
    assert read(text, origin) == Fetched(tickets=())


def test_an_empty_standard_input_holds_no_tickets() -> None:
    assert read("") == Fetched(tickets=())


@pytest.mark.parametrize(
    ("text", "origin", "place"),
    [
        ('[\n{"id": 1,}\n]', "a.json", "line 2"),
        ("", "a.json", "line 1"),
        ('[{"id": NaN}]', "a.json", "line 1"),
        ("[" * 200_000, "a.json", "line 1"),
        ("[" + "9" * 5000 + "]", "a.json", "line 1"),
        ("- id: 1\n  title: [x\n", "a.yaml", "line 3"),
        ('id,title\n1,"never closed\n2,x\n', "a.csv", "line 2"),
        ("id,title,Title\n1,x,y\n", "a.csv", "line 1"),
        ("number,title\n1,x\n", "a.csv", "line 1"),
        ("id,summary\n1,x\n", "a.csv", "line 1"),
    ],
)
def test_a_text_that_cannot_be_read_names_its_line(text: str, origin: str, place: str) -> None:
    assert places(text, origin) == [place]


def test_a_yaml_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    assert len(places("\n".join(lines), "a.yaml")) == 1


def test_a_bad_line_of_many_is_set_aside_with_its_number() -> None:
    fetched = read(f"{json.dumps(wire_ticket(1))}\n\n{{cut off\n[1]\n", "a.jsonl")
    assert [t.id for t in fetched.tickets] == ["1"]
    assert [(b.position, b.reason[:7]) for b in fetched.broken] == [(1, "line 3:"), (2, "not an ")]


def test_json_lines_without_one_good_line_are_refused() -> None:
    with pytest.raises(TicketsError, match=r"No line of a\.jsonl is JSON"):
        read("<html>\n<body>\n", "a.jsonl")


def test_a_line_separator_inside_a_json_string_does_not_split_the_line() -> None:
    line = json.dumps(wire_ticket(1, "a\u2028b"), ensure_ascii=False)
    assert len(read(line, "a.jsonl").tickets) == 1


def test_a_csv_row_with_too_many_cells_is_set_aside_with_its_line() -> None:
    fetched = read("id,title\n1,x\n2,y,z\n3,w,,\n4\n", "a.csv")
    assert [t.id for t in fetched.tickets] == ["1", "3"]
    assert [(b.position, b.reason) for b in fetched.broken] == [
        (1, "line 3: 3 cells under 2 columns"),
        (3, "neither short_description nor long_description is text"),
    ]


def test_a_csv_cell_may_hold_a_megabyte() -> None:
    fetched = read(f'id,title,body\n1,x,"{"y" * 1_000_000}"\n', "a.csv")
    assert len(fetched.tickets[0].long_description) == 1_000_000


def test_csv_rows_keep_the_line_they_begin_on() -> None:
    table = load_table('id,title\n\n1,"two\nlines"\n2,x\n')
    assert [row.line for row in table.rows] == [3, 5]


def test_keys_given_twice_in_yaml_are_warned_about() -> None:
    fetched = read("- id: 1\n  title: a\n  title: b\n", "a.yaml")
    assert fetched.tickets[0].short_description == "a"
    assert fetched.warnings == ("a.yaml, line 3: 'title' is given twice in the same place",)


def test_ids_in_yaml_stay_as_written() -> None:
    fetched = read(
        "- {id: 0012, title: a}\n- {id: 1e5, title: b}\n- {id: No, title: c}\n", "a.yaml"
    )
    assert [t.id for t in fetched.tickets] == ["0012", "1e5", "No"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_is_decoded_as_windows_and_others_write_it(encoding: str) -> None:
    assert decode_text("Drucker läuft für 5 €".encode(encoding)) == "Drucker läuft für 5 €"


def test_a_stated_charset_is_used_where_utf_8_fails() -> None:
    assert decode_text("привет".encode("koi8-r"), charset="koi8-r") == "привет"
    for odd in ("no-such-charset", "undefined", "rot13", "a\x00b"):
        assert decode_text(b"\xe9", charset=odd) == "é"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "https://bob:hunter2@Desk.example.com:8443/api?token=x#y",
            "https://desk.example.com:8443/api?…",
        ),
        ("http://[::1]:80/a", "http://[::1]:80/a"),
        ("http://a:99999/", "(an address that cannot be read)"),
    ],
)
def test_an_address_is_shown_without_what_is_secret(url: str, shown: str) -> None:
    assert shown_address(url) == shown


def test_an_excerpt_is_short_and_on_one_line() -> None:
    assert excerpt("a\n\x00b " * 500, limit=10) == "a b a b a…"
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert excerpt(deep) == "(nested too deeply to show)"


@settings(deadline=None)
@given(
    text=st.text(alphabet="idtle,;:\"'\n\r\t -7{}[]|é\x00#&*", max_size=80),
    ending=st.sampled_from(["csv", "yaml", "json", "jsonl", ""]),
)
def test_any_text_is_tickets_or_a_tickets_error(text: str, ending: str) -> None:
    with suppress(TicketsError):
        fetched = read(text, f"a.{ending}" if ending else "standard input")
        assert all(t.id for t in fetched.tickets)
