"""`triagedesk db copy`."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from triagedesk.cli import options

cli = typer.Typer(help="The desk's database: move it elsewhere.", no_args_is_help=True)


@cli.callback()
def _db() -> None:
    """Nothing is common to all commands but the name."""


@cli.command()
def copy(
    *,
    to: Annotated[
        str,
        typer.Option(
            metavar="URL", help="An empty database, e.g. postgresql://USER:PASSWORD@HOST/NAME."
        ),
    ],
) -> None:
    """Copy the desk into an empty database and compare every row; nothing is half copied.

    Stop `triagedesk serve` and every `triagedesk worker` first. The old database stays as it is.
    """
    settings = options.settings()
    # Everything below is slow to import: a wrong setting is said before that.
    from triagedesk.app import open_store
    from triagedesk.cli.show import Bars
    from triagedesk.errors import StoreBusy
    from triagedesk.store import Store
    from triagedesk.store.copying import copy_desk
    from triagedesk.store.lease import hold, living

    with closing(open_store(settings)) as source, closing(Store.open(to)) as target:
        if at_work := living(source, "worker "):
            raise StoreBusy(
                f"{len(at_work)} process(es) work at this desk: {', '.join(sorted(at_work))}",
                hint="stop `triagedesk serve` and `triagedesk worker` first",
            )
        with hold(source, "run"), Bars() as bars:
            copied = copy_desk(source, target, start=bars.start, advance=bars.advance)
        for table in copied:
            if table.rows:
                typer.echo(f"{table.name:<20}{table.rows:>12,} rows  {table.digest[:16]}")
        typer.echo(f"Every row is the same there. Now set DATABASE_URL to {target.origin}.")
