"""Review: what the models were unsure of, the most valuable first, one key each.

What an answer is worth is priority x uncertainty x how many others it teaches:

    value = urgency(P) * (1 - (p1 - p2)) * log2(1 + n)

`urgency` is 3, 2, 1.4, 1 for P1 to P4, as in the score of assignments; p1 and p2 are the
probabilities of the best and the second-best label (their margin says how unsure the model is);
n counts the tickets to review, itself among them, that have the same words in their subject or
hang between the same two labels. The logarithm is there because the tenth alike teaches less than
the second. Of tickets with the same words the first stands for the others: the k-th best of them
has its value divided by k. Ties go to the ticket that has waited longest.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from operator import itemgetter
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from triagedesk import learning, relearning
from triagedesk.catalog import Label
from triagedesk.cleaning import clean_name
from triagedesk.errors import ConflictError, InputError
from triagedesk.store.lists import DeskTicket
from triagedesk.store.review import Unsure
from triagedesk.web.changes import since
from triagedesk.web.ticket import find
from triagedesk.web.visits import NotAllowed, Visit, action, view

#: By priority; the same as `AssignPolicy.urgency`.
_URGENCY = {1: 3.0, 2: 2.0, 3: 1.4, 4: 1.0}
#: Tickets listed behind the one in hand, alternatives that have a digit, tickets one may skip.
_FOLLOWING, _DIGITS, _MOST_SKIPPED = 8, 5, 100
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A ticket to review, and why it stands where it stands."""

    ticket: Unsure
    #: 0-1: how unsure the model was.
    uncertainty: float
    #: Other tickets to review that are like it.
    alike: int


def rank(waiting: Sequence[Unsure]) -> list[Ranked]:
    """Tickets to review, the most valuable first."""
    words = [_words_of(one) for one in waiting]
    pairs = [_pair_of(one) for one in waiting]
    by_words, by_pair = Counter(filter(None, words)), Counter(filter(None, pairs))
    by_both = Counter(zip(words, pairs, strict=True))
    found: list[tuple[float, int, frozenset[str], Ranked]] = []
    for one, said, pair in zip(waiting, words, pairs, strict=True):
        # A ticket in both groups counts once.
        both = by_both[said, pair] if said and pair else 0
        alike = max(1, by_words[said] + by_pair[pair] - both)
        uncertainty = 1.0 - max(0.0, min(1.0, one.confidence - one.runner_up))
        value = _URGENCY.get(one.priority, 1.0) * uncertainty * math.log2(1 + alike)
        ranked = Ranked(ticket=one, uncertainty=uncertainty, alike=alike - 1)
        found.append((-value, one.key, said, ranked))
    return _spread(sorted(found, key=itemgetter(0, 1)))


def _spread(found: Sequence[tuple[float, int, frozenset[str], Ranked]]) -> list[Ranked]:
    """By value, each further ticket of the same words behind others: the first may teach it."""
    before, spread = Counter[frozenset[str]](), []
    for value, key, said, ranked in found:
        before[said] += 1
        spread.append((value / before[said] if said else value, key, ranked))
    return [ranked for _value, _key, ranked in sorted(spread, key=itemgetter(0, 1))]


def _words_of(one: Unsure) -> frozenset[str]:
    return frozenset(_WORD.findall(one.subject[:300].casefold()))


def _pair_of(one: Unsure) -> frozenset[Label]:
    """The two labels a model hangs between; empty where it saw less than two."""
    return frozenset((one.label, one.second)) if one.label and one.second else frozenset()


def review(visit: Visit) -> Response:
    """The ticket whose answer is worth most, and what comes behind it."""
    skipped = _skipped(visit.query.get("skip", ""))
    last = _key_of(visit.query.get("last", ""))
    today = datetime.combine(visit.now.date(), time(), UTC)
    with visit.store.read() as transaction:
        rev = transaction.newest_change()
        every = rank(transaction.to_review(_whose(visit)))
        ranked = [one for one in every if one.ticket.key not in skipped]
        found = transaction.desk_tickets_of([ranked[0].ticket.key]) if ranked else []
        before = transaction.desk_tickets_of([last]) if last else []
        answered = transaction.answered_since(today, visit.actor)
    item = found[0] if found else None
    return visit.render(
        "review.html",
        item=item,
        first=ranked[0] if ranked else None,
        following=ranked[1 : 1 + _FOLLOWING],
        count=len(every),
        answered=answered,
        last=before[0] if before else None,
        skip=_dotted(skipped),
        skip_next=_dotted([*skipped, item.key]) if item else "",
        may=item is not None and visit.may_work_on(item),
        rev=rev,
        **_choices(visit, item),
    )


