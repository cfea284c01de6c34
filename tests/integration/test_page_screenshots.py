"""Pictures of every view: each is drawn without errors, and `make screenshots` keeps them, light
and dark, for the documentation in the folder that PAGE_SCREENSHOTS names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from support.browser import context_of, running_chromium, sign_in
from support.page_desk import PASSWORD, PageDesk, RememberingClassifier, say_why
from support.pictures import shrink
from support.web_desk import running
from triagedesk.store.lists import DeskTicket

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
    few = {"open_tickets": 40, "days": 2, "per_day": 8, "roster": 6, "reports": 2}
    with running(folder, **(full if SHOTS else few)) as page:
        yield page


def is_telling(item: DeskTicket) -> bool:
    """Whether a ticket's assignment shows a skill and somebody it could have gone to as well."""
    given = item.triaged.assignment if item.triaged else None
    return given is not None and bool(given.needs) and given.runner_up is not None


def sureness(item: DeskTicket) -> float:
    classification = item.triaged.classification if item.triaged else None
    return classification.confidence if classification else 0.0


def views(desk: PageDesk) -> dict[str, str]:
    """Name -> address of every view that somebody who has signed in can open."""
    with desk.desk.store.read() as transaction:
        held = [work.key for work in transaction.open_work() if work.agent_id]
        # The surest: the others' answers are made up, which a picture should not teach.
        ticket = max(filter(is_telling, transaction.desk_tickets_of(held)), key=sureness).key
        report = transaction.report_list()[-1].id
        (run, *_rest) = transaction.job_list(most=1)
    return {
        "queue": "/queue",
        "ticket": f"/tickets/{ticket}",
        # What the model of words says for an answer is made up, and no picture for anybody.
        **({} if SHOTS else {"why": f"/tickets/{ticket}/why"}),
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
    if SHOTS:
        page.wait_for_load_state("networkidle")
    path = folder / f"page-{name}.png"
    page.screenshot(path=path, animations="disabled")
    assert path.read_bytes()[:4] == b"\x89PNG"
    if SHOTS:
        blank = page.context.new_page()
        shrink(blank, path)
        blank.close()
        assert path.stat().st_size <= _LARGEST, path.name


@pytest.mark.parametrize("theme", ["light", "dark"] if SHOTS else ["light"])
def test_every_view_is_drawn(
    chromium: Browser,
    desk: PageDesk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    theme: str,
) -> None:
    monkeypatch.setattr(RememberingClassifier, "explain", say_why)
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
