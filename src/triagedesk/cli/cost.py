"""`triagedesk cost`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from triagedesk.cli import options


def cost(
    *,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How many days back.")] = 30,
    as_json: options.AsJson = False,
) -> None:
    """What language models were used for: calls, tokens and, with prices set, money."""
    from triagedesk.cli.show import costs_as_json, show_costs
    from triagedesk.commands import model_use

    settings = options.settings()
    lines = costs_as_json(model_use(settings, days), settings)
    if as_json:
        typer.echo(json.dumps(lines, ensure_ascii=False, indent=2))
    else:
        show_costs(lines, days)