def _choices(visit: Visit, item: DeskTicket | None) -> dict[str, Any]:
    """What may be answered with one key: the suggestion, and the alternatives by digit."""
    answer = item.triaged.classification if item and item.triaged else None
    if answer is None:
        return {"suggestion": None, "others": ()}
    catalog = visit.catalog()
    # A ticket may have come with a name that the catalog does not know.
    known = answer.label is not None and catalog.match(*answer.label) is not None
    others = [other for other in answer.alternatives if catalog.match(*other.label)]
    return {"suggestion": answer.label if known else None, "others": others[:_DIGITS]}


def _whose(visit: Visit) -> str | None:
    """Agents review what they have; everybody else sees everything."""
    return visit.person.agent_id or None if visit.person.role == "agent" else None


def changes(visit: Visit) -> Response:
    """How many wait by now; or the whole view again, when the ticket in hand was changed."""
    seen, key = since(visit), _key_of(visit.query.get("key", ""))
    with visit.store.read() as transaction:
        rev = transaction.newest_change()
        if rev == seen:
            return visit.nothing_new(rev)
        changed = transaction.changed_since(seen)
        count = transaction.count_to_review(_whose(visit))
    if changed is None or key in changed or (not key and count):
        return Response(status_code=205, headers={"X-Rev": str(rev)})
    return visit.rows("review_count.html", rev, count=count)


def choose(visit: Visit, key: int) -> Response:
    """Any entry of the catalog, by typing."""
    with visit.store.read() as transaction:
        item = find(transaction, key)
    groups: dict[str, list[str]] = {}
    for entry in visit.catalog().entries:
        groups.setdefault(entry.label.request_category, []).append(entry.label.request_type)
    skip = _dotted(_skipped(visit.query.get("skip", "")))
    return visit.render("review_choose.html", item=item, groups=groups, skip=skip)


def answer(visit: Visit, key: int) -> Response:
    """Somebody says what a ticket is: it counts from now on, and is learned from."""
    item = _item(visit, key)
    skip = _dotted(_skipped(visit.form.get("skip", "")))
    category, _, kind = visit.form.get("label", "").partition("\t")
    label = Label(clean_name(category), clean_name(kind))
    if visit.catalog().match(*label) is None:
        raise InputError(visit.t("error.not_in_catalog"))
    before = item.triaged.classification if item.triaged else None
    if before is None or not before.needs_review:
        return visit.go("/review", did="review_gone", skip=skip)
    with visit.store.read() as transaction:
        newest = transaction.desk_tickets_called(item.ticket.id)[0]
    if newest.key != item.key:
        raise ConflictError(visit.t("error.newer_ticket"))
    learning.correct(visit.desk, item.ticket.id, label, by=visit.actor)
    did = "confirmed" if before.label == label else "corrected"
    return visit.go("/review", did=did, last=key, skip=skip)


def learned(visit: Visit, key: int) -> Response:
    """The open tickets that an answer would change."""
    with visit.store.read() as transaction:
        item = find(transaction, key)
    found = relearning.would_change(visit.desk, item, visit.catalog())
    skip = _dotted(_skipped(visit.query.get("skip", "")))
    return visit.render("review_learned.html", item=item, changes=found, skip=skip)


def apply(visit: Visit, key: int) -> Response:
    """Change those that were chosen."""
    item = _item(visit, key)
    names = (name.removeprefix("t") for name, value in visit.form.items() if value == "1")
    chosen = {number for name in names if (number := _key_of(name))}
    count = relearning.apply(visit.desk, item, chosen, visit.catalog(), by=visit.actor)
    skip = _dotted(_skipped(visit.form.get("skip", "")))
    return visit.go("/review", did="applied" if count else "applied_none", skip=skip)


def _item(visit: Visit, key: int) -> DeskTicket:
    with visit.store.read() as transaction:
        item = find(transaction, key)
    if not visit.may_work_on(item):
        raise NotAllowed(visit.t("error.not_yours"))
    return item


def _key_of(text: str) -> int:
    """A ticket's number; 0 for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else 0  # noqa: PLR2004 (digits of any store's number)


def _skipped(text: str) -> list[int]:
    """Tickets put aside, as the address holds them; only the latest count."""
    return [key for part in text.split(".") if (key := _key_of(part))][-_MOST_SKIPPED:]


def _dotted(keys: Sequence[int]) -> str:
    return ".".join(map(str, keys[-_MOST_SKIPPED:]))


ROUTES: list[BaseRoute] = [
    view("/review", review),
    view("/review/changes", changes),
    view("/review/{key:int}/choose", choose, role="agent"),
    view("/review/{key:int}/learned", learned, role="agent"),
    action("/review/{key:int}/answer", answer),
    action("/review/{key:int}/apply", apply, role="lead"),
]
