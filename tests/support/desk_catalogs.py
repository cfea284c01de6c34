"""Small catalogs and tickets for the tests of the local classifier."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from triagedesk.catalog import CatalogEntry, Label, ServiceCatalog, Sla, SlaUnit
from triagedesk.classify.weights import BUNDLED, FILE_NAME, PACKED_VERSION, packed_version
from triagedesk.tickets import Ticket

#: For tests of understanding: they need the weights that `make install` packs.
needs_weights = pytest.mark.skipif(
    packed_version(BUNDLED / FILE_NAME) != PACKED_VERSION,
    reason="the local model's weights are not installed (make install)",
)

NAMES = (
    ("Access", "Password Reset"),
    ("Access", "MFA Reset"),
    ("Hardware", "Laptop Repair"),
    ("Hardware", "Printer Problem"),
    ("Hardware", "Other Hardware Request"),
    ("Network", "VPN Connection Issue"),
    ("Network", "Wi-Fi Issue"),
    ("Security", "Report Phishing Email"),
    ("People", "New Employee Setup"),
    ("Other", "General Inquiry"),
)


def entry(category: str, kind: str, **more: str | tuple[str, ...]) -> CatalogEntry:
    """A catalog entry with any SLA."""
    sla = Sla(value=8, unit=SlaUnit.HOURS)
    return CatalogEntry(label=Label(category, kind), sla=sla, **more)  # type: ignore[arg-type]  # (texts only)


def catalog(names: Sequence[tuple[str, str]] = NAMES) -> ServiceCatalog:
    """A catalog of those names."""
    entries = tuple(entry(*name) for name in names)
    return ServiceCatalog(entries=entries, version=repr(list(names)))


def ticket(text: str, number: int | str = 1, **more: str) -> Ticket:
    """A ticket whose first line is its subject."""
    short, _, long = text.partition("\n")
    return Ticket(
        source="test",
        id=str(number),
        short_description=short,
        long_description=long,
        **more,  # type: ignore[arg-type]  # (texts only)
    )
