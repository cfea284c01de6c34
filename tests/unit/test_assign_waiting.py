"""A ticket waits for somebody who knows it as long as its SLA allows, and no longer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.desks import NOW, agent, batches, item, rosters
from triagedesk.agents import Agent, Availability, Shift
from triagedesk.assign import AssignPolicy, WorkItem, assign_batch
from triagedesk.assign.index import handling_factor
from triagedesk.assign.rebalance import rebalance
from triagedesk.assign.tentative import TentativeBoard
from triagedesk.sla import Window
from triagedesk.tickets import Assignment

POLICY = AssignPolicy()
HOUR = timedelta(hours=1)
LINUX = {"Linux": 7}
BOB = agent("Bob", {"VPN": 9}, load=1)


def works(first: int, last: int) -> Shift:
    """Every day from one full hour to another, by UTC."""
    return Shift(time_zone="UTC", week=((Window(opens=first * 3600, closes=last * 3600),),) * 7)


#: NOW is nine o'clock.
ANN = agent("Ann", LINUX, shift=works(11, 19)).on_shift(NOW)


def due_in(hours: float, **fields: Any) -> WorkItem:
    """A ticket for Linux that came an hour ago."""
    return item("t", "Linux", due_at=NOW + hours * HOUR, **fields)


def given_to(
    ticket: WorkItem,
    agents: Sequence[Agent],
    *,
    policy: AssignPolicy = POLICY,
    now: datetime = NOW,
) -> Assignment:
    """Who gets a ticket, over the batch and over the board, which have to agree."""
    (one,) = assign_batch([ticket], agents, policy=policy, now=now).assignments
    other = TentativeBoard(agents, policy).place(ticket, now)
    assert replace(one, parts={}, margin=None) == replace(other, parts={}, margin=None)
    assert one.parts == pytest.approx(other.parts, abs=3e-6)
    return one


def test_it_waits_for_a_shift_that_begins_in_time() -> None:
    one = given_to(due_in(4), [ANN, BOB])
    assert one.agent_id is None
    assert one.rationale == (
        "Waits for Ann (Linux 7/10), whose shift begins 2026-03-02 11:00 UTC, in time for its "
        "SLA: nobody with the skill can take it now (Linux: 1 off shift)."
    )
    assert one.would_change == "Somebody with the skill who is free before that gets it at once."
    assert one.parts == {"urgency": 1.4, "deferral": pytest.approx(2.8)}
    later = NOW + 2 * HOUR
    assert given_to(due_in(4), [ANN.on_shift(later), BOB], now=later).agent_id == "ann"


def test_where_the_shift_begins_too_late_it_goes_to_who_can_make_it() -> None:
    night = replace(ANN, shift=works(20, 23))
    one = given_to(due_in(6), [night, BOB])
    assert one.agent_id == "bob"
    assert one.rationale.startswith(
        "Bob takes this as nobody with the skill can soon enough: Linux: 1 off shift; by load"
    )
    busy = replace(BOB, load=9)
    assert given_to(due_in(6), [night, busy]).agent_id is None


def test_late_with_anybody_it_waits_a_day_and_no_longer() -> None:
    one = given_to(due_in(1.5), [ANN, BOB])
    assert one.agent_id is None
    assert (
        "begins 2026-03-02 11:00 UTC: late, but nobody without the skill would make it either"
        in (one.rationale)
    )
    tomorrow = replace(ANN, shift=works(4, 8))
    assert given_to(due_in(1.5), [tomorrow, BOB]).agent_id is None
    hours = Window(opens=9 * 3600, closes=17 * 3600)
    on_wednesdays = replace(ANN, shift=Shift(time_zone="UTC", week=((), (), (hours,), *[()] * 4)))
    assert given_to(due_in(1.5), [on_wednesdays, BOB]).agent_id == "bob"


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (agent("Ann", LINUX, availability=Availability.AWAY), "away"),
        (agent("Ann", LINUX, load=5, capacity=5), "full"),
    ],
)
def test_for_who_is_away_or_full_it_waits_a_third_of_its_sla(who: Agent, why: str) -> None:
    # It came at eight and is due at eighteen: three hours later, at eleven, it goes out.
    one = given_to(due_in(9), [who, BOB])
    assert one.agent_id is None
    assert one.rationale.startswith(
        "Waits until 2026-03-02 11:00 UTC at most for somebody who knows Linux, "
        f"Ann (7/10, {why}) before others: nobody with the skill can take it now (Linux: 1 "
    )
    assert given_to(due_in(9), [who, BOB], now=NOW + 1.9 * HOUR).agent_id is None
    assert given_to(due_in(9), [who, BOB], now=NOW + 2 * HOUR).agent_id == "bob"


@pytest.mark.parametrize(
    "who",
    [
        agent("Ann", LINUX, availability=Availability.OFFLINE, shift=works(11, 19)),
        agent("Ann", LINUX, shift_ends_at=NOW - HOUR),
        replace(ANN, capacity=0),
        replace(ANN, groups=("Night",)),
        replace(ANN, id="gone"),
    ],
)
def test_nobody_waits_for_who_may_never_come(who: Agent) -> None:
    ticket = due_in(4, group="Day", declined_by=frozenset({"gone"}))
    bob = replace(BOB, groups=("Day",))
    assert given_to(ticket, [replace(who, groups=who.groups or ("Day",)), bob]).agent_id == "bob"


def test_without_a_deadline_or_where_the_desk_wants_it_nothing_waits() -> None:
    assert given_to(item("t", "Linux"), [ANN, BOB]).agent_id == "bob"
    hasty = replace(POLICY, waits=False)
    one = given_to(due_in(4), [ANN, BOB], policy=hasty)
    assert one.agent_id == "bob"
    assert "soon enough" not in one.rationale


def test_with_nobody_there_at_all_that_is_the_reason() -> None:
    one = given_to(due_in(4), [ANN, replace(BOB, availability=Availability.AWAY)])
    assert one.rationale == "Stays in the queue: nobody is available (1 away, 1 off shift)."


def test_what_a_full_agent_cannot_take_of_a_batch_waits_the_most_urgent_comes_first() -> None:
    ann = agent("Ann", LINUX, capacity=1)
    tickets = [replace(due_in(9), ticket_id="p3"), replace(due_in(9, priority=1), ticket_id="p1")]
    batch = assign_batch(tickets, [ann, BOB], now=NOW)
    assert [one.agent_id for one in batch.assignments] == [None, "ann"]
    assert "Ann (7/10, full) before others" in batch.assignments[0].rationale
    assert batch.gap < 1e-6


def test_what_would_be_late_with_others_leaves_the_skilled_to_the_more_urgent() -> None:
    """A P1 that cannot wait gets the only slot before a P3 that can."""
    ann = agent("Ann", LINUX, capacity=1)
    urgent = item("p1", "Linux", priority=1)
    batch = assign_batch([replace(due_in(9), ticket_id="p3"), urgent], [ann, BOB], now=NOW)
    assert [one.agent_id for one in batch.assignments] == [None, "ann"]


def test_rebalancing_hands_back_what_may_wait_and_says_for_whom() -> None:
    bob = replace(BOB, load=1)
    (move,) = rebalance({"bob": [due_in(4)]}, [], [ANN, bob], policy=POLICY, now=NOW)
    assert (move.from_agent, move.to_agent) == ("bob", None)
    assert move.why.startswith("Back to the queue: Bob does not know Linux. Waits for Ann (Linux")
    assert rebalance({}, [due_in(4)], [ANN, bob], policy=POLICY, now=NOW) == []
    late = rebalance(
        {}, [due_in(9)], [replace(ANN, shift=works(20, 23)), bob], policy=POLICY, now=NOW
    )
    assert [move.to_agent for move in late] == ["bob"]


def test_load_weighs_more_where_tickets_are_committed_early() -> None:
    early = POLICY.for_early_commitment
    assert (early.load, early.version == POLICY.version) == (6.0, False)
    agents = [agent("Ann", {"Linux": 9}, load=2), agent("Bob", {"Linux": 6})]
    assert given_to(item("t", "Linux"), agents).agent_id == "ann"
    assert given_to(item("t", "Linux"), agents, policy=early).agent_id == "bob"


@st.composite
def desks_round_the_clock(draw: st.DrawFn) -> tuple[list[WorkItem], list[Agent]]:
    """Tickets with and without deadlines for agents with and without shifts."""
    shifts = [None, works(0, 24), works(10, 18), works(22, 24), works(3, 9)]
    roster = [
        replace(one, shift=draw(st.sampled_from(shifts))).on_shift(NOW) for one in draw(rosters(5))
    ]
    ids = [one.id for one in roster] or ["nobody"]
    hours = st.sampled_from([None, 0.5, 2, 4, 6, 12, 36])
    return [
        replace(
            ticket,
            due_at=None if (left := draw(hours)) is None else NOW + left * HOUR,
            created_at=NOW - draw(st.sampled_from([0, 1, 2, 5])) * HOUR,
            declined_by=draw(st.frozensets(st.sampled_from(ids), max_size=2)),
        )
        for ticket in draw(batches(roster, 6))
    ], roster


@given(desks_round_the_clock(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_board_and_a_batch_of_one_agree_on_who_waits(
    desk: tuple[list[WorkItem], list[Agent]], early: bool
) -> None:
    items, roster = desk
    policy = POLICY.for_early_commitment if early else POLICY
    for ticket in items:
        one = given_to(ticket, roster, policy=policy)
        assert (one.rationale.startswith("Waits")) == (
            should_wait(ticket, roster) and one.agent_id is None and anybody_free(ticket, roster)
        )
        if one.agent_id is None and anybody_free(ticket, roster):
            assert should_wait(ticket, roster)


def may_take(ticket: WorkItem, one: Agent, roster: Sequence[Agent]) -> bool:
    keeps_groups = any(other.groups for other in roster)
    in_group = not (keeps_groups and ticket.group) or ticket.group in one.groups
    return in_group and one.id not in ticket.declined_by


def is_free(one: Agent) -> bool:
    here = one.availability is Availability.AVAILABLE and not is_leaving(one)
    return here and one.load < one.capacity


def anybody_free(ticket: WorkItem, roster: Sequence[Agent]) -> bool:
    return any(is_free(one) and may_take(ticket, one, roster) for one in roster)


def should_wait(ticket: WorkItem, roster: Sequence[Agent]) -> bool:
    """The rule in `assign.waiting`, in plain words."""
    may = [one for one in roster if may_take(ticket, one, roster)]
    knows = [one for one in may if known_to(one, ticket)]
    if ticket.due_at is None or any(is_free(one) for one in knows):
        return False
    due, sla = ticket.due_at, ticket.due_at - ticket.created_at
    there = [
        one
        for one in knows
        if one.availability is not Availability.OFFLINE and one.capacity and not is_leaving(one)
    ]
    if there and ticket.created_at + 0.3 * sla > NOW:
        return True
    done = [
        begins + 0.75 * HOUR * handling_factor(known_to(one, ticket))
        for one in knows
        if one.availability is not Availability.OFFLINE and one.capacity and is_leaving(one)
        if one.shift and (begins := one.shift.begins_at(NOW))
    ]
    free = [one.load for one in may if is_free(one)]
    if not done or min(done) <= due:
        return bool(done)
    others = bool(free) and NOW + 0.75 * HOUR * (min(free) + 5) <= due
    return not others and min(done) - due <= 24 * HOUR


def known_to(one: Agent, ticket: WorkItem) -> float:
    terms = [n.weight * n.confidence * one.skills.get(n.skill, 0) for n in ticket.needs]
    return max(terms, default=0.0)


def is_leaving(one: Agent) -> bool:
    return one.shift_ends_at is not None and one.shift_ends_at - NOW < HOUR / 2
