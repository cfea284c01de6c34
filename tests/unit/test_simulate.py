"""A simulated desk does what the rules say, and the same again with the same seed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from support.desks import NOW, SKILLS, agent, item
from support.records import a_decision, a_ticket
from triagedesk.agents import Agent, Shift, SkillNeed
from triagedesk.assign import WorkItem
from triagedesk.assign.commitment import CommitmentPolicy, interruption, next_for, who_begins
from triagedesk.assign.tentative import TentativeBoard
from triagedesk.cli import cli
from triagedesk.errors import AgentsError, InputError, TicketsError
from triagedesk.priority import Priority
from triagedesk.settings import Settings
from triagedesk.simulate import Outcome, Rule, Scenario, rules_of, simulate
from triagedesk.simulate.figures import estimate
from triagedesk.simulate.floor import Floor
from triagedesk.simulate.history import history_of, read_history
from triagedesk.simulate.pull import Pull
from triagedesk.simulate.push import Push
from triagedesk.simulate.whatif import add_agents, with_shift, with_skill, without
from triagedesk.simulate.world import build
from triagedesk.simulating import SimulateOptions, simulate_desk
from triagedesk.sla import Window
from triagedesk.tickets import Assignment, ReceivedTicket

ALWAYS = Shift(time_zone="UTC", week=((Window(opens=0, closes=86_400),),) * 7)
HOUR = timedelta(hours=1)
LINUX = {"Linux": 7}


def arriving(
    ticket_id: str, *skills: str, after: float, sla: float = 4, priority: int = 3
) -> WorkItem:
    """A ticket that arrives some hours after NOW and is due `sla` hours later."""
    created = NOW + after * HOUR
    made = item(ticket_id, *skills, priority=priority)
    return replace(made, created_at=created, due_at=created + sla * HOUR)


def desk(roster: Sequence[Agent], items: Sequence[WorkItem], **fields: object) -> Scenario:
    """A desk open day and night, on which every ticket takes its mean."""
    given_ = {"default_shift": ALWAYS, "variation": 0.0, **fields}
    return Scenario(roster=tuple(roster), items=tuple(items), **given_)  # type: ignore[arg-type]  # by keyword


def replay(scenario: Scenario, rule: Rule, **options: int) -> Outcome:
    (outcome,) = simulate([(rule.value, rule, scenario)], **{"replications": 1, **options})
    return outcome


@pytest.mark.parametrize("rule", Rule)
def test_one_ticket_takes_as_long_as_the_model_says(rule: Rule) -> None:
    outcome = replay(desk([agent("Ann", LINUX)], [arriving("t", "Linux", after=0)]), rule)
    (one,) = outcome.replications
    assert one.wait_hours == 0
    assert one.resolved_p95_hours == pytest.approx(0.75 * (1.6 - 0.63))
    assert (one.breached, one.unfinished, one.interruptions) == (0.0, 0, 0)


@pytest.mark.parametrize("rule", Rule)
def test_work_waits_for_the_shift_to_begin(rule: Rule) -> None:
    late = Shift(time_zone="UTC", week=((Window(opens=12 * 3600, closes=20 * 3600),),) * 7)
    ann = agent("Ann", LINUX, shift=late)
    (one,) = replay(desk([ann], [arriving("t", "Linux", after=0)]), rule).replications
    # NOW is nine o'clock.
    assert one.wait_hours == pytest.approx(3.0)


@pytest.mark.parametrize("rule", Rule)
def test_every_ticket_is_finished_once(rule: Rule) -> None:
    roster = [agent(f"A {n}", {SKILLS[n % 3]: 3 + n}, capacity=3) for n in range(5)]
    items = [
        arriving(f"t{n}", SKILLS[n % 3], after=n / 5, sla=2, priority=1 + n % 4) for n in range(60)
    ]
    outcome = replay(desk(roster, items, variation=1.0), rule, replications=2)
    assert [one.unfinished for one in outcome.replications] == [0, 0]
    assert all(0 < one.utilisation <= 1.5 for one in outcome.replications)
    assert set(outcome.figures) >= {"breached", "breached_p1", "wait_hours", "utilisation"}


def test_the_same_seed_gives_the_same_and_another_something_else() -> None:
    roster = [agent("Ann", LINUX), agent("Bob", {"Linux": 4})]
    items = [arriving(f"t{n}", "Linux", after=n / 4) for n in range(40)]
    scenario = desk(roster, items, variation=1.0)
    first = replay(scenario, Rule.INDEX, replications=3, seed=1)
    mixed = desk(roster[::-1], items[::-1], variation=1.0)
    assert replay(mixed, Rule.INDEX, replications=3, seed=1) == first
    assert replay(scenario, Rule.INDEX, replications=3, seed=2) != first


def test_round_robin_takes_turns_and_least_loaded_does_not() -> None:
    roster = [agent("Ann", LINUX), agent("Bob", LINUX)]
    items = [
        arriving("a", "Linux", after=0),
        arriving("b", "Linux", after=2),
        arriving("c", "VPN", after=3),
    ]
    assert by_whom(roster, items, Rule.ROUND_ROBIN) == ["ann", "bob", "ann"]
    assert by_whom(roster, items, Rule.LEAST_LOADED) == ["ann", "ann", "ann"]


def by_whom(roster: Sequence[Agent], items: Sequence[WorkItem], rule: Rule) -> list[str]:
    """Who worked on each ticket."""
    scenario = desk(roster, items)
    world = build(scenario)
    floor = Floor(world, world.actual)
    floor.run(rules_of(rule, floor, scenario))
    return [world.agents[agent] for agent in floor.by.tolist()]


def test_p1_interrupts_and_what_was_interrupted_is_finished_later() -> None:
    items = [
        arriving("low", "Linux", after=0, sla=30, priority=4),
        arriving("urgent", "Linux", after=0.5, sla=2, priority=1),
    ]
    scenario = desk([agent("Ann", LINUX)], items)
    world = build(scenario)
    floor = Floor(world, world.actual)
    floor.run(rules_of(Rule.INTERRUPT, floor, scenario))
    length = 0.75 * (1.6 - 0.63)
    assert floor.interruptions == 1
    assert floor.begun.tolist() == [0.0, 0.5]
    assert floor.finished[1] == pytest.approx(0.5 + length)
    # Getting back into it costs five minutes of someone of factor 1.
    assert floor.finished[0] == pytest.approx(2 * length + (5 / 60) * (1.6 - 0.63))
    assert replay(scenario, Rule.INDEX).replications[0].interruptions == 0


def test_at_the_end_of_a_shift_the_next_one_takes_over() -> None:
    early = Shift(time_zone="UTC", week=((Window(opens=0, closes=10 * 3600),),) * 7)
    roster = [agent("Ann", LINUX, shift=early), agent("Bob", {"VPN": 5, "Linux": 1})]
    items = [arriving(f"t{n}", "Linux", after=0) for n in range(3)]
    assert by_whom(roster, items, Rule.SCORE)[2] == "bob"


@st.composite
def floors(draw: st.DrawFn) -> tuple[Scenario, float, int]:
    """A desk in the middle of its work, hours after NOW, and how many agents are busy."""
    roster = [
        agent(
            f"A{n}",
            draw(st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 10))),
            groups=draw(st.sampled_from([(), ("N",)])),
        )
        for n in range(draw(st.integers(1, 4)))
    ]
    ids = [one.id for one in roster]
    items = [
        replace(
            arriving(
                f"t{n}",
                *draw(st.lists(st.sampled_from([*SKILLS, "Unknown"]), max_size=2, unique=True)),
                after=draw(st.sampled_from([0.0, 1.0, 2.5])),
                sla=draw(st.sampled_from([2.0, 4.0])),
                priority=draw(st.integers(1, 4)),
            ),
            group=draw(st.sampled_from(["", "", "N"])),
            declined_by=draw(st.frozensets(st.sampled_from(ids), max_size=1)),
        )
        for n in range(draw(st.integers(1, 6)))
    ]
    if draw(st.booleans()):
        items[0] = replace(items[0], due_at=None)
    policy = CommitmentPolicy(
        interrupt=frozenset({Priority.P1}), handling_by_skill={"linux": timedelta(hours=2)}
    )
    return (
        desk(roster, items, commitment=policy),
        draw(st.sampled_from([2.5, 3.0, 5.0])),
        draw(st.integers(0, 4)),
    )


@given(floors())
@settings(max_examples=80, deadline=None)
def test_the_simulator_decides_as_the_desk_would(case: tuple[Scenario, float, int]) -> None:
    scenario, hours, busy = case
    world = build(scenario)
    floor = Floor(world, world.actual)
    items = {one.ticket_id: one for one in scenario.items}
    first = min(one.created_at for one in scenario.items)
    now = NOW + hours * HOUR
    floor.now = (now - first) / HOUR
    floor.on[:], floor.shift_end[:] = True, floor.now + 8
    pull = rules_of(Rule.INTERRUPT, floor, scenario)
    assert isinstance(pull, Pull)
    tickets = list(range(len(world.ids)))
    working: dict[str, WorkItem] = {}
    for column, ticket in zip(range(min(busy, len(world.agents))), tickets[:-1], strict=False):
        floor.busy[column] = ticket
        working[world.agents[column]] = items[world.ids[ticket]]
    waiting = tickets[len(working) :]
    for ticket in waiting:
        pull._wait(ticket)
    rules: dict[str, Any] = {
        "policy": scenario.commitment,
        "assign_policy": scenario.assign_policy,
        "now": now,
    }
    left = [items[world.ids[ticket]] for ticket in waiting]
    for column, agent_id in enumerate(world.agents):
        who = next(one for one in scenario.roster if one.id == agent_id)
        found = next_for(who, left, scenario.roster, **rules)
        chosen = pull.next_for(column)
        assert (None if chosen < 0 else world.ids[chosen]) == (found and found.item.ticket_id)
    free = [one for one in scenario.roster if one.id not in working]
    for ticket in waiting:
        one = items[world.ids[ticket]]
        begins = pull.who_begins(ticket)
        expected = who_begins(one, free, scenario.roster, **rules)
        assert (None if begins < 0 else world.agents[begins]) == expected
        if begins < 0 and one.priority is Priority.P1:
            stops = interruption(one, working, scenario.roster, **rules)
            column = pull._whom_to_interrupt(ticket)
            assert (None if column < 0 else world.agents[column]) == (stops and stops[0])


@st.composite
def shifts_at_work(draw: st.DrawFn) -> tuple[Scenario, float, list[int]]:
    """A desk that commits early, hours after NOW, and how many tickets each agent has."""
    hours = [ALWAYS, works(8, 14), works(14, 22), works(22, 24)]
    roster = [
        agent(
            f"A{n}",
            draw(st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 10), max_size=2)),
            shift=draw(st.sampled_from(hours)),
            capacity=draw(st.sampled_from([2, 20])),
        )
        for n in range(draw(st.integers(1, 4)))
    ]
    items = [
        arriving(
            f"t{n:02}",
            *draw(st.lists(st.sampled_from(SKILLS), max_size=2, unique=True)),
            after=draw(st.sampled_from([0.0, 1.0, 2.5])),
            sla=draw(st.sampled_from([2.0, 4.0, 9.0, 30.0])),
            priority=draw(st.integers(1, 4)),
        )
        for n in range(draw(st.integers(1, 12)))
    ]
    has = [draw(st.integers(0, 3)) for _ in roster]
    return desk(roster, items), draw(st.sampled_from([2.5, 4.0, 7.0])), has


def works(first: int, last: int) -> Shift:
    window = Window(opens=first * 3600, closes=last * 3600)
    return Shift(time_zone="UTC", week=((window,),) * 7)


@given(shifts_at_work())
@settings(max_examples=50, deadline=None)
def test_the_simulator_gives_out_as_a_desk_that_commits_early(
    case: tuple[Scenario, float, list[int]],
) -> None:
    scenario, hours, has = case
    world = build(scenario)
    floor = Floor(world, world.actual)
    items = {one.ticket_id: one for one in scenario.items}
    now = NOW + hours * HOUR
    floor.now = (now - min(one.created_at for one in scenario.items)) / HOUR
    push = rules_of(Rule.SCORE, floor, scenario)
    assert isinstance(push, Push)
    roster = [one.on_shift(now) for one in scenario.roster]
    tickets = list(range(len(world.ids)))
    for column, one in enumerate(roster):
        ends = one.shift_ends_at
        floor.on[column] = ends is not None and ends > now
        floor.shift_end[column] = floor.now + ((ends - now) / HOUR if ends else 99.0)
        # Some agents have some of the tickets; each at most what is left.
        mine = [tickets.pop(0) for _ in range(min(has[column], one.capacity, len(tickets)))]
        push._own[column] = [(int(world.priority[ticket]), ticket) for ticket in mine]
        push._waits[column] = len(mine)
        roster[column] = replace(one, load=len(mine))
    policy = scenario.assign_policy.for_early_commitment
    for ticket in tickets:
        given_ = TentativeBoard(roster, policy).place(items[world.ids[ticket]], now)
        column = push.owner(ticket)
        assert (None if column < 0 else world.agents[column]) == given_.agent_id
    for column, one in enumerate(roster):
        theirs = [items[world.ids[ticket]] for _, ticket in push._own[column]]
        who = replace(one, shift_ends_at=None, load=0)
        found = next_for(
            who,
            theirs,
            roster,
            policy=scenario.commitment,
            assign_policy=policy,
            now=now,
            theirs=True,
        )
        chosen = push.next_of(column)
        assert (None if chosen < 0 else world.ids[chosen]) == (found and found.item.ticket_id)


def test_a_desk_without_agents_or_tickets_cannot_be_simulated() -> None:
    with pytest.raises(InputError) as error:
        Scenario(roster=(), items=(), variation=11.0)
    assert [p.where for p in error.value.problems] == ["agents", "tickets", "variation"]
    with pytest.raises(InputError, match="warm-up"):
        desk([agent("Ann")], [arriving("t", after=0)], warm_up=HOUR)
    with pytest.raises(TicketsError):
        replay(desk([agent("Ann")], [arriving("t", after=0)] * 2), Rule.INDEX)


def test_one_agent_more_helps_where_work_piles_up() -> None:
    roster = [agent("Ann", LINUX), agent("Bob", {"VPN": 9})]
    items = [arriving(f"t{n:02}", "Linux", after=n / 2, sla=3) for n in range(40)]
    more = add_agents(roster, 1, items)
    assert more[2].name == "New 1 (like Ann)"
    before, after = simulate(
        [
            ("now", Rule.INDEX, desk(roster, items, variation=1.0)),
            ("more", Rule.INDEX, desk(more, items, variation=1.0)),
        ],
        replications=5,
    )
    assert after.fewer_breaches is not None
    assert after.fewer_breaches.low > 0.5
    assert after.figures["wait_hours"].mean < before.figures["wait_hours"].mean
    assert before.fewer_breaches is None


def test_what_if_changes_one_thing_and_refuses_strangers() -> None:
    roster = [agent("Ann", LINUX), agent("Bob", {"VPN": 9})]
    assert dict(with_skill(roster, "bob", " linux ", 4)[1].skills) == {"VPN": 9, "linux": 4}
    assert dict(with_skill(roster, "Ann", "LINUX", 0)[0].skills) == {}
    assert [one.id for one in without(roster, "ann")] == ["bob"]
    assert with_shift(roster, "ann", ALWAYS)[0].shift == ALWAYS
    assert [one.id for one in add_agents(roster, 2, [], like="bob")][2:] == ["new-1", "new-2"]
    with pytest.raises(AgentsError, match="nobody on the roster"):
        without(roster, "zoe")
    with pytest.raises(AgentsError, match="0 to 10"):
        with_skill(roster, "ann", "Linux", 11)
    with pytest.raises(InputError, match="0 to 100"):
        add_agents(roster, 101, [])


def test_an_interval_is_students_t() -> None:
    one = estimate([1.0, 2.0, 3.0])
    assert one.mean == 2.0
    assert one.high - one.mean == pytest.approx(4.303 / np.sqrt(3))
    alone = estimate([5.0])
    assert (alone.low, alone.high) == (5.0, 5.0)


HISTORY = """id,created_at,priority,skills,sla_hours,handling_minutes,assignment_group
1,2026-03-02T09:00:00Z,P1,Linux;VPN,2,30,
2,2026-03-02T09:10:00Z,,Linux,,,Network
3,yesterday,P1,,,,
4,2026-03-02T09:20:00Z,P9,,,,
2,2026-03-02T09:30:00Z,P1,,,,
5,2026-03-02T09:30:00Z,P1,,-1,,
"""


def test_a_history_is_read_and_what_is_wrong_is_named_by_line() -> None:
    found = read_history(HISTORY, origin="h.csv")
    one, two = found.items
    assert (one.priority, one.due_at) == (1, datetime(2026, 3, 2, 11, 0, tzinfo=UTC))
    assert [(need.skill, need.weight) for need in one.needs] == [("Linux", 1.0), ("VPN", 0.5)]
    assert found.hours == {"1": 0.5}
    assert (two.priority, two.due_at, two.group) == (3, None, "Network")
    assert [p.where for p in found.broken] == ["line 4", "line 5", "line 6", "line 7"]


def test_a_history_nobody_can_use_is_refused() -> None:
    with pytest.raises(TicketsError, match="can be simulated"):
        read_history('[{"id": 1}, 3]', origin="h.json")
    with pytest.raises(TicketsError, match="cannot be read"):
        read_history("[", origin="h.json")


def test_what_a_desk_has_decided_is_a_history() -> None:
    needs = (SkillNeed(skill="Linux", weight=1.0),)
    decided = replace(
        a_decision(ReceivedTicket(key=7, ticket=a_ticket(), received_at=NOW)),
        resolution_due_at=NOW + HOUR,
        assignment=Assignment(ticket_id="7", agent_id=None, needs=needs, group="Network"),
    )
    (one,) = history_of([decided]).items
    assert (one.ticket_id, one.needs, one.group) == ("7", needs, "Network")
    assert one.created_at == (decided.ticket.created_at or decided.received_at)
    assert one.due_at == NOW + HOUR


def test_the_history_in_the_documentation_can_be_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "simulate.md").read_text(encoding="utf-8")
    sample = page.partition("<!-- tested -->\n```csv\n")[2].partition("```")[0]
    found = read_history(sample, origin="page.csv")
    assert (len(found.items), found.broken) == (3, ())
    assert all(f"`{rule.value}`" in page for rule in Rule)


AGENTS = """agents:
  - agent_id: A
    name: Ann
    skills: {Linux: 8}
    shift: {time_zone: UTC, hours: {mon-sun: "00:00-24:00"}}
  - {agent_id: B, name: Bob, skills: {VPN: 8}}
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A history and a roster, in a folder without any settings."""
    (tmp_path / "history.csv").write_text(HISTORY)
    (tmp_path / "agents.yaml").write_text(AGENTS)
    monkeypatch.chdir(tmp_path)
    for name in ("AGENTS_FILE", "SERVICE_CATALOG_URL", "HELPDESK_API_URL", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_command_compares_rules_and_rosters_as_json(files: Path) -> None:
    options = ["simulate", "history.csv", "--agents", "agents.yaml", "--json", "--seed", "3"]
    options += ["--policy", "score", "--policy", "index", "--replications", "2"]
    options += ["--add-agents", "1", "--skill", "B:Linux=5", "--shift", "B=UTC mon-fri 08:00-16:00"]
    done = CliRunner().invoke(cli, options)
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert (document["tickets"], document["with_deadline"], document["seed"]) == (2, 1, 3)
    assert document["agents_without_shift"] == 1
    names = [outcome["name"] for outcome in document["outcomes"]]
    assert names == ["score", "score, what if", "index", "index, what if"]
    assert [outcome["agents"] for outcome in document["outcomes"]] == [2, 3, 2, 3]
    assert document["outcomes"][0]["figures"]["breached"]["mean"] == 0.0


def test_the_command_shows_a_table_and_what_was_set_aside(files: Path) -> None:
    done = CliRunner().invoke(cli, ["simulate", "history.csv", "--agents", "agents.yaml"])
    assert done.exit_code == 0, done.output
    assert "2 tickets from history.csv, 1 with a deadline; 10 passes" in done.output
    assert "set aside: line 4" in done.output
    assert "1 agents have no shift" in done.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"policies": ("fifo",)}, "fifo is not one of round-robin"),
        ({"hours": "always"}, "--hours: shift"),
        ({"skills": ("Linux",)}, "Linux is not AGENT:SKILL=LEVEL"),
        ({"shifts": ("B",)}, "--shift: shift"),
        ({"without": ("zoe",)}, r"agents\[zoe\]"),
        ({"history": "nothing.csv"}, "nothing.csv"),
    ],
)
def test_a_mistaken_option_is_said_with_its_name(
    files: Path, options: dict[str, object], said: str
) -> None:
    settings_ = Settings(agents_file=Path("agents.yaml"))
    with pytest.raises(InputError) as error:
        simulate_desk(settings_, SimulateOptions(**{"history": "history.csv", **options}))  # type: ignore[arg-type]  # by keyword
    assert said.replace("\\", "") in str(error.value)
