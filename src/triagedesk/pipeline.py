"""READ FIRST: the way of a ticket, from top to bottom.

0 unsent reports first · 1 fetch · 2 catalog · 3 classify · 4 SLA · 5 prioritise · 6 assign ·
7 write back · 8 report and deliver; SLA clocks are watched before and settled after step 6.
Everything is handed in as a `Desk`; nothing here knows which helpdesk, model, database or mail
server it works with. Each step leaves its result in the store before the next begins, so a run
that is cut off anywhere is carried on by the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain

from triagedesk import placing
from triagedesk.catalog import CatalogEntry, Label, ServiceCatalog, Sla
from triagedesk.catalogs import catalog_of, load_catalog
from triagedesk.classify import Classifier, Usage
from triagedesk.classify.cascade import Progress as OnProgress
from triagedesk.classify.cascade import ReportsProgress
from triagedesk.clocks import start_clocks
from triagedesk.desk import Counted, Desk, RunSummary, WritableSource
from triagedesk.priority import PriorityDecision, PriorityPolicy, prioritise
from triagedesk.reporting import build_report, count_report, deliver
from triagedesk.sla import due_at
from triagedesk.sources import SourceInParts
from triagedesk.steps import Cancelled, Chunk, LeftToOthers, Plainly, Steps
from triagedesk.tickets import (
    BrokenTicket,
    Classification,
    DecidedBy,
    ReceivedTicket,
    Ticket,
    TriagedTicket,
)
from triagedesk.watch import assign_elsewhere, settle, watch

#: Tickets received together, and tickets decided and saved together.
PART, CHUNK = 1000, 200


def run(desk: Desk, steps: Steps | None = None) -> RunSummary:
    """Take every new ticket all the way; or, while a report is unsent, only send that."""
    steps = steps or Plainly()
    summary = steps.begin(desk)

    def do(name: str, step: Callable[[RunSummary], object]) -> None:
        steps.do(name, summary, step)

    do("send unsent reports", lambda mine: send_unsent(desk, mine))
    if summary.only_resent:
        return summary
    do("begin", lambda mine: _begin(desk, mine))
    try:
        do("fetch", lambda mine: fetch(desk, mine))
        do("catalog", lambda mine: _note_version(load_catalog(desk, mine), mine))
        catalog = catalog_of(desk, summary.catalog_version)
        steps.share(
            "classify",
            summary,
            lambda: chunks_of(desk, summary.run_id),
            lambda mine, chunk: triage_chunk(desk, mine, catalog, chunk),
        )
        do("watch", lambda mine: watch(desk, mine, catalog))
        do("assign", lambda mine: assign(desk, mine, catalog))
        do("settle", lambda mine: settle(desk, mine, catalog))
        do("write back", lambda mine: write_back(desk, mine))
        do("report", lambda mine: report(desk, mine))
    except LeftToOthers:
        raise
    except BaseException as error:
        _finish(desk, summary, "cancelled" if isinstance(error, Cancelled) else "failed")
        raise
    _finish(desk, summary, "done")
    return summary


def _begin(desk: Desk, summary: RunSummary) -> None:
    with desk.store.begin() as transaction:
        if not transaction.has_run(summary.run_id):
            transaction.start_run(summary.run_id, summary.started_at)


def _note_version(catalog: ServiceCatalog, summary: RunSummary) -> None:
    """What later steps know the catalog by, wherever they are carried out."""
    summary.catalog_version = catalog.version


# 0 unsent reports first


def send_unsent(desk: Desk, summary: RunSummary) -> bool:
    """Step 0: deliver what is unsent, oldest first; True when there was anything."""
    with desk.store.read() as transaction:
        unsent = transaction.unsent()
    if not unsent:
        return False
    summary.only_resent = True
    desk.progress.start("Sending unsent reports", len(unsent))
    for waiting in unsent:
        summary.reports.append(deliver(desk, waiting))
        desk.progress.advance(1)
    return True


# 1 fetch


def fetch(desk: Desk, summary: RunSummary) -> None:
    """Step 1: read new and changed tickets and keep them; set aside what cannot be read."""
    desk.progress.start("Fetching tickets", None)
    source = desk.source
    with desk.store.read() as transaction:
        cursor = transaction.cursor(source.name)
    parts = (
        source.fetch_in_parts(cursor)
        if isinstance(source, SourceInParts)
        else [source.fetch(cursor)]
    )
    now, broken = desk.now(), list[BrokenTicket]()
    for part in parts:
        for begin in range(0, len(part.tickets), PART):
            _receive(desk, summary, part.tickets[begin : begin + PART], now)
        cursor = part.cursor
        summary.fetched += len(part.tickets)
        summary.notes.extend(part.warnings)
        broken += part.broken
    summary.broken = tuple(sorted(broken, key=lambda item: item.position))
    # Cut off before this, the step is done again, and finds what it has received.
    with desk.store.begin() as transaction:
        transaction.set_aside(summary.run_id, source.name, summary.broken)
        transaction.move_cursor(source.name, cursor, now)
        transaction.take_up(summary.run_id)


def _receive(desk: Desk, summary: RunSummary, tickets: Sequence[Ticket], now: datetime) -> None:
    """Keep some of the tickets: nobody else who wants to write waits long."""
    with desk.store.begin() as transaction:
        received = transaction.receive(summary.run_id, desk.source.name, tickets, (), now)
    summary.new += received.new
    summary.changed += received.changed
    summary.unchanged += received.unchanged


# 2 catalog: see `catalogs`

# 3 classify, 4 SLA, 5 prioritise


def triage(desk: Desk, summary: RunSummary, catalog: ServiceCatalog) -> None:
    """Steps 3 to 5 for every undecided ticket, in chunks that are saved one by one."""
    for chunk in chunks_of(desk, summary.run_id):
        desk.check()
        triage_chunk(desk, summary, catalog, chunk)


def chunks_of(desk: Desk, run_id: str) -> list[Chunk]:
    """The run's undecided tickets in chunks."""
    with desk.store.read() as transaction:
        keys = transaction.undecided_keys(run_id)
    desk.progress.start("Classifying", len(keys))
    parts = (keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK))
    return [(part[0], part[-1], len(part)) for part in parts]


