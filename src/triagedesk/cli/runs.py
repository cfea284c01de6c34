"""`triagedesk run`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from triagedesk.cli import options
from triagedesk.stopping import Stopping


def run(
    context: typer.Context,
    *,
    tickets: options.Tickets = "",
    catalog: options.Catalog = "",
    agents: options.Agents = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write the workbook.")
    ] = None,
    decisions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write every decision to this file too (.jsonl)."),
    ] = None,
    no_email: Annotated[
        bool, typer.Option("--no-email", help="Build the report, but send it to nobody.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Decide and show; keep, write and send nothing.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Fetch, classify, prioritise, assign, report, send; or send what is still unsent.

    Without settings the bundled sample desk is used.
    """
    settings = options.settings(tickets=tickets, catalog=catalog, agents=agents)
    # Everything below is slow to import: a wrong setting is said before that.
    from triagedesk.app import RunOptions, open_desk, run_desk  # noqa: PLC0415
    from triagedesk.cli.show import Bars, exit_code, show_summary  # noqa: PLC0415

    stopping = context.find_object(Stopping) or Stopping()
    wanted = RunOptions(report=report, decisions=decisions, send=not no_email, dry_run=dry_run)
    if settings.is_sample:
        typer.echo(
            "Nothing is configured, so this is the bundled sample desk. For your own: "
            "cp .env.example .env, then set HELPDESK_API_URL and SERVICE_CATALOG_URL.",
            err=True,
        )
    with Bars() as bars, open_desk(settings, wanted, progress=bars, shield=stopping.shield) as desk:
        summary = run_desk(desk, wanted)
    if as_json:
        typer.echo(json.dumps(summary.as_json(), ensure_ascii=False, indent=2))
    else:
        show_summary(summary, dry_run=dry_run)
    raise typer.Exit(exit_code(summary))
