"""`triagedesk catalog check` and `triagedesk config check`."""

from __future__ import annotations

from typing import Annotated

import typer

from triagedesk.cli import options

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
) -> None:
    """Read a Service Catalog and name everything that is wrong with it, with line numbers."""
    from triagedesk.app import read_catalog  # noqa: PLC0415 (slow to import)
    from triagedesk.cli.show import show_catalog  # noqa: PLC0415

    show_catalog(read_catalog(place))


@config.command("check")
def check_config() -> None:
    """Check every setting and every file it names; show what is in force, without secrets."""
    from triagedesk.app import check_files  # noqa: PLC0415 (slow to import)
    from triagedesk.cli.show import show_settings  # noqa: PLC0415

    settings = options.settings()
    show_settings(settings, check_files(settings))
