"""Options that several commands share, and reading the settings with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from triagedesk.settings import Settings

Tickets = Annotated[
    str,
    typer.Option(
        metavar="URL|FILE|-", help="Tickets instead of HELPDESK_API_URL (.json .jsonl .csv .yaml)."
    ),
]
Catalog = Annotated[
    str, typer.Option(metavar="URL|FILE", help="Service Catalog instead of SERVICE_CATALOG_URL.")
]
Agents = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Agents instead of AGENTS_FILE (.json .yaml .csv)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script to read.")]


def settings(*, tickets: str = "", catalog: str = "", agents: Path | None = None) -> Settings:
    """The settings with the options of this call; raises SettingsError with every problem."""
    from triagedesk.settings import load_settings

    given = {
        "HELPDESK_API_URL": tickets,
        "SERVICE_CATALOG_URL": catalog,
        "AGENTS_FILE": str(agents or ""),
    }
    return load_settings(options={name: value for name, value in given.items() if value})
