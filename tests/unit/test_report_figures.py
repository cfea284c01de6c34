from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from support.reports import NOW, hours, row
from triagedesk.catalog import Label, Sla, SlaUnit
from triagedesk.priority import Level, Priority, PriorityDecision
from triagedesk.report import URGENT_SHOWN, is_at_risk, is_breached, row_of, sort_key, tally
from triagedesk.tickets import (
    Alternative,
    Assignment,
    Classification,
    DecidedBy,
    Status,
    Ticket,
    TriagedTicket,
)

TRIAGED = TriagedTicket(
    ticket=Ticket(source="file", id="INC7", short_description="VPN drops", created_at=NOW),
    received_at=NOW + hours(1),
    classification=Classification(
        label=Label("Network", "VPN access"),
        confidence=0.62,
        decided_by=DecidedBy.LOCAL,
        needs_review=True,
        notes=("less sure than this desk asks for",),
        alternatives=(Alternative(label=Label("Network", "Wi-Fi"), probability=0.214),),
    ),
    catalog_version="c1",
    policy_version="p1",
    decided_at=NOW + hours(1),
    sla=Sla(value=8, unit=SlaUnit.HOURS),
    response_due_at=None,
    resolution_due_at=NOW + hours(8),
    priority=PriorityDecision(
        priority=Priority.P2, impact=Level.MEDIUM, urgency=Level.HIGH, evidence=("drops",)
    ),
    assignment=Assignment(
        ticket_id="INC7", agent_id="a1", agent_name="Ana Lopez", rationale="Ana knows VPN best."
    ),
)


def test_a_triaged_ticket_becomes_a_row_with_every_decision() -> None:
    shown = row_of(TRIAGED)

    assert (shown.id, shown.request_category, shown.request_type) == (
        "INC7",
        "Network",
        "VPN access",
    )
    assert (shown.sla_value, shown.sla_unit, shown.due) == (8, "hours", NOW + hours(8))
    assert (shown.priority, shown.priority_evidence) == (Priority.P2, ("drops",))
    assert (shown.agent, shown.rationale) == ("Ana Lopez", "Ana knows VPN best.")
    assert (shown.confidence, shown.decided_by, shown.needs_review) == (0.62, "local", True)
    assert shown.alternatives == ("Network / Wi-Fi (21%)",)
    assert shown.started_at == NOW


def test_a_ticket_nobody_could_place_has_empty_names_and_no_sla() -> None:
    nowhere = replace(TRIAGED.classification, label=None)
    shown = row_of(replace(TRIAGED, classification=nowhere, sla=None, assignment=None))

    assert (shown.request_category, shown.request_type) == ("", "")
    assert (shown.sla_value, shown.sla_unit) == (None, "")
    assert shown.agent == ""


def test_a_ticket_that_arrived_classified_shows_no_confidence() -> None:
    arrived = replace(TRIAGED.classification, decided_by=DecidedBy.SOURCE, confidence=1.0)

    assert row_of(replace(TRIAGED, classification=arrived)).confidence is None


def test_an_agent_without_a_name_is_shown_by_id() -> None:
    nameless = Assignment(ticket_id="INC7", agent_id="a1")

    assert row_of(replace(TRIAGED, assignment=nameless)).agent == "a1"


def test_a_ticket_is_at_risk_in_the_last_quarter_of_its_time() -> None:
    eight_hours = row(started_at=NOW - hours(6), due=NOW + hours(2))

    assert is_at_risk(eight_hours, NOW)
    assert not is_at_risk(eight_hours, NOW - hours(0.01))


def test_without_a_start_a_ticket_is_at_risk_in_its_last_four_hours() -> None:
    unknown_start = row(started_at=None, due=NOW + hours(4))

    assert is_at_risk(unknown_start, NOW)
    assert not is_at_risk(unknown_start, NOW - hours(0.01))


def test_a_ticket_is_breached_after_its_due_time_and_then_not_at_risk() -> None:
    due_now = row(due=NOW)

    assert not is_breached(due_now, NOW)
    assert is_breached(due_now, NOW + hours(0.01))
    assert not is_at_risk(due_now, NOW + hours(0.01))


def test_only_open_tickets_breach_or_are_at_risk() -> None:
    for status in (Status.ON_HOLD, Status.RESOLVED):
        assert not is_breached(row(due=NOW - hours(1), status=status), NOW)
        assert not is_at_risk(row(due=NOW + hours(0.1), status=status), NOW)


def test_the_tally_counts_each_ticket_in_one_sla_state() -> None:
    rows = [
        row(id="1", due=NOW - hours(1), priority=Priority.P1, request_category="Network"),
        row(id="2", due=NOW + hours(0.1), decided_by="llm", needs_review=True),
        row(id="3"),
        row(id="4", due=None, sla_value=0, agent=""),
    ]
    figures = tally(rows, NOW, set_aside=2)

    assert figures.total == 4
    assert (figures.breached, figures.at_risk) == (1, 1)
    assert (figures.on_time, figures.no_deadline) == (1, 1)
    assert (figures.assigned, figures.deferred, figures.needs_review) == (3, 1, 1)
    assert figures.by_decided_by == {"local": 3, "llm": 1}
    assert figures.by_category == {"Hardware": 3, "Network": 1}
    assert figures.by_priority == {Priority.P1: 1, Priority.P3: 3}
    assert figures.set_aside == 2
    assert [shown.id for shown in figures.urgent] == ["1", "2"]


@given(st.lists(st.tuples(st.sampled_from(Priority), st.integers(-20, 20)), max_size=300))
def test_the_urgent_list_is_the_beginning_of_the_order_of_work(
    wanted: list[tuple[Priority, int]],
) -> None:
    rows = [
        row(id=f"{number:04}", priority=priority, due=NOW + hours(due), started_at=None)
        for number, (priority, due) in enumerate(wanted)
    ]
    urgent = [
        r for r in rows if r.priority is Priority.P1 or is_breached(r, NOW) or is_at_risk(r, NOW)
    ]
    in_order = sorted(urgent, key=lambda r: (r.priority, r.due, r.id))

    figures = tally(iter(rows), NOW)

    assert figures.urgent == in_order[:URGENT_SHOWN]
    assert figures.urgent_total == len(urgent)


def test_the_report_is_sorted_by_case_folded_category_type_and_subject() -> None:
    rows = [
        row(id="1", request_category="network", request_type="VPN", short_description="b"),
        row(id="2", request_category="Network", request_type="vpn", short_description="A"),
        row(id="3", request_category="Access", request_type="Z", short_description="z"),
        row(id="4", request_category="NETWORK", request_type="Firewall", short_description="z"),
    ]

    assert [r.id for r in sorted(rows, key=sort_key)] == ["3", "4", "2", "1"]