def triage_chunk(desk: Desk, summary: RunSummary, catalog: ServiceCatalog, chunk: Chunk) -> None:
    """Steps 3 to 5 for what is undecided in a chunk, saved together."""
    with desk.store.read() as transaction:
        waiting = transaction.undecided_between(summary.run_id, chunk[0], chunk[1])
    shown = Counted(desk.progress, chunk[2])
    classifications, usage = classify(
        desk.classifier(), [item.ticket for item in waiting], catalog, shown.up_to
    )
    decided = [
        decide(desk, item, classification, catalog)
        for item, classification in zip(waiting, classifications, strict=True)
    ]
    with desk.store.begin() as transaction:
        # A run takes up what it finds undecided, also what another process has just begun with.
        mine = transaction.still_undecided(decided)
        numbers = transaction.record_decisions(summary.run_id, mine)
        policy, now = desk.sla_policy, desk.now()
        start_clocks(transaction, mine, numbers, catalog=catalog, policy=policy, now=now)
        shown.finish(transaction)
    # Those that a process decided before it died in this step count too.
    summary.decided += chunk[2]
    summary.usage += usage
    shown.up_to(chunk[2])


def classify(
    classifier: Classifier,
    tickets: Sequence[Ticket],
    catalog: ServiceCatalog,
    on_progress: OnProgress | None = None,
) -> tuple[list[Classification], Usage]:
    """Step 3: what arrived filled stays; the classifier answers for the rest."""
    # Ids are unique per source only, and what an earlier run left may be of another source.
    tickets = [ticket.called(str(number)) for number, ticket in enumerate(tickets)]
    arrived = {ticket.id: _as_it_arrived(ticket, catalog) for ticket in tickets}
    asked = [ticket for ticket in tickets if arrived[ticket.id] is None]
    if on_progress and isinstance(classifier, ReportsProgress):
        result = classifier.classify_with_progress(asked, catalog, on_progress)
    else:
        result = classifier.classify(asked, catalog)
    nobody = Classification(
        label=None, confidence=0.0, decided_by=DecidedBy.LOCAL, needs_review=True
    )
    answers = []
    for ticket in tickets:
        reason = result.failures.get(ticket.id, "no classifier has an answer")
        answer = arrived[ticket.id] or result.answers.get(ticket.id)
        answers.append(_keep_filled(ticket, answer or replace(nobody, notes=(reason,))))
    return answers, result.usage


