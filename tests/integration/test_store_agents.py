"""The store's contract about agents and their loads, on every database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from multiprocessing import get_context
from typing import Any

import pytest

from support.records import (
    NOW,
    a_ticket,
    an_agent,
    decide,
    give,
    loads,
    on_duty,
    receive,
)
from support.store_processes import assign_one_by_one
from triagedesk.agents import Agent, Availability
from triagedesk.store import Store
from triagedesk.tickets import Status

PROCESSES = 8


def in_processes(work: Callable[..., None], arguments: list[tuple[Any, ...]]) -> None:
    """Run `work` in one new process for each of `arguments`; all must end well."""
    context = get_context("forkserver")
    # Imported once; the processes fork from there.
    context.set_forkserver_preload(["support.store_processes"])
    workers = [context.Process(target=work, args=given) for given in arguments]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(240)
    assert [worker.exitcode for worker in workers] == [0] * len(workers)


def test_an_agent_comes_back_with_every_field(store: Store) -> None:
    agent = Agent(
        id="ann",
        name="Ann Ω",
        skills={"Linux": 10, "Drucker und Kopierer": 1},
        load=3,
        capacity=12,
        availability=Availability.AWAY,
        experience=2.5,
        groups=("first line", "printers"),
        email="ann@example.com",
        shift_ends_at=NOW,
    )
    on_duty(store, agent)
    with store.read() as transaction:
        assert transaction.roster() == (agent,)


def test_the_roster_is_in_order_of_id_by_code_point(store: Store) -> None:
    ids = ["b", "A", "a", "B", "é", "10", "9", "_", "Z", "🙂"]
    on_duty(store, *map(an_agent, ids))
    assert list(loads(store)) == sorted(ids)


def test_a_load_is_what_was_there_before_plus_open_work(store: Store) -> None:
    on_duty(store, an_agent("ann", load=2), an_agent("bob"))
    receive(store, [a_ticket(str(number)) for number in range(5)])
    first, second, third, fourth, _fifth = decide(store).values()
    give(store, {first: "ann", second: "ann", third: "bob", fourth: None})
    assert loads(store) == {"ann": 4, "bob": 1}


def test_work_on_hold_counts_and_resolved_work_does_not(store: Store) -> None:
    on_duty(store, an_agent("ann", load=1))
    receive(store, [a_ticket("1"), a_ticket("2")])
    give(store, dict.fromkeys(decide(store).values(), "ann"))
    statuses = {"1": Status.ON_HOLD, "2": Status.RESOLVED}
    receive(store, [a_ticket(number, status=status) for number, status in statuses.items()])
    assert loads(store) == {"ann": 2}


def test_releasing_lowers_the_load(store: Store) -> None:
    on_duty(store, an_agent())
    receive(store, [a_ticket("1"), a_ticket("2")])
    first, second = decide(store).values()
    give(store, {first: "ann", second: "ann"})
    for _ in range(2):
        with store.begin() as transaction:
            transaction.release([first], NOW)
        assert loads(store) == {"ann": 1}


def test_a_roster_read_again_does_not_reset_loads(store: Store) -> None:
    on_duty(store, an_agent("ann", load=2))
    receive(store, [a_ticket()])
    give(store, dict.fromkeys(decide(store).values(), "ann"))
    on_duty(store, an_agent("ann", load=9, name="Ann Married", capacity=5))
    with store.read() as transaction:
        (agent,) = transaction.roster()
    assert (agent.load, agent.name, agent.capacity) == (3, "Ann Married", 5)


def test_an_agent_who_left_the_roster_is_inactive_and_keeps_work(store: Store) -> None:
    on_duty(store, an_agent("ann"), an_agent("bob", load=1))
    receive(store, [a_ticket()])
    give(store, dict.fromkeys(decide(store).values(), "bob"))
    on_duty(store, an_agent("ann"))
    assert loads(store) == {"ann": 0}
    on_duty(store, an_agent("bob", load=7))
    assert loads(store) == {"bob": 2}


def test_without_a_roster_there_are_no_agents(store: Store) -> None:
    assert loads(store) == {}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_processes_that_assign_at_once_lose_no_update(store: Store, store_url: str) -> None:
    on_duty(store, *map(an_agent, ("ann", "bob", "cyd", "dee")))
    receive(store, [a_ticket(str(number)) for number in range(40)])
    decide(store)
    in_processes(assign_one_by_one, [(store_url, "run-1", worker) for worker in range(PROCESSES)])
    # Somebody who had worked with an old load would have upset the balance.
    assert loads(store) == {"ann": 10, "bob": 10, "cyd": 10, "dee": 10}
    with store.read() as transaction:
        assert sum(transaction.assigned_in("run-1").values()) == 40
        given = [triaged.assignment for triaged in transaction.triaged("run-1")]
    assert Counter(a.agent_id for a in given if a) == {"ann": 10, "bob": 10, "cyd": 10, "dee": 10}


def test_nothing_of_a_transaction_that_raises_is_kept(store: Store) -> None:
    def add_and_fail() -> None:
        with store.begin_alone() as transaction:
            transaction.save_roster([an_agent()], NOW + timedelta(days=1))
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        add_and_fail()
    assert loads(store) == {}
