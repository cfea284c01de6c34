"""Queries about runs, and what runs need: the catalog's last good copy, cursors, leases, audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, desc, insert, select, update

from triagedesk.store.queries import Queries, in_parts, insert_new
from triagedesk.store.tables import (
    audit_log,
    catalogs,
    cursors,
    leases,
    model_answers,
    run_tickets,
    runs,
    tickets,
)
from triagedesk.store.tables_sla import sla_events
from triagedesk.store.ticket_rows import of_run, read_received, received_rows
from triagedesk.tickets import ReceivedTicket


@dataclass(frozen=True, kw_only=True)
class StoredCatalog:
    """A catalog that loaded well, as text, with the validators HTTP gave for it."""

    version: str
    origin: str
    text: str
    etag: str
    last_modified: str
    loaded_at: datetime


class RunQueries(Queries):
    """Queries about runs."""

    def start_run(self, run_id: str, now: datetime) -> None:
        """Record that a run begins; runs still marked as running were cut off."""
        self.connection.execute(
            update(runs).where(runs.c.state == "running").values(state="failed", finished_at=now)
        )
        self.connection.execute(insert(runs).values(id=run_id, started_at=now, state="running"))

    def record_lesson(self, lesson: str, now: datetime) -> None:
        """Record what a person decided as a run of its own kind."""
        self.connection.execute(
            insert(runs).values(id=lesson, started_at=now, finished_at=now, state="lesson")
        )

    def finish_run(
        self, run_id: str, state: str, summary: Mapping[str, Any], now: datetime
    ) -> None:
        """Record how a run ended: `done` or `failed`."""
        self.connection.execute(
            update(runs)
            .where(runs.c.id == run_id)
            .values(state=state, summary=dict(summary), finished_at=now)
        )

    def newest_run(self) -> str | None:
        """The run that ended well last."""
        query = select(runs.c.id).where(runs.c.state == "done").order_by(desc(runs.c.started_at))
        return self.connection.scalar(query.limit(1))

    def has_run(self, run_id: str) -> bool:
        """Whether there has been a run of that id."""
        return self.connection.scalar(select(runs.c.id).where(runs.c.id == run_id)) is not None

    def last_catalog(self, origin: str) -> StoredCatalog | None:
        """The copy of the catalog at `origin` that loaded well last."""
        query = (
            select(catalogs).where(catalogs.c.origin == origin).order_by(desc(catalogs.c.loaded_at))
        )
        row = self.connection.execute(query.limit(1)).mappings().first()
        return StoredCatalog(**row) if row else None

    def catalog_text(self, origin: str, version: str) -> str | None:
        """The text of a catalog that loaded well once."""
        query = select(catalogs.c.text).where(
            catalogs.c.origin == origin, catalogs.c.version == version
        )
        return self.connection.scalar(query)

    def undecided_keys(self, run_id: str) -> list[int]:
        """Keys of the run's tickets whose content nobody has decided about yet, ascending."""
        query = of_run(select(tickets.c.id), run_id).where(tickets.c.decision_id.is_(None))
        return list(self.connection.scalars(query.order_by(tickets.c.id)))

    def undecided_between(self, run_id: str, first: int, last: int) -> list[ReceivedTicket]:
        """The run's undecided tickets with keys from `first` to `last`, oldest first."""
        mine = run_tickets.c.ticket_id
        query = (
            received_rows()
            .join(run_tickets, and_(mine == tickets.c.id, run_tickets.c.run_id == run_id))
            .where(tickets.c.decision_id.is_(None), mine.between(first, last))
        )
        rows = self.connection.execute(query.order_by(tickets.c.id))
        return [read_received(row) for row in rows]

    def save_catalog(self, catalog: StoredCatalog) -> None:
        """Keep a catalog that loaded well; one version is kept once, whoever comes first."""
        self.connection.execute(
            delete(catalogs).where(
                catalogs.c.origin == catalog.origin, catalogs.c.version == catalog.version
            )
        )
        self.connection.execute(insert_new(self.connection, catalogs).values(vars(catalog)))

    def cursor(self, source: str) -> str:
        """Where the source's next fetch goes on; "" at first."""
        query = select(cursors.c.cursor).where(cursors.c.source == source)
        return self.connection.execute(query).scalar() or ""

    def move_cursor(self, source: str, cursor: str, now: datetime) -> None:
        """Record where the source's next fetch goes on."""
        self.connection.execute(delete(cursors).where(cursors.c.source == source))
        self.connection.execute(
            insert(cursors).values(source=source, cursor=cursor, updated_at=now)
        )

    def lease(self, name: str) -> tuple[str, datetime] | None:
        """Who holds the lease, and until when."""
        row = self.connection.execute(
            select(leases.c.holder, leases.c.expires_at).where(leases.c.name == name)
        ).first()
        return (row.holder, row.expires_at) if row else None

    def events_wait(self) -> bool:
        """Whether SLA events have happened that nobody has dealt with."""
        query = select(sla_events.c.id).where(sla_events.c.escalated_at.is_(None)).limit(1)
        return self.connection.scalar(query) is not None

    def leases(self, prefix: str) -> list[tuple[str, str, datetime]]:
        """Leases whose names begin with `prefix`: name, who holds it, and until when."""
        query = select(leases).where(leases.c.name.startswith(prefix, autoescape=True))
        rows = self.connection.execute(query.order_by(leases.c.name))
        return [(row.name, row.holder, row.expires_at) for row in rows]

    def take_lease(self, name: str, holder: str, until: datetime) -> None:
        """Hold the lease, whoever held it before."""
        self.connection.execute(delete(leases).where(leases.c.name == name))
        self.connection.execute(insert(leases).values(name=name, holder=holder, expires_at=until))

    def extend_lease(self, name: str, holder: str, until: datetime) -> bool:
        """Hold the lease longer; False when somebody else has it by now."""
        extended = self.connection.execute(
            update(leases)
            .where(leases.c.name == name, leases.c.holder == holder)
            .values(expires_at=until)
        )
        return extended.rowcount == 1

    def end_lease(self, name: str, holder: str) -> None:
        """Give the lease back."""
        self.connection.execute(
            delete(leases).where(leases.c.name == name, leases.c.holder == holder)
        )

    def model_answers(self, keys: Sequence[str]) -> dict[str, str]:
        """Key -> what a language model answered to the same question before."""
        found: dict[str, str] = {}
        for part in in_parts(keys):
            query = select(model_answers.c.key, model_answers.c.answer).where(
                model_answers.c.key.in_(part)
            )
            found |= {row.key: row.answer for row in self.connection.execute(query)}
        return found

    def keep_model_answers(self, answers: Mapping[str, str], now: datetime) -> None:
        """Keep a language model's answers, so that none is paid for twice."""
        for part in in_parts(sorted(answers)):
            self.connection.execute(delete(model_answers).where(model_answers.c.key.in_(part)))
            rows = [{"key": key, "answer": answers[key], "created_at": now} for key in part]
            self.connection.execute(insert_new(self.connection, model_answers), rows)

    def audit(
        self,
        action: str,
        subject: str,
        *,
        actor: str,
        at: datetime,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a line to the audit log."""
        self.connection.execute(
            insert(audit_log).values(
                at=at,
                actor=actor,
                action=action,
                subject=subject,
                details=dict(details) if details else None,
            )
        )
