"""One ticket at a time on a board that follows the roster."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from triagedesk.agents import Agent, Availability, SkillNeed
from triagedesk.assign import AssignPolicy, WorkItem, assign_batch
from triagedesk.board import LiveBoard
from triagedesk.priority import Priority

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
POLICY = AssignPolicy()
ANN = Agent(id="ann", name="Ann", skills={"Linux": 9}, capacity=4)
BOB = Agent(id="bob", name="Bob", skills={"Linux": 6, "VPN": 8}, capacity=4)
CY = Agent(id="cy", name="Cy", skills={"VPN": 5}, capacity=4)


def an_item(number: int, skill: str = "Linux") -> WorkItem:
    return WorkItem(
        ticket_id=str(number),
        title="Help",
        priority=Priority.P2,
        needs=(SkillNeed(skill=skill, weight=1.0),),
        created_at=NOW,
    )


def test_it_answers_what_a_batch_of_one_would_however_the_roster_changes() -> None:
    board = LiveBoard()
    rosters = [
        [ANN, BOB, CY],
        [replace(ANN, load=1), BOB, CY],
        # As if the ticket had not been kept: the load is what the roster says.
        [ANN, BOB, CY],
        [replace(ANN, availability=Availability.AWAY), replace(BOB, load=3), CY],
        [replace(ANN, availability=Availability.AWAY), replace(BOB, load=4), CY],
        [BOB, CY],
        [replace(BOB, skills={"VPN": 2}), replace(CY, skills={"Linux": 7})],
        [ANN, BOB, CY],
        [],
    ]
    for number, roster in enumerate(rosters):
        for skill in ("Linux", "VPN", "Cobol"):
            item = an_item(number, skill)
            placed = board.place(item, roster, policy=POLICY, now=NOW)
            batch = assign_batch([item], roster, policy=POLICY, now=NOW)
            # The flow rounds prices to a millionth.
            (one,), (other,) = placed.assignments, batch.assignments
            assert replace(one, parts={}, margin=None) == replace(other, parts={}, margin=None)
            assert placed.skill_gaps == batch.skill_gaps


def test_another_policy_is_followed_at_once() -> None:
    board = LiveBoard()
    roster = [replace(ANN, load=1), BOB]
    first = board.place(an_item(1), roster, policy=POLICY, now=NOW)
    heavy = AssignPolicy(load=20.0, fallback=60.0, deferral=120.0)
    second = board.place(an_item(2), roster, policy=heavy, now=NOW)
    assert [given.agent_id for given in first.assignments] == ["ann"]
    assert [given.agent_id for given in second.assignments] == ["bob"]
