"""What all queries share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from sqlalchemy.engine import Connection

T = TypeVar("T")

#: SQLite takes at most 32,766 parameters in a statement; the widest row here has some 20 columns.
PART = 500


class Queries:
    """Queries over one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection


def in_parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """`items` in parts small enough for one statement."""
    return (items[start : start + PART] for start in range(0, len(items), PART))
