"""The report's order is one on every database: by code point, case-folded, whatever the text."""

from __future__ import annotations

from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.records import NOW, SOURCE, a_decision, a_ticket
from triagedesk.catalog import Label
from triagedesk.cleaning import clean_text
from triagedesk.report import row_of, sort_key
from triagedesk.store import Store

_numbers = count(1)
# Few and awkward ones: capitals, accents, digits, separators, ligatures, sharp s, dotted I, beyond
# the basic plane, private use, spaces; and anything else.
_awkward = st.text(
    alphabet="aAbBzZäÄéßẞİıσςΣﬁ0129 -_.~\t\n\u00a0\uffef\U0001f642\U00010400", max_size=4
)
# Sources clean all text, so this is what can arrive.
_texts = (_awkward | st.text(max_size=5)).map(clean_text)
_tickets = st.lists(st.tuples(_texts, _texts, _texts, _texts), max_size=9)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=_tickets)
def test_triaged_tickets_come_in_the_reports_order(
    store: Store, texts: list[tuple[str, str, str, str]]
) -> None:
    number = next(_numbers)
    run_id = f"run-{number}"
    named = {(category, kind, short, id_) for category, kind, short, id_ in texts}
    labels = {
        f"{id_}{position}-{number}": (Label(category, kind), short)
        for position, (category, kind, short, id_) in enumerate(sorted(named))
    }
    tickets = [a_ticket(id_, short) for id_, (_label, short) in labels.items()]
    with store.begin() as transaction:
        transaction.start_run(run_id, NOW)
        transaction.receive(run_id, SOURCE, tickets, (), NOW)
        waiting = transaction.undecided(run_id)
        transaction.decide(run_id, [a_decision(r, labels[r.ticket.id][0]) for r in waiting])
    with store.read() as transaction:
        rows = [row_of(triaged) for triaged in transaction.triaged(run_id)]
    assert len(rows) == len(named)
    assert rows == sorted(rows, key=sort_key)


def test_an_id_decides_between_equals_as_it_is_written(store: Store) -> None:
    with store.begin() as transaction:
        transaction.start_run("run-1", NOW)
        ids = ["b", "a", "B", "A", "10", "9"]
        transaction.receive("run-1", SOURCE, [a_ticket(id_, "Same") for id_ in ids], (), NOW)
        transaction.decide("run-1", [a_decision(r) for r in transaction.undecided("run-1")])
        found = [triaged.ticket.id for triaged in transaction.triaged("run-1")]
    assert found == ["10", "9", "A", "B", "a", "b"]
