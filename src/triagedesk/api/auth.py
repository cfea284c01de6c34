"""Who may do what: API keys with scopes; without any key only this machine, and no web page."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request

from triagedesk.api.problems import ApiProblem
from triagedesk.cleaning import excerpt
from triagedesk.hosts import is_loopback
from triagedesk.store import Store

#: Who did something when no key is in use.
NOBODY = "local"
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="triagedesk"'}


def authorise(store: Store, request: Request, scope: str, *, open_without_keys: bool) -> str:
    """The actor a request comes from. Raises ApiProblem (401 or 403)."""
    given = _given_key(request)
    with store.read() as transaction:
        if given:
            key = transaction.key_for(given)
        else:
            key = None
            if open_without_keys and not transaction.has_keys():
                _check_no_web_page(request)
                return NOBODY
    if key is None:
        what = "The API key is not valid." if given else "This needs an API key."
        hint = "send Authorization: Bearer KEY or X-API-Key: KEY; see `triagedesk key create`"
        raise ApiProblem(401, what, headers=_CHALLENGE, hint=hint)
    if not key.allows(scope):
        raise ApiProblem(
            403, f"This needs the scope {scope}; the key {key.name} has {', '.join(key.scopes)}."
        )
    return f"key:{key.name}"


def _given_key(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.casefold() == "bearer" and token.strip():
        return token.strip()
    return request.headers.get("x-api-key", "").strip()


def _check_no_web_page(request: Request) -> None:
    """Refuse what a web page in somebody's browser sends to this machine behind their back."""
    host = request.headers.get("host", "")
    name = urlsplit(f"//{host}").hostname if _is_plain(host) else None
    if host and not (name and is_loopback(name)):
        raise ApiProblem(
            421,
            f"Without API keys only this machine may ask, not {excerpt(host, limit=80)}",
            hint="make a key: `triagedesk key create NAME`",
        )
    origin = request.headers.get("origin")
    if origin is not None and not (_is_plain(origin) and urlsplit(origin).netloc == host):
        raise ApiProblem(
            403,
            f"Without API keys no web page may ask, not {excerpt(origin, limit=80)}",
            hint="make a key: `triagedesk key create NAME`",
        )


def _is_plain(text: str) -> bool:
    """Whether it can be split as an address without being refused."""
    try:
        urlsplit(f"//{text}" if "//" not in text else text).port  # noqa: B018 (raises when wrong)
    except ValueError:
        return False
    return True
