"""Signing in and out, preferences, and where everybody begins."""

from __future__ import annotations

import re

from starlette.responses import Response
from starlette.routing import BaseRoute

from triagedesk.web import sessions
from triagedesk.web.security import drop_cookie, keep_cookie, keep_preference
from triagedesk.web.texts import languages
from triagedesk.web.visits import Visit, action, public, view

#: A place of this page and nowhere else: no scheme, no host, no backslash browsers read as one.
_HERE = re.compile(r"/(?![/\\])[^\\\x00-\x1f]*")
_THEMES = ("", "light", "dark")


def home(visit: Visit) -> Response:
    """Agents begin at their own desk, everybody else at the queue."""
    return visit.go("/mine" if visit.person.agent_id and not visit.may("lead") else "/queue")


def form(visit: Visit) -> Response:
    """The form to sign in with."""
    if visit.person.name:
        return visit.go(target_of(visit.query.get("to", "")))
    return _form(visit)


def _form(visit: Visit, *, wrong: str = "", status: int = 200) -> Response:
    to = visit.form.get("to") or visit.query.get("to", "")
    with visit.store.read() as transaction:
        nobody = not transaction.has_people()
    return visit.render("sign_in.html", status=status, to=to, wrong=wrong, nobody=nobody)


def refused(visit: Visit, wrong: str) -> Response:
    """The form again, with why signing in did not work."""
    return _form(visit, wrong=wrong, status=403)


def sign_in(visit: Visit) -> Response:
    """Sign in with name and password."""
    name, password = visit.form.get("name", ""), visit.form.get("password", "")
    address = visit.request.client.host if visit.request.client else ""
    wait = sessions.wait(visit.store, name, address, visit.now)
    if wait:
        seconds = int(wait.total_seconds()) + 1
        response = _form(visit, wrong=visit.t("sign_in.wait", n=seconds), status=429)
        response.headers["Retry-After"] = str(seconds)
        return response
    person = sessions.check(visit.store, name, password, address, visit.now)
    if person is None:
        return _form(visit, wrong=visit.t("sign_in.wrong"), status=403)
    response = visit.go(target_of(visit.form.get("to", "")))
    token = sessions.sign_in(visit.store, person, visit.cookie, visit.now)
    keep_cookie(visit.request, response, sessions.COOKIE, token)
    return response


def sign_out(visit: Visit) -> Response:
    """Sign out."""
    sessions.sign_out(visit.store, visit.cookie)
    response = visit.go("/sign-in")
    drop_cookie(visit.request, response, sessions.COOKIE)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


def preferences(visit: Visit) -> Response:
    """Choose appearance and language."""
    response = visit.go(target_of(visit.form.get("to", "")))
    theme, language = visit.form.get("theme", ""), visit.form.get("language", "")
    if theme in _THEMES:
        keep_preference(visit.request, response, "theme", theme)
    if language in languages():
        keep_preference(visit.request, response, "language", language)
        if visit.signed_in:
            with visit.store.begin() as transaction:
                transaction.change_person(visit.person.name, language=language)
    return response


def target_of(given: str) -> str:
    """Where to go on: a place of this page, never another site."""
    return given if _HERE.fullmatch(given) and not given.startswith("/sign-") else "/"


ROUTES: list[BaseRoute] = [
    view("/", home),
    public("/sign-in", form),
    public("/sign-in", sign_in, methods=["POST"]),
    action("/sign-out", sign_out, role="viewer"),
    action("/preferences", preferences, role="viewer"),
]
