"""Every scenario on both databases, and a table of what came of it; exits with 1 on any loss."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from chaos.books import Tally
from chaos.ground import ground
from chaos.scenarios import SCENARIOS
from support.postgres import PostgresServer, programs

_HEAD = ("scenario", "database", "kills", "faults", "tickets", "lost", "doubled", "again", "s")
_ROW = "{:<16} {:<11}{:>6}{:>8}{:>9}{:>6}{:>9}{:>7}{:>7}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; 0 when nothing was lost or doubled."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=int, default=10, help="1 is the short part; 10: 200 kills")
    parser.add_argument("--only", nargs="*", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    given = parser.parse_args(arguments)
    print(_ROW.format(*_HEAD), flush=True)
    tallies = list(carry_out(given.only, given.database, seed=given.seed, size=given.size))
    kills, lost, doubled = (
        sum(getattr(tally, name) for tally in tallies) for name in ("kills", "lost", "doubled")
    )
    tickets, again = sum(t.tickets for t in tallies), sum(t.mails_again for t in tallies)
    faults = sum(tally.faults for tally in tallies)
    print(_ROW.format("all", "", kills, faults, tickets, lost, doubled, again, ""))
    for tally in tallies:
        if tally.left_out:
            print(f"{tally.name} on {tally.database}, left out: {tally.left_out}")
        if tally.calls_again:
            said = f"{tally.calls_again} tickets were asked for again beyond the calls under way"
            print(f"{tally.name} on {tally.database}: {said}")
        for words in tally.wrong[:10]:
            print(f"{tally.name} on {tally.database}: {words}")
    return 0 if all(tally.is_clean for tally in tallies) else 1


def carry_out(names: Sequence[str], database: str, *, seed: int, size: int) -> Iterator[Tally]:
    """Scenario by scenario, its line printed as soon as it is over."""
    with ExitStack() as stack:
        servers: list[PostgresServer | None] = [None] if database != "postgresql" else []
        if database != "sqlite" and programs() is None:
            print("PostgreSQL is not installed (Debian: apt install postgresql)")
        elif database != "sqlite":
            servers.append(stack.enter_context(PostgresServer.running()))
        for name in names:
            for server in servers:
                yield one(name, server, seed=seed, size=size)


def one(name: str, server: PostgresServer | None, *, seed: int, size: int) -> Tally:
    """One scenario on one database."""
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="chaos-") as folder,
        ground(name, Path(folder), server, seed=seed, size=size) as here,
    ):
        try:
            SCENARIOS[name](here)
        except AssertionError as error:
            # The others are worth hearing of too.
            here.tally.wrong.append(str(error))
    tally = here.tally
    print(
        _ROW.format(
            tally.name,
            tally.database,
            tally.kills,
            tally.faults,
            tally.tickets,
            tally.lost,
            tally.doubled,
            tally.mails_again,
            f"{time.monotonic() - began:.0f}",
        ),
        flush=True,
    )
    return tally


if __name__ == "__main__":
    sys.exit(main())
