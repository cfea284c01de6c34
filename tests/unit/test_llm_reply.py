from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.llm_cases import LAPTOP, PASSWORD, VPN, catalog, hostile_tickets, ticket, tickets
from triagedesk.catalog import Label
from triagedesk.classify.llm.prompt import LabelBook, Prompt, ask, build_prompt
from triagedesk.classify.llm.reply import (
    MISSING,
    NOT_JSON,
    PROBABILITIES,
    REPEATED,
    UNKNOWN_LABEL,
    LlmAnswer,
    read_reply,
    verbatim,
)
from triagedesk.priority import Level


@pytest.fixture
def prompt() -> Prompt:
    questions = [ask(t, catalog(), max_characters=500, key_extra="") for t in tickets()]
    return build_prompt(LabelBook(entries=catalog().entries), questions)


def item(call_id: str, label: str = "L01", **more: Any) -> dict[str, Any]:
    answer = {"ticket": call_id, "label": label, "confidence": "likely", "evidence": ["laptop"]}
    return answer | {"impact": "high", "urgency": "low"} | more


def reply(*items: Any) -> str:
    return json.dumps({"answers": items})


def test_answers_are_matched_by_id_whatever_their_order(prompt: Prompt) -> None:
    ids = list(prompt.questions)
    codes = dict(zip(ids, ["L01", "L02", "L03", "L04"], strict=True))
    read = read_reply(reply(*(item(i, codes[i]) for i in reversed(ids))), prompt)
    got = [read.answers[prompt.questions[i].key].label for i in ids[:3]]
    assert got == [LAPTOP, PASSWORD, VPN]
    assert read.problems == {}


def test_missing_repeated_and_unknown_are_told_apart(prompt: Prompt) -> None:
    one, two, three, four = prompt.questions
    read = read_reply(reply(item(one), item(one, "L02"), item(two, "L99"), item(four)), prompt)
    keys = {i: prompt.questions[i].key for i in prompt.questions}
    assert read.problems == {
        keys[one]: REPEATED,
        keys[two]: UNKNOWN_LABEL,
        keys[three]: MISSING,
    }
    assert list(read.answers) == [keys[four]]


def test_a_label_outside_the_tickets_own_candidates_is_refused() -> None:
    restricted = ticket("1", "it broke", request_category="Access")
    question = ask(restricted, catalog(), max_characters=500, key_extra="")
    prompt = build_prompt(LabelBook(entries=catalog().entries), [question])
    (call_id,) = prompt.questions
    assert read_reply(reply(item(call_id, "L01")), prompt).problems == {question.key: UNKNOWN_LABEL}
    assert read_reply(reply(item(call_id, "L02")), prompt).answers[question.key].label == PASSWORD


def test_none_is_an_answer_without_a_label(prompt: Prompt) -> None:
    call_id, question = next(iter(prompt.questions.items()))
    assert read_reply(reply(item(call_id, "NONE")), prompt).answers[question.key].label is None


def test_a_confidence_word_that_is_not_on_the_list_promises_nothing(prompt: Prompt) -> None:
    call_id, question = next(iter(prompt.questions.items()))
    for word in ("absolutely", 1.0, None, ["certain"]):
        read = read_reply(reply(item(call_id, confidence=word)), prompt)
        assert read.answers[question.key].confidence == "unsure"


def test_impact_and_urgency_are_read_where_stated(prompt: Prompt) -> None:
    call_id, question = next(iter(prompt.questions.items()))
    read = read_reply(reply(item(call_id, impact="High", urgency="unstated")), prompt)
    answer = read.answers[question.key]
    assert (answer.impact, answer.urgency) == (Level.HIGH, None)


@pytest.mark.parametrize(
    "text",
    ["", "Of course!", "[]", "{", '{"answers": 3}', '{"result": []}', "null", '{"answers": [}'],
)
def test_what_is_no_answer_fails_every_ticket(prompt: Prompt, text: str) -> None:
    assert set(read_reply(text, prompt).problems.values()) == {NOT_JSON}


@pytest.mark.parametrize("odd", [None, 3, "L01", [], {}, {"ticket": 7}, {"ticket": None}])
def test_items_of_another_kind_are_passed_over(prompt: Prompt, odd: object) -> None:
    call_id, question = next(iter(prompt.questions.items()))
    assert question.key in read_reply(reply(odd, item(call_id)), prompt).answers


