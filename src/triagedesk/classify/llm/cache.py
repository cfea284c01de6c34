"""Answers already paid for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class AnswerCache(Protocol):
    """Keeps answers by key; both are opaque text, without ticket text or secrets in the key."""

    def get(self, keys: Sequence[str]) -> Mapping[str, str]:
        """The answers known for these keys."""

    def put(self, answers: Mapping[str, str]) -> None:
        """Keep answers; a known key is overwritten."""


class MemoryCache:
    """Keeps the newest answers for as long as the process lives."""

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._answers: dict[str, str] = {}

    def get(self, keys: Sequence[str]) -> Mapping[str, str]:
        """The answers known for these keys."""
        return {key: self._answers[key] for key in keys if key in self._answers}

    def put(self, answers: Mapping[str, str]) -> None:
        """Keep answers, dropping the oldest beyond the limit."""
        self._answers.update(answers)
        for key in list(self._answers)[: max(0, len(self._answers) - self._limit)]:
            self._answers.pop(key, None)
