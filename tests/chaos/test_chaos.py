"""The short part of the chaos suite; `make chaos` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.books import Tally
from chaos.ground import ground
from chaos.scenarios import SCENARIOS, fake_clock_library
from support.postgres import PostgresServer
from support.services import LONG


def carry_out(name: str, folder: Path, server: PostgresServer | None) -> Tally:
    """A scenario at its smallest."""
    with ground(name, folder, server, seed=1, size=1) as here:
        SCENARIOS[name](here)
    assert here.tally.is_clean, here.tally.wrong
    assert here.tally.kills or here.tally.faults
    assert here.tally.tickets
    return here.tally


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["step boundaries", "mail cut", pytest.param("disk full", marks=LONG)]
)
def test_on_sqlite_nothing_is_lost_or_doubled(name: str, tmp_path: Path) -> None:
    carry_out(name, tmp_path, None)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["workers die"])
def test_on_postgresql_nothing_is_lost_or_doubled(
    name: str, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    carry_out(name, tmp_path, postgres_server)


@LONG
@pytest.mark.slow
def test_a_database_on_a_full_disk_loses_nothing(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    tally = carry_out("disk full", tmp_path, postgres_server)
    if tally.left_out:
        pytest.skip(tally.left_out)


@LONG
@pytest.mark.slow
@pytest.mark.skipif(fake_clock_library() is None, reason="libfaketime is not installed")
def test_whole_processes_whose_clock_jumps_lose_nothing(tmp_path: Path) -> None:
    carry_out("system clock", tmp_path, None)


@LONG
@pytest.mark.slow
def test_a_server_that_is_away_for_a_while_loses_nothing(tmp_path: Path) -> None:
    # A server of its own: other tests would miss theirs.
    with PostgresServer.running() as server:
        carry_out("database away", tmp_path, server)