def test_prose_and_fences_around_the_json_do_not_matter(prompt: Prompt) -> None:
    text = f"Sure!\n```json\n{reply(*map(item, prompt.questions))}\n```\nBye."
    assert len(read_reply(text, prompt).answers) == 4


def test_of_a_truncated_reply_the_whole_answers_count(prompt: Prompt) -> None:
    whole = reply(*map(item, prompt.questions))
    cut = whole[: whole.index(list(prompt.questions)[2]) + 12]
    read = read_reply(cut, prompt, truncated=True)
    assert len(read.answers) == 2
    assert read_reply(cut, prompt).answers == {}


def test_no_cut_of_a_reply_makes_up_an_answer(prompt: Prompt) -> None:
    whole = reply(*map(item, prompt.questions, ["L01", "L02", "L03", "L04"]))
    right = read_reply(whole, prompt).answers
    most = 0
    for length in range(len(whole)):
        read = read_reply(whole[:length], prompt, truncated=True)
        assert all(right[key] == answer for key, answer in read.answers.items())
        most = max(most, len(read.answers))
    assert most == 3


def test_evidence_is_quoted_as_the_ticket_spells_it() -> None:
    text = "My LAPTOP does\nnot start. Straße gesperrt."
    assert verbatim(["laptop does  not start"], text) == ("LAPTOP does not start",)
    assert verbatim(["straße"], text) == ("Straße",)
    assert verbatim(["the phone", "", " ", 3, None, "x" * 500, "laptop", "Laptop"], text) == (
        "LAPTOP",
    )


def test_evidence_with_regex_characters_is_literal_and_fast() -> None:
    started = time.thread_time()
    assert verbatim(["(a+)+$", ".*"], "a" * 3000 + "!") == ()
    assert time.thread_time() - started < 1


@given(st.text(max_size=300))
def test_any_reply_at_all_gives_only_catalog_labels(text: str) -> None:
    questions = [ask(t, catalog(), max_characters=500, key_extra="") for t in tickets()]
    prompt = build_prompt(LabelBook(entries=catalog().entries), questions)
    read = read_reply(text, prompt, truncated=len(text) % 2 == 0)
    assert {*read.answers, *read.problems} == {q.key for q in questions}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["L01", "L02", "L77", "NONE", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2)
    ),
    max_leaves=5,
)


@given(st.data())
def test_whatever_a_model_answers_to_hostile_tickets_only_allowed_labels_come_out(
    data: st.DataObject,
) -> None:
    questions = [ask(t, catalog(), max_characters=500, key_extra="") for t in hostile_tickets()[:5]]
    prompt = build_prompt(LabelBook(entries=catalog().entries), questions)
    ids = st.sampled_from([*prompt.questions, "T00000", "1", ""])
    one = st.fixed_dictionaries(
        {"ticket": ids | JSON, "label": JSON, "confidence": JSON, "evidence": JSON}
    )
    read = read_reply(reply(*data.draw(st.lists(one, max_size=8))), prompt)
    allowed = {*(entry.label for entry in catalog().entries), None}
    by_key = {q.key: q for q in questions}
    assert {answer.label for answer in read.answers.values()} <= allowed
    assert set(read.answers) | set(read.problems) == set(by_key)
    for key, answer in read.answers.items():
        flat = " ".join(by_key[key].text.split())
        assert all(phrase in flat for phrase in answer.evidence)


def test_a_kept_answer_comes_back_the_same(prompt: Prompt) -> None:
    question = next(iter(prompt.questions.values()))
    answer = LlmAnswer(
        label=VPN, confidence="certain", evidence=("über",), impact=Level.LOW, urgency=None
    )
    assert LlmAnswer.from_json(answer.to_json(), question) == answer


GONE = LlmAnswer(label=Label("Gone", "X"), confidence="likely").to_json()


@pytest.mark.parametrize(
    "kept",
    [
        "",
        "null",
        "[]",
        GONE,
        '{"label": null, "confidence": "sure", "evidence": [], "impact": null, "urgency": null}',
        '{"label": ["Hardware"], "confidence": "certain", "evidence": [], "impact": 9}',
    ],
)
def test_a_kept_answer_that_does_not_fit_is_not_used(prompt: Prompt, kept: str) -> None:
    assert LlmAnswer.from_json(kept, next(iter(prompt.questions.values()))) is None


def test_the_confidence_words_are_in_order() -> None:
    assert PROBABILITIES["certain"] > PROBABILITIES["likely"] > PROBABILITIES["unsure"]
