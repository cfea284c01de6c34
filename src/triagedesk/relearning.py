"""What a lesson would change among the open tickets that are like it, and changing it.

Only tickets that no person has answered, and only to what the local model is sure of now.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from triagedesk import pipeline, watch
from triagedesk.catalog import Label, ServiceCatalog
from triagedesk.classify import Classifier
from triagedesk.classify.cascade import Cascade
from triagedesk.desk import Desk
from triagedesk.store.lists import DeskTicket
from triagedesk.store.queue import QueueFilter
from triagedesk.tickets import Classification, DecidedBy, ReceivedTicket

#: Open tickets that are compared by their words, and of those how many are asked about.
MOST_COMPARED, MOST_ASKED = 1_000, 48
#: Share of words two subjects have in common from which they are alike.
ALIKE = 0.2
_BY_PEOPLE = (DecidedBy.HUMAN, DecidedBy.SOURCE)
_WORD = re.compile(r"[^\W_]{3,}")
#: Characters of a text whose words are compared.
_READ = 600


@dataclass(frozen=True, kw_only=True)
class Change:
    """An open ticket that would be something else by what has been learned."""

    item: DeskTicket
    #: None: nothing fitted until now.
    before: Label | None
    after: Classification


def would_change(desk: Desk, like: DeskTicket, catalog: ServiceCatalog) -> list[Change]:
    """The open tickets like this one that would be classified anew, the likest first."""
    alike = _alike(desk, like)
    found = []
    answers = _classifier(desk).classify([item.ticket for item in alike], catalog).answers
    for item in alike:
        after = answers.get(item.ticket.id)
        before = item.triaged.classification.label if item.triaged else None
        if after and after.label and not after.needs_review and after.label != before:
            found.append(Change(item=item, before=before, after=after))
    return found


def apply(
    desk: Desk, like: DeskTicket, keys: Collection[int], catalog: ServiceCatalog, *, by: str
) -> int:
    """Decide those of `would_change` anew that are named by key; returns how many they were."""
    wanted = [change for change in would_change(desk, like, catalog) if change.item.key in keys]
    if not wanted:
        return 0
    lesson, now = desk.new_id(), desk.now()
    decided = [
        pipeline.decide(
            desk,
            ReceivedTicket(
                key=change.item.key,
                ticket=change.item.ticket,
                received_at=change.item.received_at,
            ),
            change.after,
            catalog,
        )
        for change in wanted
    ]
    with desk.store.begin() as transaction:
        transaction.record_lesson(lesson, now)
        transaction.decide(lesson, decided)
        details = {"like": like.ticket.id, "tickets": len(decided)}
        transaction.audit("lesson applied", lesson, actor=by, at=now, details=details)
    watch.follow(desk, catalog)
    return len(decided)


def _alike(desk: Desk, like: DeskTicket) -> Sequence[DeskTicket]:
    """Open tickets of the same words, each id once; a classifier tells tickets apart by id."""
    with desk.store.read() as transaction:
        near = transaction.queue(QueueFilter(), desk.now(), most=MOST_COMPARED)
    words = _words(like)
    ranked = []
    for _place, item in near:
        answer = item.triaged.classification if item.triaged else None
        if item.key == like.key or answer is None or answer.decided_by in _BY_PEOPLE:
            continue
        shared = _shared(words, _words(item))
        if shared >= ALIKE:
            ranked.append((-shared, item.key, item))
    ids: dict[str, DeskTicket] = {}
    for _share, _key, item in sorted(ranked, key=lambda entry: entry[:2]):
        ids.setdefault(item.ticket.id, item)
    return list(ids.values())[:MOST_ASKED]


def _words(item: DeskTicket) -> frozenset[str]:
    return frozenset(_WORD.findall(item.ticket.text[:_READ].casefold()))


def _shared(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one and other else 0.0


def _classifier(desk: Desk) -> Classifier:
    """What answers without a price."""
    classifier = desk.classifier()
    return classifier.local if isinstance(classifier, Cascade) else classifier
