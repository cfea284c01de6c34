"""Two processes that come to the same tickets, and readers beside writers."""

from __future__ import annotations

import threading

import pytest

from support.records import NOW, a_decision, a_ticket, decide, receive
from triagedesk.store import Store, Transaction
from triagedesk.store.runs import StoredCatalog


def test_what_another_process_has_decided_meanwhile_is_not_decided_again(store: Store) -> None:
    receive(store, [a_ticket("T-1"), a_ticket("T-2")])
    with store.read() as transaction:
        mine = [a_decision(received) for received in transaction.undecided("run-1")]
    receive(store, [a_ticket("T-3")])
    with store.begin() as transaction:
        transaction.decide("run-1", mine[:1])
    with store.begin() as transaction:
        assert transaction.still_undecided(mine) == mine[1:]


def test_who_decides_keeps_others_from_deciding_until_the_end(store: Store) -> None:
    receive(store, [a_ticket("T-1")])
    with store.read() as transaction:
        mine = [a_decision(received) for received in transaction.undecided("run-1")]
    left: list[int] = []

    def come_second() -> None:
        with store.begin() as transaction:
            left.append(len(transaction.still_undecided(mine)))

    second = threading.Thread(target=come_second)
    with store.begin() as transaction:
        assert transaction.still_undecided(mine) == mine
        second.start()
        second.join(0.3)
        assert left == []
        transaction.decide("run-1", mine)
    second.join(60)
    assert left == [0]


@pytest.mark.parametrize("what", ["catalog", "answers"])
def test_what_two_learn_at_the_same_time_is_kept_once(store: Store, what: str) -> None:
    named = {"version": "1", "origin": "c.yaml", "text": "{}", "etag": "", "last_modified": ""}
    catalog = StoredCatalog(**named, loaded_at=NOW)

    def keep(transaction: Transaction) -> None:
        if what == "catalog":
            transaction.save_catalog(catalog)
        else:
            transaction.keep_model_answers({"question": "answer"}, NOW)

    def come_second() -> None:
        with store.begin() as transaction:
            keep(transaction)
        kept.append(what)

    kept: list[str] = []
    second = threading.Thread(target=come_second)
    with store.begin() as transaction:
        keep(transaction)
        second.start()
        second.join(0.3)
        assert kept == []
    second.join(60)
    assert kept == [what]
    with store.read() as transaction:
        texts = transaction.catalog_text("c.yaml", "1"), transaction.model_answers(["question"])
    assert texts in (("{}", {}), (None, {"question": "answer"}))


def test_a_reader_sees_one_state_of_things_whatever_is_written_meanwhile(store: Store) -> None:
    receive(store, [a_ticket("T-1")])
    with store.read() as transaction:
        before = transaction.undecided("run-1")
        decide(store)
        assert transaction.undecided("run-1") == before
    with store.read() as transaction:
        assert transaction.undecided("run-1") == []


def test_many_rows_come_back_as_few_do(store: Store) -> None:
    subjects = [f'"{number}"\t\\N\n\\.\r{{}}, ü€😀' for number in range(40)]
    tickets = [a_ticket(f"T-{n}", short) for n, short in enumerate(subjects)]
    receive(store, tickets[:2])
    receive(store, tickets[2:], now=NOW)
    with store.read() as transaction:
        assert [found.ticket for found in transaction.undecided("run-1")] == tickets
