"""`triagedesk report list | resend | discard | build`."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from triagedesk.cli import options

cli = typer.Typer(help="Reports: list, send again, discard, build.", no_args_is_help=True)

ReportId = Annotated[str, typer.Argument(metavar="REPORT", help="Its id, as `report list` shows.")]
MaybeReportId = Annotated[
    str, typer.Argument(metavar="[REPORT]", help="Its id; all unsent ones when left out.")
]


@cli.command("list")
def list_reports(*, as_json: options.AsJson = False) -> None:
    """Every report: sent or not, to whom, and why not."""
    from triagedesk.app import open_store
    from triagedesk.cli.show import reports_as_json, show_reports

    with closing(open_store(options.settings())) as store, store.read() as transaction:
        reports = transaction.report_list()
    if as_json:
        typer.echo(json.dumps(reports_as_json(reports), ensure_ascii=False, indent=2))
    else:
        show_reports(reports)


@cli.command()
def resend(
    report_id: MaybeReportId = "",
    *,
    to: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Send it there instead; may be given several times."),
    ] = None,
) -> None:
    """Send a report now, also one that was refused or has been sent before."""
    from triagedesk.cli.show import exit_code_of, show_sent
    from triagedesk.commands import resend_reports

    sent = resend_reports(options.settings(), report_id, tuple(to or ()))
    show_sent(sent)
    raise typer.Exit(exit_code_of(sent))


@cli.command()
def discard(report_id: ReportId) -> None:
    """Give a report up: it is kept, but no longer sent, and runs go on."""
    from triagedesk.commands import discard_report

    discard_report(options.settings(), report_id)
    typer.echo(f"Report {report_id} is discarded; the next run fetches again.")


@cli.command()
def build(
    run_id: Annotated[
        str, typer.Argument(metavar="[RUN]", help="Its id; the newest run when left out.")
    ] = "",
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write the workbook.")
    ] = Path("report.xlsx"),
) -> None:
    """Build a run's workbook again from the decisions in the store; nothing is sent."""
    from triagedesk.commands import rebuild_report

    run = rebuild_report(options.settings(), run_id, output)
    typer.echo(f"The workbook of run {run} is {output}.")
