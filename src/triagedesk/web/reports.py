"""Reports and runs on one page: what went out and what did not, what runs, and what it costs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePath
from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import BaseRoute

from triagedesk import reporting
from triagedesk.errors import ConflictError, InputError, StoreBusy
from triagedesk.report.excel import CONTENT_TYPE
from triagedesk.store.costs import ModelUse
from triagedesk.store.jobs import Job
from triagedesk.store.lease import hold
from triagedesk.web.rendering import address
from triagedesk.web.visits import Visit, action, view
from triagedesk.workflows.asking import ENDED, run_list

#: Runs and reports listed, and recipients a report may be sent to by hand.
_RUNS, _REPORTS, _RECIPIENTS = 12, 20, 50
#: How far back model calls are counted.
_COSTS = timedelta(days=30)
_MILLION = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one language model was used for."""

    model: str
    calls: int
    tickets: int
    input_tokens: int
    output_tokens: int
    #: In the desk's currency; None where no price is set.
    money: float | None


def reports(visit: Visit) -> Response:
    """Reports, runs and costs."""
    prices = visit.settings.llm_price_input, visit.settings.llm_price_output
    with visit.store.read() as transaction:
        stamp = transaction.outbox_stamp()
        unsent = transaction.unsent()
        settled = transaction.settled_reports(_REPORTS)
        use = transaction.model_use(visit.now - _COSTS)
    runs = run_list(visit.store, _RUNS, lessons=False)
    older = sum(count for state, count in stamp[0].items() if state != "unsent") - len(settled)
    return visit.render(
        "reports.html",
        unsent=unsent,
        reports=settled,
        more=max(0, older),
        runs=runs,
        under_way=_under_way(runs),
        costs=costs_of(use, prices),
        mark=_mark(stamp, runs),
    )


def reports_changes(visit: Visit) -> Response:
    """The runs again where one moved on; the whole view when a report came or went."""
    with visit.store.read() as transaction:
        stamp = transaction.outbox_stamp()
    runs = run_list(visit.store, _RUNS, lessons=False)
    mark = _mark(stamp, runs)
    before = visit.query.get("since", "")
    headers = {"X-Rev": mark}
    if mark == before:
        return Response(status_code=204, headers=headers)
    if mark.partition("-")[0] != before.partition("-")[0]:
        return Response(status_code=205, headers=headers)
    answer = visit.rows("reports_runs.html", 0, runs=runs, under_way=_under_way(runs))
    answer.headers["X-Rev"] = mark
    return answer


def costs_of(use: Sequence[ModelUse], prices: tuple[float, float]) -> list[Cost]:
    """What each model was used for, by name; `prices` are those of a million tokens in and out."""
    found = []
    for model in sorted({line.model for line in use}):
        lines = [line for line in use if line.model == model]
        sent = sum(line.input_tokens for line in lines)
        received = sum(line.output_tokens for line in lines)
        cost = Cost(
            model=model,
            calls=sum(line.calls for line in lines),
            tickets=sum(line.tickets for line in lines),
            input_tokens=sent,
            output_tokens=received,
            money=(sent * prices[0] + received * prices[1]) / _MILLION if any(prices) else None,
        )
        found.append(cost)
    return found


def _under_way(runs: Sequence[Job]) -> Job | None:
    """The run of the whole desk that is not over; a new one waits for its end."""
    return next((job for job in runs if job.kind == "desk" and job.state not in ENDED), None)


def _mark(stamp: object, runs: Sequence[Job]) -> str:
    """Changes before the dash with reports and new runs, behind it with how far runs are."""
    listed = [job.id for job in runs]
    moved = [(job.id, job.state, job.step, job.done, job.total, job.cancel_asked) for job in runs]
    return "-".join(_digest(part) for part in ((stamp, listed), moved))


def _digest(said: object) -> str:
    return hashlib.sha256(repr(said).encode()).hexdigest()[:12]


def report(visit: Visit, report_id: str) -> Response:
    """One report: to whom it went, to whom not and why, and the ways out."""
    with visit.store.read() as transaction:
        found = reporting.find(transaction, report_id)
    return visit.render(
        "report.html", report=found, settings_recipients=visit.settings.email_recipient
    )


def download(visit: Visit, report_id: str) -> Response:
    """The workbook as it was built."""
    with visit.store.read() as transaction:
        found = reporting.find(transaction, report_id)
        content = transaction.report_content(found.id)
    name = quote(PurePath(found.path).name)
    disposition = f"attachment; filename*=UTF-8''{name}"
    headers = {"Content-Disposition": disposition}
    return Response(content, media_type=CONTENT_TYPE, headers=headers)


def resend(visit: Visit, report_id: str) -> Response:
    """Send a report now: to those named, or to whom the settings say."""
    to = _addresses(visit, visit.form.get("to", ""))
    with visit.store.read() as transaction:
        name = reporting.find(transaction, report_id).id
    try:
        with hold(visit.store, "run"):
            sent = reporting.resend(visit.desk, name, to, by=visit.actor)
    except StoreBusy as error:
        raise ConflictError(visit.t("reports.run_first"), hint=error.hint) from error
    reached = all(not one.errors for one in sent)
    return visit.go(address("/reports", name), did="resent" if reached else "not_resent")


def discard(visit: Visit, report_id: str) -> Response:
    """Give a report up: it is kept, and sent no more."""
    reporting.discard(visit.desk, report_id, by=visit.actor)
    return visit.go("/reports", did="discarded")


def _addresses(visit: Visit, text: str) -> tuple[str, ...]:
    """Mail addresses as people type them. Raises InputError for what is none."""
    parts = text.replace(",", " ").replace(";", " ").split()
    for part in parts:
        local, at, domain = part.rpartition("@")
        if not (local and at and domain) or any(sign in part for sign in "<>\"'\\"):
            raise InputError(visit.t("reports.no_address", text=part[:100]))
    if len(parts) > _RECIPIENTS:
        raise InputError(visit.t("reports.too_many", n=_RECIPIENTS))
    return tuple(dict.fromkeys(parts))


ROUTES: list[BaseRoute] = [
    view("/reports", reports),
    view("/reports-changes", reports_changes),
    view("/reports/{report_id}", report),
    view("/reports/{report_id}/file", download),
    action("/reports/{report_id}/resend", resend, role="lead"),
    action("/reports/{report_id}/discard", discard, role="lead"),
]
