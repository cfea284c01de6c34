"""What goes into the store comes out the same, on every database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import StatementError

from support.records import NOW, SOURCE, a_report, a_ticket, an_agent, on_duty, receive
from triagedesk.store import Store
from triagedesk.store.reports import Delivery
from triagedesk.tickets import BrokenTicket

# 1970 to 2199 is what sources accept; wide zones on both sides.
_zones = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
_times = st.datetimes(
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2199, 12, 30),  # noqa: DTZ001 - the same
    timezones=_zones,
)

ODD_TEXTS = {
    "emoji": "It is 🔥, 👩‍💻 and 🇩🇪 say so",
    "right to left": "לא עובד \u202eabc\u202c مرحبا",
    "control characters": "".join(map(chr, range(1, 32))) + "\x7f\x85\u2028\ufeff",
    "quotes": 'Robert\'); DROP TABLE tickets;-- "x" \\n %s %(x)s :name {0} ${HOME}',
    "combining": "e\u0301 and \u00e9 differ; so do \ufb01 and fi",
    "long": "ä" * 300_000,
    "empty": "",
    "spaces": "  \t a \n\n ",
}


@pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS.keys())
def test_any_text_without_nul_survives(store: Store, text: str) -> None:
    ticket = a_ticket(f"id {text[:50]}", text, long_description=text, requester_email=text[:99])
    broken = BrokenTicket(position=0, id=text, reason=text, raw=text)
    agent = an_agent("ann", name=text, skills={text: 3}, groups=(text,))
    report = a_report(subject=text, text=text, html=text, path=text)
    delivery = Delivery(
        recipient=f"{text[:50]}@example.com",
        state="parked",
        channel="smtp",
        fingerprint=text,
        attempts=1,
        error=text,
        attempted_at=NOW,
    )
    with store.begin() as transaction:
        transaction.start_run("run-1", NOW)
        transaction.receive("run-1", SOURCE, [ticket], [broken], NOW)
        transaction.save_roster([agent], NOW)
        transaction.add_report(report, b"")
        transaction.save_delivery(report.id, delivery)
        transaction.move_cursor(SOURCE, text, NOW)
        transaction.keep_model_answers({"k": text}, NOW)
    with store.read() as transaction:
        assert [received.ticket for received in transaction.undecided("run-1")] == [ticket]
        assert transaction.broken("run-1") == (broken,)
        assert transaction.roster() == (agent,)
        (found,) = transaction.report_list()
        assert (found.subject, found.text, found.html, found.path) == (text, text, text, text)
        assert found.deliveries == (delivery,)
        assert transaction.cursor(SOURCE) == text
        assert transaction.model_answers(["k"]) == {"k": text}
    with store.begin() as transaction:
        again = transaction.receive("run-1", SOURCE, [ticket], (), NOW)
        assert (again.new, again.unchanged) == (0, 1)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=_times)
def test_times_come_back_aware_in_utc_and_equal(store: Store, at: datetime) -> None:
    with store.begin() as transaction:
        transaction.take_lease("x", "me", at)
        lease = transaction.lease("x")
    assert lease is not None
    assert lease[1] == at
    assert lease[1].tzinfo is UTC


def test_times_inside_tickets_and_agents_come_back_equal(store: Store) -> None:
    at = datetime(2026, 3, 29, 2, 30, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    receive(store, [a_ticket(created_at=at)])
    on_duty(store, an_agent(shift_ends_at=at))
    with store.read() as transaction:
        (received,) = transaction.undecided("run-1")
        (agent,) = transaction.roster()
    for found in (received.ticket.created_at, agent.shift_ends_at):
        assert found == at
        assert found is not None
        assert found.utcoffset() is not None


def test_naive_times_are_refused(store: Store) -> None:
    def take(at: datetime) -> None:
        with store.begin() as transaction:
            transaction.take_lease("x", "me", at)

    with pytest.raises((ValueError, StatementError), match="naive time 2026-01-05"):
        take(NOW.replace(tzinfo=None))
    with store.read() as transaction:
        assert transaction.lease("x") is None
