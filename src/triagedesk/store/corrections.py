"""Queries about corrections: what people answered, and what was taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, func, insert, select, update

from triagedesk.catalog import Label
from triagedesk.store.queries import Queries, in_parts
from triagedesk.store.tables import corrections, tickets


@dataclass(frozen=True, kw_only=True)
class StoredCorrection:
    """A person's answer for one ticket's text."""

    #: The store's number; 0 before it is stored.
    id: int = 0
    #: The store's number of the ticket it was made on; None for imported history.
    ticket_key: int | None = None
    #: That ticket's id at its source, as far as it was read along.
    ticket_id: str = ""
    #: The same for texts a model reads alike.
    text_key: str
    #: Subject and body as they came.
    text: str
    label: Label
    made_at: datetime
    made_by: str
    #: What was learned together and can be undone together.
    lesson: str


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """Corrections learned together."""

    id: str
    corrections: int
    made_at: datetime
    made_by: str
    undone: bool


class CorrectionQueries(Queries):
    """Queries about corrections."""

    def correct(self, made: Sequence[StoredCorrection]) -> None:
        """Keep corrections."""
        for part in in_parts(made):
            rows = [
                {
                    "ticket_id": item.ticket_key,
                    "text_key": item.text_key,
                    "text": item.text,
                    "request_category": item.label.request_category,
                    "request_type": item.label.request_type,
                    "made_at": item.made_at,
                    "made_by": item.made_by,
                    "lesson": item.lesson,
                }
                for item in part
            ]
            self.connection.execute(insert(corrections), rows)

    def corrections(self) -> list[StoredCorrection]:
        """Every correction that counts, oldest first."""
        query = select(corrections, tickets.c.external_id).where(corrections.c.undone_at.is_(None))
        query = query.outerjoin(tickets, tickets.c.id == corrections.c.ticket_id)
        rows = self.connection.execute(query.order_by(corrections.c.made_at, corrections.c.id))
        return [_read(row) for row in rows]

    def contradicted(self, made: Sequence[StoredCorrection]) -> list[StoredCorrection]:
        """Earlier corrections that count and give one of these texts another label."""
        labels = {item.text_key: item.label for item in made}
        found: list[StoredCorrection] = []
        for part in in_parts(sorted(labels)):
            query = select(corrections).where(
                corrections.c.text_key.in_(part), corrections.c.undone_at.is_(None)
            )
            found += [_read(row) for row in self.connection.execute(query)]
        return [earlier for earlier in found if earlier.label != labels[earlier.text_key]]

    def lessons(self) -> list[Lesson]:
        """What was learned, oldest first."""
        columns = (corrections.c.lesson, corrections.c.made_by)
        query = (
            select(
                *columns,
                func.count().label("number"),
                func.min(corrections.c.made_at).label("made_at"),
                func.count(corrections.c.undone_at).label("undone"),
            )
            .group_by(*columns)
            .order_by("made_at", corrections.c.lesson)
        )
        return [
            Lesson(
                id=row.lesson,
                corrections=row.number,
                made_at=row.made_at,
                made_by=row.made_by,
                undone=row.undone == row.number,
            )
            for row in self.connection.execute(query)
        ]

    def undo_lesson(self, lesson: str, now: datetime) -> int:
        """Take back what was learned together; returns how many corrections no longer count."""
        undone = self.connection.execute(
            update(corrections)
            .where(corrections.c.lesson == lesson, corrections.c.undone_at.is_(None))
            .values(undone_at=now)
        )
        return undone.rowcount


def _read(row: Row[tuple[object, ...]]) -> StoredCorrection:
    values = row._mapping  # noqa: SLF001 (SQLAlchemy's public name for it)
    return StoredCorrection(
        id=values["id"],
        ticket_key=values["ticket_id"],
        ticket_id=values.get("external_id") or "",
        text_key=values["text_key"],
        text=values["text"],
        label=Label(values["request_category"], values["request_type"]),
        made_at=values["made_at"],
        made_by=values["made_by"],
        lesson=values["lesson"],
    )
