"""What a model reads of a ticket."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagedesk.classify.trim import LONGEST, readable


@pytest.mark.parametrize(
    "tail",
    [
        "\n\nKind regards,\nBob Smith\nHead of Sales\n+44 20 1234",
        "\n-- \nBob",
        "\n\nMit freundlichen Grüßen\nBob",
        "\n\nSent from my iPhone",
        "\n\nOn Mon, 3 Mar 2025 at 10:11, Ann <ann@example.com> wrote:\n> did the printer work?",
        "\n-----Original Message-----\nFrom: Ann\nthe printer is fine",
        "\n\nFrom: Ann <ann@example.com>\nSent: Monday\nthe printer is fine",
        "\nThis e-mail and any attachments are confidential and intended for the addressee.",
    ],
)
def test_signatures_quotes_and_disclaimers_are_left_out(tail: str) -> None:
    assert readable("VPN", "The tunnel drops after ten minutes." + tail) == (
        "VPN. The tunnel drops after ten minutes."
    )


def test_a_greeting_is_left_out() -> None:
    assert readable("", "Hello team,\nmy mouse is broken") == "my mouse is broken"


def test_a_forward_without_words_of_its_own_keeps_what_it_forwards() -> None:
    body = "FYI\n-----Original Message-----\nThe scanner on floor two is jammed again"
    assert "scanner on floor two is jammed" in readable("Fwd", body)


@pytest.mark.parametrize("body", ["dummy", "N/A", "-", "see subject", ""])
def test_a_body_that_says_nothing_is_left_out(body: str) -> None:
    assert readable("Forgot my password", body) == "Forgot my password"


def test_a_body_that_repeats_the_subject_is_read_once() -> None:
    assert readable("Printer jam", "Printer jam on floor 3") == "Printer jam on floor 3"


@pytest.mark.parametrize("text", ["", "   ", "\x00\x01", "!!! ???", "\u200b\u200b"])
def test_text_without_words_reads_as_empty(text: str) -> None:
    assert readable(text, text) == ""


def test_links_and_endless_tokens_are_left_out() -> None:
    text = readable("Open", "see https://example.com/a?b=c and " + "A" * 500 + " please")
    assert "example.com" not in text
    assert "AAAA" not in text


def test_a_megabyte_is_read_in_a_moment() -> None:
    started = time.thread_time()
    text = readable("x " * 500_000, ("On on on wrote: > regards, " * 40_000))
    assert len(text) <= LONGEST
    assert time.thread_time() - started < 1


@given(st.text(max_size=300), st.text(max_size=600))
def test_any_text_reads_to_something_bounded(short: str, long: str) -> None:
    text = readable(short, long)
    assert len(text) <= LONGEST
    assert text == "" or any(character.isalnum() for character in text)
    assert "\n" not in text
