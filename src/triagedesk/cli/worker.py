"""`triagedesk worker`."""

from __future__ import annotations

import time

import typer

from triagedesk.cli import options

_LOOK = 0.2


def worker() -> None:
    """Carry out runs and tickets until Ctrl-C or SIGTERM, on any number of hosts.

    All processes with the same DATABASE_URL share the work; what one that dies leaves, another
    carries on within a minute. Stopped, it ends after the tickets in hand.
    """
    settings = options.settings()
    # Everything below is slow to import: a wrong setting is said before that.
    from triagedesk.app import RunOptions, open_desk
    from triagedesk.workflows.memory import Memory
    from triagedesk.workflows.workers import Workers

    with open_desk(settings, RunOptions()) as desk:
        workers = Workers(Memory(desk, settings))
        workers.start()
        said = ""
        try:
            while True:
                if workers.name != said:
                    said = workers.name
                    typer.echo(f"Working as {said}. Ctrl-C ends it.", err=True)
                time.sleep(_LOOK)
        finally:
            # A signal ends the loop by raising: see `stopping`.
            workers.stop()
