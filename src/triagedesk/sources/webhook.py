"""The helpdesk's webhook: one POST that answers with all tickets."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from triagedesk.cleaning import decode_text
from triagedesk.errors import SourceRefused, TicketsError
from triagedesk.formats import load_json
from triagedesk.sources import Fetched
from triagedesk.sources.http import Answer, HttpClient, HttpLimits, shown_address
from triagedesk.sources.reading import find_items, read_tickets
from triagedesk.words import whole_number
from triagedesk.yamlsafe import FormatError

_OK = range(200, 300)
_REFUSED_CREDENTIALS = (401, 403)


@dataclass(frozen=True)
class WebhookSource:
    """Asks the webhook for tickets; it has no cursor and always answers with all it has."""

    url: str
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    _: dataclasses.KW_ONLY
    #: Seconds to connect, and between two pieces of an answer.
    timeout: float = 30.0
    name: str = "webhook"
    limits: HttpLimits = field(default_factory=HttpLimits)

    @property
    def origin(self) -> str:
        """The URL without credentials."""
        return shown_address(self.url)

    def fetch(self, cursor: str) -> Fetched:  # noqa: ARG002 - part of the protocol
        """Read all tickets. Raises SourceUnavailable or SourceRefused."""
        client = self._client()
        credentials = {"api_key": self.api_key, "api_secret": self.api_secret}
        answer = client.ask("POST", self.url, body=credentials)
        body = self._body(client, answer)
        try:
            items = find_items(body)
        except TicketsError:
            # Not chained: its message quotes the answer, in which a server may repeat the secret.
            raise self._senseless(client, answer, "holds no list of tickets") from None
        return read_tickets(items, source=self.name)

    def _client(self) -> HttpClient:
        limits = dataclasses.replace(self.limits, timeout=self.timeout)
        secrets = (self.api_key, self.api_secret)
        return HttpClient(server="the helpdesk", limits=limits, secrets=secrets)

    def _body(self, client: HttpClient, answer: Answer) -> Any:
        """The answer's JSON, unless the status or `response_code` is an error."""
        if answer.status in _REFUSED_CREDENTIALS:
            raise self._no_entry(f"HTTP {answer.status}")
        if answer.status not in _OK:
            said = client.excerpt(answer.content) or "without a message"
            raise SourceRefused(
                f"The helpdesk at {self.origin} answered HTTP {answer.status}: {said}",
                hint="check HELPDESK_API_URL",
            )
        text = decode_text(answer.content, charset=answer.charset)
        if text.lstrip().startswith("<"):
            raise self._senseless(client, answer, "is a web page, not JSON")
        try:
            body = load_json(text)
        except FormatError as error:
            raise self._senseless(client, answer, f"is {error.problem.what}") from error
        if isinstance(body, dict):
            self._check_response_code(client, body)
        return body

    def _check_response_code(self, client: HttpClient, body: Mapping[str, Any]) -> None:
        given = body.get("response_code")
        if given is None:
            return
        try:
            code = whole_number(given)
        except ValueError:
            code = 0
        message = client.excerpt(str(body.get("message") or ""))
        if code in _REFUSED_CREDENTIALS:
            raise self._no_entry(f"response_code {code}{f', {message}' if message else ''}")
        if code not in _OK:
            said = message or "without a message"
            raise SourceRefused(
                f"The helpdesk at {self.origin} answered response_code "
                f"{client.excerpt(str(given))}: {said}"
            )

    def _no_entry(self, found: str) -> SourceRefused:
        return SourceRefused(
            f"The helpdesk at {self.origin} refused the credentials ({found})",
            hint="check HELPDESK_API_KEY and HELPDESK_API_SECRET",
        )

    def _senseless(self, client: HttpClient, answer: Answer, what: str) -> SourceRefused:
        shown = client.excerpt(answer.content) or "(nothing)"
        return SourceRefused(
            f"The answer of the helpdesk at {self.origin} {what}: {shown}",
            hint="check HELPDESK_API_URL: it must be the webhook itself",
        )
