"""Reading what a helpdesk or a file holds: items of any shape become tickets, or are set aside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from triagedesk.catalog import Sla, SlaUnit, sla_value_of
from triagedesk.cleaning import clean_name, clean_text, excerpt
from triagedesk.errors import TicketsError
from triagedesk.formats import Unreadable
from triagedesk.sources import Fetched
from triagedesk.tickets import BrokenTicket, Status, Ticket
from triagedesk.timestamps import parse_timestamp
from triagedesk.words import level_of, priority_of

#: The longest id, in characters.
MAX_ID = 200
#: The longest category, type or mail address, in characters.
MAX_NAME = 500
#: The longest number that may stand for a text, in digits.
_DIGITS = 40

#: What a ticket's fields may be called, the webhook's own names first.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "ticket_id"),
    "short_description": ("short_description", "subject", "title"),
    "long_description": ("long_description", "description", "body"),
    "requester_email": ("requester_email", "requester"),
    "request_category": ("request_category",),
    "request_type": ("request_type",),
    "status": ("status",),
    "priority": ("priority",),
    "impact": ("impact",),
    "urgency": ("urgency",),
    "created_at": ("created_at", "creation_timestamp"),
    "updated_at": ("updated_at", "last_updated", "modified_at"),
}
_LIST_KEYS = ("requests", "tickets")
_STATUSES: Mapping[Status, tuple[str, ...]] = {
    Status.OPEN: ("active", "assigned", "in progress", "new", "open", "reopened", "to do", "todo"),
    Status.ON_HOLD: (
        "awaiting customer",
        "hold",
        "on hold",
        "paused",
        "pending",
        "stalled",
        "suspended",
        "waiting",
        "waiting for customer",
        "waiting for requester",
        "waiting on customer",
    ),
    Status.RESOLVED: (
        "canceled",
        "cancelled",
        "closed",
        "completed",
        "done",
        "rejected",
        "resolved",
        "solved",
    ),
}
_Field = TypeVar("_Field")


class _Broken(ValueError):
    """This item is no ticket."""


def find_items(answer: object) -> list[Any]:
    """The list of tickets in an answer of any known shape. Raises TicketsError.

    Known: a list; `data` as a list; `data.requests`, `requests`, `data.tickets`, `tickets`; one
    ticket alone. A null in place of one of the four is an empty list.
    """
    body = answer
    if isinstance(body, dict) and isinstance(body.get("data"), dict | list):
        body = body["data"]
    for holder in (body, answer):
        if isinstance(holder, list):
            return holder
        for key in _LIST_KEYS:
            if isinstance(holder, dict) and key in holder:
                items = holder[key]
                if items is None or isinstance(items, list):
                    return items or []
    if isinstance(answer, dict) and all(
        any(name in answer for name in FIELDS[key]) for key in ("id", "short_description")
    ):
        return [answer]
    raise TicketsError(
        f"There is no list of tickets in it: {excerpt(answer)}",
        hint="expected data.requests, requests, tickets or a list",
    )


def read_tickets(items: Sequence[object], *, source: str) -> Fetched:
    """Tickets from the items of a list; what cannot be read is set aside with the reason.

    An id that comes twice: the same content counts once; otherwise the last one is kept and the
    others are set aside, since a later line in an export is the newer one.
    """
    return read_numbered(enumerate(items), source=source)


def read_numbered(items: Iterable[tuple[int, object]], *, source: str) -> Fetched:
    """The same from items with their positions in the list."""
    tickets: dict[str, tuple[int, object, Ticket]] = {}
    broken: list[BrokenTicket] = []
    warnings: list[str] = []
    for position, item in items:
        reader = _Reader(item=item, source=source)
        try:
            ticket = reader.ticket()
        except _Broken as error:
            broken.append(_set_aside(position, item, reader.id, str(error)))
            continue
        if ticket.id in tickets:
            where, earlier, before = tickets[ticket.id]
            if before == ticket:
                continue
            del tickets[ticket.id]
            reason = f"id {ticket.id} comes again at position {position} with other content"
            broken.append(_set_aside(where, earlier, ticket.id, reason))
        tickets[ticket.id] = (position, item, ticket)
        warnings.extend(reader.warnings)
    return Fetched(
        tickets=tuple(ticket for _, _, ticket in tickets.values()),
        broken=tuple(sorted(broken, key=lambda b: b.position)),
        warnings=tuple(warnings),
    )


def id_of(item: object) -> str:
    """The id of an item that may be a ticket; "" without a good one."""
    try:
        return _id(_raw(item, "id")) if isinstance(item, dict) else ""
    except _Broken:
        return ""


def _raw(item: Mapping[str, Any], key: str) -> Any:
    """The field under the first of its names that is there and not null."""
    for name in FIELDS[key]:
        value = item.get(name)
        if value is not None:
            return value
    return None


def _set_aside(position: int, item: object, id: str, reason: str) -> BrokenTicket:  # noqa: A002 - the record's word
    raw = item.raw if isinstance(item, Unreadable) else excerpt(item, limit=500)
    return BrokenTicket(position=position, id=id, reason=reason, raw=raw)


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Reads one item; optional fields that make no sense are left empty with a warning."""

    item: Any
    source: str
    id: str = ""
    warnings: list[str] = field(default_factory=list)

    def ticket(self) -> Ticket:
        """The ticket. Raises _Broken when it is none."""
        if isinstance(self.item, Unreadable):
            raise _Broken(self.item.reason)
        if not isinstance(self.item, dict):
            raise _Broken(f"not an object: {excerpt(self.item, limit=80)}")
        self.id = _id(self.raw("id"))
        sla = self.sla()
        subject, body = self.texts()
        return Ticket(
            source=self.source,
            id=self.id,
            short_description=subject,
            long_description=body,
            requester_email=self.get("requester_email", _name, ""),
            request_category=self.get("request_category", _name, ""),
            request_type=self.get("request_type", _name, ""),
            sla_value=sla.value if sla else 0,
            sla_unit=sla.unit if sla else None,
            status=self.get("status", _status, Status.OPEN),
            priority=self.get("priority", priority_of, None),
            impact=self.get("impact", level_of, None),
            urgency=self.get("urgency", level_of, None),
            created_at=self.get("created_at", _time, None),
            updated_at=self.get("updated_at", _time, None),
        )

    def raw(self, key: str) -> Any:
        """The field under the first of its names that is there and not null."""
        return _raw(self.item, key)

    def get(self, key: str, read: Callable[[Any], _Field], default: _Field) -> _Field:
        """An optional field; its default when it is not filled or makes no sense (warned)."""
        value = self.raw(key)
        if _unfilled(value):
            return default
        try:
            return read(value)
        except ValueError as error:
            self.warn(f"{key} {excerpt(value, limit=80)} is {error}")
            return default

    def warn(self, what: str) -> None:
        """Note a field that could not be used."""
        self.warnings.append(f"ticket {self.id}: {what}; left empty")

    def texts(self) -> tuple[str, str]:
        """Subject and body; one of them must be there as text, blank or not."""
        texts: dict[str, str] = {}
        for key in ("short_description", "long_description"):
            value = self.raw(key)
            value = _number_as_text(value)
            if isinstance(value, str):
                text = clean_text(value).strip()
                # A subject is one line; a body keeps its lines.
                texts[key] = " ".join(text.split("\n")) if key == "short_description" else text
            elif value is not None:
                self.warn(f"{key} {excerpt(value, limit=80)} is not text")
        if not texts:
            raise _Broken("neither short_description nor long_description is text")
        return texts.get("short_description", ""), texts.get("long_description", "")

    def sla(self) -> Sla | None:
        """The SLA it arrived with, `{unit, value}` or two columns; None when not filled."""
        given = self.item.get("sla")
        if isinstance(given, dict):
            value, unit = given.get("value"), given.get("unit")
        elif _unfilled(given):
            value, unit = self.item.get("sla_value"), self.item.get("sla_unit")
        else:
            self.warn(f"sla {excerpt(given, limit=80)} is not {{unit, value}}")
            return None
        try:
            number = 0 if _unfilled(value) else sla_value_of(value)
            return Sla(value=number, unit=SlaUnit.of(unit)) if number else None
        except ValueError as error:
            self.warn(f"sla {error}")
            return None


