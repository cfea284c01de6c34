"""Where the Service Catalog's text comes from: a web server or a file."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import IO

from triagedesk.cleaning import decode_text
from triagedesk.errors import CatalogError, SourceRefused
from triagedesk.sources import CatalogDocument, CatalogSource
from triagedesk.sources.files import read_text, shown_path
from triagedesk.sources.http import HttpClient, HttpLimits, is_web_address, shown_address

#: The largest catalog read, in bytes.
MAX_BYTES = 10 * 1024 * 1024
_OK = 200
_NOT_MODIFIED = 304


@dataclass(frozen=True)
class HttpCatalogSource:
    """Gets the catalog from a web server, and only when it has changed."""

    url: str
    _: KW_ONLY
    #: Seconds to connect, and between two pieces of an answer.
    timeout: float = 30.0
    limits: HttpLimits = field(default_factory=lambda: HttpLimits(max_bytes=MAX_BYTES))

    @property
    def origin(self) -> str:
        """The URL without credentials."""
        return shown_address(self.url)

    def load(self, *, etag: str = "", last_modified: str = "") -> CatalogDocument | None:
        """Get the catalog; None when it is as the validators say.

        Raises SourceUnavailable or SourceRefused.
        """
        limits = dataclasses.replace(self.limits, timeout=self.timeout)
        client = HttpClient(server="the catalog server", limits=limits)
        conditions = {"if-none-match": etag, "if-modified-since": last_modified}
        headers = {name: value for name, value in conditions.items() if value}
        answer = client.ask("GET", self.url, headers=headers)
        if answer.status == _NOT_MODIFIED and headers:
            return None
        if answer.status != _OK:
            said = client.excerpt(answer.content) or "without a message"
            raise SourceRefused(
                f"The catalog server answered HTTP {answer.status} for {self.origin}: {said}",
                hint="check SERVICE_CATALOG_URL",
            )
        text = decode_text(answer.content, charset=answer.charset)
        if text.lstrip().startswith("<"):
            raise SourceRefused(
                f"{self.origin} is a web page, not YAML: {client.excerpt(answer.content)}",
                hint="check SERVICE_CATALOG_URL: it must be the file itself",
            )
        return CatalogDocument(
            text=text,
            etag=answer.headers.get("etag", ""),
            last_modified=answer.headers.get("last-modified", ""),
        )


@dataclass(frozen=True)
class FileCatalogSource:
    """Reads the catalog from a file; `-` is standard input. Its ETag is a hash of the text."""

    path: str | Path
    _: KW_ONLY
    #: Read for `-`; None is the process's own.
    stdin: IO[bytes] | None = None

    @property
    def origin(self) -> str:
        """The path."""
        return shown_path(self.path)

    def load(self, *, etag: str = "", last_modified: str = "") -> CatalogDocument | None:  # noqa: ARG002 - part of the protocol
        """Read the catalog; None when its text is still the one of `etag`. Raises CatalogError."""
        text = read_text(self.path, error=CatalogError, max_bytes=MAX_BYTES, stdin=self.stdin)
        digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()
        return None if etag == f'"{digest}"' else CatalogDocument(text=text, etag=f'"{digest}"')


def catalog_source(location: str, *, timeout: float = 30.0) -> CatalogSource:
    """The catalog at a URL, in a file, or on standard input (`-`)."""
    if is_web_address(location):
        return HttpCatalogSource(location, timeout=timeout)
    return FileCatalogSource(location)
