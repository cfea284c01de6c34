"""The assignment is the best there is, and says so truly."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.desks import NOW, best_by_trying, desks, score_of
from triagedesk.agents import Agent, Availability
from triagedesk.assign import AssignPolicy, WorkItem, assign_batch, solver
from triagedesk.assign.records import BatchAssignment

POLICY = AssignPolicy()
Desk = tuple[list[WorkItem], list[Agent]]


def chosen(batch: BatchAssignment) -> list[str | None]:
    return [assignment.agent_id for assignment in batch.assignments]


def check_complete(desk: Desk, batch: BatchAssignment) -> None:
    """Every ticket once, in order, and the objective is what the assignments add up to."""
    items, agents = desk
    assert [one.ticket_id for one in batch.assignments] == [one.ticket_id for one in items]
    score = score_of(items, agents, chosen(batch), POLICY)
    assert batch.objective == pytest.approx(score, abs=1e-9)
    assert batch.bound >= batch.objective
    assert batch.gap == pytest.approx(
        (batch.bound - batch.objective) / max(1, abs(batch.objective)), abs=1e-12
    )
    for one in batch.assignments:
        assert one.rationale.endswith(".")
        assert one.would_change.endswith(".")
        assert one.agent_name in one.rationale


@given(desks())
@settings(max_examples=150, deadline=None)
def test_the_optimum_is_the_best_of_all_assignments(desk: Desk) -> None:
    batch = assign_batch(*desk, now=NOW)
    check_complete(desk, batch)
    best, _ = best_by_trying(*desk, POLICY)
    assert batch.objective == pytest.approx(best, abs=1e-5)
    assert batch.gap < 1e-4
    assert batch.method == "min-cost flow"


@given(desks())
@settings(max_examples=100, deadline=None)
def test_experience_decides_between_equals_and_nothing_else(desk: Desk) -> None:
    items, agents = desk
    batch = assign_batch(items, agents, now=NOW)
    best, most = best_by_trying(items, agents, POLICY)
    assert batch.objective == pytest.approx(best, abs=1e-5)
    experience = {agent.id: agent.experience for agent in agents}
    # Ranks are compared, not years: with three levels 0, 1 and 5 the sums may differ by ranks.
    if {agent.experience for agent in agents} <= {0.0, 1.0}:
        assert sum(experience[one] for one in chosen(batch) if one) == most


@given(desks(), st.integers(1, 2), st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_pricing_out_few_pairs_finds_the_same_optimum(desk: Desk, kept: int, sample: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solver, "ALL_PAIRS", 0)
        patch.setattr(solver, "KEPT", kept)
        patch.setattr(solver, "ADDED", 1)
        patch.setattr(solver, "MANY", 0)
        patch.setattr(solver, "SAMPLE", sample)
        batch = assign_batch(*desk, now=NOW)
    check_complete(desk, batch)
    assert batch.objective == pytest.approx(best_by_trying(*desk, POLICY)[0], abs=1e-3)
    assert batch.objective == pytest.approx(best_by_trying(*desk, POLICY)[0], rel=2e-5, abs=2e-5)


@given(desks())
@settings(max_examples=100, deadline=None)
def test_the_greedy_answer_is_valid_marked_and_never_better(desk: Desk) -> None:
    batch = assign_batch(*desk, now=NOW, time_limit=0.0)
    check_complete(desk, batch)
    best, _ = best_by_trying(*desk, POLICY)
    assert batch.objective <= best + 1e-9
    assert batch.bound >= best - 1e-5
    if batch.method != "min-cost flow":
        assert not any(one.optimal for one in batch.assignments)


@given(desks(), st.sampled_from([None, 0.0]))
@settings(max_examples=150, deadline=None)
def test_no_ticket_is_left_out_while_someone_who_may_take_it_has_room(
    desk: Desk, time_limit: float | None
) -> None:
    items, agents = desk
    batch = assign_batch(items, agents, now=NOW, time_limit=time_limit)
    taken = chosen(batch)
    keeps_groups = any(agent.groups for agent in agents)
    roomy = [
        agent
        for agent in agents
        if agent.availability is Availability.AVAILABLE
        and agent.load + taken.count(agent.id) < agent.capacity
    ]
    for ticket, agent_id in zip(items, taken, strict=True):
        if agent_id is None:
            assert not [
                agent
                for agent in roomy
                if not (keeps_groups and ticket.group) or ticket.group in agent.groups
            ]


@given(desks(tickets=8), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_tickets_and_agents_changes_nothing(
    desk: Desk, shuffler: random.Random
) -> None:
    items, agents = desk
    batch = assign_batch(items, agents, now=NOW)
    mixed_items = shuffler.sample(items, len(items))
    mixed = assign_batch(mixed_items, shuffler.sample(agents, len(agents)), now=NOW)
    ids = [one.ticket_id for one in items]
    assert sorted(mixed.assignments, key=lambda one: ids.index(one.ticket_id)) == list(
        batch.assignments
    )
    assert (mixed.objective, mixed.bound) == (batch.objective, batch.bound)


@given(desks())
@settings(max_examples=100, deadline=None)
def test_the_margin_is_what_giving_it_to_the_runner_up_would_lose(desk: Desk) -> None:
    items, agents = desk
    batch = assign_batch(items, agents, now=NOW)
    taken = chosen(batch)
    rooms = {a.id: a.capacity - a.load - taken.count(a.id) for a in agents}
    for place, one in enumerate(batch.assignments):
        assert one.runner_up is None or one.margin is not None
        if one.runner_up is None or one.margin is None or not rooms[one.runner_up.agent_id]:
            continue
        assert one.margin == pytest.approx(one.score - one.runner_up.score, abs=1e-5)
        other = [*taken[:place], one.runner_up.agent_id, *taken[place + 1 :]]
        lost = batch.objective - score_of(items, agents, other, POLICY)
        assert one.margin == pytest.approx(lost, abs=1e-5)
