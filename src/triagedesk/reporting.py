"""Step 8 in detail: a report from its figures through the outbox to everyone who should have it.

SMTP cannot promise exactly once: a mail accepted by the server in the moment this process is killed
is sent again by the next run, with the same Message-ID. That moment is kept to one commit.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from triagedesk.desk import Desk, SentReport
from triagedesk.errors import NotFoundError, OutputError
from triagedesk.outbox import Attachment, Channel, DeliveryOutcome, Mail
from triagedesk.report import AgentRow, Figures, ReportRow, row_of, tally
from triagedesk.report.excel import CONTENT_TYPE, write_workbook
from triagedesk.report.mail import compose
from triagedesk.store import Transaction
from triagedesk.store.reports import Delivery, StoredReport

#: Seconds to wait before each further attempt to hand over a mail.
DELIVERY_PAUSES = (2.0, 5.0)
#: Rows of a report kept in memory, some 3 kB each; of a larger one they are read again each time.
KEPT_ROWS = 2_000


def count_report(desk: Desk, run_id: str, now: datetime) -> Figures:
    """A run's figures alone."""
    with desk.store.read() as transaction:
        return tally(map(row_of, transaction.triaged(run_id)), now)


def build_report(desk: Desk, run_id: str, now: datetime) -> tuple[StoredReport, bytes, Figures]:
    """A run's report as mail, workbook and figures; the same decisions give the same bytes."""
    workbook = io.BytesIO()
    letterhead = desk.letterhead
    with desk.store.read() as transaction:
        broken = transaction.broken(run_id)
        rows, counted = _rows(transaction, run_id, now)
        figures = replace(counted, set_aside=len(broken))
        given = transaction.assigned_in(run_id)
        agents = [
            AgentRow(
                id=agent.id,
                name=agent.name,
                availability=agent.availability,
                load=agent.load,
                capacity=agent.capacity,
                assigned=given.get(agent.id, 0),
            )
            for agent in transaction.roster()
        ]
        write_workbook(
            workbook,
            rows,
            figures=figures,
            agents=agents,
            broken=broken,
            created_at=now,
            title=letterhead.title,
            time_zone=letterhead.time_zone,
        )
        subject, text, html = compose(
            figures=figures,
            broken=broken,
            created_at=now,
            title=letterhead.title,
            candidate_name=letterhead.candidate_name,
            codebase_url=letterhead.codebase_url,
            time_zone=letterhead.time_zone,
        )
    stored = StoredReport(
        id=run_id,
        run_id=run_id,
        created_at=now,
        state="unsent" if desk.channel else "kept",
        message_id=f"<{run_id}@{letterhead.domain}>",
        subject=subject,
        text=text,
        html=html,
        path=str(desk.report_path(run_id)),
    )
    return stored, workbook.getvalue(), counted


def _rows(
    transaction: Transaction, run_id: str, now: datetime
) -> tuple[Callable[[], Iterator[ReportRow]], Figures]:
    """A run's rows, as often as they are asked for, and what they come to.

    A few are kept, many are read anew.
    """
    kept: list[ReportRow] = []

    def look() -> Iterator[ReportRow]:
        for triaged in transaction.triaged(run_id):
            row = row_of(triaged)
            if len(kept) <= KEPT_ROWS:
                kept.append(row)
            yield row

    figures = tally(look(), now)
    if len(kept) <= KEPT_ROWS:
        return lambda: iter(kept), figures
    kept.clear()
    return lambda: map(row_of, transaction.triaged(run_id)), figures


def deliver(desk: Desk, stored: StoredReport) -> SentReport:
    """Hand a report to everyone who has not got it; record each copy before anything else."""
    channel = desk.channel
    sent = SentReport(id=stored.id, state=stored.state, path=Path(stored.path), recipients=())
    if desk.dry_run:
        return sent
    with desk.store.read() as transaction:
        content = transaction.report_content(stored.id)
    _put_file(desk, sent, content)
    if channel is None:
        return sent
    sent.recipients = stored.recipients or channel.recipients
    sent.channel, sent.destination = channel.name, channel.destination
    copies = {copy.recipient: copy for copy in stored.deliveries}
    for pause in (0.0, *DELIVERY_PAUSES):
        todo = [r for r in sent.recipients if not _is_settled(copies.get(r), channel)]
        if not todo:
            break
        desk.sleep(pause)
        with desk.shield():
            outcomes = channel.send(_mail(stored, content), tuple(todo))
            copies |= _record(desk, stored, channel, outcomes, copies)
        if not any(outcome.try_again for outcome in outcomes.values()):
            break
    sent.errors = {r: copies[r].error for r in sent.recipients if copies[r].state != "delivered"}
    parked = any(copies[recipient].state == "parked" for recipient in sent.errors)
    sent.state = "parked" if parked else "unsent" if sent.errors else "sent"
    if sent.state == "sent":
        # Nothing may have been left to do: a refused recipient is no longer in the settings.
        with desk.store.begin() as transaction:
            transaction.set_report_state(stored.id, "sent")
    return sent


