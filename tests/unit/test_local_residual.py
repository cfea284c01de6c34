"""Which catalog entries are the rest of something."""

from __future__ import annotations

import pytest

from support.desk_catalogs import entry
from triagedesk.classify.residual import residual


@pytest.mark.parametrize(
    ("category", "kind", "scope"),
    [
        ("Hardware Support", "Other Hardware Request", "hardware"),
        ("Software & Licensing", "Other Software Issue", "software licensing"),
        ("Security", "Other Security Concern", "security"),
        ("Other/Uncategorized", "General Inquiry/Undefined", ""),
        ("Misc", "Miscellaneous", ""),
        ("Netzwerk", "Sonstiges", "netzwerk"),
        ("Matériel", "Autre demande", "matériel"),
        ("Hardware", "General", "hardware"),
        ("Varios", "Otros", ""),
        ("Business software", "Software - other", "business software"),
        ("General", "Something else", ""),
    ],
)
def test_residual_entries_are_known_in_many_languages(category: str, kind: str, scope: str) -> None:
    found = residual(entry(category, kind))
    assert found is not None
    assert found.scope == scope


@pytest.mark.parametrize(
    ("category", "kind"),
    [
        ("Finance", "General Ledger"),
        ("Hardware", "Laptop Repair"),
        ("Other/Uncategorized", "Parking Permit"),
        ("Support", "Help with Excel"),
    ],
)
def test_specific_entries_are_not_residual(category: str, kind: str) -> None:
    assert residual(entry(category, kind)) is None
