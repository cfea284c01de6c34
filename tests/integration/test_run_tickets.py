"""Tickets as they come: many, broken, hostile, half filled; and what stands in the workbook."""

from __future__ import annotations

import json
import resource
import time
from datetime import datetime
from typing import Any

import openpyxl
import pytest

from support.desk import (
    AGENTS,
    CATALOG,
    WholeDesk,
    desk,
    report_path,
    sheet,
    sqlite_desk,
    wire_tickets,
)
from support.helpdesk import wire_ticket
from triagedesk.store.tables import decisions

__all__ = ["desk", "sqlite_desk"]
FIRST_COLUMNS = [
    "id",
    "request_category",
    "request_type",
    "short_description",
    "sla_value",
    "sla_unit",
]
HOSTILE = {
    "formula": '=HYPERLINK("http://evil.example","click")',
    "plus": "+1+cmd|' /C calc'!A0",
    "minus": "-2+3",
    "at": "@SUM(A1:A9)",
    "link": "https://evil.example/ click me",
    "emoji": "Printer 🖨️ jam 👩‍💻 🇩🇪",
    "right-to-left": "abc\u202egnp.exe",
    "newline": "Printer jam\nBcc: everyone@example.com",
    "markup": "<script>alert(1)</script> [bold]&amp;[/bold] {{7*7}} %s {0}",
    "chinese": "打印机卡纸",
}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_ten_thousand_tickets_in_one_answer_take_bounded_time_and_memory(
    sqlite_desk: WholeDesk,
) -> None:
    sqlite_desk.helpdesk.tickets[:] = wire_tickets(10_000)
    for agent in (roster := [dict(agent, capacity=4_000) for agent in AGENTS]):
        agent["skills"] = {"Password": 5, "VPN": 5, "Laptop": 5, "Printer": 5}
    sqlite_desk.write_agents(*roster)
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.process_time()

    outcome = sqlite_desk.run()

    assert outcome.code == 0
    assert time.process_time() - began < 60
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_maxrss - before.ru_maxrss < 500_000, "kilobytes"
    sqlite_desk.check_books(tickets_expected=10_000)
    assert len(sheet(report_path(outcome, sqlite_desk.folder))) == 10_000


def test_broken_tickets_are_set_aside_and_said_and_the_good_ones_go_on(desk: WholeDesk) -> None:
    desk.helpdesk.tickets = [
        "no object",
        wire_ticket("good-1", "Printer jam"),
        {"short_description": "no id"},
        wire_ticket("good-2", "Reset password"),
        None,
        wire_ticket("", "empty id"),
        wire_ticket("twice", "Printer jam"),
        wire_ticket("twice", "Printer jam"),
        wire_ticket("changed", "Printer jam"),
        wire_ticket("changed", "Reset password"),
    ]

    outcome = desk.run()

    assert outcome.code == 0
    assert "5 set aside" in outcome.text
    assert "Set aside: number 1: not an object" in outcome.text
    desk.check_books(tickets_expected=4)
    by_id = {item.ticket.id: item.ticket.short_description for item in desk.triaged()}
    assert by_id["changed"] == "Reset password", "the later line is the newer one"
    (body,) = [m.message.get_body(("plain",)) for m in desk.smtp.messages]
    assert body is not None
    assert "no object" in body.get_content()


def test_only_broken_tickets_make_a_report_too(sqlite_desk: WholeDesk) -> None:
    sqlite_desk.helpdesk.tickets = ["nonsense"]
    outcome = sqlite_desk.run()
    assert outcome.code == 0
    assert "1 set aside" in outcome.text
    assert len(sqlite_desk.smtp.messages) == 1


def test_hostile_text_arrives_as_text_in_the_workbook(desk: WholeDesk) -> None:
    desk.helpdesk.tickets = [wire_ticket(name, text) for name, text in HOSTILE.items()]

    outcome = desk.run()

    assert outcome.code == 0
    workbook = openpyxl.load_workbook(report_path(outcome, desk.folder))
    seen = {}
    for row in workbook["Tickets"].iter_rows(min_row=2):
        seen[row[0].value] = row[3].value
        for cell in row:
            assert cell.data_type != "f"
            assert cell.hyperlink is None
    for name in ("formula", "plus", "minus", "at", "link", "emoji", "chinese", "markup"):
        assert seen[name] == HOSTILE[name]
    (received,) = desk.smtp.messages
    assert received.recipients == ("lead@example.com",)
    assert "Bcc" not in received.message


def test_control_characters_never_reach_store_workbook_or_mail(desk: WholeDesk) -> None:
    text = "Printer\x00 jam\x07\x1b[31m on \ud83d floor \ufffe3"
    desk.helpdesk.tickets = [
        wire_ticket("T-1", text, long_description=text * 3, requester_email=f"a{text}@example.com"),
        wire_ticket("T\x00-2", "Printer jam"),
    ]
    outcome = desk.run()
    assert outcome.code == 0
    rows = {row["id"]: row for row in sheet(report_path(outcome, desk.folder))}
    assert rows["T-1"]["short_description"] == "Printer jam[31m on \ufffd floor 3"
    assert "\x1b" not in outcome.out
    desk.check_books(tickets_expected=2)


