"""What people do with a ticket from its page; each deed is one of `desk_work`, or a correction."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response
from starlette.routing import BaseRoute

from triagedesk import desk_work, learning, relearning, watch
from triagedesk.catalog import Label
from triagedesk.cleaning import clean_name
from triagedesk.errors import ConflictError, InputError
from triagedesk.store.lists import DeskTicket
from triagedesk.web.ticket import find
from triagedesk.web.visits import NotAllowed, Visit, action

Deed = Callable[..., object]


def _item(visit: Visit, key: int) -> DeskTicket:
    """The ticket, for whoever may work on it. Raises NotFoundError, NotAllowed."""
    with visit.store.read() as transaction:
        item = find(transaction, key)
    if not visit.may_work_on(item):
        raise NotAllowed(visit.t("error.not_yours"))
    return item


def _done(visit: Visit, key: int, did: str) -> Response:
    return visit.go(f"/tickets/{key}", did=did)


def _status(deed: Deed, did: str) -> Callable[..., Response]:
    """A deed that needs nothing but the ticket."""

    def handler(visit: Visit, key: int) -> Response:
        item = _item(visit, key)
        deed(visit.desk, item.ticket.id, by=visit.actor, source=item.ticket.source)
        return _done(visit, key, did)

    return handler


def begin(visit: Visit, key: int) -> Response:
    """An agent begins the work on a ticket they have."""
    item = _item(visit, key)
    agent_id = desk_work.holder_of(item) or visit.person.agent_id
    source = item.ticket.source
    desk_work.accept(visit.desk, item.ticket.id, agent_id, by=visit.actor, source=source)
    return _done(visit, key, "begun")


def give_up(visit: Visit, key: int) -> Response:
    """An agent refuses a ticket, or hands it back once they have begun."""
    item = _item(visit, key)
    holding = item.triaged.holding if item.triaged else None
    begun = bool(holding and holding.accepted_at)
    deed = desk_work.hand_back if begun else desk_work.decline
    deed(
        visit.desk,
        item.ticket.id,
        desk_work.holder_of(item) or "",
        visit.form.get("reason", ""),
        by=visit.actor,
        source=item.ticket.source,
    )
    return _done(visit, key, "given_up")


def reassign(visit: Visit, key: int) -> Response:
    """A lead gives a ticket to an agent of their own choice."""
    item = _item(visit, key)
    desk_work.reassign(
        visit.desk,
        item.ticket.id,
        clean_name(visit.form.get("to", "")),
        by=visit.actor,
        reason=visit.form.get("reason", ""),
        anyway=visit.form.get("anyway") == "1",
        source=item.ticket.source,
    )
    return _done(visit, key, "reassigned")


def confirm(visit: Visit, key: int) -> Response:
    """A person says that the suggestion is right: it counts as an answer, and is learned from."""
    item = _item(visit, key)
    label = item.triaged.classification.label if item.triaged else None
    if label is None:
        raise ConflictError(visit.t("error.no_suggestion"))
    given = visit.form.get("label", "")
    if given and given != value_of(label):
        # It changed while they looked at it.
        raise ConflictError(visit.t("error.changed_meanwhile"))
    _correct(visit, item, label)
    return visit.go(f"/tickets/{key}", did="confirmed", lesson="1")


def correct(visit: Visit, key: int) -> Response:
    """A person says what a ticket really is."""
    item = _item(visit, key)
    category, _, kind = visit.form.get("label", "").partition("\t")
    label = Label(clean_name(category), clean_name(kind))
    if visit.catalog().match(*label) is None:
        raise InputError(visit.t("error.not_in_catalog"))
    _correct(visit, item, label)
    return visit.go(f"/tickets/{key}", did="corrected", lesson="1")


def _correct(visit: Visit, item: DeskTicket, label: Label) -> None:
    with visit.store.read() as transaction:
        newest = transaction.desk_tickets_called(item.ticket.id)[0]
    if newest.key != item.key:
        raise ConflictError(visit.t("error.newer_ticket"))
    learning.correct(visit.desk, item.ticket.id, label, by=visit.actor)
    # Another answer may mean another SLA: its clocks show it at once.
    watch.follow(visit.desk, visit.catalog())


def apply(visit: Visit, key: int) -> Response:
    """Change the open tickets that what was taught would change."""
    item = _item(visit, key)
    chosen = {
        int(name.removeprefix("t"))
        for name, value in visit.form.items()
        if value == "1" and name[:1] == "t" and name[1:].isdecimal() and len(name) < 18  # noqa: PLR2004 (digits of any store's number)
    }
    count = relearning.apply(visit.desk, item, chosen, visit.catalog(), by=visit.actor)
    return _done(visit, key, "applied" if count else "applied_none")


def value_of(label: Label) -> str:
    """A label as forms send it."""
    return f"{label.request_category}\t{label.request_type}"


_T = "/tickets/{key:int}"
ROUTES: list[BaseRoute] = [
    action(f"{_T}/resolve", _status(desk_work.resolve, "resolved")),
    action(f"{_T}/reopen", _status(desk_work.reopen, "reopened")),
    action(f"{_T}/hold", _status(desk_work.hold, "held")),
    action(f"{_T}/unhold", _status(desk_work.unhold, "unheld")),
    action(f"{_T}/begin", begin),
    action(f"{_T}/give-up", give_up),
    action(f"{_T}/reassign", reassign, role="lead"),
    action(f"{_T}/confirm", confirm),
    action(f"{_T}/correct", correct),
    action(f"{_T}/apply", apply, role="lead"),
]
