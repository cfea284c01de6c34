"""`triagedesk classify` and `triagedesk assign`: answers without a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from triagedesk.cli import options


def classify(
    tickets: Annotated[
        str, typer.Argument(metavar="TICKETS", help="File (.json .jsonl .csv .yaml), URL or `-`.")
    ],
    *,
    catalog: Annotated[
        str, typer.Option("--catalog", metavar="FILE|URL", help="The Service Catalog.")
    ],
    as_json: options.AsJson = False,
) -> None:
    """Classify tickets with the local model and, where one is configured, the LLM."""
    from triagedesk.cli.show import Bars, classifications_as_json, show_classifications
    from triagedesk.commands import classify_file

    settings = options.settings(tickets=tickets, catalog=catalog)
    with Bars() as bars:
        result = classify_file(settings, bars)
    if as_json:
        document = classifications_as_json(result.classified)
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        show_classifications(result.classified)
    for broken in result.broken:
        typer.echo(f"set aside: number {broken.position + 1}: {broken.reason}", err=True)


def assign(
    dataset: Annotated[
        Path, typer.Argument(metavar="DATASET", help='JSON: {"agents": [...], "tickets": [...]}.')
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write JSON there, not to stdout."),
    ] = None,
) -> None:
    """Assign a dataset's tickets to its agents, all at once, and say why."""
    from triagedesk.cli.show import Bars
    from triagedesk.commands import assign_dataset

    with Bars() as bars:
        answer = json.dumps(assign_dataset(dataset, bars), ensure_ascii=False, indent=2)
    if output is None:
        typer.echo(answer)
        return
    from triagedesk.files import write_file

    write_file(output, (answer + "\n").encode())
    typer.echo(f"Assignments written to {output}.", err=True)
