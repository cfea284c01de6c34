"""`triagedesk sla`, and what a run says, through the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from support.desk import CATALOG, LEAD, WholeDesk, desk, sheet, sqlite_desk
from support.helpdesk import wire_ticket

__all__ = ["desk", "sqlite_desk"]
RULE = """\
            escalation:
              - {when: breached, do: [raise_priority, notify], notify: ["boss@example.com"]}
"""


def long_ago(hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat()


@pytest.fixture
def late_desk(desk: WholeDesk) -> WholeDesk:
    """A desk where one ticket is late, one at risk, one has time, and one no deadline."""
    sla = 'sla: {unit: "hours", value: 4}\n'
    desk.helpdesk.catalog = CATALOG.replace(sla, sla + RULE)
    desk.helpdesk.tickets = [
        wire_ticket("late", "Reset my password [now]", created_at=long_ago(5)),
        wire_ticket("soon", "Reset my password", created_at=long_ago(3.5)),
        wire_ticket("new", "Printer jam", created_at=long_ago(0)),
        wire_ticket("free", "General inquiry", created_at=long_ago(0)),
    ]
    return desk


def test_the_board_shows_what_is_next_to_breach(late_desk: WholeDesk) -> None:
    assert late_desk.run().code == 0
    shown = late_desk.cli("sla", COLUMNS="140")
    lines = [line for line in shown.out.splitlines() if "resolution" in line]
    assert [line.split()[1] for line in lines] == ["late", "soon", "new"]
    assert re.search(r"overdue by 1 h \d min", lines[0])
    assert lines[0].rstrip().endswith("breached")
    assert "[now]" in lines[0]
    assert lines[1].rstrip().endswith("at risk")
    assert lines[2].rstrip().endswith("on time")


def test_times_are_in_the_desks_zone_and_json_has_them_all(late_desk: WholeDesk) -> None:
    late_desk.run()
    lines = late_desk.cli("sla", "--json", TIME_ZONE="Asia/Tokyo").json
    assert [(line["ticket_id"], line["state"]) for line in lines] == [
        ("late", "breached"),
        ("soon", "at risk"),
        ("new", "on time"),
    ]
    assert all(line["due"].endswith("+09:00") for line in lines)
    assert -4200 < lines[0]["seconds_left"] < -3590
    assert lines[0]["agent"] == "Ann"
    assert len(late_desk.cli("sla", "--json", "--limit", "1").json) == 1


def test_met_targets_are_shown_when_asked_for(late_desk: WholeDesk) -> None:
    late_desk.run()
    late_desk.helpdesk.tickets = [
        wire_ticket("late", "Reset my password [now]", created_at=long_ago(5), status="resolved"),
        wire_ticket("soon", "Reset my password", created_at=long_ago(3.5), status="resolved"),
        *late_desk.helpdesk.tickets[2:],
    ]
    late_desk.run()
    assert [line["ticket_id"] for line in late_desk.cli("sla", "--json").json] == ["new"]
    everything = late_desk.cli("sla", "--json", "--all").json
    states = {line["ticket_id"]: line["state"] for line in everything}
    assert states == {"late": "missed", "soon": "met", "new": "on time"}
    assert "late" in late_desk.cli("sla", "--all", COLUMNS="140").out


def test_events_say_what_was_done(late_desk: WholeDesk) -> None:
    outcome = late_desk.run()
    assert "3 SLA events, 1 notice" in outcome.text
    happened = late_desk.cli("sla", "--events", "--json").json
    assert sorted((line["ticket_id"], line["event"]) for line in happened) == [
        ("late", "at_risk"),
        ("late", "breached"),
        ("soon", "at_risk"),
    ]
    (breach,) = [line for line in happened if line["event"] == "breached"]
    assert breach["done"][-1] == "notice to boss@example.com"
    assert "notice to boss@example.com" in " ".join(
        late_desk.cli("sla", "--events", COLUMNS="200").out.split()
    )


def test_the_notice_is_a_mail_of_its_own_and_the_report_shows_the_state(
    late_desk: WholeDesk,
) -> None:
    late_desk.run("--report", "report.xlsx")
    notice, report = late_desk.smtp.messages
    assert (notice.recipients, report.recipients) == (("boss@example.com",), (LEAD,))
    assert str(notice.message["Subject"]) == "SLA breached: late - Triage"
    assert list(notice.message.iter_attachments()) == []
    rows = {row["id"]: row for row in sheet(late_desk.folder / "report.xlsx")}
    assert {id_: row["SLA"] for id_, row in rows.items()} == {
        "late": "breached",
        "soon": "at risk",
        "new": "on time",
        "free": "no deadline",
    }
    assert rows["late"]["response due"] is None


def test_looking_sends_nothing_and_asks_nobody(late_desk: WholeDesk) -> None:
    late_desk.run()
    late_desk.helpdesk.clear()
    sent = len(late_desk.smtp.messages)
    for arguments in ((), ("--events",), ("--all",)):
        assert late_desk.cli("sla", *arguments).code == 0
    assert late_desk.asked == []
    assert len(late_desk.smtp.messages) == sent


def test_before_the_first_run_there_is_nothing_to_see(sqlite_desk: WholeDesk) -> None:
    assert "No SLA runs" in sqlite_desk.cli("sla").out
    assert "Nothing has been at risk" in sqlite_desk.cli("sla", "--events").out
    assert sqlite_desk.cli("sla", "--json").json == []
