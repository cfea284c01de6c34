"""One call to a model: what comes back, or why nothing did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from triagedesk.classify import Usage
from triagedesk.classify.llm.prompt import Prompt


class Fault(StrEnum):
    """What to do about a call that failed."""

    #: Ask the same again later.
    TEMPORARY = "temporary"
    #: Ask for less at once: too long, filtered, or not accepted.
    TOO_MUCH = "too much"
    #: No call can succeed: credentials, model name, quota.
    HOPELESS = "hopeless"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the model wrote, and what it cost."""

    text: str
    #: True when it was cut off at the model's output limit.
    truncated: bool
    usage: Usage


@dataclass(frozen=True, kw_only=True)
class CallFailed:
    """Why a call has no reply, in words that hold neither key nor ticket text."""

    fault: Fault
    reason: str
    #: Seconds the server asked to wait; None when it did not say.
    retry_after: float | None = None
    #: What it cost all the same, e.g. where the reply was filtered.
    usage: Usage = field(default_factory=Usage)


#: Told of each reply as it arrives: which prompt's it is, and what it says.
Arrived = Callable[[int, Reply], None]
#: Sends the prompts at once and waits for all of them; the results are in the same order.
Ask = Callable[[Sequence[Prompt], Arrived], Sequence[Reply | CallFailed]]
