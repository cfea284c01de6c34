"""What all tests share: a clean environment, hypothesis's profile, a store on either database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import settings

from triagedesk.settings import SECRETS, Settings

if TYPE_CHECKING:  # heavy for unit tests, which never use them
    from support.postgres import PostgresServer
    from triagedesk.store import Store

# Machines differ in speed, and a red build must be red again tomorrow.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci")

_OURS = [field.upper() for field in Settings.model_fields] + [f"{name}_FILE" for name in SECRETS]


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What shares a desk, a browser or a model stays in one process and in order (`loadgroup`)."""
    for item in items:
        if isinstance(item, pytest.Function) and _shares(item):
            item.add_marker(pytest.mark.xdist_group(item.path.name))


def _shares(item: pytest.Function) -> bool:
    fixtures = item._fixtureinfo.name2fixturedefs.values()  # pytest has no public way to ask
    return any(fixture.scope == "module" for found in fixtures for fixture in found)


@pytest.fixture(autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    """No test sees what the developer has configured."""
    with pytest.MonkeyPatch.context() as patch:
        for name in {name for name in os.environ if name.upper() in _OURS}:
            patch.delenv(name)
        yield


@pytest.fixture(autouse=True)
def _no_log_of_another_test() -> Iterator[None]:
    """A command run in this process sets the log up for its own standard error, which ends."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL server for all tests of this process."""
    from support.postgres import PostgresServer

    with PostgresServer.running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a store of the test's own is: a new file, or a new database with empty tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'desk.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with server.database() as url:
        yield url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store, open."""
    from triagedesk.store import Store

    opened = Store.open(store_url)
    yield opened
    opened.close()
