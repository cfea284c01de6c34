from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagedesk.classify.llm.prompt import clean
from triagedesk.classify.redact import Redaction


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("write to jane.doe+it@mail.example.co.uk.", "write to [MAIL-1]."),
        ("Jürgen.Müller@example.de fehlt", "[MAIL-1] fehlt"),
        ("call +49 (0)30 123 4567 now", "call [PHONE-1] now"),
        ("ring 0171/1234567, please", "ring [PHONE-1], please"),
        ("ring (020) 7946 0958", "ring [PHONE-1]"),
        ("host 10.20.30.40 is down", "host [IP-1] is down"),
        ("host 2001:db8::1 is down", "host [IP-1] is down"),
        ("pay to DE89 3704 0044 0532 0130 00 today", "pay to [IBAN-1] today"),
        ("pay to gb82west12345698765432", "pay to [IBAN-1]"),
        ("card 4111 1111 1111 1111 declined", "card [CARD-1] declined"),
    ],
)
def test_personal_data_becomes_a_placeholder_and_comes_back(text: str, hidden: str) -> None:
    redaction = Redaction()
    assert redaction.hide(text) == hidden
    assert redaction.restore(hidden) == text


@pytest.mark.parametrize(
    "text",
    [
        "since 05.12.2026 at 10:30:00",
        "error 0x80070005 in version 10.0.19045",
        "ticket INC0012345 and CHG-2026-000123",
        "127.0.0.1 refused the connection",
        "order 1234 5678 9012 3456",
        "GB82 TEST 1234 5698 7654 3298",
        "DE89\u212a704004405320130",
        "user@host without a domain",
        "at 12:30 the std::vector crashed",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert Redaction().hide(text) == text


def test_the_same_value_gets_the_same_placeholder_in_subject_and_body() -> None:
    redaction = Redaction()
    assert redaction.hide("a@x.example and b@x.example") == "[MAIL-1] and [MAIL-2]"
    assert redaction.hide("again b@x.example") == "again [MAIL-2]"


def test_a_placeholder_the_ticket_wrote_itself_is_not_mistaken_for_ours() -> None:
    redaction = Redaction()
    hidden = redaction.hide("[MAIL-1] is not a@x.example")
    assert hidden == "[MAIL-1] is not [MAIL-2]"
    assert redaction.restore(hidden) == "[MAIL-1] is not a@x.example"


def test_zero_width_characters_do_not_hide_an_address() -> None:
    assert clean("jane\u200b@x.exam\u200bple", 100, Redaction().hide) == "[MAIL-1]"


@pytest.mark.parametrize("padding", range(380, 420))
def test_no_cut_leaves_half_an_address_readable(padding: int) -> None:
    text = "x " * (padding // 2) + "jane.doe@mail.example " * 40
    assert "jane" not in clean(text, 100, Redaction().hide)


@given(st.text(alphabet="aA1 @.:-+(/[]MAIL\nKſ٣", max_size=200))
def test_what_was_hidden_comes_back_whatever_the_text(text: str) -> None:
    redaction = Redaction()
    assert redaction.restore(redaction.hide(text)) == text


@pytest.mark.parametrize("piece", ["a", "1", "1 ", ".", "a.", "+1", "a@", "1.1.", "A1", "::", "0-"])
def test_long_runs_of_one_piece_are_not_slow(piece: str) -> None:
    started = time.thread_time()
    Redaction().hide(piece * 6000)
    assert time.thread_time() - started < 2
