"""The topic bank as it is written: a YAML file of topics, and what each language says of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_name("topics.yaml")
#: Folder of phrasings beside the bank's file, one file a language.
PHRASES = "phrases"
ENGLISH = "en"


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One thing desks are asked about."""

    name: str
    #: What catalogs call it.
    called: tuple[str, ...]
    #: What catalogs call it that tell less apart: "Security Incident" for a stolen laptop.
    wider: tuple[str, ...]
    #: The larger field it belongs to, as catalogs name their categories.
    field: tuple[str, ...]
    #: Fields of work of those who solve it, as rosters tend to call them.
    resolvers: tuple[str, ...]
    #: Tickets' wording in English.
    phrases: tuple[str, ...]
    #: What catalogs in other languages call it.
    called_elsewhere: tuple[str, ...] = ()
    #: Tickets' wording in other languages, and the language of each.
    phrases_elsewhere: tuple[str, ...] = ()
    languages_elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What one language says of one topic."""

    called: tuple[str, ...]
    phrases: tuple[str, ...]


def read_wordings(path: Path) -> dict[str, Wording]:
    """Wordings by topic of one language's file; raises ValueError when it is not one.

    `# topic`, then a line each: `= name` as catalogs have it, and phrasings.
    """
    listed: dict[str, tuple[list[str], list[str]]] = {}
    current: tuple[list[str], list[str]] | None = None
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text.startswith("# "):
            current = listed.setdefault(text[2:], ([], []))
        elif text and current is None:
            raise ValueError(f"{path.name}: {text[:40]!r} comes before any topic")
        elif text.startswith("= ") and current is not None:
            current[0].append(text[2:])
        elif text and current is not None:
            current[1].append(text)
    return {
        topic: Wording(called=tuple(called), phrases=tuple(phrases))
        for topic, (called, phrases) in listed.items()
    }


def bank_files(path: Path = FILE) -> list[Path]:
    """The files a bank is made of: itself and its languages."""
    return [path, *sorted((path.parent / PHRASES).glob("*.txt"))]


def bank_state(path: Path = FILE) -> str:
    """Hash of the bank's files as they are on disk."""
    said = [file.read_bytes() for file in bank_files(path)]
    return hashlib.sha256(b"\0".join(said)).hexdigest()[:16]


@cache
def read_topics(path: Path = FILE) -> tuple[Topic, ...]:
    """The topics of a bank file and its languages; raises ValueError when it is not one."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    raw: Any = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 (both safe)
    wordings = {file.stem: read_wordings(file) for file in bank_files(path)[1:]}
    names = {entry["name"] for entry in raw["topics"]}
    for language, listed in wordings.items():
        if unknown := sorted(set(listed) - names):
            raise ValueError(f"{language}.txt: {unknown[0]!r} is no topic of {path.name}")
    topics = [_topic(entry, raw["fields"], wordings) for entry in raw["topics"]]
    for topic in topics:
        said = (*topic.called, *topic.wider, *topic.resolvers, *topic.phrases)
        if not (topic.phrases and topic.called and topic.wider) or not all(
            isinstance(text, str) for text in said
        ):
            raise ValueError(
                f"{path.name}: topic {topic.name!r} lacks names or phrasings, or one is no text"
            )
    return tuple(topics)


def _topic(entry: Any, fields: Any, wordings: Mapping[str, Mapping[str, Wording]]) -> Topic:
    nothing = Wording(called=(), phrases=())
    own = wordings.get(ENGLISH, {}).get(entry["name"], nothing)
    others = {
        language: listed.get(entry["name"], nothing)
        for language, listed in sorted(wordings.items())
        if language != ENGLISH
    }
    return Topic(
        name=entry["name"],
        called=(*entry["called"], *own.called),
        wider=tuple(entry["wider"]),
        field=tuple(fields[entry["field"]]),
        resolvers=tuple(entry["resolvers"]),
        phrases=own.phrases,
        called_elsewhere=tuple(name for wording in others.values() for name in wording.called),
        phrases_elsewhere=tuple(text for wording in others.values() for text in wording.phrases),
        languages_elsewhere=tuple(
            language for language, wording in others.items() for _ in wording.phrases
        ),
    )
