"""HTTP for every source: bounded answers, time limits, retries, redirects that leak nothing."""

from __future__ import annotations

import json
import random
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from triagedesk import __version__
from triagedesk.cleaning import excerpt
from triagedesk.errors import SourceRefused, SourceUnavailable

if TYPE_CHECKING:
    import httpx2
    import tenacity

#: Redirects followed for one request.
MAX_REDIRECTS = 5
_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = 500
_REDIRECTS = (301, 302, 303, 307, 308)
_ERRNO = re.compile(r"^\[Errno -?[0-9]+\] ")
# Only these two promise that a POST stays a POST.
_SAME_METHOD = (307, 308)


@dataclass(frozen=True, kw_only=True)
class HttpLimits:
    """How long and how often a request is tried, and how much it may answer."""

    #: Seconds to connect, and between two pieces of an answer.
    timeout: float = 30.0
    #: Seconds for one whole answer, so that one dripping byte by byte ends too.
    total_timeout: float = 300.0
    #: Tries in all.
    attempts: int = 4
    #: Seconds before the second try; doubled for each further one, up to `longest_wait`.
    first_wait: float = 0.5
    #: Seconds; also the most that a `Retry-After` is followed.
    longest_wait: float = 60.0
    #: Bytes of an answer after decompression.
    max_bytes: int = 256 * 1024 * 1024
    #: Replaced by tests.
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a server answered; a status of 5xx or 429 never gets here."""

    status: int
    #: By lower-case name.
    headers: Mapping[str, str]
    content: bytes

    @property
    def charset(self) -> str:
        """The charset its content type states, or ""."""
        _, _, charset = self.headers.get("content-type", "").partition("charset=")
        return charset.split(";")[0].strip(" \"'")


class _TryAgain(Exception):
    """The server may answer the next time."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


def is_web_address(location: str) -> bool:
    """Whether a location is a URL to fetch, not a path."""
    return location.lower().startswith(("http://", "https://"))


