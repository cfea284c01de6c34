"""What the model sent back, matched by id and held to the closed list."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from triagedesk.catalog import Label
from triagedesk.classify.llm.prompt import (
    CONFIDENCE_WORDS,
    MAX_EVIDENCE,
    NONE,
    Prompt,
    Question,
)
from triagedesk.priority import Level

#: How likely an answer is right by the model's own word. These are placeholders with an order,
#: not measurements: a desk that has corrections replaces them by what it counted.
PROBABILITIES: Mapping[str, float] = {"certain": 0.95, "likely": 0.85, "unsure": 0.5}

#: Longer replies are not read: the largest batch of sensible answers is far below.
MAX_REPLY = 2_000_000
_MAX_PHRASE = 160
_LEVELS = {"high": Level.HIGH, "medium": Level.MEDIUM, "low": Level.LOW}

MISSING = "the reply left this ticket out"
REPEATED = "the reply named this ticket more than once"
UNKNOWN_LABEL = "the reply named a label that is not allowed for this ticket"
NOT_JSON = "the reply was not the JSON asked for"


@dataclass(frozen=True, kw_only=True)
class LlmAnswer:
    """One valid answer to one question."""

    #: None when the model says that nothing fits.
    label: Label | None
    #: One of CONFIDENCE_WORDS.
    confidence: str
    #: Phrases that occur in the text as it was sent.
    evidence: tuple[str, ...] = ()
    impact: Level | None = None
    urgency: Level | None = None

    def to_json(self) -> str:
        """As the cache keeps it."""
        return json.dumps(
            {
                "label": list(self.label) if self.label else None,
                "confidence": self.confidence,
                "evidence": list(self.evidence),
                "impact": self.impact,
                "urgency": self.urgency,
            },
            ensure_ascii=False,
        )

    @classmethod
    def from_json(cls, text: str, question: Question) -> LlmAnswer | None:
        """A kept answer; None when it does not fit the question any more."""
        try:
            raw = json.loads(text)
            label = Label(*raw["label"]) if raw["label"] else None
            answer = cls(
                label=label,
                confidence=raw["confidence"],
                evidence=tuple(raw["evidence"]),
                impact=Level(raw["impact"]) if raw["impact"] else None,
                urgency=Level(raw["urgency"]) if raw["urgency"] else None,
            )
        except (ValueError, TypeError, KeyError):
            return None
        known = answer.confidence in CONFIDENCE_WORDS
        return answer if known and (label is None or label in question.allowed) else None


@dataclass(frozen=True, kw_only=True)
class ReadReply:
    """A reply by question key; every question of the prompt is in exactly one of the two."""

    answers: Mapping[str, LlmAnswer] = field(default_factory=dict)
    #: Why there is no valid answer.
    problems: Mapping[str, str] = field(default_factory=dict)


def read_reply(text: str, prompt: Prompt, *, truncated: bool = False) -> ReadReply:
    """Read a reply; of a truncated one, the answers well before the cut count."""
    items = _answers_in(text, truncated=truncated)
    if items is None:
        return ReadReply(problems={q.key: NOT_JSON for q in prompt.questions.values()})
    by_id: dict[str, list[Mapping[str, Any]]] = {}
    for item in items:
        if isinstance(item, dict) and isinstance(call_id := item.get("ticket"), str):
            by_id.setdefault(call_id.strip(), []).append(item)
    answers: dict[str, LlmAnswer] = {}
    problems: dict[str, str] = {}
    for call_id, question in prompt.questions.items():
        found = by_id.get(call_id, [])
        if len(found) != 1:
            problems[question.key] = REPEATED if found else MISSING
        elif answer := _read_answer(found[0], question, prompt):
            answers[question.key] = answer
        else:
            problems[question.key] = UNKNOWN_LABEL
    return ReadReply(answers=answers, problems=problems)


def _answers_in(text: str, *, truncated: bool) -> list[Any] | None:
    """The list of answers, past any prose or fence around it; None when there is none."""
    start = text.find("{")
    if start < 0 or len(text) > MAX_REPLY:
        return None
    body = text[start:] if truncated else text[start : text.rfind("}") + 1]
    try:
        value = from_json(body, allow_partial=truncated)
    except ValueError:
        return None
    answers = value.get("answers") if isinstance(value, dict) else None
    if not isinstance(answers, list):
        return None
    # Of the answer the cut goes through, nothing is known for sure.
    return answers[:-1] if truncated else answers


def _read_answer(item: Mapping[str, Any], question: Question, prompt: Prompt) -> LlmAnswer | None:
    code = str(item.get("label", "")).strip().upper()
    label = prompt.book.labels.get(code)
    if code != NONE and label not in question.allowed:
        return None
    word = str(item.get("confidence", "")).strip().lower()
    phrases = item.get("evidence")
    return LlmAnswer(
        label=label,
        # A word not on the list promises nothing.
        confidence=word if word in CONFIDENCE_WORDS else "unsure",
        evidence=verbatim(phrases if isinstance(phrases, list) else (), question.text),
        impact=_LEVELS.get(str(item.get("impact")).strip().lower()),
        urgency=_LEVELS.get(str(item.get("urgency")).strip().lower()),
    )


def verbatim(phrases: Iterable[object], text: str) -> tuple[str, ...]:
    """The phrases that occur in the text, spelt as it spells them; a made-up quote is dropped."""
    found: dict[str, None] = {}
    for phrase in phrases:
        words = phrase.split() if isinstance(phrase, str) and len(phrase) <= _MAX_PHRASE else []
        # Only literals joined by white space: nothing in it can backtrack far.
        pattern = r"\s+".join(re.escape(word) for word in words)
        if words and (match := re.search(pattern, text, re.IGNORECASE)):
            found[" ".join(match[0].split())] = None
    return tuple(found)[:MAX_EVIDENCE]
