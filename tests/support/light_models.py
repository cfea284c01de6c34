"""The command line with light models and short pauses, for tests of everything around them.

The local model takes seconds to load and is tested elsewhere. `LightClassifier` and
`LightSkillReader` keep to the same protocols and compare words, nothing more. As a process:

    python -m support.light_models run --json
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from triagedesk import app
from triagedesk.agents import SkillNeed
from triagedesk.catalog import CatalogEntry, ServiceCatalog
from triagedesk.classify import StageResult
from triagedesk.classify.llm import LlmClassifier
from triagedesk.cli import main
from triagedesk.sources.http import HttpLimits
from triagedesk.store import Store
from triagedesk.store.engine import LOCK_TIMEOUT
from triagedesk.tickets import Alternative, Classification, DecidedBy, Ticket


class LightClassifier:
    """Chooses the entry whose name shares the most words with the ticket; unsure without any."""

    name = "local"
    version = "light-1"
    #: Nothing is missing.
    missing: tuple[str, ...] = ()

    def classify(self, tickets: Sequence[Ticket], catalog: ServiceCatalog) -> StageResult:
        """Classify tickets (distinct ids) into labels that `catalog.candidates` allows each."""
        return StageResult(answers={ticket.id: _answer(ticket, catalog) for ticket in tickets})


def _answer(ticket: Ticket, catalog: ServiceCatalog) -> Classification:
    said = _words(ticket.text[:2000])

    def rank(entry: CatalogEntry) -> tuple[int, str]:
        return -len(said & _words(entry.label.request_type)), str(entry.label)

    ranked = sorted(catalog.candidates(ticket.request_category, ticket.request_type), key=rank)
    shared = -rank(ranked[0])[0]
    return Classification(
        label=ranked[0].label,
        confidence=0.9 if shared else 0.3,
        decided_by=DecidedBy.LOCAL,
        model="light",
        model_version="light-1",
        needs_review=not shared,
        notes=() if shared else ("no word in common",),
        alternatives=tuple(Alternative(label=e.label, probability=0.05) for e in ranked[1:3]),
    )


class LightSkillReader:
    """A ticket needs the skills it names."""

    def needs(
        self, texts: Sequence[str], skill_names: Sequence[str]
    ) -> Sequence[tuple[SkillNeed, ...]]:
        """For each text the skills it needs, out of `skill_names`, primary ones first."""
        return [
            tuple(
                SkillNeed(skill=skill, weight=0.5 if position else 1.0)
                for position, skill in enumerate(
                    name for name in skill_names if _words(name) & _words(text[:2000])
                )
            )
            for text in texts
        ]


def _words(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]{3,}", text.casefold()))


def lighten(
    set_attribute: Callable[[Any, str, Any], None],
    set_item: Callable[[Any, str, Any], None],
    nap: Callable[[float], None],
) -> None:
    """Put the light models in place and `nap` wherever the product would pause."""
    set_attribute(app, "LocalClassifier", lambda **_options: LightClassifier())
    set_attribute(app, "LocalSkillReader", lambda _encoders: LightSkillReader())
    set_attribute(app, "load_encoders", lambda _folder: None)
    set_attribute(app, "time", SimpleNamespace(sleep=nap))
    # Defaults of dataclasses and functions live here, not in the attributes of that name.
    set_item(HttpLimits.__init__.__kwdefaults__, "sleep", nap)
    set_item(LlmClassifier.__init__.__kwdefaults__, "sleep", nap)
    # Seconds to wait for a lock: as long as the real desk, but where a test says otherwise.
    patience = float(os.environ.get("LIGHT_LOCK_TIMEOUT", LOCK_TIMEOUT))
    set_item(Store.open.__func__.__kwdefaults__, "lock_timeout", patience)  # type: ignore[attr-defined] # typeshed sees a function where there is a bound method


if __name__ == "__main__":
    lighten(setattr, dict.__setitem__, lambda seconds: time.sleep(min(seconds, 0.02)))
    main()
