"""What keeps the page safe in a browser: headers, cookies, tokens, and whose requests count."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response

from triagedesk.hosts import is_loopback

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
#: A year, as browsers are told how long to keep a preference.
_YEAR: Final = 365 * 24 * 3600
#: Bytes of a random token.
_TOKEN = 32


def harden(headers: MutableHeaders) -> None:
    """Put the headers on that every answer of the page carries."""
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("cache-control", "no-store")


def new_token() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(_TOKEN)


def digest_of(token: str) -> str:
    """What is kept of a random token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def host_of(request: Request) -> str:
    """The name a request was sent to, without its port; "" for none that can be one."""
    try:
        return urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def is_secure(request: Request) -> bool:
    """Whether cookies are for encrypted connections only: always, but on this very machine.

    A server behind a proxy that does the encryption sees plain requests to a public name.
    """
    return request.url.scheme == "https" or not is_loopback(host_of(request))


def is_own(request: Request, public: str) -> bool:
    """Whether a request was sent by a page of this very origin, as far as the browser says.

    `public` is the address the page is known by, where the server was told one.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    if origin is None:
        # Browsers send it with every POST; whoever does not must say where it came from.
        origin = request.headers.get("referer", "")
    try:
        own = {request.headers.get("host"), urlsplit(public).netloc or None} - {None}
        return urlsplit(origin).netloc in own
    except ValueError:
        return False


# Tokens against forged requests follow from the cookie that only this browser has; masked anew
# for each page, so that its compressed length says nothing about it.


def csrf_token(cookie: str) -> str:
    """A token for forms of the browser with this cookie."""
    mask = secrets.token_bytes(_TOKEN)
    hidden = bytes(a ^ b for a, b in zip(mask, _secret(cookie), strict=True))
    return base64.urlsafe_b64encode(mask + hidden).decode()


def is_csrf_token(given: str, cookie: str) -> bool:
    """Whether a form's token was made for the browser with this cookie."""
    try:
        raw = base64.urlsafe_b64decode(given.encode("ascii"))
    except ValueError:
        return False
    if len(raw) != 2 * _TOKEN or not cookie:
        return False
    found = bytes(a ^ b for a, b in zip(raw[:_TOKEN], raw[_TOKEN:], strict=True))
    return hmac.compare_digest(found, _secret(cookie))


def _secret(cookie: str) -> bytes:
    return hashlib.sha256(b"triagedesk csrf " + cookie.encode("utf-8", "replace")).digest()


def cookie_name(request: Request, name: str) -> str:
    """`__Host-` keeps a cookie from other hosts' hands; only secure ones may be called so."""
    return f"__Host-{name}" if is_secure(request) else name


def keep_cookie(request: Request, response: Response, name: str, value: str) -> None:
    """Set a cookie until the browser ends."""
    _set(request, response, name, value, None)


def keep_preference(request: Request, response: Response, name: str, value: str) -> None:
    """Set a cookie that lasts."""
    _set(request, response, name, value, _YEAR)


def drop_cookie(request: Request, response: Response, name: str) -> None:
    """Have the browser forget a cookie."""
    _set(request, response, name, "", 0)


def _set(request: Request, response: Response, name: str, value: str, age: int | None) -> None:
    response.set_cookie(
        cookie_name(request, name),
        value,
        max_age=age,
        path="/",
        secure=is_secure(request),
        httponly=True,
        samesite="lax",
    )
