"""`triagedesk serve`."""

from __future__ import annotations

import socket
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triagedesk.cli import options

if TYPE_CHECKING:
    from triagedesk.desk import Desk
    from triagedesk.settings import Settings
    from triagedesk.store import Store

_OPEN = """
!! The API is open to everyone on this machine: there is no API key yet.
!! Make one with `triagedesk key create NAME`; from then on nobody gets in without.
"""
_OPEN_PAGE = """!! The page lets anybody at this machine do anything: there is no person yet.
!! Make one with `triagedesk person create NAME --role admin`; from then on people sign in.
"""


def serve(
    *,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; default: API_HOST, 127.0.0.1.")
    ] = "",
    port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", min=0, max=65535, help="0 takes any free one; default: API_PORT, 8000."
        ),
    ] = None,
    workers: Annotated[
        bool,
        typer.Option(
            "--workers/--no-workers",
            help="Carry jobs out in this process too; without, `triagedesk worker` does.",
        ),
    ] = True,
) -> None:
    """Serve the page and the API until Ctrl-C or SIGTERM; what is in hand is finished first.

    /readyz answers 200 once requests can be served; /docs is the documentation.
    """
    settings = options.settings()
    # Everything below is slow to import: a wrong setting is said before that.
    from triagedesk.app import RunOptions, open_desk

    host = host or settings.api_host
    with open_desk(settings, RunOptions()) as desk:
        _check_keys(desk.store, host)
        listener = _listen(host, settings.api_port if port is None else port)
        _say_where(settings, host, listener)
        import uvicorn

        config = uvicorn.Config(
            _compose(desk, settings, host, with_workers=workers),
            log_level="warning",
            access_log=False,
            server_header=False,
            # Nobody's word is taken for where a request comes from.
            proxy_headers=False,
        )
        # uvicorn finishes what is in hand and raises the signal again: the exit code is its.
        uvicorn.Server(config).run(sockets=[listener])


def _compose(desk: Desk, settings: Settings, host: str, *, with_workers: bool) -> Any:
    """The page and the API as one application."""
    # By name: the rooms `cli`, `api` and `web` do not import one another.
    make_api = resolve_name("triagedesk.api:create_api")
    api = make_api(desk, settings, host=host, with_workers=with_workers)
    make = resolve_name("triagedesk.web:create_page")
    page = make(api.state.service, api.state.jobs, host=host)
    return resolve_name("triagedesk.web:in_front")(page, api)


def _check_keys(store: Store, host: str) -> None:
    """Refuse to be open to other machines; say so where it is open to this one.

    The API without a key, and the page without a person, are open to this machine alone.
    """
    from triagedesk.errors import InputError

    with store.read() as transaction:
        keys, has_people = transaction.keys(), transaction.has_people()
    is_local = resolve_name("triagedesk.hosts:is_loopback")(host)
    has_keys = any(key.revoked_at is None for key in keys)
    if not is_local and not has_keys and not has_people:
        raise InputError(
            f"{host} can be reached from other machines, and there is no API key, nor a person",
            hint="`triagedesk key create NAME` or `triagedesk person create NAME` makes one; "
            "or listen on 127.0.0.1",
        )
    if is_local and not keys:
        typer.secho(_OPEN, err=True, fg=typer.colors.RED, bold=True)
    if is_local and not has_people:
        typer.secho(_OPEN_PAGE, err=True, fg=typer.colors.RED, bold=True)


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises InputError when the address cannot be had."""
    from triagedesk.errors import InputError

    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        # asyncio sends at once (no Nagle, 40 ms an answer) only where the protocol is named.
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(512)
    except OSError as error:
        raise InputError(
            f"cannot listen on {host} port {port}: {error.strerror}",
            hint="another --port or --host, or stop what listens there",
        ) from error
    return listener


def _say_where(settings: Settings, host: str, listener: socket.socket) -> None:
    if settings.is_sample:
        typer.echo("Nothing is configured, so this is the bundled sample desk.", err=True)
    name = f"[{host}]" if ":" in host else host
    address = f"http://{name}:{listener.getsockname()[1]}"
    typer.echo(
        f"Serving on {address} (API documentation: {address}/docs). Ctrl-C ends it.", err=True
    )
