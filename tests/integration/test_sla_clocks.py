"""SLA clocks in a desk's runs: pauses by status, changes of target, events once each."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from multiprocessing import get_context

import pytest
from sqlalchemy import text

from support.watching import CATALOG, NOW, SmallDesk, a_ticket, look_many_times
from triagedesk import learning
from triagedesk.agents import Availability
from triagedesk.catalog import Label, Sla, SlaUnit
from triagedesk.sla import SlaPolicy, SlaState, parse_sla_policy
from triagedesk.store import Store
from triagedesk.store.tables_sla import sla_clocks, sla_events, stale_clocks, status_changes
from triagedesk.tickets import Status

LONGER = CATALOG + "    - name: New laptop\n      sla: {unit: hours, value: 40}\n"


@pytest.fixture
def desk(store: Store) -> SmallDesk:
    """A desk that has taken up one ticket, due in four hours, to be answered within one."""
    small = SmallDesk(store=store)
    small.tickets["T-1"] = a_ticket()
    small.run()
    return small


def at(hour: int, minute: int = 0) -> datetime:
    return NOW.replace(hour=hour, minute=minute)


def test_a_ticket_gets_a_clock_for_each_target_that_is_promised(desk: SmallDesk) -> None:
    assert (desk.clock().due_at, desk.clock().warn_at) == (at(13), at(12))
    assert desk.clock("response").due_at == at(10)
    assert {clock.target for clock in desk.rows(sla_clocks)} == {"response", "resolution"}
    assert desk.triaged().resolution_due_at == at(13)


def test_a_target_of_0_has_no_clock(store: Store) -> None:
    desk = SmallDesk(store=store, catalog=CATALOG.replace("value: 4", "value: 0"))
    desk.tickets["T-1"] = a_ticket()
    desk.run()
    assert [clock.target for clock in desk.rows(sla_clocks)] == ["response"]
    assert desk.triaged().resolution_due_at is None


@pytest.mark.parametrize("minutes", [-30, 0, 59, 60, 61, 300])
def test_clocks_of_new_tickets_are_those_that_following_them_gives(
    store: Store, minutes: int
) -> None:
    """They are started with the decision and stopped with the assignment, by a shorter way."""
    desk = SmallDesk(store=store, catalog=LONGER)
    desk.tickets |= {
        id_: a_ticket(id_, created_at=NOW - timedelta(minutes=minutes), status=status)
        for id_, status in {"T-1": Status.OPEN, "T-2": Status.ON_HOLD, "T-3": Status.OPEN}.items()
    }
    desk.run()
    assert desk.rows(stale_clocks) == []
    desk.look()
    before = sorted(desk.rows(sla_clocks), key=lambda row: row[:2])
    with store.begin() as transaction:
        transaction.follow_later([clock.ticket_id for clock in before])
    desk.look()
    assert sorted(desk.rows(sla_clocks), key=lambda row: row[:2]) == before


# statuses


def test_a_status_is_logged_when_it_changes_and_at_the_time_the_source_gives(
    desk: SmallDesk,
) -> None:
    desk.later(hours=1)
    desk.run()
    assert desk.rows(status_changes) == []
    desk.set_status(Status.ON_HOLD, updated_at=at(9, 30))
    desk.run()
    desk.later(hours=1)
    desk.run()
    desk.set_status(Status.RESOLVED, updated_at=None)
    desk.run()
    logged = [(row.status, row.changed_at) for row in desk.rows(status_changes)]
    assert logged == [("on_hold", at(9, 30)), ("resolved", at(11))]


def test_a_helpdesk_whose_clock_is_ahead_puts_nothing_into_the_future(desk: SmallDesk) -> None:
    desk.set_status(Status.ON_HOLD, updated_at=at(20))
    desk.run()
    assert [row.changed_at for row in desk.rows(status_changes)] == [NOW]


def test_changes_dated_out_of_order_are_taken_in_the_order_they_came(desk: SmallDesk) -> None:
    desk.later(hours=1)
    desk.set_status(Status.ON_HOLD, updated_at=at(10))
    desk.run()
    desk.later(hours=1)
    desk.set_status(Status.OPEN, updated_at=at(8))
    desk.run()
    assert desk.clock().due_at == at(13)


def test_on_hold_stops_the_clock_and_coming_back_moves_the_due_date(desk: SmallDesk) -> None:
    desk.later(hours=1)
    desk.set_status(Status.ON_HOLD)
    desk.run()
    assert desk.clock().paused
    assert desk.clock().due_at is None
    assert desk.triaged().resolution_due_at is None
    desk.later(hours=8)
    desk.run()
    assert desk.events() == []
    desk.set_status(Status.OPEN)
    desk.run()
    assert not desk.clock().paused
    assert (desk.clock().due_at, desk.clock().warn_at) == (at(21), at(20))


def test_resolved_in_time_is_met_and_reopening_runs_what_is_left(desk: SmallDesk) -> None:
    desk.later(hours=3)
    desk.set_status(Status.RESOLVED)
    desk.run()
    stopped = desk.clock()
    assert (stopped.stopped_at, stopped.breached) == (at(12), False)
    assert [line.standing.state(desk.now) for line in desk.board(everything=True)] == [
        SlaState.MET,
        SlaState.MET,
    ]
    desk.later(hours=5)
    desk.set_status(Status.OPEN)
    desk.run()
    assert (desk.clock().stopped_at, desk.clock().due_at) == (None, at(18))


def test_resolved_too_late_is_missed_and_the_breach_is_an_event_though_nobody_looked(
    desk: SmallDesk,
) -> None:
    desk.later(hours=6)
    desk.set_status(Status.RESOLVED)
    desk.run()
    assert desk.clock().breached
    assert desk.events() == [("resolution", "breached")]
    states = {line.standing.target: line.standing.state(desk.now) for line in desk.board()}
    assert states == {}


def test_a_ticket_that_arrives_on_hold_is_paused_from_then_on(store: Store) -> None:
    desk = SmallDesk(store=store)
    desk.tickets["T-1"] = a_ticket(status=Status.ON_HOLD, created_at=NOW - timedelta(hours=1))
    desk.run()
    desk.later(hours=2)
    desk.set_status(Status.OPEN)
    desk.run()
    assert desk.clock().due_at == NOW + timedelta(hours=2 + 3)


def test_a_desk_chooses_the_statuses_that_pause(store: Store) -> None:
    desk = SmallDesk(store=store, policy=SlaPolicy(pause_on=()))
    desk.tickets["T-1"] = a_ticket(status=Status.ON_HOLD)
    desk.run()
    assert desk.clock().due_at == at(13)


# response and group


def test_response_is_answered_by_the_first_agent(desk: SmallDesk) -> None:
    assert desk.clock("response").stopped_at == NOW
    desk.later(hours=2)
    desk.run()
    assert desk.events() == []


def test_without_an_agent_the_response_clock_runs_until_there_is_one(store: Store) -> None:
    desk = SmallDesk(store=store)
    desk.agents = [replace(agent, availability=Availability.AWAY) for agent in desk.agents]
    desk.tickets["T-1"] = a_ticket()
    desk.run()
    assert desk.clock("response").stopped_at is None
    desk.later(minutes=50)
    desk.run()
    assert desk.events() == [("response", "at_risk")]
    desk.later(hours=1)
    desk.agents = [replace(agent, availability=Availability.AVAILABLE) for agent in desk.agents]
    desk.run()
    assert desk.events() == [("response", "at_risk"), ("response", "breached")]
    clock = desk.clock("response")
    assert (clock.stopped_at, clock.breached) == (at(10, 50), True)


def test_leaving_open_answers_too(store: Store) -> None:
    desk = SmallDesk(store=store, agents=[])
    desk.tickets["T-1"] = a_ticket()
    desk.run()
    desk.later(minutes=30)
    desk.set_status(Status.ON_HOLD)
    desk.run()
    assert desk.clock("response").stopped_at == at(9, 30)


def test_a_groups_agreement_starts_with_the_assignment(store: Store) -> None:
    policy = SlaPolicy(group_targets={"network": Sla(value=2, unit=SlaUnit.HOURS)})
    grouped = CATALOG.rstrip() + "\n      assignment_group: Network\n"
    desk = SmallDesk(store=store, policy=policy, catalog=grouped, agents=[])
    desk.tickets["T-1"] = a_ticket()
    desk.run()
    assert "group" not in {clock.target for clock in desk.rows(sla_clocks)}
    desk.later(hours=1)
    desk.agents = SmallDesk(store=store).agents
    desk.run()
    assert (desk.clock("group").started_at, desk.clock("group").due_at) == (at(10), at(12))
    desk.later(hours=2, minutes=1)
    desk.run()
    assert ("group", "breached") in desk.events()


# changes on the way


def test_another_decision_changes_what_is_left(desk: SmallDesk) -> None:
    desk.catalog = LONGER
    desk.later(hours=1)
    desk.run()
    before = desk.clock()
    learning.correct(desk.desk(), "T-1", Label("Access", "New laptop"), by="lead")
    desk.look()
    after = desk.clock()
    assert (before.due_at, after.due_at) == (at(13), NOW + timedelta(hours=40))
    assert after.decision_key != before.decision_key


def test_a_new_calendar_counts_from_the_day_it_holds(desk: SmallDesk) -> None:
    desk.later(hours=1)
    desk.policy = parse_sla_policy(
        "default: office\ncalendars:\n"
        "  office: {zone: UTC, hours: {mon-fri: 09:00-11:00}, hours_per_day: 2}\n"
    )
    desk.run()
    clock = desk.clock()
    assert [name for _since, name in clock.calendars] == ["24x7", "office"]
    # One hour until ten, one until eleven, and two on Tuesday.
    assert clock.due_at == NOW + timedelta(days=1, hours=2)


def test_a_clock_that_nothing_happens_to_is_not_worked_out_again(desk: SmallDesk) -> None:
    desk.later(hours=1)
    desk.run()
    assert desk.rows(stale_clocks) == []
    with desk.store.begin() as transaction:
        transaction.connection.execute(sla_clocks.update().values(calendars=[]))
    desk.run()
    assert [clock.calendars for clock in desk.rows(sla_clocks)] == [[], []]


def test_struck_clocks_are_found_by_an_index(desk: SmallDesk) -> None:
    with desk.store.read() as transaction:
        if transaction.connection.dialect.name == "sqlite":
            plan = transaction.connection.execute(
                text("EXPLAIN QUERY PLAN SELECT * FROM sla_clocks WHERE next_at <= '2026'")
            )
        else:
            transaction.connection.execute(text("SET LOCAL enable_seqscan = off"))
            plan = transaction.connection.execute(
                text("EXPLAIN SELECT * FROM sla_clocks WHERE next_at <= now()")
            )
        assert "ix_sla_clocks_next_at" in str(plan.all())


# events


def test_events_are_recorded_once_however_often_somebody_looks(desk: SmallDesk) -> None:
    desk.later(hours=3)
    for _ in range(3):
        desk.look()
        desk.run()
    assert desk.events() == [("resolution", "at_risk")]
    desk.later(hours=1)
    desk.look()
    assert desk.events() == [("resolution", "at_risk")], "at the due time itself it is met"
    desk.later(minutes=1)
    for _ in range(3):
        desk.look()
        desk.run()
    assert desk.events() == [("resolution", "at_risk"), ("resolution", "breached")]
    rows = desk.rows(sla_events)
    assert [(row.happened_at, row.due_at) for row in rows] == [(at(12), at(13)), (at(13), at(13))]
    assert desk.clock().breached
    assert desk.clock().next_at is None


@pytest.mark.xdist_group("processes")
def test_two_processes_at_once_record_each_event_once(store: Store, store_url: str) -> None:
    rule = "{when: at_risk, do: [raise_priority, notify], notify: [lead@example.com]}"
    catalog = f"{CATALOG.rstrip()}\n      escalation:\n        - {rule}\n"
    desk = SmallDesk(store=store, catalog=catalog)
    for number in range(40):
        desk.tickets[f"T-{number}"] = a_ticket(f"T-{number}")
    desk.run()
    context = get_context("forkserver")
    # Imported once; the processes fork from there.
    context.set_forkserver_preload(["support.watching"])
    when = (NOW + timedelta(hours=3, minutes=1)).isoformat()
    workers = [
        context.Process(target=look_many_times, args=(store_url, catalog, when, 5))
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(200)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert desk.events() == [("resolution", "at_risk")] * 40
    for number in range(40):
        evidence = desk.triaged(f"T-{number}").priority.evidence
        assert evidence.count("raised: SLA at risk") == 1
    with store.read() as transaction:
        told = "".join(notice.text for notice in transaction.notices())
    assert [told.count(f" T-{number} ") for number in range(40)] == [1] * 40


def test_a_new_due_date_allows_a_new_event_and_the_old_one_none(desk: SmallDesk) -> None:
    desk.catalog = LONGER
    desk.later(hours=3)
    desk.run()
    assert desk.events() == [("resolution", "at_risk")]
    learning.correct(desk.desk(), "T-1", Label("Access", "New laptop"), by="lead")
    desk.later(hours=3)
    desk.run()
    assert desk.events() == [("resolution", "at_risk")]
    desk.later(hours=26)
    desk.run()
    desk.run()
    assert desk.events() == [("resolution", "at_risk")] * 2
    desk.later(hours=20)
    desk.run()
    assert desk.events()[2:] == [("resolution", "breached")]


def test_a_hold_after_the_warning_does_not_warn_again(desk: SmallDesk) -> None:
    desk.later(hours=3, minutes=30)
    desk.run()
    desk.set_status(Status.ON_HOLD)
    desk.run()
    desk.later(hours=2)
    desk.set_status(Status.OPEN)
    desk.run()
    assert desk.events() == [("resolution", "at_risk")]
    desk.later(minutes=31)
    desk.run()
    assert desk.events() == [("resolution", "at_risk"), ("resolution", "breached")]


# the board


def test_the_board_is_next_to_breach_first_and_on_hold_last(store: Store) -> None:
    desk = SmallDesk(store=store)
    for id_, age in (("late", 5), ("soon", 3), ("new", 0), ("held", 1)):
        desk.tickets[id_] = a_ticket(id_, created_at=NOW - timedelta(hours=age))
    desk.tickets["held"] = replace(desk.tickets["held"], status=Status.ON_HOLD)
    desk.run()
    lines = [line for line in desk.board() if line.standing.target == "resolution"]
    assert [(line.ticket_id, line.standing.state(desk.now).value) for line in lines] == [
        ("late", "breached"),
        ("soon", "at_risk"),
        ("new", "running"),
        ("held", "paused"),
    ]
    assert lines[0].agent in {"Ann", "Bob"}
