"""The sentences are true, readable, and different for different reasons."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from support.desks import NOW, agent, by_ticket, item
from triagedesk.agents import Agent, Availability
from triagedesk.assign import WorkItem, assign_batch
from triagedesk.assign.wording import counted, listed
from triagedesk.tickets import Assignment

L5, L7, L9 = {"Linux": 5}, {"Linux": 7}, {"Linux": 9}


def only(ticket: WorkItem, *agents: Agent) -> Assignment:
    (one,) = assign_batch([ticket], agents, now=NOW).assignments
    return one


def first(agents: list[Agent], *tickets: WorkItem) -> Assignment:
    return assign_batch(tickets, agents, now=NOW).assignments[0]


T = item("t", "Linux")
CASES = {
    "weaker and busier": (
        only(T, agent("Ann", L9), agent("Bob", L7, load=9)),
        (
            "Ann takes this: best on Linux (9/10), with 0 of 20 open; "
            "Bob was next, but is weaker on Linux (7/10) and is busier (9 of 20)."
        ),
        "Bob would have it were Ann full or away.",
    ),
    "weaker with more room": (
        only(T, agent("Ann", L9, load=2), agent("Bob", L7)),
        (
            "Ann takes this: best on Linux (9/10), with 2 of 20 open; "
            "Bob has more room (0 of 20) but is weaker on Linux (7/10)."
        ),
        "Bob would come first with Linux at 9/10.",
    ),
    "weaker with as much room": (
        only(T, agent("Ann", L9), agent("Bob", L7)),
        (
            "Ann takes this: best on Linux (9/10), with 0 of 20 open; "
            "Bob has as much room but is weaker on Linux (7/10)."
        ),
        "Bob would come first with Linux at 10/10.",
    ),
    "stronger but busier": (
        only(T, agent("Ann", L7), agent("Bob", L9, load=15)),
        (
            "Ann takes this: strong on Linux (7/10), with 0 of 20 open; "
            "Bob is stronger on Linux (9/10) but is busier (15 of 20)."
        ),
        "Bob would come first with 10 fewer open tickets.",
    ),
    "as good but busier": (
        only(T, agent("Ann", L7), agent("Bob", L7, load=1)),
        (
            "Ann takes this: nobody available is stronger on Linux (7/10), with 0 of 20 open; "
            "Bob would do as well but is busier (1 of 20)."
        ),
        "Bob would come first with Linux at 8/10.",
    ),
    "tie by experience": (
        only(T, agent("Ann", L7), agent("Bob", L7, experience=3)),
        (
            "Bob takes this: nobody available is stronger on Linux (7/10), with 0 of 20 open; "
            "Ann was level, with less experience."
        ),
        "Ann would come first with Linux at 8/10.",
    ),
    "tie by id": (
        only(T, agent("Ann", L7), agent("Bob", L7)),
        (
            "Ann takes this: nobody available is stronger on Linux (7/10), with 0 of 20 open; "
            "Bob was level too, and the tie went by id."
        ),
        "Bob would come first with Linux at 8/10.",
    ),
    "knows the main skill, not the other": (
        only(item("t", "Linux", "VPN"), agent("Ann", {"Linux": 7, "VPN": 3}), agent("Bob", L7)),
        (
            "Ann takes this: nobody available is stronger on Linux (7/10), also VPN (3/10), "
            "with 0 of 20 open; Bob has as much room but knows less of the rest it needs."
        ),
        "Bob would come first with Linux at 8/10.",
    ),
    "knows only the other": (
        only(item("t", "Linux", "VPN"), agent("Ann", L7), agent("Bob", {"VPN": 7})),
        (
            "Ann takes this: best on Linux (7/10), with 0 of 20 open; "
            "Bob has as much room but does not know Linux."
        ),
        "Bob would come first with Linux at 7/10.",
    ),
    "nobody else": (
        only(T, agent("Ann", L5), agent("Bob")),
        "Ann takes this: the only one available with Linux (5/10), with 0 of 20 open.",
        "Someone else who knows Linux, with a free slot, could have come first.",
    ),
    "nobody else here": (
        only(T, agent("Ann", L5), agent("Bob", L9, availability=Availability.AWAY)),
        "Ann takes this: the only one available with Linux (5/10), with 0 of 20 open.",
        "Bob (Linux 9/10) could have it, but is excluded: away.",
    ),
    "stronger but full by then": (
        first(
            [agent("Ann", L7), agent("Bob", L9, capacity=1)],
            T,
            item("u", "Linux", priority=1),
        ),
        (
            "Ann takes this: strong on Linux (7/10), with 0 of 20 open (1 after this batch); "
            "Bob is stronger on Linux (9/10) but is full by then (1 of 1)."
        ),
        "A free slot with Bob could have changed it.",
    ),
    "affinity": (
        only(item("t", "Linux", affinity={"bob": 1.0}), agent("Ann", L7), agent("Bob", L7)),
        (
            "Bob takes this: nobody available is stronger on Linux (7/10), with 0 of 20 open; "
            "Ann has as much room but has not dealt with this before."
        ),
        "Ann would come first with Linux at 9/10.",
    ),
    "knows little": (
        only(T, agent("Ann", {"Linux": 3}), agent("Bob", {"Linux": 4}, load=19)),
        (
            "Ann takes this: knows a little Linux (3/10), with 0 of 20 open; "
            "Bob is stronger on Linux (4/10) but is busier (19 of 20)."
        ),
        "Bob would come first with 17 fewer open tickets.",
    ),
    "fair": (
        only(T, agent("Ann", L5), agent("Bob", {"Linux": 6}, load=9)),
        (
            "Ann takes this: a fair fit on Linux (5/10), with 0 of 20 open; "
            "Bob is stronger on Linux (6/10) but is busier (9 of 20)."
        ),
        "Bob would come first with 7 fewer open tickets.",
    ),
    "no skill needed": (
        only(item("t"), agent("Ann", L7, load=3), agent("Bob", load=1)),
        "No particular skill is needed: Bob, with 1 of 20 open; Ann would be busier (3 of 20).",
        "Ann would come first with 3 fewer open tickets.",
    ),
    "no skill needed, nobody else": (
        only(item("t"), agent("Ann", L7, load=3)),
        "No particular skill is needed: Ann, with 3 of 20 open; nobody else may take it.",
        "A skill on the catalog entry would narrow the choice.",
    ),
    "skill gap": (
        only(item("t", "SAP", "BW"), agent("Ann", L7, load=3), agent("Bob", load=3)),
        (
            "Nobody on the roster has SAP or BW: goes by load to Ann, with 3 of 20 open; "
            "Bob was level too, and the tie went by id."
        ),
        "Someone with that skill would come first.",
    ),
    "skill gap, experience": (
        only(item("t", "SAP"), agent("Ann", load=3), agent("Bob", load=3, experience=1)),
        (
            "Nobody on the roster has SAP: goes by load to Bob, with 3 of 20 open; "
            "Ann was level, with less experience."
        ),
        "Someone with that skill would come first.",
    ),
    "fallback": (
        only(T, agent("Ann", L7, availability=Availability.OFFLINE), agent("Bob", load=3)),
        (
            "Bob takes this as nobody with the skill can: Linux: 1 offline; by load, "
            "with 3 of 20 open; nobody else may take it."
        ),
        "Ann (Linux 7/10) could have it, but is excluded: offline.",
    ),
    "fallback, full by then": (
        first(
            [agent("Ann", L7, capacity=1), agent("Bob")],
            item("t", "Linux", priority=4),
            item("u", "Linux"),
        ),
        (
            "Bob takes this as nobody with the skill can: Linux: 1 full after this batch; by load, "
            "with 0 of 20 open (1 after this batch); Ann is full by then (1 of 1)."
        ),
        "Someone else who knows Linux, with a free slot, could have come first.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_sentence_says_why(case: str) -> None:
    assignment, rationale, _ = CASES[case]
    assert assignment.rationale == rationale


@pytest.mark.parametrize("case", CASES)
def test_it_says_what_would_have_changed_the_choice(case: str) -> None:
    assignment, _, change = CASES[case]
    assert assignment.would_change == change


def test_no_two_reasons_read_the_same() -> None:
    bare = [re.sub(r"Ann|Bob|\d+", "_", rationale) for _, rationale, _ in CASES.values()]
    alike = {"nobody else here"}  # the same reason; what would have changed it differs
    assert len(set(bare)) == len(CASES) - len(alike)


def test_what_would_have_changed_the_choice_does() -> None:
    assert only(T, agent("Ann", L7), agent("Bob", L9, load=5)).agent_id == "bob"
    assert only(T, agent("Ann", L9), agent("Bob", {"Linux": 10})).agent_id == "bob"
    assert only(T, agent("Ann", L9, load=2), agent("Bob", L9)).agent_id == "bob"


def test_a_long_list_of_capacities_is_summed_up() -> None:
    full = [agent(f"Agent {n:02}", L7, load=n, capacity=n) for n in range(12)]
    one = only(T, *full, agent("Zoe", L7))
    (exclusion,) = one.exclusions
    assert (exclusion.reason, exclusion.count) == ("at capacity", 12)
    assert exclusion.agent_ids == tuple(f"agent-{n:02}" for n in range(5))


def test_names_are_listed_as_people_do() -> None:
    assert [listed(["a", "b", "c"][:n], "or") for n in range(4)] == ["", "a", "a or b", "a, b or c"]
    assert counted([(2, "away"), (1, "offline")]) == "2 away, 1 offline"


def test_loads_in_the_sentences_rise_in_order_of_work() -> None:
    tickets = [
        item("old", "Linux", age=3),
        item("new", "Linux", age=1),
        item("p1", "Linux", priority=1),
    ]
    given = by_ticket(assign_batch(tickets, [agent("Ann", L7, load=4)], now=NOW))
    assert "with 4 of 20 open (7 after this batch)" in given["p1"].rationale
    assert "with 5 of 20 open" in given["old"].rationale
    assert "with 6 of 20 open" in given["new"].rationale


def test_importing_the_package_loads_neither_numpy_nor_the_solver() -> None:
    code = "import sys, triagedesk.assign; print({'numpy', 'ortools', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
