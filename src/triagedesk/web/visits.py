"""A `Visit`: one request with who asks, what they may, in which language; and what answers it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from triagedesk.catalog import ServiceCatalog
from triagedesk.cleaning import clean_text
from triagedesk.desk import Desk
from triagedesk.errors import (
    ConflictError,
    InputError,
    NotFoundError,
    StoreBusy,
    TriagedeskError,
)
from triagedesk.hosts import is_loopback
from triagedesk.store import Store
from triagedesk.store.lists import DeskTicket
from triagedesk.store.people import Person
from triagedesk.web import sessions
from triagedesk.web.security import (
    cookie_name,
    csrf_token,
    harden,
    host_of,
    is_csrf_token,
    is_own,
    keep_cookie,
    new_token,
)
from triagedesk.web.texts import Texts, choose, texts

if TYPE_CHECKING:
    from triagedesk.settings import Settings
    from triagedesk.web.page import Jobs, Page

#: The largest form that is read, in bytes, and the most fields it may have.
_LARGEST_FORM, _MOST_FIELDS = 64 * 1024, 200
_LONGEST_FIELD = 20_000
_STATUSES: Sequence[tuple[type[TriagedeskError], int]] = (
    (NotFoundError, 404),
    (ConflictError, 409),
    (InputError, 422),
    (StoreBusy, 503),
)

log = structlog.get_logger()

Handler = Callable[..., Response]


class NotAllowed(TriagedeskError):
    """Your role does not allow this."""


class Refused(TriagedeskError):
    """This form was not sent by this page; load it again."""


@dataclass(kw_only=True)
class Visit:
    """One request, once it is clear who asks."""

    request: Request
    page: Page
    person: Person
    now: datetime
    t: Texts
    #: The cookie that form tokens follow from.
    cookie: str
    #: Whether somebody signed in; False at a desk that is open on its machine alone.
    signed_in: bool = True
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def desk(self) -> Desk:
        """Everything decisions work with."""
        return self.page.backroom.desk

    @property
    def store(self) -> Store:
        """The desk's memory."""
        return self.page.backroom.desk.store

    @property
    def settings(self) -> Settings:
        """What is configured."""
        return self.page.settings

    @property
    def jobs(self) -> Jobs:
        """Runs beside the requests."""
        return self.page.jobs

    @property
    def actor(self) -> str:
        """Who is named as having done something."""
        return self.person.name

    def catalog(self) -> ServiceCatalog:
        """The Service Catalog."""
        return self.page.backroom.catalog()

    def rev(self) -> int:
        """The number of the last change in the store."""
        with self.store.read() as transaction:
            return transaction.newest_change()

    def may(self, role: str) -> bool:
        """Whether the person may do what `role` may."""
        return self.person.may(role)

    def may_work_on(self, item: DeskTicket) -> bool:
        """Leads work on everything, agents on what they have."""
        if self.may("lead"):
            return True
        given = item.triaged.assignment if item.triaged else None
        mine = self.person.agent_id
        return self.may("agent") and bool(mine) and given is not None and given.agent_id == mine

    def render(self, template: str, /, status: int = 200, **values: Any) -> Response:
        """A page."""
        shown = self.page.templates.get_template(template)
        return HTMLResponse(shown.render(**self._common(), **values), status)

    def rows(self, template: str, /, rev: int, **values: Any) -> Response:
        """What changed, for a live section: the elements a template makes."""
        shown = self.page.templates.get_template(template)
        text = shown.render(**self._common(), **values)
        return HTMLResponse(text, headers={"X-Rev": str(rev)})

    def nothing_new(self, rev: int) -> Response:
        """Nothing changed for a live section."""
        return Response(status_code=204, headers={"X-Rev": str(rev)})

    def go(self, path: str, *, did: str = "", **query: object) -> Response:
        """Send the browser to another page, which says once what was done."""
        values = {name: value for name, value in query.items() if value not in ("", None)}
        if did:
            values["did"] = did
        join = "&" if "?" in path else "?"
        return RedirectResponse(f"{path}{join}{urlencode(values)}" if values else path, 303)

    def _common(self) -> dict[str, Any]:
        did = self.query.get("did", "")
        return {
            "visit": self,
            "t": self.t,
            "texts": self.t,
            "person": self.person,
            "csrf": csrf_token(self.cookie),
            "theme": _theme(self.request),
            "did": did if did and self.t.has(f"did.{did}") else "",
            "now": self.now,
        }


def view(path: str, handler: Handler, *, role: str = "viewer", name: str = "") -> Route:
    """A page or a piece of one, for whoever has at least this role."""
    return Route(path, _endpoint(handler, role), methods=["GET"], name=name or None)


def action(path: str, handler: Handler, *, role: str = "agent") -> Route:
    """Something a form does, for whoever has at least this role."""
    return Route(path, _endpoint(handler, role), methods=["POST"])


