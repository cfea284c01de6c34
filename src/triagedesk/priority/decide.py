"""A ticket's priority from its fields, a model's reply, its text, or what the desk assumes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from triagedesk.priority.phrases import READ_BODY, READ_SUBJECT, Hit
from triagedesk.priority.policy import PriorityPolicy, Signal, SignalKind
from triagedesk.priority.records import Level, Priority, PriorityDecision

#: So many phrases say enough.
_MOST_EVIDENCE = 6
_LONGEST_QUOTE = 80
_EVENTS = (SignalKind.EVENT, SignalKind.SECURITY)


@dataclass(frozen=True, slots=True)
class _Finding:
    """A level and where it comes from."""

    level: Level
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Read:
    """A phrase of the text with what it means."""

    quote: str
    signal: Signal
    negated: bool

    @property
    def kind(self) -> SignalKind:
        return self.signal.kind

    @property
    def urgency(self) -> Level | None:
        return self.signal.negated if self.negated else self.signal.urgency


def prioritise(
    *,
    text_subject: str,
    text_body: str,
    policy: PriorityPolicy,
    impact: Level | None = None,
    urgency: Level | None = None,
    priority: Priority | None = None,
    llm_impact: Level | None = None,
    llm_urgency: Level | None = None,
    default_impact: Level | None = None,
) -> PriorityDecision:
    """Prioritise a ticket: its fields win over a model's reply, that over its text, that over
    `default_impact`, and medium is assumed where nothing says anything.

    A priority that arrives filled stays, whatever impact and urgency say.
    """  # noqa: D205 - one sentence
    read = _read(text_subject, text_body, policy)
    found_impact = (
        _stated(impact, "impact field")
        or _stated(llm_impact, "impact by the model")
        or _impact_from_text(read)
        or _stated(default_impact, "impact of the request type")
        or _Finding(Level.MEDIUM, ("impact assumed: medium",))
    )
    found_urgency = (
        _stated(urgency, "urgency field")
        or _stated(llm_urgency, "urgency by the model")
        or _urgency_from_text(read)
        or _Finding(Level.MEDIUM, ("urgency assumed: medium",))
    )
    evidence = _distinct((*found_urgency.evidence, *found_impact.evidence))
    if priority is not None:
        evidence = (f"priority field: {priority.name}",)
    return PriorityDecision(
        priority=priority or policy.matrix[found_impact.level, found_urgency.level],
        impact=found_impact.level,
        urgency=found_urgency.level,
        evidence=evidence,
    )


def _stated(level: Level | None, source: str) -> _Finding | None:
    return None if level is None else _Finding(level, (f"{source}: {level.name.lower()}",))


def _read(subject: str, body: str, policy: PriorityPolicy) -> list[_Read]:
    """What the text says, negations and unreal events sorted out."""
    signals = policy.vocabulary.signals
    hits: list[Hit] = [
        *policy.lexicon.find(subject[:READ_SUBJECT]),
        *policy.lexicon.find(body[:READ_BODY]),
    ]
    return [
        _Read(hit.quote, signals[hit.signal], hit.negated)
        for hit in hits
        if _counts(hit, signals[hit.signal])
    ]


def _counts(hit: Hit, signal: Signal) -> bool:
    if hit.unreal and signal.kind in (*_EVENTS, SignalKind.BROKEN):
        return False
    return not hit.negated or signal.negated is not None


def _urgency_from_text(read: Sequence[_Read]) -> _Finding | None:
    """What the writer states, else what has happened, else low for a mere request."""
    stated = [r for r in read if r.kind == SignalKind.STATED and r.urgency]
    levels = {r.urgency for r in stated}
    if {Level.HIGH, Level.LOW} <= levels:
        # "Low priority, but please do it at once": taken at neither word.
        return _Finding(Level.MEDIUM, _quotes(stated, lambda r: r.urgency != Level.MEDIUM))
    for found in (stated, [r for r in read if r.kind in _EVENTS]):
        if level := min((r.urgency for r in found if r.urgency), default=None):
            return _Finding(level, _quotes(found, lambda r, wanted=level: r.urgency == wanted))
    requests = [r for r in read if r.kind == SignalKind.REQUEST]
    if requests and not _is_wrong(read):
        return _Finding(Level.LOW, _quotes(requests, lambda _: True))
    return None


def _impact_from_text(read: Sequence[_Read]) -> _Finding | None:
    """The widest of what has happened and who is affected; one person alone narrows an event."""
    scopes = [r for r in read if r.kind == SignalKind.SCOPE and not r.negated]
    events = [r for r in read if r.kind in _EVENTS and not r.negated]
    secure = [r for r in events if r.kind == SignalKind.SECURITY]
    if {r.signal.impact for r in scopes} == {Level.LOW} and not any(
        r.signal.impact for r in secure
    ):
        return _Finding(Level.LOW, _quotes(scopes, lambda _: True))
    found = [r for r in (*scopes, *events) if r.signal.impact]
    level = min((r.signal.impact for r in found if r.signal.impact), default=None)
    if level is None:
        return None
    quotes = _quotes(found, lambda r: r.signal.impact == level)
    if level == Level.HIGH and not _is_wrong(read):
        # "Access for all users": many are meant, nobody is hindered.
        level = Level.MEDIUM
    return _Finding(level, quotes)


def _is_wrong(read: Iterable[_Read]) -> bool:
    """Whether the text reports that something does not work as it should."""
    return any(r.kind in (*_EVENTS, SignalKind.BROKEN) and not r.negated for r in read)


def _quotes(read: Iterable[_Read], wanted: Callable[[_Read], bool]) -> tuple[str, ...]:
    return tuple(r.quote for r in read if wanted(r))


def _distinct(quotes: Iterable[str]) -> tuple[str, ...]:
    """The first few, each once however it is capitalised."""
    first = {quote.casefold(): quote[:_LONGEST_QUOTE] for quote in reversed(tuple(quotes))}
    return tuple(reversed(first.values()))[:_MOST_EVIDENCE]
