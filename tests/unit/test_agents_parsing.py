"""Agents from JSON, YAML or CSV, or every problem with its place."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triagedesk.agents import Agent, Availability
from triagedesk.agents_parser import agents_of, parse_agents
from triagedesk.errors import AgentsError

SARAH = {
    "agent_id": "agent_001",
    "name": "Sarah Chen",
    "skills": {"Networking": 9, "Linux_Administration": "7"},
    "current_load": 2,
    "availability_status": "Available",
    "experience_level": 7,
}


def one(**fields: object) -> Agent:
    return agents_of([{"agent_id": "a", **fields}], origin="request")[0]


def places(data: object) -> list[str]:
    with pytest.raises(AgentsError) as caught:
        agents_of(data, origin="request")
    return [problem.where for problem in caught.value.problems]


@pytest.mark.parametrize("data", [[SARAH], {"agents": [SARAH], "tickets": []}])
def test_the_hackathon_shape_is_read(data: object) -> None:
    assert agents_of(data, origin="request", default_capacity=9) == (
        Agent(
            id="agent_001",
            name="Sarah Chen",
            skills={"Networking": 9, "Linux_Administration": 7},
            load=2,
            capacity=9,
            experience=7.0,
        ),
    )


def test_json_yaml_and_csv_say_the_same() -> None:
    as_json = json.dumps({"agents": [SARAH]})
    as_yaml = """\
agents:
  - agent_id: agent_001
    name: Sarah Chen
    skills: {Networking: 9, Linux_Administration: 7}
    current_load: 2
    availability_status: available
    experience_level: 7
