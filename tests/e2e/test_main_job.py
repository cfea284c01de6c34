"""The main job as a person does it: `python -m triagedesk` with the real local model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.desk import (
    CATALOG,
    LLM_KEY,
    WholeDesk,
    report_path,
    sheet,
    sqlite_desk,
    wire_tickets,
)
from support.llm_server import LlmServer
from support.smtp import USERNAME
from triagedesk.settings import Settings

__all__ = ["sqlite_desk"]
#: An empty environment, and the empty directory the desk's folder is.
NOTHING = dict.fromkeys(
    [field.upper() for field in Settings.model_fields] + ["SSL_CERT_FILE"],
    "",
)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_run_with_the_mail_server_down_one_that_resends_and_one_that_fetches(
    sqlite_desk: WholeDesk, tmp_path: Path
) -> None:
    log = tmp_path / "llm.jsonl"
    with LlmServer.process(log=log, key=LLM_KEY) as llm_url:
        sqlite_desk.settings |= {
            "LLM_MODEL_NAME": "some-model",
            "LLM_BASE_URL": llm_url,
            "LLM_API_KEY": LLM_KEY,
        }
        sqlite_desk.smtp.stop()
        first = sqlite_desk.real("run")
        assert first.code == 4
        assert "is unsent: the next run will resend it" in first.text
        workbook = report_path(first, sqlite_desk.folder)
        assert sorted(row["id"] for row in sheet(workbook)) == [f"T-{n}" for n in range(1, 6)]
        asked, paid = list(sqlite_desk.asked), log.read_bytes()
        assert asked == ["/tickets", "/catalog.yaml"]
        assert paid

        sqlite_desk.smtp.start()
        second = sqlite_desk.real("run")
        assert second.code == 0
        assert "Nothing was fetched and no model was called" in second.text
        assert (sqlite_desk.asked, log.read_bytes()) == (asked, paid)
        (received,) = sqlite_desk.smtp.messages
        assert (received.encrypted, received.username) == (True, USERNAME)
        (attached,) = received.message.iter_attachments()
        assert attached.get_content() == workbook.read_bytes()

        sqlite_desk.helpdesk.tickets += wire_tickets(2, start=6)
        third = sqlite_desk.real("run", "--json")
        assert third.code == 0
        assert (third.json["new"], third.json["unchanged"]) == (2, 5)
        assert sqlite_desk.asked == asked * 2
    sqlite_desk.check_books(tickets_expected=7)
    assert len(sqlite_desk.smtp.messages) == 2


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_sample_desk_runs_in_an_empty_directory(sqlite_desk: WholeDesk) -> None:
    (sqlite_desk.folder / "agents.json").unlink()
    outcome = sqlite_desk.real("run", **NOTHING)
    assert outcome.code == 0
    assert "Nothing is configured, so this is the bundled sample desk" in outcome.err
    assert "HELPDESK_API_URL" in outcome.err
    rows = sheet(report_path(outcome, sqlite_desk.folder))
    assert len(rows) >= 60
    assert all(row["request_type"] for row in rows)
    assert len(list(sqlite_desk.folder.glob("out/outbox/*.eml"))) == 1
    assert [path.name for path in sqlite_desk.folder.iterdir()] == ["out"]


def test_classify_with_the_real_model_finds_the_obvious(sqlite_desk: WholeDesk) -> None:
    (sqlite_desk.folder / "agents.json").unlink()
    (sqlite_desk.folder / "catalog.yaml").write_text(CATALOG)
    text = json.dumps(
        [
            {"id": 1, "subject": "I forgot my password", "body": "Please reset it."},
            {"id": 2, "subject": "Le papier est coincé dans l'imprimante", "body": ""},
        ]
    )
    arguments = ("classify", "-", "--catalog", "catalog.yaml", "--json")
    outcome = sqlite_desk.real(*arguments, stdin=text, **NOTHING)
    assert outcome.code == 0
    assert [item["request_type"] for item in outcome.json] == ["Reset password", "Printer jam"]
    assert [path.name for path in sqlite_desk.folder.iterdir()] == ["catalog.yaml"]


def test_assign_with_the_real_model_gives_work_to_those_who_know(sqlite_desk: WholeDesk) -> None:
    agents = [
        {"agent_id": "net", "name": "Net", "skills": {"VPN_Troubleshooting": 9, "Networking": 7}},
        {"agent_id": "prn", "name": "Prn", "skills": {"Printer_Support": 9, "Hardware": 6}},
    ]
    titles = ["VPN drops every hour", "Printer prints blank pages"]
    dataset = {
        "agents": agents,
        "tickets": [
            {
                "ticket_id": f"TKT-{number}",
                "title": title,
                "description": "",
                "creation_timestamp": 1_750_000_000,
            }
            for number, title in enumerate(titles)
        ],
    }
    outcome = sqlite_desk.real("assign", "-", stdin=json.dumps(dataset), **NOTHING)
    assert outcome.code == 0
    given = [(a["title"], a["assigned_agent_id"]) for a in outcome.json["assignments"]]
    assert given == list(zip(titles, ("net", "prn"), strict=True))


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("report", "--help")])
def test_help_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    code = (
        "import sys\n"
        "from triagedesk.cli import main\n"
        f"sys.argv = ['triagedesk', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code\n"
        "heavy = ('numpy', 'sqlalchemy', 'pydantic_ai', 'ortools', 'pandas', 'xlsxwriter')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=200
    )
    assert "Usage" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_unknown_option_ends_with_code_two(sqlite_desk: WholeDesk) -> None:
    outcome = sqlite_desk.real("run", "--nonsense")
    assert outcome.code == 2
    assert "Usage: python -m triagedesk run" in outcome.err
    assert "No such option: --nonsense" in outcome.err
