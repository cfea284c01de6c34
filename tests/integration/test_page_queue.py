"""The queue and tickets over HTTP: filters, pages, what changed, hostile text, caching."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from support.page_desk import PageDesk, RememberingClassifier, post, some_tickets
from support.records import (
    NOW,
    a_decision,
    a_ticket,
    an_agent,
    decide,
    give,
    on_duty,
    receive,
)
from support.records import SOURCE as SOURCE_OF_RECORDS
from triagedesk.catalog import Label
from triagedesk.classify.corrections import Correction
from triagedesk.classify.occlusion import Deciding, Explanation, Neighbour
from triagedesk.intake import SOURCE
from triagedesk.priority import Priority
from triagedesk.store import Store
from triagedesk.store.changes import KEPT, MOST_NAMED
from triagedesk.store.queue import QueueFilter
from triagedesk.tickets import Alternative, Status, Ticket

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}</td></table>'
LATER = NOW + timedelta(days=1)
_ROW = re.compile(r'<tr id="t(\d+)" data-order="([^"]+)"')


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageDesk]:
    hostile = Ticket(
        source=SOURCE,
        id="EVIL <b>&\"'",
        short_description=HOSTILE,
        long_description=f"{HOSTILE}\n=cmd()\u202e",
        requester_email='"><x@example.com',
    )
    plain = some_tickets(130, NOW)
    with PageDesk.running(tmp_path_factory.mktemp("page"), tickets=(*plain, hostile)) as running:
        running.add_person("lea", "lead")
        yield running


def rows(text: str) -> list[tuple[int, str]]:
    return [(int(key), order) for key, order in _ROW.findall(text)]


def test_pages_show_every_open_ticket_once_the_most_urgent_first(page: PageDesk) -> None:
    client, path, seen = page.signed_in("lea"), "/queue", list[tuple[int, str]]()
    for _ in range(5):
        text = client.get(path).text
        seen += rows(text)
        following = re.search(r'href="([^"]+)" rel="next"', text)
        if not following:
            break
        path = following[1].replace("&amp;", "&")
    assert len(seen) == len({key for key, _ in seen}) == 131
    assert [order for _, order in seen] == sorted(order for _, order in seen)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("q=INC1005", 1),
        ("q=monitor+%2896%29", 0),
        ("q=MONITOR+%288%29", 1),
        ("q=person7%40example.com", 4),
        ("q=100%25_", 0),
        ("status=on_hold", 4),
        ("status=resolved", 0),
        ("source=api&category=nonsense", 0),
        ("sla=breached&p=4", 0),
    ],
)
def test_filters_and_search_find_what_they_say(page: PageDesk, query: str, count: int) -> None:
    assert len(rows(page.signed_in("lea").get(f"/queue?{query}").text)) == count


def test_a_tickets_text_is_text_wherever_it_is_shown(page: PageDesk) -> None:
    client = page.signed_in("lea")
    key = page.key_of("EVIL <b>&\"'")
    paths = ["/queue?q=EVIL", "/changes?q=EVIL&since=0"]
    paths += [f"/tickets/{key}{part}" for part in ("", "/correct", "/reassign", "/taught", "/why")]
    for path in paths:
        text = client.get(path).text
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path
        assert "49" not in text.partition("&lt;img")[2][:60], path
    assert "&lt;script&gt;alert(1)" in client.get(f"/tickets/{key}").text
    # What somebody searches for is shown again, as text.
    assert "<script>x" not in client.get("/queue?q=%22%3E%3Cscript%3Ex").text


def test_why_names_what_decided_and_what_was_answered_before(
    page: PageDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, item = page.signed_in("lea"), page.ticket("INC1005")
    address, label = f"/tickets/{item.key}/why", item.triaged.classification.label
    assert f'href="{address}"' in client.get(f"/tickets/{item.key}").text
    assert "has nothing to say" in client.get(address).text
    answered = Correction(text=f"{HOSTILE} before\nand more", label=label, made_by="kim")
    said = Explanation(
        probability=0.9,
        phrases=(Deciding(phrase=HOSTILE, loss=1.2), Deciding(phrase="the screen", loss=0.6)),
        nearest=(Neighbour(correction=answered, likeness=0.83),),
        alternatives=(Alternative(label=Label("Hardware", "Something else"), probability=0.08),),
    )
    asked = []

    def explain(_self: object, ticket: Ticket, _catalog: object, about: Label) -> Explanation:
        asked.append((ticket.id, about))
        return said

    monkeypatch.setattr(RememberingClassifier, "explain", explain)
    text = client.get(address).text
    assert asked == [("INC1005", label)]
    assert "<script>alert" not in text
    for shown in ("the screen", "83%", "kim", "Something else", "8%", 'value="0.6"'):
        assert shown in text
    assert "and more" not in text
    assert client.get("/tickets/999999/why").status_code == 404


def test_only_what_changed_is_sent(page: PageDesk) -> None:
    client = page.signed_in("lea")
    text = client.get("/queue").text
    rev = re.search(r'data-rev="(\d+)"', text)
    assert rev
    quiet = client.get(f"/changes?since={rev[1]}")
    assert (quiet.status_code, quiet.content) == (204, b"")
    key, other = rows(text)[0][0], rows(text)[1][0]
    post(client, f"/tickets/{key}/hold")
    changed = client.get(f"/changes?since={rev[1]}")
    assert changed.status_code == 200
    assert [found for found, _ in rows(changed.text)] == [key]
    # It left a queue of what waits, and is of no concern to another ticket's page.
    waiting = client.get(f"/changes?status=waiting&since={rev[1]}")
    assert f'<tr id="t{key}" data-gone>' in waiting.text
    assert client.get(f"/tickets/{other}/changes?since={rev[1]}").status_code == 204
    assert client.get(f"/tickets/{key}/changes?since={rev[1]}").status_code == 200
    again = client.get(f"/changes?since={changed.headers['x-rev']}")
    assert again.status_code == 204
    post(client, f"/tickets/{key}/unhold")


@pytest.mark.parametrize("since", ["", "-1", "x", "9" * 30, "1.5"])
def test_a_number_that_makes_no_sense_is_answered_with_everything(
    page: PageDesk, since: str
) -> None:
    assert page.signed_in("lea").get(f"/changes?since={since}").status_code in (200, 205)


def test_static_files_are_kept_for_ever_and_compressed(page: PageDesk) -> None:
    client = page.signed_in("lea")
    place = re.search(r'href="(/static/desk\.[0-9a-f]{10}\.css)"', client.get("/queue").text)
    assert place
    answer = client.get(place[1])
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    known = client.get(place[1], headers={"If-None-Match": answer.headers["etag"]})
    assert known.status_code == 304
    assert client.get("/static/..%2f__init__.py").status_code == 404
    assert client.get("/static/desk.css").status_code == 404


def test_the_page_leaves_the_api_alone(page: PageDesk) -> None:
    client = page.client()
    missing = client.get("/v1/nothing", headers={"Accept": "text/html"})
    assert missing.headers["content-type"] == "application/problem+json"
    assert client.post("/nothing").headers["content-type"] == "application/problem+json"
    assert client.get("/docs").status_code == 200
    wrong = page.signed_in("lea").get("/nothing", headers={"Accept": "text/html"})
    assert wrong.status_code == 404
    assert "There is nothing at this address." in wrong.text


def test_a_deed_that_does_not_fit_is_said_in_words(page: PageDesk) -> None:
    client = page.signed_in("lea")
    key = page.key_of("INC1004")
    wrong = post(client, f"/tickets/{key}/correct", label="No\tSuch")
    assert wrong.status_code == 422
    assert "not in the Service Catalog" in wrong.text
    stale = post(client, f"/tickets/{key}/confirm", label="Another\tAnswer")
    assert stale.status_code == 409
    assert post(client, "/tickets/999999/hold").status_code == 404
    client.headers["Accept-Language"] = "de"
    nobody = post(client, f"/tickets/{key}/reassign", to="nobody at all")
    assert nobody.status_code == 404
    assert "Im Team gibt es" in nobody.text


def test_an_answer_counts_for_the_ticket_that_was_seen(page: PageDesk) -> None:
    client = page.signed_in("lea")
    key = page.key_of("INC1002")
    label = page.ticket("INC1002").triaged.classification.label
    done = post(client, f"/tickets/{key}/confirm", label="\t".join(label))
    assert done.status_code == 303
    answer = page.ticket("INC1002").triaged.classification
    assert (answer.decided_by, answer.label, answer.model) == ("human", label, "lea")
    assert page.ticket("INC1002").status is Status.OPEN


# Queries of the queue and the journal of changes, on both databases


def queued(store: Store, **wanted: Any) -> list[str]:
    with store.read() as transaction:
        return [item.ticket.id for _, item in transaction.queue(QueueFilter(**wanted), LATER)]


def test_the_queue_goes_by_priority_then_by_what_is_left_then_by_age(store: Store) -> None:
    on_duty(store, an_agent("ann"))
    receive(
        store, [a_ticket(f"T-{n}", f"Printer {n}%", requester_email="A@x.io") for n in range(6)]
    )
    due = [NOW + timedelta(hours=n) for n in range(6)]
    with store.begin() as transaction:
        waiting = {item.ticket.id: item for item in transaction.undecided("run-1")}
        urgent = replace(a_decision(waiting["T-3"]).priority, priority=Priority.P1)
        transaction.decide(
            "run-1",
            [
                a_decision(waiting["T-0"], resolution_due_at=due[5]),
                a_decision(waiting["T-1"], resolution_due_at=due[2], needs_review=True),
                a_decision(waiting["T-2"], resolution_due_at=None),
                a_decision(waiting["T-3"], priority=urgent, resolution_due_at=due[5]),
                a_decision(waiting["T-4"], resolution_due_at=due[2]),
            ],
        )
    give(store, {waiting["T-4"].key: "ann"})
    order = ["T-3", "T-1", "T-4", "T-0", "T-2", "T-5"]
    assert queued(store) == order
    # A page goes on where the one before ended.
    with store.read() as transaction:
        first = transaction.queue(QueueFilter(), LATER, most=2)
        rest = transaction.queue(QueueFilter(), LATER, after=first[-1][0])
        assert [item.ticket.id for _, item in [*first, *rest]] == order
        counts = transaction.queue_counts(LATER)
        assert transaction.queue_sources() == [SOURCE_OF_RECORDS]
        urgent_key = first[0][0].key
        following = transaction.next_in_queue(QueueFilter(), LATER, than=urgent_key)
        assert following == waiting["T-1"].key
    assert (counts.open, counts.by_priority) == (6, {1: 1, 3: 4, 9: 1})
    assert (counts.unassigned, counts.needs_review) == (5, 1)
    assert queued(store, agent="ann") == ["T-4"]
    assert queued(store, agent="") == [id_ for id_ in order if id_ != "T-4"]
    assert queued(store, needs_review=True) == ["T-1"]
    assert queued(store, priority=1) == ["T-3"]
    assert queued(store, words="printer 3% a@X") == ["T-3"]
    assert queued(store, words="printer _") == []
    assert queued(store, request_category="Access", source=SOURCE_OF_RECORDS) == order[:-1]


# The journal


def test_the_journal_names_what_changed_in_the_order_of_commits(store: Store) -> None:
    receive(store, [a_ticket("T-1"), a_ticket("T-2")])
    with store.read() as transaction:
        before = transaction.newest_change()
    keys = decide(store)
    with store.read() as transaction:
        assert transaction.newest_change() == before + 1
        assert transaction.changed_since(before) == frozenset(keys.values())
        assert transaction.changed_since(before + 1) == frozenset()


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_transaction_that_ends_late_is_not_missed(store: Store) -> None:
    receive(store, [a_ticket("T-1"), a_ticket("T-2")])
    slow, quick = decide(store).values()
    with store.read() as transaction:
        before = transaction.newest_change()
    with store.begin() as transaction:
        transaction.release([slow], NOW)
        with store.begin() as other:
            other.release([quick], NOW)
        with store.read() as reader:
            seen = reader.newest_change()
            assert reader.changed_since(before) == frozenset({quick})
    with store.read() as transaction:
        assert transaction.changed_since(seen) == frozenset({slow})


def test_what_is_rolled_back_is_not_in_the_journal(store: Store) -> None:
    receive(store, [a_ticket()])
    keys = decide(store)
    with store.read() as transaction:
        before = transaction.newest_change()

    def cut_off() -> None:
        with store.begin() as transaction:
            transaction.release(list(keys.values()), NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cut_off()
    with store.begin():
        pass
    with store.read() as transaction:
        assert transaction.newest_change() == before


def test_too_many_changes_and_too_old_ones_are_not_named(store: Store) -> None:
    receive(store, [a_ticket(f"T-{number}") for number in range(MOST_NAMED + 1)])
    decide(store)
    with store.read() as transaction:
        assert transaction.changed_since(0) is None
        newest = transaction.newest_change()
        assert transaction.changed_since(newest) == frozenset()
        # A number of another database.
        assert transaction.changed_since(newest + 1) is None
    for _ in range(MOST_NAMED + 1):
        with store.begin() as transaction:
            transaction.retire("nobody", NOW)
    with store.read() as transaction:
        assert transaction.changed_since(newest) is None
        assert transaction.changed_since(transaction.newest_change() - 2) == frozenset()
    assert KEPT > MOST_NAMED


def test_an_empty_desk_says_that_nothing_is_open(tmp_path: Path) -> None:
    with PageDesk.running(tmp_path) as desk:
        text = desk.client().get("/queue").text
        assert "Nothing is open" in text
        assert len(set(re.findall(r"/static/desk\.([0-9a-f]+)\.(?:css|js)", text))) == 2
