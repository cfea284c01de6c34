"""The Service Catalog: request_category -> request_type -> SLA; matched and versioned.

`catalog_parser.parse_catalog` makes one from text.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import NamedTuple

from triagedesk.cleaning import excerpt
from triagedesk.priority import Level
from triagedesk.words import whole_number

#: The longest target, in hours or days; beyond it nobody means a deadline.
MAX_SLA_VALUE = 100_000


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

    @classmethod
    def of(cls, word: object) -> SlaUnit:
        """The unit a helpdesk or a catalog names, in any case; ValueError when unknown."""
        unit = _UNITS.get(word.strip().casefold()) if isinstance(word, str) else None
        if unit is None:
            raise ValueError(f"{excerpt(word)} is not hours or days")
        return unit


_UNITS: Mapping[str, SlaUnit] = {
    **dict.fromkeys(("hours", "hour", "h"), SlaUnit.HOURS),
    **dict.fromkeys(("days", "day", "d"), SlaUnit.DAYS),
}


@dataclass(frozen=True, kw_only=True)
class Sla:
    """A time target. 0 is legal and means "no deadline"."""

    value: int
    unit: SlaUnit


def sla_value_of(value: object) -> int:
    """An SLA's value, quoted or not; ValueError when it is no whole number from 0 on."""
    try:
        number = whole_number(value)
    except ValueError as error:
        raise ValueError(f"{excerpt(value)} is {error}") from None
    if number < 0:
        raise ValueError(f"{number} is negative")
    if number > MAX_SLA_VALUE:
        raise ValueError(f"{number} is more than {MAX_SLA_VALUE}")
    return number


class EscalationStep(StrEnum):
    """What a run does when an SLA is in danger."""

    RAISE_PRIORITY = "raise_priority"
    NOTIFY = "notify"
    REASSIGN = "reassign"


@dataclass(frozen=True, kw_only=True)
class EscalationRule:
    """What to do once when a target of a ticket of this type is in danger."""

    #: `at_risk`, `breached`, or a fraction of the target such as `0.5`.
    when: str
    steps: tuple[EscalationStep, ...]
    #: Mail addresses; some exactly when one of the steps is to notify.
    notify: tuple[str, ...] = ()
    #: `resolution`, `response` or `group`.
    target: str = "resolution"

    @property
    def fraction(self) -> float | None:
        """The fraction of the target; None for a rule that goes by state."""
        return None if self.when in ("at_risk", "breached") else float(self.when)


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
    #: What to do when a ticket of this type is late, or about to be.
    escalation: tuple[EscalationRule, ...] = ()
    #: Names it had before: what was corrected or arrives under them counts for this entry.
    formerly: tuple[Label, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ServiceCatalog:
    """The whole catalog; `version` is a hash of what it says, whatever its layout."""

    entries: tuple[CatalogEntry, ...]
    version: str
    #: Where it came from, for messages.
    origin: str = ""

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], CatalogEntry]:
        """Entries by their former names and, where both exist, by the name of today."""
        former = {_key(label): entry for entry in self.entries for label in entry.formerly}
        return former | dict(self._named)

    @cached_property
    def _named(self) -> tuple[tuple[tuple[str, str], CatalogEntry], ...]:
        return tuple((_key(entry.label), entry) for entry in self.entries)

    def match(self, request_category: str, request_type: str) -> CatalogEntry | None:
        """The entry of that name, now or formerly, any case and spacing; None without one."""
        return self._by_name.get((normalise(request_category), normalise(request_type)))

    def candidates(self, request_category: str, request_type: str) -> Sequence[CatalogEntry]:
        """The entries a ticket may still become, given what it arrived with ("": not filled)."""
        category, kind = normalise(request_category), normalise(request_type)
        return [
            entry
            for (entry_category, entry_type), entry in self._named
            if category in ("", entry_category) and kind in ("", entry_type)
        ]


def _key(label: Label) -> tuple[str, str]:
    return normalise(label.request_category), normalise(label.request_type)


def catalog_version(entries: Sequence[CatalogEntry]) -> str:
    """A hash of what entries say, whatever their order: 16 hexadecimal digits."""
    meaning = sorted(
        json.dumps(
            [
                entry.label,
                [entry.sla.value, entry.sla.unit],
                [entry.response.value, entry.response.unit] if entry.response else None,
                entry.description,
                entry.examples,
                entry.skills,
                entry.assignment_group,
                entry.default_impact,
                entry.calendar,
                *([asdict(rule) for rule in entry.escalation]),
                *([["formerly", *entry.formerly]] if entry.formerly else []),
            ]
        )
        for entry in entries
    )
    return hashlib.sha256("\n".join(meaning).encode()).hexdigest()[:16]


@lru_cache(maxsize=4096)
def normalise(name: str) -> str:
    """A name as it is compared: case folded, accents composed, white space collapsed."""
    return unicodedata.normalize("NFC", " ".join(name.split()).casefold())
