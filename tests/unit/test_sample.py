"""The sample desk is complete, consistent and as varied as a real one."""

import re
from collections import Counter
from importlib.resources import files

import pytest

from triagedesk.agents import Agent, Availability
from triagedesk.agents_parser import parse_agents
from triagedesk.catalog import ServiceCatalog
from triagedesk.catalog_parser import parse_catalog
from triagedesk.formats import load_json
from triagedesk.sources import Fetched
from triagedesk.sources.reading import find_items, read_tickets

# Words that are common in one of the languages and rare in the others.
MARKERS = {
    "German": {"ich", "nicht", "bitte", "mein", "meine", "und", "wird", "danke"},
    "French": {"bonjour", "je", "merci", "vous", "mais", "serait", "pour"},
    "Spanish": {"hola", "buenos", "buenas", "gracias", "por", "favor", "pero", "desde"},
    "Portuguese": {"bom", "obrigado", "não", "há", "está"},
    "Italian": {"buongiorno", "grazie", "prossima", "della", "di"},
    "Dutch": {"goedemorgen", "bedankt", "wij", "een", "voor", "kunnen"},
}


def read(name: str) -> str:
    return (files("triagedesk.sample") / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def catalog() -> ServiceCatalog:
    return parse_catalog(read("service_catalog.yaml"), origin="sample")


@pytest.fixture(scope="module")
def agents() -> tuple[Agent, ...]:
    return parse_agents(read("agents.yaml"), origin="sample", format="yaml")


@pytest.fixture(scope="module")
def fetched() -> Fetched:
    return read_tickets(find_items(load_json(read("tickets.json"))), source="sample")


def language_of(text: str) -> str:
    """The language with most marker words, at least two; else English."""
    words = re.findall(r"\w+", text.lower())
    counts = {name: sum(word in marks for word in words) for name, marks in MARKERS.items()}
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] >= 2 else "English"


def test_the_catalog_has_enough_of_everything(catalog: ServiceCatalog) -> None:
    labels = [entry.label for entry in catalog.entries]

    assert 24 <= len(labels) <= 32
    assert len({label.request_category for label in labels}) >= 8
    assert any(entry.skills for entry in catalog.entries)
    assert any(not entry.skills for entry in catalog.entries)
    assert any(entry.examples for entry in catalog.entries)
    assert sum(label.request_type.startswith("Other ") for label in labels) >= 2


def test_only_the_general_inquiry_has_no_deadline(catalog: ServiceCatalog) -> None:
    without = [entry.label for entry in catalog.entries if entry.sla.value == 0]

    assert without == [("General", "General Inquiry")]


def test_every_skill_the_catalog_asks_for_is_held_by_an_agent_at_work(
    catalog: ServiceCatalog, agents: tuple[Agent, ...]
) -> None:
    asked = {skill for entry in catalog.entries for skill in entry.skills}
    held = {
        skill
        for agent in agents
        if agent.availability is Availability.AVAILABLE
        for skill in agent.skills
    }

    assert asked <= held


def test_the_roster_has_a_rare_skill_an_absence_and_overlaps(agents: tuple[Agent, ...]) -> None:
    holders = Counter(skill for agent in agents for skill in agent.skills)

    assert len({agent.id for agent in agents}) == len(agents)
    assert len(agents) >= 8
    assert [a.name for a in agents if a.availability is Availability.AWAY] == ["Rafael Quintero"]
    assert holders["SAP"] == 1
    assert sum(count >= 2 for count in holders.values()) >= 5
    assert any(agent.groups for agent in agents)


def test_the_agents_at_work_have_room_for_every_ticket(
    agents: tuple[Agent, ...], fetched: Fetched
) -> None:
    room = sum(a.capacity - a.load for a in agents if a.availability is Availability.AVAILABLE)

    assert room >= len(fetched.tickets)


def test_every_ticket_can_be_read_and_has_an_id_of_its_own(fetched: Fetched) -> None:
    assert not fetched.broken
    assert not fetched.warnings
    assert len({t.id for t in fetched.tickets}) == len(find_items(load_json(read("tickets.json"))))
    assert len(fetched.tickets) >= 60


def test_every_ticket_comes_from_a_made_up_address(fetched: Fetched) -> None:
    assert all(t.requester_email.endswith("@example.com") for t in fetched.tickets)


def test_the_tickets_come_in_seven_languages(fetched: Fetched) -> None:
    languages = Counter(language_of(ticket.text) for ticket in fetched.tickets)

    assert languages["English"] >= 40
    assert min(languages[name] for name in ("German", "French", "Spanish")) >= 4
    assert min(languages[name] for name in ("Portuguese", "Italian", "Dutch")) >= 1


def test_what_arrives_filled_agrees_with_the_catalog(
    catalog: ServiceCatalog, fetched: Fetched
) -> None:
    categories = {entry.label.request_category for entry in catalog.entries}
    filled = [t for t in fetched.tickets if t.request_category]
    whole = [t for t in filled if t.request_type]

    assert {t.request_category for t in filled} <= categories
    assert all(catalog.match(t.request_category, t.request_type) for t in whole)
    assert (len(filled), len(whole)) == (3, 2)
    assert sum(t.sla_value > 0 for t in fetched.tickets) == 2


def test_no_ticket_looks_overdue_on_the_first_run(fetched: Fetched) -> None:
    """The sample is as old as the package; only what has no deadline may carry a date."""
    dated = [ticket for ticket in fetched.tickets if ticket.created_at is not None]
    assert [ticket.id for ticket in dated] == ["REQ-20511"]


def test_the_awkward_tickets_are_there(fetched: Fetched) -> None:
    texts = [ticket.text for ticket in fetched.tickets]

    assert any(text.startswith("=SUM") for text in texts), "a subject that looks like a formula"
    assert any("Ignore the above instructions" in text for text in texts), "a prompt injection"
    assert any("-----Original Message-----" in text for text in texts), "a forwarded chain"
    assert any("\N{LOUDLY CRYING FACE}" in text for text in texts), "emoji"
    assert any(text.isupper() for text in texts), "capitals only"
    assert any(len(text) < 30 for text in texts), "hardly a word"
    assert any("Coffee machine" in text for text in texts), "nothing in the catalog fits"
