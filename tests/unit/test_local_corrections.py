"""Corrections: which stand, which contradict each other."""

from __future__ import annotations

from datetime import UTC, datetime

from triagedesk.catalog import Label
from triagedesk.classify.corrections import Correction, contradictions, standing, text_key

VPN, WIFI = Label("Network", "VPN"), Label("Network", "Wi-Fi")


def correction(text: str, label: Label, day: int | None = None) -> Correction:
    made_at = datetime(2025, 1, day, tzinfo=UTC) if day else None
    return Correction(text=text, label=label, made_at=made_at)


def test_the_newer_of_two_contradicting_corrections_stands() -> None:
    newer, older = correction("tunnel down", VPN, 2), correction("tunnel down", WIFI, 1)
    assert standing([newer, older]) == (newer,)
    assert contradictions([newer, older]) == [(older, newer)]


def test_without_a_time_the_later_in_the_list_stands() -> None:
    first, second = correction("tunnel down", VPN), correction("tunnel down", WIFI)
    assert standing([first, second]) == (second,)


def test_order_of_corrections_of_different_texts_does_not_matter() -> None:
    one, two = correction("a b", VPN, 1), correction("c d", WIFI, 2)
    assert standing([one, two]) == standing([two, one])


def test_the_same_words_in_other_case_and_spacing_are_the_same_text() -> None:
    assert text_key("VPN down\nsince  noon") == text_key("vpn DOWN\nSince noon")
    assert text_key("VPN down\nsince noon") != text_key("VPN down\nsince one")


def test_a_signature_does_not_make_another_text() -> None:
    assert text_key("VPN down\nsince noon today again\nRegards,\nBob") == text_key(
        "VPN down\nsince noon today again"
    )
