"""What goes to the driver directly is what SQLAlchemy would have made of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from sqlalchemy.dialects import sqlite

from triagedesk.store.queries import _sqlite_time, read_json, read_plain, write_json
from triagedesk.store.tables import Utc
from triagedesk.tickets import Ticket

TEXT = TypeAdapter(tuple[str, ...])
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone.min])
TIMES = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=ZONES)  # noqa: DTZ001 (hypothesis adds the zone)


@given(TIMES)
def test_a_time_is_written_as_sqlalchemy_writes_it(at: datetime) -> None:
    dialect = sqlite.dialect()
    usual = Utc().dialect_impl(dialect).bind_processor(dialect)
    assert usual is not None
    assert _sqlite_time(at) == usual(at)


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        _sqlite_time(datetime(2026, 1, 1))  # noqa: DTZ001 (that is the point)


@given(st.text())
def test_a_record_comes_back_as_it_was(text: str) -> None:
    assert read_json(TEXT, write_json(TEXT, (text,)).decode()) == (text,)


def test_half_a_surrogate_pair_comes_back_too() -> None:
    written = write_json(TEXT, ("\ud83d",)).decode()
    assert read_json(TEXT, written) == ("\ud83d",)
    assert read_plain(written) == ["\ud83d"]


def test_a_ticket_under_another_id_is_the_same_but_for_the_id() -> None:
    ticket = Ticket(source="s", id="1", short_description="a", long_description="b")
    assert ticket.content_hash
    other = ticket.called("2")
    assert (other.id, other.text, other.content_hash) == ("2", ticket.text, ticket.content_hash)
    assert other.called("1") == ticket
