"""`triagedesk key create | list | revoke`."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated

import typer

from triagedesk.cli import options

cli = typer.Typer(help="Keys of the API: create, list, revoke.", no_args_is_help=True)

_LONGEST = 100
Name = Annotated[str, typer.Argument(metavar="NAME", help="Who or what it is for.")]


@cli.command()
def create(
    name: Name,
    *,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SCOPE",
            help="read, write (includes read) or admin (includes both); default: write.",
        ),
    ] = None,
) -> None:
    """Make a key and show it, once: only its hash is kept."""
    from triagedesk.app import open_store
    from triagedesk.cleaning import clean_name
    from triagedesk.errors import InputError

    if name != clean_name(name) or not 0 < len(name) <= _LONGEST:
        raise InputError(f"a key's name has 1 to {_LONGEST} visible characters on one line")
    with closing(open_store(options.settings())) as store, store.begin_alone() as transaction:
        now = datetime.now(UTC)
        key = transaction.create_key(name, scope or ["write"], now)
        transaction.audit("key created", name, actor="cli", at=now)
    typer.echo("This is the only time the key is shown:", err=True)
    typer.echo(key)


@cli.command("list")
def list_keys(*, as_json: options.AsJson = False) -> None:
    """Every key: its beginning, scopes, and whether it is in force."""
    from triagedesk.app import open_store

    with closing(open_store(options.settings())) as store, store.read() as transaction:
        keys = transaction.keys()
    rows = [
        {
            "name": key.name,
            "beginning": key.beginning,
            "scopes": list(key.scopes),
            "created_at": key.created_at.isoformat(),
            "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
        }
        for key in keys
    ]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for key in keys:
        state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "in force"
        scopes = ", ".join(key.scopes)
        made = f"{key.created_at:%Y-%m-%d}"
        typer.echo(f"{key.name}  {key.beginning}…  {scopes}  made {made}  {state}")
    if not keys:
        typer.echo("There is no key: the API is open on this machine alone.")


@cli.command()
def revoke(name: Name) -> None:
    """Take a key out of force, at once."""
    from triagedesk.app import open_store

    with closing(open_store(options.settings())) as store, store.begin() as transaction:
        now = datetime.now(UTC)
        transaction.revoke_key(name, now)
        transaction.audit("key revoked", name, actor="cli", at=now)
    typer.echo(f"The key {name} is revoked.")
