"""Pictures of every view, light and dark: each is drawn without errors, and `make screenshots`
keeps them for the documentation in the folder that PAGE_SCREENSHOTS names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from support.browser import context_of, running_chromium, sign_in
from support.page_desk import PASSWORD, PageDesk
from support.pictures import shrink
from support.web_desk import running

SHOTS = os.environ.get("PAGE_SCREENSHOTS", "")
_SIZE = {"width": 1280, "height": 800}
#: Bytes of the largest picture that belongs into a repository.
_LARGEST = 150_000


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageDesk]:
    folder = tmp_path_factory.mktemp("desk")
    full = {"open_tickets": 600, "days": 28, "per_day": 40, "roster": 27}
    few = {"open_tickets": 80, "days": 4, "per_day": 8, "roster": 6}
    with running(folder, **(full if SHOTS else few)) as page:
        yield page


def views(desk: PageDesk) -> dict[str, str]:
    """Name -> address of every view that somebody who has signed in can open."""
    with desk.desk.store.read() as transaction:
        urgent = transaction.open_work(agent_id="A01")[0].key
        report = transaction.report_list()[-1].id
        (run, *_rest) = transaction.job_list(most=1)
    return {
        "queue": "/queue",
        "ticket": f"/tickets/{urgent}",
        "review": "/review",
        "sla": "/sla",
        "agents": "/agents",
        "agent": "/agents/A01",
        "mine": "/mine",
        "reports": "/reports",
        "report": f"/reports/{report}",
        "run": f"/runs/{run.id}",
        "insights": "/insights",
    }


def shoot(page: Page, folder: Path, name: str) -> None:
    """Keep a picture of what a page shows, small enough to be kept for good."""
    page.wait_for_load_state("networkidle")
    path = folder / f"page-{name}.png"
    page.screenshot(path=path, animations="disabled")
    assert path.read_bytes()[:4] == b"\x89PNG"
    if SHOTS:
        blank = page.context.new_page()
        shrink(blank, path)
        blank.close()
        assert path.stat().st_size <= _LARGEST, path.name


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_view_is_drawn(chromium: Browser, desk: PageDesk, tmp_path: Path, theme: str) -> None:
    folder, suffix = Path(SHOTS) if SHOTS else tmp_path, "" if theme == "light" else "-dark"
    context = context_of(chromium, desk.url, viewport=_SIZE, color_scheme=theme)
    stranger = context.new_page()
    stranger.goto("/sign-in")
    shoot(stranger, folder, f"sign-in{suffix}")
    context.clear_cookies()
    lead = sign_in(context, "dana", PASSWORD)
    agent_context = context_of(chromium, desk.url, viewport=_SIZE, color_scheme=theme)
    agent = sign_in(agent_context, "amy", PASSWORD)
    for name, address in views(desk).items():
        page = agent if name == "mine" else lead
        answer = page.goto(address)
        assert answer
        assert answer.status == 200, address
        shoot(page, folder, f"{name}{suffix}")
    for page in (lead, agent):
        assert page.errors == []  # type: ignore[attr-defined] # see sign_in
    agent_context.close()
    context.close()
