"""Every error Triagedesk raises on purpose.

TriagedeskError
├── InputError                something given to us is wrong; the user can mend it
│   ├── SettingsError         environment or .env (all problems at once)
│   ├── CatalogError          the Service Catalog (all places at once)
│   ├── AgentsError           the agents file or list (all places at once)
│   ├── CalendarError         business calendars
│   ├── TicketsError          a ticket file or answer that is no list of tickets at all
│   ├── NotFoundError         a report, ticket or agent that does not exist
│   └── ConflictError         what is asked for does not fit what is there
├── SourceError               a helpdesk or a catalog server
│   ├── SourceUnavailable     temporary: no connection, timeout, 429, 5xx
│   └── SourceRefused         permanent: credentials, 4xx, an answer that makes no sense
├── ModelError                a language model
│   ├── ModelUnavailable      temporary: no connection, timeout, 429, 5xx
│   └── ModelRefused          permanent: credentials, unknown model, unusable answers
├── DeliveryError             a report that did not go out; `.permanent` says whether to retry
├── OutputError               a file or folder that cannot be written (disk full, read-only)
├── StoreError                the database
│   └── StoreBusy             temporary: locked by someone else, or away
└── ModelFilesMissing         the bundled local model's weights are not installed

A class's docstring is its default message. `temporary` says whether doing the same again later
can help. `hint` is one line on what to do. `exit_code` is what the command line ends with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class TriagedeskError(Exception):
    """Something went wrong."""

    temporary: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str | None = None, *, hint: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        self.hint = hint

    @property
    def message(self) -> str:
        """The error in one line, without its hint."""
        return str(self.args[0])


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong with an input: where, what was found, what to do."""

    #: Path or line, e.g. `EMAIL_SMTP_PORT`, `line 12`, `agents[3].skills.Linux`.
    where: str
    #: What is wrong, with the value that was found.
    what: str
    #: One line on how to mend it.
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" ({self.hint})" if self.hint else "")


class InputError(TriagedeskError):
    """The input is not valid."""

    exit_code = 2

    def __init__(
        self, message: str | None = None, *, problems: Sequence[Problem] = (), hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"  {problem}" for problem in self.problems)])


class SettingsError(InputError):
    """The settings are not valid."""


class CatalogError(InputError):
    """The Service Catalog is not valid."""


class AgentsError(InputError):
    """The agents are not valid."""


class CalendarError(InputError):
    """The business calendars are not valid."""


class TicketsError(InputError):
    """This is not a list of tickets."""


class NotFoundError(InputError):
    """There is no such thing here."""


class ConflictError(InputError):
    """This does not fit what is there."""


class SourceError(TriagedeskError):
    """The helpdesk or the catalog server failed."""

    exit_code = 3


class SourceUnavailable(SourceError):
    """The server cannot be reached or is overloaded."""

    temporary = True


class SourceRefused(SourceError):
    """The server refused, or its answer makes no sense."""


class ModelError(TriagedeskError):
    """The language model failed."""


class ModelUnavailable(ModelError):
    """The language model cannot be reached or is overloaded."""

    temporary = True


class ModelRefused(ModelError):
    """The language model refused, or its answers are unusable."""


class DeliveryError(TriagedeskError):
    """The report could not be delivered."""

    exit_code = 4

    def __init__(self, message: str | None = None, *, permanent: bool, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        #: True when sending the same again cannot succeed (5xx on a recipient or the content).
        self.permanent = permanent


class OutputError(TriagedeskError):
    """The file could not be written."""

    exit_code = 5


class StoreError(TriagedeskError):
    """The database failed."""

    exit_code = 6


class StoreBusy(StoreError):
    """The database is locked or away."""

    temporary = True


class ModelFilesMissing(TriagedeskError):
    """The local model's weights are not installed."""
