"""Reading labelled files."""

from __future__ import annotations

import json

import pytest

from support.evaluations import A, B, C, a_catalog
from triagedesk.catalog import Label
from triagedesk.errors import TicketsError
from triagedesk.labelled import Labelled, read_labelled

CATALOG = a_catalog(A, B, C)


def read(text: str, origin: str = "history.csv", **fields: object) -> Labelled:
    return read_labelled(text, origin=origin, **fields)  # type: ignore[arg-type] # passed through


@pytest.mark.parametrize(
    ("short", "long"),
    [("short_description", "long_description"), ("subject", "body"), ("title", "description")],
)
def test_texts_are_found_under_every_name_a_helpdesk_uses(short: str, long: str) -> None:
    found = read(
        f"id,{short},{long},Request Category,Request Type\n7,Jam,It jams,devices,PRINTER\n",
        catalog=CATALOG,
    )

    (case,) = found.cases
    assert (case.ticket.id, case.ticket.short_description, case.truth) == ("7", "Jam", B)
    assert case.ticket.long_description == "It jams"
    assert case.where == "line 2"
    assert not found.flat


def test_a_case_holds_nothing_but_its_text() -> None:
    found = read(
        "id,subject,request_category,request_type,priority,sla_value,sla_unit,requester\n"
        "7,Jam,Devices,Printer,P1,4,hours,a@example.com\n",
        catalog=CATALOG,
    )

    ticket = found.cases[0].ticket
    assert (ticket.request_category, ticket.request_type) == ("", "")
    assert (ticket.priority, ticket.sla_value, ticket.requester_email) == (None, 0, "")


def test_a_label_column_may_name_the_type_alone_or_with_its_category() -> None:
    found = read("text,label\nit jams,printer\nno tunnel,Network / VPN\n", catalog=CATALOG)

    assert [case.truth for case in found.cases] == [B, C]
    assert [case.ticket.id for case in found.cases] == ["line 2", "line 3"]


def test_a_type_in_two_categories_needs_its_category() -> None:
    twice = a_catalog(Label("Devices", "Fault"), Label("Software", "Fault"))
    found = read("text,label\nit jams,Fault\nit crashes,Software / Fault\n", catalog=twice)

    assert [case.truth for case in found.cases] == [Label("Software", "Fault")]
    assert "several categories: Devices, Software" in found.unknown[0].why


def test_without_a_catalog_the_labels_found_are_one() -> None:
    found = read("text,label\na b,card_arrival\nc d,Refund\ne f,refund\n")

    assert found.flat
    assert [str(e.label.request_type) for e in found.catalog.entries] == ["Refund", "card_arrival"]
    assert [e.description for e in found.catalog.entries] == ["", "card arrival"]
    assert [case.truth.request_type for case in found.cases] == ["card_arrival", "Refund", "Refund"]
    assert "history.csv" in found.catalog.origin


def test_bad_rows_are_set_aside_with_their_lines() -> None:
    found = read(
        "id,text,label\n"
        "1,it jams,Printer\n"
        "2,,Printer\n"
        "3,no label,\n"
        "1,again,Printer\n"
        "4,too,many,cells\n"
        '5,"two\nlines",VPN\n'
        "6,  ,VPN\n",
        catalog=CATALOG,
    )

    assert [case.ticket.id for case in found.cases] == ["1", "5"]
    assert found.cases[1].ticket.long_description == "two\nlines"
    said = sorted(str(problem) for problem in found.broken)
    assert said == [
        "line 3: no text",
        "line 4: no label",
        "line 5: id 1 is there already: line 2",
        "line 6: 4 cells under 3 columns",
        "line 9: no text",
    ]


def test_labels_the_catalog_does_not_have_are_counted() -> None:
    found = read("text,label\na,Fax\nb,VPN\nc,Fax\nd,Pager\n", catalog=CATALOG)

    assert [(u.name, u.count, u.where) for u in found.unknown] == [
        ("Fax", 2, "line 2"),
        ("Pager", 1, "line 5"),
    ]
    assert len(found.cases) == 1


@pytest.mark.parametrize("origin", ["t.json", "t.jsonl", "t.yaml"])
def test_json_json_lines_and_yaml_are_read_too(origin: str) -> None:
    rows = [
        {
            "ticket_id": "1",
            "title": "Jam",
            "request_category": "Devices",
            "request_type": "Printer",
        },
        {"ticket_id": "2", "title": "No tunnel", "request_type": "VPN"},
        ["not", "an", "object"],
    ]
    text = (
        "\n".join(map(json.dumps, rows))
        if origin.endswith("l") and "jsonl" in origin
        else json.dumps(rows)
    )
    found = read(text, origin, catalog=CATALOG)

    assert [case.truth for case in found.cases] == [B, C]
    assert len(found.broken) == 1
    assert found.broken[0].where == ("line 3" if origin == "t.jsonl" else "item 3")


def test_columns_may_be_named() -> None:
    found = read(
        "Document,Topic_group\nit jams,Printer\n",
        catalog=CATALOG,
        text_column="Document",
        label_column="Topic_group",
    )

    assert found.cases[0].truth == B


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,label\n1,VPN\n", "no text column"),
        ("id,text\n1,VPN\n", "no label column"),
        ("", "no ticket"),
        ("text,label\n", "no ticket"),
    ],
)
def test_a_file_without_texts_or_labels_is_refused(text: str, said: str) -> None:
    with pytest.raises(TicketsError) as refused:
        read(text, catalog=CATALOG)

    assert said in str(refused.value)
