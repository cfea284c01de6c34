"""Real Chromium for tests of the page: contexts, what axe-core finds, what was loaded.

@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from support.services import require

_axe = Axe()
_SERIOUS = ("serious", "critical")
#: Where Debian and others put it; PLAYWRIGHT_CHROMIUM names another one.
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_IMPATIENT = """(later => {
  window.setTimeout = (what, ms, ...more) => later(what, ms === 2000 ? 200 : ms, ...more);
})(window.setTimeout.bind(window))"""
_COLOURS = {"resultTypes": ["violations"], "runOnly": ["color-contrast", "link-in-text-block"]}
#: Marks rows of which there is another one of the same elements and classes, and as empty.
_MARK_ALIKE = """() => {
  const seen = new Set();
  for (const row of document.querySelectorAll("tbody tr")) {
    const kind = [row, ...row.querySelectorAll("*")].map(
      el => `${el.tagName} ${el.getAttribute("class")} ${!el.textContent.trim()}`).join();
    row.toggleAttribute("data-alike", seen.has(kind));
    seen.add(kind);
  }
}"""
_ALIKE = {"exclude": [["[data-alike]"]]}
_EVERYTHING = {"resultTypes": ["violations"]}
_METRICS = """() => new Promise(resolve => {
  const found = {lcp: 0, cls: 0};
  new PerformanceObserver(list => list.getEntries().forEach(e => found.lcp = e.startTime))
    .observe({type: "largest-contentful-paint", buffered: true});
  new PerformanceObserver(list => list.getEntries().forEach(e => found.cls += e.value))
    .observe({type: "layout-shift", buffered: true});
  const tell = () => found.lcp ? resolve(found) : setTimeout(tell, 100);
  setTimeout(tell, 600);
})"""
#: Milliseconds that anything may take on a busy machine.
_PATIENCE = 60_000
expect.set_options(timeout=_PATIENCE)


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """A browser, closed at the end; the test is skipped where there is none."""
    path = os.environ.get("PLAYWRIGHT_CHROMIUM") or next(
        filter(None, map(shutil.which, _NAMES)), None
    )
    require(path, "there is no Chromium on this machine")
    with sync_playwright() as playwright:
        # Root in a container has no sandbox of its own.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def context_of(
    browser: Browser, url: str, *, impatient: bool = False, **options: Any
) -> BrowserContext:
    """A browser of its own, somewhere east of Greenwich; errors of scripts fail the test.

    An `impatient` one asks for what changed ten times as often: its network is never idle.
    """
    plain = {"locale": "en-GB", "timezone_id": "Europe/Berlin", "base_url": url}
    context = browser.new_context(**{**plain, **options})
    context.set_default_timeout(_PATIENCE)
    if impatient:
        context.add_init_script(_IMPATIENT)
    return context


def watched(context: BrowserContext) -> Page:
    """A page that keeps its script's errors in `errors`."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda said: errors.append(said.text) if "Content Security" in said.text else None,
    )
    page.errors = errors  # type: ignore[attr-defined] # what tests look at in the end
    return page


def sign_in(context: BrowserContext, name: str, password: str) -> Page:
    """A page of somebody who has signed in."""
    page = watched(context)
    page.goto("/sign-in")
    page.fill("[name=name]", name)
    page.fill("[name=password]", password)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/sign-in" not in url)
    return page


def serious_faults(page: Page, *, only_colours: bool = False) -> list[str]:
    """What axe-core finds that keeps somebody out; `only_colours` looks at nothing else.

    Of table rows that are alike only the first is looked at: contrast takes long.
    """
    page.evaluate(_MARK_ALIKE)
    options = _COLOURS if only_colours else _EVERYTHING
    found = _axe.run(page, context=_ALIKE, options=options).response["violations"]
    return [
        f"{one['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for one in found
        if one["impact"] in _SERIOUS
        for node in one["nodes"][:3]
    ]


def bytes_of(page: Page, path: str) -> dict[str, int]:
    """Address -> bytes over the wire of everything that a page loads, headers left out."""
    sizes: dict[str, int] = {}
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    names: dict[str, str] = {}
    session.on(
        "Network.responseReceived", lambda e: names.update({e["requestId"]: e["response"]["url"]})
    )
    heads: dict[str, int] = {}
    session.on(
        "Network.responseReceived",
        lambda e: heads.update({e["requestId"]: int(e["response"]["encodedDataLength"])}),
    )
    session.on(
        "Network.loadingFinished",
        lambda e: sizes.update({names[e["requestId"]]: int(e["encodedDataLength"])}),
    )
    page.goto(path, wait_until="networkidle")
    session.detach()
    return sizes


def metrics_of(page: Page) -> tuple[float, float]:
    """Largest contentful paint in milliseconds, and cumulative layout shift."""
    found = page.evaluate(_METRICS)
    return found["lcp"], found["cls"]


__all__ = [
    "Browser",
    "Page",
    "bytes_of",
    "context_of",
    "metrics_of",
    "pytest",
    "running_chromium",
    "serious_faults",
    "sign_in",
    "watched",
]
