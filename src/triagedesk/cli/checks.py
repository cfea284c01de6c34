"""`triagedesk catalog check` and `triagedesk config check`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from triagedesk.cli import options

if TYPE_CHECKING:
    from triagedesk.catalog import ServiceCatalog
    from triagedesk.classify.confusable import Confusable

#: Warnings shown; the worst come first.
_MOST_WARNINGS = 20

catalog = typer.Typer(help="The Service Catalog.", no_args_is_help=True)
config = typer.Typer(help="The settings.", no_args_is_help=True)


@catalog.callback()
def _catalog() -> None:
    """Keep `check` a word of its own although it is the only command."""


@config.callback()
def _config() -> None:
    """Keep `check` a word of its own although it is the only command."""


@catalog.command("check")
def check_catalog(
    place: Annotated[str, typer.Argument(metavar="FILE|URL", help="Where the catalog is.")],
    *,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with exit code 2 when there are warnings.")
    ] = False,
) -> None:
    """Read a Service Catalog and name everything that is wrong with it, with line numbers.

    Then warn of request types the local model cannot tell apart, and propose what to write.
    """
    from triagedesk.cli.show import show_catalog
    from triagedesk.commands import check_confusable, read_catalog

    catalog = read_catalog(place)
    show_catalog(catalog)
    found, missing = check_confusable(options.settings(), catalog)
    _warn(catalog, found, missing)
    if strict and found:
        raise typer.Exit(2)


def _warn(catalog: ServiceCatalog, found: Sequence[Confusable], missing: Sequence[str]) -> None:
    """Print what the model cannot tell apart, worst first."""
    from triagedesk.classify.confusable import bare

    for what in missing:
        typer.echo(f"note: {what}; the warnings below are less sure for it")
    for confusable in found[:_MOST_WARNINGS]:
        typer.echo(f"warning: {confusable.what}")
        for proposal in confusable.proposals:
            typer.echo(f"  - {proposal}")
    if len(found) > _MOST_WARNINGS:
        typer.echo(f"and {len(found) - _MOST_WARNINGS} more; mend the worst first")
    if by_name := bare(catalog):
        typer.echo(
            f"note: known by name only, with neither description nor examples: {len(by_name)} of "
            f"{len(catalog.entries)} request types"
        )
    if not found:
        typer.echo("The local model can tell all request types apart.")


@config.command("check")
def check_config() -> None:
    """Check every setting and every file it names; show what is in force, without secrets."""
    from triagedesk.cli.show import show_settings
    from triagedesk.commands import check_files

    settings = options.settings()
    check_files(settings)
    show_settings(settings)
