"""A small catalog and tickets for the language model's tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from triagedesk.catalog import CatalogEntry, Label, ServiceCatalog, Sla, SlaUnit
from triagedesk.tickets import Ticket

LAPTOP = Label("Hardware", "Laptop problem")
PASSWORD = Label("Access", "Password reset")
VPN = Label("Network", "VPN and remote access")
OTHER = Label("Other", "Other request")


def catalog(*labels: Label, version: str = "v1") -> ServiceCatalog:
    """A catalog of these labels; without any, of the four above."""
    return ServiceCatalog(
        entries=tuple(
            CatalogEntry(label=label, sla=Sla(value=8, unit=SlaUnit.HOURS))
            for label in labels or (LAPTOP, PASSWORD, VPN, OTHER)
        ),
        version=version,
    )


def ticket(ticket_id: str, subject: str, body: str = "", **more: Any) -> Ticket:
    """A ticket from a test."""
    return Ticket(
        source="test", id=ticket_id, short_description=subject, long_description=body, **more
    )


def tickets() -> list[Ticket]:
    """Four tickets the scripted server sorts rightly."""
    return [
        ticket("1", "My laptop does not start", "The screen of the laptop stays black."),
        ticket("2", "Password reset please"),
        ticket("3", "VPN drops every hour", "Since Monday, from home."),
        ticket("4", "A request about something other"),
    ]


def hostile_tickets() -> list[Ticket]:
    """Tickets that try to steer the model."""
    path = Path(__file__).with_name("hostile_tickets.yaml")
    cases = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [ticket(f"hostile-{i}", case["subject"], case["body"]) for i, case in enumerate(cases)]