def shown_address(url: str) -> str:
    """A URL as messages may show it: without credentials, and without its query's values."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(an address that cannot be read)"
    host = f"[{host}]" if ":" in host else host
    return excerpt(f"{parts.scheme}://{host}{port}{parts.path}{'?…' if parts.query else ''}")


@dataclass(frozen=True, kw_only=True)
class HttpClient:
    """Asks one server, and says in plain words what went wrong."""

    #: What the server is called in messages, e.g. `the helpdesk`.
    server: str
    limits: HttpLimits = HttpLimits()
    #: Never shown, even where a server repeats what it was sent.
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def ask(
        self,
        method: str,
        url: str,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request (`body` as JSON) and read its answer, trying again where that can help.

        Raises SourceUnavailable when the last try failed too, and SourceRefused when trying again
        cannot help: a bad address or certificate, a redirect elsewhere, an endless answer.
        """
        import httpx2  # noqa: PLC0415 - 130 ms that `--help` need not pay
        import tenacity  # noqa: PLC0415 - 50 ms, as above

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(max(1, self.limits.attempts)),
            wait=self._wait,
            retry=tenacity.retry_if_exception_type(_TryAgain),
            sleep=self.limits.sleep,
            reraise=True,
        )
        timeout = httpx2.Timeout(self.limits.timeout)
        sent = {"user-agent": f"triagedesk/{__version__}", **(headers or {})}
        try:
            with httpx2.Client(timeout=timeout, headers=sent) as client:
                return retrying(self._follow, client, method, url, body)
        except _TryAgain as error:
            tries = f"{self.limits.attempts} tries" if self.limits.attempts > 1 else "one try"
            raise SourceUnavailable(
                f"{self._at(url)} did not answer after {tries}: {error}",
                hint="try again later; nothing was lost",
            ) from error

    def excerpt(self, content: bytes | str) -> str:
        """A short piece of an answer for messages, with the secrets blotted out."""
        text = content if isinstance(content, str) else content[:20_000].decode(errors="replace")
        for secret in filter(None, self.secrets):
            for written in (secret, json.dumps(secret)[1:-1], quote(secret, safe="")):
                text = text.replace(written, "***")
        return excerpt(text)

    def _at(self, url: str) -> str:
        return f"{self.server[:1].upper()}{self.server[1:]} at {shown_address(url)}"

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """Seconds until the next try: what the server asks for, else doubling, with jitter."""
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, _TryAgain) else None
        if asked is not None:
            return min(asked, self.limits.longest_wait)
        wait: float = self.limits.first_wait * 2 ** min(state.attempt_number - 1, 30)
        # Half to full, so that many desks do not come back at the same moment.
        return min(wait, self.limits.longest_wait) * random.uniform(0.5, 1)  # noqa: S311 - no secret

    def _follow(self, client: httpx2.Client, method: str, url: str, body: object) -> Answer:
        """One try, with its redirects."""
        at = url
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._once(client, method, at, body)
            if answer.status not in _REDIRECTS or "location" not in answer.headers:
                return answer
            at = self._redirected(method, at, answer)
        raise SourceRefused(f"{self._at(url)} redirects without end")

    def _redirected(self, method: str, url: str, answer: Answer) -> str:
        """Where a redirect leads. Raises SourceRefused where following it would leak something."""
        import httpx2  # noqa: PLC0415 - as above

        try:
            here = httpx2.URL(url)
            there = here.join(answer.headers["location"])
        except (httpx2.InvalidURL, ValueError) as error:
            raise SourceRefused(f"{self._at(url)} redirects to no address") from error
        same_host = here.host == there.host
        safer = here.scheme == "http" and there.scheme == "https"
        same_origin = same_host and here.scheme == there.scheme and here.port == there.port
        allowed = same_origin or (same_host and safer)
        if method == "GET":
            # Nothing secret goes along with a GET: a URL's own credentials stay behind.
            allowed = there.scheme == "https" or there.scheme == here.scheme == "http"
        elif answer.status not in _SAME_METHOD:
            allowed = False
        if not allowed:
            raise SourceRefused(
                f"{self._at(url)} redirects to {shown_address(str(there))}, "
                "which is not followed with credentials",
                hint="set the final address if you trust it",
            )
        return str(there)

    def _once(self, client: httpx2.Client, method: str, url: str, body: object) -> Answer:
        """One request. Raises _TryAgain or SourceRefused."""
        import httpx2  # noqa: PLC0415 - as above

        try:
            with client.stream(method, url, json=body) as response:
                content = self._content(response, url)
        except httpx2.TimeoutException as error:
            raise _TryAgain(f"no answer within {self.limits.timeout:g} seconds") from error
        except (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, httpx2.InvalidURL) as error:
            raise SourceRefused(
                f"{self._at(url)} cannot be asked: {self.excerpt(str(error))}",
                hint="check the address",
            ) from error
        except httpx2.DecodingError as error:
            raise SourceRefused(f"{self._at(url)} answers in a broken compression") from error
        except httpx2.TransportError as error:
            raise self._connection_error(error, url) from error
        except UnicodeError as error:
            raise SourceRefused(
                f"{self._at(url)} is no valid address", hint="check the address"
            ) from error
        return self._checked(response, content)

    def _connection_error(self, error: Exception, url: str) -> Exception:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return SourceRefused(
                    f"{self._at(url)} has a certificate that is not trusted: "
                    f"{self.excerpt(cause.verify_message)}",
                    hint="check the address; for an authority of your own set SSL_CERT_FILE",
                )
            cause = cause.__cause__ or cause.__context__
        said = _ERRNO.sub("", self.excerpt(str(error)))
        return _TryAgain(said or type(error).__name__)

    def _content(self, response: httpx2.Response, url: str) -> bytes:
        """The whole answer, as long as it keeps to size and time."""
        ends = time.monotonic() + self.limits.total_timeout
        content = bytearray()
        # Pieces as they arrive: with a chunk size, the time is not looked at until one is full.
        for piece in response.iter_bytes():
            content += piece
            if len(content) > self.limits.max_bytes:
                raise SourceRefused(
                    f"{self._at(url)} answers with more than {self.limits.max_bytes:,} bytes"
                )
            if time.monotonic() > ends:
                raise _TryAgain(f"the answer took over {self.limits.total_timeout:g} seconds")
        return bytes(content)

    def _checked(self, response: httpx2.Response, content: bytes) -> Answer:
        """The answer, unless its status says to try again."""
        status = response.status_code
        headers: dict[str, Any] = {name.lower(): value for name, value in response.headers.items()}
        if status == _TOO_MANY_REQUESTS or status >= _SERVER_ERRORS:
            said = self.excerpt(content)
            raise _TryAgain(
                f"HTTP {status}{f', {said}' if said else ''}",
                retry_after=retry_after(headers.get("retry-after", ""), now=datetime.now(UTC)),
            )
        return Answer(status=status, headers=headers, content=content)


def retry_after(value: str, *, now: datetime) -> float | None:
    """Seconds a `Retry-After` header asks to wait, from seconds or an HTTP date; None if neither.

    Source: RFC 9110, section 10.2.3.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())
