"""What people do with tickets, on either database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from multiprocessing import get_context
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import select

from support.watching import CATALOG, SmallDesk, a_ticket, pull_until_nothing_waits
from triagedesk import desk_work
from triagedesk.agents import Agent, Availability, Shift
from triagedesk.assign.index import CommitmentPolicy
from triagedesk.desk import Desk, OnlineRules
from triagedesk.errors import ConflictError, InputError, NotFoundError
from triagedesk.priority import Priority
from triagedesk.sla import Window
from triagedesk.store import Store
from triagedesk.store.tables import assignments, audit_log, tickets
from triagedesk.tickets import AssignmentState, Status

ANN = Agent(id="ann", name="Ann", skills={"Linux": 9}, capacity=3)
BOB = Agent(id="bob", name="Bob", skills={"Linux": 5}, capacity=3)
CY = Agent(id="cy", name="Cy", skills={"Linux": 4}, capacity=3)
EARLY = OnlineRules(commits_early=True)
#: For what the database makes no difference to.
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
TENTATIVE, COMMITTED, ACCEPTED = AssignmentState


@pytest.fixture
def small(store: Store) -> SmallDesk:
    """Ann, Bob and Cy know Linux; nothing has come in yet."""
    return SmallDesk(store=store, agents=[ANN, BOB, CY])


def take_in(small: SmallDesk, *ids: str, **fields: Any) -> Desk:
    """The desk after a run that brought tickets of these ids."""
    for place, name in enumerate(ids):
        created = small.now - timedelta(minutes=len(ids) - place)
        small.tickets[name] = a_ticket(name, created_at=created, **fields)
    small.run(dry_run=True)
    return small.desk()


def state(small: SmallDesk, name: str = "T-1") -> tuple[str | None, AssignmentState | None]:
    triaged = small.triaged(name)
    return small.holder(name), triaged.holding.state if triaged.holding else None


def loads(small: SmallDesk) -> dict[str, int]:
    with small.store.read() as transaction:
        return {agent.id: agent.load for agent in transaction.roster()}


def story(small: SmallDesk, name: str = "T-1") -> list[str]:
    with small.store.read() as transaction:
        item = desk_work.find_ticket(transaction, name)
        return [f"{e.what} {e.agent_id}".strip() for e in desk_work.story(transaction, item)]


def audited(small: SmallDesk) -> list[str]:
    with small.store.read() as transaction:
        rows = transaction.connection.execute(select(audit_log).order_by(audit_log.c.id))
        return [row.action for row in rows]


# next


def test_a_run_gives_tickets_tentatively_and_next_commits_them(small: SmallDesk) -> None:
    desk = take_in(small, "T-1")
    assert state(small) == ("ann", TENTATIVE)
    pulled = desk_work.next_ticket(desk, "ann", by="ann")
    assert pulled.ticket
    assert pulled.ticket.ticket.id == "T-1"
    assert (state(small), pulled.taken_from) == (("ann", COMMITTED), "")
    assert pulled.why.startswith("Ann begins T-1: P")
    assert audited(small).count("ticket pulled") == 1


@ON_SQLITE
def test_next_asked_twice_before_accepting_gives_the_same_ticket(small: SmallDesk) -> None:
    desk = take_in(small, "T-1", "T-2", "T-3")
    first = desk_work.next_ticket(desk, "ann", by="ann")
    before = story(small, "T-1"), loads(small)
    second = desk_work.next_ticket(desk, "ann", by="ann")
    assert first.ticket
    assert second.ticket
    assert first.ticket.key == second.ticket.key
    assert (story(small, "T-1"), loads(small)) == before
    assert audited(small).count("ticket pulled") == 1
    desk_work.accept(desk, first.ticket.ticket.id, "ann", by="ann")
    third = desk_work.next_ticket(desk, "ann", by="ann")
    assert third.ticket
    assert third.ticket.key != first.ticket.key


def test_what_somebody_else_has_tentatively_goes_to_who_is_free_first(small: SmallDesk) -> None:
    desk = take_in(small, "T-1")
    assert state(small) == ("ann", TENTATIVE)
    pulled = desk_work.next_ticket(desk, "bob", by="bob")
    assert (state(small), pulled.taken_from) == (("bob", COMMITTED), "ann")
    assert loads(small) == {"ann": 0, "bob": 1, "cy": 0}
    assert story(small)[2:] == ["tentative ann", "pulled ann", "committed bob"]


@ON_SQLITE
def test_what_a_desk_commits_early_nobody_else_pulls(small: SmallDesk) -> None:
    small.tickets["T-1"] = a_ticket()
    small.run(online=EARLY, dry_run=True)
    desk = small.desk(online=EARLY)
    assert state(small) == ("ann", COMMITTED)
    pulled = desk_work.next_ticket(desk, "bob", by="bob")
    assert (pulled.ticket, pulled.why) == (None, "Nothing is waiting.")
    own = desk_work.next_ticket(desk, "ann", by="ann")
    assert own.ticket
    assert own.ticket.ticket.id == "T-1"


@ON_SQLITE
def test_the_most_pressing_ticket_comes_first(small: SmallDesk) -> None:
    small.agents = [ANN]
    small.tickets["low"] = a_ticket("low", priority=Priority.P4)
    small.tickets["high"] = a_ticket("high", priority=Priority.P1)
    small.run(dry_run=True)
    pulled = desk_work.next_ticket(small.desk(), "ann", by="ann")
    assert pulled.ticket
    assert pulled.ticket.ticket.id == "high"
    assert pulled.commitment
    assert pulled.commitment.runner_up == "low"


@ON_SQLITE
def test_an_agent_who_is_full_of_tentative_work_may_still_pull(small: SmallDesk) -> None:
    small.agents = [ANN]
    desk = take_in(small, "T-1", "T-2", "T-3", "T-4")
    assert loads(small) == {"ann": 3}
    for _ in range(3):
        pulled = desk_work.next_ticket(desk, "ann", by="ann")
        assert pulled.ticket
        desk_work.accept(desk, pulled.ticket.ticket.id, "ann", by="ann")
    pulled = desk_work.next_ticket(desk, "ann", by="ann")
    assert (pulled.ticket, pulled.why) == (
        None,
        "Ann takes no new work now: at capacity (3 of 3).",
    )
    assert loads(small) == {"ann": 3}


@ON_SQLITE
@pytest.mark.parametrize("where", [Availability.AWAY, Availability.OFFLINE])
def test_who_is_not_there_gets_nothing(small: SmallDesk, where: Availability) -> None:
    small.agents = [ANN, replace(BOB, availability=where)]
    desk = take_in(small, "T-1")
    with pytest.raises(ConflictError, match=f"Bob takes no new work now: {where}"):
        desk_work.next_ticket(desk, "bob", by="bob")


@ON_SQLITE
def test_nobody_of_that_name_gets_nothing(small: SmallDesk) -> None:
    with pytest.raises(NotFoundError, match="there is no agent 'eve'") as caught:
        desk_work.next_ticket(small.desk(), "eve", by="eve")
    assert [problem.where for problem in caught.value.problems] == ["agent_id"]


@ON_SQLITE
def test_where_nothing_waits_next_says_so(small: SmallDesk) -> None:
    take_in(small)
    assert desk_work.next_ticket(small.desk(), "ann", by="ann").why == "Nothing is waiting."


@pytest.mark.timeout(300)
def test_eight_processes_that_pull_at_once_never_get_the_same_ticket(
    small: SmallDesk, store_url: str
) -> None:
    small.agents = [replace(ANN, id=f"agent-{n}", name=f"Agent {n}", capacity=99) for n in range(8)]
    small.tickets = {f"T-{n}": a_ticket(f"T-{n}") for n in range(16)}
    small.run(dry_run=True)
    context = get_context("forkserver")
    # Imported once; the processes fork from there.
    context.set_forkserver_preload(["support.watching"])
    together = context.Barrier(8)
    pullers = [
        context.Process(
            target=pull_until_nothing_waits,
            args=(store_url, agent.id, small.now.isoformat(), together),
        )
        for agent in small.agents
    ]
    for puller in pullers:
        puller.start()
    for puller in pullers:
        puller.join(240)
    assert [puller.exitcode for puller in pullers] == [0] * 8
    begun = [row for row in small.rows(assignments) if row.accepted_at]
    assert len(begun) == len({row.ticket_id for row in begun}) == 16
    assert len({row.agent_id for row in begun}) > 1
    assert sum(loads(small).values()) == 16


# accept, decline, hand back


@ON_SQLITE
def test_accepting_twice_is_accepting(small: SmallDesk) -> None:
    desk = take_in(small, "T-1")
    desk_work.accept(desk, "T-1", "ann", by="ann")
    before = story(small)
    small.later(minutes=5)
    desk_work.accept(desk, "T-1", "ann", by="ann")
    assert (story(small), audited(small).count("ticket accepted")) == (before, 1)
    assert state(small) == ("ann", ACCEPTED)


@ON_SQLITE
def test_only_who_has_a_ticket_accepts_it(small: SmallDesk) -> None:
    desk = take_in(small, "T-1")
    with pytest.raises(ConflictError, match="'T-1' is not Bob's: ann has it") as caught:
        desk_work.accept(desk, "T-1", "bob", by="bob")
    assert [problem.where for problem in caught.value.problems] == ["agent_id"]
    assert state(small) == ("ann", TENTATIVE)


def test_a_declined_ticket_goes_on_and_never_comes_back(small: SmallDesk) -> None:
    desk = take_in(small, "T-1")
    declined = desk_work.decline(desk, "T-1", "ann", "I never saw this system", by="ann")
    assert (declined.from_agent, declined.to_agent) == ("ann", "bob")
    again = desk_work.decline(desk, "T-1", "ann", "I never saw this system", by="ann")
    assert (again.to_agent, audited(small).count("ticket declined")) == ("bob", 1)
    # By no way: not when others decline too, not by a run, not by pulling.
    desk_work.decline(desk, "T-1", "bob", "me neither", by="bob")
    assert small.holder() == "cy"
    desk_work.decline(desk, "T-1", "cy", "nor I", by="cy")
    assert small.holder() is None
    small.run(dry_run=True)
    assert small.holder() is None
    for agent in ("ann", "bob", "cy"):
        pulled = desk_work.next_ticket(desk, agent, by=agent)
        assert pulled.ticket is None
        assert "declined earlier" in pulled.why
    assert loads(small) == {"ann": 0, "bob": 0, "cy": 0}
    with small.store.read() as transaction:
        item = desk_work.find_ticket(transaction, "T-1")
        (told, *_) = [e for e in desk_work.story(transaction, item) if e.what == "declined"]
    assert (told.agent_id, told.by, told.note) == ("ann", "ann", "I never saw this system")


@ON_SQLITE
def test_what_was_begun_is_handed_back_not_declined(small: SmallDesk) -> None:
    desk = take_in(small, "T-1")
    desk_work.accept(desk, "T-1", "ann", by="ann")
    with pytest.raises(ConflictError, match="Ann has begun"):
        desk_work.decline(desk, "T-1", "ann", "after all not", by="ann")
    handed = desk_work.hand_back(desk, "T-1", "ann", "needs the vendor", by="ann")
    assert (handed.to_agent, state(small)) == ("bob", ("bob", TENTATIVE))
    before = story(small)
    handed = desk_work.hand_back(desk, "T-1", "ann", "needs the vendor", by="ann")
    assert (handed.to_agent, story(small)) == ("bob", before)
    assert "handed back ann" in before


@ON_SQLITE
def test_what_nobody_else_can_take_waits_and_may_be_pulled_again(small: SmallDesk) -> None:
    small.agents = [ANN]
    desk = take_in(small, "T-1")
    assert desk_work.hand_back(desk, "T-1", "ann", "lunch", by="ann").to_agent is None
    assert loads(small) == {"ann": 0}
    pulled = desk_work.next_ticket(desk, "ann", by="ann")
    assert pulled.ticket
    assert pulled.ticket.ticket.id == "T-1"


@ON_SQLITE
def test_a_reason_has_an_end(small: SmallDesk) -> None:
    desk = take_in(small, "T-1")
    with pytest.raises(InputError, match="longer than 2000") as caught:
        desk_work.decline(desk, "T-1", "ann", "no " * 1000, by="ann")
    assert [problem.where for problem in caught.value.problems] == ["reason"]
    assert state(small) == ("ann", TENTATIVE)


# reassign, candidates


def test_a_person_gives_a_ticket_to_whom_they_choose(small: SmallDesk) -> None:
    desk = take_in(small, "T-1")
    for _ in range(2):
        desk_work.reassign(desk, "T-1", "cy", by="lead", reason="knows the customer")
    assert state(small) == ("cy", COMMITTED)
    assert loads(small) == {"ann": 0, "bob": 0, "cy": 1}
    assert story(small)[2:] == ["tentative ann", "reassigned ann", "committed cy"]
    given = small.triaged().assignment
    assert given
    assert given.rationale == "lead gave this to Cy: knows the customer."
    # It is Cy's: nobody pulls it away, no rebalance moves it.
    assert desk_work.next_ticket(desk, "ann", by="ann").ticket is None
    assert desk_work.rebalance(desk) == []


@ON_SQLITE
def test_who_is_away_or_full_gets_nothing_unless_said_so(small: SmallDesk) -> None:
    small.agents = [ANN, replace(BOB, availability=Availability.AWAY), replace(CY, capacity=0)]
    desk = take_in(small, "T-1")
    with pytest.raises(ConflictError, match="Bob takes no new work now: away") as caught:
        desk_work.reassign(desk, "T-1", "bob", by="lead")
    assert [problem.where for problem in caught.value.problems] == ["to"]
    with pytest.raises(ConflictError, match="Cy takes no new work now: at capacity"):
        desk_work.reassign(desk, "T-1", "cy", by="lead")
    desk_work.reassign(desk, "T-1", "bob", by="lead", anyway=True)
    assert state(small) == ("bob", COMMITTED)
    desk_work.reassign(desk, "T-1", "cy", by="lead", anyway=True)
    assert state(small) == ("cy", COMMITTED)


@ON_SQLITE
def test_who_declined_may_be_asked_again_by_a_person(small: SmallDesk) -> None:
    desk = take_in(small, "T-1")
    desk_work.decline(desk, "T-1", "ann", "no", by="ann")
    desk_work.reassign(desk, "T-1", "ann", by="lead")
    assert state(small) == ("ann", COMMITTED)


@ON_SQLITE
def test_candidates_are_told_with_their_scores_and_the_others_with_reasons(
    small: SmallDesk,
) -> None:
    small.agents = [
        ANN,
        BOB,
        CY,
        replace(ANN, id="dee", name="Dee", availability=Availability.AWAY),
    ]
    small.agents.append(Agent(id="eli", name="Eli", skills={"Printer": 9}))
    desk = take_in(small, "T-1")
    desk_work.decline(desk, "T-1", "bob", "no", by="bob") if small.holder() == "bob" else None
    choice = desk_work.candidates(desk, "T-1")
    assert [c.agent_id for c in choice.candidates] == ["ann", "bob", "cy", "eli"]
    scores = [c.score for c in choice.candidates]
    assert scores == sorted(scores, reverse=True)
    assert choice.candidates[-1].match == 0
    assert [(e.reason, e.agent_ids) for e in choice.exclusions] == [("away", ("dee",))]
    assert [c.agent_id for c in desk_work.candidates(desk, "T-1", most=1).candidates] == ["ann"]
    desk_work.decline(desk, "T-1", "ann", "no", by="ann")
    choice = desk_work.candidates(desk, "T-1")
    assert [c.agent_id for c in choice.candidates] == ["bob", "cy", "eli"]
    assert ("declined it", ("ann",)) in [(e.reason, e.agent_ids) for e in choice.exclusions]


# statuses


def test_resolving_frees_a_slot_for_what_waits(small: SmallDesk) -> None:
    small.agents = [replace(ANN, capacity=1)]
    desk = take_in(small, "T-1", "T-2")
    assert (small.holder("T-1"), small.holder("T-2")) == ("ann", None)
    for _ in range(2):
        assert desk_work.resolve(desk, "T-1", by="ann").status is Status.RESOLVED
    assert (small.holder("T-1"), small.holder("T-2")) == (None, "ann")
    assert loads(small) == {"ann": 1}
    assert audited(small).count("ticket resolved") == 1


def test_a_reopened_ticket_is_assigned_anew(small: SmallDesk) -> None:
    desk = take_in(small, "T-1")
    desk_work.accept(desk, "T-1", "ann", by="ann")
    desk_work.resolve(desk, "T-1", by="ann")
    small.later(minutes=1)
    for _ in range(2):
        assert desk_work.reopen(desk, "T-1", by="lead").status is Status.OPEN
    assert state(small) == ("ann", TENTATIVE)
    assert (loads(small)["ann"], audited(small).count("ticket reopened")) == (1, 1)
    with small.store.read() as transaction:
        events = desk_work.story(transaction, desk_work.find_ticket(transaction, "T-1"))
    assert [event.by for event in events if event.what == "resolved"] == ["ann"]
    assert [what for what in story(small) if "resolved" in what or "open" in what] == [
        "resolved",
        "open again",
    ]


@ON_SQLITE
def test_nothing_is_done_with_what_is_resolved(small: SmallDesk) -> None:
    desk = take_in(small, "T-1")
    desk_work.resolve(desk, "T-1", by="ann")
    deeds: list[Any] = [
        lambda: desk_work.accept(desk, "T-1", "ann", by="ann"),
        lambda: desk_work.decline(desk, "T-1", "ann", "", by="ann"),
        lambda: desk_work.hand_back(desk, "T-1", "ann", "", by="ann"),
        lambda: desk_work.reassign(desk, "T-1", "bob", by="lead"),
        lambda: desk_work.candidates(desk, "T-1"),
        lambda: desk_work.hold(desk, "T-1", by="ann"),
        lambda: desk_work.unhold(desk, "T-1", by="ann"),
    ]
    before = story(small), audited(small)
    for deed in deeds:
        with pytest.raises(ConflictError, match="'T-1' is resolved"):
            deed()
    assert (story(small), audited(small)) == before


def test_on_hold_the_clock_stands_still(small: SmallDesk) -> None:
    desk = take_in(small, "T-1")
    small.later(hours=1)
    for _ in range(2):
        item = desk_work.hold(desk, "T-1", by="ann")
    assert item.status is Status.ON_HOLD
    assert item.triaged
    assert item.triaged.resolution_due_at is None
    assert (small.holder(), loads(small)["ann"]) == ("ann", 1)
    small.later(hours=2)
    item = desk_work.unhold(desk, "T-1", by="ann")
    created = small.tickets["T-1"].created_at
    assert created
    assert item.triaged
    assert item.triaged.resolution_due_at == created + timedelta(hours=6)
    assert audited(small)[-2:] == ["ticket put on hold", "ticket taken off hold"]


@ON_SQLITE
def test_what_is_given_up_on_hold_waits_until_it_goes_on(small: SmallDesk) -> None:
    desk = take_in(small, "T-1")
    desk_work.hold(desk, "T-1", by="ann")
    assert desk_work.hand_back(desk, "T-1", "ann", "", by="ann").to_agent is None
    desk_work.unhold(desk, "T-1", by="lead")
    assert small.holder() is not None


@ON_SQLITE
def test_what_goes_on_while_its_agent_is_away_goes_to_somebody_who_is_there(
    small: SmallDesk,
) -> None:
    desk = take_in(small, "T-1")
    desk_work.hold(desk, "T-1", by="ann")
    _, handed = desk_work.set_availability(desk, "ann", Availability.OFFLINE, by="ann")
    assert (handed, small.holder()) == ([], "ann")
    desk_work.unhold(desk, "T-1", by="lead")
    assert small.holder() == "bob"
    assert "offline ann" in story(small)


@ON_SQLITE
def test_a_ticket_nobody_knows_is_not_found(small: SmallDesk) -> None:
    desk = take_in(small, "T-1")
    for deed in (desk_work.resolve, desk_work.reopen, desk_work.hold, desk_work.unhold):
        with pytest.raises(NotFoundError, match="there is no ticket 'T-9'"):
            deed(desk, "T-9", by="lead")


# agents come and go


def test_who_goes_away_hands_back_what_they_have_not_begun(small: SmallDesk) -> None:
    small.agents = [ANN]
    desk = take_in(small, "T-1", "T-2", "T-3")
    desk_work.accept(desk, "T-1", "ann", by="ann")
    desk_work.next_ticket(desk, "ann", by="ann")
    with small.store.begin() as transaction:
        transaction.welcome([BOB], small.now)
    agent, handed = desk_work.set_availability(desk, "ann", Availability.AWAY, by="ann")
    assert (agent.availability, agent.load) == (Availability.AWAY, 1)
    assert [(h.ticket.ticket.id, h.from_agent, h.to_agent) for h in handed] == [
        ("T-2", "ann", "bob"),
        ("T-3", "ann", "bob"),
    ]
    assert loads(small) == {"ann": 1, "bob": 2}
    assert state(small, "T-1") == ("ann", ACCEPTED)
    assert "away ann" in story(small, "T-2")
    again = desk_work.set_availability(desk, "ann", Availability.AWAY, by="ann")
    assert (again[1], audited(small).count("availability set")) == ([], 1)


@ON_SQLITE
def test_with_nobody_else_there_it_waits_and_goes_out_when_somebody_is_back(
    small: SmallDesk,
) -> None:
    small.agents = [ANN]
    desk = take_in(small, "T-1", "T-2")
    _, handed = desk_work.set_availability(desk, "ann", Availability.OFFLINE, by="ann")
    assert [h.to_agent for h in handed] == [None, None]
    assert loads(small) == {"ann": 0}
    given = small.triaged().assignment
    assert given
    assert "nobody is available (1 offline)" in given.rationale
    agent, handed = desk_work.set_availability(desk, "ann", Availability.AVAILABLE, by="ann")
    assert (agent.load, handed, small.holder("T-1")) == (2, [], "ann")


def from_hour(hour: int) -> Shift:
    """Every day for three hours, by UTC."""
    window = Window(opens=hour * 3600, closes=(hour + 3) * 3600)
    return Shift(time_zone="UTC", week=((window,),) * 7)


@ON_SQLITE
def test_what_waits_goes_out_when_a_shift_begins_or_its_time_is_up(small: SmallDesk) -> None:
    # Tickets need Linux and are due four hours after they come.
    small.agents = [
        replace(ANN, shift=from_hour(small.now.hour + 2)),
        Agent(id="dee", name="Dee", skills={"VPN": 9}),
    ]
    take_in(small, "T-1")
    given = small.triaged().assignment
    assert given
    assert (given.agent_id, given.rationale[:14]) == (None, "Waits for Ann ")
    assert desk_work.take_up(small.desk()) == 0
    assert small.triaged().assignment == given
    small.later(hours=2)
    assert (desk_work.take_up(small.desk()), small.holder("T-1")) == (1, "ann")
    # Nobody with the skill is there any more, and their next shift is too far away.
    small.later(hours=4)
    take_in(small, "T-2")
    assert small.holder("T-2") == "dee"


@ON_SQLITE
def test_who_is_away_is_waited_for_only_so_long(small: SmallDesk) -> None:
    small.agents = [
        replace(ANN, availability=Availability.AWAY),
        Agent(id="dee", name="Dee", skills={"VPN": 9}),
    ]
    take_in(small, "T-1")
    assert small.holder("T-1") is None
    small.later(minutes=30)
    assert desk_work.take_up(small.desk()) == 0
    small.later(minutes=60)
    assert (desk_work.take_up(small.desk()), small.holder("T-1")) == (1, "dee")
    assert desk_work.take_up(small.desk()) == 0


@ON_SQLITE
def test_next_gives_an_agent_what_is_theirs_though_others_know_it_better(
    small: SmallDesk,
) -> None:
    small.agents = [ANN, Agent(id="dee", name="Dee", skills={"VPN": 9})]
    take_in(small, "T-1")
    desk = small.desk(online=EARLY)
    desk_work.reassign(desk, "T-1", "dee", by="lead")
    pulled = desk_work.next_ticket(desk, "dee", by="dee")
    assert pulled.ticket is not None
    assert pulled.ticket.ticket.id == "T-1"


def test_rebalancing_moves_what_nobody_has_begun_to_somebody_new(small: SmallDesk) -> None:
    small.agents = [replace(ANN, capacity=6)]
    small.tickets = {f"T-{n}": a_ticket(f"T-{n}") for n in range(6)}
    small.run(online=EARLY, dry_run=True)
    desk = small.desk(online=EARLY)
    desk_work.accept(desk, "T-0", "ann", by="ann")
    with small.store.begin() as transaction:
        transaction.welcome([replace(ANN, id="zoe", name="Zoe", capacity=6)], small.now)
    moved = desk_work.rebalance(desk)
    assert moved
    assert all((m.from_agent, m.to_agent) == ("ann", "zoe") for m in moved)
    assert loads(small) == {"ann": 6 - len(moved), "zoe": len(moved)}
    assert state(small, "T-0") == ("ann", ACCEPTED)
    assert "rebalanced ann" in story(small, moved[0].ticket.ticket.id)
    assert desk_work.rebalance(desk) == []


# interrupting and affinity


def test_a_p1_interrupts_a_p4_where_the_desk_allows_it(small: SmallDesk) -> None:
    rules = OnlineRules(commitment=CommitmentPolicy(interrupt=frozenset({Priority.P1})))
    small.agents = [ANN]
    small.tickets["low"] = a_ticket("low", priority=Priority.P4)
    small.run(online=rules, dry_run=True)
    desk = small.desk(online=rules)
    desk_work.accept(desk, "low", "ann", by="ann")
    small.tickets["high"] = a_ticket("high", priority=Priority.P1)
    small.run(online=rules, dry_run=True)
    assert state(small, "high") == ("ann", COMMITTED)
    assert state(small, "low") == ("ann", COMMITTED)
    assert story(small, "low")[-2:] == ["interrupted ann", "committed ann"]
    pulled = desk_work.next_ticket(desk, "ann", by="ann")
    assert pulled.ticket
    assert pulled.ticket.ticket.id == "high"


@ON_SQLITE
def test_without_being_allowed_nothing_interrupts(small: SmallDesk) -> None:
    small.agents = [ANN]
    desk = take_in(small, "low", priority=Priority.P4)
    desk_work.accept(desk, "low", "ann", by="ann")
    take_in(small, "high", priority=Priority.P1)
    assert (state(small, "high"), state(small, "low")) == (("ann", TENTATIVE), ("ann", ACCEPTED))


@pytest.mark.parametrize(
    ("affinity", "fields", "expected"),
    [
        ("off", {"requester_email": "Kim@example.com"}, "ann"),
        ("requester", {"requester_email": "kim@EXAMPLE.com"}, "zoe"),
        ("requester", {"linked": ("T-1",)}, "ann"),
        ("linked", {"linked": ("T-1",)}, "zoe"),
    ],
)
def test_a_ticket_leans_to_who_knows_the_matter_where_the_desk_wants_it(
    small: SmallDesk, affinity: Any, fields: dict[str, Any], expected: str
) -> None:
    rules = OnlineRules(affinity=affinity)
    zoe = replace(ANN, id="zoe", name="Zoe")
    small.agents = [ANN, zoe]
    take_in(small, "T-1", requester_email="kim@example.com")
    desk_work.reassign(small.desk(), "T-1", "zoe", by="lead")
    desk_work.resolve(small.desk(), "T-1", by="zoe")
    small.tickets["T-1"] = replace(small.tickets["T-1"], status=Status.RESOLVED)
    small.tickets["T-2"] = a_ticket("T-2", **fields)
    small.run(online=rules, dry_run=True)
    assert small.holder("T-2") == expected
    assert CATALOG  # one entry: both are of a kind


# before there was any of this


def test_work_given_out_by_an_older_version_is_tentative(small: SmallDesk) -> None:
    take_in(small, "T-1", requester_email="Kim@Example.com")
    config = Config()
    config.set_main_option("script_location", str(files("triagedesk.store") / "migrations"))
    with small.store.begin() as transaction:
        config.attributes["connection"] = transaction.connection
        command.downgrade(config, "0005")
        command.upgrade(config, "head")
    assert state(small) == ("ann", TENTATIVE)
    assert loads(small) == {"ann": 1, "bob": 0, "cy": 0}
    assert [row.requester for row in small.rows(tickets)] == ["kim@example.com"]
    pulled = desk_work.next_ticket(small.desk(), "ann", by="ann")
    assert pulled.ticket is not None