def public(path: str, handler: Handler, *, methods: Sequence[str] = ("GET",)) -> Route:
    """A page for whoever has not signed in; what it posts carries a token all the same."""
    return Route(path, _endpoint(handler, ""), methods=list(methods))


def _endpoint(handler: Handler, role: str) -> Callable[[Request], Awaitable[Response]]:
    wanted = set(inspect.signature(handler).parameters)

    async def endpoint(request: Request) -> Response:
        form = await _form(request) if request.method == "POST" else {}
        path = {name: value for name, value in request.path_params.items() if name in wanted}
        return await run_in_threadpool(_answer, request, form, handler, role, path)

    return endpoint


async def not_found(request: Request) -> Response:
    """The page for an address where there is nothing."""

    def handler(visit: Visit) -> Response:
        raise NotFoundError(visit.t("error.nothing_here"))

    return await run_in_threadpool(_answer, request, {}, handler, "", {})


def _answer(
    request: Request,
    form: Mapping[str, str] | None,
    handler: Handler,
    role: str,
    path: Mapping[str, Any],
) -> Response:
    """Let a request in or not, have it answered, and harden the answer."""
    visit = None
    try:
        visit = _visit(request, form or {})
        if role and not visit.person.name:
            response = _to_sign_in(visit)
        else:
            _check(visit, form, role)
            response = handler(visit, **path)
    except TriagedeskError as error:
        response = _failure(request, visit, error)
    if visit is not None and "new_cookie" in request.scope:
        keep_cookie(request, response, sessions.COOKIE, request.scope["new_cookie"])
    harden(response.headers)
    return response


def _visit(request: Request, form: Mapping[str, str]) -> Visit:
    page: Page = request.app.state.page
    now = page.backroom.desk.now()
    cookie = request.cookies.get(cookie_name(request, sessions.COOKIE), "")[:100]
    found = sessions.who(page.backroom.desk.store, cookie, now)
    open_desk = found is None and page.open and _is_local(request) and _nobody_yet(page)
    person = found or sessions.at_the_desk(now) if open_desk or found else sessions.stranger(now)
    if not cookie:
        cookie = request.scope["new_cookie"] = new_token()
    query = {name: _tidy(value) for name, value in request.query_params.items()}
    chosen = person.language or request.cookies.get(cookie_name(request, "language"), "")
    return Visit(
        request=request,
        page=page,
        person=person,
        now=now,
        t=texts(choose(chosen, request.headers.get("accept-language", ""))),
        cookie=cookie,
        signed_in=found is not None,
        query=query,
        form=form,
    )


def _nobody_yet(page: Page) -> bool:
    with page.backroom.desk.store.read() as transaction:
        return not transaction.has_people()


def _is_local(request: Request) -> bool:
    """Whether the browser itself means this machine: a foreign name may have been led here."""
    return is_loopback(host_of(request))


def _check(visit: Visit, form: Mapping[str, str] | None, role: str) -> None:
    """Raise NotAllowed or Refused for what the person or this form may not do."""
    if visit.request.method == "POST":
        own = is_own(visit.request, visit.settings.page_url)
        if form is None or not own or not is_csrf_token(form.get("csrf", ""), visit.cookie):
            raise Refused(visit.t("error.refused"))
    if role and not visit.may(role):
        raise NotAllowed(visit.t("error.not_allowed"))


def _to_sign_in(visit: Visit) -> Response:
    request = visit.request
    if request.headers.get("x-live"):
        return Response(status_code=401)
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    wanted = f"?to={quote(target, safe='')}" if request.method == "GET" and target != "/" else ""
    return RedirectResponse(f"/sign-in{wanted}", 303)


def _failure(request: Request, visit: Visit | None, error: TriagedeskError) -> Response:
    status = next((code for kind, code in _STATUSES if isinstance(error, kind)), 502)
    if isinstance(error, NotAllowed | Refused):
        status = 403
    if visit is None:
        # Without the store nobody knows who asks, so this says nothing of the desk.
        return Response(f"{HTTPStatus(503).phrase}\n", 503, {"Retry-After": "2"})
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("page failed", path=request.url.path, error=error.message)
    hint = getattr(error, "hint", "")
    return visit.render("error.html", status=status, error=error, hint=hint)


async def _form(request: Request) -> Mapping[str, str] | None:
    """The fields of a form; None when it is none, or too large."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return None
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > _LARGEST_FORM:
                return None
        fields = parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS
        )
    except (ValueError, ClientDisconnect):
        return None
    # The password is taken as it is typed.
    return {name: value if name == "password" else _tidy(value) for name, value in fields}


def _tidy(value: str) -> str:
    return clean_text(value, limit=_LONGEST_FIELD).strip()


def _theme(request: Request) -> str:
    theme = request.cookies.get(cookie_name(request, "theme"), "")
    return theme if theme in ("light", "dark") else ""
