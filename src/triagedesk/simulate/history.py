"""An arrival history: from a file of tickets, or from what a desk has decided."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from triagedesk.agents import SkillNeed
from triagedesk.assign.records import WorkItem
from triagedesk.catalog import CatalogEntry, ServiceCatalog, Sla, SlaUnit
from triagedesk.cleaning import excerpt
from triagedesk.errors import Problem, TicketsError
from triagedesk.formats import Unreadable, column_name
from triagedesk.priority import Priority
from triagedesk.sla import SlaPolicy, due_at
from triagedesk.sources.files import items_with_places
from triagedesk.tickets import TriagedTicket
from triagedesk.timestamps import parse_timestamp
from triagedesk.words import priority_of, whole_number

#: Field -> the names it goes by, first come first served.
NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "ticket_id", "number"),
    "created": ("created_at", "created", "creation_timestamp", "opened_at"),
    "due": ("due_at", "due", "resolution_due_at"),
    "sla_hours": ("sla_hours",),
    "sla_value": ("sla_value",),
    "sla_unit": ("sla_unit",),
    "priority": ("priority",),
    "skills": ("skills", "skill", "required_skills"),
    "group": ("assignment_group", "group"),
    "category": ("request_category", "category"),
    "type": ("request_type", "type"),
    "minutes": ("handling_minutes", "minutes"),
}
MOST_MINUTES = 100_000
MOST_SKILLS = 12
LONGEST_NAME = 200


@dataclass(frozen=True, kw_only=True)
class History:
    """Tickets by the time they arrived, and rows that could not be used."""

    origin: str
    items: tuple[WorkItem, ...]
    #: Ticket id -> hours it takes someone of middling proficiency, where the history says so.
    hours: Mapping[str, float] = field(default_factory=dict)
    broken: tuple[Problem, ...] = ()


def read_history(
    text: str,
    *,
    origin: str,
    catalog: ServiceCatalog | None = None,
    sla_policy: SlaPolicy | None = None,
) -> History:
    """Tickets with `created_at` from CSV, JSON, JSON lines or YAML.

    What a row does not say itself (skills, SLA, group) comes from the catalog entry of its
    `request_category` and `request_type`. Raises TicketsError when the file cannot be read or no
    row can be used.
    """
    reader = _Reader(catalog, sla_policy or SlaPolicy())
    items: list[WorkItem] = []
    hours: dict[str, float] = {}
    broken: list[Problem] = []
    seen: set[str] = set()
    for where, value in items_with_places(text, origin, what="tickets"):
        try:
            item, minutes = reader.item(value, where)
        except ValueError as error:
            broken.append(Problem(where=where, what=str(error)))
            continue
        if item.ticket_id in seen:
            what = f"id {excerpt(item.ticket_id, limit=40)} is there already"
            broken.append(Problem(where=where, what=what))
            continue
        seen.add(item.ticket_id)
        items.append(item)
        if minutes is not None:
            hours[item.ticket_id] = minutes / 60
    if not items:
        raise TicketsError(
            f"No ticket from {origin} can be simulated.",
            problems=broken[:20] or [Problem(where=origin, what="there are none")],
            hint="each needs created_at; skills, sla_hours or due_at, priority are welcome",
        )
    return History(origin=origin, items=tuple(items), hours=hours, broken=tuple(broken))


def history_of(triaged: Sequence[TriagedTicket]) -> History:
    """What a desk has decided, as an arrival history; skills as its assignments had them."""
    return History(
        origin="this desk",
        items=tuple(
            WorkItem(
                ticket_id=str(one.key),
                title=one.ticket.short_description,
                priority=one.priority.priority,
                needs=one.assignment.needs if one.assignment else (),
                created_at=one.ticket.created_at or one.received_at,
                due_at=one.resolution_due_at,
                group=one.assignment.group if one.assignment else "",
            )
            for one in triaged
        ),
    )


class _Reader:
    """Reads rows; raises ValueError saying what is wrong with one."""

    def __init__(self, catalog: ServiceCatalog | None, sla_policy: SlaPolicy) -> None:
        self._catalog, self._sla_policy = catalog, sla_policy
        self._needs: dict[tuple[str, ...], tuple[SkillNeed, ...]] = {}

    def item(self, value: object, where: str) -> tuple[WorkItem, float | None]:
        """A ticket, and its minutes of handling where the row says so."""
        if isinstance(value, Unreadable):
            raise ValueError(value.reason)  # noqa: TRY004 - one kind of error for every row
        if not isinstance(value, dict):
            raise ValueError(f"not a ticket: {excerpt(value)}")  # noqa: TRY004 - as above
        cells = {column_name(str(name)): cell for name, cell in value.items()}
        created_text = _get(cells, "created")
        if created_text is None:
            raise ValueError("created_at is missing")
        created = parse_timestamp(created_text)
        entry = self._entry(cells)
        skills = _names(_get(cells, "skills")) or (entry.skills if entry else ())
        priority = _get(cells, "priority")
        group = str(_get(cells, "group") or (entry.assignment_group if entry else ""))
        item = WorkItem(
            ticket_id=str(_get(cells, "id") or where)[:LONGEST_NAME],
            title="",
            priority=Priority.P3 if priority is None else priority_of(priority),
            needs=self._needs_of(tuple(skills)),
            created_at=created,
            due_at=self._due(cells, created, entry),
            group=group[:LONGEST_NAME],
        )
        minutes = _get(cells, "minutes")
        return item, None if minutes is None else _number(minutes, "handling_minutes")

    def _entry(self, cells: Mapping[str, Any]) -> CatalogEntry | None:
        if self._catalog is None:
            return None
        category, kind = (str(_get(cells, name) or "") for name in ("category", "type"))
        return self._catalog.match(category, kind)

    def _due(
        self, cells: Mapping[str, Any], created: datetime, entry: CatalogEntry | None
    ) -> datetime | None:
        """Stated, or by the stated SLA on the entry's calendar, or by the entry's SLA."""
        stated = _get(cells, "due")
        if stated is not None:
            due = parse_timestamp(stated)
            if due < created:
                raise ValueError("it is due before it was created")
            return due
        calendar = self._sla_policy.calendar(entry)
        hours, value = _get(cells, "sla_hours"), _get(cells, "sla_value")
        if hours is not None:
            return due_at(created, timedelta(hours=_number(hours, "sla_hours")), calendar)
        if value is not None and whole_number(value):
            unit = SlaUnit.of(_get(cells, "sla_unit"))
            return due_at(created, Sla(value=whole_number(value), unit=unit), calendar)
        return due_at(created, entry.sla, calendar) if entry else None

    def _needs_of(self, skills: tuple[str, ...]) -> tuple[SkillNeed, ...]:
        """The first skill as primary, the others as secondary; shared by rows alike."""
        if skills not in self._needs:
            self._needs[skills] = tuple(
                SkillNeed(skill=skill, weight=0.5 if place else 1.0)
                for place, skill in enumerate(skills)
            )
        return self._needs[skills]


def _get(cells: Mapping[str, Any], field_: str) -> Any:
    """A cell under whichever name it has; None when it is blank."""
    for name in NAMES[field_]:
        value = cells.get(name)
        if value is not None and value != "":
            return value
    return None


def _names(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    parts = re.split(r"[;|,]", value) if isinstance(value, str) else value
    if not isinstance(parts, list):
        raise ValueError(f"skills are not a list: {excerpt(value)}")  # noqa: TRY004 - as above
    names = tuple(dict.fromkeys(str(part).strip() for part in parts if str(part).strip()))
    if len(names) > MOST_SKILLS or any(len(name) > LONGEST_NAME for name in names):
        raise ValueError(f"more than {MOST_SKILLS} skills, or too long a name")
    return names


def _number(value: Any, name: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number <= MOST_MINUTES:
        raise ValueError(f"{name} is not above 0: {excerpt(value)}")
    return number
