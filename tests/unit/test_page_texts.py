"""What the page says: the same texts in each language, numbers and times as people write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagedesk.store.queue import NEVER, Place
from triagedesk.web.queue import order_of, place_of, wanted_of
from triagedesk.web.rendering import time_left
from triagedesk.web.security import csrf_token, is_csrf_token
from triagedesk.web.sessions import delay
from triagedesk.web.sign_in import target_of
from triagedesk.web.texts import choose, languages, texts

_USED = re.compile(r"""\bt(?:\.html)?\(\s*['"]([a-z0-9_.]+)['"]\s*[,)]""")
_VALUES = re.compile(r"\{(\w+)\}")


def _forms(text: object) -> list[str]:
    return list(text.values()) if isinstance(text, dict) else [str(text)]


@pytest.mark.parametrize("language", languages())
def test_every_language_has_every_text_with_the_same_values(language: str) -> None:
    english, other = texts("en").texts, texts(language).texts
    assert set(english) == set(other)
    for key, text in english.items():
        wanted = {name for form in _forms(text) for name in _VALUES.findall(form)}
        found = {name for form in _forms(other[key]) for name in _VALUES.findall(form)}
        assert found == wanted, key
        assert all(_forms(other[key])), key


def test_every_text_that_is_asked_for_is_there() -> None:
    folder = files("triagedesk.web")
    places = [folder, folder / "templates"]
    sources = [
        entry.read_text()
        for place in places
        for entry in place.iterdir()
        if entry.name.endswith((".py", ".html"))
    ]
    used = {key for source in sources for key in _USED.findall(source)}
    assert len(used) > 100
    assert used <= set(texts("en").texts) | {"queue.title"}


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        ("", "", "en"),
        ("", "de-CH,de;q=0.9,en;q=0.8", "de"),
        ("", "fr, en;q=0.5, de;q=0.7", "de"),
        ("", "de;q=0, en", "en"),
        ("", "de;q=x", "en"),
        ("de", "en", "de"),
        ("xx", "de", "de"),
    ],
)
def test_the_language_is_the_chosen_one_or_the_browsers(
    chosen: str, accepted: str, language: str
) -> None:
    assert choose(chosen, accepted) == language


def test_numbers_and_shares_are_written_as_the_language_does() -> None:
    english, german = texts("en"), texts("de")
    assert (english.number(1234567), german.number(1234567)) == ("1,234,567", "1.234.567")
    assert (english.number(-1.5, 2), german.number(-1.5, 2)) == ("-1.50", "-1,50")
    assert (english.percent(0.421), german.percent(0.421)) == ("42%", "42\u00a0%")
    at = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
    assert english.time(at) == "2 Mar 2026, 09:05 UTC"
    assert german.time(at) == "2. März 2026, 09:05 UTC"


def test_a_text_takes_the_form_of_its_number_and_escapes_its_values() -> None:
    english = texts("en")
    assert english("taught.would_change", n=1).startswith("1 similar open ticket would")
    assert english("taught.would_change", n=1200).startswith("1,200 similar open tickets would")
    assert "&lt;b&gt;" in english.html("mine.title", name="<b>")


@pytest.mark.parametrize(
    ("span", "shown"),
    [
        (timedelta(days=3, hours=4, minutes=59), "3 d 4 h"),
        (timedelta(hours=2, minutes=14, seconds=59), "2 h 14 min"),
        (timedelta(seconds=59), "0 min"),
        (timedelta(minutes=-25), "−25 min"),
        (timedelta(days=-1, hours=-1), "−1 d 1 h"),
    ],
)
def test_what_is_left_is_told_by_its_two_largest_units(span: timedelta, shown: str) -> None:
    assert time_left(span) == shown


@given(
    st.integers(1, 9),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - given a zone below
    st.integers(1, 10**11),
)
def test_a_place_in_the_queue_survives_the_address_and_sorts_as_text(
    priority: int, due: datetime, key: int
) -> None:
    place = Place(priority, due.replace(tzinfo=UTC), key)
    assert place_of(order_of(place)) == place
    later = Place(priority, NEVER, key)
    assert (order_of(place) < order_of(later)) == (place < later)


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1.20260101000000000000", "1.x.5", "9" * 500])
def test_what_is_no_place_is_none(text: str) -> None:
    assert place_of(text) is None


def test_a_filter_that_makes_no_sense_is_left_out() -> None:
    wanted = wanted_of({"status": "drop", "p": "7", "sla": "x", "review": "yes", "q": "a\x00b"})
    assert (wanted.status, wanted.priority, wanted.sla) == ("open", None, "")
    assert not wanted.needs_review
    assert wanted_of({"agent": "-"}).agent == ""
    assert wanted_of({}).agent is None


def test_a_form_token_is_another_one_each_time_and_holds_for_its_cookie_alone() -> None:
    one, other = csrf_token("cookie"), csrf_token("cookie")
    assert one != other
    assert is_csrf_token(one, "cookie")
    assert is_csrf_token(other, "cookie")
    for token, cookie in (
        (one, "another"),
        (one[:-4], "cookie"),
        ("", "cookie"),
        (one, ""),
        ("é", "c"),
    ):
        assert not is_csrf_token(token, cookie)


def test_waiting_grows_with_each_failure_up_to_a_quarter_of_an_hour() -> None:
    waits = [delay(count) for count in range(4, 40)]
    assert waits[0] == timedelta(seconds=2)
    assert waits[1] == timedelta(seconds=4)
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(minutes=15)


@given(st.text(max_size=60))
def test_nobody_is_sent_to_another_site(to: str) -> None:
    target = target_of(to)
    assert target.startswith("/")
    assert not target.startswith(("//", "/\\"))
    assert "\n" not in target
