from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.llm_cases import LAPTOP, PASSWORD, catalog, hostile_tickets, ticket, tickets
from triagedesk.catalog import CatalogEntry, Label, ServiceCatalog, Sla, SlaUnit
from triagedesk.classify.llm.prompt import (
    CLOSING,
    OPENING,
    LabelBook,
    Prompt,
    Question,
    answer_schema,
    ask,
    build_prompt,
    clean,
)
from triagedesk.tickets import Ticket


def question(a_ticket: Ticket, a_catalog: ServiceCatalog | None = None) -> Question:
    return ask(a_ticket, a_catalog or catalog(), max_characters=500, key_extra="m")


def prompt_for(*some: Ticket) -> Prompt:
    book = LabelBook(entries=catalog().entries)
    questions = {(q := question(t)).key: q for t in some}
    return build_prompt(book, list(questions.values()))


def lines_of(prompt: Prompt) -> list[dict[str, Any]]:
    first, *lines, last = prompt.user.splitlines()
    assert (first, last) == (OPENING, CLOSING)
    return [json.loads(line) for line in lines]


def test_the_catalog_stands_once_in_the_instructions_and_not_beside_the_tickets() -> None:
    prompt = prompt_for(*tickets())
    assert prompt.instructions.count("Password reset") == 1
    assert "Hardware" not in prompt.user


def test_each_ticket_is_one_line_of_json_under_an_id_of_this_call() -> None:
    prompt = prompt_for(*tickets())
    assert [line["ticket"] for line in lines_of(prompt)] == list(prompt.questions)
    assert lines_of(prompt)[0]["body"] == "The screen of the laptop stays black."
    assert not {"1", "2", "3", "4"} & set(prompt.questions)


def test_ids_are_the_same_for_the_same_batch_and_others_for_another() -> None:
    assert list(prompt_for(*tickets()).questions) == list(prompt_for(*tickets()).questions)
    assert not set(prompt_for(*tickets()).questions) & set(prompt_for(*tickets()[:3]).questions)


def test_the_schema_closes_ids_labels_and_words() -> None:
    prompt = prompt_for(*tickets())
    answer = prompt.schema["properties"]["answers"]["items"]["properties"]
    assert answer["ticket"]["enum"] == list(prompt.questions)
    assert answer["label"]["enum"] == ["L01", "L02", "L03", "L04", "NONE"]
    assert answer["confidence"]["enum"] == ["certain", "likely", "unsure"]


def test_a_partly_filled_ticket_lists_its_own_labels() -> None:
    prompt = prompt_for(ticket("1", "it broke", request_category="hardware"), tickets()[1])
    assert lines_of(prompt)[0]["labels"] == ["L01"]
    assert "labels" not in lines_of(prompt)[1]


def test_the_schema_leaves_out_labels_no_ticket_of_the_call_may_have() -> None:
    only = question(ticket("1", "it broke", request_category="Access"))
    schema = answer_schema(LabelBook(entries=catalog().entries), {"T1": only})
    labels = schema["properties"]["answers"]["items"]["properties"]["label"]["enum"]
    assert labels == ["L02", "NONE"]


def test_codes_keep_their_width_in_a_large_catalog() -> None:
    book = LabelBook(entries=catalog(*(Label("C", str(i)) for i in range(120))).entries)
    assert next(iter(book.labels)) == "L001"
    assert list(book.labels)[-1] == "L120"


def test_descriptions_and_examples_are_part_of_the_catalog_text() -> None:
    entry = CatalogEntry(
        label=LAPTOP,
        sla=Sla(value=1, unit=SlaUnit.DAYS),
        description="Notebooks <b>of</b> staff",
        examples=("screen black", "battery", "hinge", "fourth"),
    )
    text = LabelBook(entries=(entry,)).instructions
    assert '"screen black", "battery", "hinge"' in text
    assert "fourth" not in text
    assert "<b>" not in text


@pytest.mark.parametrize("hostile", hostile_tickets(), ids=lambda t: t.id)
def test_hostile_text_stays_inside_the_delimiters(hostile: Ticket) -> None:
    before, after = tickets()[0], tickets()[1]
    prompt = prompt_for(before, hostile, after)
    assert len(lines_of(prompt)) == 3
    assert prompt.user.count("<") == prompt.user.count(">") == 2
    assert prompt.instructions == prompt_for(before, after).instructions
    line = lines_of(prompt)[1]
    assert set(line) == {"ticket", "subject", "body"}
    assert (line["subject"], line["body"]) == (
        clean(hostile.short_description, 300),
        clean(hostile.long_description, 500),
    )


@pytest.mark.parametrize("hostile", hostile_tickets(), ids=lambda t: t.id)
def test_a_hostile_ticket_changes_no_line_but_its_own(hostile: Ticket) -> None:
    def others(middle: Ticket) -> list[tuple[str, str]]:
        lines = lines_of(prompt_for(tickets()[0], middle, tickets()[1]))
        return [(line["subject"], line["body"]) for line in (lines[0], lines[2])]

    assert others(hostile) == others(ticket("x", "an ordinary ticket"))


def test_there_are_at_least_forty_different_hostile_tickets() -> None:
    assert len({t.text for t in hostile_tickets()}) >= 40


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_text_at_all_breaks_out_of_its_line(subject: str, body: str) -> None:
    prompt = prompt_for(ticket("1", subject, body), tickets()[0])
    lines = lines_of(prompt)
    assert lines[0]["subject"] == clean(subject, 300)
    assert lines[0]["body"] == clean(body, 500)
    assert prompt.user.count("<") == 2
    prompt.user.encode()


@given(st.text(max_size=2000), st.integers(min_value=5, max_value=100))
def test_cleaned_text_is_bounded_and_visible(text: str, limit: int) -> None:
    result = clean(text, limit)
    assert len(result) <= limit + len(" […]")
    assert not set(result) & set("\u200b\u202e\x00\x1b\ufeff\r\u2028")


def test_half_a_surrogate_pair_does_not_reach_the_wire() -> None:
    assert prompt_for(ticket("1", "broken \ud83d emoji")).user.encode()


def test_a_megabyte_of_text_is_cut() -> None:
    prompt = prompt_for(ticket("1", "long", "word " * 200_000))
    assert len(prompt.user) < 1000
    assert lines_of(prompt)[0]["body"].endswith("[…]")


def test_the_key_depends_on_text_catalog_and_allowed_labels_only() -> None:
    base = question(ticket("1", "Laptop", "broken"))
    assert question(ticket("2", " Laptop ", "broken", requester_email="a@b.example")) == base
    assert question(ticket("1", "Laptop", "stolen")).key != base.key
    assert question(ticket("1", "Laptop", "broken"), catalog(version="v2")).key != base.key
    assert question(ticket("1", "Laptop", "broken", request_category="Access")).key != base.key
    assert (
        ask(ticket("1", "Laptop", "broken"), catalog(), max_characters=500, key_extra="n") != base
    )


def test_a_pair_outside_the_catalog_allows_nothing() -> None:
    assert question(ticket("1", "x", request_category="Gardening")).allowed == ()
    assert question(ticket("1", "x", request_type="password  RESET")).allowed == (PASSWORD,)
