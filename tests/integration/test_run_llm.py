"""Runs with a language model that is down, slow, or answers nonsense: no run fails for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.desk import (
    LLM_KEY,
    WholeDesk,
    desk,
    report_path,
    sheet,
    sqlite_desk,
    wait_until,
)
from support.helpdesk import wire_ticket
from support.llm_server import LlmServer
from triagedesk.tickets import DecidedBy

__all__ = ["desk", "sqlite_desk"]
#: The light local model finds no word of the catalog in these.
UNCLEAR = ("it makes noises", "cannot get in", "blue smoke", "what now", "my screen", "no paper")


@pytest.fixture
def llm() -> Iterator[LlmServer]:
    with LlmServer(key=LLM_KEY) as server:
        yield server


@pytest.fixture(autouse=True)
def _unclear_tickets(request: pytest.FixtureRequest, llm: LlmServer) -> None:
    name = "desk" if "desk" in request.fixturenames else "sqlite_desk"
    here: WholeDesk = request.getfixturevalue(name)
    here.helpdesk.tickets = [
        wire_ticket(f"U-{position}", text, long_description="")
        for position, text in enumerate(UNCLEAR)
    ]
    here.settings |= {
        "LLM_MODEL_NAME": "some-model",
        "LLM_BASE_URL": llm.url,
        "LLM_API_KEY": LLM_KEY,
        "LLM_BATCH_SIZE": "3",
        "LLM_TIMEOUT": "60",
    }


def decided_by(desk: WholeDesk) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in desk.triaged():
        who = item.classification.decided_by
        counts[who] = counts.get(who, 0) + 1
    return counts


def test_what_the_local_model_is_unsure_of_goes_to_the_language_model(
    desk: WholeDesk, llm: LlmServer
) -> None:
    llm.script("label:L01", "label:L01")
    outcome = desk.run()
    assert outcome.code == 0
    assert decided_by(desk) == {DecidedBy.LLM: 6}
    assert len(llm.requests) == 2, "six tickets, three a call"
    assert "LLM 2 calls" in outcome.text
    assert not any(item.classification.needs_review for item in desk.triaged())
    assert {t.sla.value for t in desk.triaged() if t.sla} == {4}, "the SLA is the catalog's"


def test_clear_tickets_cost_nothing(sqlite_desk: WholeDesk, llm: LlmServer) -> None:
    sqlite_desk.helpdesk.tickets = [wire_ticket("T-1", "Printer jam")]
    assert sqlite_desk.run().code == 0
    assert llm.requests == []


@pytest.mark.parametrize(
    "steps",
    [
        ["status:500"] * 9,
        ["status:429"] * 9,
        ["status:401"] * 9,
        ["quota"] * 9,
        ["prose"] * 9,
        ["broken"] * 9,
        ["shape"] * 9,
        ["unknown"] * 9,
        ["html"] * 9,
        ["garbage"] * 9,
        ["empty"] * 9,
        ["drop"] * 9,
        ["missing:3"] * 9,
        ["repeat"] * 9,
    ],
    ids=lambda steps: str(steps[0]),
)
def test_a_model_without_a_usable_answer_leaves_the_local_suggestion_marked(
    sqlite_desk: WholeDesk, llm: LlmServer, steps: list[str]
) -> None:
    llm.script(*steps)

    outcome = sqlite_desk.run()

    assert outcome.code == 0
    assert decided_by(sqlite_desk) == {DecidedBy.LOCAL: 6}
    for item in sqlite_desk.triaged():
        assert item.classification.needs_review
        assert any("language model did not answer" in n for n in item.classification.notes)
    review = sheet(report_path(outcome, sqlite_desk.folder), "Review")
    assert len(review) == 6
    assert all("language model did not answer" in str(row) for row in review)
    assert "To review 6" in outcome.text
    assert len(sqlite_desk.smtp.messages) == 1


def test_a_model_that_is_down_stops_nobody(desk: WholeDesk, llm: LlmServer) -> None:
    outcome = desk.run(LLM_BASE_URL="http://127.0.0.1:9/v1")
    assert outcome.code == 0
    assert decided_by(desk) == {DecidedBy.LOCAL: 6}
    desk.check_books(tickets_expected=6)


def test_a_model_that_is_too_slow_is_not_waited_for(sqlite_desk: WholeDesk, llm: LlmServer) -> None:
    llm.script(*["slow:20"] * 9)
    outcome = sqlite_desk.run(LLM_TIMEOUT="0.3", LLM_BATCH_SIZE="200")
    assert outcome.code == 0
    assert decided_by(sqlite_desk) == {DecidedBy.LOCAL: 6}


def test_a_rate_limit_is_waited_for_as_long_as_the_server_asks(
    sqlite_desk: WholeDesk, llm: LlmServer
) -> None:
    llm.script("status:429:9", "label:L02", "label:L02")
    assert sqlite_desk.run(LLM_DELAY_BETWEEN_BATCHES="0.01").code == 0
    assert 9.0 in sqlite_desk.naps
    assert decided_by(sqlite_desk) == {DecidedBy.LLM: 6}


def test_what_one_reply_left_out_is_asked_for_again_and_only_that(
    sqlite_desk: WholeDesk, llm: LlmServer
) -> None:
    llm.script("missing:1", "label:L03")
    llm.answer = lambda request: [
        {"ticket": t["ticket"], "label": "L01", "confidence": "certain", "evidence": []}
        for t in request.tickets
    ]
    assert sqlite_desk.run(LLM_BATCH_SIZE="200").code == 0
    assert [len(request.tickets) for request in llm.requests] == [6, 1]
    assert decided_by(sqlite_desk) == {DecidedBy.LLM: 6}


def test_answers_in_another_order_find_their_tickets(
    sqlite_desk: WholeDesk, llm: LlmServer
) -> None:
    labels = {text: f"L{position % 5 + 1:02}" for position, text in enumerate(UNCLEAR)}
    llm.answer = lambda request: [
        {
            "ticket": t["ticket"],
            "label": labels[t["subject"]],
            "confidence": "certain",
            "evidence": [],
        }
        for t in request.tickets
    ]
    llm.script("ok", "ok")
    assert sqlite_desk.run().code == 0
    in_order = {t.ticket.id: t.classification.label for t in sqlite_desk.triaged()}
    for ticket in sqlite_desk.helpdesk.tickets:
        assert isinstance(ticket, dict)
        ticket["long_description"] = "asked once more"
    llm.script("shuffle", "shuffle")
    assert sqlite_desk.run().code == 0
    assert {t.ticket.id: t.classification.label for t in sqlite_desk.triaged()} == in_order
    assert len(set(in_order.values())) == 5


def test_the_same_text_is_never_paid_for_twice(desk: WholeDesk, llm: LlmServer) -> None:
    llm.script("label:L01", "label:L01")
    desk.run()
    llm.requests.clear()
    # The same words under new ids.
    desk.helpdesk.tickets = [
        wire_ticket(f"V-{position}", text, long_description="")
        for position, text in enumerate(UNCLEAR)
    ]
    assert desk.run().code == 0
    assert llm.requests == []
    assert decided_by(desk) == {DecidedBy.LLM: 6}


@pytest.mark.parametrize(
    "delay",
    [
        pytest.param("0.01", id="one-by-one"),
        pytest.param("0", id="four-at-once"),
    ],
)
def test_answers_that_came_before_a_crash_are_not_asked_for_again(
    sqlite_desk: WholeDesk, llm: LlmServer, delay: str
) -> None:
    llm.script("label:L01", "slow:300")
    running = sqlite_desk.start("run", LLM_DELAY_BETWEEN_BATCHES=delay, LLM_TIMEOUT="300")
    wait_until(lambda: len(llm.requests) == 2)
    paid = {t["subject"] for t in next(r for r in llm.requests if r.step != "slow:300").tickets}
    wait_until(lambda: len(sqlite_desk.contents()["model_answers"]) == len(paid))
    running.kill()
    llm.requests.clear()
    llm.script("label:L01")

    assert sqlite_desk.run().code == 0

    asked = [ticket["subject"] for request in llm.requests for ticket in request.tickets]
    assert sorted(asked) == sorted(set(UNCLEAR) - paid)
    sqlite_desk.check_books(tickets_expected=6)


def test_half_a_configuration_is_refused_before_anything_is_asked(
    sqlite_desk: WholeDesk, llm: LlmServer
) -> None:
    outcome = sqlite_desk.run(LLM_MODEL_NAME="", LLM_BASE_URL="")
    assert outcome.code == 2
    assert "LLM_MODEL_NAME: is not set" in outcome.err
    assert sqlite_desk.asked == []


def test_a_key_in_a_file_is_used_and_not_shown(
    sqlite_desk: WholeDesk, llm: LlmServer, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(f"{LLM_KEY}\n")
    llm.script("label:L01", "label:L01")
    assert sqlite_desk.run(LLM_API_KEY="", LLM_API_KEY_FILE=str(tmp_path / "key")).code == 0
    assert decided_by(sqlite_desk) == {DecidedBy.LLM: 6}
