"""Sources: where tickets and Service Catalogs come from. One file per kind of helpdesk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from triagedesk.tickets import BrokenTicket, Ticket


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """One answer of a helpdesk: what could be read, and what was set aside."""

    tickets: tuple[Ticket, ...]
    broken: tuple[BrokenTicket, ...] = ()
    #: Where the next fetch goes on; "" for sources without a cursor.
    cursor: str = ""
    #: Fields that arrived but could not be used, as sentences; their tickets are in `tickets`.
    warnings: tuple[str, ...] = ()


class Source(Protocol):
    """A helpdesk tickets are read from."""

    @property
    def name(self) -> str:
        """Part of a ticket's identity: (source name, ticket id)."""

    @property
    def origin(self) -> str:
        """For messages: a URL without credentials, or a path."""

    def fetch(self, cursor: str) -> Fetched:
        """Read new and changed tickets since `cursor`.

        Raises SourceUnavailable, SourceRefused or TicketsError.
        """


@runtime_checkable
class SourceInParts(Protocol):
    """A source whose tickets need not all be in memory at once."""

    def fetch_in_parts(self, cursor: str) -> Iterator[Fetched]:
        """The same as `fetch`, some tickets at a time; no id comes in two parts.

        The cursor of the last part counts.
        """


class CatalogSource(Protocol):
    """Where the Service Catalog's text comes from."""

    @property
    def origin(self) -> str:
        """For messages: a URL without credentials, or a path."""

    def load(self, *, etag: str = "", last_modified: str = "") -> CatalogDocument | None:
        """Read the catalog; None means "not modified" since the validators given.

        Raises SourceUnavailable, SourceRefused or CatalogError.
        """


@dataclass(frozen=True, kw_only=True)
class CatalogDocument:
    """A catalog as text, with the validators HTTP gave for it."""

    text: str
    etag: str = ""
    last_modified: str = ""
