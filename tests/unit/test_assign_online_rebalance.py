"""Rebalancing moves what is worth it, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.desks import NOW, agent, batches, item, rosters, score_of
from triagedesk.agents import Agent, Availability
from triagedesk.assign import AssignPolicy, WorkItem
from triagedesk.assign.rebalance import WORTH_IT, Move, rebalance
from triagedesk.errors import AgentsError

POLICY = AssignPolicy()
LINUX = {"Linux": 7}
Holding = dict[str, list[WorkItem]]


def moves_of(
    unstarted: Mapping[str, Sequence[WorkItem]],
    agents: Sequence[Agent],
    *,
    nobodys: Sequence[WorkItem] = (),
    **options: float,
) -> dict[str, Move]:
    loaded = [replace(a, load=a.load + len(unstarted.get(a.id, ()))) for a in agents]
    moves = rebalance(unstarted, nobodys, loaded, policy=POLICY, now=NOW, **options)
    return {move.item.ticket_id: move for move in moves}


def test_a_ticket_moves_to_who_suits_it_better() -> None:
    agents = [agent("Ann", {"Linux": 3}), agent("Bob", {"Linux": 9})]
    moved = moves_of({"ann": [item("t", "Linux")]}, agents)
    assert (moved["t"].from_agent, moved["t"].to_agent) == ("ann", "bob")
    assert moved["t"].why == "From Ann to Bob: Linux 9/10 instead of 3/10."


def test_a_small_gain_moves_nothing() -> None:
    agents = [agent("Ann", {"Linux": 8}), agent("Bob", {"Linux": 9})]
    assert moves_of({"ann": [item("t", "Linux")]}, agents) == {}
    assert list(moves_of({"ann": [item("t", "Linux")]}, agents, gain=0.1)) == ["t"]


def test_an_overloaded_agent_hands_some_on() -> None:
    agents = [agent("Ann", LINUX, capacity=10), agent("Bob", LINUX, capacity=10)]
    tickets = [item(f"t{n}", "Linux", age=9 - n) for n in range(8)]
    moved = moves_of({"ann": tickets}, agents)
    assert 2 <= len(moved) <= 4
    assert {move.to_agent for move in moved.values()} == {"bob"}
    assert "more room, 0 of 10 instead of 8 of 10 open" in next(iter(moved.values())).why


def test_two_tickets_swap_where_neither_agent_has_room_for_both() -> None:
    agents = [
        agent("Ann", {"Linux": 9, "VPN": 1}, capacity=1),
        agent("Bob", {"Linux": 1, "VPN": 9}, capacity=1),
    ]
    moved = moves_of({"ann": [item("v", "VPN")], "bob": [item("l", "Linux")]}, agents)
    assert {ticket: move.to_agent for ticket, move in moved.items()} == {"v": "bob", "l": "ann"}


def test_who_goes_away_hands_back_what_they_have_not_begun() -> None:
    ann = agent("Ann", {"Linux": 10}, load=2, availability=Availability.AWAY)
    moved = moves_of({"ann": [item("t", "Linux")]}, [ann, agent("Bob", {"Linux": 2})])
    assert moved["t"].to_agent == "bob"
    assert moved["t"].why == "From Ann to Bob: Ann cannot begin it (away)."
    full = agent("Bob", LINUX, load=5, capacity=5)
    back = moves_of({"ann": [item("t", "Linux")]}, [ann, full])["t"]
    assert back.to_agent is None
    assert back.why == (
        "Back to the queue: Ann cannot keep it (away), and nobody else can take it."
    )


def test_at_the_end_of_a_shift_work_goes_to_who_stays_or_else_nowhere() -> None:
    ann = agent("Ann", {"Linux": 10}, shift_ends_at=NOW + timedelta(minutes=10))
    assert (
        moves_of({"ann": [item("t", "Linux")]}, [ann, agent("Bob", LINUX)])["t"].to_agent == "bob"
    )
    assert moves_of({"ann": [item("t", "Linux")]}, [ann]) == {}


def test_under_scarcity_what_is_less_urgent_makes_room() -> None:
    ann = agent("Ann", LINUX, capacity=1)
    moved = moves_of(
        {"ann": [item("p4", "Linux", priority=4)]}, [ann], nobodys=[item("p1", "Linux", priority=1)]
    )
    assert {ticket: move.to_agent for ticket, move in moved.items()} == {"p1": "ann", "p4": None}
    assert moved["p4"].why == ("Back to the queue: it makes room with Ann for what is more urgent.")


def test_what_nobody_had_is_given_out_at_last() -> None:
    moved = moves_of({}, [agent("Ann", LINUX)], nobodys=[item("t", "Linux")])
    assert (moved["t"].from_agent, moved["t"].to_agent) == (None, "ann")
    assert moved["t"].why == "To Ann: nobody had it, and there is room now."
    assert moves_of({}, [agent("Ann", LINUX, load=20)], nobodys=[item("t", "Linux")]) == {}


def test_work_of_strangers_or_more_than_the_load_is_refused() -> None:
    with pytest.raises(AgentsError) as error:
        rebalance(
            {"ann": [item("t")], "zoe": [item("u")]}, [], [agent("Ann")], policy=POLICY, now=NOW
        )
    assert [p.where for p in error.value.problems] == ["agents[ann].load", "agents[zoe]"]


@st.composite
def desks_at_work(draw: st.DrawFn) -> tuple[Holding, list[WorkItem], list[Agent]]:
    """Agents with work they have begun and work they have not, within their capacities."""
    agents = [replace(one, load=min(one.load, one.capacity)) for one in draw(rosters(4))]
    ids = [one.id for one in agents] or ["nobody"]
    held: Holding = {}
    nobodys: list[WorkItem] = []
    room = {one.id: one.capacity - one.load for one in agents}
    for drawn in draw(batches(agents, 6)):
        declined_by = draw(st.frozensets(st.sampled_from(ids), max_size=2))
        ticket = replace(drawn, declined_by=declined_by)
        owner = draw(st.sampled_from([None, *ids]))
        if owner is None or room.get(owner, 0) < 1 or owner in ticket.declined_by:
            nobodys.append(ticket)
        else:
            room[owner] -= 1
            held.setdefault(owner, []).append(ticket)
    return held, nobodys, agents


def owners_after(held: Holding, moved: Mapping[str, Move]) -> dict[str, str | None]:
    owners: dict[str, str | None] = {
        ticket.ticket_id: owner for owner, tickets in held.items() for ticket in tickets
    }
    return owners | {ticket_id: move.to_agent for ticket_id, move in moved.items()}


def value(
    tickets: Sequence[WorkItem], agents: Sequence[Agent], owners: Mapping[str, str | None]
) -> float:
    """The batch's objective; what lies with somebody who may not work on it counts as waiting."""
    may = {
        (ticket.ticket_id, one.id)
        for ticket in tickets
        for one in agents
        if one.availability is Availability.AVAILABLE
        and (
            not ticket.group
            or not any(other.groups for other in agents)
            or ticket.group in one.groups
        )
    }
    chosen = [owners.get(ticket.ticket_id) for ticket in tickets]
    pairs = zip(tickets, chosen, strict=True)
    return score_of(
        tickets,
        agents,
        [owner if owner and (t.ticket_id, owner) in may else None for t, owner in pairs],
        POLICY,
    )


