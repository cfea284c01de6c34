"""Static files: named by what they hold, kept by browsers for ever, compressed once."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from triagedesk.web.security import harden

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, kw_only=True)
class Asset:
    """A static file."""

    #: Its name with a hash of what it holds.
    name: str
    kind: str
    content: bytes
    packed: bytes


@cache
def assets() -> Mapping[str, Asset]:
    """File -> asset; read once, so that names and contents belong together for good."""
    found = {}
    for entry in (files("triagedesk.web") / "static").iterdir():
        content = entry.read_bytes()
        stem, _, suffix = entry.name.rpartition(".")
        found[entry.name] = Asset(
            name=f"{stem}.{hashlib.sha256(content).hexdigest()[:10]}.{suffix}",
            kind=_TYPES[suffix],
            content=content,
            packed=gzip.compress(content, 9, mtime=0),
        )
    return found


def asset_names() -> Mapping[str, str]:
    """File -> its name with a hash of what it holds, so that browsers may keep it for ever."""
    return {file: asset.name for file, asset in assets().items()}


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    asset = next((asset for asset in assets().values() if asset.name == name), None)
    if asset is None:
        raise HTTPException(404)
    tag = f'"{name}"'
    headers = {"cache-control": _FOR_EVER, "etag": tag, "vary": "accept-encoding"}
    if request.headers.get("if-none-match") == tag:
        response = Response(status_code=304, headers=headers)
    elif "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        response = Response(asset.packed, headers=headers, media_type=asset.kind)
    else:
        response = Response(asset.content, headers=headers, media_type=asset.kind)
    harden(response.headers)
    return response


ROUTES: list[BaseRoute] = [Route("/static/{name}", _static, methods=["GET"])]
