"""Reading a request's body: how large, which type, which charset, and strict JSON."""

from __future__ import annotations

import email.message
import json
import math
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from triagedesk.api.problems import ApiProblem, invalid, json_path, problem
from triagedesk.cleaning import excerpt

#: Bodies from here on are parsed in a thread, so that other requests need not wait.
_LARGE = 256 * 1024
#: How many times the limit is read and thrown away, so that the client gets to see the answer.
_DRAINED = 8
#: What an id's slash is called while the path is matched; no id may hold it.
SLASH = "\x1f"


class BodyLimit:
    """Refuses bodies larger than `limit` bytes with 413, stated length or not."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is small enough."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        _keep_slashes(scope)
        stated = _stated_length(scope)
        if stated is not None and stated > self._limit:
            await _drain(receive, self._limit * _DRAINED)
            answer = problem(413, self._words(f"{stated:,} bytes"), headers={"Connection": "close"})
            await answer(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                if message.get("more_body"):
                    await _drain(receive, self._limit * _DRAINED)
                raise ApiProblem(413, self._words("it"), headers={"Connection": "close"})
            return message

        await self._app(scope, counted, send)

    def _words(self, what: str) -> str:
        return (
            f"The body is too large: {what} is over the limit of {self._limit:,} bytes; "
            "send the tickets in several requests, or raise API_MAX_BODY."
        )


def _keep_slashes(scope: Scope) -> None:
    """Let `%2F` in a path be part of an id: servers decode it before routes are matched."""
    raw = scope.get("raw_path") or b""
    if b"%2f" in raw.lower():
        from urllib.parse import unquote  # noqa: PLC0415 (rarely needed)

        parts = raw.split(b"?")[0].decode("ascii", "replace").split("/")
        scope["path"] = "/".join(unquote(part).replace("/", SLASH) for part in parts)


def _stated_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return None


async def _drain(receive: Receive, most: int) -> None:
    """Throw a body away: a client that is cut off while it sends never reads the answer."""
    seen = 0
    while seen < most:
        message = await receive()
        seen += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return


class StrictRequest(Request):
    """A request whose JSON is what the standard says: UTF-8, no NaN, not nested without end."""

    async def json(self) -> Any:
        """The body's value. Raises ApiProblem."""
        body = await self.body()
        if len(body) < _LARGE:
            return parse(body)
        return await run_in_threadpool(parse, body)


def check_content_type(request: Request) -> None:
    """Raise ApiProblem (415) for a body that does not say it is JSON in UTF-8."""
    given = request.headers.get("content-type", "")
    message = email.message.Message()
    message["content-type"] = given
    subtype = message.get_content_subtype()
    is_json = message.get_content_maintype() == "application" and (
        subtype == "json" or subtype.endswith("+json")
    )
    if not given or not is_json:
        raise ApiProblem(
            415,
            f"Content-Type is {excerpt(given) or 'missing'}; it must be application/json",
            headers={"Accept": "application/json"},
        )
    charset = str(message.get_param("charset", "utf-8")).lower().replace("_", "-")
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise ApiProblem(
            415,
            f"The charset is {excerpt(charset)}; JSON is sent in UTF-8",
            headers={"Accept": "application/json"},
        )


def parse(body: bytes) -> Any:
    """Strict JSON. Raises ApiProblem (400, or 422 naming where a number is none)."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ApiProblem(400, f"The body is not UTF-8: byte {error.start} cannot be read") from None
    odd: list[str] = []

    def constant(name: str) -> float:
        odd.append(name)
        return float(name)

    try:
        value = json.loads(text, parse_constant=constant)
    except json.JSONDecodeError as error:
        what = f"The body is not JSON: {error.msg}, line {error.lineno} column {error.colno}"
        raise ApiProblem(400, what) from None
    except RecursionError:
        raise ApiProblem(400, "The body is nested too deeply") from None
    except ValueError:
        # Python reads no numbers of more than 4,300 digits.
        raise ApiProblem(400, "The body is not usable JSON: a number is too long") from None
    if odd:
        raise invalid(json_path(_find_odd(value) or ()), f"{odd[0]} is not JSON", odd[0])
    return value


def _find_odd(root: object) -> list[object] | None:
    """Where the first number is that is not finite."""
    waiting: list[tuple[list[object], object]] = [([], root)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, float) and not math.isfinite(value):
            return path
        if isinstance(value, dict):
            waiting += [([*path, key], item) for key, item in reversed(value.items())]
        elif isinstance(value, list):
            places = range(len(value) - 1, -1, -1)
            waiting += [([*path, place], value[place]) for place in places]
    return None