@given(desks_at_work())
@settings(max_examples=120, deadline=None)
def test_rebalancing_never_loses_and_every_move_pays(
    desk: tuple[Holding, list[WorkItem], list[Agent]],
) -> None:
    held, nobodys, agents = desk
    tickets = [ticket for owner in held.values() for ticket in owner] + nobodys
    before = owners_after(held, {})
    moved = moves_of(held, agents, nobodys=nobodys)
    after = owners_after(held, moved)
    by_id = {ticket.ticket_id: ticket for ticket in tickets}
    assert moved.keys() <= by_id.keys()
    for ticket_id, move in moved.items():
        assert move.to_agent not in by_id[ticket_id].declined_by
        assert move.from_agent == before.get(ticket_id)
        assert move.why.endswith(".")
    by_choice = [
        move
        for move in moved.values()
        if move.from_agent
        and move.to_agent
        and next(a for a in agents if a.id == move.from_agent).availability
        is Availability.AVAILABLE
    ]
    gained = value(tickets, agents, after) - value(tickets, agents, before)
    assert gained >= -1e-5
    belongs = not any(one.groups for one in agents)
    if belongs:
        assert gained >= WORTH_IT * len(by_choice) - 1e-4


@given(desks_at_work())
@settings(max_examples=60, deadline=None)
def test_a_desk_just_rebalanced_is_left_alone(
    desk: tuple[Holding, list[WorkItem], list[Agent]],
) -> None:
    held, nobodys, agents = desk
    tickets = [ticket for owner in held.values() for ticket in owner] + nobodys
    owners = owners_after(held, moves_of(held, agents, nobodys=nobodys))
    now_held: Holding = {}
    for ticket in tickets:
        owner = owners.get(ticket.ticket_id)
        if owner is not None:
            now_held.setdefault(owner, []).append(ticket)
    waiting = [ticket for ticket in tickets if owners.get(ticket.ticket_id) is None]
    assert moves_of(now_held, agents, nobodys=waiting) == {}
