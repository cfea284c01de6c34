"""Problem details (RFC 9457): what every answer looks like that is not a success."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path

from triagedesk.cleaning import excerpt
from triagedesk.errors import (
    CalendarError,
    CatalogError,
    ConflictError,
    DeliveryError,
    InputError,
    ModelError,
    NotFoundError,
    SettingsError,
    SourceError,
    StoreBusy,
    TriagedeskError,
)

MEDIA_TYPE = "application/problem+json"
#: Faults named in one answer; the rest are counted.
MOST_FAULTS = 100
_LARGEST_SHOWN = 2**53
#: Branches of a body that may be one of several shapes; they are no part of its path.
_BRANCHES = ("one", "many")
_TITLES = {422: "The request is not valid"}

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing wrong with a request."""

    #: `body`, `query`, `path` or `header`.
    where: str
    #: JSON path in a body such as `$.tickets[3].title`, else the parameter's name.
    path: str
    detail: str
    value: object = None

    def as_json(self) -> dict[str, Any]:
        """The fault as it is sent; long or odd values are cut."""
        return {
            "in": self.where,
            "path": self.path,
            "detail": self.detail,
            "value": shown(self.value),
        }


class ApiProblem(HTTPException):
    """An answer that is not a success."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        **more: object,
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.faults, self.more = tuple(faults), more


class Json(Response):
    """A JSON answer; NaN never gets out."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Compact UTF-8."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")


class ProblemJson(Json):
    """The same as problem details."""

    media_type = MEDIA_TYPE


def invalid(path: str, detail: str, value: object = None, *, where: str = "body") -> ApiProblem:
    """A request with one thing wrong with it."""
    return not_valid([Fault(where=where, path=path, detail=detail, value=value)])


def not_valid(faults: Sequence[Fault]) -> ApiProblem:
    """A request with things wrong with it."""
    first = faults[0]
    more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
    return ApiProblem(422, f"{first.path}: {first.detail}{more}", faults=faults)


def shown(value: object) -> Any:
    """A value as a problem quotes it: itself when it is small and plain, else an excerpt."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < _LARGEST_SHOWN:
        return value
    if isinstance(value, float) and abs(value) < _LARGEST_SHOWN:
        return value
    if isinstance(value, str):
        return excerpt(value)
    try:
        return excerpt(value)
    except TypeError:
        return f"a {type(value).__name__}"


def problem(
    status: int,
    detail: str,
    *,
    faults: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, object] | None = None,
) -> ProblemJson:
    """Problem details as an answer."""
    phrase = _TITLES.get(status) or HTTPStatus(status).phrase
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": phrase,
        "status": status,
        "detail": detail,
        **(more or {}),
    }
    if faults:
        body["errors"] = [fault.as_json() for fault in faults[:MOST_FAULTS]]
        if len(faults) > MOST_FAULTS:
            body["errors_in_all"] = len(faults)
    return ProblemJson(body, status_code=status, headers=dict(headers or {}))


def json_path(parts: Sequence[object]) -> str:
    """`$.tickets[3].title` from ("tickets", 3, "title")."""
    path = "$"
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        elif isinstance(part, str) and part.isidentifier():
            path += f".{part}"
        else:
            path += f"[{json.dumps(excerpt(str(part), limit=80), ensure_ascii=False)}]"
    return path


def install(app: FastAPI) -> None:
    """Have every failure answered with problem details."""

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        faults = error.faults if isinstance(error, ApiProblem) else ()
        more = error.more if isinstance(error, ApiProblem) else {}
        detail = error.detail
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_allowed(request))
            detail = f"{request.method} is not allowed here, only {headers['Allow']}"
        elif error.status_code == HTTPStatus.NOT_FOUND and not isinstance(error, ApiProblem):
            detail = f"there is nothing at {excerpt(request.url.path)}"
        return problem(error.status_code, str(detail), faults=faults, headers=headers, more=more)

    @app.exception_handler(RequestValidationError)
    async def _validation(_request: Request, error: RequestValidationError) -> Response:
        found = not_valid([_fault(item) for item in error.errors()])
        return problem(found.status_code, found.detail, faults=found.faults)

    @app.exception_handler(TriagedeskError)
    async def _ours(_request: Request, error: TriagedeskError) -> Response:
        return of_error(error)

    @app.exception_handler(Exception)
    async def _bug(request: Request, error: Exception) -> Response:
        # The server logs the traceback after this; nothing of it is told to the client.
        log.error("request failed", path=request.url.path, error=type(error).__name__)
        return problem(500, "Something went wrong here; the log of the server says what.")


def of_error(error: TriagedeskError) -> ProblemJson:
    """One of our own errors as problem details."""
    hint = {"hint": error.hint} if error.hint else None
    match error:
        case StoreBusy():
            return problem(503, error.message, headers={"Retry-After": "2"}, more=hint)
        case NotFoundError() | ConflictError():
            status = 404 if isinstance(error, NotFoundError) else 409
            return problem(status, error.message, more=hint if status == 409 else None)  # noqa: PLR2004 (HTTP's own number)
        case SettingsError() | CatalogError() | CalendarError():
            # What the desk itself is made of, and no client can mend.
            return problem(503, str(error), more=hint)
        case InputError():
            faults = [
                Fault(where="body", path=item.where, detail=item.what) for item in error.problems
            ]
            return problem(422, error.message, faults=faults, more=hint)
        case SourceError() | DeliveryError() | ModelError():
            return problem(502, error.message, more=hint)
    return problem(503, error.message, more=hint)


def _fault(item: Mapping[str, Any]) -> Fault:
    where, *parts = item["loc"]
    if where == "body" and parts and parts[0] in _BRANCHES:
        parts = parts[1:]
    # Dictionaries name a bad key so.
    parts = [part for part in parts if part != "[key]"]
    detail = str(item["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    path = json_path(parts) if where == "body" else ".".join(map(str, parts))
    value = item.get("input")
    if item["type"] == "missing":
        # Pydantic quotes what the field is missing from.
        value = None
    return Fault(where=str(where), path=path, detail=detail, value=value)


def _allowed(request: Request) -> list[str]:
    """Every method that the path takes."""
    methods: set[str] = set()
    for template, operations in request.app.openapi()["paths"].items():
        if compile_path(template)[0].match(request.scope["path"]):
            methods |= {method.upper() for method in operations}
    return sorted(methods)