def test_a_megabyte_of_text_goes_all_the_way(desk: WholeDesk) -> None:
    desk.helpdesk.tickets = [
        wire_ticket("T-1", "Printer jam " * 90_000, long_description="paper " * 200_000)
    ]
    outcome = desk.run()
    assert outcome.code == 0
    (row,) = sheet(report_path(outcome, desk.folder))
    assert row["request_type"] == "Printer jam"
    assert len(row["short_description"]) <= 32_767, "the most a cell holds"
    assert len(desk.smtp.messages) == 1


def test_an_id_that_looks_like_a_number_or_a_path_stays_as_it_is(sqlite_desk: WholeDesk) -> None:
    ids: list[object] = ["007", 12345678901234567890, "../../etc/passwd", "INC 1"]
    sqlite_desk.helpdesk.tickets = [wire_ticket(one, "Printer jam") for one in ids]
    outcome = sqlite_desk.run()
    found = {row["id"] for row in sheet(report_path(outcome, sqlite_desk.folder))}
    assert found == {str(one) for one in ids}


def test_what_arrived_filled_stays(desk: WholeDesk) -> None:
    desk.helpdesk.tickets = [
        wire_ticket(
            "full",
            "Printer jam",
            request_category="ACCESS",
            request_type="vpn  account",
            sla={"unit": "days", "value": 9},
        ),
        wire_ticket("half", "nothing to go by", request_type="Broken laptop"),
        wire_ticket("category", "Printer jam or password?", request_category="access"),
        wire_ticket("value", "Printer jam", sla={"unit": "hours", "value": 3}),
    ]
    outcome = desk.run()
    rows = {row["id"]: row for row in sheet(report_path(outcome, desk.folder))}
    full = [rows["full"][name] for name in FIRST_COLUMNS[1:]]
    assert full == ["ACCESS", "vpn account", "Printer jam", 9, "days"]
    assert rows["half"]["request_category"] == "Hardware"
    assert (rows["half"]["sla_value"], rows["half"]["sla_unit"]) == (2, "days")
    assert rows["category"]["request_category"] == "access"
    assert rows["category"]["request_type"] == "Reset password"
    assert (rows["value"]["request_type"], rows["value"]["sla_value"]) == ("Printer jam", 3)


def test_a_pair_that_is_not_in_the_catalog_is_kept_and_flagged(desk: WholeDesk) -> None:
    desk.helpdesk.tickets = [
        wire_ticket("odd", "Printer jam", request_category="Hardware", request_type="Teleporter"),
        wire_ticket("mixed", "Printer jam", request_category="Access", request_type="Printer jam"),
    ]
    outcome = desk.run()
    path = report_path(outcome, desk.folder)
    rows = {row["id"]: row for row in sheet(path)}
    assert rows["odd"]["request_type"] == "Teleporter"
    assert rows["odd"]["sla_value"] is None
    assert rows["mixed"]["request_category"] == "Access"
    assert {row["id"] for row in sheet(path, "Review")} == {"odd", "mixed"}
    assert all("not in the Service Catalog" in str(row) for row in sheet(path, "Review"))
    assert "To review 2" in outcome.text


def test_an_sla_of_zero_survives_to_the_workbook(desk: WholeDesk) -> None:
    desk.helpdesk.tickets = [wire_ticket("T-1", "General inquiry")]
    outcome = desk.run()
    (row,) = sheet(report_path(outcome, desk.folder))
    assert (row["sla_value"], row["sla_unit"]) == (0, "hours")
    (item,) = desk.triaged()
    assert item.resolution_due_at is None


def test_the_sheet_begins_with_six_columns_and_is_sorted(desk: WholeDesk) -> None:
    names = [
        "Zebra",
        "zebra",
        "ALPHA",
        "alpha beta",
        "Alpha",
        "ärger",
        "Ärger",
        "éclair",
        "10",
        "9",
    ]
    names += [
        "a b",
        "a\u00a0b",
        "a-b",
        "A_b",
        "ß",
        "SS",
        "ı",
        "İ",
        "中",
        "😀",
        "'x",
        "=x",
        "~",
        " y",
    ]
    categories = [
        {"name": f"c {name}", "requests": [{"name": name, "sla": {"unit": "days", "value": 1}}]}
        for name in ("Zoo", "apple", "Äpfel", "Beta", "10", "2", "中")
    ]
    desk.helpdesk.catalog = json.dumps({"categories": categories})
    desk.helpdesk.tickets = [
        wire_ticket(
            f"{position:03}",
            name,
            request_category=categories[position % 7]["name"],
            request_type=("Zoo", "apple", "Äpfel", "Beta", "10", "2", "中")[position % 7],
        )
        for position, name in enumerate(names * 4)
    ]

    outcome = desk.run()

    path = report_path(outcome, desk.folder)
    rows = sheet(path)
    assert list(rows[0])[:6] == FIRST_COLUMNS
    order = [
        tuple(
            str(row[name]).casefold()
            for name in ("request_category", "request_type", "short_description")
        )
        for row in rows
    ]
    assert order == sorted(order)
    assert len(rows) == len(names) * 4
    tickets = openpyxl.load_workbook(path)["Tickets"]
    assert str(tickets.freeze_panes).endswith("2"), "the header stays in sight"
    assert tickets.auto_filter.ref
    assert all(cell.font.b for cell in tickets[1])


