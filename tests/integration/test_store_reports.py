"""The store's contract about reports and deliveries, on every database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from support.records import NOW, a_report
from triagedesk.store import Store
from triagedesk.store.reports import Delivery, StoredReport

FILE = bytes(range(256)) * 50


def a_delivery(recipient: str = "lead@example.com", **fields: object) -> Delivery:
    plain = Delivery(
        recipient=recipient,
        state="pending",
        channel="smtp",
        fingerprint="f1",
        attempts=1,
        error="450 try later",
        attempted_at=NOW,
    )
    return replace(plain, **fields)  # type: ignore[arg-type]  # fields by name


def put(store: Store, *reports: StoredReport) -> None:
    with store.begin() as transaction:
        if not transaction.has_run("run-1"):
            transaction.start_run("run-1", NOW)
        for report in reports:
            transaction.add_report(report, FILE)


def get(store: Store, report_id: str = "run-1") -> StoredReport:
    with store.read() as transaction:
        report = transaction.report(report_id)
    assert report is not None
    return report


def unsent_ids(store: Store) -> list[str]:
    with store.read() as transaction:
        return [report.id for report in transaction.unsent()]


def test_a_report_comes_back_with_its_file(store: Store) -> None:
    report = a_report(recipients=("a@example.com", "b@example.com"))
    put(store, report)
    assert get(store) == report
    with store.read() as transaction:
        assert transaction.report_content("run-1") == FILE
        assert transaction.report("other") is None


def test_without_recipients_by_hand_there_are_none(store: Store) -> None:
    put(store, a_report())
    assert get(store).recipients is None


def test_unsent_reports_come_oldest_first(store: Store) -> None:
    put(
        store,
        a_report("new", created_at=NOW + timedelta(microseconds=1)),
        a_report("old", created_at=NOW - timedelta(days=400)),
        a_report("sent", state="sent"),
        a_report("kept", state="kept"),
        a_report("b"),
        a_report("a"),
    )
    assert unsent_ids(store) == ["old", "a", "b", "new"]
    with store.read() as transaction:
        listed = [report.id for report in transaction.report_list()]
    assert listed == ["old", "a", "b", "kept", "sent", "new"]


@pytest.mark.parametrize("state", ["sent", "kept", "discarded"])
def test_a_report_that_needs_no_sending_is_unsent_no_longer(store: Store, state: str) -> None:
    put(store, a_report("1"), a_report("2"))
    with store.begin() as transaction:
        transaction.set_report_state("1", state)
    assert unsent_ids(store) == ["2"]
    assert get(store, "1").state == state


def test_each_recipient_has_a_delivery_that_is_replaced(store: Store) -> None:
    put(store, a_report("1"), a_report("2"))
    first = [a_delivery("Zoe@example.com"), a_delivery("ann@example.com", state="parked")]
    with store.begin() as transaction:
        for delivery in first:
            transaction.save_delivery("1", delivery)
    # by code point: upper case first
    assert get(store, "1").deliveries == tuple(first)
    again = replace(first[0], state="delivered", attempts=2, error="", fingerprint="f2")
    with store.begin() as transaction:
        transaction.save_delivery("1", again)
    assert get(store, "1").deliveries == (again, first[1])
    assert get(store, "2").deliveries == ()


def test_a_redirected_report_is_unsent_for_those_named(store: Store) -> None:
    put(store, a_report())
    for named in (("x@example.com",), None, ("y@example.com", "z@example.com")):
        with store.begin() as transaction:
            transaction.set_report_state("run-1", "sent")
            transaction.redirect_report("run-1", named)
        assert get(store).recipients == named
        assert unsent_ids(store) == ["run-1"]


def test_forgotten_deliveries_are_those_of_one_report(store: Store) -> None:
    put(store, a_report("1"), a_report("2"))
    with store.begin() as transaction:
        transaction.save_delivery("1", a_delivery())
        transaction.save_delivery("2", a_delivery())
        transaction.forget_deliveries("1", delivered=True)
    assert get(store, "1").deliveries == ()
    assert get(store, "2").deliveries == (a_delivery(),)


def test_refusals_can_be_forgotten_without_forgetting_who_has_it(store: Store) -> None:
    put(store, a_report("1"))
    has_it = a_delivery(recipient="a@example.com", state="delivered")
    with store.begin() as transaction:
        transaction.save_delivery("1", has_it)
        transaction.save_delivery("1", a_delivery(recipient="b@example.com", state="parked"))
        transaction.forget_deliveries("1", delivered=False)
    assert get(store, "1").deliveries == (has_it,)


def test_a_message_id_is_used_once(store: Store) -> None:
    put(store, a_report("1"))
    with pytest.raises(IntegrityError):
        put(store, a_report("2", message_id="<1@example.com>"))
    with store.read() as transaction:
        assert len(transaction.report_list()) == 1
