"""A tentative assignment is what a batch of one ticket would be, whatever happened before."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.desks import NOW, SKILLS, agent, batches, item, rosters, score_of
from triagedesk.agents import Agent, Availability
from triagedesk.assign import AssignPolicy, WorkItem, assign_batch
from triagedesk.assign.tentative import TentativeBoard
from triagedesk.errors import AgentsError, NotFoundError, TicketsError
from triagedesk.tickets import Assignment, Exclusion

POLICY = AssignPolicy()
LINUX = {"Linux": 7}


@st.composite
def busy_desks(draw: st.DrawFn) -> tuple[list[WorkItem], list[Agent]]:
    """Tickets some agents declined, for agents some of whose shifts end soon."""
    shifts = st.sampled_from([None, None, timedelta(minutes=20), timedelta(minutes=40)])
    roster = [
        replace(one, shift_ends_at=NOW + length if length else None)
        for one, length in ((one, draw(shifts)) for one in draw(rosters(6)))
    ]
    ids = [one.id for one in roster] or ["nobody"]
    items = [
        replace(ticket, declined_by=draw(st.frozensets(st.sampled_from(ids), max_size=2)))
        for ticket in draw(batches(roster, 8))
    ]
    return items, roster


def as_a_batch(ticket: WorkItem, roster: list[Agent], now: datetime) -> Assignment:
    (one,) = assign_batch([ticket], roster, policy=POLICY, now=now).assignments
    return one


def check_same(one: Assignment, other: Assignment) -> None:
    """Two records are the same, but for rounding of the solver's prices."""
    assert one.parts == pytest.approx(other.parts, abs=3e-6)
    assert one.margin == pytest.approx(other.margin, abs=3e-6)
    assert replace(one, parts={}, margin=None) == replace(other, parts={}, margin=None)


@given(busy_desks(), st.data())
@settings(max_examples=120, deadline=None)
def test_a_board_answers_what_a_batch_of_one_would(
    desk: tuple[list[WorkItem], list[Agent]], data: st.DataObject
) -> None:
    items, roster = desk
    board, now = TentativeBoard(roster, POLICY), NOW
    agents = {one.id: one for one in roster}
    for ticket in items:
        now += data.draw(st.sampled_from([timedelta(0), timedelta(minutes=5), -timedelta(hours=1)]))
        expected = as_a_batch(ticket, list(agents.values()), now)
        placed = board.place(ticket, now)
        check_same(placed, expected)
        if placed.agent_id is not None:
            loaded = agents[placed.agent_id]
            agents[loaded.id] = replace(loaded, load=loaded.load + 1)
        if agents:
            changed = agents[data.draw(st.sampled_from(sorted(agents)))]
            what = data.draw(st.sampled_from(["release", "update", "skills", "remove", "nothing"]))
            if what == "release":
                agents[changed.id] = replace(changed, load=max(0, changed.load - 1))
                board.release(changed.id)
            elif what == "remove":
                board.remove(changed.id)
                del agents[changed.id]
            elif what != "nothing":
                fields = {"availability": data.draw(st.sampled_from(Availability))}
                if what == "skills":
                    fields = {"skills": {data.draw(st.sampled_from(SKILLS)): 9}, "capacity": 3}
                agents[changed.id] = replace(changed, **fields)
                board.update(agents[changed.id])


@given(busy_desks())
@settings(max_examples=80, deadline=None)
def test_a_board_finds_the_best_score_there_is(
    desk: tuple[list[WorkItem], list[Agent]],
) -> None:
    items, roster = desk
    board = TentativeBoard([replace(one, shift_ends_at=None) for one in roster], POLICY)
    for ticket in items:
        agents = [board.agent(one.id) for one in roster]
        placed = board.place(ticket, NOW)
        may = [
            one.id
            for one in agents
            if one.availability is Availability.AVAILABLE
            and one.load < one.capacity
            and one.id not in ticket.declined_by
            and (
                not ticket.group
                or not any(other.groups for other in agents)
                or ticket.group in one.groups
            )
        ]
        scores = [score_of([ticket], agents, [id_], POLICY) for id_ in may]
        if placed.agent_id is None:
            assert not may
        else:
            assert placed.score == pytest.approx(max(scores), abs=2e-6)


