"""What is reviewed first, who counts as full, what models cost."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from triagedesk.agents import Agent, Availability
from triagedesk.catalog import Label
from triagedesk.store.costs import ModelUse
from triagedesk.store.review import Unsure
from triagedesk.web.agents import team_of
from triagedesk.web.reports import costs_of
from triagedesk.web.review import rank

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
VPN, WIFI, MAIL = Label("Network", "VPN"), Label("Network", "Wi-Fi"), Label("Mail", "Mailbox")


def unsure(key: int, subject: str, **changes: object) -> Unsure:
    plain = Unsure(
        key=key,
        subject=subject,
        label=VPN,
        second=None,
        confidence=0.5,
        runner_up=0.3,
        priority=3,
    )
    return replace(plain, **changes)  # type: ignore[arg-type] # whatever a test changes


def order(*waiting: Unsure) -> list[int]:
    return [one.ticket.key for one in rank(waiting)]


def test_what_hangs_between_two_labels_comes_before_what_is_almost_sure() -> None:
    almost = unsure(1, "alpha words here", confidence=0.85, runner_up=0.05)
    torn = unsure(2, "quite other text", confidence=0.41, runner_up=0.4)
    assert order(almost, torn) == [2, 1]


def test_urgent_tickets_come_before_others_as_unsure() -> None:
    assert order(unsure(1, "alpha words here"), unsure(2, "other text", priority=1)) == [2, 1]


def test_what_teaches_many_comes_before_what_stands_alone() -> None:
    alone = unsure(1, "nobody else writes this")
    alike = [unsure(key, f"printer jams again {key}") for key in (2, 3, 4)]
    assert order(alone, *alike)[0] == 2


def test_the_same_pair_of_labels_counts_as_alike() -> None:
    pair = [
        unsure(2, "tunnel breaks", second=WIFI),
        unsure(3, "wireless gone", label=WIFI, second=VPN),
    ]
    found = {
        one.ticket.key: one.alike for one in rank([unsure(1, "something", second=MAIL), *pair])
    }
    assert found == {1: 0, 2: 1, 3: 1}


def test_a_ticket_alike_in_both_ways_counts_once() -> None:
    twins = [unsure(key, "printer jams", second=WIFI) for key in (1, 2)]
    assert [one.alike for one in rank(twins)] == [1, 1]


def test_twins_of_the_first_come_behind_others() -> None:
    twins = [unsure(key, "printer jams badly") for key in (1, 2, 3)]
    alone = unsure(9, "nobody else writes this", runner_up=0.4)
    assert order(*twins, alone)[:2] == [1, 9]


def test_ties_go_to_the_oldest() -> None:
    assert order(unsure(7, "one text"), unsure(3, "other words")) == [3, 7]


def test_a_ticket_without_words_or_labels_is_ranked_too() -> None:
    assert order(unsure(1, "", label=None, confidence=0.0, runner_up=0.0)) == [1]


def test_ten_thousand_tickets_are_ranked_at_once() -> None:
    waiting = [unsure(key, f"text number {key % 900} alpha", second=WIFI) for key in range(10_000)]
    began = time.process_time()
    assert len(rank(waiting)) == 10_000
    # Some 0.1 s where it was written.
    assert time.process_time() - began < 2


def agent(name: str, load: int, capacity: int = 10, **changes: object) -> Agent:
    made = Agent(id=name, name=name, skills={"VPN": 8}, load=load, capacity=capacity)
    return replace(made, **changes)  # type: ignore[arg-type] # whatever a test changes


def test_agents_are_above_or_below_the_mean_of_those_who_take_work() -> None:
    away = agent("away", 0, availability=Availability.AWAY)
    team = team_of([agent("a", 9), agent("b", 5), agent("c", 1), away], NOW)
    assert team.mean == 0.5
    assert {one.agent.id: one.against for one in team.standings} == {
        "a": "over",
        "away": "",
        "b": "",
        "c": "under",
    }
    assert (team.count("over"), team.count("away"), team.count("available")) == (1, 1, 3)


def test_agents_are_sorted_by_name_load_or_room() -> None:
    roster = [agent("b", 9), agent("a", 1), agent("c", 12, 40)]

    def names(sort: str) -> list[str]:
        return [one.agent.id for one in team_of(roster, NOW, sort=sort).standings]

    assert names("name") == ["a", "b", "c"]
    assert names("load") == ["b", "c", "a"]
    assert names("free") == ["c", "a", "b"]


def test_a_team_without_room_has_no_mean() -> None:
    team = team_of([agent("a", 3, 0)], NOW)
    assert (team.mean, team.standings[0].used) == (0.0, 1.0)


def test_who_is_off_shift_is_marked() -> None:
    (one,) = team_of([agent("a", 3, shift_ends_at=NOW)], NOW).standings
    assert one.is_off_shift
    (other,) = team_of([agent("a", 3, shift_ends_at=NOW + timedelta(hours=1))], NOW).standings
    assert not other.is_off_shift


def use(model: str, sent: int, received: int) -> ModelUse:
    return ModelUse(
        day=date(2026, 3, 1),
        model=model,
        calls=2,
        input_tokens=sent,
        output_tokens=received,
        tickets=9,
    )


def test_costs_are_added_up_by_model() -> None:
    lines = [use("b", 1_000_000, 0), use("a", 10, 10), use("b", 1_000_000, 500_000)]
    found = costs_of(lines, (2.0, 8.0))
    assert [(one.model, one.calls, one.tickets) for one in found] == [("a", 2, 9), ("b", 4, 18)]
    assert found[1].money == 8.0


def test_without_a_price_nothing_is_said_of_money() -> None:
    assert costs_of([use("a", 10, 10)], (0.0, 0.0))[0].money is None
