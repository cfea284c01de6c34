"""Late commitment: which ticket comes next for an agent, and whose work may be interrupted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.desks import NOW, agent, batches, item, rosters
from triagedesk.agents import Agent, Availability
from triagedesk.assign import AssignPolicy, WorkItem
from triagedesk.assign.commitment import (
    Commitment,
    CommitmentPolicy,
    interruption,
    next_for,
    who_begins,
    why_nothing,
)
from triagedesk.errors import InputError
from triagedesk.priority import Priority

RULES: dict[str, Any] = {"policy": CommitmentPolicy(), "assign_policy": AssignPolicy(), "now": NOW}
LINUX = {"Linux": 7}
HOUR = timedelta(hours=1)


def due(ticket_id: str, *skills: str, left: float, sla: float = 4, **fields: object) -> WorkItem:
    """A ticket with `left` hours to its deadline, of an SLA of `sla` hours."""
    made = item(ticket_id, *skills, age=sla - left, **fields)  # type: ignore[arg-type]  # by keyword
    return replace(made, due_at=NOW + left * HOUR)


def commit(who: Agent, waiting: Sequence[WorkItem], *others: Agent, **rules: Any) -> Commitment:
    found = next_for(who, waiting, [who, *others], **{**RULES, **rules})
    assert found is not None
    return found


def test_the_index_is_the_stated_formula() -> None:
    ann, bob = agent("Ann", {"Linux": 6}), agent("Bob", {"Linux": 10})
    found = commit(ann, [due("t", "Linux", left=3.0, sla=4, priority=2)], bob)
    own, best = 0.75 * (1.6 - 0.54), 0.75 * 0.7
    slack = 3.0 - own
    expected = 4 * (math.exp(-slack / 1.0) + 0.05 * 0.25) / best * (best / own) ** 2
    assert found.index == pytest.approx(expected)
    assert found.parts["slack_hours"] == pytest.approx(slack)
    assert found.parts["expected_hours"] == pytest.approx(own)
    assert found.parts["best_hours"] == pytest.approx(best)
    assert found.runner_up is None
    assert found.reason == (
        "Ann begins t: P2, 3 h left of 4 h, Linux 6/10; nothing else is waiting."
    )


def test_what_can_still_be_saved_comes_before_what_cannot() -> None:
    waiting = [due("late", "Linux", left=-1.0), due("tight", "Linux", left=0.8)]
    found = commit(agent("Ann", LINUX), waiting)
    assert (found.item.ticket_id, found.runner_up) == ("tight", "late")
    late = commit(agent("Ann", LINUX), waiting[:1])
    assert late.parts["pressure"] == 0.55
    assert "overdue by 60 min on 4 h" in late.reason


def test_age_moves_a_ticket_up_in_the_end() -> None:
    waiting = [due("old", "Linux", left=-80, sla=4), due("new", "Linux", left=2, sla=4)]
    assert commit(agent("Ann", LINUX), waiting).item.ticket_id == "old"


def test_work_is_kept_for_those_who_are_better_at_it() -> None:
    ann = agent("Ann", {"Linux": 5, "VPN": 5})
    waiting = [due("vpn", "VPN", left=1.5), due("linux", "Linux", left=1.5)]
    found = commit(ann, waiting, agent("Bob", {"Linux": 10}))
    assert (found.item.ticket_id, found.runner_up) == ("vpn", "linux")


def test_the_less_skilled_are_skipped_until_a_share_of_the_sla_has_passed() -> None:
    ann, bob = agent("Ann", {"Linux": 3}), agent("Bob", {"Linux": 8})
    fresh, older = due("t", "Linux", left=2.9), due("t", "Linux", left=2.7)
    assert next_for(ann, [fresh], [ann, bob], **RULES) is None
    why = why_nothing(ann, [fresh], [ann, bob], **RULES)
    assert why == (
        "Nothing that waits is for Ann: 1 left to those who know Linux better for 30% of the SLA."
    )
    assert commit(ann, [older], bob).item is older


def test_whoever_knows_most_is_never_skipped() -> None:
    ann = agent("Ann", {"Linux": 2})
    assert commit(ann, [due("t", "Linux", left=3.9)], agent("Bob", {"Linux": 1})).index > 0


def test_without_the_skill_nobody_begins_while_someone_here_has_it() -> None:
    ann, bob = agent("Ann", {"VPN": 8}), agent("Bob", {"Linux": 8})
    ticket = due("t", "Linux", left=0.5)
    assert next_for(ann, [ticket], [ann, bob], **RULES) is None
    away = replace(bob, availability=Availability.AWAY)
    found = commit(ann, [ticket], away)
    assert "nobody who knows it is here" in found.reason
    over = replace(bob, shift_ends_at=NOW)
    assert commit(ann, [ticket], over).item is ticket
    assert next_for(ann, [due("t", "Linux", left=3.9)], [ann, away], **RULES) is None


def test_a_skill_nobody_has_keeps_nobody_from_a_ticket() -> None:
    found = commit(agent("Ann", {"VPN": 8}), [due("t", "Cobol", left=3.9)])
    assert found.parts["proficiency"] == 0
    assert found.parts["expected_hours"] == found.parts["best_hours"]


def test_affinity_lifts_a_ticket() -> None:
    waiting = [due("a", "Linux", left=2), due("b", "Linux", left=2, affinity={"ann": 1.0})]
    found = commit(agent("Ann", LINUX), waiting)
    assert found.item.ticket_id == "b"
    assert "Ann has dealt with it before" in found.reason
    assert found.margin == pytest.approx(found.index / 6)


def test_a_ticket_without_a_deadline_has_a_neutral_one() -> None:
    waiting = [item("none", "Linux", age=0), due("some", "Linux", left=3)]
    found = commit(agent("Ann", LINUX), waiting)
    assert (found.item.ticket_id, found.runner_up) == ("some", "none")
    assert "no deadline, waiting for 0 min" in commit(agent("Ann", LINUX), waiting[:1]).reason


def test_measured_handling_times_count() -> None:
    policy = CommitmentPolicy(handling_by_skill={" linux ": timedelta(hours=3)})
    waiting = [due("linux", "Linux", left=2), due("vpn", "VPN", left=2)]
    found = commit(agent("Ann", {"Linux": 7, "VPN": 7}), waiting, policy=policy)
    assert found.item.ticket_id == "vpn"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"availability": Availability.AWAY}, "away"),
        ({"load": 5, "capacity": 5}, "at capacity (5 of 5)"),
        ({"shift_ends_at": NOW + timedelta(minutes=5)}, "shift ends in under 30 min"),
        ({"shift_ends_at": NOW}, "shift is over"),
    ],
)
def test_who_takes_no_new_work_gets_none_and_hears_why(fields: dict[str, Any], reason: str) -> None:
    ann = agent("Ann", LINUX, **fields)
    assert next_for(ann, [due("t", "Linux", left=1)], [ann], **RULES) is None
    assert why_nothing(ann, [], [ann], **RULES) == f"Ann takes no new work now: {reason}."


def test_what_is_skipped_is_named_with_its_reason() -> None:
    ann = agent("Ann", LINUX, groups=("Network",))
    waiting = [
        due("mine", "Linux", left=1),
        due("declined", "Linux", left=1, declined_by=frozenset({"ann"})),
        due("hr", "Linux", left=1, group="HR"),
    ]
    found = commit(ann, waiting, agent("Bob", groups=("HR",)))
    assert [(skip.reason, skip.ticket_ids, skip.count) for skip in found.skipped] == [
        ("declined earlier", ("declined",), 1),
        ("for HR", ("hr",), 1),
    ]
    assert why_nothing(ann, [], [ann], **RULES) == "Nothing is waiting."


@st.composite
def queues(draw: st.DrawFn) -> tuple[list[WorkItem], list[Agent]]:
    """Tickets with and without deadlines, some declined, some alike but for their id."""
    roster = draw(rosters(4))
    ids = [one.id for one in roster] or ["nobody"]
    left = st.sampled_from([None, -2.0, 0.5, 3.0, 3.0])
    return [
        replace(
            ticket,
            due_at=None if (hours := draw(left)) is None else NOW + hours * HOUR,
            declined_by=draw(st.frozensets(st.sampled_from(ids), max_size=1)),
            created_at=NOW - draw(st.sampled_from([0, 1, 5])) * HOUR,
        )
        for ticket in draw(batches(roster, 6))
    ], roster


@given(queues(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_every_waiting_ticket_is_compared_or_skipped_for_a_reason(
    queue: tuple[list[WorkItem], list[Agent]], shuffler: object
) -> None:
    waiting, roster = queue
    for one in roster:
        found = next_for(one, waiting, roster, **RULES)
        if found is None:
            assert why_nothing(one, waiting, roster, **RULES).endswith(".")
            continue
        alone = [next_for(one, [ticket], roster, **RULES) for ticket in waiting]
        fit = [single for single in alone if single is not None]
        assert found.index == max(single.index for single in fit)
        assert sum(skip.count for skip in found.skipped) == len(waiting) - len(fit)
        assert all(skip.reason for skip in found.skipped)
        best = [single.item for single in fit if single.index == found.index]
        assert found.item == min(best, key=lambda i: (i.priority, i.created_at, i.ticket_id))
        mixed = shuffler.sample(waiting, len(waiting))  # type: ignore[attr-defined]  # a Random
        assert next_for(one, mixed, list(reversed(roster)), **RULES) == found


def test_of_those_who_are_free_the_quickest_begins_a_new_ticket() -> None:
    agents = [agent("Ann", {"Linux": 5}), agent("Bob", {"Linux": 9}), agent("Cem", {"Linux": 9})]
    ticket = due("t", "Linux", left=3.9)
    assert who_begins(ticket, agents, agents, **RULES) == "bob"
    assert who_begins(ticket, agents[:1], agents, **RULES) == "ann"
    assert who_begins(ticket, [agent("Dee", {"VPN": 9})], agents, **RULES) is None


P1_MAY: dict[str, Any] = {**RULES, "policy": CommitmentPolicy(interrupt=frozenset({Priority.P1}))}


def test_nothing_interrupts_by_default() -> None:
    agents = [agent("Ann", LINUX)]
    working = {"ann": due("low", "Linux", left=30, priority=4)}
    urgent = due("urgent", "Linux", left=1, priority=1)
    assert interruption(urgent, working, agents, **RULES) is None
    assert interruption(urgent, working, agents, **P1_MAY) == ("ann", working["ann"])
    assert interruption(replace(urgent, priority=Priority.P2), working, agents, **P1_MAY) is None


def test_only_work_that_can_wait_is_interrupted_and_only_by_who_is_fit() -> None:
    urgent = due("urgent", "Linux", left=1, priority=1)
    agents = [
        agent("Ann", {"Linux": 9}),
        agent("Bob", {"Linux": 9}),
        agent("Cem", {"Linux": 5}),
        agent("Dee", {"VPN": 9}),
    ]
    working = {
        "ann": due("p2", "Linux", left=30, priority=2),
        "bob": due("tight", "Linux", left=0.5, priority=4),
        "cem": due("p3", "Linux", left=30, priority=3),
        "dee": due("p4", "VPN", left=30, priority=4),
    }
    assert interruption(urgent, working, agents, **P1_MAY) == ("cem", working["cem"])
    free = {key: value for key, value in working.items() if key != "ann"}
    assert interruption(urgent, free, agents, **P1_MAY) is None
    only = {"ann": working["ann"], "dee": working["dee"]}
    fit = [agents[0], agents[3]]
    assert interruption(urgent, only, fit, **P1_MAY) is None


def test_a_policy_that_makes_no_sense_is_refused_and_each_has_a_version() -> None:
    wrong: dict[str, Any] = {"decay": 0, "urgency": (1, 2, 3), "handling": timedelta(0)}
    with pytest.raises(InputError) as error:
        CommitmentPolicy(**wrong, aging=-1)
    wheres = {problem.where for problem in error.value.problems}
    assert wheres == {"decay", "urgency", "handling", "aging"}
    assert CommitmentPolicy().version == CommitmentPolicy().version
    assert CommitmentPolicy(decay=0.3).version != CommitmentPolicy().version
