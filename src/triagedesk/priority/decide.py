"""A ticket's priority from its fields, a model's reply, its text, or what the desk assumes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from triagedesk.priority.phrases import READ_BODY, READ_SUBJECT, Hit
from triagedesk.priority.policy import PriorityPolicy, Signal, SignalKind
from triagedesk.priority.records import Level, Priority, PriorityDecision

#: So many phrases say enough.
_MOST_EVIDENCE = 6
_LONGEST_QUOTE = 80
_EVENTS = (SignalKind.EVENT, SignalKind.SECURITY)
_URGING = (*_EVENTS, SignalKind.DEADLINE)


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
    def impact(self) -> Level | None:
        return None if self.negated else self.signal.impact

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
    """What the text says, with negations and unreal events sorted out."""
    signals = policy.vocabulary.signals
    texts = (subject[:READ_SUBJECT], body[:READ_BODY])
    return [
        _Read(hit.quote, signals[hit.signal], hit.negated)
        for text in texts
        for hit in _uncovered(policy.lexicon.find(text), signals)
        if _counts(hit, signals[hit.signal])
    ]


def _uncovered(hits: Iterable[Hit], signals: Mapping[str, Signal]) -> Iterator[Hit]:
    """Hits but those within a neutral one ("emergency exit") or within one of their own kind.

    What is negated or unreal is so with all that is in it: "no critical outage".
    """
    around: list[Hit] = []
    for found in hits:
        around = [outer for outer in around if found.start < outer.end]
        hit = found
        if around:
            hit = replace(
                found,
                negated=found.negated or any(outer.negated for outer in around),
                unreal=found.unreal or any(outer.unreal for outer in around),
            )
        shields = {signals[outer.signal].kind for outer in around}
        if not shields & {SignalKind.NEUTRAL, signals[hit.signal].kind}:
            yield hit
            around.append(hit)


def _counts(hit: Hit, signal: Signal) -> bool:
    """Whether a hit says anything."""
    if signal.kind == SignalKind.NEUTRAL:
        return False
    if hit.unreal and signal.kind in (*_EVENTS, SignalKind.BROKEN):
        return False
    return not hit.negated or signal.negated is not None


def _urgency_from_text(read: Sequence[_Read]) -> _Finding | None:
    """What the writer states, else what has happened, else low for a mere request."""
    stated = [r for r in read if r.kind == SignalKind.STATED and r.urgency]
    levels = {r.urgency for r in stated}
    if {Level.HIGH, Level.LOW} <= levels:
        # "Low priority, but please do it at once": taken at neither word.
        return _Finding(Level.MEDIUM, tuple(r.quote for r in stated if r.urgency != Level.MEDIUM))
    happened = [r for r in read if r.kind in _URGING]
    for found in (stated, happened):
        level = min((r.urgency for r in found if r.urgency), default=None)
        if level is not None:
            return _Finding(level, tuple(r.quote for r in found if r.urgency == level))
    requests = [r for r in read if r.kind == SignalKind.REQUEST]
    if requests and not _is_wrong(read):
        return _Finding(Level.LOW, tuple(r.quote for r in requests))
    return None


def _impact_from_text(read: Sequence[_Read]) -> _Finding | None:
    """What is stated, else the widest of what has happened and who is affected.

    One person alone narrows an event, unless it is about security.
    """
    stated = [r for r in read if r.kind == SignalKind.STATED and r.impact]
    if (level := _highest(stated)) is not None:
        return _Finding(level, tuple(r.quote for r in stated if r.impact == level))
    scopes = [r for r in read if r.kind == SignalKind.SCOPE]
    events = [r for r in read if r.kind in _EVENTS]
    secure = [r for r in events if r.kind == SignalKind.SECURITY]
    if {r.impact for r in scopes} == {Level.LOW} and _highest(secure) is None:
        return _Finding(Level.LOW, tuple(r.quote for r in scopes))
    found = [*scopes, *events]
    if (level := _highest(found)) is None:
        return None
    quotes = tuple(r.quote for r in found if r.impact == level)
    if level == Level.HIGH and not _is_wrong(read):
        # "Access for all users": many are meant, nobody is hindered.
        level = Level.MEDIUM
    return _Finding(level, quotes)


def _highest(read: Iterable[_Read]) -> Level | None:
    return min((r.impact for r in read if r.impact), default=None)


def _is_wrong(read: Iterable[_Read]) -> bool:
    """Whether the text reports that something does not work as it should."""
    return any(r.kind in (*_EVENTS, SignalKind.BROKEN) for r in read)


def _distinct(quotes: Iterable[str]) -> tuple[str, ...]:
    """The first few, each once however it is capitalised."""
    first: dict[str, str] = {}
    for quote in quotes:
        first.setdefault(quote.casefold(), quote[:_LONGEST_QUOTE])
    return tuple(first.values())[:_MOST_EVIDENCE]