def loads_in(path: Any) -> dict[str, int]:
    """Agent -> load, as the workbook's sheet of agents says."""
    rows = sheet(path, "Agents")
    name = next(column for column in rows[0] if "agent" in column.casefold())
    load = next(column for column in rows[0] if "load" in column.casefold() or "open" in column)
    return {row[name]: row[load] for row in rows}


def test_loads_are_kept_between_runs(desk: WholeDesk) -> None:
    desk.run()
    first = {agent.id: agent.load for agent in roster(desk)}
    desk.helpdesk.tickets += wire_tickets(5, start=6)
    desk.run()
    second = {agent.id: agent.load for agent in roster(desk)}
    assert sum(first.values()) == 2 + 5
    assert sum(second.values()) == 2 + 10
    assert all(second[name] >= load for name, load in first.items())


def test_a_resolved_ticket_gives_its_agent_room(desk: WholeDesk) -> None:
    desk.run()
    for ticket in desk.helpdesk.tickets[:3]:
        assert isinstance(ticket, dict)
        ticket["status"] = "closed"
    desk.run()
    assert sum(agent.load for agent in roster(desk)) == 2 + 2


def test_the_agents_file_is_read_again_by_every_run(desk: WholeDesk) -> None:
    desk.run()
    desk.write_agents(
        *AGENTS[:2], {"agent_id": "dee", "name": "Dee", "skills": {"Password": 9, "Toner": 9}}
    )
    desk.helpdesk.tickets += [wire_ticket("T-6", "Toner empty"), wire_ticket("T-7", "Toner low")]
    assert desk.run().code == 0
    assert {agent.id for agent in roster(desk)} == {"ann", "bob", "dee"}
    given = {t.ticket.id: t.assignment for t in desk.triaged()}
    assert {a.agent_id for k, a in given.items() if k in ("T-6", "T-7") and a} == {"dee"}


def test_an_agents_file_that_is_wrong_names_every_place(sqlite_desk: WholeDesk) -> None:
    sqlite_desk.write_agents({"agent_id": "a", "skills": {"X": 99}}, {"name": "no id"})
    outcome = sqlite_desk.run()
    assert outcome.code == 2
    assert "agents[0].skills.X" in outcome.err
    assert "agents[1]" in outcome.err
    sqlite_desk.write_agents(*AGENTS)
    assert sqlite_desk.run().code == 0
    sqlite_desk.check_books(tickets_expected=5)


def test_an_unchanged_ticket_is_not_decided_again_and_a_changed_one_is(desk: WholeDesk) -> None:
    desk.run()
    changed = desk.helpdesk.tickets[0]
    assert isinstance(changed, dict)
    changed["short_description"] = "Printer jam again"
    outcome = desk.run("--json")
    assert (outcome.json["new"], outcome.json["changed"], outcome.json["unchanged"]) == (0, 1, 4)
    assert outcome.json["decided"] == 1
    assert len(desk.contents()["decisions"]) == 6
    desk.check_books(tickets_expected=5)


def test_every_decision_says_from_what_it_was_made(desk: WholeDesk) -> None:
    desk.run()
    with desk.connection() as connection:
        rows = connection.execute(decisions.select()).mappings().all()
    for row in rows:
        assert all(row[name] for name in ("input_hash", "catalog_version", "policy_version"))
        assert isinstance(row["decided_at"], datetime)
        assert row["model_version"] == "light-1"


def roster(desk: WholeDesk) -> Any:
    with desk.store() as store, store.read() as transaction:
        return transaction.roster()


@pytest.mark.parametrize("name", ["catalog.yaml", "catalog.json"])
def test_tickets_and_catalog_from_files(sqlite_desk: WholeDesk, name: str) -> None:
    (sqlite_desk.folder / name).write_text(CATALOG)
    lines = "".join(json.dumps(ticket) + "\n" for ticket in wire_tickets(3))
    (sqlite_desk.folder / "tickets.jsonl").write_text(lines)
    arguments = ("--tickets", "tickets.jsonl", "--catalog", name)
    if name.endswith("json"):
        import yaml

        (sqlite_desk.folder / name).write_text(json.dumps(yaml.safe_load(CATALOG)))
    assert sqlite_desk.run(*arguments).code == 0
    assert sqlite_desk.asked == []
    sqlite_desk.check_books(tickets_expected=3)
    stdin = sqlite_desk.cli("run", "--tickets", "-", "--catalog", name, stdin=lines)
    assert "3 (3 known)" in stdin.text
