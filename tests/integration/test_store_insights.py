"""Figures of the desk, counted by the database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from support.records import NOW, RESET, a_ticket, an_agent, decide, give, on_duty, receive
from triagedesk.catalog import Label, Sla, SlaUnit
from triagedesk.store import Store
from triagedesk.store.corrections import StoredCorrection
from triagedesk.store.insights import Answered, KeptTargets
from triagedesk.store.sla_records import StoredClock
from triagedesk.tickets import Classification, DecidedBy, Status

LONG_AGO = NOW - timedelta(days=400)
WIFI = Label("Network", "Wi-Fi")


def classified(label: Label, confidence: float = 0.9) -> Classification:
    return Classification(label=label, confidence=confidence, decided_by=DecidedBy.LOCAL)


@pytest.fixture
def keys(store: Store) -> dict[str, int]:
    """Three tickets of one category, two of another, and one from long ago."""
    receive(store, [a_ticket("old")], "run-0", LONG_AGO)
    decide(store, "run-0")
    nine, ten = (datetime(2026, 1, 5, hour, 59, 59, tzinfo=UTC) for hour in (8, 9))
    receive(
        store,
        [
            a_ticket("A", created_at=nine),
            a_ticket("B", created_at=nine - timedelta(minutes=50)),
            a_ticket("C", created_at=ten),
        ],
    )
    found = decide(store)
    receive(store, [a_ticket("D"), a_ticket("E")])
    return found | decide(store, classification=classified(WIFI, 0.4))


def correct(store: Store, key: int, label: Label, **fields: object) -> None:
    made = StoredCorrection(
        ticket_key=key,
        text_key="k" * 64,
        text="text",
        label=label,
        made_at=NOW + timedelta(hours=1),
        made_by="lead",
        lesson=f"lesson-{key}",
    )
    with store.begin() as transaction:
        transaction.correct([replace(made, **fields)])  # type: ignore[arg-type] # any of its fields


def test_volume_is_counted_by_category_and_by_hour(store: Store, keys: dict[str, int]) -> None:
    with store.read() as transaction:
        assert transaction.volume_by_category(NOW - timedelta(days=7)) == {
            "Access": 3,
            "Network": 2,
        }
        hours = transaction.volume_by_hour(NOW - timedelta(days=7))
    # Those that do not say when they were written came at NOW, 09:30.
    assert hours == {
        datetime(2026, 1, 5, 8, tzinfo=UTC): 2,
        datetime(2026, 1, 5, 9, tzinfo=UTC): 3,
    }


def test_an_empty_desk_has_no_figures(store: Store) -> None:
    with store.read() as transaction:
        assert transaction.volume_by_category(LONG_AGO) == {}
        assert transaction.volume_by_hour(LONG_AGO) == {}
        assert transaction.decided_by(LONG_AGO) == {}
        assert transaction.answered(LONG_AGO) == []
        assert transaction.kept_targets(LONG_AGO, NOW) == []
        assert transaction.due_targets(most=5) == []
        assert transaction.resolved_by_agent(LONG_AGO) == {}


def test_who_decided_is_counted_with_what_waits_for_review(store: Store) -> None:
    receive(store, [a_ticket("A"), a_ticket("B")])
    decide(store)
    receive(store, [a_ticket("C")])
    decide(store, needs_review=True)
    with store.read() as transaction:
        assert transaction.decided_by(NOW) == {("local", False): 2, ("local", True): 1}
        assert transaction.decided_by(NOW + timedelta(seconds=1)) == {}


def test_what_people_said_is_held_against_what_was_suggested_before(
    store: Store, keys: dict[str, int]
) -> None:
    correct(store, keys["A"], RESET)
    correct(store, keys["D"], RESET)
    # What is decided afterwards, because of the correction, proves nothing.
    receive(store, [a_ticket("A", "Forgot my password again")], now=NOW + timedelta(hours=2))
    decide(store, classification=classified(WIFI), decided_at=NOW + timedelta(hours=2))
    with store.read() as transaction:
        found = transaction.answered(NOW)
    said = NOW + timedelta(hours=1)
    assert found == [
        Answered(decided_by="local", confidence=0.9, right=True, said_at=said),
        Answered(decided_by="local", confidence=0.4, right=False, said_at=said),
    ]


def test_a_correction_that_was_taken_back_does_not_count(
    store: Store, keys: dict[str, int]
) -> None:
    correct(store, keys["A"], WIFI)
    with store.begin() as transaction:
        assert transaction.undo_lesson(f"lesson-{keys['A']}", NOW) == 1
    with store.read() as transaction:
        assert transaction.answered(NOW) == []


def a_clock(store: Store, key: int, **fields: object) -> StoredClock:
    with store.read() as transaction:
        (found,) = transaction.desk_tickets_of([key])
        assert found.triaged is not None
        decision = transaction.past_decisions(key)
    assert decision
    plain = StoredClock(
        ticket_key=key,
        target="resolution",
        decision_key=key,
        group="",
        started_at=NOW,
        sla=Sla(value=4, unit=SlaUnit.HOURS),
        calendars=((NOW, "24x7"),),
        due_at=NOW + timedelta(hours=4),
        warn_at=None,
        paused=False,
        stopped_at=None,
        breached=False,
        moments=(),
        rules_version="r",
        next_at=None,
    )
    return replace(plain, **fields)  # type: ignore[arg-type] # any of its fields


def test_kept_targets_are_counted_by_the_day_they_ended(store: Store, keys: dict[str, int]) -> None:
    due, later = NOW + timedelta(hours=4), NOW + timedelta(days=2)
    clocks = [
        a_clock(store, keys["A"], stopped_at=due - timedelta(hours=1)),
        a_clock(store, keys["B"], stopped_at=due + timedelta(hours=1), breached=True),
        a_clock(store, keys["C"]),
        a_clock(store, keys["D"], due_at=later + timedelta(days=9)),
        a_clock(store, keys["E"], due_at=None, paused=True),
    ]
    with store.begin() as transaction:
        transaction.save_clocks([clock.ticket_key for clock in clocks], clocks)
    with store.read() as transaction:
        found = transaction.kept_targets(NOW, later)
        assert transaction.kept_targets(later, later) == []
        assert [line.key for line in transaction.due_targets(before=later, most=9)] == [keys["C"]]
        assert [line.key for line in transaction.due_targets(after=later, most=9)] == [keys["D"]]
    # A in time, B too late, C still open and overdue.
    assert found == [KeptTargets(day=date(2026, 1, 5), category="Access", met=1, missed=2)]


def test_resolved_tickets_count_for_whoever_had_them(store: Store, keys: dict[str, int]) -> None:
    on_duty(store, an_agent("ann"), an_agent("bob"))
    give(store, {keys["A"]: "ann", keys["B"]: "ann", keys["C"]: "bob"})
    done = [
        a_ticket(id, status=Status.RESOLVED, created_at=datetime(2026, 1, 5, 8, tzinfo=UTC))
        for id in ("A", "B")  # noqa: A001 - the record's word
    ]
    receive(store, done, now=NOW + timedelta(hours=1))
    with store.read() as transaction:
        assert transaction.resolved_by_agent(NOW) == {"ann": 2}
        assert transaction.resolved_by_agent(NOW + timedelta(hours=2)) == {}
