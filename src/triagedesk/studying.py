"""A history of closed tickets, read once and put aside on disk: learned whole or not at all.

What stays in memory are three digests a line. So a file with a mistake on its last line teaches
nothing, the store is written to for moments only, and a long history needs hardly more memory
than a short one.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

import numpy as np

from triagedesk.catalog import Label, ServiceCatalog
from triagedesk.classify.corrections import text_key
from triagedesk.errors import Problem
from triagedesk.tickets import BrokenTicket, Ticket

#: Bytes of a digest: no two lines of any file are taken for the same by chance.
_DIGEST = 16


@dataclass(frozen=True, kw_only=True)
class Example:
    """A closed ticket to learn from."""

    text: str
    #: The same for texts a model reads alike.
    text_key: str
    label: Label
    #: False where a later line has the same text: only the last one's label counts.
    stands: bool


@dataclass(frozen=True, kw_only=True)
class Unusable:
    """A closed ticket that teaches nothing."""

    problem: Problem
    #: Whether it is no ticket, or has a newer version further down; else it is one without a use.
    broken: bool


class Study:
    """A history, ready to be learned; close it to be rid of what was put aside."""

    def __init__(self, history: Iterable[Ticket | BrokenTicket], catalog: ServiceCatalog) -> None:
        """Read all of it; raises what `history` raises, and then nothing is left behind."""
        self._ids, self._contents, self._texts = bytearray(), bytearray(), bytearray()
        self._file = tempfile.TemporaryFile("w+", encoding="ascii", newline="\n")  # noqa: SIM115 (closed by close)
        try:
            for position, item in enumerate(history):
                self._put_aside(position, item, catalog)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Be rid of what was put aside."""
        self._file.close()

    def __iter__(self) -> Iterator[Example | Unusable]:
        """What there is to learn, in the file's order.

        A ticket that comes again with the same content counts once; with other content the last
        one counts, since a later line in an export is the newer one.
        """
        newer, repeated = self._newer_ids()
        left_out = repeated | newer.keys()
        overruled = {
            position
            for group in _groups(self._texts)
            for position in [p for p in group if p not in left_out][:-1]
        }
        self._file.seek(0)
        for position, line in enumerate(self._file):
            id_, what, key, category, kind, text = json.loads(line)
            if position in repeated:
                continue
            if position in newer:
                what = f"id {id_} comes again at position {newer[position]} with other content"
                problem = Problem(where=f"number {position + 1}", what=what)
                yield Unusable(problem=problem, broken=True)
            elif what:
                where = f"ticket {id_}" if id_ else f"number {position + 1}"
                yield Unusable(problem=Problem(where=where, what=what), broken=not id_)
            else:
                yield Example(
                    text=text,
                    text_key=key,
                    label=Label(category, kind),
                    stands=position not in overruled,
                )

    def _put_aside(
        self, position: int, item: Ticket | BrokenTicket, catalog: ServiceCatalog
    ) -> None:
        if isinstance(item, BrokenTicket):
            self._add(position, "", "", "", ("", item.reason, "", "", "", ""))
            return
        entry = catalog.match(item.request_category, item.request_type)
        content = repr(item)
        if entry is None or not item.text:
            label = Label(item.request_category, item.request_type)
            what = f"{label} is not in the Service Catalog" if item.text else "it has no text"
            self._add(position, item.id, content, "", (item.id, what, "", "", "", ""))
        else:
            key = text_key(item.text)
            row = (item.id, "", key, *entry.label, item.text)
            self._add(position, item.id, content, key, row)

    def _add(self, position: int, id_: str, content: str, key: str, row: tuple[str, ...]) -> None:
        # What has no id or no use is like no other line.
        self._ids += _digest(id_ or position)
        self._contents += _digest(content)
        self._texts += _digest(key or position)
        self._file.write(f"{json.dumps(row)}\n")

    def _newer_ids(self) -> tuple[dict[int, int], set[int]]:
        """Lines with a newer version, each with where that stands; lines that say nothing new."""
        newer: dict[int, int] = {}
        repeated: set[int] = set()
        for group in _groups(self._ids):
            stands = group[0]
            for position in group[1:]:
                if self._content(position) == self._content(stands):
                    repeated.add(position)
                else:
                    newer[stands] = position
                    stands = position
        return newer, repeated

    def _content(self, position: int) -> bytes:
        return bytes(self._contents[_DIGEST * position : _DIGEST * (position + 1)])


def _digest(said: str | int) -> bytes:
    # A number and a text that looks like it are not the same.
    return blake2b(f"{said!r}".encode("utf-8", "replace"), digest_size=_DIGEST).digest()


def _groups(digests: bytearray) -> Iterator[list[int]]:
    """The positions of equal digests, where there are several, in order."""
    found = np.frombuffer(digests, f"S{_DIGEST}")
    order = np.argsort(found, kind="stable")
    same = found[order[1:]] == found[order[:-1]]
    # Where a run of equal ones begins and where it ends: few numbers, as most lines are alone.
    edges = np.flatnonzero(np.diff(same.astype(np.int8), prepend=0, append=0))
    for first, last in edges.reshape(-1, 2).tolist():
        yield order[first : last + 1].tolist()
