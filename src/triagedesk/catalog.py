"""The Service Catalog: request_category -> request_type -> SLA; parsed, matched, versioned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from triagedesk.priority import Level


class Label(NamedTuple):
    """A catalog entry's name: what a ticket is classified into."""

    request_category: str
    request_type: str

    def __str__(self) -> str:
        return f"{self.request_category} / {self.request_type}"


class SlaUnit(StrEnum):
    """What an SLA value counts; `days` are working days of the calendar it runs on."""

    HOURS = "hours"
    DAYS = "days"


@dataclass(frozen=True, kw_only=True)
class Sla:
    """A time target. 0 is legal and means "no deadline"."""

    value: int
    unit: SlaUnit


@dataclass(frozen=True, kw_only=True)
class CatalogEntry:
    """One request type of the Service Catalog."""

    label: Label
    #: Resolution target.
    sla: Sla
    #: Response target, where the desk promises one.
    response: Sla | None = None
    description: str = ""
    examples: tuple[str, ...] = ()
    #: Skills a ticket of this type needs, most important first; empty: read from the text.
    skills: tuple[str, ...] = ()
    #: Only agents of this group may take it; empty means anyone.
    assignment_group: str = ""
    #: Impact to assume when the ticket does not say.
    default_impact: Level | None = None
    #: Name of the business calendar its SLA runs on; empty means the desk's default.
    calendar: str = ""


@dataclass(frozen=True, kw_only=True)
class ServiceCatalog:
    """The whole catalog; `version` is a hash of what it says, whatever its layout."""

    entries: tuple[CatalogEntry, ...]
    version: str
    #: Where it came from, for messages.
    origin: str = ""

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], CatalogEntry]:
        return {
            (normalise(e.label.request_category), normalise(e.label.request_type)): e
            for e in self.entries
        }

    def match(self, request_category: str, request_type: str) -> CatalogEntry | None:
        """The entry of that name, any case and spacing; None when there is no such pair."""
        return self._by_name.get((normalise(request_category), normalise(request_type)))

    def candidates(self, request_category: str, request_type: str) -> Sequence[CatalogEntry]:
        """The entries a ticket may still become, given what it arrived with ("": not filled)."""
        category, kind = normalise(request_category), normalise(request_type)
        return [
            entry
            for (entry_category, entry_type), entry in self._by_name.items()
            if category in ("", entry_category) and kind in ("", entry_type)
        ]


def normalise(name: str) -> str:
    """A name as it is compared: case folded, white space collapsed."""
    return " ".join(name.split()).casefold()
