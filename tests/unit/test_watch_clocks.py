"""Clocks that follow from a ticket's history, notices, and how both are worded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagedesk.catalog import CatalogEntry, EscalationRule, EscalationStep, Label, Sla, SlaUnit
from triagedesk.catalog import ServiceCatalog as Catalog
from triagedesk.cli.sla import event_words, length_words
from triagedesk.clocks import clocks_of, first_clocks
from triagedesk.desk import Letterhead
from triagedesk.notices import MOST_NAMED, Alarm, notices_of
from triagedesk.outbox import Mail
from triagedesk.outbox.message import build_message
from triagedesk.priority import Level, Priority, PriorityDecision
from triagedesk.sla import Calendar, SlaPolicy, SlaState, Window
from triagedesk.store.sla_records import SlaEvent, StoredClock, WatchedTicket, next_look
from triagedesk.tickets import (
    Classification,
    DecidedBy,
    SlaStanding,
    Status,
    Ticket,
    TriagedTicket,
)
from triagedesk.watch import raised

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LABEL = Label("Access", "Reset password")
FOUR, ONE = Sla(value=4, unit=SlaUnit.HOURS), Sla(value=1, unit=SlaUnit.HOURS)
DAY = (Window(opens=9 * 3600, closes=17 * 3600),)
OFFICE = Calendar(name="office", zone="Europe/Berlin", week=(DAY,) * 5 + ((), ()))
RULE = EscalationRule(when="0.5", steps=(EscalationStep.RAISE_PRIORITY,))
ENTRY = CatalogEntry(label=LABEL, sla=FOUR, response=ONE, escalation=(RULE,))


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def watched(**fields: object) -> WatchedTicket:
    plain = WatchedTicket(
        key=1,
        started_at=NOW,
        decision_key=7,
        decided_at=NOW,
        label=LABEL,
        sla=FOUR,
        changes=(),
        first_assigned_at=None,
        assigned_at=None,
        clocks={},
    )
    return replace(plain, **fields)  # type: ignore[arg-type] # fields of WatchedTicket by keyword


def clocks(ticket: WatchedTicket, now: datetime = NOW, **fields: object) -> dict[str, StoredClock]:
    entry = replace(ENTRY, **fields)  # type: ignore[arg-type] # fields of CatalogEntry by keyword
    catalog = Catalog(entries=(entry,), version="1")
    return {c.target: c for c in clocks_of(ticket, catalog, SlaPolicy(), now, "rules")}


def test_moments_are_what_time_will_do_in_order() -> None:
    clock = clocks(watched())["resolution"]
    assert clock.moments == (
        ("0.5", NOW + hours(2)),
        ("at_risk", NOW + hours(3)),
        ("breached", NOW + hours(4)),
    )
    assert clock.next_at == NOW + hours(2)


def test_a_breach_is_looked_at_after_its_moment_and_a_warning_at_it() -> None:
    moments = (("at_risk", NOW), ("breached", NOW + hours(1)))
    assert next_look(moments, None) == NOW
    assert next_look(moments, NOW) == NOW + hours(1) + timedelta(microseconds=1)
    assert next_look(moments, NOW + hours(2)) is None


def test_a_clock_stopped_in_time_has_no_moments_and_keeps_its_due_date() -> None:
    resolved = watched(changes=((NOW + hours(1), Status.RESOLVED),))
    clock = clocks(resolved)["resolution"]
    assert (clock.moments, clock.next_at) == ((), None)
    assert (clock.due_at, clock.stopped_at) == (NOW + hours(4), NOW + hours(1))


def test_one_stopped_too_late_is_breached_and_nothing_else() -> None:
    resolved = watched(changes=((NOW + hours(5), Status.RESOLVED),))
    assert clocks(resolved)["resolution"].moments == (("breached", NOW + hours(4)),)


def test_whatever_comes_first_answers() -> None:
    both = watched(changes=((NOW + hours(2), Status.ON_HOLD),), first_assigned_at=NOW + hours(0.5))
    assert clocks(both)["response"].stopped_at == NOW + hours(0.5)
    assert clocks(replace(both, first_assigned_at=None))["response"].stopped_at == NOW + hours(2)


def test_what_was_promised_when_it_was_decided_stays() -> None:
    before = clocks(watched())
    later = clocks(watched(clocks=before), response=FOUR)
    assert later["response"].sla == ONE
    decided_anew = clocks(watched(clocks=before, decision_key=8), response=FOUR)
    assert decided_anew["response"].sla == FOUR


@given(
    st.lists(st.tuples(st.integers(-100, 300), st.sampled_from(Status)), max_size=8),
)
def test_any_log_of_statuses_gives_a_clock_that_agrees_with_itself(
    log: list[tuple[int, Status]],
) -> None:
    changes = tuple((NOW + timedelta(minutes=at), status) for at, status in log)
    now = NOW + hours(6)
    clock = clocks(watched(changes=changes), now)["resolution"]
    assert (clock.stopped_at is not None) == (bool(log) and log[-1][1] is Status.RESOLVED)
    assert clock.paused == (bool(log) and log[-1][1] is Status.ON_HOLD)
    assert [at for _kind, at in clock.moments] == sorted(at for _kind, at in clock.moments)
    again = clocks(watched(changes=changes, clocks={"resolution": clock}), now)["resolution"]
    assert again == clock


@pytest.mark.parametrize(
    ("standing", "state"),
    [
        ({"due_at": NOW}, SlaState.AT_RISK),
        ({"due_at": NOW - hours(1)}, SlaState.BREACHED),
        ({"due_at": NOW - hours(1), "paused": True}, SlaState.BREACHED),
        ({"due_at": None, "paused": True}, SlaState.PAUSED),
        ({"due_at": NOW + hours(1), "warn_at": NOW + hours(0.5)}, SlaState.RUNNING),
        ({"due_at": NOW, "stopped_at": NOW}, SlaState.MET),
        ({"due_at": NOW, "stopped_at": NOW + hours(1)}, SlaState.MISSED),
    ],
)
def test_where_a_target_stands(standing: dict[str, object], state: SlaState) -> None:
    fields = {"target": "resolution", "warn_at": NOW - hours(1), **standing}
    assert SlaStanding(**fields).state(NOW) is state  # type: ignore[arg-type] # fields by keyword


# notices


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 (hypothesis adds the zone)
    st.builds(Sla, value=st.integers(0, 40), unit=st.sampled_from(SlaUnit)),
    st.none() | st.builds(Sla, value=st.integers(0, 5), unit=st.just(SlaUnit.HOURS)),
    st.sampled_from(["", "office"]),
    st.booleans(),
)
def test_first_clocks_are_those_of_a_ticket_to_which_nothing_has_happened(
    start: datetime, sla: Sla, response: Sla | None, calendar: str, said: bool
) -> None:
    entry = replace(ENTRY, response=response, calendar=calendar)
    catalog = Catalog(entries=(entry,), version="1")
    policy = SlaPolicy(calendars={"office": OFFICE}, warn_at=(0.75, 0.9))
    ticket = replace(alarm().ticket, received_at=start, sla=sla, resolution_due_at=None)
    if said:
        zone = timezone(timedelta(hours=2))
        raised_at = (start - hours(3)).astimezone(zone)
        ticket = replace(ticket, ticket=replace(ticket.ticket, created_at=raised_at))
    begun = (ticket.ticket.created_at or start).astimezone(UTC)
    plain = watched(started_at=begun, sla=sla, decided_at=ticket.decided_at)
    expected = list(clocks_of(plain, catalog, policy, NOW, "rules"))
    assert list(first_clocks(ticket, 7, catalog, policy, NOW, "rules")) == expected


def alarm(number: int = 1, kind: str = "at_risk") -> Alarm:
    ticket = Ticket(source="s", id=f"T-{number}", short_description="It hangs")
    triaged = TriagedTicket(
        key=number,
        ticket=ticket,
        received_at=NOW,
        classification=Classification(label=LABEL, confidence=1.0, decided_by=DecidedBy.LOCAL),
        catalog_version="c",
        policy_version="p",
        decided_at=NOW,
        sla=FOUR,
        response_due_at=None,
        resolution_due_at=NOW,
        priority=PriorityDecision(
            priority=Priority.P3, impact=Level.LOW, urgency=Level.MEDIUM, evidence=("hangs",)
        ),
    )
    event = SlaEvent(
        ticket_key=number,
        target="resolution",
        kind=kind,
        happened_at=NOW,
        due_at=NOW + hours(1),
        recorded_at=NOW,
    )
    return Alarm(event=event, ticket=triaged, notify=("a@example.com", "b@example.com"))


LETTERHEAD = Letterhead(title="Desk\r\nBcc: x@example.com", domain="example.com")


def test_each_recipient_gets_one_notice_and_every_time_the_same() -> None:
    told = notices_of([alarm(1), alarm(2, "breached")], letterhead=LETTERHEAD, now=NOW)
    again = notices_of([alarm(2, "breached"), alarm(1)], letterhead=LETTERHEAD, now=NOW)
    assert [notice.recipient for notice in told] == ["a@example.com", "b@example.com"]
    assert len({notice.message_id for notice in told}) == 2
    assert [n.message_id for n in told] == [n.message_id for n in again]
    assert told[0].subject.startswith("SLA: 1 breached, 1 at risk - Desk")
    assert "\n" not in told[0].subject


def test_a_long_notice_names_the_first_and_counts_the_rest() -> None:
    alarms = [alarm(number) for number in range(MOST_NAMED + 3)]
    told, _ = notices_of(alarms, letterhead=LETTERHEAD, now=NOW)
    assert told.text.count("It hangs") == MOST_NAMED
    assert "... and 3 more." in told.text


def test_a_mail_may_come_without_a_file() -> None:
    mail = Mail(message_id="<a@b>", subject="s", text="t\n", html="<p>t</p>", created_at=NOW)
    message = build_message(mail, "desk@example.com", ["a@example.com"])
    assert message.get_content_type() == "multipart/alternative"
    assert (
        message.as_bytes() == build_message(mail, "desk@example.com", ["a@example.com"]).as_bytes()
    )


def test_a_priority_is_raised_by_one_and_says_why() -> None:
    half = alarm(kind="0.5")
    once = raised(half.ticket, half.event, NOW + hours(1))
    assert once.priority.priority is Priority.P2
    assert once.priority.evidence == ("hangs", "raised: 50% of the SLA used")
    assert once.decided_at == NOW + hours(1)


# words


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(seconds=59), "0 min"),
        (timedelta(minutes=61), "1 h 1 min"),
        (timedelta(days=2, hours=3, minutes=4), "2 d 3 h"),
    ],
)
def test_lengths_are_said_in_two_units(length: timedelta, words: str) -> None:
    assert length_words(length) == words


def test_events_are_said_in_words() -> None:
    kinds = ("at_risk", "breached", "0.5")
    assert [event_words(kind) for kind in kinds] == ["at risk", "breached", "50% used"]
