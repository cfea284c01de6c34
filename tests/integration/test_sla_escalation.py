"""What a run does about SLAs in danger: priority, another agent, notices; each once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from typing import Any

import openpyxl
import pytest

from support.watching import BUSY, NOW, SmallDesk, a_ticket, escalating
from triagedesk.agents import Agent
from triagedesk.outbox import DeliveryOutcome
from triagedesk.priority import Priority
from triagedesk.store import Store
from triagedesk.store.sla_records import Notice
from triagedesk.store.tables import assignments
from triagedesk.store.tables_sla import sla_events, status_changes
from triagedesk.tickets import Status

LEAD = "lead@example.com"
RAISE = "{when: at_risk, do: raise_priority}"
REASSIGN = "{when: at_risk, do: [reassign]}"
NOTIFY = f"{{when: at_risk, do: notify, notify: [{LEAD}]}}"


def a_desk(store: Store, *rules: str, **fields: Any) -> SmallDesk:
    """A desk with these escalation rules that has taken up one ticket."""
    desk = SmallDesk(store=store, catalog=escalating(*rules), **fields)
    desk.tickets["T-1"] = a_ticket()
    desk.run()
    return desk


def notices(desk: SmallDesk) -> list[Notice]:
    with desk.store.read() as transaction:
        return transaction.notices()


# raise priority


def test_the_priority_is_raised_once_for_each_event_with_its_evidence(store: Store) -> None:
    desk = a_desk(store, RAISE, "{when: breached, do: raise_priority}")
    before = desk.triaged().priority
    desk.later(hours=3)
    summary = desk.run()
    for _ in range(2):
        desk.run()
    assert desk.triaged().priority.priority == before.priority - 1
    assert desk.triaged().priority.evidence == (*before.evidence, "raised: SLA at risk")
    assert (summary.sla_events, summary.escalated, summary.figures.total) == (1, 1, 1)
    desk.later(hours=2)
    desk.run()
    after = desk.triaged().priority
    assert (after.priority, after.evidence[-1]) == (before.priority - 2, "raised: SLA breached")
    assert desk.done() == [
        f"priority raised to P{before.priority - 1}",
        f"priority raised to P{before.priority - 2}",
    ]


def test_the_priority_never_rises_above_p1(store: Store) -> None:
    desk = SmallDesk(store=store, catalog=escalating(RAISE))
    desk.tickets["T-1"] = a_ticket(priority=Priority.P1)
    desk.run()
    desk.later(hours=3)
    desk.run()
    assert desk.triaged().priority.priority is Priority.P1
    assert desk.done() == [""]


def test_a_fraction_is_a_moment_of_its_own(store: Store) -> None:
    desk = a_desk(store, "{when: 0.5, do: raise_priority}")
    desk.later(hours=2)
    desk.run()
    assert desk.events() == [("resolution", "0.5")]
    assert desk.triaged().priority.evidence[-1] == "raised: 50% of the SLA used"


def test_a_rule_is_about_resolution_unless_it_says_so(store: Store) -> None:
    rule = "{when: at_risk, do: raise_priority, target: response}"
    desk = a_desk(store, RAISE, rule, agents=[])
    desk.later(minutes=50)
    desk.run()
    assert desk.triaged().priority.evidence[-1] == "raised: response SLA at risk"


def test_what_a_command_saw_first_is_escalated_by_the_next_run(store: Store) -> None:
    desk = a_desk(store, RAISE)
    desk.later(hours=3)
    desk.look()
    assert desk.events() == [("resolution", "at_risk")]
    assert "raised: SLA at risk" not in desk.triaged().priority.evidence
    desk.run()
    assert desk.triaged().priority.evidence[-1] == "raised: SLA at risk"


@pytest.mark.parametrize("status", [Status.RESOLVED, Status.ON_HOLD])
def test_nothing_is_done_about_what_no_longer_stands(store: Store, status: Status) -> None:
    desk = a_desk(store, RAISE)
    desk.later(hours=3)
    desk.look()
    # It had come to an end, or stood still, before the warning: the log says so only now.
    desk.set_status(status, updated_at=NOW + timedelta(hours=1))
    desk.run()
    assert desk.events() == [("resolution", "at_risk")]
    assert desk.done() == [""]


# reassign


def test_a_ticket_goes_to_the_best_other_agent_in_the_same_run(store: Store) -> None:
    desk = a_desk(store, REASSIGN)
    assert desk.holder() == "ann"
    desk.later(hours=3)
    desk.run()
    assert desk.holder() == "bob"
    assignment = desk.triaged().assignment
    assert assignment is not None
    assert "taken from Ann by escalation" in assignment.rationale
    assert desk.done() == ["taken from Ann"]
    desk.run()
    assert desk.holder() == "bob"
    assert [row.agent_id for row in desk.rows(assignments)] == ["ann", "bob"]
    with store.read() as transaction:
        assert {agent.id: agent.load for agent in transaction.roster()} == {"ann": 0, "bob": 1}


@pytest.mark.parametrize(
    "others",
    [
        [],
        [Agent(id="cy", name="Cy", skills={"Printer": 9})],
        [Agent(id="bob", name="Bob", skills={"Linux": 9}, capacity=0)],
    ],
    ids=["alone", "others lack the skill", "others are full"],
)
def test_with_nobody_better_it_stays_with_the_one_who_had_it(
    store: Store, others: list[Agent]
) -> None:
    desk = a_desk(
        store, REASSIGN, agents=[Agent(id="ann", name="Ann", skills={"Linux": 9}), *others]
    )
    desk.later(hours=3)
    desk.run()
    assert desk.holder() == "ann"


def test_many_at_once_are_spread_by_load(store: Store) -> None:
    desk = SmallDesk(store=store, catalog=escalating(REASSIGN))
    desk.agents = [Agent(id="ann", name="Ann", skills={"Linux": 9}, capacity=8)]
    for number in range(8):
        desk.tickets[f"T-{number}"] = a_ticket(f"T-{number}")
    desk.run()
    desk.agents += [
        Agent(id=id_, name=id_.title(), skills={"Linux": 5}, capacity=8) for id_ in ("bob", "cy")
    ]
    desk.later(hours=3)
    desk.run()
    holders = [desk.holder(f"T-{number}") for number in range(8)]
    assert sorted(map(str, holders)) == ["bob"] * 4 + ["cy"] * 4


def test_on_hold_nobody_loses_a_ticket(store: Store) -> None:
    desk = a_desk(store, REASSIGN)
    desk.later(hours=3, minutes=30)
    desk.set_status(Status.ON_HOLD)
    desk.run()
    assert desk.holder() == "ann"


# notify


def test_a_notice_goes_to_each_recipient_once_for_all_that_happened(store: Store) -> None:
    desk = SmallDesk(store=store, catalog=escalating(NOTIFY, RAISE))
    for number in range(3):
        desk.tickets[f"T-{number}"] = a_ticket(f"T-{number}")
    desk.run()
    assert desk.post.notices == []
    desk.later(hours=3)
    summary = desk.run()
    for _ in range(2):
        desk.run()
    ((mail, recipient),) = desk.post.notices
    assert (recipient, mail.subject, summary.notified) == (LEAD, "SLA: 3 at risk - Desk", 1)
    assert mail.text.count("resolution at risk, due 2026-03-02 14:00 CET; agent: ") == 3
    assert "done: priority raised to P" in mail.text
    assert mail.message_id.startswith("<sla-")


def test_untrusted_text_stays_text_in_a_notice(store: Store) -> None:
    desk = SmallDesk(store=store, catalog=escalating(NOTIFY))
    subject = "reset password <script>alert(1)</script>"
    desk.tickets["T-1"] = a_ticket(short_description=subject)
    desk.run()
    desk.later(hours=3)
    desk.run()
    ((mail, _recipient),) = desk.post.notices
    assert mail.subject == "SLA at risk: T-1 - Desk"
    assert "<script>" not in mail.html
    assert "&lt;script&gt;" in mail.html


def test_a_notice_that_did_not_go_out_is_tried_again_with_the_same_message_id(
    store: Store,
) -> None:
    desk = a_desk(store, NOTIFY)
    desk.later(hours=3)
    desk.post.outcomes = [BUSY]
    summary = desk.run()
    assert desk.post.notices == []
    assert f"the notice to {LEAD} was not sent: 451 try later" in summary.notes
    (waiting,) = notices(desk)
    assert (waiting.state, waiting.attempts) == ("pending", 1)
    desk.run()
    ((mail, _recipient),) = desk.post.notices
    assert mail.message_id == waiting.message_id
    assert [notice.state for notice in notices(desk)] == ["delivered"]


def test_a_refused_notice_holds_nothing_up_and_waits_for_other_settings(store: Store) -> None:
    desk = a_desk(store, NOTIFY)
    desk.later(hours=3)
    desk.post.outcomes = [
        DeliveryOutcome(delivered=False, error="550 no such user", permanent=True)
    ]
    assert desk.run().reports[0].state == "sent"
    desk.run()
    assert [(n.state, n.attempts) for n in notices(desk)] == [("parked", 1)]
    desk.post.fingerprint = "post 2"
    desk.run()
    assert [(n.state, n.attempts) for n in notices(desk)] == [("delivered", 2)]


def test_a_crash_between_sending_and_recording_repeats_the_same_mail(store: Store) -> None:
    desk = a_desk(store, NOTIFY)
    desk.later(hours=3)
    send = desk.post.send

    def send_and_die(*arguments: Any) -> Any:
        send(*arguments)
        raise KeyboardInterrupt

    desk.post.send = send_and_die  # type: ignore[method-assign, assignment] # a server that kills us
    with pytest.raises(KeyboardInterrupt):
        desk.run()
    desk.post.send = send  # type: ignore[method-assign] # and one that does not
    desk.run()
    assert len(desk.post.notices) == 2
    assert len({mail.message_id for mail, _ in desk.post.notices}) == 1


def test_without_email_notices_wait(store: Store) -> None:
    desk = a_desk(store, NOTIFY)
    desk.later(hours=3)
    desk.run(channel=None)
    assert [notice.state for notice in notices(desk)] == ["pending"]
    desk.run()
    assert len(desk.post.notices) == 1


def test_a_dry_run_sends_nothing(store: Store) -> None:
    desk = a_desk(store, NOTIFY, RAISE)
    desk.later(hours=3)
    desk.run(dry_run=True)
    assert desk.post.notices == []


# with the rest of a run


def test_while_a_report_is_unsent_nothing_is_watched(store: Store) -> None:
    desk = SmallDesk(store=store, catalog=escalating(NOTIFY, RAISE))
    desk.tickets["T-1"] = a_ticket()
    desk.post.outcomes = [BUSY] * 3
    desk.run()
    desk.later(hours=3)
    desk.set_status(Status.ON_HOLD)
    assert desk.run().only_resent
    assert desk.rows(sla_events) == []
    assert desk.rows(status_changes) == []
    assert desk.post.notices == []


def test_a_raised_priority_is_in_the_same_runs_report_and_the_figures_agree(store: Store) -> None:
    desk = SmallDesk(store=store, catalog=escalating(RAISE))
    ages = {"late": 5, "soon": 3, "new": 0, "held": 1}
    for id_, age in ages.items():
        desk.tickets[id_] = a_ticket(id_, created_at=NOW - timedelta(hours=age))
    desk.tickets["held"] = replace(desk.tickets["held"], status=Status.ON_HOLD)
    desk.tickets["free"] = a_ticket("free", sla_value=0, request_type="Anything else")
    summary = desk.run()
    book = openpyxl.load_workbook(BytesIO(desk.reports[f"{summary.run_id}.xlsx"]))
    header, *lines = book["Tickets"].iter_rows(values_only=True)
    rows = {str(line[0]): dict(zip(map(str, header), line, strict=True)) for line in lines}
    states = {id_: row["SLA"] for id_, row in rows.items()}
    book.close()
    assert states == {
        "late": "breached",
        "soon": "at risk",
        "new": "on time",
        "held": "paused",
        "free": "no deadline",
    }
    assert rows["held"]["due"] is None
    assert rows["late"]["priority"] == f"P{desk.triaged('late').priority.priority}"
    assert "raised: SLA at risk" in str(rows["soon"]["why this priority"])
    figures = summary.figures
    assert (figures.breached, figures.at_risk, figures.on_time) == (1, 1, 1)
    assert (figures.paused, figures.no_deadline) == (1, 1)
