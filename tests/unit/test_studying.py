"""What a history teaches, line by line, is what reading it as a whole teaches."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from triagedesk.catalog import CatalogEntry, Label, ServiceCatalog, Sla, SlaUnit
from triagedesk.classify.corrections import text_key
from triagedesk.sources.reading import read_tickets
from triagedesk.studying import Example, Study, Unusable
from triagedesk.tickets import BrokenTicket, Ticket

LABELS = (Label("Hardware", "Broken laptop"), Label("Access", "VPN account"))
CATALOG = ServiceCatalog(
    entries=tuple(
        CatalogEntry(label=label, sla=Sla(value=8, unit=SlaUnit.HOURS)) for label in LABELS
    ),
    version="two",
)
ITEMS = st.lists(
    st.one_of(
        st.just(4),
        st.fixed_dictionaries(
            {
                "id": st.sampled_from(["1", "2", "3"]),
                "subject": st.sampled_from(["", "lid broke", "Lid  broke", "no tunnel"]),
                "request_category": st.sampled_from(["Hardware", "ACCESS"]),
                "request_type": st.sampled_from(["Broken laptop", "VPN account"]),
            }
        ),
    ),
    max_size=9,
)


def one_by_one(items: list[object]) -> list[Ticket | BrokenTicket]:
    found: list[Ticket | BrokenTicket] = []
    for position, item in enumerate(items):
        read = read_tickets([item], source="history")
        found += read.tickets
        found += [
            BrokenTicket(position=position, id=b.id, reason=b.reason, raw=b.raw)
            for b in read.broken
        ]
    return found


@settings(max_examples=150, deadline=None)
@given(items=ITEMS)
def test_lines_read_one_by_one_teach_what_all_together_teach(items: list[object]) -> None:
    whole = read_tickets(items, source="history")
    usable = [
        (ticket, entry.label)
        for ticket in whole.tickets
        if (entry := CATALOG.match(ticket.request_category, ticket.request_type)) and ticket.text
    ]
    with Study(one_by_one(items), CATALOG) as study:
        found = list(study)
    examples = [item for item in found if isinstance(item, Example)]
    assert [(e.text, e.label) for e in examples] == [(t.text, label) for t, label in usable]
    last = {text_key(ticket.text): label for ticket, label in usable}
    assert {e.text_key: e.label for e in examples if e.stands} == last
    assert sum(e.stands for e in examples) == len(last)
    broken = [item.problem for item in found if isinstance(item, Unusable) and item.broken]
    assert [(p.where, p.what) for p in broken] == [
        (f"number {b.position + 1}", b.reason) for b in whole.broken
    ]
    assert len(found) == len(examples) + len(whole.broken) + len(whole.tickets) - len(usable)
