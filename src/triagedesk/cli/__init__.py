"""The command line: `triagedesk run | report | catalog | config | assign | classify | evaluate`.

Exit codes: 0 done · 1 failed · 2 wrong input or settings · 3 helpdesk or catalog server ·
4 a report is unsent (the next run sends it) · 5 a file could not be written · 6 database ·
130 and 143 stopped by SIGINT and SIGTERM.
"""

from __future__ import annotations

import gc
import sys
from typing import Annotated

import typer

from triagedesk import __version__
from triagedesk.cli import (
    agents,
    checks,
    corrections,
    cost,
    db,
    evaluate,
    explain,
    keys,
    offline,
    people,
    reports,
    runs,
    serve,
    simulate,
    sla,
    worker,
)
from triagedesk.errors import TriagedeskError
from triagedesk.stopping import Stopped, Stopping

_EPILOG = """Exit codes: 0 done, 1 failed, 2 wrong input or settings, 3 helpdesk or catalog server,
4 a report is unsent (the next run sends it), 5 a file could not be written, 6 database,
130/143 stopped by a signal."""

cli = typer.Typer(
    name="triagedesk",
    help="Takes the manual triage out of an IT service desk.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli.command("run")(runs.run)
cli.command("classify")(offline.classify)
cli.command("assign")(offline.assign)
cli.command("evaluate")(evaluate.evaluate)
cli.command("simulate")(simulate.simulate)
cli.command("cost")(cost.cost)
cli.command("sla")(sla.sla)
cli.command("next")(agents.next_ticket)
cli.command("serve")(serve.serve)
cli.command("worker")(worker.worker)
cli.command("correct")(corrections.correct)
cli.command("learn")(corrections.learn)
cli.command("explain")(explain.explain)
cli.add_typer(agents.cli, name="agents")
cli.add_typer(corrections.cli, name="corrections")
cli.add_typer(runs.cli, name="runs")
cli.add_typer(reports.cli, name="report")
cli.add_typer(keys.cli, name="key")
cli.add_typer(db.cli, name="db")
cli.add_typer(people.cli, name="person")
cli.add_typer(checks.catalog, name="catalog")
cli.add_typer(checks.config, name="config")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"triagedesk {__version__}")
        raise typer.Exit


@cli.callback()
def _root(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Nothing is common to all commands but the version."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    # Records live as long as a run does: looking for garbage among them took a fifth of its time.
    gc.set_threshold(50_000, 20, 50)
    stopping = Stopping()
    stopping.install()
    try:
        cli(obj=stopping)
    except TriagedeskError as error:
        _say(error)
        sys.exit(error.exit_code)
    except Stopped as stopped:
        typer.echo("Stopped. Nothing is lost: the next run carries on.", err=True)
        sys.exit(stopped.exit_code)
    finally:
        stopping.finish()


def _say(error: TriagedeskError) -> None:
    typer.echo(f"triagedesk: {error}", err=True)
    if error.hint:
        typer.echo(f"What to do: {error.hint}", err=True)