def _unfilled(value: object) -> bool:
    """Whether a field counts as not filled: null, blank or 0."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (value == 0 and not isinstance(value, bool))


def _number_as_text(value: object) -> object:
    """A number as text, since spreadsheets and YAML make numbers of `4711`; all else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return str(value) if abs(value) < 10**_DIGITS else value


def _id(value: object) -> str:
    if value is None or value == "":
        raise _Broken("no id")
    if not isinstance(value, float):
        value = _number_as_text(value)
    if not isinstance(value, str):
        raise _Broken(f"id {excerpt(value, limit=80)} is neither text nor a whole number")
    text = clean_name(value)
    if not text:
        raise _Broken("no id")
    if len(text) > MAX_ID:
        raise _Broken(f"id {excerpt(text, limit=40)} is longer than {MAX_ID} characters")
    return text


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not text")  # noqa: TRY004 - one kind of error for every wrong value
    text = clean_name(value[: MAX_NAME * 4])
    if len(text) > MAX_NAME:
        raise ValueError(f"longer than {MAX_NAME} characters")
    return text


def _status(value: object) -> Status:
    word = clean_name(value[:100]).casefold().replace("_", " ") if isinstance(value, str) else ""
    word = word.replace("-", " ")
    for status, words in _STATUSES.items():
        if word in words:
            return status
    raise ValueError("an unknown status")


def _time(value: object) -> datetime | None:
    try:
        return parse_timestamp(value)
    except ValueError:
        # Said anew: the original quotes the value, which the caller does too.
        raise ValueError("no time from 1970 on, in seconds or ISO 8601") from None
