"""Queries about reports and their deliveries: the outbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, delete, func, insert, null, select, update

from triagedesk.store.queries import Queries
from triagedesk.store.tables import deliveries, reports


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One recipient's copy of a report."""

    recipient: str
    #: `pending`, `delivered` or `parked`.
    state: str
    channel: str
    #: What the channel was configured with at the last attempt.
    fingerprint: str
    attempts: int
    error: str
    attempted_at: datetime


@dataclass(frozen=True, kw_only=True)
class StoredReport:
    """A report as the outbox holds it, without its file's content."""

    id: str
    run_id: str
    created_at: datetime
    #: `unsent`, `sent`, `kept` (nobody wanted it mailed) or `discarded`.
    state: str
    message_id: str
    subject: str
    text: str
    html: str
    #: Where the file was written.
    path: str
    #: Recipients named by hand; None: those in the settings.
    recipients: tuple[str, ...] | None = None
    deliveries: tuple[Delivery, ...] = field(default=())


class ReportQueries(Queries):
    """Queries about reports."""

    def add_report(self, report: StoredReport, content: bytes) -> None:
        """Put a report with its file into the outbox."""
        values = {name: value for name, value in vars(report).items() if name != "deliveries"}
        self.connection.execute(insert(reports).values(**values, content=content))

    def unsent(self) -> list[StoredReport]:
        """Reports that have not reached all their recipients, oldest first."""
        return self._reports(reports.c.state == "unsent")

    def report_list(self) -> list[StoredReport]:
        """Every report, oldest first."""
        return self._reports()

    def settled_reports(self, most: int) -> list[StoredReport]:
        """The newest reports that are not unsent, newest first."""
        newest = (
            select(reports.c.id)
            .where(reports.c.state != "unsent")
            .order_by(reports.c.created_at.desc(), reports.c.id.desc())
            .limit(most)
        )
        keys = list(self.connection.scalars(newest))
        return list(reversed(self._reports(reports.c.id.in_(keys))))

    def report_states(self) -> dict[str, int]:
        """State -> reports."""
        query = select(reports.c.state, func.count()).group_by(reports.c.state)
        return {row[0]: row[1] for row in self.connection.execute(query.order_by(reports.c.state))}

    def outbox_stamp(self) -> tuple[dict[str, int], int, int]:
        """Changes whenever a report comes, goes out or is given up, or a delivery is tried."""
        tried = select(func.count(), func.sum(deliveries.c.attempts)).select_from(deliveries)
        copies, attempts = self.connection.execute(tried).one()
        return self.report_states(), copies, attempts or 0

    def report(self, report_id: str) -> StoredReport | None:
        """One report by its id."""
        return next(iter(self._reports(reports.c.id == report_id)), None)

    def report_content(self, report_id: str) -> bytes:
        """The report's file, as it was built."""
        query = select(reports.c.content).where(reports.c.id == report_id)
        content: bytes = self.connection.execute(query).scalar_one()
        return content

    def set_report_state(self, report_id: str, state: str) -> None:
        """Mark a report as `unsent`, `sent`, `kept` or `discarded`."""
        self.connection.execute(
            update(reports).where(reports.c.id == report_id).values(state=state)
        )

    def redirect_report(self, report_id: str, recipients: Sequence[str] | None) -> None:
        """Make a report unsent again, for other recipients than the settings name or for these."""
        self.connection.execute(
            update(reports)
            .where(reports.c.id == report_id)
            .values(recipients=list(recipients) if recipients else null(), state="unsent")
        )

    def forget_deliveries(self, report_id: str, *, delivered: bool) -> None:
        """Forget refusals and, where so asked, who has a report already."""
        forgotten = delete(deliveries).where(deliveries.c.report_id == report_id)
        if not delivered:
            forgotten = forgotten.where(deliveries.c.state != "delivered")
        self.connection.execute(forgotten)

    def save_delivery(self, report_id: str, delivery: Delivery) -> None:
        """Record what became of one recipient's copy."""
        self.connection.execute(
            delete(deliveries).where(
                deliveries.c.report_id == report_id, deliveries.c.recipient == delivery.recipient
            )
        )
        self.connection.execute(insert(deliveries).values(report_id=report_id, **vars(delivery)))

    def _reports(self, *conditions: Any) -> list[StoredReport]:
        columns = [column for column in reports.c if column.name != "content"]
        query = select(*columns).where(*conditions).order_by(reports.c.created_at, reports.c.id)
        return [self._read_report(row) for row in self.connection.execute(query).mappings().all()]

    def _read_report(self, row: RowMapping) -> StoredReport:
        query = select(deliveries).where(deliveries.c.report_id == row["id"])
        found = self.connection.execute(query).mappings()
        copies = (Delivery(**{k: v for k, v in copy.items() if k != "report_id"}) for copy in found)
        named = row["recipients"]
        return StoredReport(
            **{k: v for k, v in row.items() if k != "recipients"},
            recipients=tuple(named) if named is not None else None,
            # By code point: PostgreSQL would sort as its locale does.
            deliveries=tuple(sorted(copies, key=lambda copy: copy.recipient)),
        )
