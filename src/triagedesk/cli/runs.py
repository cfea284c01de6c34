"""`triagedesk run`, and `triagedesk runs list | show | begin | cancel | resume`."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triagedesk.cli import options
from triagedesk.stopping import Stopping

if TYPE_CHECKING:
    from triagedesk.store import Store


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
    from triagedesk.app import RunOptions, open_desk
    from triagedesk.cli.show import Bars, exit_code, show_summary
    from triagedesk.workflows.runs import run_desk

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


cli = typer.Typer(help="Runs: list, show, begin, cancel, resume.", no_args_is_help=True)
RunId = Annotated[str, typer.Argument(metavar="RUN", help="Its id, as `runs list` shows.")]


@cli.command("list")
def list_runs(
    *,
    most: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=1000)] = 20,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what the desk does by itself between runs.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Runs, newest first, wherever they are carried out."""
    from triagedesk.cli.show_runs import runs_as_json, show_runs
    from triagedesk.workflows.asking import run_list

    with closing(_store()) as store:
        found = run_list(store, most, everything=everything)
    if as_json:
        typer.echo(json.dumps(runs_as_json(found), ensure_ascii=False, indent=2))
    else:
        show_runs(found)


@cli.command()
def show(run_id: RunId, *, as_json: options.AsJson = False) -> None:
    """How far a run is, and what it did once it is over."""
    from triagedesk.cli.show_runs import runs_as_json, show_run
    from triagedesk.workflows.asking import run_called

    with closing(_store()) as store:
        found = run_called(store, run_id)
    if as_json:
        typer.echo(json.dumps(runs_as_json([found])[0], ensure_ascii=False, indent=2))
    else:
        show_run(found)


@cli.command()
def begin() -> None:
    """Have the workers begin a run; its id is printed. `triagedesk run` needs no worker."""
    from triagedesk.app import new_id
    from triagedesk.workflows.asking import begin_run

    with closing(_store()) as store:
        job = begin_run(store, new_id(), "cli", datetime.now(UTC))
    typer.echo(job.id)


@cli.command()
def cancel(run_id: RunId) -> None:
    """Have a run stop after the tickets in hand; what it has decided stays decided."""
    from triagedesk.workflows.asking import cancel_run

    with closing(_store()) as store:
        job = cancel_run(store, run_id, "cli", datetime.now(UTC))
    over = (
        "It had not begun." if job.state == "cancelled" else "It stops after the tickets in hand."
    )
    typer.echo(f"Run {job.id} is cancelled. {over}")


@cli.command()
def resume(run_id: RunId) -> None:
    """Have the workers take up a run that failed or was cancelled; nothing is done twice."""
    from triagedesk.workflows.asking import resume_run

    with closing(_store()) as store:
        job = resume_run(store, run_id, "cli", datetime.now(UTC))
    typer.echo(f"Run {job.id} waits for a worker (`triagedesk serve` or `triagedesk worker`).")


def _store() -> Store:
    from triagedesk.app import open_store

    return open_store(options.settings())