def _keep_filled(ticket: Ticket, answer: Classification) -> Classification:
    """A name that arrived filled stays as it was spelt."""
    if answer.label is None:
        return answer
    label = Label(
        ticket.request_category or answer.label.request_category,
        ticket.request_type or answer.label.request_type,
    )
    return answer if label == answer.label else replace(answer, label=label)


def _as_it_arrived(ticket: Ticket, catalog: ServiceCatalog) -> Classification | None:
    """The classification a ticket brought with it; None when there is something to fill."""
    category, kind = ticket.request_category, ticket.request_type
    if not category and not kind:
        return None
    entry = catalog.match(category, kind)
    if entry:
        return Classification(label=entry.label, confidence=1.0, decided_by=DecidedBy.SOURCE)
    if catalog.candidates(category, kind):
        return None
    arrived = " / ".join(name for name in (category, kind) if name)
    return Classification(
        label=Label(category, kind),
        confidence=1.0,
        decided_by=DecidedBy.SOURCE,
        needs_review=True,
        notes=(f"it arrived as {arrived}, which is not in the Service Catalog",),
    )


def decide(
    desk: Desk, received: ReceivedTicket, classification: Classification, catalog: ServiceCatalog
) -> TriagedTicket:
    """Steps 4 and 5 for one ticket: SLA and due dates, then priority."""
    ticket = received.ticket
    entry = catalog.match(*classification.label) if classification.label else None
    sla = sla_of(ticket, entry)
    start = (ticket.created_at or received.received_at).astimezone(UTC)
    calendar = desk.sla_policy.calendar(entry)
    priority = priority_of(ticket, desk.priority_policy, entry, classification)
    return TriagedTicket(
        key=received.key,
        ticket=ticket,
        received_at=received.received_at,
        classification=classification,
        catalog_version=catalog.version,
        policy_version=desk.policy_version,
        decided_at=desk.now(),
        sla=sla,
        response_due_at=due_at(start, entry.response, calendar)
        if entry and entry.response
        else None,
        resolution_due_at=due_at(start, sla, calendar) if sla else None,
        priority=priority,
    )


def priority_of(
    ticket: Ticket,
    policy: PriorityPolicy,
    entry: CatalogEntry | None = None,
    classification: Classification | None = None,
) -> PriorityDecision:
    """Step 5: the ticket's own fields, then the model's word, then its text, then the catalog."""
    return prioritise(
        text_subject=ticket.short_description,
        text_body=ticket.long_description,
        impact=ticket.impact,
        urgency=ticket.urgency,
        priority=ticket.priority,
        llm_impact=classification.impact if classification else None,
        llm_urgency=classification.urgency if classification else None,
        default_impact=entry.default_impact if entry else None,
        policy=policy,
    )


