"""What the options and commands of the command line promise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.desk import (
    API_KEY,
    API_SECRET,
    CATALOG,
    WholeDesk,
    desk,
    report_path,
    sheet,
    sqlite_desk,
    wire_tickets,
)
from support.helpdesk import wire_ticket
from support.llm_server import LlmServer

__all__ = ["desk", "sqlite_desk"]
DATASET: dict[str, list[dict[str, Any]]] = {
    "agents": [
        {
            "agent_id": "agent_1",
            "name": "Ann",
            "skills": {"Printer": 8, "Password": 3},
            "current_load": 1,
            "availability_status": "Available",
            "experience_level": 4,
        },
        {
            "agent_id": "agent_2",
            "name": "Bob",
            "skills": {"Password": 9},
            "current_load": 0,
            "availability_status": "Available",
            "experience_level": 9,
        },
        {
            "agent_id": "agent_3",
            "name": "Cy",
            "skills": {"Printer": 10, "Password": 10},
            "current_load": 0,
            "availability_status": "On leave",
            "experience_level": 9,
        },
    ],
    "tickets": [
        {
            "ticket_id": f"TKT-{number}",
            "title": title,
            "description": "Please help.",
            "creation_timestamp": 1_750_000_000 + number,
        }
        for number, title in enumerate(
            ["Printer jam", "Password expired", "Printer offline", "Reset password"] * 3
        )
    ],
}


def test_a_dry_run_keeps_writes_and_sends_nothing(desk: WholeDesk) -> None:
    desk.run()
    desk.helpdesk.tickets += wire_tickets(5, start=6)
    before, files = desk.contents(), sorted(desk.folder.rglob("*"))

    outcome = desk.run("--dry-run")

    assert outcome.code == 0
    assert "Fetched 10 (5 new, 5 known)" in outcome.text
    assert "Assigned 10 (5 in this run)" in outcome.text
    assert "Dry run: nothing was kept, written or sent." in outcome.text
    assert desk.contents() == before
    assert sorted(desk.folder.rglob("*")) == files
    assert len(desk.smtp.messages) == 1


def test_a_dry_run_with_a_language_model_keeps_nothing_either(sqlite_desk: WholeDesk) -> None:
    with LlmServer() as llm:
        sqlite_desk.settings |= {"LLM_MODEL_NAME": "some-model", "LLM_BASE_URL": llm.url}
        assert sqlite_desk.run("--dry-run").code == 0
        assert llm.requests
    contents = sqlite_desk.contents()
    assert not any(rows for name, rows in contents.items() if name != "alembic_version")


def test_a_dry_run_leaves_an_unsent_report_and_its_file_as_they_are(desk: WholeDesk) -> None:
    desk.smtp.stop()
    path = report_path(desk.run(), desk.folder)
    before, content = desk.contents(), path.read_bytes()
    desk.smtp.start()
    outcome = desk.run("--dry-run")
    assert outcome.code == 4
    assert "1 report had not been sent" in outcome.text
    assert desk.contents() == before
    assert path.read_bytes() == content
    path.unlink()
    desk.run("--dry-run")
    assert not path.exists()
    assert desk.smtp.messages == []


def test_no_email_builds_the_report_and_the_next_run_does_not_send_it(desk: WholeDesk) -> None:
    outcome = desk.run("--no-email")
    assert outcome.code == 0
    assert report_path(outcome, desk.folder).is_file()
    assert desk.report_states() == ["kept"]
    desk.run()
    assert desk.report_states() == ["kept", "sent"]
    assert len(desk.smtp.messages) == 1


def test_json_is_one_document_with_the_figures_of_the_run(desk: WholeDesk) -> None:
    desk.helpdesk.tickets.append("broken")
    outcome = desk.run("--json")
    document = outcome.json
    assert outcome.code == 0
    expected = {
        "only_resent": False,
        "fetched": 5,
        "new": 5,
        "changed": 0,
        "unchanged": 0,
        "decided": 5,
        "assigned_now": 5,
        "written_back": 0,
        "notes": [],
    }
    assert {name: document[name] for name in expected} == expected
    assert document["usage"] == {"calls": 0, "input_tokens": 0, "output_tokens": 0}
    assert document["broken"][0]["position"] == 5
    figures = document["figures"]
    assert (figures["total"], figures["assigned"], figures["deferred"]) == (5, 5, 0)
    assert figures["by_decided_by"] == {"local": 5}
    (report,) = document["reports"]
    assert (report["state"], report["recipients"]) == ("sent", ["lead@example.com"])
    assert (desk.folder / report["path"]).is_file()
    assert {"run_id", "started_at", "assign_method", "assign_gap", "skill_gaps"} <= set(document)


def test_json_of_a_failed_delivery_is_still_one_document(sqlite_desk: WholeDesk) -> None:
    sqlite_desk.smtp.stop()
    for only_resent in (False, True):
        outcome = sqlite_desk.run("--json")
        assert outcome.code == 4
        assert outcome.json["only_resent"] is only_resent
        (report,) = outcome.json["reports"]
        assert report["state"] == "unsent"
        assert "lead@example.com" in report["errors"]


def test_report_and_decisions_go_where_they_are_wanted(desk: WholeDesk) -> None:
    outcome = desk.run("--report", "a/b/mine.xlsx", "--decisions", "a/decisions.jsonl")
    assert outcome.code == 0
    assert len(sheet(desk.folder / "a/b/mine.xlsx")) == 5
    lines = (desk.folder / "a/decisions.jsonl").read_text().splitlines()
    decided = [json.loads(line) for line in lines]
    assert sorted(item["ticket"]["id"] for item in decided) == [f"T-{n}" for n in range(1, 6)]
    for item in decided:
        assert item["classification"]["decided_by"] == "local"
        assert item["assignment"]["agent_id"] in ("ann", "bob", "cy")
        assert item["assignment"]["rationale"]
        assert item["priority"]["priority"] in (1, 2, 3, 4)


def test_classify_prints_json_and_touches_no_store(sqlite_desk: WholeDesk, tmp_path: Path) -> None:
    (sqlite_desk.folder / "catalog.yaml").write_text(CATALOG)
    tickets = [*wire_tickets(5), wire_ticket("full", request_type="Printer jam"), 7]
    (sqlite_desk.folder / "tickets.json").write_text(json.dumps(tickets))
    before = sorted(tmp_path.rglob("*"))

    outcome = sqlite_desk.cli("classify", "tickets.json", "--catalog", "catalog.yaml", "--json")

    assert outcome.code == 0
    assert [item["id"] for item in outcome.json] == [*(f"T-{n}" for n in range(1, 6)), "full"]
    for item in outcome.json:
        assert {"request_category", "request_type", "confidence", "decided_by"} <= set(item)
        assert isinstance(item["alternatives"], list)
        assert 0 <= item["confidence"] <= 1
    assert outcome.json[2]["request_type"] == "Printer jam"
    assert outcome.json[-1]["request_category"] == "Hardware"
    assert "set aside: number 7: not an object: 7" in outcome.err
    assert sorted(tmp_path.rglob("*")) == before
    assert sqlite_desk.asked == []


def test_classify_reads_standard_input_and_urls(sqlite_desk: WholeDesk) -> None:
    arguments = ("--catalog", sqlite_desk.helpdesk.catalog_url, "--json")
    text = json.dumps(wire_tickets(2))
    piped = sqlite_desk.cli("classify", "-", *arguments, stdin=text)
    assert [item["id"] for item in piped.json] == ["T-1", "T-2"]
    fetched = sqlite_desk.cli("classify", sqlite_desk.helpdesk.url, *arguments)
    assert len(fetched.json) == 5


def assert_answers(document: Any) -> None:
    """Every ticket of the dataset is in exactly one of the two lists, with a reason."""
    assigned, unassigned = document["assignments"], document["unassigned"]
    ids = [item["ticket_id"] for item in assigned + unassigned]
    assert sorted(ids) == sorted(ticket["ticket_id"] for ticket in DATASET["tickets"])
    titles = {ticket["ticket_id"]: ticket["title"] for ticket in DATASET["tickets"]}
    for item in assigned:
        assert item["title"] == titles[item["ticket_id"]]
        assert item["assigned_agent_id"] in ("agent_1", "agent_2"), "the third is on leave"
        assert len(item["rationale"]) > 20
        if "Printer" in item["title"]:
            assert item["assigned_agent_id"] == "agent_1"


def test_assign_takes_a_dataset_from_a_file_and_prints_json(
    sqlite_desk: WholeDesk, tmp_path: Path
) -> None:
    (sqlite_desk.folder / "dataset.json").write_text(json.dumps(DATASET))
    before = sorted(tmp_path.rglob("*"))
    outcome = sqlite_desk.cli("assign", "dataset.json")
    assert outcome.code == 0
    assert_answers(outcome.json)
    assert len(outcome.json["assignments"]) == 12
    assert sorted(tmp_path.rglob("*")) == before, "no store is touched"


def test_assign_takes_a_dataset_from_standard_input(sqlite_desk: WholeDesk) -> None:
    outcome = sqlite_desk.cli("assign", "-", stdin=json.dumps(DATASET))
    assert outcome.code == 0, outcome.text
    assert_answers(outcome.json)


def test_assign_writes_a_file_where_one_is_wanted(sqlite_desk: WholeDesk) -> None:
    (sqlite_desk.folder / "dataset.json").write_text(json.dumps(DATASET))
    outcome = sqlite_desk.cli("assign", "dataset.json", "--output", "out/answer.json")
    assert (outcome.code, outcome.out) == (0, "")
    assert_answers(json.loads((sqlite_desk.folder / "out/answer.json").read_text()))


def test_assign_names_tickets_that_nobody_can_take_and_broken_ones(
    sqlite_desk: WholeDesk,
) -> None:
    agents: list[dict[str, Any]] = [dict(agent, capacity=2) for agent in DATASET["agents"]]
    dataset = {"agents": agents, "tickets": [*DATASET["tickets"], {"title": "no id"}]}
    outcome = sqlite_desk.cli("assign", "-", stdin=json.dumps(dataset))
    assert outcome.code == 0
    assert len(outcome.json["assignments"]) == 3, "one has one open already"
    assert len(outcome.json["unassigned"]) == 10
    assert all(item["reason"] for item in outcome.json["unassigned"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "no list of tickets"),
        ("[1, 2]", "agents"),
        ("not json", "cannot be read"),
        ('{"tickets": [], "agents": {}}', "agents"),
    ],
)
def test_assign_refuses_what_is_no_dataset(sqlite_desk: WholeDesk, text: str, words: str) -> None:
    outcome = sqlite_desk.cli("assign", "-", stdin=text)
    assert outcome.code == 2
    assert words in outcome.err
    assert "Traceback" not in outcome.err


def test_dotenv_is_read_from_the_current_directory(sqlite_desk: WholeDesk) -> None:
    kept = {"HELPDESK_API_KEY": API_KEY, "HELPDESK_API_SECRET": API_SECRET, "EMAIL_TITLE": "Mine"}
    lines = "".join(f'{name}="{value}"\n' for name, value in kept.items())
    (sqlite_desk.folder / ".env").write_text(lines)
    outcome = sqlite_desk.run(**dict.fromkeys(kept, ""))
    assert outcome.code == 0
    (received,) = sqlite_desk.smtp.messages
    assert received.message["Subject"] == "Mine - Ada"


def test_catalog_check_lists_a_good_catalog(sqlite_desk: WholeDesk) -> None:
    (sqlite_desk.folder / "catalog.yaml").write_text(CATALOG)
    for place in ("catalog.yaml", sqlite_desk.helpdesk.catalog_url):
        outcome = sqlite_desk.cli("catalog", "check", place)
        assert outcome.code == 0
        assert "5 request types in order" in outcome.text
        assert "no deadline" in outcome.text


def test_catalog_check_names_every_place_of_a_bad_one(sqlite_desk: WholeDesk) -> None:
    bad = CATALOG.replace('"2"', "-2").replace('unit: "days", value: 1', 'unit: "weeks", value: 1')
    (sqlite_desk.folder / "catalog.yaml").write_text(bad)
    outcome = sqlite_desk.cli("catalog", "check", "catalog.yaml")
    assert outcome.code == 2
    assert "2 problems" in outcome.err
    assert all(f"line {line}" in outcome.err for line in (9, 13))
    missing = sqlite_desk.cli("catalog", "check", "nowhere.yaml")
    assert missing.code == 2
    assert "There is no file nowhere.yaml" in missing.err


def test_config_check_shows_settings_without_secrets(sqlite_desk: WholeDesk) -> None:
    outcome = sqlite_desk.cli("config", "check")
    assert outcome.code == 0
    assert "in order" in outcome.text
    assert "(set)" in outcome.text
    assert sqlite_desk.asked == []


def test_config_check_names_every_problem_at_once(sqlite_desk: WholeDesk) -> None:
    outcome = sqlite_desk.cli(
        "config",
        "check",
        HELPDESK_API_SECRET="",
        EMAIL_SMTP_PORT="many",
        LLM_API_KEY="llm-key-4Wv",
        TIME_ZONE="Mars/Olympus",
    )
    assert outcome.code == 2
    named = ("HELPDESK_API_SECRET", "EMAIL_SMTP_PORT", "LLM_MODEL_NAME", "TIME_ZONE")
    assert all(name in outcome.err for name in named)


def test_config_check_reads_the_files_it_names(sqlite_desk: WholeDesk) -> None:
    outcome = sqlite_desk.cli("config", "check", AGENTS_FILE="nowhere.json")
    assert outcome.code == 2
    assert "There is no file nowhere.json" in outcome.err


@pytest.mark.parametrize(
    "arguments",
    [("run", "--nonsense"), ("nonsense",), ("classify",), ("report", "resend", "--to"), ()],
)
def test_a_wrong_call_is_wrong_input(sqlite_desk: WholeDesk, arguments: tuple[str, ...]) -> None:
    outcome = sqlite_desk.cli(*arguments)
    assert outcome.code == 2
    assert "Usage: " in outcome.text or "Error" in outcome.text
    assert "Traceback" not in outcome.err
