"""Catalog entries a classifier cannot tell apart, and what to write so that it can."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from triagedesk.catalog import CatalogEntry, Label, ServiceCatalog, catalog_version, normalise
from triagedesk.classify import Classifier
from triagedesk.classify.encoders.ngrams import LONGEST, STOP_WORDS, stem
from triagedesk.classify.residual import residual
from triagedesk.cleaning import excerpt
from triagedesk.tickets import Classification, Ticket

#: A rival this likely against an entry, for the entry's own words, is one too many. On catalogs
#: written with care the likeliest rivals stay below 0.08; synonyms and near-repetitions are above
#: 0.2. Real tickets say less than an entry says of itself, so the gap between them is narrower.
RIVALRY = 0.1
#: An example is one ticket, and with examples hidden hard to place: only a lost one counts.
EXAMPLE_RIVALRY = 1.0
#: Examples of an entry that are tried.
MOST_EXAMPLES = 5
#: Words named in a proposal.
_MOST_WORDS = 6
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class Confusable:
    """Two entries that are mistaken for each other, or an example that reads as another entry."""

    label: Label
    rival: Label
    #: The entry's own words that showed it.
    text: str
    #: `name`, `description` or `example`.
    kind: str
    #: How likely the rival is against the entry itself; above 1 the rival would be answered.
    odds: float
    #: What to write, a sentence each.
    proposals: tuple[str, ...]

    @property
    def what(self) -> str:
        """What was found, in a sentence."""
        would = "would be taken for" if self.odds >= 1 else "is close to"
        quoted = f"“{excerpt(self.text, limit=80)}”"
        own = {
            "name": f"{self.label}: by its name it",
            "description": f"{self.label}: by its description {quoted} it",
            "example": f"{self.label}: its example {quoted}",
        }[self.kind]
        return f"{own} {would} {self.rival}"


def find_confusable(catalog: ServiceCatalog, classifier: Classifier) -> tuple[Confusable, ...]:
    """Ask about each entry's own words as if they were tickets; the worst confusion first.

    Examples are hidden from the classifier, since each would match itself. Residual entries are
    left out: to be near everything is their nature. Of two entries one finding is kept.
    """
    hidden = tuple(replace(entry, examples=()) for entry in catalog.entries)
    shown = ServiceCatalog(entries=hidden, version=catalog_version(hidden), origin=catalog.origin)
    entries = {entry.label: entry for entry in catalog.entries if residual(entry) is None}
    asked = list(_own_words(list(entries.values())))
    tickets = [
        Ticket(source="catalog", id=str(number), short_description=text)
        for number, (_, _, text) in enumerate(asked)
    ]
    result = classifier.classify(tickets, shown)
    found: dict[tuple[object, ...], Confusable] = {}
    for number, (entry, kind, text) in enumerate(asked):
        answer = result.answers.get(str(number))
        rival = _rival(answer, entry.label, entries) if answer else None
        if rival is None or rival[1] < (EXAMPLE_RIVALRY if kind == "example" else RIVALRY):
            continue
        other = entries[rival[0]]
        confusable = Confusable(
            label=entry.label,
            rival=other.label,
            text=text,
            kind=kind,
            odds=rival[1],
            proposals=tuple(
                _example_proposals(entry, other) if kind == "example" else _proposals(entry, other)
            ),
        )
        pair = tuple(sorted((entry.label, other.label)))
        key = (*pair, number) if kind == "example" else pair
        if key not in found or found[key].odds < confusable.odds:
            found[key] = confusable
    return tuple(sorted(found.values(), key=lambda c: (-c.odds, c.label, c.rival, c.text)))


def bare(catalog: ServiceCatalog) -> tuple[Label, ...]:
    """Entries with neither description nor examples, residual ones apart: known by name only."""
    return tuple(
        entry.label
        for entry in catalog.entries
        if not entry.description and not entry.examples and residual(entry) is None
    )


def _own_words(entries: Sequence[CatalogEntry]) -> Iterator[tuple[CatalogEntry, str, str]]:
    """What each entry says of itself, piece by piece, as a ticket might."""
    for entry in entries:
        yield entry, "name", entry.label.request_type
        if entry.description:
            yield entry, "description", entry.description
        for example in entry.examples[:MOST_EXAMPLES]:
            yield entry, "example", example


def _rival(
    answer: Classification, own: Label, entries: dict[Label, CatalogEntry]
) -> tuple[Label, float] | None:
    """The likeliest other entry and how likely it is against `own`; None when there is none."""
    likely = [(a.label, a.probability) for a in answer.alternatives]
    if answer.label is not None:
        likely.append((answer.label, answer.confidence))
    rivals = [(label, p) for label, p in likely if label != own and label in entries]
    if not rivals:
        return None
    # An entry that is not even named is less likely than all that are.
    itself = max((p for label, p in likely if label == own), default=min(p for _, p in likely))
    label, probability = min(rivals, key=lambda r: (-r[1], r[0]))
    return label, probability / itself if itself > 0 else float(probability > 0) * 1e3


def _proposals(entry: CatalogEntry, rival: CatalogEntry) -> Iterator[str]:
    """What to write about two entries that are alike."""
    one, other = _names(entry, rival)
    if normalise(entry.label.request_type) == normalise(rival.label.request_type):
        yield "both have the same name: merge them, or say in the name what sets them apart"
    if not entry.description and not rival.description:
        yield (
            "neither has a description: write what belongs to each, in the words people use, "
            "and what goes to the other"
        )
    elif not (entry.description and rival.description):
        without, has = (other, one) if entry.description else (one, other)
        yield (
            f"{without} has no description: write what belongs there, in the words people use, "
            f"and what goes to {has} instead"
        )
    else:
        for name, only in ((one, _only(entry, rival)), (other, _only(rival, entry))):
            yield (
                f"only {name} speaks of {', '.join(only)}: say more of what belongs there alone"
                if only
                else f"{name} says nothing that the other does not: name cases that only it covers"
            )
    if shared := _shared(entry, rival):
        yield f"both say {', '.join(shared)}: leave it to one of them where you can"
    without_examples = [n for n, e in ((one, entry), (other, rival)) if not e.examples]
    if without_examples:
        yield f"add two or three real tickets as examples to {' and '.join(without_examples)}"


def _names(entry: CatalogEntry, rival: CatalogEntry) -> tuple[str, str]:
    """What to call two entries: by type, and by category too where the types are the same."""
    if normalise(entry.label.request_type) == normalise(rival.label.request_type):
        return str(entry.label), str(rival.label)
    return entry.label.request_type, rival.label.request_type


def _example_proposals(entry: CatalogEntry, rival: CatalogEntry) -> Iterator[str]:
    yield f"if such tickets belong to {rival.label}, move the example there"
    verb = "extend" if entry.description else "write"
    yield f"otherwise {verb} the description of {entry.label.request_type} in the example's words"


def _only(one: CatalogEntry, other: CatalogEntry) -> list[str]:
    """Words only the first entry says, in its order."""
    said = _words(other)
    return [word for key, word in _words(one).items() if key not in said][:_MOST_WORDS]


def _shared(one: CatalogEntry, other: CatalogEntry) -> list[str]:
    """Words both entries say, in the first one's order."""
    said = _words(other)
    return [word for key, word in _words(one).items() if key in said][:_MOST_WORDS]


def _words(entry: CatalogEntry) -> dict[str, str]:
    """The content words of an entry's name, description and examples: stem -> as first written."""
    text = " ".join([entry.label.request_type, entry.description, *entry.examples])
    words: dict[str, str] = {}
    for word in _WORD.findall(text[:LONGEST].lower()):
        if word not in STOP_WORDS:
            words.setdefault(stem(word), word)
    return words
