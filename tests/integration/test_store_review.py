"""What people look at: tickets a model was unsure of, and what agents handed back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from support.postgres import PostgresServer
from support.web_desk import fill
from triagedesk.store import Store
from triagedesk.store.lists import DeskTicket
from triagedesk.tickets import ReleasedFor

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """One desk for all of these tests: filling one takes seconds."""
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path_factory.mktemp('desk') / 'desk.db'}"
        if request.param == "postgresql":
            server: PostgresServer = request.getfixturevalue("postgres_server")
            url = stack.enter_context(server.database())
        fill(url, open_tickets=30, days=1, per_day=6, roster=6, reports=0)
        store = Store.open(url)
        stack.callback(store.close)
        yield store


def test_tickets_to_review_come_with_what_they_hang_between(filled: Store) -> None:
    with filled.read() as transaction:
        found = transaction.to_review()
        items = {item.key: item for item in transaction.desk_tickets_of([f.key for f in found])}
    assert found
    assert [one.key for one in found] == sorted(items)
    for one in found:
        item = items[one.key]
        assert item.triaged
        answer = item.triaged.classification
        assert answer.needs_review
        assert (one.label, one.second) == (answer.label, answer.alternatives[0].label)
        assert one.runner_up == answer.alternatives[0].probability
        assert (one.subject, one.confidence) == (item.ticket.short_description, answer.confidence)
        assert one.priority == item.triaged.priority.priority


def test_an_agent_s_own_are_told_apart(filled: Store) -> None:
    with filled.read() as transaction:
        every = transaction.to_review()
        agents = [agent.id for agent in transaction.roster()]
        by_agent = {agent: transaction.to_review(agent) for agent in agents}
        items = transaction.desk_tickets_of([one.key for one in every])
        counts = {agent: transaction.count_to_review(agent) for agent in agents}
        assert transaction.count_to_review() == len(every)
    assert counts == {agent: len(found) for agent, found in by_agent.items()}
    for agent, found in by_agent.items():
        held = [item.key for item in items if holder(item) == agent]
        assert [one.key for one in found] == held


def holder(item: DeskTicket) -> str | None:
    given = item.triaged.assignment if item.triaged else None
    return given.agent_id if given else None


def test_what_was_handed_back_says_why_and_who_has_it_now(filled: Store) -> None:
    with filled.begin() as transaction:
        (work, *_rest) = [work for work in transaction.open_work() if work.agent_id]
        assert work.agent_id
        now = datetime.now(UTC)
        transaction.release([work.key], now, why=ReleasedFor.AWAY, by="dana", note="lunch")
    with filled.read() as transaction:
        (one,) = transaction.handed_back(work.agent_id, now - timedelta(minutes=1))
        assert transaction.handed_back(work.agent_id, now + timedelta(minutes=1)) == []
    assert (one.key, one.external_id, one.subject) == (work.key, work.external_id, work.title)
    assert (one.why, one.note, one.to_id, one.to_name) == (ReleasedFor.AWAY, "lunch", "", "")
    assert not one.is_resolved


def test_answers_of_a_person_are_counted(filled: Store) -> None:
    with filled.read() as transaction:
        assert transaction.answered_since(LONG_AGO, "Dana Lind") > 0
        assert transaction.answered_since(LONG_AGO, "nobody") == 0
        assert transaction.answered_since(datetime.now(UTC), "Dana Lind") == 0
