"""When a model is fitted anew, and that nothing but the corrections decides it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from triagedesk.catalog import Label
from triagedesk.classify.corrections import Correction, Fits, digest, fits, in_order

VPN, WIFI = Label("Network", "VPN"), Label("Network", "Wi-Fi")
START = datetime(2026, 1, 1, tzinfo=UTC)


def made(minute: int, text: str = "", label: Label = VPN) -> Correction:
    when = START + timedelta(minutes=minute)
    return Correction(text=text or f"ticket {minute}", label=label, made_at=when)


def fitted_count(corrections: list[Correction], classes: int = 3) -> int:
    return fits(corrections, classes).used


def test_each_of_the_first_corrections_is_fitted_at_once() -> None:
    for count in range(1, 11):
        assert fitted_count([made(minute) for minute in range(count)]) == count


def test_later_a_fit_waits_for_a_tenth_more() -> None:
    counts = [fitted_count([made(minute) for minute in range(count)]) for count in range(100, 135)]
    assert sorted(set(counts)) == [94, 104, 115, 127]
    assert counts == sorted(counts)


def test_what_is_learned_in_one_go_is_fitted_whole() -> None:
    history = [made(0, f"closed ticket {number}") for number in range(500)]
    assert fitted_count(history) == 500
    assert fitted_count([*history, made(1)]) == 500
    assert fitted_count([*history, *(made(1, f"more {number}") for number in range(50))]) == 550


def test_nothing_is_fitted_on_nothing() -> None:
    assert fitted_count([]) == 0


@given(st.permutations([made(minute % 4, f"text {minute}") for minute in range(8)]))
def test_the_order_in_which_corrections_are_read_does_not_matter(mixed: list[Correction]) -> None:
    expected = in_order([made(minute % 4, f"text {minute}") for minute in range(8)])
    assert in_order(mixed) == expected
    assert digest(in_order(mixed)) == digest(expected)


def test_the_digest_tells_label_text_and_togetherness_apart() -> None:
    said = [
        [made(0), made(1)],
        [made(0), made(1, label=WIFI)],
        [made(0), made(1, "another text")],
        [made(0), made(0, "ticket 1")],
        [made(0)],
    ]
    assert len({digest(in_order(corrections)) for corrections in said}) == len(said)


def test_the_digest_does_not_hang_on_when_things_were_said() -> None:
    assert digest([made(0, "a"), made(1, "b")]) == digest([made(10, "a"), made(90, "b")])


def test_a_dear_fit_answers_some_corrections_after_it_is_due() -> None:
    history = [made(0, f"closed ticket {number}") for number in range(1000)]
    more = [made(minute) for minute in range(1, 140)]
    known = [fits([*history, *more[:count]], 80) for count in range(139)]
    assert known[0] == Fits(used=1000, due=1000)
    assert known[99] == Fits(used=1000, due=1000)
    assert known[101] == Fits(used=1000, due=1100)
    assert known[121] == Fits(used=1000, due=1100)
    assert known[122] == Fits(used=1100, due=1100)
    assert [now.used for now in known] == sorted(now.used for now in known)


def test_what_outgrows_the_last_fit_by_half_does_not_wait() -> None:
    history = [made(0, f"closed ticket {number}") for number in range(1000)]
    more = [made(1, f"another {number}") for number in range(500)]
    assert fits([*history, *more], 80) == Fits(used=1500, due=1500)