def sla_of(ticket: Ticket, entry: CatalogEntry | None) -> Sla | None:
    """Step 4: what arrived filled stays; all else comes from the catalog, never from a model."""
    if ticket.sla_value and ticket.sla_unit:
        return Sla(value=ticket.sla_value, unit=ticket.sla_unit)
    if entry and ticket.sla_value:
        return Sla(value=ticket.sla_value, unit=entry.sla.unit)
    return entry.sla if entry else None


# 6 assign


def assign(desk: Desk, summary: RunSummary, catalog: ServiceCatalog) -> None:
    """Step 6: give all waiting tickets to the agents at once, against their loads of now."""
    roster = desk.read_roster() if desk.read_roster else None
    # Alone: whoever reads the same roster at the same moment would add the same agents.
    with desk.store.begin_alone() as transaction:
        if roster is not None:
            transaction.save_roster(roster, desk.now())
        skills = sorted({name for agent in transaction.roster() for name in agent.skills})
        waiting = transaction.unassigned_keys(summary.run_id)
    desk.progress.start("Assigning", len(waiting))
    items, matters = placing.read_work(desk, waiting, skills, catalog)
    with desk.store.begin_alone() as transaction:
        now, still = desk.now(), transaction.unassigned_keys(summary.run_id)
        items = {key: items[key] for key in still if key in items}
        matters = [matter for matter in matters if matter.key in items]
        items = placing.with_past(desk, transaction, items, matters, now)
        taken_from = transaction.taken_from(list(items))
        moved = assign_elsewhere(desk, items, taken_from, transaction.roster(now))
        rest = [key for key in items if key not in moved.given]
        batch = placing.assign_now(desk, [items[key] for key in rest], moved.roster, now)
        given = chain(moved.given.items(), zip(rest, batch.assignments, strict=True))
        summary.assigned_now = placing.record_batch(
            desk, transaction, items, given, run_id=summary.run_id, now=now
        )
        placing.interrupt(desk, transaction, items.keys(), now)
    desk.progress.advance(len(waiting))
    summary.assign_method, summary.assign_gap = batch.method, batch.gap
    summary.skill_gaps = batch.skill_gaps


# 7 write back


def write_back(desk: Desk, summary: RunSummary) -> None:
    """Step 7: tell the helpdesk what was decided; what needs review waits for a person."""
    if desk.dry_run or not isinstance(desk.source, WritableSource):
        return
    with desk.store.read() as transaction:
        decided = transaction.to_write_back(summary.run_id)
    desk.progress.start("Writing back", len(decided))
    for start in range(0, len(decided), CHUNK):
        chunk = decided[start : start + CHUNK]
        errors = desk.source.write_back(chunk)
        with desk.store.begin() as transaction:
            transaction.written_back([item.key for item in chunk if item.key not in errors])
        summary.written_back += len(chunk) - len(errors)
        for item in chunk:
            if item.key in errors:
                note = f"ticket {item.ticket.id} was not written back: {errors[item.key]}"
                summary.notes.append(note)
        desk.progress.advance(len(chunk))


# 8 report and deliver


def report(desk: Desk, summary: RunSummary) -> None:
    """Step 8: build the report and put it into the outbox in one step; then deliver it."""
    now = desk.now()
    with desk.store.read() as transaction:
        stored = transaction.report(summary.run_id)
        empty = not (summary.broken or transaction.has_decided(summary.run_id))
    if desk.dry_run or empty or stored:
        summary.figures = count_report(desk, summary.run_id, now)
    if desk.dry_run or empty:
        return
    if stored is None:
        desk.progress.start("Writing the report", None)
        stored, content, summary.figures = build_report(desk, summary.run_id, now)
        with desk.store.begin() as transaction:
            transaction.add_report(stored, content)
            transaction.reported(summary.run_id)
    desk.progress.start("Sending the report", None)
    summary.reports.append(deliver(desk, stored))


def _finish(desk: Desk, summary: RunSummary, state: str) -> None:
    with desk.store.begin() as transaction:
        transaction.finish_run(summary.run_id, state, summary.as_json(), desk.now())