def test_who_declined_a_ticket_is_named_as_such() -> None:
    agents = [agent("Ann", {"Linux": 9}), agent("Bob", {"Linux": 4}), agent("Cem", {"VPN": 4})]
    ticket = item("t", "Linux", declined_by=frozenset({"ann", "long-gone"}))
    for one in (as_a_batch(ticket, agents, NOW), TentativeBoard(agents, POLICY).place(ticket, NOW)):
        assert one.agent_id == "bob"
        assert Exclusion(reason="declined it earlier", agent_ids=("ann",), count=1) in (
            one.exclusions
        )
        assert one.runner_up is None


def test_a_ticket_all_declined_stays_in_the_queue_and_says_so() -> None:
    agents = [agent("Ann", LINUX), agent("Bob", LINUX, availability=Availability.AWAY)]
    placed = TentativeBoard(agents, POLICY).place(
        item("t", "Linux", declined_by=frozenset({"ann"})), NOW
    )
    assert placed.agent_id is None
    assert placed.rationale == "Stays in the queue: nobody who has not declined it is available."
    agents = [agent("Ann", LINUX, capacity=1), agent("Bob", LINUX)]
    batch = assign_batch(
        [
            item("t", "Linux", declined_by=frozenset({"bob"})),
            item("u", "Linux", declined_by=frozenset({"bob"})),
        ],
        agents,
        now=NOW,
    )
    assert batch.assignments[1].rationale == (
        "Stays in the queue: everyone available who has not declined it is full after this batch."
    )


def test_where_those_with_the_skill_declined_it_falls_back_and_says_so() -> None:
    agents = [agent("Ann", LINUX), agent("Bob", {"VPN": 9}, load=2)]
    placed = TentativeBoard(agents, POLICY).place(
        item("t", "Linux", declined_by=frozenset({"ann"})), NOW
    )
    assert placed.agent_id == "bob"
    assert "nobody with the skill can: Linux: 1 declined it earlier" in placed.rationale


def test_who_declined_and_is_away_is_not_said_to_be_missed() -> None:
    agents = [agent("Ann", {"Linux": 9}, availability=Availability.AWAY), agent("Bob", LINUX)]
    placed = TentativeBoard(agents, POLICY).place(
        item("t", "Linux", declined_by=frozenset({"ann"})), NOW
    )
    assert "Ann" not in placed.would_change


def test_every_placement_counts_until_it_is_released() -> None:
    board = TentativeBoard([agent("Ann", LINUX, capacity=2)], POLICY)
    placed = [board.place(item(f"t{n}", "Linux"), NOW).agent_id for n in range(3)]
    assert placed == ["ann", "ann", None]
    board.release("ann")
    assert board.place(item("t4", "Linux"), NOW).agent_id == "ann"


def test_a_shift_that_ends_closes_its_agent_as_time_passes() -> None:
    agents = [agent("Ann", {"Linux": 9}, shift_ends_at=NOW + timedelta(hours=1)), agent("Bob")]
    board = TentativeBoard(agents, POLICY)
    assert board.place(item("t1", "Linux"), NOW + timedelta(minutes=30)).agent_id == "ann"
    late = board.place(item("t2", "Linux"), NOW + timedelta(minutes=31))
    assert late.agent_id == "bob"
    assert late.exclusions[0].reason == "shift ends in under 30 min"
    over = board.place(item("t3", "Linux"), NOW + timedelta(minutes=60))
    assert over.exclusions[0].reason == "shift is over"


def test_a_board_refuses_what_cannot_be() -> None:
    board = TentativeBoard([agent("Ann", LINUX)], POLICY)
    with pytest.raises(NotFoundError, match="no agent bob"):
        board.release("bob")
    with pytest.raises(NotFoundError, match="no agent bob"):
        board.remove("bob")
    with pytest.raises(AgentsError):
        board.update(agent("Ann", {"Linux": 11}))
    with pytest.raises(AgentsError):
        TentativeBoard([agent("Ann"), agent("Ann")], POLICY)
    with pytest.raises(TicketsError):
        board.place(item("t", affinity={"ann": 2.0}), NOW)
    with pytest.raises(ValueError, match="no time zone"):
        board.place(item("t"), datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test
