"""The store's contract about tickets, on every database: what arrives, is decided and told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, select

from support.records import (
    NOW,
    RESET,
    SOURCE,
    a_decision,
    a_ticket,
    an_agent,
    decide,
    give,
    loads,
    on_duty,
    receive,
)
from triagedesk.catalog import Label, Sla, SlaUnit
from triagedesk.priority import Level, Priority, PriorityDecision
from triagedesk.store import Store
from triagedesk.store.arrivals import Received
from triagedesk.store.tables import decisions
from triagedesk.tickets import (
    Alternative,
    Assignment,
    BrokenTicket,
    Candidate,
    Classification,
    DecidedBy,
    Exclusion,
    Holding,
    Status,
    Ticket,
)

LATER = NOW + timedelta(hours=1)


@contextmanager
def statements_of(store: Store) -> Iterator[list[str]]:
    """The statements the store sends meanwhile."""
    sent: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    event.listen(store._engine, "before_cursor_execute", note)
    yield sent
    event.remove(store._engine, "before_cursor_execute", note)


def undecided_ids(store: Store, run_id: str = "run-1") -> list[str]:
    with store.read() as transaction:
        return [received.ticket.id for received in transaction.undecided(run_id)]


def unassigned_ids(store: Store, run_id: str = "run-1") -> list[str]:
    with store.read() as transaction:
        return [triaged.ticket.id for triaged in transaction.unassigned(run_id)]


# receiving


def test_a_ticket_is_kept_once_per_source_and_id(store: Store) -> None:
    first, second = a_ticket("1"), a_ticket("2")
    with store.begin() as transaction:
        transaction.start_run("run-1", NOW)
        assert transaction.receive("run-1", SOURCE, [first, second], (), NOW) == Received(
            new=2, changed=0, unchanged=0
        )
        changed = replace(first, long_description="It is urgent")
        assert transaction.receive("run-1", SOURCE, [changed, second], (), LATER) == Received(
            new=0, changed=1, unchanged=1
        )
    with store.read() as transaction:
        waiting = transaction.undecided("run-1")
    assert [received.ticket for received in waiting] == [changed, second]
    assert [received.received_at for received in waiting] == [NOW, NOW]


def test_two_sources_may_use_the_same_id(store: Store) -> None:
    with store.begin() as transaction:
        transaction.start_run("run-1", NOW)
        transaction.receive("run-1", SOURCE, [a_ticket("1")], (), NOW)
        other = replace(a_ticket("1", "Another matter"), source="file")
        assert transaction.receive("run-1", "file", [other], (), NOW).new == 1
        assert [r.ticket.source for r in transaction.undecided("run-1")] == [SOURCE, "file"]


def test_a_ticket_comes_back_with_every_field_it_had(store: Store) -> None:
    full = Ticket(
        source=SOURCE,
        id="1",
        short_description="Printer",
        long_description="Line one\n\tline two",
        requester_email="kim@example.com",
        request_category="Hardware",
        request_type="Printer",
        sla_value=3,
        sla_unit=SlaUnit.DAYS,
        status=Status.ON_HOLD,
        priority=Priority.P2,
        impact=Level.HIGH,
        urgency=Level.LOW,
        created_at=NOW,
    )
    receive(store, [full])
    with store.read() as transaction:
        assert transaction.undecided("run-1")[0].ticket == full


def test_an_unchanged_ticket_is_not_undecided_again(store: Store) -> None:
    receive(store, [a_ticket()])
    decide(store)
    receive(store, [a_ticket()], run_id="run-2")
    assert undecided_ids(store, "run-2") == []


def test_changed_content_makes_a_ticket_undecided_again(store: Store) -> None:
    receive(store, [a_ticket("1"), a_ticket("2")])
    decide(store)
    receive(store, [a_ticket("1", "Something else"), a_ticket("2")], run_id="run-2")
    assert undecided_ids(store, "run-2") == ["1"]


def test_a_changed_status_alone_keeps_the_decision(store: Store) -> None:
    receive(store, [a_ticket()])
    decide(store)
    receive(store, [a_ticket(status=Status.ON_HOLD)], run_id="run-2")
    assert undecided_ids(store, "run-2") == []
    with store.read() as transaction:
        (triaged,) = transaction.triaged("run-2")
    assert triaged.ticket.status is Status.ON_HOLD


def test_a_resolved_ticket_releases_its_agent(store: Store) -> None:
    on_duty(store, an_agent())
    receive(store, [a_ticket("1"), a_ticket("2")])
    keys = decide(store)
    give(store, dict.fromkeys(keys.values(), "ann"))
    assert loads(store) == {"ann": 2}
    receive(store, [a_ticket("1", status=Status.RESOLVED)], run_id="run-2")
    assert loads(store) == {"ann": 1}
    with store.read() as transaction:
        assert list(transaction.triaged("run-2")) == []


def test_a_reopened_ticket_waits_for_an_agent_with_its_decision(store: Store) -> None:
    on_duty(store, an_agent())
    receive(store, [a_ticket()])
    give(store, dict.fromkeys(decide(store).values(), "ann"))
    receive(store, [a_ticket(status=Status.RESOLVED)], run_id="run-2")
    receive(store, [a_ticket()], run_id="run-3")
    assert undecided_ids(store, "run-3") == []
    assert unassigned_ids(store, "run-3") == ["T-1"]


def test_a_ticket_that_arrives_resolved_is_nobodys_work(store: Store) -> None:
    receive(store, [a_ticket(status=Status.RESOLVED)])
    assert undecided_ids(store) == []
    with store.begin() as transaction:
        transaction.take_up("run-1")
    assert undecided_ids(store) == []


def test_what_cannot_be_read_is_kept_in_the_order_it_arrived(store: Store) -> None:
    broken = [
        BrokenTicket(position=7, id="", reason="id is missing", raw="{}"),
        BrokenTicket(position=2, id="x", reason="short_description: 3 is no text", raw='{"id":1}'),
    ]
    with store.begin() as transaction:
        transaction.start_run("run-1", NOW)
        transaction.receive("run-1", SOURCE, [], broken, NOW)
    with store.read() as transaction:
        assert transaction.broken("run-1") == (broken[1], broken[0])
        assert transaction.broken("run-2") == ()


def test_ten_thousand_tickets_take_few_statements(store: Store) -> None:
    fetched = [a_ticket(str(number), f"Ticket {number}") for number in range(10_000)]
    changed = [replace(ticket, long_description="more") for ticket in fetched[:5000]]
    changed += [replace(ticket, status=Status.RESOLVED) for ticket in fetched[5000:]]
    for tickets, most in ((fetched, 120), (fetched, 60), (changed, 120)):
        with statements_of(store) as sent:
            receive(store, tickets)
        assert len(sent) <= most
    with store.read() as transaction, statements_of(store) as sent:
        assert len(transaction.undecided("run-1")) == 10_000
    assert len(sent) == 1


def test_thousands_of_decisions_take_few_statements(store: Store) -> None:
    receive(store, [a_ticket(str(number), f"Ticket {number}") for number in range(3000)])
    on_duty(store, an_agent())
    with statements_of(store) as sent:
        keys = decide(store)
        give(store, dict.fromkeys(keys.values(), "ann"))
    # SQLite, inside this process, gives the new keys back one row at a time.
    assert len(sent) <= (50 if "postgresql" in store.origin else 3050)
    with store.begin() as transaction, statements_of(store) as sent:
        assert sum(1 for _ in transaction.triaged("run-1")) == 3000
        assert len(transaction.to_write_back("run-1")) == 3000
        transaction.written_back(list(keys.values()))
        transaction.reported("run-1")
        transaction.take_up("run-1")
    assert len(sent) <= 20


# left-over work


def test_a_run_takes_up_what_others_left_undecided(store: Store) -> None:
    receive(store, [a_ticket("1")])
    with store.begin() as transaction:
        transaction.start_run("run-2", LATER)
        assert transaction.undecided("run-2") == []
        transaction.take_up("run-2")
    assert undecided_ids(store, "run-2") == ["1"]


def test_a_run_takes_up_what_others_left_unassigned_or_unreported(store: Store) -> None:
    on_duty(store, an_agent())
    receive(store, [a_ticket("decided"), a_ticket("deferred"), a_ticket("unreported")])
    keys = decide(store)
    with store.begin() as transaction:
        transaction.reported("run-1")
    receive(store, [a_ticket("done"), a_ticket("late")])
    keys |= decide(store)
    give(store, {keys["deferred"]: None, keys["done"]: "ann", keys["late"]: "ann"})
    give(store, {keys["unreported"]: "ann"})
    with store.begin() as transaction:
        transaction.reported("run-1")
    receive(store, [a_ticket("unreported", "changed")])
    decide(store)
    with store.begin() as transaction:
        transaction.start_run("run-2", LATER)
        transaction.take_up("run-2")
        taken = {triaged.ticket.id for triaged in transaction.triaged("run-2")}
    assert taken == {"decided", "deferred", "unreported"}


def test_taking_up_twice_changes_nothing(store: Store) -> None:
    receive(store, [a_ticket("1")])
    with store.begin() as transaction:
        transaction.take_up("run-1")
        transaction.take_up("run-1")
        assert len(transaction.undecided("run-1")) == 1


# deciding


def test_a_decision_comes_back_as_it_was_made(store: Store) -> None:
    receive(store, [a_ticket()])
    on_duty(store, an_agent())
    with store.begin() as transaction:
        (received,) = transaction.undecided("run-1")
        decision = a_decision(
            received,
            classification=Classification(
                label=RESET,
                confidence=1 / 3,
                decided_by=DecidedBy.LLM,
                model="some-model",
                model_version="2026-01",
                needs_review=True,
                notes=("a note",),
                evidence=("password",),
                alternatives=(Alternative(label=Label("Other", "General"), probability=0.1),),
                impact=Level.HIGH,
                urgency=Level.LOW,
            ),
            sla=Sla(value=0, unit=SlaUnit.DAYS),
            response_due_at=LATER,
            resolution_due_at=LATER + timedelta(days=1),
            priority=PriorityDecision(
                priority=Priority.P1, impact=Level.HIGH, urgency=Level.HIGH, evidence=("down",)
            ),
        )
        transaction.decide("run-1", [decision])
        assignment = Assignment(
            ticket_id=str(received.key),
            agent_id="ann",
            agent_name="Ann",
            score=0.25,
            parts={"match": 0.5, "load": -0.25},
            runner_up=Candidate(agent_id="bob", agent_name="Bob", score=0.1, match=0.2),
            margin=0.15,
            exclusions=(Exclusion(reason="away", agent_ids=("cyd",), count=3),),
            rationale="Ann knows it.",
        )
        transaction.assign("run-1", [(received.key, assignment)], NOW)
    with store.read() as transaction:
        held = replace(decision, assignment=assignment, holding=Holding(since=NOW))
        assert list(transaction.triaged("run-1")) == [held]


def test_a_ticket_may_have_no_label_and_no_sla(store: Store) -> None:
    receive(store, [a_ticket()])
    decide(store, label=None, sla=None)
    with store.read() as transaction:
        (triaged,) = transaction.triaged("run-1")
    assert (triaged.classification.label, triaged.sla) == (None, None)


def test_a_decision_about_outdated_content_does_not_become_current(store: Store) -> None:
    receive(store, [a_ticket("1"), a_ticket("2")])
    with store.read() as transaction:
        waiting = transaction.undecided("run-1")
    receive(store, [a_ticket("1", "Changed meanwhile")])
    with store.begin() as transaction:
        transaction.decide("run-1", [a_decision(received) for received in waiting])
    assert undecided_ids(store) == ["1"]
    with store.read() as transaction:
        assert [triaged.ticket.id for triaged in transaction.triaged("run-1")] == ["2"]


def test_decisions_are_never_overwritten(store: Store) -> None:
    receive(store, [a_ticket()])
    decide(store)
    receive(store, [a_ticket(short="Changed")])
    decide(store, label=Label("Other", "General"))
    with store.read() as transaction:
        (triaged,) = transaction.triaged("run-1")
        count = transaction.connection.scalar(select(func.count()).select_from(decisions))
    assert triaged.classification.label == Label("Other", "General")
    assert count == 2


def test_each_of_many_decisions_belongs_to_its_ticket(store: Store) -> None:
    receive(store, [a_ticket(str(number)) for number in range(1200)])
    with store.begin() as transaction:
        waiting = transaction.undecided("run-1")
        transaction.decide(
            "run-1", [a_decision(r, Label("Category", r.ticket.id)) for r in reversed(waiting)]
        )
    with store.read() as transaction:
        for triaged in transaction.triaged("run-1"):
            assert triaged.classification.label == Label("Category", triaged.ticket.id)


def test_a_transaction_can_still_write_after_it_read_in_the_reports_order(store: Store) -> None:
    receive(store, [a_ticket()])
    decide(store)
    with store.begin() as transaction:
        assert len(list(transaction.triaged("run-1"))) == 1
        transaction.reported("run-1")
        transaction.move_cursor(SOURCE, "42", NOW)
    with store.read() as transaction:
        assert transaction.cursor(SOURCE) == "42"


# assigning


def test_only_open_decided_tickets_without_an_agent_wait_for_one(store: Store) -> None:
    on_duty(store, an_agent())
    receive(
        store, [a_ticket("held", status=Status.ON_HOLD), a_ticket("given"), a_ticket("deferred")]
    )
    keys = decide(store)
    receive(store, [a_ticket("undecided")])
    give(store, {keys["given"]: "ann", keys["deferred"]: None})
    assert unassigned_ids(store) == ["deferred"]


def test_an_assignment_replaces_the_one_in_force(store: Store) -> None:
    on_duty(store, an_agent("ann"), an_agent("bob"))
    receive(store, [a_ticket()])
    (key,) = decide(store).values()
    for agent_id in (None, "ann", "bob"):
        give(store, {key: agent_id})
    assert loads(store) == {"ann": 0, "bob": 1}
    with store.read() as transaction:
        (triaged,) = transaction.triaged("run-1")
    assert triaged.assignment is not None
    assert triaged.assignment.agent_id == "bob"


def test_a_run_counts_what_it_gave_to_whom(store: Store) -> None:
    on_duty(store, an_agent("ann"), an_agent("bob"))
    receive(store, [a_ticket("1"), a_ticket("2"), a_ticket("3")])
    first, second, third = decide(store).values()
    give(store, {first: "ann", second: "ann", third: None})
    with store.read() as transaction:
        assert transaction.assigned_in("run-1") == {"ann": 2}
        assert transaction.assigned_in("run-2") == {}


# writing back


def to_write_back(store: Store) -> list[str]:
    with store.read() as transaction:
        return [triaged.ticket.id for triaged in transaction.to_write_back("run-1")]


def test_a_decision_is_written_back_once(store: Store) -> None:
    receive(store, [a_ticket("1"), a_ticket("2")])
    keys = decide(store)
    assert to_write_back(store) == ["1", "2"]
    for _ in range(2):
        with store.begin() as transaction:
            transaction.written_back([keys["1"]])
        assert to_write_back(store) == ["2"]
    receive(store, [a_ticket("1", "Changed")])
    assert to_write_back(store) == ["2"]
    decide(store)
    assert to_write_back(store) == ["1", "2"]


def test_what_needs_review_is_not_written_back(store: Store) -> None:
    receive(store, [a_ticket()])
    decide(store, needs_review=True)
    assert to_write_back(store) == []


@pytest.mark.parametrize("nothing", [[], ()])
def test_empty_lists_are_no_work(store: Store, nothing: Any) -> None:
    with store.begin() as transaction:
        transaction.start_run("run-1", NOW)
        assert transaction.receive("run-1", SOURCE, nothing, nothing, NOW) == Received(
            new=0, changed=0, unchanged=0
        )
        transaction.decide("run-1", nothing)
        transaction.assign("run-1", nothing, NOW)
        transaction.written_back(nothing)
        transaction.release(nothing, NOW)
        assert list(transaction.triaged("run-1")) == []
