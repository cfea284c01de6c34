"""`triagedesk agents` and `triagedesk next`."""

from __future__ import annotations

from support.desk import WholeDesk
from support.desk import sqlite_desk as sqlite_desk  # noqa: PLC0414 (a fixture)


def test_agents_are_listed_sent_away_and_given_work(sqlite_desk: WholeDesk) -> None:
    desk = sqlite_desk
    assert desk.run("--no-email").code == 0
    listed = desk.cli("agents", "list", "--json").json
    assert [(agent["agent_id"], agent["takes_work"]) for agent in listed] == [
        ("ann", "yes"),
        ("bob", "yes"),
        ("cy", "yes"),
    ]
    assert sum(agent["load"] for agent in listed) == 5 + 2
    pulled = desk.cli("next", "ann", "--by", "ann", "--json").json
    assert pulled["why"].startswith(f"Ann begins {pulled['ticket_id']}")
    gone = desk.cli("agents", "availability", "ann", "lunch", "--json").json
    assert pulled["ticket_id"] in [item["ticket_id"] for item in gone["handed_back"]]
    # Nobody else knows VPN, and a lunch is short beside their SLA: they wait for Ann.
    assert {item["to_agent_id"] for item in gone["handed_back"]} == {None}
    assert "Ann is available" in desk.cli("agents", "availability", "ann", "available").out
    assert "takes new work" in desk.cli("agents", "list").text
    assert "Nothing" in desk.cli("next", "ann").text or "begins" in desk.cli("next", "ann").text


def test_what_cannot_be_done_is_said(sqlite_desk: WholeDesk) -> None:
    outcome = sqlite_desk.cli("agents", "availability", "eve", "away")
    assert (outcome.code, "there is no agent 'eve'" in outcome.err) == (2, True)
    outcome = sqlite_desk.cli("agents", "availability", "ann", "asleep")
    assert (outcome.code, "not one of available" in outcome.err) == (2, True)
    assert sqlite_desk.cli("next", "eve").code == 2
