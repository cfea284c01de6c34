"""The rules of assigning, one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from support.desks import NOW, agent, by_ticket, item, needs
from triagedesk.agents import Agent, Availability, SkillNeed
from triagedesk.assign import AssignPolicy, WorkItem, assign_batch
from triagedesk.errors import AgentsError, InputError, TicketsError
from triagedesk.priority import Priority
from triagedesk.tickets import Exclusion

LINUX = {"Linux": 7}


def test_an_empty_batch_is_an_empty_answer() -> None:
    batch = assign_batch([], [agent("Ann", LINUX)], now=NOW)
    assert batch.assignments == ()
    assert (batch.objective, batch.bound, batch.gap) == (0.0, 0.0, 0.0)


def test_without_agents_every_ticket_stays_in_the_queue() -> None:
    batch = assign_batch([item("t1", "Linux"), item("t2")], [], now=NOW)
    assert [one.agent_id for one in batch.assignments] == [None, None]
    assert batch.assignments[1].rationale == (
        "Stays in the queue: there are no agents on the roster."
    )
    assert batch.skill_gaps == ("Linux",)
    assert batch.assignments[0].skill_gap
    assert batch.assignments[0].rationale == (
        "Stays in the queue: there are no agents on the roster; nobody on the roster has Linux."
    )


def test_when_nobody_is_available_the_reason_counts_them() -> None:
    agents = [
        agent("Ann", LINUX, availability=Availability.AWAY),
        agent("Bob", LINUX, availability=Availability.OFFLINE),
        agent("Cem", LINUX, load=5, capacity=5),
        agent("Dee", LINUX, shift_ends_at=NOW + timedelta(minutes=10)),
        agent("Eva", LINUX, shift_ends_at=NOW),
    ]
    (one,) = assign_batch([item("t", "Linux")], agents, now=NOW).assignments
    assert one.agent_id is None
    assert one.rationale == (
        "Stays in the queue: nobody is available (1 at capacity (5 of 5), 1 away, 1 offline, "
        "1 shift ends in under 30 min, 1 shift is over)."
    )
    assert Exclusion(reason="at capacity (5 of 5)", agent_ids=("cem",), count=1) in one.exclusions
    assert not one.skill_gap


def test_the_stronger_agent_is_chosen() -> None:
    agents = [agent("Ann", {"Linux": 4}), agent("Bob", {"Linux": 8}), agent("Cem", {"VPN": 10})]
    (one,) = assign_batch([item("t", "Linux")], agents, now=NOW).assignments
    assert (one.agent_id, one.agent_name) == ("bob", "Bob")
    assert one.parts["match"] == pytest.approx(0.8)
    assert one.parts["urgency"] == 1.4
    assert one.parts["load"] == pytest.approx(0.5 / 20)
    assert one.score == pytest.approx(1.4 * 0.8 - 0.5 / 20)
    assert one.runner_up is not None
    assert one.runner_up.agent_id == "ann"
    assert one.margin == pytest.approx(1.4 * 0.4)


def test_the_match_is_three_quarters_best_skill_and_one_quarter_all() -> None:
    agents = [agent("Ann", {"Linux": 8, "VPN": 6})]
    (one,) = assign_batch([item("t", "Linux", "VPN")], agents, now=NOW).assignments
    assert one.parts["match"] == pytest.approx(0.75 * 0.8 + 0.25 * (8 + 3) / 15)


def test_a_primary_skill_counts_more_than_a_secondary_one() -> None:
    agents = [agent("Ann", {"VPN": 10}), agent("Bob", {"Linux": 6})]
    (one,) = assign_batch([item("t", "Linux", "VPN")], agents, now=NOW).assignments
    assert one.agent_id == "bob"


def test_a_doubtful_need_counts_less() -> None:
    need = (
        SkillNeed(skill="Linux", weight=1, confidence=0.4),
        SkillNeed(skill="VPN", weight=1, confidence=0.9),
    )
    ticket = WorkItem(ticket_id="t", title="", priority=Priority.P3, needs=need, created_at=NOW)
    agents = [agent("Ann", {"Linux": 9}), agent("Bob", {"VPN": 7})]
    assert assign_batch([ticket], agents, now=NOW).assignments[0].agent_id == "bob"


def test_load_moves_work_to_the_emptier_of_two_equals() -> None:
    agents = [agent("Ann", LINUX, load=10), agent("Bob", LINUX, load=3)]
    assert assign_batch([item("t", "Linux")], agents, now=NOW).assignments[0].agent_id == "bob"


def test_a_batch_is_shared_out_evenly_between_equals() -> None:
    agents = [agent(name, LINUX) for name in ("Ann", "Bob", "Cem")]
    batch = assign_batch([item(f"t{n}", "Linux") for n in range(9)], agents, now=NOW)
    ids = [one.agent_id for one in batch.assignments]
    assert {ids.count(one) for one in ("ann", "bob", "cem")} == {3}


def test_skill_names_match_whatever_their_letter_case() -> None:
    agents = [agent("Ann", {" kältetechnik": 9}), agent("Bob", {"Linux": 10})]
    (one,) = assign_batch([item("t", "Kältetechnik")], agents, now=NOW).assignments
    assert one.agent_id == "ann"
    assert not one.skill_gap


def test_capacity_is_never_exceeded() -> None:
    agents = [agent("Ann", LINUX, load=3, capacity=5), agent("Bob", LINUX, capacity=2)]
    batch = assign_batch([item(f"t{n}", "Linux") for n in range(9)], agents, now=NOW)
    ids = [one.agent_id for one in batch.assignments]
    assert (ids.count("ann"), ids.count("bob"), ids.count(None)) == (2, 2, 5)
    left = next(one for one in batch.assignments if one.agent_id is None)
    assert left.rationale == (
        "Stays in the queue: all 2 agents available are full after this batch."
    )
    assert Exclusion(reason="full after this batch", agent_ids=("ann", "bob"), count=2) in (
        left.exclusions
    )


def test_under_scarcity_the_most_urgent_come_first() -> None:
    agents = [agent("Ann", LINUX, capacity=2)]
    batch = assign_batch(
        [item(f"t{p}", "Linux", priority=p) for p in (4, 3, 2, 1)], agents, now=NOW
    )
    assert [one.agent_id for one in batch.assignments] == [None, None, "ann", "ann"]


def test_the_most_urgent_gets_the_strongest_agent() -> None:
    agents = [agent("Ann", {"Linux": 5}, capacity=1), agent("Bob", {"Linux": 10}, capacity=1)]
    batch = assign_batch(
        [item("a", "Linux", priority=4), item("b", "Linux", priority=1)], agents, now=NOW
    )
    assert by_ticket(batch)["b"].agent_id == "bob"
    assert by_ticket(batch)["a"].agent_id == "ann"


def test_alike_tickets_are_dealt_older_first_to_the_better_agent() -> None:
    agents = [agent("Ann", {"Linux": 5}, capacity=2), agent("Bob", {"Linux": 10}, capacity=2)]
    batch = assign_batch(
        [item(f"t{age}", "Linux", age=age) for age in (1, 4, 2, 3)], agents, now=NOW
    )
    given = {ticket_id: one.agent_id for ticket_id, one in by_ticket(batch).items()}
    assert given == {"t4": "bob", "t3": "bob", "t2": "ann", "t1": "ann"}


def test_alike_tickets_of_the_same_age_are_dealt_by_id() -> None:
    agents = [agent("Ann", {"Linux": 5}, capacity=1), agent("Bob", {"Linux": 10}, capacity=1)]
    batch = assign_batch([item("t2", "Linux"), item("t1", "Linux")], agents, now=NOW)
    assert by_ticket(batch)["t1"].agent_id == "bob"


def test_a_skill_is_a_gate_while_its_holder_has_room() -> None:
    agents = [agent("Ann", {"Linux": 1}, load=18), agent("Bob", {"VPN": 10})]
    (one,) = assign_batch([item("t", "Linux")], agents, now=NOW).assignments
    assert one.agent_id == "ann"
    assert Exclusion(reason="no proficiency in Linux", agent_ids=("bob",), count=1) in (
        one.exclusions
    )


def test_a_skill_that_nobody_has_is_a_gap_and_goes_by_load() -> None:
    agents = [agent("Ann", {"VPN": 9}, load=4), agent("Bob", {"Linux": 9}, load=2)]
    batch = assign_batch([item("t", "Kältetechnik"), item("u", "VPN")], agents, now=NOW)
    gap = by_ticket(batch)["t"]
    assert (gap.agent_id, gap.skill_gap) == ("bob", True)
    assert "fallback" not in gap.parts
    assert gap.rationale.startswith("Nobody on the roster has Kältetechnik: goes by load to Bob")
    assert batch.skill_gaps == ("Kältetechnik",)
    assert not by_ticket(batch)["u"].skill_gap


def test_one_missing_skill_beside_one_that_exists_is_named_but_no_gap() -> None:
    agents = [agent("Ann", {"VPN": 9}, load=4), agent("Bob", {"Linux": 9}, load=2)]
    batch = assign_batch([item("t", "VPN", "SAP")], agents, now=NOW)
    (one,) = batch.assignments
    assert (one.agent_id, one.skill_gap) == ("ann", False)
    assert one.rationale.endswith("; nobody on the roster has SAP.")
    assert batch.skill_gaps == ("SAP",)


def test_with_all_holders_away_or_full_it_falls_back_by_load_and_says_so() -> None:
    agents = [
        agent("Ann", LINUX, availability=Availability.AWAY),
        agent("Bob", LINUX, load=5, capacity=5),
        agent("Cem", {"VPN": 9}, load=6),
        agent("Dee", {"VPN": 3}, load=2),
    ]
    (one,) = assign_batch([item("t", "Linux")], agents, now=NOW).assignments
    assert (one.agent_id, one.skill_gap) == ("dee", False)
    assert one.parts["fallback"] == pytest.approx(2 * 1.4)
    assert one.rationale == (
        "Dee takes this as nobody with the skill can: Linux: 1 at capacity (5 of 5), 1 away; "
        "by load, with 2 of 20 open; Cem would be busier (6 of 20)."
    )
    assert (
        one.would_change == "Bob (Linux 7/10) could have it, but is excluded: at capacity (5 of 5)."
    )


def test_the_fallback_keeps_a_skilled_agent_for_whom_they_are_the_only_one() -> None:
    """A fallback decided after the skilled tickets would leave the second one in the queue."""
    agents = [
        agent("Ann", {"Linux": 9}, capacity=1, groups=("N", "S")),
        agent("Bob", {"Linux": 8}, capacity=1, groups=("S",)),
        agent("Cem", {"VPN": 8}, availability=Availability.AWAY, groups=("N",)),
    ]
    tickets = [item("linux", "Linux", group="S"), item("vpn", "VPN", priority=1, group="N")]
    given = by_ticket(assign_batch(tickets, agents, now=NOW))
    assert (given["linux"].agent_id, given["vpn"].agent_id) == ("bob", "ann")


def test_a_group_is_a_gate_even_for_the_strongest() -> None:
    agents = [agent("Ann", {"Linux": 10}), agent("Bob", {"Linux": 2}, groups=("Network",))]
    (one,) = assign_batch([item("t", "Linux", group="network")], agents, now=NOW).assignments
    assert one.agent_id == "bob"
    assert Exclusion(reason="not in network", agent_ids=("ann",), count=1) in one.exclusions


def test_a_group_without_members_keeps_the_ticket_in_the_queue() -> None:
    agents = [agent("Ann", LINUX, groups=("Network",))]
    (one,) = assign_batch([item("t", "Linux", group="HR")], agents, now=NOW).assignments
    assert one.agent_id is None
    assert one.rationale == "Stays in the queue: nobody on the roster belongs to HR."


def test_a_desk_that_keeps_no_groups_is_not_gated_by_them() -> None:
    (one,) = assign_batch(
        [item("t", "Linux", group="HR")], [agent("Ann", LINUX)], now=NOW
    ).assignments
    assert one.agent_id == "ann"


def test_a_group_whose_members_are_away_or_full_says_which() -> None:
    away = agent("Ann", LINUX, groups=("HR",), availability=Availability.AWAY)
    tiny = agent("Bob", LINUX, groups=("Network",), capacity=1)
    tickets = [item("a", group="HR"), item("b", group="Network"), item("c", group="Network")]
    given = by_ticket(assign_batch(tickets, [away, tiny], now=NOW))
    assert given["a"].rationale == "Stays in the queue: nobody in HR is available."
    assert given["c"].rationale == (
        "Stays in the queue: the only agent available in Network is full after this batch."
    )


def test_experience_breaks_a_tie() -> None:
    agents = [agent("Ann", LINUX, experience=2), agent("Bob", LINUX, experience=9)]
    (one,) = assign_batch([item("t", "Linux")], agents, now=NOW).assignments
    assert one.agent_id == "bob"
    assert one.parts["experience"] == pytest.approx(1e-3)
    assert "Ann was level, with less experience" in one.rationale


def test_experience_never_outweighs_anything() -> None:
    agents = [
        agent("Ann", LINUX, experience=40, load=500, capacity=1001),
        agent("Bob", LINUX, load=499, capacity=1000),
    ]
    # 500.5/1001 = .5 against 499.5/1000 = .4995: half a thousandth decides.
    assert assign_batch([item("t", "Linux")], agents, now=NOW).assignments[0].agent_id == "bob"


def test_the_last_tie_goes_by_id() -> None:
    agents = [agent("Bob", LINUX), agent("Ann", LINUX)]
    (one,) = assign_batch([item("t", "Linux")], agents, now=NOW).assignments
    assert one.agent_id == "ann"
    assert "the tie went by id" in one.rationale


def test_affinity_keeps_a_ticket_with_who_knows_the_matter() -> None:
    agents = [agent("Ann", LINUX), agent("Bob", LINUX, load=1)]
    (one,) = assign_batch([item("t", "Linux", affinity={"bob": 1.0})], agents, now=NOW).assignments
    assert one.agent_id == "bob"
    assert one.parts["affinity"] == pytest.approx(0.1)
    assert "has not dealt with this before" in one.rationale


def test_affinity_is_small_beside_skill() -> None:
    agents = [agent("Ann", {"Linux": 9}), agent("Bob", {"Linux": 6}), agent("Cem")]
    ticket = item("t", "Linux", affinity={"bob": 1.0, "cem": 1.0})
    assert assign_batch([ticket], agents, now=NOW).assignments[0].agent_id == "ann"


def test_affinity_counts_where_no_skill_is_needed() -> None:
    agents = [agent("Ann"), agent("Bob", load=1)]
    (one,) = assign_batch([item("t", affinity={"bob": 1.0})], agents, now=NOW).assignments
    assert one.agent_id == "bob"
    assert "has dealt with this before" in one.rationale


def test_unlimited_capacities_are_no_burden() -> None:
    agents = [agent(name, LINUX, capacity=10**9) for name in ("Ann", "Bob")]
    batch = assign_batch([item(f"t{n}", "Linux") for n in range(400)], agents, now=NOW)
    assert all(one.agent_id for one in batch.assignments)


def test_one_agent_may_take_far_more_than_their_share() -> None:
    agents = [
        agent("Ann", LINUX, capacity=10**6),
        *(agent(f"B {n}", {"VPN": 1}) for n in range(20)),
    ]
    batch = assign_batch([item(f"t{n}", "Linux") for n in range(300)], agents, now=NOW)
    assert {one.agent_id for one in batch.assignments} == {"ann"}
    assert batch.method == "min-cost flow"


def test_duplicate_tickets_are_refused_by_name() -> None:
    with pytest.raises(TicketsError, match="more than once") as error:
        assign_batch([item("t"), item("u"), item("t")], [], now=NOW)
    assert [problem.where for problem in error.value.problems] == ["tickets[t]"]


def test_duplicate_agents_are_refused_by_name() -> None:
    with pytest.raises(AgentsError) as error:
        assign_batch([], [agent("Ann"), agent("Ann")], now=NOW)
    assert [problem.where for problem in error.value.problems] == ["agents[ann]"]


def test_every_impossible_agent_is_named_at_once() -> None:
    agents = [agent("Ann", {"Linux": 11}), agent("Bob", {"VPN": 0}, load=-1, capacity=-2)]
    with pytest.raises(AgentsError) as error:
        assign_batch([], agents, now=NOW)
    assert [problem.where for problem in error.value.problems] == [
        "agents[ann].skills.Linux",
        "agents[bob].load",
        "agents[bob].capacity",
        "agents[bob].skills.VPN",
    ]


def test_impossible_needs_ages_and_affinities_are_named_at_once() -> None:
    bad_need = (SkillNeed(skill="Linux", weight=float("nan")), SkillNeed(skill="VPN", weight=2))
    tickets = [
        WorkItem(ticket_id="a", title="", priority=Priority.P1, needs=bad_need, created_at=NOW),
        WorkItem(
            ticket_id="b",
            title="",
            priority=Priority.P1,
            needs=needs("VPN"),
            created_at=datetime(2026, 1, 1),  # noqa: DTZ001 - the point of the test
            affinity={"ann": 2.0},
        ),
    ]
    with pytest.raises(TicketsError) as error:
        assign_batch(tickets, [], now=NOW)
    assert [problem.where for problem in error.value.problems] == [
        "tickets[a].needs.Linux",
        "tickets[a].needs.VPN",
        "tickets[b].created_at",
        "tickets[b].affinity.ann",
    ]


def test_a_naive_now_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        assign_batch([], [], now=datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"load": float("inf")}, "load"),
        ({"affinity": -1.0}, "affinity"),
        ({"urgency": (1.0, 1.0, 1.0)}, "urgency"),
        ({"urgency": (1.0, 1.0, 1.0, 0.0)}, "urgency"),
        ({"best_skill_share": 1.5}, "best_skill_share"),
        ({"confidence_step": 0.0}, "confidence_step"),
        ({"fallback": 0.5}, "fallback"),
        ({"deferral": 3.0}, "deferral"),
    ],
)
def test_a_policy_that_could_leave_work_undone_is_refused(
    fields: dict[str, float], where: str
) -> None:
    with pytest.raises(InputError) as error:
        AssignPolicy(**fields)  # type: ignore[arg-type]  # wrong on purpose
    assert where in {problem.where for problem in error.value.problems}


def test_a_policy_says_its_version() -> None:
    assert AssignPolicy().version == AssignPolicy().version
    assert len(AssignPolicy().version) == 12
    assert AssignPolicy(load=0.9).version != AssignPolicy().version


def test_a_policy_without_load_still_shares_nothing_out_of_reach() -> None:
    batch = assign_batch(
        [item(f"t{n}", "Linux") for n in range(3)],
        [agent("Ann", {"Linux": 9}, capacity=2), agent("Bob", {"Linux": 5})],
        policy=AssignPolicy(load=0.0),
        now=NOW,
    )
    ids = [one.agent_id for one in batch.assignments]
    assert (ids.count("ann"), ids.count("bob")) == (2, 1)
    assert batch.gap < 1e-9


def test_of_tickets_alike_the_one_due_first_goes_to_the_better_agent() -> None:
    """The order of work: priority, then SLA slack, then oldest first."""
    agents = [
        Agent(id="best", name="Best", skills={"VPN": 9}, capacity=1),
        Agent(id="good", name="Good", skills={"VPN": 7}, capacity=1),
    ]
    needs = (SkillNeed(skill="VPN", weight=1.0),)
    older = WorkItem(
        ticket_id="older", title="", priority=Priority.P2, needs=needs,
        created_at=NOW - timedelta(hours=2), due_at=NOW + timedelta(hours=8),
    )  # fmt: skip
    pressing = replace(older, ticket_id="pressing", created_at=NOW, due_at=NOW + timedelta(hours=1))
    given = {
        a.ticket_id: a.agent_id
        for a in assign_batch([older, pressing], agents, now=NOW).assignments
    }
    assert given == {"pressing": "best", "older": "good"}
