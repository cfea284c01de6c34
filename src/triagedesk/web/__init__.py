"""The desk lead's page: server-rendered, live, at `/` of `triagedesk serve`.

`create_page` makes the ASGI application; `in_front` puts it before the API. How a view is made:

- One file per view, named for it, with `ROUTES = [view("/queue", queue), ...]`. `view` answers
  GETs, `action` answers POSTs; both take the least role (`viewer`, `agent`, `lead`, `admin`) and
  a plain function `(visit: Visit, **path parameters) -> Response` that runs in a thread. Session,
  role, CSRF token and Origin have been checked before it is called. Add the module to `_VIEWS`.
- A `Visit` is one request: `visit.person`, `visit.may(role)`, `visit.query` and `visit.form` (plain
  strings, cleaned and bounded), `visit.now`, `visit.desk`, `visit.store`, `visit.catalog()`,
  `visit.jobs`, `visit.settings`, and the language: `visit.t("queue.title")`. Answer with
  `visit.render("queue.html", key=value)`, `visit.go("/tickets/7", did="resolved")` (303; `did`
  names a text of the section `did` that the next page shows once), `visit.rows(...)` for `live`,
  or raise an error of `triagedesk.errors`: it becomes a page with its message and hint.
- Templates extend `base.html` (blocks `title`, `main`; set `section` to the tab's name) and use
  `{% import "macros.html" as m with context %}`: `m.priority(n)`, `m.sla(clock)`, `m.confidence`,
  `m.bar(part, whole, label)`, `m.person_of(name, id)`, `m.empty(title, text)`, and
  `{% call m.post(address) %}` for a form with its token.
  Filters and globals: `t(key, **values)`, `at|time`, `at|day`, `n|number`, `x|percent`,
  `x|decimal`, `key|ticket_url`; `sentence|said('reason')` for what the desk recorded in English
  (`sayings.py`).
- Texts stand in `texts/LANGUAGE.yaml`, one section per view, the same keys in each language (a
  test holds them together). `{name}` is put in; a text may be `{one: ..., other: ...}` by `n`.
- No inline code or style at all: the policy of `security.py` forbids both. Classes come from
  `static/desk.css` (tokens at its top); bars are `<meter>` or SVG attributes; what moves is in
  `static/desk.js`. Times are `<time datetime>` in UTC that desk.js shows in the viewer's zone.
- Forms work without JavaScript. `<form data-swap>` and `<a data-swap>` exchange only `<main>`.
  `<dialog id=x>` is opened by `<button data-open=x>`; `<a data-dialog>` shows a page's `<main>` in
  one. `data-load` is replaced by the `<section>` of the page it names. A `<select data-send>`
  sends its form. `data-key=x` is clicked by that key; j and k go through `[data-row]`.
- Live: `<section data-live="/changes?..." data-rev="{{ rev }}">` is asked for every two seconds
  with `since=REV`: 204, or elements that replace those of the same `id`, go (`data-gone`), or are
  put in order (`data-order`) into its `[data-rows]`; header `X-Rev` says from where to ask next.
  Focus stays. Rows come within a `<table>` without an id. `visit.rev()` is the number of the last
  change in the store (`store/changes.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from triagedesk.web import (
    agents,
    changes,
    deeds,
    insights,
    mine,
    people,
    queue,
    reports,
    review,
    runs,
    sign_in,
    sla,
    static,
    ticket,
)
from triagedesk.web.page import Backroom, Jobs, Page, in_front

if TYPE_CHECKING:
    from starlette.applications import Starlette

__all__ = ["Backroom", "Jobs", "create_page", "in_front"]

_VIEWS = (
    queue,
    review,
    agents,
    reports,
    runs,
    sla,
    insights,
    ticket,
    deeds,
    mine,
    people,
    changes,
    sign_in,
    static,
)


def create_page(backroom: Backroom, jobs: Jobs, *, host: str) -> Starlette:
    """The page over what the API's server works with; `host` is what the server is bound to.

    Nobody needs to sign in only where `host` is this machine alone and no person was ever made.
    """
    page = Page(backroom, jobs, host=host)
    routes = [route for views in _VIEWS for route in views.ROUTES]
    if backroom.settings.oidc_issuer:
        from triagedesk.web import oidc  # noqa: PLC0415 (slow to import)

        routes += oidc.ROUTES
    return page.application(routes)