"""
    as_csv = (
        "Agent ID;Name;Skills;Current Load;Availability Status;Experience Level;Email\r\n"
        'agent_001;Sarah Chen;"Networking:9; Linux_Administration: 7";2;AVAILABLE;7;\r\n'
    )
    expected = parse_agents(as_json, origin="a.json", format="json")
    assert parse_agents(as_yaml, origin="a.yaml", format="yaml") == expected
    assert parse_agents(as_csv, origin="a.csv", format="csv") == expected
    assert parse_agents(json.dumps(SARAH), origin="a.jsonl", format="jsonl") == expected


def test_the_other_fields_are_read() -> None:
    agent = one(
        capacity="5",
        groups=["Network", "Field"],
        email="sarah@example.com",
        shift_ends_at="2030-01-02T17:00:00+00:00",
    )
    assert agent.capacity == 5
    assert agent.groups == ("Network", "Field")
    assert agent.email == "sarah@example.com"
    assert agent.shift_ends_at == datetime(2030, 1, 2, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Available", Availability.AVAILABLE),
        ("BUSY", Availability.AWAY),
        ("Away", Availability.AWAY),
        ("Offline", Availability.OFFLINE),
        ("On Leave", Availability.OFFLINE),
        ("on_leave", Availability.OFFLINE),
        ("", Availability.AVAILABLE),
        (None, Availability.AVAILABLE),
    ],
)
def test_availability_words(word: str | None, expected: Availability) -> None:
    assert one(availability_status=word).availability is expected


def test_a_missing_name_is_the_id() -> None:
    assert one().name == "a"


def test_a_whole_number_is_a_fine_id() -> None:
    assert agents_of([{"id": 7}], origin="request")[0].id == "7"


def test_experience_may_be_a_word() -> None:
    assert one(experience_level="Junior").experience < one(experience_level="senior").experience


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("skills", {"Linux": 11}, "agents[0].skills.Linux"),
        ("skills", {"Linux": 0}, "agents[0].skills.Linux"),
        ("skills", {"Linux": 7.5}, "agents[0].skills.Linux"),
        ("skills", {"Linux": True}, "agents[0].skills.Linux"),
        ("skills", {"Linux": "expert"}, "agents[0].skills.Linux"),
        ("skills", {"Linux": 5, " linux": 6}, "agents[0].skills.linux"),
        ("skills", {" ": 5}, "agents[0].skills"),
        ("skills", ["Linux"], "agents[0].skills"),
        ("skills", 5, "agents[0].skills"),
        ("current_load", -1, "agents[0].current_load"),
        ("current_load", "many", "agents[0].current_load"),
        ("load", 1.5, "agents[0].load"),
        ("capacity", -1, "agents[0].capacity"),
        ("availability_status", "Hibernating", "agents[0].availability_status"),
        ("availability_status", True, "agents[0].availability_status"),
        ("experience_level", -1, "agents[0].experience_level"),
        ("experience_level", "nan", "agents[0].experience_level"),
        ("experience_level", [7], "agents[0].experience_level"),
        ("name", "", "agents[0].name"),
        ("name", 3.5, "agents[0].name"),
        ("groups", {"a": 1}, "agents[0].groups"),
        ("email", ["x"], "agents[0].email"),
        ("shift_ends_at", "soon", "agents[0].shift_ends_at"),
    ],
)
def test_a_field_that_makes_no_sense_is_refused(field: str, value: object, place: str) -> None:
    assert places([{"agent_id": "a", field: value}]) == [place]


@pytest.mark.parametrize("data", ["agents", 5, None, {"people": []}, {"agents": {"a": 1}}])
def test_what_is_no_list_is_refused(data: object) -> None:
    assert places(data) == ["agents"]


def test_all_problems_are_listed_at_once() -> None:
    data = [SARAH, {"name": "nobody"}, "Bob", {**SARAH, "skills": {"Linux": 11}}]
    assert places(data) == [
        "agents[1].agent_id",
        "agents[2]",
        "agents[3].skills.Linux",
        "agents[3].agent_id",
    ]


def test_the_message_names_the_value() -> None:
    with pytest.raises(AgentsError, match=r"agents\[0\]\.skills\.Linux: 11 is not from 1 to 10"):
        agents_of([{"agent_id": "a", "skills": {"Linux": 11}}], origin="request")


def test_csv_problems_name_their_line() -> None:
    text = "id,name,skills,load\na,Ann,Linux:7,0\n\nb,Bob,Linux:70; VPN,-1\na,Ann,,0,extra\n"
    with pytest.raises(AgentsError) as caught:
        parse_agents(text, origin="a.csv", format="csv")
    assert [p.where for p in caught.value.problems] == [
        "line 4, skills.Linux",
        "line 4, skills.VPN",
        "line 4, load",
        "line 5",
    ]


@pytest.mark.parametrize(
    ("text", "kind"),
    [("{", "json"), ("a: [", "yaml"), ('id,name\n1,"open', "csv"), ("[" * 100_000, "json")],
)
def test_a_text_that_cannot_be_read_is_refused(text: str, kind: str) -> None:
    with pytest.raises(AgentsError) as caught:
        parse_agents(text, origin="a", format=kind)
    assert caught.value.problems[0].where.startswith("line ")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(["agent_id", "name", "skills", "load", "status", "groups", "email"])
            | st.text(max_size=4),
            children,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(data=st.lists(JSON) | JSON)
def test_any_json_is_agents_or_an_agents_error(data: object) -> None:
    with suppress(AgentsError):
        agents = agents_of(data, origin="request")
        assert len({agent.id for agent in agents}) == len(agents)
        assert all(1 <= p <= 10 for agent in agents for p in agent.skills.values())


@settings(deadline=None)
@given(
    text=st.text(alphabet="ida,;:\"'\n\r \t7-{}[]|é\x00", max_size=60),
    kind=st.sampled_from(["csv", "yaml", "json", "jsonl"]),
)
def test_any_text_is_agents_or_an_agents_error(text: str, kind: str) -> None:
    with suppress(AgentsError):
        agents = parse_agents(text, origin="a", format=kind)
        assert all(agent.id for agent in agents)