def resend(desk: Desk, report_id: str, to: tuple[str, ...], *, by: str = "cli") -> list[SentReport]:
    """Send one report again, to `to` or to whom the settings say; or all unsent ones.

    An unsent one goes to those who have not got it; one that was sent goes to everyone once more.
    Raises NotFoundError.
    """
    if not report_id:
        with desk.store.read() as transaction:
            unsent = transaction.unsent()
        return [deliver(desk, stored) for stored in unsent]
    with desk.store.begin() as transaction:
        stored = find(transaction, report_id)
        again = bool(to) or stored.state != "unsent"
        transaction.forget_deliveries(report_id, delivered=again)
        transaction.redirect_report(report_id, to or stored.recipients)
        transaction.audit(
            "report resent", report_id, actor=by, at=desk.now(), details={"to": list(to)}
        )
        stored = find(transaction, report_id)
    return [deliver(desk, stored)]


def discard(desk: Desk, report_id: str, *, by: str = "cli") -> None:
    """Give a report up: it stays in the store, but is unsent no longer. Raises NotFoundError."""
    with desk.store.begin() as transaction:
        find(transaction, report_id)
        transaction.set_report_state(report_id, "discarded")
        transaction.audit("report discarded", report_id, actor=by, at=desk.now())


def find(transaction: Transaction, report_id: str) -> StoredReport:
    """A report by its id. Raises NotFoundError."""
    stored = transaction.report(report_id)
    if stored is None:
        raise NotFoundError(
            f"there is no report {report_id!r}", hint="see `triagedesk report list`"
        )
    return stored


def _is_settled(copy: Delivery | None, channel: Channel) -> bool:
    """Delivered; or refused for good by a mail server that is still set up the same."""
    if copy is None or copy.state == "pending":
        return False
    return copy.state == "delivered" or copy.fingerprint == channel.fingerprint


def _record(
    desk: Desk,
    stored: StoredReport,
    channel: Channel,
    outcomes: Mapping[str, DeliveryOutcome],
    before: Mapping[str, Delivery],
) -> dict[str, Delivery]:
    """Record what became of each copy, and whether the report has reached everyone."""
    state = {(True, False): "delivered", (False, True): "parked", (False, False): "pending"}
    copies = {
        recipient: Delivery(
            recipient=recipient,
            state=state[outcome.delivered, outcome.permanent],
            channel=channel.name,
            fingerprint=channel.fingerprint,
            attempts=before[recipient].attempts + 1 if recipient in before else 1,
            error=outcome.error,
            attempted_at=desk.now(),
        )
        for recipient, outcome in outcomes.items()
    }
    after = {**before, **copies}
    wanted = stored.recipients or channel.recipients
    # In the same commit: a run killed right after it must not find an unsent report.
    everyone = all(r in after and after[r].state == "delivered" for r in wanted)
    with desk.store.begin() as transaction:
        for copy in copies.values():
            transaction.save_delivery(stored.id, copy)
        if everyone:
            transaction.set_report_state(stored.id, "sent")
    return copies


def _put_file(desk: Desk, sent: SentReport, content: bytes) -> None:
    """Write the workbook to its folder, unless it lies there already."""
    if _holds(sent.path, content):
        return
    try:
        desk.write_file(sent.path, content)
    except OutputError as error:
        # The mail carries the workbook and the store keeps it: the report need not wait for this.
        sent.file_error = error.message


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.is_file() and path.read_bytes() == content
    except OSError:
        # Writing it anew says what is wrong.
        return False


def _mail(stored: StoredReport, content: bytes) -> Mail:
    return Mail(
        message_id=stored.message_id,
        subject=stored.subject,
        text=stored.text,
        html=stored.html,
        attachment=Attachment(
            filename=Path(stored.path).name, content_type=CONTENT_TYPE, content=content
        ),
        created_at=stored.created_at,
    )
